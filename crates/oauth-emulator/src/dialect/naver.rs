use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::Dialect;
use crate::{
    client_auth::{authenticate, form},
    profile::Denied,
    reply::{Reason, Refusal, Reply},
    server::Call,
    state::{Grant, Issued},
};

/// <https://developers.naver.com/docs/login/api/api.md>
pub(super) struct Naver;

impl Dialect for Naver {
    /// The lifetime is a string, and scopes are decided by the registration.
    fn token_reply(&self, issued: &Issued, reply: &mut Map<String, Value>) {
        reply.remove("scope");
        if let Some(seconds) = issued.expires_in {
            reply.insert("expires_in".to_owned(), json!(seconds.to_string()));
        }
    }

    /// Errors have status 200.
    fn refuse(&self, _call: &Call<'_>, refusal: &Refusal) -> Reply {
        let code = match refusal.reason {
            Reason::Client => "invalid_client",
            Reason::GrantType => "unsupported_grant_type",
            _ => "invalid_request",
        };
        Reply::ok(&json!({"error": code, "error_description": refusal.description}))
    }

    fn denied(&self, _call: &Call<'_>, denied: Denied) -> Reply {
        let (status, code, message) = match denied {
            Denied::NoToken => (StatusCode::UNAUTHORIZED, "028", "Authentication header not exists"),
            Denied::BadToken => (StatusCode::UNAUTHORIZED, "024", "Authentication failed"),
            Denied::Scope => (StatusCode::FORBIDDEN, "403", "Forbidden"),
        };
        Reply::json(status, &json!({"resultcode": code, "message": message}))
    }

    /// The table's paths put the profile into `response`; this adds the envelope.
    fn profile(&self, _call: &Call<'_>, _grant: &Grant, mut body: Map<String, Value>) -> Reply {
        body.insert("resultcode".to_owned(), json!("00"));
        body.insert("message".to_owned(), json!("success"));
        Reply::ok(&Value::Object(body))
    }

    /// Revocation is a grant type of the token endpoint.
    fn revoke(&self, call: &Call<'_>) -> Reply {
        if call.request.method != Method::POST {
            return Reply::method_not_allowed("POST");
        }
        match delete(call) {
            Ok(token) => Reply::ok(&json!({"access_token": token, "result": "success"})),
            Err(refusal) => self.refuse(call, &refusal),
        }
    }
}

fn delete(call: &Call<'_>) -> Result<String, Refusal> {
    let form = form(call)?;
    let app = authenticate(call, form, &call.provider.revoke_auth())?;
    let token = form.get("access_token").ok_or_else(|| Reason::Request.because("access_token is missing"))?;
    if form.get("service_provider") != Some("NAVER") {
        return Err(Reason::Request.because("service_provider must be NAVER"));
    }
    let mut state = call.shared.state();
    let (id, grant) = state
        .access(&call.provider.family, token)
        .ok_or_else(|| Reason::Request.because("no valid data in session"))?;
    if grant.request.app.client_id != app.client_id {
        return Err(Reason::Client.because("the token was issued to another client"));
    }
    // The user's consent goes, and with it the refresh token.
    state.end(id);
    Ok(token.to_owned())
}
