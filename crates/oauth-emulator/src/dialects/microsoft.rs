use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::{
    claims,
    exchange::{Dialect, Exchange},
    refusal::{Denied, ProtocolError, Reason},
    reply::ServerReply,
    state::{Issued, UserGrant},
};

/// The tenant of personal accounts, which sign in under `common` and `consumers`.
const PERSONAL_TENANT: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";

/// <https://learn.microsoft.com/en-us/entra/identity-platform/v2-oauth2-auth-code-flow>
pub(super) struct Microsoft;

impl Dialect for Microsoft {
    /// OpenID Connect's own scopes are not repeated in the reply.
    fn reply_scopes(&self, scopes: &[String]) -> Vec<String> {
        scopes.iter().filter(|scope| *scope != "offline_access").cloned().collect()
    }

    fn token_reply(&self, _exchange: &Exchange<'_>, issued: &Issued, reply: &mut Map<String, Value>) {
        reply.insert("ext_expires_in".to_owned(), json!(issued.expires_in));
    }

    /// The issuer of an ID token names the user's own tenant, not the alias that the application asked for.
    fn id_token(&self, grant: &UserGrant, claims: &mut Map<String, Value>) {
        let asked = grant.request.captures.get("tenant").map(String::as_str).unwrap_or("common");
        let tenant = if is_guid(asked) { asked } else { PERSONAL_TENANT };
        if let Some(Value::String(issuer)) = claims.get_mut("iss") {
            *issuer = issuer.replace(&format!("/{asked}/"), &format!("/{tenant}/"));
        }
        claims.insert("tid".to_owned(), json!(tenant));
        let id = &grant.user.id;
        claims.insert(
            "oid".to_owned(),
            json!(if tenant == PERSONAL_TENANT { as_guid(id) } else { id.clone() }),
        );
        claims.insert("ver".to_owned(), json!("2.0"));
        // Whether the address is verified is an optional claim (xms_edov) that applications have to switch on.
        claims.remove("email_verified");
    }

    /// The discovery document of an alias has a template for its issuer.
    fn metadata(&self, exchange: &Exchange<'_>, document: &mut Map<String, Value>) {
        let tenant = exchange.captures.get("tenant").map(String::as_str).unwrap_or("common");
        if ["common", "organizations"].contains(&tenant) {
            document.insert("issuer".to_owned(), json!(issuer(exchange, "{tenantid}")));
        } else if !is_guid(tenant) {
            document.insert("issuer".to_owned(), json!(issuer(exchange, PERSONAL_TENANT)));
        }
    }

    /// Each key says whose tokens it signs, with a template for the tenant in the key set of an alias.
    fn jwks(&self, exchange: &Exchange<'_>, keys: &mut Vec<Map<String, Value>>) {
        let tenant = exchange.captures.get("tenant").map(String::as_str).unwrap_or("common");
        let tenant = match tenant {
            "common" | "organizations" => "{tenantid}",
            tenant if is_guid(tenant) => tenant,
            _ => PERSONAL_TENANT,
        };
        for key in keys {
            key.insert("issuer".to_owned(), json!(issuer(exchange, tenant)));
        }
    }

    fn refuse(&self, _exchange: &Exchange<'_>, refusal: &ProtocolError) -> ServerReply {
        let number = match refusal.reason {
            Reason::Request => 900144,
            Reason::Client => 7000215,
            Reason::Code | Reason::RefreshToken => 70008,
            Reason::RedirectUri => 500112,
            Reason::Verifier => 501481,
            Reason::GrantType => 70003,
            Reason::Scope | Reason::TokenType | Reason::UnknownToken | Reason::Other(_) => 70011,
        };
        let trace = "255d1aef-8c98-452f-ac51-23d051240864";
        ServerReply::json(
            refusal.status(),
            &json!({
                "error": refusal.reason.code(),
                "error_description": format!("AADSTS{number}: {}. Trace ID: {trace}", refusal.description),
                "error_codes": [number],
                "timestamp": "2026-11-23 12:00:00Z",
                "trace_id": trace,
                "correlation_id": "fb3d2015-bc17-4bb9-bb85-30c5cf1aaaa7",
                "error_uri": format!("https://login.microsoftonline.com/error?code={number}"),
            }),
        )
    }

    fn denied(&self, _exchange: &Exchange<'_>, denied: Denied) -> ServerReply {
        let (status, code, message) = match denied {
            Denied::NoToken => {
                (StatusCode::UNAUTHORIZED, "InvalidAuthenticationToken", "Access token is empty.")
            }
            Denied::BadToken => (
                StatusCode::UNAUTHORIZED,
                "InvalidAuthenticationToken",
                "Access token has expired or is not valid.",
            ),
            Denied::Scope => (
                StatusCode::FORBIDDEN,
                "Authorization_RequestDenied",
                "Insufficient privileges to complete the operation.",
            ),
        };
        ServerReply::json(status, &json!({"error": {"code": code, "message": message, "innerError": {}}}))
    }

    /// `mail` is null for accounts without a mailbox; the user principal name looks like an address and need not be one.
    fn profile(
        &self,
        exchange: &Exchange<'_>,
        grant: &UserGrant,
        mut body: Map<String, Value>,
    ) -> ServerReply {
        let mail = claims::email(&exchange.backend.state(), &exchange.provider.family, grant)
            .map_or(Value::Null, |(address, _)| json!(address));
        body.insert("mail".to_owned(), mail);
        let principal = format!("{}@contoso.onmicrosoft.example", grant.user.username);
        body.insert("userPrincipalName".to_owned(), json!(principal));
        body.insert(
            "@odata.context".to_owned(),
            json!("https://graph.microsoft.com/v1.0/$metadata#users/$entity"),
        );
        ServerReply::ok(&Value::Object(body))
    }
}

/// The issuer of a tenant, at the host of its cloud.
fn issuer(exchange: &Exchange<'_>, tenant: &str) -> String {
    let host = exchange.captures.get("login_host").map_or("login.microsoftonline.com", String::as_str);
    format!("https://{host}/{tenant}/v2.0")
}

/// The `oid` of a personal account, of which Graph's `id` has no more than the last sixteen digits.
fn as_guid(id: &str) -> String {
    let digits = format!("{id:0>16}");
    match digits.split_at_checked(4) {
        Some((first, rest)) => format!("00000000-0000-0000-{first}-{rest}"),
        None => digits,
    }
}

fn is_guid(tenant: &str) -> bool {
    let lengths = tenant.split('-').map(str::len);
    lengths.eq([8, 4, 4, 4, 12]) && tenant.chars().all(|c| c == '-' || c.is_ascii_hexdigit())
}
