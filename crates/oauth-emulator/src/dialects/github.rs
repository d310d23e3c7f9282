use http::{Method, StatusCode};
use serde_json::{Map, Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    app::App,
    clock::now,
    crypto,
    endpoint::EmulatedEndpoint,
    exchange::{Dialect, Exchange},
    jws::ReceivedJwt,
    refusal::{Denied, ProtocolError, Reason},
    reply::ServerReply,
    signing_alg::SigningAlg,
    state::UserGrant,
};

const TROUBLESHOOTING: &str =
    "/apps/managing-oauth-apps/troubleshooting-oauth-app-access-token-request-errors/";

/// <https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps>
pub(super) struct GitHub;

impl Dialect for GitHub {
    /// The API turns requests without a User-Agent away.
    fn turn_away(&self, exchange: &Exchange<'_>, endpoint: EmulatedEndpoint) -> Option<ServerReply> {
        let api = !matches!(
            endpoint,
            EmulatedEndpoint::Token | EmulatedEndpoint::Refresh | EmulatedEndpoint::Discovery
        );
        (api && exchange.request.header("user-agent").is_none_or(str::is_empty)).then(|| {
            ServerReply::text(
                StatusCode::FORBIDDEN,
                "Request forbidden by administrative rules. Please make sure your request has a User-Agent header.",
            )
        })
    }

    /// Form-encoded unless the request accepts JSON.
    fn token_success(&self, exchange: &Exchange<'_>, members: Map<String, Value>) -> ServerReply {
        written(exchange, &members)
    }

    /// Errors of the token endpoint have status 200.
    fn refuse(&self, exchange: &Exchange<'_>, refusal: &ProtocolError) -> ServerReply {
        if exchange.endpoint() == EmulatedEndpoint::Revoke {
            return match refusal.reason {
                Reason::Client => message(StatusCode::NOT_FOUND, "Not Found"),
                _ => message(StatusCode::UNPROCESSABLE_ENTITY, "Validation Failed"),
            };
        }
        let code = match refusal.reason {
            Reason::Client => "incorrect_client_credentials",
            Reason::Code | Reason::Verifier => "bad_verification_code",
            Reason::RedirectUri => "redirect_uri_mismatch",
            Reason::RefreshToken => "bad_refresh_token",
            reason => reason.code(),
        };
        let mut members = Map::new();
        members.insert("error".to_owned(), json!(code));
        members.insert("error_description".to_owned(), json!(refusal.description));
        members.insert(
            "error_uri".to_owned(),
            json!(format!("https://docs.github.com{TROUBLESHOOTING}#{}", code.replace('_', "-"))),
        );
        written(exchange, &members)
    }

    fn denied(&self, _exchange: &Exchange<'_>, denied: Denied) -> ServerReply {
        match denied {
            Denied::NoToken => message(StatusCode::UNAUTHORIZED, "Requires authentication"),
            Denied::BadToken => message(StatusCode::UNAUTHORIZED, "Bad credentials"),
            Denied::Scope => message(StatusCode::NOT_FOUND, "Not Found"),
        }
    }

    /// The address in the profile is the public one, which most people do not have.
    fn profile(
        &self,
        _exchange: &Exchange<'_>,
        grant: &UserGrant,
        mut body: Map<String, Value>,
    ) -> ServerReply {
        body.insert("login".to_owned(), json!(grant.user.username));
        body.insert("email".to_owned(), Value::Null);
        body.insert("type".to_owned(), json!("User"));
        ServerReply::ok(&Value::Object(body))
    }

    /// Each address says who can see it.
    fn emails(&self, _exchange: &Exchange<'_>, _grant: &UserGrant, mut body: Value) -> ServerReply {
        for item in body.as_array_mut().into_iter().flatten() {
            item["visibility"] = Value::Null;
        }
        ServerReply::ok(&body)
    }

    /// POST checks a token, at the URL where DELETE drops it.
    fn own_revocation(&self, exchange: &Exchange<'_>) -> Option<ServerReply> {
        (exchange.request.method == Method::POST).then(|| check(exchange))
    }

    fn other(&self, exchange: &Exchange<'_>, name: &str) -> ServerReply {
        match name {
            "installation" => installation_token(exchange),
            // The whole authorization, with all its tokens.
            _ => delete_grant(exchange),
        }
    }
}

/// How long the JWT of an app may live, in seconds.
const LONGEST_JWT: i64 = 600;
/// How long a token of an installation lives, in seconds.
const INSTALLATION_TOKEN: i64 = 3600;

