use http::StatusCode;
use jsonwebtoken::{Algorithm, Validation};
use serde_json::{Map, Value, json};
use url::{Host, Url};

use crate::{
    app::App,
    clock::now,
    exchange::{Dialect, Exchange},
    refusal::{CallbackError, ProtocolError},
    reply::ServerReply,
    state::{Allowed, UserGrant},
};

const ISSUER: &str = "https://appleid.apple.com";

/// Six months, in seconds, as Apple counts them.
const LONGEST_SECRET: i64 = 15_777_000;

/// Addresses that Apple made up, so that the application does not learn the user's.
const RELAY: &str = "@privaterelay.appleid.com";

/// <https://developer.apple.com/documentation/signinwithapplerestapi>
pub(super) struct Apple;

impl Dialect for Apple {
    /// Apple wants https and no `localhost`. Here this machine is allowed, because the application under test runs on it.
    fn check_redirect_uri(&self, uri: &Url) -> Result<(), String> {
        let is_local = match uri.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        match uri.scheme() == "https" || is_local {
            true => Ok(()),
            false => Err(format!("{uri} is not an https URL (invalid_request: Invalid web redirect url.)")),
        }
    }

    fn check_authorize(&self, exchange: &Exchange<'_>, scopes: &[String]) -> Result<(), CallbackError> {
        let query = exchange.request.url.split_once('?').map_or("", |(_, query)| query);
        if query.split('&').any(|pair| pair.starts_with("scope=") && pair.contains('+')) {
            let description = "a plus sign is not a space in scope; write %20";
            return Err(CallbackError::new("invalid_scope", description));
        }
        if let Some(unknown) =
            scopes.iter().find(|scope| !["openid", "name", "email"].contains(&scope.as_str()))
        {
            return Err(CallbackError::new("invalid_scope", format!("{unknown:?} is not a scope here")));
        }
        let asks = scopes.iter().any(|scope| scope != "openid");
        if asks && exchange.request.query.get("response_mode") != Some("form_post") {
            let description = "response_mode must be form_post when name or email scope is requested.";
            return Err(CallbackError::new("invalid_request", description));
        }
        Ok(())
    }

    /// Name and address come with the callback of a user's first sign-in, and with no other.
    fn callback(&self, allowed: &Allowed<'_>, answer: &mut Vec<(String, String)>) {
        if !allowed.first {
            return;
        }
        let asked = |wanted: &str| allowed.request.scopes.iter().any(|scope| scope == wanted);
        let mut user = Map::new();
        if asked("name") {
            let name = &allowed.user.name;
            let (first, last) = name.split_once(' ').unwrap_or((name, ""));
            user.insert("name".to_owned(), json!({"firstName": first, "lastName": last}));
        }
        if let Some(email) = allowed.user.email.as_deref().filter(|_| asked("email")) {
            user.insert("email".to_owned(), json!(email));
        }
        if !user.is_empty() {
            answer.push(("user".to_owned(), Value::Object(user).to_string()));
        }
    }

    /// The secret is a JWT that the application signs with its team's key.
    fn check_secret(&self, exchange: &Exchange<'_>, app: &App, secret: &str) -> Result<(), String> {
        let key = &exchange.backend.apple_key;
        let mut validation = Validation::new(Algorithm::ES256);
        validation.set_required_spec_claims(&["iss", "exp", "aud", "sub"]);
        validation.set_issuer(&[&key.team_id]);
        validation.set_audience(&[ISSUER]);
        validation.sub = Some(app.client_id.clone());
        let token = jsonwebtoken::decode::<Map<String, Value>>(secret, &key.public, &validation)
            .map_err(|error| format!("the client secret is not a JWT that holds: {error}"))?;
        if token.header.kid.as_deref() != Some(&*key.key_id) {
            return Err("the client secret's header names no key of the team as kid".to_owned());
        }
        let time = |name: &str| token.claims.get(name).and_then(Value::as_i64);
        if time("iat").is_none_or(|iat| iat > now() + 60) {
            return Err("the client secret was not issued yet, or does not say when".to_owned());
        }
        if time("exp").is_none_or(|exp| exp - now() > LONGEST_SECRET) {
            return Err("the client secret lives longer than six months".to_owned());
        }
        Ok(())
    }

    /// Booleans come as strings. At Apple they do in some tokens; a client has to read both.
    fn id_token(&self, _grant: &UserGrant, claims: &mut Map<String, Value>) {
        if let Some(verified) = claims.get("email_verified").map(Value::to_string) {
            claims.insert("email_verified".to_owned(), json!(verified));
        }
        if let Some(is_relay) =
            claims.get("email").and_then(Value::as_str).map(|email| email.ends_with(RELAY))
        {
            claims.insert("is_private_email".to_owned(), json!(is_relay.to_string()));
        }
        claims.insert("nonce_supported".to_owned(), json!(true));
    }

    /// 400 also for a client that is not authenticated.
    fn refuse(&self, _exchange: &Exchange<'_>, refusal: &ProtocolError) -> ServerReply {
        let body = json!({"error": refusal.reason.code(), "error_description": refusal.description});
        ServerReply::json(StatusCode::BAD_REQUEST, &body)
    }
}
