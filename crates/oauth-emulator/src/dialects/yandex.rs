use serde_json::{Map, Value, json};

use crate::{
    exchange::{Dialect, Exchange},
    reply::ServerReply,
    state::UserGrant,
};

/// <https://yandex.com/dev/id/doc/en/>
pub(super) struct Yandex;

impl Dialect for Yandex {
    /// The picture is an id, of which the client makes a URL.
    fn profile(
        &self,
        _exchange: &Exchange<'_>,
        grant: &UserGrant,
        mut body: Map<String, Value>,
    ) -> ServerReply {
        body.insert("login".to_owned(), json!(grant.user.username));
        body.insert("is_avatar_empty".to_owned(), json!(grant.user.picture.is_none()));
        let avatar =
            if grant.user.picture.is_some() { "21377/0UpLeMNZEwHN7zfPCNePYoo9Vz4-1" } else { "0/0-0" };
        body.insert("default_avatar_id".to_owned(), json!(avatar));
        ServerReply::ok(&Value::Object(body))
    }
}
