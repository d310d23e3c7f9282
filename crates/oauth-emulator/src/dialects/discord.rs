use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::{
    exchange::{Dialect, Exchange},
    refusal::Denied,
    reply::ServerReply,
    state::UserGrant,
};

/// <https://discord.com/developers/docs/topics/oauth2>
pub(super) struct Discord;

impl Dialect for Discord {
    /// API errors hold a message and Discord's own code.
    fn denied(&self, _exchange: &Exchange<'_>, denied: Denied) -> ServerReply {
        match denied {
            Denied::NoToken | Denied::BadToken => ServerReply::json(
                StatusCode::UNAUTHORIZED,
                &json!({"message": "401: Unauthorized", "code": 0}),
            ),
            Denied::Scope => {
                ServerReply::json(StatusCode::FORBIDDEN, &json!({"message": "Missing Access", "code": 50001}))
            }
        }
    }

    /// The avatar is a hash, from which the client makes a URL.
    fn profile(
        &self,
        _exchange: &Exchange<'_>,
        grant: &UserGrant,
        mut body: Map<String, Value>,
    ) -> ServerReply {
        let avatar = grant.user.picture.as_ref().map(|_| "8342729096ea3675442027381ff50dfe");
        body.insert("avatar".to_owned(), json!(avatar));
        body.insert("username".to_owned(), json!(grant.user.username));
        body.insert("discriminator".to_owned(), json!("0"));
        ServerReply::ok(&Value::Object(body))
    }
}
