//! In which aspects two outcomes of one call differ.
//!
//! | aspect | what it is |
//! | --- | --- |
//! | `requests` | how many were sent |
//! | `method`, `url`, `query.NAME`, `form.NAME`, `header.NAME` | of a request; with `discovery.` in front, of the discovery's |
//! | `outcome` | a value on one side, an error on the other |
//! | `value`, `value.MEMBER` | the value, or that member of it |
//! | `kind` | an error of a kind that does not fit the exception's class |
//! | `status` | an error that has another HTTP status |
//! | `leak` | an exception that is none of httpx-oauth's, and an `Error` here |
//! | `unwritable` | the call does not compile here |
//!
//! Order is not compared: neither of a query nor of a form has it a meaning. User-Agent is not compared.

use std::collections::BTreeSet;

use oauth_clients::{Error, ErrorKind};
use serde_json::Value;
use time::OffsetDateTime;

use super::{
    Case, Exception, Outcome, Recording, Reply, Request,
    replay::{Failure, Replayed},
};
use crate::support::{Sent, pairs};

const HEADERS: [&str; 4] = ["accept", "authorization", "content-type", "x-shopify-access-token"];

pub(super) struct Difference {
    pub(super) aspect: String,
    pub(super) original: String,
    pub(super) here: String,
}

pub(super) fn differences(recording: &Recording, case: &Case, replayed: &Replayed) -> Vec<Difference> {
    let mut found = Found { recording, differences: Vec::new() };
    if case.requests.len() != replayed.requests.len() {
        let listed = |urls: Vec<&str>| urls.join(" ");
        found.add(
            "requests",
            listed(case.requests.iter().map(|request| &*request.url).collect()),
            listed(replayed.requests.iter().map(|request| &*request.url).collect()),
        );
    }
    let discovers = ["openid", "okta"].contains(&&*case.provider);
    for (number, (original, here)) in case.requests.iter().zip(&replayed.requests).enumerate() {
        found.request(if discovers && number == 0 { "discovery." } else { "" }, original, here);
    }
    found.result(case, &replayed.result);
    found.differences
}

struct Found<'r> {
    recording: &'r Recording,
    differences: Vec<Difference>,
}

impl Found<'_> {
    fn add(&mut self, aspect: impl Into<String>, original: impl Into<String>, here: impl Into<String>) {
        self.differences.push(Difference {
            aspect: aspect.into(),
            original: original.into(),
            here: here.into(),
        });
    }

    fn text(&mut self, aspect: String, original: &str, here: &str) {
        if original != here {
            self.add(aspect, original, here);
        }
    }

    fn request(&mut self, prefix: &str, original: &Request, here: &Sent) {
        self.text(format!("{prefix}method"), &original.method, &here.method);
        self.text(format!("{prefix}url"), &original.url, &here.url);
        self.pairs(&format!("{prefix}query."), &original.query, &here.query);
        let is_form = here.header("content-type") == Some("application/x-www-form-urlencoded");
        let form = if is_form { pairs(&here.body) } else { Vec::new() };
        self.pairs(&format!("{prefix}form."), &original.form, &form);
        for name in HEADERS {
            let recorded = original.headers.get(name).map_or("–", String::as_str);
            self.text(format!("{prefix}header.{name}"), recorded, here.header(name).unwrap_or("–"));
        }
    }

    fn pairs(&mut self, prefix: &str, original: &[(String, String)], here: &[(String, String)]) {
        let names: BTreeSet<_> = original.iter().chain(here).map(|(name, _)| name).collect();
        for name in names {
            let values = |pairs: &[(String, String)]| {
                let values: Vec<_> =
                    pairs.iter().filter(|(other, _)| other == name).map(|(_, value)| value.clone()).collect();
                if values.is_empty() { "–".to_owned() } else { format!("{values:?}") }
            };
            let (original, here) = (values(original), values(here));
            // What the original took for random was fixed.
            let random = original == format!("{:?}", [&self.recording.nonce]) && here.len() == 43 + 4;
            if !random {
                self.text(format!("{prefix}{name}"), &original, &here);
            }
        }
    }

    fn result(&mut self, case: &Case, here: &Result<Value, Failure>) {
        match (&case.result, here) {
            (original, Err(Failure::Unwritable(why))) => self.add("unwritable", original.shown(), *why),
            (Outcome::Ok(original), Ok(here)) if case.method == "get_authorization_url" => {
                let url = |value: &Value| {
                    let url = value["url"].as_str().unwrap();
                    url.split_once('?').map_or(url, |(url, _)| url).to_owned()
                };
                let query = |value: &Value| serde_json::from_value::<Vec<_>>(value["query"].clone()).unwrap();
                self.text("url".to_owned(), &url(original), &url(here));
                self.pairs("query.", &query(original), &query(here));
            }
            (Outcome::Ok(original), Ok(here)) => self.value(case, original, here),
            (Outcome::Ok(_), Err(Failure::Error(error))) => {
                self.add("outcome", case.result.shown(), format!("{:?}: {error}", error.kind()));
            }
            (Outcome::Error(_), Ok(here)) => self.add("outcome", case.result.shown(), here.to_string()),
            (Outcome::Error(exception), Err(Failure::Error(error))) => {
                if exception.leak {
                    self.add("leak", case.result.shown(), error.to_string());
                }
                if !fits(case, exception, error) {
                    self.add("kind", case.result.shown(), format!("{:?}", error.kind()));
                }
                let status = error.status().map(|status| status.as_u16());
                if exception.response_status.is_some() && exception.response_status != status {
                    self.add("status", format!("{:?}", exception.response_status), format!("{status:?}"));
                }
            }
        }
    }

    fn value(&mut self, case: &Case, original: &Value, here: &Value) {
        let (Value::Object(original), Value::Object(here)) = (original, here) else {
            if original != here {
                self.add("value", original.to_string(), here.to_string());
            }
            return;
        };
        let names: BTreeSet<_> = original.keys().chain(here.keys()).collect();
        for name in names {
            let (recorded, value) = (original.get(name), here.get(name));
            let same = recorded == value
                || match (&*case.method, &**name) {
                    (_, "expires_at") => self.same_expiry(recorded, value),
                    // Recorded dictionaries without it got one.
                    ("new", "access_token") => recorded.is_none() && case.provider == "token",
                    // Attributes that the original's class does not have, or that show in each request.
                    ("new", "display_name" | "profile_endpoint") => recorded.is_none(),
                    ("new", "request_headers") => true,
                    ("new", "base_scopes") => {
                        recorded == Some(&Value::Null) && value == Some(&Value::Array(vec![]))
                    }
                    // Nothing was sent by which it could be seen.
                    ("new", "token_endpoint_auth_method" | "revocation_endpoint_auth_method") => {
                        value == Some(&Value::Null)
                    }
                    _ => false,
                };
            if !same {
                let shown = |value: Option<&Value>| value.map_or("–".to_owned(), Value::to_string);
                self.add(format!("value.{name}"), shown(recorded), shown(value));
            }
        }
    }

    /// Whether two expiries are the same time from now on, the original's clock having stood still.
    fn same_expiry(&self, original: Option<&Value>, here: Option<&Value>) -> bool {
        let number = |value: Option<&Value>| value.and_then(Value::as_i64);
        let (Some(original), Some(here)) = (number(original), number(here)) else { return false };
        let now = OffsetDateTime::now_utc().unix_timestamp();
        ((original - self.recording.time) - (here - now)).abs() <= 10
    }
}

