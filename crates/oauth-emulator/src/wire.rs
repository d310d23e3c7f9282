//! What a provider's facts can say about its requests and replies: how parameters are written, where a token goes, how a failure
//! looks.

use std::collections::BTreeMap;

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{
    paths,
    refusal::{Denied, ProtocolError},
    reply::ServerReply,
    request::RecordedRequest,
};

/// How the parameters of a request are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ParamFormat {
    /// `application/x-www-form-urlencoded` in the body.
    #[default]
    Form,
    /// A JSON object in the body.
    Json,
    /// The query of the URL, and no body.
    Query,
}

/// What the body of a profile request is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ProfileBody {
    #[default]
    None,
    Form,
    Json,
    /// A JSON object whose member `query` is a query of GraphQL.
    GraphQl,
}

/// Where a request has its token.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) enum TokenPosition {
    /// `Authorization` with this scheme.
    Scheme(String),
    Header(String),
    Query(String),
    Field(String),
    Json(String),
}

impl TokenPosition {
    pub(crate) fn read<'a>(&self, request: &'a RecordedRequest) -> Option<&'a str> {
        let found = match self {
            Self::Scheme(scheme) => request.authorization(scheme),
            Self::Header(name) => request.header(name),
            Self::Query(name) => request.query.get(name),
            Self::Field(name) => request.form.as_ref().and_then(|form| form.get(name)),
            Self::Json(name) => request.json.as_ref()?.get(name)?.as_str(),
        };
        found.filter(|token| !token.is_empty())
    }

    /// How the parameters of a request are written whose token is here; `None` where it is in a header.
    pub(crate) fn format(&self) -> Option<ParamFormat> {
        match self {
            Self::Scheme(_) | Self::Header(_) => None,
            Self::Query(_) => Some(ParamFormat::Query),
            Self::Field(_) => Some(ParamFormat::Form),
            Self::Json(_) => Some(ParamFormat::Json),
        }
    }
}

impl TryFrom<String> for TokenPosition {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text == "bearer" {
            return Ok(Self::Scheme(text));
        }
        let name = |name: &str| name.to_owned();
        match text.split_once(':') {
            Some(("scheme", it)) => Ok(Self::Scheme(name(it))),
            Some(("header", it)) => Ok(Self::Header(name(it))),
            Some(("query", it)) => Ok(Self::Query(name(it))),
            Some(("field", it)) => Ok(Self::Field(name(it))),
            Some(("json", it)) => Ok(Self::Json(name(it))),
            _ => Err(format!("{text:?} is not a place for a token")),
        }
    }
}

/// One value or a list of them.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

impl<T> OneOrMany<T> {
    pub(crate) fn as_slice(&self) -> &[T] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

/// How a token reply names the granted scopes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ScopeReply {
    /// One text.
    #[default]
    Text,
    /// A JSON array.
    List,
    /// Not at all.
    None,
}

/// The requests whose replies say in the provider's own way that they failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum FailureOn {
    /// The exchange of a code, and the refresh.
    Token,
    Revoke,
    /// All of the provider's API.
    Profile,
}

/// How a provider says that a request failed, where that is not in the words of the standards.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProviderFailure {
    /// The member that tells success from failure.
    status_field: Option<String>,
    /// Its value in a reply that succeeded; such a reply lacks the member without it.
    success: Option<Value>,
    /// Its value in one that failed, where that is not the code.
    failure: Option<Value>,
    /// Where the code is, if not in `status_field`.
    code_field: Option<String>,
    message_field: Option<String>,
    /// The status of each failure; by default what the standards say.
    http_status: Option<u16>,
    /// The provider's codes, by what went wrong.
    #[serde(default)]
    codes: BTreeMap<String, Value>,
    #[serde(default = "FailureOn::all")]
    on: Vec<FailureOn>,
}

impl FailureOn {
    fn all() -> Vec<Self> {
        vec![Self::Token, Self::Revoke, Self::Profile]
    }
}

impl ProviderFailure {
    pub(crate) fn is_on(&self, which: FailureOn) -> bool {
        self.on.contains(&which)
    }

    pub(crate) fn of_refusal(&self, refusal: &ProtocolError) -> ServerReply {
        let words = [refusal.reason.name(), refusal.reason.code()];
        self.reply(refusal.status(), &words, &refusal.description)
    }

    pub(crate) fn of_denial(&self, denied: Denied) -> ServerReply {
        let (status, words, message) = match denied {
            Denied::NoToken => {
                (StatusCode::UNAUTHORIZED, ["no_token", "invalid_token"], "there is no access token")
            }
            Denied::BadToken => {
                (StatusCode::UNAUTHORIZED, ["bad_token", "invalid_token"], "the access token is not valid")
            }
            Denied::Scope => {
                (StatusCode::FORBIDDEN, ["scope", "insufficient_scope"], "the access token lacks the scope")
            }
        };
        self.reply(status, &words, message)
    }

    pub(crate) fn of_bad_request(&self, description: &str) -> ServerReply {
        self.reply(StatusCode::BAD_REQUEST, &["request", "invalid_request"], description)
    }

    fn reply(&self, status: StatusCode, words: &[&str; 2], message: &str) -> ServerReply {
        let own = words.iter().copied().chain(["default"]).find_map(|word| self.codes.get(word).cloned());
        let code = own.unwrap_or_else(|| json!(words[1]));
        let mut body = Value::Object(Map::new());
        if let Some(path) = &self.message_field {
            paths::set(&mut body, path, json!(message));
        }
        if let Some(path) = &self.code_field {
            paths::set(&mut body, path, code.clone());
        }
        if let Some(path) = &self.status_field {
            paths::set(&mut body, path, self.failure.clone().unwrap_or(code));
        }
        let status = self.http_status.and_then(|status| StatusCode::from_u16(status).ok()).unwrap_or(status);
        ServerReply::json(status, &body)
    }

    /// Adds what a reply says when it succeeded, unless it says already that it failed.
    pub(crate) fn mark_success(&self, reply: &mut ServerReply) {
        let (Some(path), Some(success)) = (&self.status_field, &self.success) else { return };
        if !reply.status.is_success() {
            return;
        }
        if reply.body.is_empty() {
            *reply = ServerReply::ok(&json!({}));
        }
        if let Ok(mut body @ Value::Object(_)) = serde_json::from_slice(&reply.body)
            && paths::get(&body, path).is_none()
        {
            paths::set(&mut body, path, success.clone());
            reply.body = body.to_string().into();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_of_a_token_has_a_name() {
        let place = |text: &str| TokenPosition::try_from(text.to_owned());
        assert_eq!(place("bearer"), Ok(TokenPosition::Scheme("bearer".to_owned())));
        assert_eq!(place("scheme:OAuth"), Ok(TokenPosition::Scheme("OAuth".to_owned())));
        assert_eq!(place("header:x-token"), Ok(TokenPosition::Header("x-token".to_owned())));
        assert_eq!(place("query:token"), Ok(TokenPosition::Query("token".to_owned())));
        assert_eq!(place("field:token"), Ok(TokenPosition::Field("token".to_owned())));
        assert_eq!(place("json:token"), Ok(TokenPosition::Json("token".to_owned())));
        assert!(place("token").is_err() && place("form:token").is_err());
    }
}
