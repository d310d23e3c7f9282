//! Token introspection (RFC 7662), also as a JWT (RFC 9701).

use http::{Method, StatusCode, header};
use serde_json::{Map, Value, json};

use crate::{
    app::App,
    client_auth::authenticate,
    clock::now,
    endpoint::EmulatedEndpoint,
    exchange::Exchange,
    facts::AcceptedAuth,
    id_token,
    refusal::{ProtocolError, Reason},
    reply::ServerReply,
};

/// The media type of a signed reply (RFC 9701 section 5).
const JWT: &str = "application/token-introspection+jwt";

pub(crate) fn introspect(exchange: &Exchange<'_>) -> ServerReply {
    if exchange.request.method != Method::POST {
        return ServerReply::method_not_allowed("POST");
    }
    match asked(exchange) {
        Ok((app, token)) => {
            let told = tell(exchange, &token);
            let accepts = exchange.request.header(header::ACCEPT.as_str()).unwrap_or_default();
            let wants_jwt = app.introspection_signed_response_alg.is_some() || accepts.contains(JWT);
            match wants_jwt && exchange.provider.facts.emulator.signed_responses {
                true => signed(exchange, &app, told),
                false => ServerReply::ok(&Value::Object(told)),
            }
        }
        Err(refusal) => exchange.refuse(&refusal),
    }
}

/// Who asks, and about which token.
fn asked(exchange: &Exchange<'_>) -> Result<(App, String), ProtocolError> {
    let format = exchange.provider.request_format(EmulatedEndpoint::Introspect).unwrap_or_default();
    let params = exchange.params(format)?;
    let app = authenticate(exchange, &params, &AcceptedAuth::from(exchange.provider.token_auth()))?;
    let token = params.get("token").ok_or_else(|| Reason::Request.because("token is missing"))?;
    Ok((app, token.to_owned()))
}

/// RFC 7662: a token that is not live has no other property.
fn tell(exchange: &Exchange<'_>, token: &str) -> Map<String, Value> {
    let state = exchange.backend.state();
    let family = &exchange.provider.family;
    let mut told = Map::new();
    let mut insert = |name: &str, value: Value| told.insert(name.to_owned(), value);
    let found = state.access(family, token).map(|(_, grant)| grant);
    let Some(grant) = found.clone().or_else(|| state.live_refresh(family, token).cloned()) else {
        insert("active", json!(false));
        return told;
    };
    insert("active", json!(true));
    insert("scope", json!(grant.request.scopes.join(" ")));
    insert("client_id", json!(grant.request.app.client_id));
    insert("sub", json!(grant.user.id));
    if found.is_some() {
        let terms = state.terms(token);
        let (issued_at, expires_at) = state.access_times(token).unwrap_or_default();
        insert("token_type", json!(terms.token_type()));
        insert("username", json!(grant.user.username));
        insert("iss", json!(exchange.provider.issuer(&grant.request.captures)));
        insert("iat", json!(issued_at));
        if let Some(expires_at) = expires_at {
            insert("exp", json!(expires_at));
        }
        if !exchange.provider.facts.emulator.grants.is_empty() {
            insert("auth_time", json!(grant.auth_time));
            if let Some(acr) = id_token::requested_acr(&grant) {
                insert("acr", json!(acr));
            }
        }
        terms.tell(&mut told);
    }
    told
}

/// The reply as a JWT (RFC 9701 section 5).
fn signed(exchange: &Exchange<'_>, app: &App, told: Map<String, Value>) -> ServerReply {
    let endpoint = EmulatedEndpoint::Introspect;
    let (backend, provider) = (exchange.backend, exchange.provider);
    let alg = id_token::alg(backend, provider, endpoint, app.introspection_signed_response_alg);
    let mut claims = Map::new();
    claims.insert("iss".to_owned(), json!(id_token::issuer(backend, provider, &exchange.captures)));
    claims.insert("aud".to_owned(), json!(app.client_id));
    claims.insert("iat".to_owned(), json!(now()));
    claims.insert("token_introspection".to_owned(), Value::Object(told));
    match id_token::sign(backend, provider, endpoint, app, alg, Some("token-introspection+jwt"), claims) {
        Ok(jwt) => ServerReply::new(StatusCode::OK, JWT, jwt),
        Err(error) => ServerReply::text(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}
