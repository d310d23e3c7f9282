use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::{
    exchange::{Dialect, Exchange},
    refusal::Denied,
    reply::ServerReply,
    revoke,
    state::Grant,
};

/// <https://discord.com/developers/docs/topics/oauth2>
pub(super) struct Discord;

impl Dialect for Discord {
    /// One token takes all others with it that the user gave the application, in whatever sign-in.
    fn own_revocation(&self, exchange: &Exchange<'_>) -> Option<ServerReply> {
        let token = exchange.request.field("token").unwrap_or_default().to_owned();
        let owner = {
            let state = exchange.backend.state();
            let owner = state.owner(&token).map(|(_, grant, _)| grant.clone());
            owner.filter(|grant| grant.provider == exchange.provider.name)
        };
        let reply = revoke::revoke(exchange);
        if let Some(grant) = owner.filter(|_| reply.status == StatusCode::OK) {
            exchange.backend.state().end_all(&grant);
        }
        Some(reply)
    }

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
    fn profile(&self, _exchange: &Exchange<'_>, grant: &Grant, mut body: Map<String, Value>) -> ServerReply {
        let avatar = grant.user.picture.as_ref().map(|_| "8342729096ea3675442027381ff50dfe");
        body.insert("avatar".to_owned(), json!(avatar));
        body.insert("username".to_owned(), json!(grant.user.username));
        body.insert("discriminator".to_owned(), json!("0"));
        ServerReply::ok(&Value::Object(body))
    }
}
