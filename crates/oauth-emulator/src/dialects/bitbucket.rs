use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::{
    exchange::{Dialect, Exchange},
    refusal::Denied,
    reply::ServerReply,
    state::Issued,
};

/// <https://support.atlassian.com/bitbucket-cloud/docs/use-oauth-on-bitbucket-cloud/>
pub(super) struct Bitbucket;

impl Dialect for Bitbucket {
    /// The member that names the scopes has another name here.
    fn token_reply(&self, _exchange: &Exchange<'_>, _issued: &Issued, reply: &mut Map<String, Value>) {
        if let Some(scopes) = reply.remove("scope") {
            reply.insert("scopes".to_owned(), scopes);
        }
    }

    fn denied(&self, _exchange: &Exchange<'_>, denied: Denied) -> ServerReply {
        let (status, message) = match denied {
            Denied::NoToken | Denied::BadToken => (
                StatusCode::UNAUTHORIZED,
                "Access token expired. Use your refresh token to obtain a new access token.",
            ),
            Denied::Scope => {
                (StatusCode::FORBIDDEN, "Your credentials lack one or more required privilege scopes.")
            }
        };
        ServerReply::json(status, &json!({"type": "error", "error": {"message": message}}))
    }
}
