use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::{
    exchange::{Dialect, Exchange},
    refusal::Denied,
    reply::ServerReply,
    state::{Issued, UserGrant},
};

/// <https://developer.paypal.com/docs/log-in-with-paypal>
pub(super) struct PayPal;

impl Dialect for PayPal {
    /// The lifetime has been seen as a text.
    fn token_reply(&self, _exchange: &Exchange<'_>, _issued: &Issued, reply: &mut Map<String, Value>) {
        if let Some(seconds) = reply.get("expires_in").map(ToString::to_string) {
            reply.insert("expires_in".to_owned(), json!(seconds));
        }
    }

    fn id_token(&self, _grant: &UserGrant, claims: &mut Map<String, Value>) {
        if let Some(id) = claims.remove("sub") {
            claims.insert("user_id".to_owned(), id);
        }
    }

    fn denied(&self, _exchange: &Exchange<'_>, denied: Denied) -> ServerReply {
        let (status, name) = match denied {
            Denied::NoToken | Denied::BadToken => (StatusCode::UNAUTHORIZED, "AUTHENTICATION_FAILURE"),
            Denied::Scope => (StatusCode::FORBIDDEN, "NOT_AUTHORIZED"),
        };
        ServerReply::json(status, &json!({"name": name, "message": "the access token is refused"}))
    }

    fn profile(&self, exchange: &Exchange<'_>, _grant: &UserGrant, body: Map<String, Value>) -> ServerReply {
        match exchange.request.query.get("schema") {
            Some("paypalv1.1" | "openid") => ServerReply::ok(&Value::Object(body)),
            _ => ServerReply::json(
                StatusCode::BAD_REQUEST,
                &json!({"name": "VALIDATION_ERROR", "message": "schema"}),
            ),
        }
    }
}
