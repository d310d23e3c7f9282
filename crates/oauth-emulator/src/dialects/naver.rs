use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::{
    exchange::{Dialect, Exchange},
    refusal::Denied,
    reply::ServerReply,
    state::{Issued, RevokedToken, UserGrant},
};

/// <https://developers.naver.com/docs/login/api/api.md>
pub(super) struct Naver;

impl Dialect for Naver {
    /// The lifetime is a string.
    fn token_reply(&self, _exchange: &Exchange<'_>, issued: &Issued, reply: &mut Map<String, Value>) {
        if let Some(seconds) = issued.expires_in {
            reply.insert("expires_in".to_owned(), json!(seconds.to_string()));
        }
    }

    fn denied(&self, _exchange: &Exchange<'_>, denied: Denied) -> ServerReply {
        let (status, code, message) = match denied {
            Denied::NoToken => (StatusCode::UNAUTHORIZED, "028", "Authentication header not exists"),
            Denied::BadToken => (StatusCode::UNAUTHORIZED, "024", "Authentication failed"),
            Denied::Scope => (StatusCode::FORBIDDEN, "403", "Forbidden"),
        };
        ServerReply::json(status, &json!({"resultcode": code, "message": message}))
    }

    /// The table's paths put the profile into `response`; this adds the envelope.
    fn profile(
        &self,
        _exchange: &Exchange<'_>,
        _grant: &UserGrant,
        mut body: Map<String, Value>,
    ) -> ServerReply {
        body.insert("resultcode".to_owned(), json!("00"));
        body.insert("message".to_owned(), json!("success"));
        ServerReply::ok(&Value::Object(body))
    }

    /// The reply repeats the token.
    fn revoked(&self, _exchange: &Exchange<'_>, revoked: Option<&RevokedToken>) -> Option<ServerReply> {
        let token = revoked.map(|revoked| &revoked.token);
        Some(ServerReply::ok(&json!({"access_token": token, "result": "success"})))
    }
}
