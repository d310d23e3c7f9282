use serde_json::{Map, Value, json};

use crate::{
    exchange::{Dialect, Exchange},
    reply::ServerReply,
    state::Issued,
};

/// <https://api.stackexchange.com/docs/authentication>
pub(super) struct StackExchange;

impl Dialect for StackExchange {
    fn token_reply(&self, _exchange: &Exchange<'_>, _issued: &Issued, reply: &mut Map<String, Value>) {
        if let Some(expires) = reply.remove("expires_in") {
            reply.insert("expires".to_owned(), expires);
        }
    }

    /// The token is a part of the path.
    fn own_revocation(&self, exchange: &Exchange<'_>) -> Option<ServerReply> {
        let token = exchange.captures.get("token")?.clone();
        let grant = exchange.backend.state().owner(&token).map(|(_, grant, _)| grant.clone());
        if let Some(grant) = grant.filter(|grant| grant.provider == exchange.provider.name) {
            exchange.backend.state().end_all(&grant);
        }
        Some(ServerReply::ok(&json!({"items": [{"access_token": token}], "has_more": false})))
    }
}
