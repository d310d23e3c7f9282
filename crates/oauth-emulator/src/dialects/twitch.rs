use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::{
    endpoint::EmulatedEndpoint,
    exchange::{Dialect, Exchange},
    refusal::{Denied, ProtocolError, Reason},
    reply::ServerReply,
    state::UserGrant,
};

/// <https://dev.twitch.tv/docs/authentication/getting-tokens-oidc/>
pub(super) struct Twitch;

impl Dialect for Twitch {
    fn id_token(&self, grant: &UserGrant, claims: &mut Map<String, Value>) {
        without_address(grant, claims);
    }

    /// Only what the parameter `claims` asked for.
    fn userinfo(&self, grant: &UserGrant, claims: &mut Map<String, Value>) {
        let asked: Option<Value> =
            grant.request.params.get("claims").and_then(|text| serde_json::from_str(text).ok());
        let asked = asked.and_then(|asked| asked.get("userinfo").cloned()).unwrap_or_default();
        claims.retain(|name, _| name == "sub" || asked.get(name).is_some());
        without_address(grant, claims);
    }

    /// No OAuth error, but a message.
    fn refuse(&self, exchange: &Exchange<'_>, refusal: &ProtocolError) -> ServerReply {
        let revokes = exchange.endpoint() == EmulatedEndpoint::Revoke;
        let status = match refusal.reason {
            Reason::Client if revokes => StatusCode::NOT_FOUND,
            Reason::Client => StatusCode::FORBIDDEN,
            _ => StatusCode::BAD_REQUEST,
        };
        let message = match refusal.reason {
            Reason::Client if revokes => "client does not exist",
            Reason::UnknownToken | Reason::TokenType => "Invalid token",
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
    fn bad_request(&self, _exchange: &Exchange<'_>, _description: &str) -> ServerReply {
        let message = "Client ID and OAuth token do not match";
        let body = json!({"error": "Unauthorized", "status": 401, "message": message});
        ServerReply::json(StatusCode::UNAUTHORIZED, &body)
    }

    fn profile(
        &self,
        _exchange: &Exchange<'_>,
        grant: &UserGrant,
        mut body: Map<String, Value>,
    ) -> ServerReply {
        if let Some(user) = body.get_mut("data").and_then(|data| data.get_mut(0)) {
            user["login"] = json!(grant.user.username);
        }
        ServerReply::ok(&Value::Object(body))
    }
}

/// The address needs a scope beside the claim.
fn without_address(grant: &UserGrant, claims: &mut Map<String, Value>) {
    if !grant.has_scope("user:read:email") {
        claims.remove("email");
        claims.remove("email_verified");
    }
}
