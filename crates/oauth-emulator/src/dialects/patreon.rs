use http::{StatusCode, header};
use serde_json::{Map, Value, json};

use crate::{
    endpoint::EmulatedEndpoint,
    exchange::{Dialect, Exchange},
    refusal::Denied,
    reply::ServerReply,
    state::UserGrant,
};

/// <https://docs.patreon.com/#apiv2-oauth>
pub(super) struct Patreon;

impl Dialect for Patreon {
    fn turn_away(&self, exchange: &Exchange<'_>, _endpoint: EmulatedEndpoint) -> Option<ServerReply> {
        let has_user_agent = exchange.request.headers.contains_key(header::USER_AGENT);
        (!has_user_agent).then(|| ServerReply::text(StatusCode::FORBIDDEN, "Forbidden"))
    }

    fn denied(&self, _exchange: &Exchange<'_>, denied: Denied) -> ServerReply {
        let (status, code, name) = match denied {
            Denied::NoToken | Denied::BadToken => (StatusCode::UNAUTHORIZED, 1, "Unauthorized"),
            Denied::Scope => (StatusCode::FORBIDDEN, 3, "Forbidden"),
        };
        let error = json!({"code": code, "code_name": name, "status": status.as_str(), "title": name});
        ServerReply::json(status, &json!({"errors": [error]}))
    }

    /// A JSON:API document with the attributes that the request names.
    fn profile(
        &self,
        exchange: &Exchange<'_>,
        grant: &UserGrant,
        mut body: Map<String, Value>,
    ) -> ServerReply {
        let fields = exchange.request.query.get("fields[user]").unwrap_or_default();
        if let Some(data) = body.get_mut("data").and_then(Value::as_object_mut) {
            data.insert("type".to_owned(), json!("user"));
            if let Some(attributes) = data.get_mut("attributes").and_then(Value::as_object_mut) {
                attributes.insert("vanity".to_owned(), json!(grant.user.username));
                attributes.retain(|name, _| fields.split(',').any(|field| field == name));
            }
        }
        ServerReply::ok(&Value::Object(body))
    }
}
