use serde_json::{Map, Value, json};

use crate::{
    exchange::{Dialect, Exchange},
    reply::ServerReply,
    request::{LogoutParams, Pairs},
    state::UserGrant,
};

/// <https://docs.aws.amazon.com/cognito/latest/developerguide/federation-endpoints.html>
pub(super) struct AmazonCognito;

impl Dialect for AmazonCognito {
    fn id_token(&self, grant: &UserGrant, claims: &mut Map<String, Value>) {
        claims.insert("token_use".to_owned(), json!("id"));
        claims.insert("cognito:username".to_owned(), json!(grant.user.username));
    }

    /// Booleans come as strings here, though not in ID tokens.
    fn profile(
        &self,
        _exchange: &Exchange<'_>,
        grant: &UserGrant,
        mut body: Map<String, Value>,
    ) -> ServerReply {
        if let Some(verified) = body.get("email_verified").map(Value::to_string) {
            body.insert("email_verified".to_owned(), json!(verified));
        }
        body.insert("username".to_owned(), json!(grant.user.username));
        ServerReply::ok(&Value::Object(body))
    }

    /// The logout endpoint is older than the standard and has its own names.
    fn logout(&self, params: &Pairs) -> LogoutParams {
        let text = |name| params.get(name).map(str::to_owned);
        LogoutParams {
            id_token_hint: None,
            client_id: text("client_id"),
            redirect_uri: text("logout_uri"),
            state: text("state"),
        }
    }
}
