use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::{
    endpoint::EmulatedEndpoint,
    exchange::{Dialect, Exchange},
    refusal::{Denied, ProtocolError, Reason},
    reply::ServerReply,
    state::UserGrant,
    token_reply,
};

/// <https://developers.facebook.com/documentation/instagram-platform/instagram-api-with-instagram-login/business-login>
pub(super) struct Instagram;

impl Dialect for Instagram {
    /// A list of one, without what belongs to a long-lived token.
    fn token_success(&self, exchange: &Exchange<'_>, mut members: Map<String, Value>) -> ServerReply {
        if exchange.endpoint() != EmulatedEndpoint::Token {
            return ServerReply::ok(&Value::Object(members));
        }
        members.retain(|name, _| name == "access_token");
        members.insert("user_id".to_owned(), json!(17_841_400_000_000_000_u64));
        members.insert("permissions".to_owned(), json!("instagram_business_basic"));
        ServerReply::ok(&json!({"data": [members]}))
    }

    fn refuse(&self, exchange: &Exchange<'_>, refusal: &ProtocolError) -> ServerReply {
        if exchange.endpoint() != EmulatedEndpoint::Token {
            return error(190, &refusal.description);
        }
        let message = match refusal.reason {
            Reason::Client => "Error validating client secret.",
            Reason::Code => "Matching code was not found or was already used",
            Reason::RedirectUri => {
                "Error validating verification code. Please make sure your redirect_uri is identical to the one you used in the OAuth dialog request"
            }
            _ => &*refusal.description,
        };
        let body = json!({"error_type": "OAuthException", "code": 400, "error_message": message});
        ServerReply::json(StatusCode::BAD_REQUEST, &body)
    }

    fn denied(&self, _exchange: &Exchange<'_>, denied: Denied) -> ServerReply {
        match denied {
            Denied::NoToken | Denied::BadToken => error(190, "Invalid OAuth access token."),
            Denied::Scope => error(10, "Application does not have permission for this action"),
        }
    }

    fn profile(&self, _exchange: &Exchange<'_>, _grant: &UserGrant, body: Map<String, Value>) -> ServerReply {
        ServerReply::ok(&json!({"data": [body]}))
    }

    /// A one-hour token for one of sixty days.
    fn other(&self, exchange: &Exchange<'_>, _name: &str) -> ServerReply {
        let query = &exchange.request.query;
        let issued = {
            let mut state = exchange.backend.state();
            let found =
                state.access(&exchange.provider.family, query.get("access_token").unwrap_or_default());
            let found = found.filter(|(_, grant)| {
                query.get("grant_type") == Some("ig_exchange_token")
                    && query.get("client_secret") == grant.request.app.client_secret.as_deref()
            });
            found
                .and_then(|(id, grant)| state.issue(exchange.provider, id, grant.request.scopes, false, true))
        };
        match issued.map(|issued| token_reply::members(exchange, &issued)) {
            Some(Ok(members)) => ServerReply::ok(&Value::Object(members)),
            Some(Err(refusal)) => self.refuse(exchange, &refusal),
            None => error(190, "Invalid OAuth access token."),
        }
    }
}

fn error(code: u32, message: &str) -> ServerReply {
    let body = json!({"error": {"message": message, "type": "OAuthException", "code": code}});
    ServerReply::json(StatusCode::BAD_REQUEST, &body)
}
