use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use crate::{
    client_auth::{authenticate, form},
    exchange::{Dialect, Exchange},
    refusal::{Denied, ProtocolError, Reason},
    reply::ServerReply,
    request::Pairs,
    state::{Grant, Issued},
};

/// <https://developers.naver.com/docs/login/api/api.md>
pub(super) struct Naver;

impl Dialect for Naver {
    /// `state` is mandatory with a code.
    fn check_token(&self, form: &Pairs) -> Result<(), ProtocolError> {
        match (form.get("grant_type"), form.get("state")) {
            (Some("authorization_code"), None | Some("")) => {
                Err(Reason::Request.because("wrong parameters are sent to token: state"))
            }
            _ => Ok(()),
        }
    }

    /// The lifetime is a string, and scopes are decided by the registration.
    fn token_reply(&self, _exchange: &Exchange<'_>, issued: &Issued, reply: &mut Map<String, Value>) {
        reply.remove("scope");
        if let Some(seconds) = issued.expires_in {
            reply.insert("expires_in".to_owned(), json!(seconds.to_string()));
        }
    }

    /// Errors have status 200.
    fn refuse(&self, _exchange: &Exchange<'_>, refusal: &ProtocolError) -> ServerReply {
        let code = match refusal.reason {
            Reason::Client => "invalid_client",
            Reason::GrantType => "unsupported_grant_type",
            _ => "invalid_request",
        };
        ServerReply::ok(&json!({"error": code, "error_description": refusal.description}))
    }

    fn denied(&self, _exchange: &Exchange<'_>, denied: Denied) -> ServerReply {
        let (status, code, message) = match denied {
            Denied::NoToken => (StatusCode::UNAUTHORIZED, "028", "Authentication header not exists"),
            Denied::BadToken => (StatusCode::UNAUTHORIZED, "024", "Authentication failed"),
            Denied::Scope => (StatusCode::FORBIDDEN, "403", "Forbidden"),
        };
        ServerReply::json(status, &json!({"resultcode": code, "message": message}))
    }

    /// The table's paths put the profile into `response`; this adds the envelope.
    fn profile(&self, _exchange: &Exchange<'_>, _grant: &Grant, mut body: Map<String, Value>) -> ServerReply {
        body.insert("resultcode".to_owned(), json!("00"));
        body.insert("message".to_owned(), json!("success"));
        ServerReply::ok(&Value::Object(body))
    }

    /// Revocation is a grant type of the token endpoint.
    fn own_revocation(&self, exchange: &Exchange<'_>) -> Option<ServerReply> {
        Some(revoke_and_reply(exchange))
    }
}

fn revoke_and_reply(exchange: &Exchange<'_>) -> ServerReply {
    if exchange.request.method != Method::POST {
        return ServerReply::method_not_allowed("POST");
    }
    match delete(exchange) {
        Ok(token) => ServerReply::ok(&json!({"access_token": token, "result": "success"})),
        Err(refusal) => exchange.dialect.refuse(exchange, &refusal),
    }
}

fn delete(exchange: &Exchange<'_>) -> Result<String, ProtocolError> {
    let form = form(exchange)?;
    let app = authenticate(exchange, form, &exchange.provider.revoke_auth())?;
    let token = form.get("access_token").ok_or_else(|| Reason::Request.because("access_token is missing"))?;
    if form.get("service_provider") != Some("NAVER") {
        return Err(Reason::Request.because("service_provider must be NAVER"));
    }
    let mut state = exchange.backend.state();
    let (id, grant) = state
        .access(&exchange.provider.family, token)
        .ok_or_else(|| Reason::Request.because("no valid data in session"))?;
    if grant.request.app.client_id != app.client_id {
        return Err(Reason::Client.because("the token was issued to another client"));
    }
    // The user's consent goes, and with it the refresh token.
    state.end(id);
    Ok(token.to_owned())
}
