use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::Dialect;
use crate::{
    profile::{self, Denied},
    reply::{Reason, Refusal, Reply},
    request::Params,
    server::Call,
    state::Grant,
    token,
};

/// <https://learn.microsoft.com/en-us/linkedin/consumer/integrations/self-serve/sign-in-with-linkedin-v2>
pub(super) struct LinkedIn;

impl Dialect for LinkedIn {
    /// Ordinary applications must not send a verifier at all.
    fn check_token(&self, form: &Params) -> Result<(), Refusal> {
        match form.get("code_verifier") {
            Some(_) => Err(Reason::Client.because("Client authentication failed")),
            None => Ok(()),
        }
    }

    fn denial(&self) -> Vec<(&'static str, &'static str)> {
        vec![
            ("error", "user_cancelled_authorize"),
            ("error_description", "The user cancelled the authorization"),
        ]
    }

    /// What it says of a code that is spent, too old or of another application.
    fn refuse(&self, _call: &Call<'_>, refusal: &Refusal) -> Reply {
        match refusal.reason {
            Reason::Code => {
                let description = "Unable to retrieve access token: appid/redirect uri/code verifier does not match authorization code. Or authorization code expired. Or external member binding exists";
                let body = json!({"error": "invalid_request", "error_description": description});
                Reply::json(StatusCode::BAD_REQUEST, &body)
            }
            _ => refusal.standard(),
        }
    }

    fn denied(&self, _call: &Call<'_>, denied: Denied) -> Reply {
        let (status, code, message) = match denied {
            Denied::NoToken => (StatusCode::UNAUTHORIZED, 65604, "Empty oauth2 access token"),
            Denied::BadToken => (StatusCode::UNAUTHORIZED, 65600, "Invalid access token"),
            Denied::Scope => (StatusCode::FORBIDDEN, 100, "Not enough permissions to access this resource"),
        };
        Reply::json(status, &json!({"serviceErrorCode": code, "message": message, "status": status.as_u16()}))
    }

    fn profile(&self, _call: &Call<'_>, grant: &Grant, mut body: Map<String, Value>) -> Reply {
        body.insert("locale".to_owned(), json!({"country": "US", "language": "en"}));
        if !grant.has_scope("profile") {
            body.retain(|name, _| !["name", "picture", "locale"].contains(&name.as_str()));
        }
        Reply::ok(&Value::Object(body))
    }

    /// The calls of the older products, with scopes that new applications cannot get.
    fn other(&self, call: &Call<'_>, name: &str) -> Reply {
        if call.request.method != Method::GET {
            return Reply::method_not_allowed("GET");
        }
        match name {
            "me" => me(call),
            _ => email_address(call),
        }
    }
}

fn me(call: &Call<'_>) -> Reply {
    let grant = match profile::authorize(call, &["r_liteprofile".to_owned(), "r_basicprofile".to_owned()]) {
        Ok(grant) => grant,
        Err(reply) => return reply,
    };
    let mut body = Map::new();
    body.insert("id".to_owned(), json!(grant.user.id));
    if call.request.query.get("projection") != Some("(id)") {
        let (first, last) = grant.user.name.split_once(' ').unwrap_or((&grant.user.name, ""));
        body.insert("localizedFirstName".to_owned(), json!(first));
        body.insert("localizedLastName".to_owned(), json!(last));
    }
    Reply::ok(&Value::Object(body))
}

fn email_address(call: &Call<'_>) -> Reply {
    let grant = match profile::authorize(call, &["r_emailaddress".to_owned()]) {
        Ok(grant) => grant,
        Err(reply) => return reply,
    };
    let query = &call.request.query;
    if query.get("q") != Some("members") || query.get("projection") != Some("(elements*(handle~))") {
        let body =
            json!({"serviceErrorCode": 0, "message": "Resource emailAddress does not exist", "status": 404});
        return Reply::json(StatusCode::NOT_FOUND, &body);
    }
    let state = call.shared.state();
    let elements: Vec<Value> = token::email(&state, &call.provider.family, &grant)
        .map(|(address, _)| json!({"handle": "urn:li:emailAddress:1", "handle~": {"emailAddress": address}}))
        .into_iter()
        .collect();
    Reply::ok(&json!({"elements": elements}))
}
