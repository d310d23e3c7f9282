use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use crate::{
    app::App,
    claims,
    endpoint::EmulatedEndpoint,
    exchange::{Dialect, Exchange},
    profile,
    refusal::{Denied, ProtocolError, Reason},
    reply::ServerReply,
    state::Grant,
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

    /// Errors have status 200.
    fn refuse(&self, exchange: &Exchange<'_>, refusal: &ProtocolError) -> ServerReply {
        let code = match refusal.reason {
            Reason::Client => "incorrect_client_credentials",
            Reason::Code | Reason::Verifier => "bad_verification_code",
            Reason::RedirectUri => "redirect_uri_mismatch",
            Reason::RefreshToken => "bad_refresh_token",
            Reason::Request | Reason::GrantType | Reason::Scope | Reason::TokenType => refusal.reason.code(),
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

    /// `Authorization: token` is the older form of `Bearer`.
    fn access_token(&self, exchange: &Exchange<'_>) -> Option<String> {
        let request = &exchange.request;
        request.authorization("bearer").or_else(|| request.authorization("token")).map(str::to_owned)
    }

    fn denied(&self, _exchange: &Exchange<'_>, denied: Denied) -> ServerReply {
        match denied {
            Denied::NoToken => message(StatusCode::UNAUTHORIZED, "Requires authentication"),
            Denied::BadToken => message(StatusCode::UNAUTHORIZED, "Bad credentials"),
            Denied::Scope => message(StatusCode::NOT_FOUND, "Not Found"),
        }
    }

    /// The address in the profile is the public one, which most people do not have.
    fn profile(&self, _exchange: &Exchange<'_>, grant: &Grant, mut body: Map<String, Value>) -> ServerReply {
        body.insert("login".to_owned(), json!(grant.user.username));
        body.insert("email".to_owned(), Value::Null);
        body.insert("type".to_owned(), json!("User"));
        ServerReply::ok(&Value::Object(body))
    }

    /// DELETE drops a token, POST checks it.
    fn own_revocation(&self, exchange: &Exchange<'_>) -> Option<ServerReply> {
        Some(revoke_and_reply(exchange))
    }

    fn other(&self, exchange: &Exchange<'_>, name: &str) -> ServerReply {
        match name {
            "emails" => emails(exchange),
            // The whole authorization, with all its tokens.
            _ => delete(exchange, true),
        }
    }
}

fn revoke_and_reply(exchange: &Exchange<'_>) -> ServerReply {
    if exchange.request.method == Method::POST { check(exchange) } else { delete(exchange, false) }
}

fn emails(exchange: &Exchange<'_>) -> ServerReply {
    if exchange.request.method != Method::GET {
        return ServerReply::method_not_allowed("GET");
    }
    let grant = match profile::authorize(exchange, &["user".to_owned(), "user:email".to_owned()]) {
        Ok(grant) => grant,
        Err(reply) => return reply,
    };
    let state = exchange.backend.state();
    let emails: Vec<Value> = claims::email(&state, &exchange.provider.family, &grant)
        .map(|(address, verified)| json!({"email": address, "primary": true, "verified": verified, "visibility": null}))
        .into_iter()
        .collect();
    ServerReply::ok(&Value::Array(emails))
}

/// <https://docs.github.com/en/rest/apps/oauth-applications#delete-an-app-token>
fn delete(exchange: &Exchange<'_>, whole_grant: bool) -> ServerReply {
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
    if whole_grant {
        state.end_all(&grant);
    } else {
        state.revoke(&token, false);
    }
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

/// HTTP Basic with the application's credentials, which also stand in the path, and a JSON body with the token.
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
