use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::{
    clock::now,
    crypto,
    exchange::{Dialect, Exchange},
    refusal::Denied,
    reply::ServerReply,
    state::{Issued, UserGrant},
};

const ORGANIZATION: &str = "00D000000000001EAA";

/// <https://help.salesforce.com/s/articleView?id=xcloud.remoteaccess_oauth_endpoints.htm&language=en_US&type=5>
pub(super) struct Salesforce;

impl Dialect for Salesforce {
    fn token_reply(&self, _exchange: &Exchange<'_>, issued: &Issued, reply: &mut Map<String, Value>) {
        let id = identity_url(&issued.grant);
        let issued_at = (now() * 1000).to_string();
        let secret = issued.grant.request.app.client_secret.as_deref().unwrap_or_default();
        reply.insert("signature".to_owned(), json!(crypto::hmac_hex(secret, &format!("{id}{issued_at}"))));
        reply.insert("id".to_owned(), json!(id));
        reply.insert("issued_at".to_owned(), json!(issued_at));
        reply.insert("instance_url".to_owned(), json!("https://example.my.salesforce.com"));
    }

    fn id_token(&self, grant: &UserGrant, claims: &mut Map<String, Value>) {
        claims.insert("sub".to_owned(), json!(identity_url(grant)));
    }

    /// Not 401, and no error of RFC 6750.
    fn denied(&self, _exchange: &Exchange<'_>, denied: Denied) -> ServerReply {
        match denied {
            Denied::NoToken => ServerReply::text(StatusCode::FORBIDDEN, "Missing_OAuth_Token"),
            Denied::BadToken => ServerReply::text(StatusCode::FORBIDDEN, "Bad_OAuth_Token"),
            Denied::Scope => denied.standard(),
        }
    }

    fn profile(
        &self,
        _exchange: &Exchange<'_>,
        grant: &UserGrant,
        mut body: Map<String, Value>,
    ) -> ServerReply {
        body.insert("sub".to_owned(), json!(identity_url(grant)));
        body.insert("user_id".to_owned(), json!(grant.user.id));
        body.insert("organization_id".to_owned(), json!(ORGANIZATION));
        body.insert("preferred_username".to_owned(), json!(grant.user.username));
        ServerReply::ok(&Value::Object(body))
    }
}

/// The user's identity document, whose URL is the subject.
fn identity_url(grant: &UserGrant) -> String {
    let domain = grant.request.captures.get("domain").map_or("login.salesforce.com", String::as_str);
    format!("https://{domain}/id/{ORGANIZATION}/{}", grant.user.id)
}
