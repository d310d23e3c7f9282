use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::{
    exchange::{Dialect, Exchange},
    refusal::{CallbackError, ProtocolError},
    reply::ServerReply,
    state::{Issued, UserGrant},
};

/// Where the user signs in: the authorization request has exactly one of them.
const SELECTORS: [&str; 3] = ["connection", "organization", "provider"];

/// <https://workos.com/docs/reference/sso>
pub(super) struct WorkOs;

impl Dialect for WorkOs {
    fn check_authorize(&self, exchange: &Exchange<'_>, _scopes: &[String]) -> Result<(), CallbackError> {
        let given = SELECTORS.iter().filter(|name| exchange.request.query.get(name).is_some()).count();
        match given {
            1 => Ok(()),
            _ => Err(CallbackError::new(
                "invalid_request",
                "exactly one of connection, organization and provider must be given",
            )),
        }
    }

    /// The profile comes along.
    fn token_reply(&self, _exchange: &Exchange<'_>, issued: &Issued, reply: &mut Map<String, Value>) {
        let user = &issued.grant.user;
        let mut profile = Map::new();
        profile.insert("id".to_owned(), json!(user.id));
        profile.insert("email".to_owned(), json!(user.email));
        add_members(&issued.grant, &mut profile);
        reply.insert("profile".to_owned(), Value::Object(profile));
    }

    /// 400 also for a client that is not authenticated.
    fn refuse(&self, _exchange: &Exchange<'_>, refusal: &ProtocolError) -> ServerReply {
        let body = json!({"error": refusal.reason.code(), "error_description": refusal.description});
        ServerReply::json(StatusCode::BAD_REQUEST, &body)
    }

    fn profile(
        &self,
        _exchange: &Exchange<'_>,
        grant: &UserGrant,
        mut body: Map<String, Value>,
    ) -> ServerReply {
        add_members(grant, &mut body);
        ServerReply::ok(&Value::Object(body))
    }
}

/// The user is of the connection, the organization or the provider that the request asked for.
fn add_members(grant: &UserGrant, profile: &mut Map<String, Value>) {
    let user = &grant.user;
    let asked = |name: &str, usual: &str| grant.request.params.get(name).unwrap_or(usual).to_owned();
    let (first, last) = user.name.split_once(' ').unwrap_or((&user.name, ""));
    profile.insert("object".to_owned(), json!("profile"));
    profile.insert("connection_id".to_owned(), json!(asked("connection", "conn_01E4ZCR3C56J083X43JQXF3JK5")));
    profile.insert("connection_type".to_owned(), json!(asked("provider", "OktaSAML")));
    // Who signs in by a provider is of no organization.
    if grant.request.params.get("provider").is_none() {
        let organization = asked("organization", "org_01EHWNCE74X7JSDV0X3SZ3KJNY");
        profile.insert("organization_id".to_owned(), json!(organization));
    }
    profile.insert("idp_id".to_owned(), json!("00u1a0ufowBJlzPlk357"));
    profile.insert("first_name".to_owned(), json!(first));
    profile.insert("last_name".to_owned(), json!(last));
}