impl Outcome {
    fn shown(&self) -> String {
        match self {
            Self::Ok(value) => value.to_string(),
            Self::Error(exception) => format!("{}: {}", exception.class, exception.message),
        }
    }
}

/// Whether an error is of a kind that stands for the exception, as the migration page's table has it.
fn fits(case: &Case, exception: &Exception, error: &Error) -> bool {
    let is_success = |status: u16| (200..300).contains(&status);
    let last_status = match case.replies.last() {
        Some(Reply::Http { status, .. }) => Some(*status),
        Some(Reply::Failure { .. }) | None => None,
    };
    let kind = error.kind();
    let by_status = |status: Option<u16>| match status {
        None => matches!(kind, ErrorKind::Transport(_)),
        Some(status) if is_success(status) => {
            matches!(kind, ErrorKind::MalformedReply { .. } | ErrorKind::Refused { .. })
        }
        Some(_) => matches!(kind, ErrorKind::UnexpectedStatus { .. } | ErrorKind::Refused { .. }),
    };
    match &*exception.class {
        "GetAccessTokenError"
        | "RefreshTokenError"
        | "RevokeTokenError"
        | "GetLongLivedAccessTokenError"
        | "OpenIDConfigurationError"
        | "GetProfileError"
        | "GetIdEmailError" => by_status(exception.response_status),
        "OAuth2AuthorizeCallbackError" if exception.status == Some(400) => {
            matches!(kind, ErrorKind::Login(_))
        }
        "OAuth2AuthorizeCallbackError" => by_status(exception.response_status),
        "RefreshTokenNotSupportedError" | "RevokeTokenNotSupportedError" | "NotImplementedError" => {
            matches!(kind, ErrorKind::Unsupported(_))
        }
        "ConnectError" => matches!(kind, ErrorKind::Transport(_)),
        // A token that no header can carry.
        "UnicodeEncodeError" => matches!(kind, ErrorKind::Configuration(_)),
        // Reading a reply that nobody foresaw; or, before anything came, settings that cannot work.
        "JSONDecodeError" | "UnicodeDecodeError" | "RecursionError" | "OverflowError" | "KeyError"
        | "IndexError" | "TypeError" | "ValueError" | "RuntimeError" => match case.provider.as_str() {
            "token" => matches!(kind, ErrorKind::Configuration(_)),
            _ => last_status.is_some() && by_status(last_status),
        },
        _ => false,
    }
}
