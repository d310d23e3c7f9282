use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::Dialect;
use crate::{
    app::App,
    profile::{self, Denied},
    reply::{Reason, Refusal, Reply},
    server::Call,
    state::Grant,
    table::Endpoint,
    token,
};

const TROUBLESHOOTING: &str =
    "/apps/managing-oauth-apps/troubleshooting-oauth-app-access-token-request-errors/";

/// <https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps>
pub(super) struct GitHub;

impl Dialect for GitHub {
    /// The API turns requests without a User-Agent away.
    fn turn_away(&self, call: &Call<'_>, endpoint: Endpoint) -> Option<Reply> {
        let api = !matches!(endpoint, Endpoint::Token | Endpoint::Refresh | Endpoint::Discovery);
        (api && call.request.header("user-agent").is_none_or(str::is_empty)).then(|| {
            Reply::text(
                StatusCode::FORBIDDEN,
                "Request forbidden by administrative rules. Please make sure your request has a User-Agent header.",
            )
        })
    }

    /// Form-encoded unless the request accepts JSON.
    fn token_success(&self, call: &Call<'_>, members: Map<String, Value>) -> Reply {
        written(call, &members)
    }

    /// Errors have status 200.
    fn refuse(&self, call: &Call<'_>, refusal: &Refusal) -> Reply {
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
        written(call, &members)
    }

    /// `Authorization: token` is the older form of `Bearer`.
    fn access_token(&self, call: &Call<'_>) -> Option<String> {
        let request = &call.request;
        request.authorization("bearer").or_else(|| request.authorization("token")).map(str::to_owned)
    }

    fn denied(&self, _call: &Call<'_>, denied: Denied) -> Reply {
        match denied {
            Denied::NoToken => message(StatusCode::UNAUTHORIZED, "Requires authentication"),
            Denied::BadToken => message(StatusCode::UNAUTHORIZED, "Bad credentials"),
            Denied::Scope => message(StatusCode::NOT_FOUND, "Not Found"),
        }
    }

    /// The address in the profile is the public one, which most people do not have.
    fn profile(&self, _call: &Call<'_>, grant: &Grant, mut body: Map<String, Value>) -> Reply {
        body.insert("login".to_owned(), json!(grant.user.username));
        body.insert("email".to_owned(), Value::Null);
        body.insert("type".to_owned(), json!("User"));
        Reply::ok(&Value::Object(body))
    }

    /// DELETE drops a token, POST checks it.
    fn revoke(&self, call: &Call<'_>) -> Reply {
        if call.request.method == Method::POST { check(call) } else { delete(call, false) }
    }

    fn other(&self, call: &Call<'_>, name: &str) -> Reply {
        match name {
            "emails" => emails(call),
            // The whole authorization, with all its tokens.
            _ => delete(call, true),
        }
    }
}

fn emails(call: &Call<'_>) -> Reply {
    if call.request.method != Method::GET {
        return Reply::method_not_allowed("GET");
    }
    let grant = match profile::authorize(call, &["user".to_owned(), "user:email".to_owned()]) {
        Ok(grant) => grant,
        Err(reply) => return reply,
    };
    let state = call.shared.state();
    let emails: Vec<Value> = token::email(&state, &call.provider.family, &grant)
        .map(|(address, verified)| json!({"email": address, "primary": true, "verified": verified, "visibility": null}))
        .into_iter()
        .collect();
    Reply::ok(&Value::Array(emails))
}

/// <https://docs.github.com/en/rest/apps/oauth-applications#delete-an-app-token>
fn delete(call: &Call<'_>, whole_grant: bool) -> Reply {
    if call.request.method != Method::DELETE {
        return Reply::method_not_allowed("DELETE");
    }
    let (app, token) = match owned_token(call) {
        Ok(owned) => owned,
        Err(reply) => return reply,
    };
    let mut state = call.shared.state();
    let found = state.access(&call.provider.family, &token);
    let Some((_, grant)) = found.filter(|(_, grant)| grant.request.app.client_id == app.client_id) else {
        return message(StatusCode::UNPROCESSABLE_ENTITY, "Validation Failed");
    };
    if whole_grant {
        state.end_all(&grant);
    } else {
        state.revoke(&token, false);
    }
    Reply::empty(StatusCode::NO_CONTENT)
}

/// <https://docs.github.com/en/rest/apps/oauth-applications#check-a-token>
fn check(call: &Call<'_>) -> Reply {
    let (app, token) = match owned_token(call) {
        Ok(owned) => owned,
        Err(reply) => return reply,
    };
    let found = call.shared.state().access(&call.provider.family, &token);
    match found.filter(|(_, grant)| grant.request.app.client_id == app.client_id) {
        Some((_, grant)) => Reply::ok(&json!({
            "token": token,
            "scopes": grant.request.scopes,
            "app": {"client_id": app.client_id},
            "user": {"login": grant.user.username, "id": grant.user.id.parse::<u64>().ok()},
        })),
        None => message(StatusCode::NOT_FOUND, "Not Found"),
    }
}

/// HTTP Basic with the application's credentials, which also stand in the path, and a JSON body with the token.
fn owned_token(call: &Call<'_>) -> Result<(App, String), Reply> {
    let not_found = || message(StatusCode::NOT_FOUND, "Not Found");
    let (id, secret) = call.request.basic().flatten().ok_or_else(not_found)?;
    let app = call.shared.state().app(&call.provider.family, &id).ok_or_else(not_found)?;
    if app.client_secret.as_ref() != Some(&secret) || call.captures.get("client_id") != Some(&id) {
        return Err(not_found());
    }
    let body: Value = serde_json::from_slice(&call.request.body).unwrap_or_default();
    match body.get("access_token").and_then(Value::as_str) {
        Some(token) => Ok((app, token.to_owned())),
        None => Err(message(StatusCode::UNPROCESSABLE_ENTITY, "Validation Failed")),
    }
}

fn message(status: StatusCode, message: &str) -> Reply {
    Reply::json(status, &json!({"message": message, "documentation_url": "https://docs.github.com/rest"}))
}

fn written(call: &Call<'_>, members: &Map<String, Value>) -> Reply {
    if call.request.header("accept").is_some_and(|accept| accept.contains("application/json")) {
        return Reply::ok(&json!(members));
    }
    let pairs = members.iter().map(|(name, value)| {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        (name, text)
    });
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    Reply::new(StatusCode::OK, "application/x-www-form-urlencoded; charset=utf-8", body)
}
