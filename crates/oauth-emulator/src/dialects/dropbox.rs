use http::{StatusCode, header};
use serde_json::{Map, Value, json};

use crate::{
    exchange::{Dialect, Exchange},
    refusal::{Denied, ProtocolError, Reason},
    reply::ServerReply,
    state::UserGrant,
};

/// <https://developers.dropbox.com/oauth-guide>
pub(super) struct Dropbox;

impl Dialect for Dropbox {
    fn refuse(&self, _exchange: &Exchange<'_>, refusal: &ProtocolError) -> ServerReply {
        let code = match refusal.reason {
            Reason::Client => "invalid_client: Invalid client_id or client_secret",
            reason => reason.code(),
        };
        let body = json!({"error": code, "error_description": refusal.description});
        ServerReply::json(StatusCode::BAD_REQUEST, &body)
    }

    fn denied(&self, _exchange: &Exchange<'_>, denied: Denied) -> ServerReply {
        let tag = match denied {
            Denied::NoToken | Denied::BadToken => "invalid_access_token",
            Denied::Scope => "missing_scope",
        };
        let body = json!({"error_summary": format!("{tag}/."), "error": {".tag": tag}});
        ServerReply::json(StatusCode::UNAUTHORIZED, &body)
    }

    /// A method without arguments wants neither a body nor the Content-Type of one.
    fn profile(&self, exchange: &Exchange<'_>, _grant: &UserGrant, body: Map<String, Value>) -> ServerReply {
        let request = &exchange.request;
        let is_null =
            &request.body[..] == b"null" && request.header("content-type") == Some("application/json");
        let is_empty = request.body.is_empty() && !request.headers.contains_key(header::CONTENT_TYPE);
        match is_null || is_empty {
            true => ServerReply::ok(&Value::Object(body)),
            false => ServerReply::text(StatusCode::BAD_REQUEST, "could not decode input as JSON"),
        }
    }
}
