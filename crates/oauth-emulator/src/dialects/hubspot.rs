use serde_json::{Map, Value, json};

use crate::{
    exchange::{Dialect, Exchange},
    refusal::Denied,
    reply::ServerReply,
    state::{Issued, UserGrant},
};

/// <https://developers.hubspot.com/docs/api-reference/2026-03/authentication/oauth-tokens/token-introspect>
pub(super) struct HubSpot;

impl Dialect for HubSpot {
    /// A list of scopes, by another name.
    fn token_reply(&self, _exchange: &Exchange<'_>, issued: &Issued, reply: &mut Map<String, Value>) {
        reply.remove("scope");
        reply.insert("scopes".to_owned(), json!(issued.scopes));
        reply.insert("hub_id".to_owned(), json!(62515));
    }

    /// The introspection of a live token, which it repeats.
    fn profile(
        &self,
        exchange: &Exchange<'_>,
        grant: &UserGrant,
        mut body: Map<String, Value>,
    ) -> ServerReply {
        body.insert("active".to_owned(), json!(true));
        body.insert("hub_id".to_owned(), json!(62515));
        body.insert("scopes".to_owned(), json!(grant.request.scopes));
        body.insert("token".to_owned(), json!(exchange.request.field("token")));
        body.insert("token_use".to_owned(), json!("access_token"));
        ServerReply::ok(&Value::Object(body))
    }

    /// RFC 7662, section 2.2.
    fn denied(&self, _exchange: &Exchange<'_>, _denied: Denied) -> ServerReply {
        ServerReply::ok(&json!({"active": false}))
    }
}
