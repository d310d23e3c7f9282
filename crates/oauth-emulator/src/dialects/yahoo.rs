use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::{
    exchange::{Dialect, Exchange},
    refusal::{ProtocolError, Reason},
    reply::ServerReply,
    state::Issued,
};

/// <https://developer.yahoo.com/oauth2/guide/openid_connect/>
pub(super) struct Yahoo;

impl Dialect for Yahoo {
    fn token_reply(&self, _exchange: &Exchange<'_>, issued: &Issued, reply: &mut Map<String, Value>) {
        reply.insert("xoauth_yahoo_guid".to_owned(), json!(issued.grant.user.id));
    }

    /// A refresh token has an error code of its own.
    fn refuse(&self, _exchange: &Exchange<'_>, refusal: &ProtocolError) -> ServerReply {
        match refusal.reason {
            Reason::RefreshToken => {
                let description = "Failed to decode/encode refresh token";
                let body = json!({"error": "INVALID_REFRESH_TOKEN", "error_description": description});
                ServerReply::json(StatusCode::BAD_REQUEST, &body)
            }
            _ => refusal.standard(),
        }
    }

    /// The revocation endpoint has a name of Yahoo's own.
    fn metadata(&self, _exchange: &Exchange<'_>, document: &mut Map<String, Value>) {
        document.remove("revocation_endpoint_auth_methods_supported");
        if let Some(url) = document.remove("revocation_endpoint") {
            document.insert("token_revocation_endpoint".to_owned(), url);
        }
    }
}
