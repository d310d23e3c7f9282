use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use crate::{
    claims,
    exchange::{Dialect, Exchange},
    profile,
    refusal::{Denied, ProtocolError, Reason},
    reply::ServerReply,
    request::Pairs,
    state::UserGrant,
};

/// <https://learn.microsoft.com/en-us/linkedin/consumer/integrations/self-serve/sign-in-with-linkedin-v2>
pub(super) struct LinkedIn;

impl Dialect for LinkedIn {
    /// Ordinary applications must not send a verifier at all.
    fn check_token(&self, form: &Pairs) -> Result<(), ProtocolError> {
        match form.get("code_verifier") {
            Some(_) => Err(Reason::Client.because("Client authentication failed")),
            None => Ok(()),
        }
    }

    /// What it says of a code that is spent, too old or of another application.
    fn refuse(&self, _exchange: &Exchange<'_>, refusal: &ProtocolError) -> ServerReply {
        match refusal.reason {
            Reason::Code => {
                let description = "Unable to retrieve access token: appid/redirect uri/code verifier does not match authorization code. Or authorization code expired. Or external member binding exists";
                let body = json!({"error": "invalid_request", "error_description": description});
                ServerReply::json(StatusCode::BAD_REQUEST, &body)
            }
            _ => refusal.standard(),
        }
    }

    fn denied(&self, _exchange: &Exchange<'_>, denied: Denied) -> ServerReply {
        let (status, code, message) = match denied {
            Denied::NoToken => (StatusCode::UNAUTHORIZED, 65604, "Empty oauth2 access token"),
            Denied::BadToken => (StatusCode::UNAUTHORIZED, 65600, "Invalid access token"),
            Denied::Scope => (StatusCode::FORBIDDEN, 100, "Not enough permissions to access this resource"),
        };
        ServerReply::json(
            status,
            &json!({"serviceErrorCode": code, "message": message, "status": status.as_u16()}),
        )
    }

    fn profile(
        &self,
        _exchange: &Exchange<'_>,
        grant: &UserGrant,
        mut body: Map<String, Value>,
    ) -> ServerReply {
        body.insert("locale".to_owned(), json!({"country": "US", "language": "en"}));
        if !grant.has_scope("profile") {
            body.retain(|name, _| !["name", "picture", "locale"].contains(&name.as_str()));
        }
        ServerReply::ok(&Value::Object(body))
    }

    /// The calls of the older products, with scopes that new applications cannot get.
    fn other(&self, exchange: &Exchange<'_>, name: &str) -> ServerReply {
        if exchange.request.method != Method::GET {
            return ServerReply::method_not_allowed("GET");
        }
        match name {
            "me" => me(exchange),
            _ => email_address(exchange),
        }
    }
}

fn me(exchange: &Exchange<'_>) -> ServerReply {
    let grant = match profile::authorize(exchange, &["r_liteprofile".to_owned(), "r_basicprofile".to_owned()])
    {
        Ok(grant) => grant,
        Err(reply) => return reply,
    };
    let mut body = Map::new();
    body.insert("id".to_owned(), json!(grant.user.id));
    if exchange.request.query.get("projection") != Some("(id)") {
        let (first, last) = grant.user.name.split_once(' ').unwrap_or((&grant.user.name, ""));
        body.insert("localizedFirstName".to_owned(), json!(first));
        body.insert("localizedLastName".to_owned(), json!(last));
    }
    ServerReply::ok(&Value::Object(body))
}

fn email_address(exchange: &Exchange<'_>) -> ServerReply {
    let grant = match profile::authorize(exchange, &["r_emailaddress".to_owned()]) {
        Ok(grant) => grant,
        Err(reply) => return reply,
    };
    let query = &exchange.request.query;
    if query.get("q") != Some("members") || query.get("projection") != Some("(elements*(handle~))") {
        let body =
            json!({"serviceErrorCode": 0, "message": "Resource emailAddress does not exist", "status": 404});
        return ServerReply::json(StatusCode::NOT_FOUND, &body);
    }
    let state = exchange.backend.state();
    let elements: Vec<Value> = claims::email(&state, &exchange.provider.family, &grant)
        .map(|(address, _)| json!({"handle": "urn:li:emailAddress:1", "handle~": {"emailAddress": address}}))
        .into_iter()
        .collect();
    ServerReply::ok(&json!({"elements": elements}))
}