/// <https://docs.github.com/en/rest/apps/apps#create-an-installation-access-token-for-an-app>
fn installation_token(exchange: &Exchange<'_>) -> ServerReply {
    if exchange.request.method != Method::POST {
        return ServerReply::method_not_allowed("POST");
    }
    if let Err(problem) = app_of_jwt(exchange) {
        return message(StatusCode::UNAUTHORIZED, &problem);
    }
    if exchange.captures.get("installation_id").is_none_or(|id| id.parse::<u64>().is_err()) {
        return message(StatusCode::NOT_FOUND, "Not Found");
    }
    let body: Value = serde_json::from_slice(&exchange.request.body).unwrap_or_default();
    let chosen = ["repositories", "repository_ids"].iter().any(|name| body[*name].is_array());
    let permissions = body["permissions"].as_object().cloned();
    let expires_at = OffsetDateTime::from_unix_timestamp(now() + INSTALLATION_TOKEN).ok();
    ServerReply::json(
        StatusCode::CREATED,
        &json!({
            "token": format!("ghs_{}", crypto::random()),
            "expires_at": expires_at.and_then(|at| at.format(&Rfc3339).ok()),
            "permissions": permissions.map_or_else(|| json!({"metadata": "read"}), Value::Object),
            "repository_selection": if chosen { "selected" } else { "all" },
        }),
    )
}

/// The app that signed the JWT in the request's header, which is its token for the API itself.
fn app_of_jwt(exchange: &Exchange<'_>) -> Result<App, String> {
    let jwt = exchange.request.authorization("bearer").ok_or("A JSON web token could not be decoded")?;
    let jws = ReceivedJwt::parse(jwt).map_err(|_| "A JSON web token could not be decoded")?;
    let id = jws.text("iss").ok_or("'Issuer' claim ('iss') must be an Integer or a String")?;
    let app = exchange.backend.state().app(&exchange.provider.family, id).ok_or("Integration not found")?;
    let keys = app.jwks.as_ref().ok_or("Integration must generate a public key")?;
    if jws.alg()? != SigningAlg::RS256 || jws.verify_in(keys).is_err() {
        return Err("A JSON web token could not be decoded".to_owned());
    }
    if jws.time("iat").is_none_or(|iat| iat > now()) {
        return Err("'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued".to_owned());
    }
    match jws.time("exp") {
        Some(exp) if exp > now() + LONGEST_JWT => {
            Err("'Expiration time' claim ('exp') is too far in the future".to_owned())
        }
        Some(exp) if exp > now() => Ok(app),
        _ => Err("'Expiration time' claim ('exp') must be a numeric value representing the future time at which the assertion expires".to_owned()),
    }
}

/// <https://docs.github.com/en/rest/apps/oauth-applications#delete-an-app-authorization>
fn delete_grant(exchange: &Exchange<'_>) -> ServerReply {
    if exchange.request.method != Method::DELETE {
        return ServerReply::method_not_allowed("DELETE");
    }
    let (app, token) = match owned_token(exchange) {
        Ok(owned) => owned,
        Err(reply) => return reply,
    };
    let mut state = exchange.backend.state();
    let found = state.access(&exchange.provider.family, &token);
    let Some((_, grant)) = found.filter(|(_, grant)| grant.request.app.client_id == app.client_id) else {
        return message(StatusCode::UNPROCESSABLE_ENTITY, "Validation Failed");
    };
    state.end_all(&grant);
    ServerReply::empty(StatusCode::NO_CONTENT)
}

/// <https://docs.github.com/en/rest/apps/oauth-applications#check-a-token>
fn check(exchange: &Exchange<'_>) -> ServerReply {
    let (app, token) = match owned_token(exchange) {
        Ok(owned) => owned,
        Err(reply) => return reply,
    };
    let found = exchange.backend.state().access(&exchange.provider.family, &token);
    match found.filter(|(_, grant)| grant.request.app.client_id == app.client_id) {
        Some((_, grant)) => ServerReply::ok(&json!({
            "token": token,
            "scopes": grant.request.scopes,
            "app": {"client_id": app.client_id},
            "user": {"login": grant.user.username, "id": grant.user.id.parse::<u64>().ok()},
        })),
        None => message(StatusCode::NOT_FOUND, "Not Found"),
    }
}

/// HTTP Basic with the application's credentials, which are also in the path, and a JSON body with the token.
fn owned_token(exchange: &Exchange<'_>) -> Result<(App, String), ServerReply> {
    let not_found = || message(StatusCode::NOT_FOUND, "Not Found");
    let (id, secret) = exchange.request.basic().flatten().ok_or_else(not_found)?;
    let app = exchange.backend.state().app(&exchange.provider.family, &id).ok_or_else(not_found)?;
    if app.client_secret.as_ref() != Some(&secret) || exchange.captures.get("client_id") != Some(&id) {
        return Err(not_found());
    }
    let body: Value = serde_json::from_slice(&exchange.request.body).unwrap_or_default();
    match body.get("access_token").and_then(Value::as_str) {
        Some(token) => Ok((app, token.to_owned())),
        None => Err(message(StatusCode::UNPROCESSABLE_ENTITY, "Validation Failed")),
    }
}

fn message(status: StatusCode, message: &str) -> ServerReply {
    ServerReply::json(
        status,
        &json!({"message": message, "documentation_url": "https://docs.github.com/rest"}),
    )
}

fn written(exchange: &Exchange<'_>, members: &Map<String, Value>) -> ServerReply {
    if exchange.request.header("accept").is_some_and(|accept| accept.contains("application/json")) {
        return ServerReply::ok(&json!(members));
    }
    let pairs = members.iter().map(|(name, value)| {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        (name, text)
    });
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    ServerReply::new(StatusCode::OK, "application/x-www-form-urlencoded; charset=utf-8", body)
}
