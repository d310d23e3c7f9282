use serde_json::{Map, Value, json};

use crate::{
    exchange::{Dialect, Exchange},
    state::{Allowed, Issued, UserGrant},
};

/// How long a refresh token lives unless it is used, in seconds.
const REFRESH_EXPIRES_IN: u64 = 1800;

/// <https://www.keycloak.org/securing-apps/oidc-layers>
pub(super) struct Keycloak;

impl Dialect for Keycloak {
    fn callback(&self, allowed: &Allowed<'_>, answer: &mut Vec<(String, String)>) {
        answer.push(("session_state".to_owned(), allowed.request.sid.clone()));
    }

    fn token_reply(&self, _exchange: &Exchange<'_>, issued: &Issued, reply: &mut Map<String, Value>) {
        reply.insert("refresh_expires_in".to_owned(), json!(REFRESH_EXPIRES_IN));
        reply.insert("not-before-policy".to_owned(), json!(0));
        reply.insert("session_state".to_owned(), json!(issued.grant.request.sid));
    }

    /// Adds `typ` to the claims, which other servers write into the header.
    fn id_token(&self, grant: &UserGrant, claims: &mut Map<String, Value>) {
        claims.insert("typ".to_owned(), json!("ID"));
        claims.entry("acr").or_insert(json!("1"));
        let organizations =
            grant.request.scopes.iter().filter_map(|scope| scope.strip_prefix("organization:"));
        let organizations: Vec<_> =
            organizations.map(|alias| if alias == "*" { "acme" } else { alias }.to_owned()).collect();
        if !organizations.is_empty() {
            claims.insert("organization".to_owned(), json!(organizations));
        }
    }
}
