use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::{
    claims,
    clock::now,
    crypto,
    exchange::{Dialect, Exchange},
    refusal::{Denied, ProtocolError, Reason},
    reply::ServerReply,
    state::{Allowed, Issued, UserGrant},
};

/// <https://shopify.dev/docs/apps/build/authentication-authorization/access-tokens/authorization-code-grant>
pub(super) struct Shopify;

impl Dialect for Shopify {
    /// The callback names the shop and is signed with the client secret.
    fn callback(&self, allowed: &Allowed<'_>, answer: &mut Vec<(String, String)>) {
        let request = allowed.request;
        let shop = request.captures.get("shop").map(String::as_str).unwrap_or_default();
        answer.push(("shop".to_owned(), format!("{shop}.myshopify.com")));
        answer.push(("host".to_owned(), crypto::base64url(format!("admin.shopify.com/store/{shop}"))));
        answer.push(("timestamp".to_owned(), now().to_string()));
        let secret = request.app.client_secret.as_deref().unwrap_or_default();
        let hmac = crypto::hmac_hex(secret, &signed_text(answer));
        answer.push(("hmac".to_owned(), hmac));
    }

    /// An offline token has no type, and a lifetime only if one was asked for; an online one tells about the staff member.
    ///
    /// The shop belongs to the emulator's first user; the others are its staff.
    fn token_reply(&self, exchange: &Exchange<'_>, issued: &Issued, reply: &mut Map<String, Value>) {
        let per_user = |(name, value): (&str, &str)| name == "grant_options[]" && value == "per-user";
        if !issued.grant.request.params.iter().any(per_user) {
            return;
        }
        let user = &issued.grant.user;
        let is_owner = exchange.backend.state().users.first().is_none_or(|owner| owner.id == user.id);
        let (first, last) = user.name.split_once(' ').unwrap_or((&user.name, ""));
        reply.insert("expires_in".to_owned(), json!(86399));
        reply.insert("associated_user_scope".to_owned(), json!(issued.scopes.join(",")));
        reply.insert(
            "associated_user".to_owned(),
            json!({
                "id": user.id.parse::<u64>().ok(),
                "first_name": first,
                "last_name": last,
                "email": user.email,
                "email_verified": user.email_verified,
                "account_owner": is_owner,
                "locale": "en",
                "collaborator": false,
            }),
        );
    }

    fn refuse(&self, _exchange: &Exchange<'_>, refusal: &ProtocolError) -> ServerReply {
        let (status, code) = match refusal.reason {
            Reason::Client => (StatusCode::BAD_REQUEST, "application_cannot_be_found"),
            Reason::Code => (StatusCode::BAD_REQUEST, "invalid_request"),
            Reason::RefreshToken => (StatusCode::UNAUTHORIZED, "invalid_request"),
            reason => (StatusCode::BAD_REQUEST, reason.code()),
        };
        ServerReply::json(status, &json!({"error": code, "error_description": refusal.description}))
    }

    fn denied(&self, _exchange: &Exchange<'_>, denied: Denied) -> ServerReply {
        let (status, errors) = match denied {
            Denied::NoToken | Denied::BadToken => (
                StatusCode::UNAUTHORIZED,
                "[API] Invalid API key or access token (unrecognized login or wrong password)",
            ),
            Denied::Scope => {
                (StatusCode::FORBIDDEN, "[API] This action requires merchant approval for a scope.")
            }
        };
        ServerReply::json(status, &json!({"errors": errors}))
    }

    /// A query of the GraphQL Admin API, of which this knows the shop alone, which is the same for its owner and its staff. What is
    /// not asked for is not told.
    fn profile(
        &self,
        exchange: &Exchange<'_>,
        grant: &UserGrant,
        mut body: Map<String, Value>,
    ) -> ServerReply {
        let owner = exchange.backend.state().users.first().cloned().unwrap_or_else(|| grant.user.clone());
        if owner.id != grant.user.id {
            let mut of_owner = grant.clone();
            of_owner.user = owner;
            body = claims::body(&exchange.backend.state(), exchange.provider, &of_owner, |_| true);
        }
        let query = exchange.request.field("query").unwrap_or_default();
        if !query.contains("shop") {
            let error = json!({"message": "syntax error", "extensions": {"code": "undefinedField"}});
            return ServerReply::ok(&json!({"errors": [error]}));
        }
        let shop = exchange.captures.get("shop").map(String::as_str).unwrap_or_default();
        if let Some(members) = body.get_mut("data").and_then(|data| data["shop"].as_object_mut()) {
            members.insert("myshopifyDomain".to_owned(), json!(format!("{shop}.myshopify.com")));
            if let Some(id) = members.get_mut("id") {
                *id = json!(format!("gid://shopify/Shop/{id}"));
            }
            members.retain(|name, _| query.split_whitespace().any(|word| word == name));
        }
        ServerReply::ok(&Value::Object(body))
    }
}

/// All parameters but the signature, sorted by name, joined without encoding.
fn signed_text(answer: &[(String, String)]) -> String {
    let mut pairs: Vec<String> = answer.iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.sort_unstable();
    pairs.join("&")
}
