//! What a provider's facts say of its device grant (RFC 8628).

use std::collections::BTreeMap;

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{app::ClientAuthMethod, paths, reply::ServerReply, request::RecordedRequest};

const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// The fields of `[device]` in a provider's file.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct DeviceFacts {
    /// The page to type the code into.
    pub(crate) page: Option<String>,
    /// Where the client asks whether the user is done, if not at the token endpoint.
    pub(crate) poll_url: Option<String>,
    /// Whether the reply has a page with the code in it.
    pub(crate) complete: bool,
    /// Parameters, with their values, that ask for a code beside the scope.
    pub(crate) params: BTreeMap<String, String>,
    pub(crate) scope_param: String,
    /// The client authentication that asks for a code; that of the token endpoint if there is none here.
    pub(crate) auth: Vec<ClientAuthMethod>,
    pub(crate) poll_auth: Vec<ClientAuthMethod>,
    /// The parameter that holds client id and client token with a bar between them, in place of client authentication.
    pub(crate) client_token_param: Option<String>,
    /// The grant type of a poll; empty where none is sent.
    pub(crate) grant_type: String,
    /// The name of the device code in the reply.
    pub(crate) code_field: String,
    /// The parameter of a poll that holds it.
    pub(crate) code_param: String,
    pub(crate) uri_field: String,
    /// What a poll must repeat: `user_code`, or the scope by its parameter's name.
    pub(crate) repeats: Vec<String>,
    /// 0 where the reply does not say.
    pub(crate) expires_in: u64,
    pub(crate) interval: Option<u64>,
    /// Whether a refresh token comes, where the rule for codes does not tell.
    pub(crate) refresh_token: Option<bool>,
    /// Where the code of an error is; empty where the status is all.
    pub(crate) error_at: String,
    errors: BTreeMap<String, DeviceError>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DeviceError {
    status: Option<u16>,
    code: Option<Value>,
}

impl Default for DeviceFacts {
    fn default() -> Self {
        Self {
            page: None,
            poll_url: None,
            complete: false,
            params: BTreeMap::new(),
            scope_param: "scope".to_owned(),
            auth: Vec::new(),
            poll_auth: Vec::new(),
            client_token_param: None,
            grant_type: GRANT_TYPE.to_owned(),
            code_field: "device_code".to_owned(),
            code_param: "device_code".to_owned(),
            uri_field: "verification_uri".to_owned(),
            repeats: Vec::new(),
            expires_in: 900,
            interval: Some(5),
            refresh_token: None,
            error_at: "error".to_owned(),
            errors: BTreeMap::new(),
        }
    }
}

/// What a poll is told while there is no token.
#[derive(Clone, Copy)]
pub(crate) enum Told {
    Pending,
    SlowDown,
    Denied,
    Expired,
    Unknown,
}

impl Told {
    /// The name in the facts, and the code of RFC 8628, section 3.5.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Pending => ("pending", "authorization_pending"),
            Self::SlowDown => ("slow_down", "slow_down"),
            Self::Denied => ("denied", "access_denied"),
            Self::Expired => ("expired", "expired_token"),
            Self::Unknown => ("unknown", "invalid_grant"),
        }
    }
}

impl DeviceFacts {
    pub(crate) fn reply(&self, told: Told, interval: u64) -> ServerReply {
        let (name, standard) = told.names();
        let own = self.errors.get(name);
        let status = own.and_then(|own| own.status).and_then(|status| StatusCode::from_u16(status).ok());
        let status = status.unwrap_or(StatusCode::BAD_REQUEST);
        let code = own.and_then(|own| own.code.clone()).unwrap_or_else(|| json!(standard));
        if self.error_at.is_empty() {
            return ServerReply::empty(status);
        }
        let mut body = json!({});
        match self.error_at.as_str() {
            "error" => {
                body["error_description"] = json!(format!("the emulator says {standard}"));
                if let Told::SlowDown = told {
                    body["interval"] = json!(interval);
                }
            }
            "message" => body["status"] = json!(status.as_u16()),
            _ => body = json!({"error": {"message": standard, "type": "OAuthException", "code": 31}}),
        }
        paths::set(&mut body, &self.error_at, code);
        ServerReply::json(status, &body)
    }
}

/// Whether a request to a URL that is the token endpoint's too asks for a code.
pub(crate) fn asks_for_code(params: &BTreeMap<String, String>, request: &RecordedRequest) -> bool {
    let wanted = params.get("response_type").map(String::as_str);
    wanted.is_some() && request.parameter("response_type") == wanted
}
