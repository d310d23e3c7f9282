use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::{
    endpoint::EmulatedEndpoint,
    exchange::{Dialect, Exchange},
    fault::Fault,
    refusal::{Denied, ProtocolError, Reason},
    reply::ServerReply,
    state::UserGrant,
};

/// How the User-Agents begin that HTTP libraries send by themselves; Reddit throttles them.
const GENERIC_AGENTS: [&str; 7] =
    ["python-", "curl/", "wget/", "go-http-client", "java/", "okhttp/", "reqwest/"];

/// <https://github.com/reddit-archive/reddit/wiki/OAuth2>
pub(super) struct Reddit;

impl Dialect for Reddit {
    fn turn_away(&self, exchange: &Exchange<'_>, _endpoint: EmulatedEndpoint) -> Option<ServerReply> {
        let agent = exchange.request.header("user-agent").unwrap_or_default().to_ascii_lowercase();
        let generic = agent.is_empty() || GENERIC_AGENTS.iter().any(|known| agent.starts_with(known));
        generic.then(|| error(StatusCode::TOO_MANY_REQUESTS, "Too Many Requests"))
    }

    /// A bad code is an error at status 200; bad credentials are the API's 401.
    fn refuse(&self, _exchange: &Exchange<'_>, refusal: &ProtocolError) -> ServerReply {
        match refusal.reason {
            Reason::Client => error(StatusCode::UNAUTHORIZED, "Unauthorized"),
            Reason::Code | Reason::RedirectUri | Reason::Verifier | Reason::GrantType => {
                ServerReply::ok(&json!({"error": refusal.reason.code()}))
            }
            _ => error(StatusCode::BAD_REQUEST, "Bad Request"),
        }
    }

    fn denied(&self, _exchange: &Exchange<'_>, denied: Denied) -> ServerReply {
        match denied {
            Denied::NoToken | Denied::BadToken => error(StatusCode::UNAUTHORIZED, "Unauthorized"),
            Denied::Scope => error(StatusCode::FORBIDDEN, "Forbidden"),
        }
    }

    /// The name is the account's, not the person's; the address itself is never told.
    fn profile(
        &self,
        exchange: &Exchange<'_>,
        grant: &UserGrant,
        mut body: Map<String, Value>,
    ) -> ServerReply {
        body.insert("name".to_owned(), json!(grant.user.username));
        let verified = grant.user.email_verified && !exchange.has_fault(&Fault::UnverifiedEmail);
        body.insert("has_verified_email".to_owned(), json!(verified));
        // For legacy reasons, JSON is escaped as HTML is, unless raw_json=1 is sent.
        for value in body.values_mut() {
            if let Value::String(text) = value {
                *text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            }
        }
        ServerReply::ok(&Value::Object(body))
    }
}

fn error(status: StatusCode, message: &str) -> ServerReply {
    ServerReply::json(status, &json!({"message": message, "error": status.as_u16()}))
}
