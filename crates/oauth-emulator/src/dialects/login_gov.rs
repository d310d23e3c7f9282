use serde_json::{Map, Value, json};

use crate::{
    exchange::{Dialect, Exchange},
    refusal::CallbackError,
    reply::ServerReply,
    state::Grant,
};

/// What `state` and `nonce` must have at least, in characters.
const SHORTEST: usize = 22;

/// <https://developers.login.gov/oidc/>
pub(super) struct LoginGov;

impl Dialect for LoginGov {
    fn check_authorize(&self, exchange: &Exchange<'_>, _scopes: &[String]) -> Result<(), CallbackError> {
        let query = &exchange.request.query;
        let invalid = |description: String| Err(CallbackError::new("invalid_request", description));
        for name in ["state", "nonce"] {
            if query.get(name).is_none_or(|value| value.len() < SHORTEST) {
                return invalid(format!("{name} is too short (minimum is {SHORTEST} characters)"));
            }
        }
        match query.get("prompt") {
            Some("select_account") => Ok(()),
            _ => invalid("prompt must be select_account".to_owned()),
        }
    }

    /// Writes the issuer without the slash with which it ends elsewhere.
    fn profile(&self, exchange: &Exchange<'_>, grant: &Grant, mut body: Map<String, Value>) -> ServerReply {
        let issuer = exchange.provider.issuer(&grant.request.captures);
        body.insert("iss".to_owned(), json!(issuer.trim_end_matches('/')));
        if let Some(email) = body.get("email").cloned().filter(|_| grant.has_scope("all_emails")) {
            body.insert("all_emails".to_owned(), json!([email]));
        }
        ServerReply::ok(&Value::Object(body))
    }
}
