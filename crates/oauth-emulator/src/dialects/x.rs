use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::{
    exchange::{Dialect, Exchange},
    fault::Fault,
    refusal::{Denied, ProtocolError, Reason},
    reply::ServerReply,
    state::UserGrant,
};

/// <https://docs.x.com/fundamentals/authentication/oauth-2-0/user-access-token>
pub(super) struct X;

impl Dialect for X {
    /// Only the text tells a dead code or token from a wrong request.
    fn refuse(&self, _exchange: &Exchange<'_>, refusal: &ProtocolError) -> ServerReply {
        let (status, code, description) = match refusal.reason {
            Reason::Client => {
                (StatusCode::UNAUTHORIZED, "unauthorized_client", "Missing valid authorization header")
            }
            Reason::Code => (
                StatusCode::BAD_REQUEST,
                "invalid_request",
                "Value passed for the authorization code was invalid.",
            ),
            Reason::RefreshToken => {
                (StatusCode::BAD_REQUEST, "invalid_request", "Value passed for the token was invalid.")
            }
            _ => (StatusCode::BAD_REQUEST, "invalid_request", &*refusal.description),
        };
        ServerReply::json(status, &json!({"error": code, "error_description": description}))
    }

    /// A problem document (RFC 9457).
    fn denied(&self, _exchange: &Exchange<'_>, denied: Denied) -> ServerReply {
        match denied {
            Denied::NoToken | Denied::BadToken => problem(StatusCode::UNAUTHORIZED, "Unauthorized"),
            Denied::Scope => problem(StatusCode::FORBIDDEN, "Forbidden"),
        }
    }

    /// Only the members that `user.fields` names, beside the usual three, and none for a token that may not see one of them.
    fn profile(
        &self,
        exchange: &Exchange<'_>,
        grant: &UserGrant,
        mut body: Map<String, Value>,
    ) -> ServerReply {
        let fields = exchange.request.query.get("user.fields").unwrap_or_default();
        let wanted: Vec<_> = fields.split(',').collect();
        let sees_all = grant.has_scope("tweet.read")
            && (grant.has_scope("users.email") || !wanted.contains(&"confirmed_email"));
        if !sees_all {
            return problem(StatusCode::FORBIDDEN, "Forbidden");
        }
        if let Some(user) = body.get_mut("data").and_then(Value::as_object_mut) {
            user.insert("username".to_owned(), json!(grant.user.username));
            user.retain(|name, _| {
                ["id", "name", "username"].contains(&name.as_str()) || wanted.contains(&name.as_str())
            });
            // An address that is not confirmed is not told.
            if !grant.user.email_verified || exchange.has_fault(&Fault::UnverifiedEmail) {
                user.remove("confirmed_email");
            }
        }
        ServerReply::ok(&Value::Object(body))
    }
}

fn problem(status: StatusCode, title: &str) -> ServerReply {
    let body = json!({"title": title, "type": "about:blank", "status": status.as_u16(), "detail": title});
    ServerReply::json(status, &body)
}
