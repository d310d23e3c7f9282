use serde_json::{Map, Value, json};

use crate::{
    exchange::{Dialect, Exchange},
    reply::ServerReply,
    state::UserGrant,
};

/// <https://zitadel.com/docs/apis/openidoauth/scopes>
pub(super) struct Zitadel;

impl Dialect for Zitadel {
    /// With a scope that names the user's organization, UserInfo tells of it.
    fn profile(
        &self,
        _exchange: &Exchange<'_>,
        grant: &UserGrant,
        mut body: Map<String, Value>,
    ) -> ServerReply {
        for scope in &grant.request.scopes {
            if let Some(id) = scope.strip_prefix("urn:zitadel:iam:org:id:") {
                body.insert("urn:zitadel:iam:user:resourceowner:id".to_owned(), json!(id));
                body.insert("urn:zitadel:iam:user:resourceowner:name".to_owned(), json!("Acme"));
            }
            if let Some(domain) = scope.strip_prefix("urn:zitadel:iam:org:domain:primary:") {
                body.insert("urn:zitadel:iam:org:domain:primary".to_owned(), json!(domain));
            }
        }
        ServerReply::ok(&Value::Object(body))
    }
}
