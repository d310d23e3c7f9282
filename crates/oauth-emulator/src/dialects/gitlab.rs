use serde_json::{Map, Value, json};

use crate::{
    clock::now,
    exchange::{Dialect, Exchange},
    reply::ServerReply,
    state::{Issued, UserGrant},
};

/// <https://docs.gitlab.com/integration/openid_connect_provider/>
pub(super) struct GitLab;

impl Dialect for GitLab {
    fn token_reply(&self, _exchange: &Exchange<'_>, _issued: &Issued, reply: &mut Map<String, Value>) {
        reply.insert("created_at".to_owned(), json!(now()));
    }

    /// The API says when an address was confirmed, not whether.
    fn profile(
        &self,
        _exchange: &Exchange<'_>,
        grant: &UserGrant,
        mut body: Map<String, Value>,
    ) -> ServerReply {
        let confirmed = grant.user.email_verified.then_some("2026-01-01T00:00:00.000Z");
        body.insert("confirmed_at".to_owned(), json!(confirmed));
        body.insert("username".to_owned(), json!(grant.user.username));
        ServerReply::ok(&Value::Object(body))
    }
}
