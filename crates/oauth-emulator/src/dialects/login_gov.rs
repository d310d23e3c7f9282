use serde_json::{Map, Value, json};

use crate::{
    exchange::{Dialect, Exchange},
    refusal::CallbackError,
    reply::ServerReply,
    state::UserGrant,
};

/// <https://developers.login.gov/oidc/>
pub(super) struct LoginGov;

impl Dialect for LoginGov {
    fn check_authorize(&self, exchange: &Exchange<'_>, _scopes: &[String]) -> Result<(), CallbackError> {
        let query = &exchange.request.query;
        match query.get("prompt") {
            Some("select_account") => Ok(()),
            _ => Err(CallbackError::new("invalid_request", "prompt must be select_account".to_owned())),
        }
    }

    /// Writes the issuer without the slash with which it ends elsewhere.
    fn profile(
        &self,
        exchange: &Exchange<'_>,
        grant: &UserGrant,
        mut body: Map<String, Value>,
    ) -> ServerReply {
        let issuer = exchange.provider.issuer(&grant.request.captures);
        body.insert("iss".to_owned(), json!(issuer.trim_end_matches('/')));
        if let Some(email) = body.get("email").cloned().filter(|_| grant.has_scope("all_emails")) {
            body.insert("all_emails".to_owned(), json!([email]));
        }
        ServerReply::ok(&Value::Object(body))
    }
}
