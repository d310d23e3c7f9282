use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use crate::{
    client_auth::form,
    exchange::{Dialect, Exchange},
    refusal::{Denied, ProtocolError, Reason},
    reply::ServerReply,
    state::{Grant, Issued},
};

/// <https://dev.twitch.tv/docs/authentication/getting-tokens-oidc/>
pub(super) struct Twitch;

impl Dialect for Twitch {
    /// A list, which may be empty.
    fn token_reply(&self, _exchange: &Exchange<'_>, issued: &Issued, reply: &mut Map<String, Value>) {
        reply.insert("scope".to_owned(), json!(issued.scopes));
    }

    fn id_token(&self, grant: &Grant, claims: &mut Map<String, Value>) {
        without_address(grant, claims);
    }

    /// Only what the parameter `claims` asked for.
    fn userinfo(&self, grant: &Grant, claims: &mut Map<String, Value>) {
        let asked: Option<Value> =
            grant.request.params.get("claims").and_then(|text| serde_json::from_str(text).ok());
        let asked = asked.and_then(|asked| asked.get("userinfo").cloned()).unwrap_or_default();
        claims.retain(|name, _| name == "sub" || asked.get(name).is_some());
        without_address(grant, claims);
    }

    /// No OAuth error, but a message.
    fn refuse(&self, _exchange: &Exchange<'_>, refusal: &ProtocolError) -> ServerReply {
        let status = match refusal.reason {
            Reason::Client => StatusCode::FORBIDDEN,
            _ => StatusCode::BAD_REQUEST,
        };
        let message = match refusal.reason {
            Reason::Client => "invalid client secret",
            Reason::Code => "Invalid authorization code",
            Reason::RefreshToken => "Invalid refresh token",
            _ => &refusal.description,
        };
        let mut body = json!({"status": status.as_u16(), "message": message});
        if refusal.reason == Reason::RefreshToken {
            body["error"] = json!("Bad Request");
        }
        ServerReply::json(status, &body)
    }

    fn denied(&self, _exchange: &Exchange<'_>, denied: Denied) -> ServerReply {
        let message = match denied {
            Denied::NoToken => "OAuth token is missing",
            Denied::BadToken => "Invalid OAuth token",
            Denied::Scope => "Missing scope",
        };
        let body = json!({"error": "Unauthorized", "status": 401, "message": message});
        ServerReply::json(StatusCode::UNAUTHORIZED, &body)
    }

    /// The API wants to know which application asks, and compares.
    fn profile(&self, exchange: &Exchange<'_>, grant: &Grant, mut body: Map<String, Value>) -> ServerReply {
        if exchange.request.header("client-id") != Some(&grant.request.app.client_id) {
            let body = json!({
                "error": "Unauthorized",
                "status": 401,
                "message": "Client ID and OAuth token do not match",
            });
            return ServerReply::json(StatusCode::UNAUTHORIZED, &body);
        }
        if let Some(user) = body.get_mut("data").and_then(|data| data.get_mut(0)) {
            user["login"] = json!(grant.user.username);
        }
        ServerReply::ok(&Value::Object(body))
    }

    /// Without a secret; a bad token is an error.
    fn own_revocation(&self, exchange: &Exchange<'_>) -> Option<ServerReply> {
        Some(revoke_and_reply(exchange))
    }
}

fn revoke_and_reply(exchange: &Exchange<'_>) -> ServerReply {
    if exchange.request.method != Method::POST {
        return ServerReply::method_not_allowed("POST");
    }
    let message = |status: StatusCode, message: &str| {
        ServerReply::json(status, &json!({"status": status.as_u16(), "message": message}))
    };
    let form = match form(exchange) {
        Ok(form) => form,
        Err(refusal) => return exchange.dialect.refuse(exchange, &refusal),
    };
    let mut state = exchange.backend.state();
    let app = form.get("client_id").and_then(|id| state.app(&exchange.provider.family, id));
    let Some(app) = app else { return message(StatusCode::NOT_FOUND, "client does not exist") };
    let token = form.get("token").unwrap_or_default();
    // Its documentation speaks of access tokens alone.
    let owned = state.owner(token).is_some_and(|(_, grant, is_refresh)| {
        !is_refresh
            && grant.provider == exchange.provider.name
            && grant.request.app.client_id == app.client_id
    });
    if !owned {
        return message(StatusCode::BAD_REQUEST, "Invalid token");
    }
    state.revoke(token, false);
    ServerReply::empty(StatusCode::OK)
}

/// The address needs a scope beside the claim.
fn without_address(grant: &Grant, claims: &mut Map<String, Value>) {
    if !grant.has_scope("user:read:email") {
        claims.remove("email");
        claims.remove("email_verified");
    }
}
