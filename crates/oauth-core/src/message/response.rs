//! A provider's reply, and what is an error in it.

use std::{
    borrow::Cow,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{
    clock::system_time,
    error::{Error, ErrorKind, FailedReply, OAuthError, Operation, Result},
    message::{
        challenge::Challenge,
        draft::{Hidden, RequestDraft},
    },
    spec::ErrorSpec,
    text::{
        json::{self, text_at, value_at},
        redaction::safe_line,
    },
    token::{OAuth2Token, seconds},
};

/// Media types that hold no text for programs.
const UNREADABLE: &[&str] = &["audio", "font", "image", "model", "multipart", "video"];

/// A provider's answer to a [`Request`](crate::Request), with a status of success.
///
/// Servers bend the rules in ways that harm nobody: an error under HTTP 200, a form where JSON should be, 201 for 200, an
/// error that is an object, or one that says success. That is understood here, for all providers alike.
pub struct Response {
    source: ResponseSource,
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

/// What the reply's reader must know of the request.
pub(crate) struct ResponseSource {
    pub(crate) provider: Cow<'static, str>,
    /// Where the request went. An error names its host.
    pub(crate) url: http::Uri,
    pub(crate) operation: Operation,
    pub(crate) hidden: Hidden,
    pub(crate) invalid_grant_codes: &'static [&'static str],
    pub(crate) never_expires_in: &'static [i64],
    pub(crate) errors: ErrorSpec,
    /// Whether the request was authorized by an access token.
    pub(crate) used_token: bool,
    /// Whether the client makes the proofs that a token bound by DPoP needs.
    pub(crate) presents_dpop: bool,
}

impl Response {
    pub(crate) fn new(source: ResponseSource, reply: http::Response<Bytes>) -> Self {
        let (parts, body) = reply.into_parts();
        Self { source, status: parts.status, headers: parts.headers, body }
    }

    /// The token that the reply holds at a JSON pointer (RFC 6901), `""` for the reply itself.
    ///
    /// # Errors
    ///
    /// What the provider refused with, or a malformed-reply error that keeps the body.
    pub fn token(&self, pointer: &str) -> Result<OAuth2Token> {
        let token = self.token_in_fields(pointer)?;
        if let Some(kind) = self.unreadable_type() {
            return Err(self.malformed(format!("a token does not come as {kind}")));
        }
        match token.token_type() {
            // It would need a proof that nobody made (RFC 9449 section 5).
            Some(kind) if kind.eq_ignore_ascii_case("DPoP") && !self.source.presents_dpop => {
                Err(self.malformed("the token is bound by DPoP, which was not asked for"))
            }
            _ => Ok(token),
        }
    }

    /// The media type, if nobody sends a token by it: a page or a picture that looks like JSON may be anybody's upload. The rest is
    /// judged by its content, because servers name all sorts of types.
    fn unreadable_type(&self) -> Option<String> {
        let is_unreadable = |kind: &String| match kind.split_once('/') {
            Some((kind, _)) if UNREADABLE.contains(&kind.trim_end()) => true,
            Some((_, subtype)) => subtype.contains("html"),
            None => false,
        };
        // Several lines, and several types in one, are what programs read in different ways.
        self.headers
            .get_all(header::CONTENT_TYPE)
            .iter()
            .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
            .map(|one| {
                let kind = one.split(|byte| *byte == b';').next().unwrap_or_default();
                String::from_utf8_lossy(kind).trim().to_ascii_lowercase()
            })
            .find(is_unreadable)
    }

    fn token_in_fields(&self, pointer: &str) -> Result<OAuth2Token> {
        let mut fields = self.fields()?;
        let mut fields = match (pointer, fields.pointer_mut(pointer).map(Value::take)) {
            (_, Some(Value::Object(fields))) => fields,
            ("", _) => return Err(self.malformed("it is not an object")),
            _ => return Err(self.malformed(format!("there is no object at {pointer}"))),
        };
        if fields
            .get("expires_in")
            .and_then(seconds)
            .is_some_and(|in_| self.source.never_expires_in.contains(&in_))
        {
            // Stored with the token, it would be taken for an expiry.
            fields.remove("expires_in");
        }
        OAuth2Token::from_reply(fields).map_err(|reason| self.malformed(reason))
    }

    /// The JSON that the reply holds.
    ///
    /// # Errors
    ///
    /// What the provider refused with under a status of success, or a malformed-reply error.
    pub fn json(&self) -> Result<Value> {
        let value = json::parse(&self.body).map_err(|reason| self.unreadable(reason))?;
        self.refuse_error_in(&value)?;
        Ok(value)
    }

    /// The error for a body that is not JSON.
    fn unreadable(&self, reason: String) -> Error {
        self.malformed(self.compressed().unwrap_or(reason))
    }

    /// What is wrong with a body that is compressed, although each request asks for none.
    fn compressed(&self) -> Option<String> {
        let by_header =
            self.header(header::CONTENT_ENCODING).map(|coding| coding.trim().to_ascii_lowercase());
        let by_header = by_header.filter(|coding| !coding.is_empty() && coding != "identity");
        let by_content = match &*self.body {
            [0x1f, 0x8b, ..] => Some("gzip"),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some("zstd"),
            // The first two bytes of zlib, which is what `deflate` means.
            [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..] => Some("deflate"),
            _ => None,
        };
        let coding = by_header.or_else(|| by_content.map(str::to_owned))?;
        Some(format!(
            "it is compressed ({coding}), although the request asked for Accept-Encoding: identity; switch compression off at the \
             server or the proxy before it"
        ))
    }

    /// The JSON that the reply holds, as a type of the caller's.
    ///
    /// # Errors
    ///
    /// As [`json`](Self::json), and when it is of another shape.
    pub fn json_as<T: DeserializeOwned>(&self) -> Result<T> {
        // What serde says of the shape quotes the reply.
        T::deserialize(self.json()?).map_err(|_| self.malformed("it does not have the documented shape"))
    }

    /// The JSON object that the reply holds.
    ///
    /// # Errors
    ///
    /// As [`json`](Self::json), and when it is something else.
    pub fn object(&self) -> Result<Value> {
        let value = self.json()?;
        if value.is_object() { Ok(value) } else { Err(self.malformed("it is not an object")) }
    }

    /// The data of a GraphQL answer (GraphQL section 7.1).
    ///
    /// # Errors
    ///
    /// What the provider refused with, be it for a part of the query alone; or a malformed-reply error.
    pub fn graphql_data(&self) -> Result<Value> {
        let mut answer = self.object()?;
        if let Some(error) = answer.get("errors").and_then(graphql_error) {
            return Err(self.refused(error));
        }
        match answer["data"].take() {
            data @ Value::Object(_) => Ok(data),
            _ => Err(self.malformed("there is no object at /data")),
        }
    }

    /// Checks that the body names no error, for a provider that refuses under a status of success. Any other body will do.
    ///
    /// # Errors
    ///
    /// What the provider refused with.
    pub fn accepted(&self) -> Result<()> {
        self.refuse_error_in(&self.fields_or_nothing())
    }

    /// The request that this is the answer to, as it was sent last.
    pub(crate) fn request(&self) -> &RequestDraft {
        &self.source.hidden.0
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The value of a header, if it is text.
    #[must_use]
    pub fn header(&self, name: header::HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body, as it came.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The error for a reply that lacks what the operation needs. It keeps the body.
    pub fn malformed(&self, reason: impl Into<String>) -> Error {
        self.unusable(&reason.into())
    }

    #[cold]
    fn unusable(&self, reason: &str) -> Error {
        self.error(ErrorKind::MalformedReply { reason: self.safe(reason), reply: self.failed() })
    }

    /// The error for a reply that says no in the provider's own way.
    #[must_use]
    pub fn refused(&self, error: OAuthError) -> Error {
        let mut reply = self.failed();
        if self.status == StatusCode::FORBIDDEN && self.header(header::RETRY_AFTER).is_none() {
            // What is refused by a code is not refused because the last request that was allowed is used up.
            reply.retry_after = None;
        }
        reply.is_invalid_grant = self.source.operation.is_token_request()
            && self.source.invalid_grant_codes.contains(&&*error.code);
        let meaning = self.source.errors.codes.iter().find(|(code, _)| *code == error.code);
        let refused = self.error(ErrorKind::Refused { error: self.hide_secrets(error), reply });
        match meaning {
            Some((_, code)) => refused.under_code(code),
            None => refused,
        }
    }

    /// The reply as it came.
    pub(crate) fn reply(&self) -> http::Response<Bytes> {
        let mut reply = http::Response::new(self.body.clone());
        *reply.status_mut() = self.status;
        *reply.headers_mut() = self.headers.clone();
        reply
    }

    pub(crate) fn check_status(&self) -> Result<()> {
        if self.status.is_success() {
            return Ok(());
        }
        let fields = self.fields_or_nothing();
        let error = self
            .provider_error(&fields)
            .or_else(|| oauth_error(&fields))
            .or_else(|| listed_error(&fields))
            .or_else(|| self.declared(&fields));
        if let Some(error) = error.or_else(|| self.challenge()) {
            return Err(self.refused(error));
        }
        let message = ["message", "msg", "error_description", "errors", "detail"]
            .iter()
            .find_map(|name| fields.get(name)?.as_str())
            .map(str::to_owned)
            .or_else(|| self.compressed())
            .map(|text| self.safe(&text));
        Err(self.error(ErrorKind::UnexpectedStatus { message, reply: self.failed() }))
    }

    /// One of the provider's own codes for a dead grant in another member than `error`, such as HubSpot's `status`.
    fn declared(&self, fields: &Value) -> Option<OAuthError> {
        let code = ["errorType", "status", "code"].iter().find_map(|name| {
            fields.get(name)?.as_str().filter(|code| self.source.invalid_grant_codes.contains(code))
        })?;
        let description = fields.get("message").and_then(Value::as_str).map(str::to_owned);
        Some(OAuthError { code: code.to_owned(), description, uri: None })
    }

    /// The fields of a token reply, be it JSON or a form.
    fn fields(&self) -> Result<Value> {
        let fields = match json::parse(&self.body) {
            Ok(value) => value,
            Err(reason) => form(&self.body).ok_or_else(|| self.unreadable(reason))?,
        };
        self.refuse_error_in(&fields)?;
        Ok(fields)
    }

    fn fields_or_nothing(&self) -> Value {
        json::parse(&self.body).ok().or_else(|| form(&self.body)).unwrap_or_default()
    }

    fn refuse_error_in(&self, fields: &Value) -> Result<()> {
        let error = self.provider_error(fields).or_else(|| oauth_error(fields));
        error.map_or(Ok(()), |error| Err(self.refused(error)))
    }

    /// The error that a reply names in the way that only this provider has: see [`ErrorSpec`].
    fn provider_error(&self, fields: &Value) -> Option<OAuthError> {
        let errors = &self.source.errors;
        let text = |place: &str| match value_at(fields, place)? {
            Value::Bool(value) => Some(value.to_string()),
            value => text(value),
        };
        let status = text(errors.failed_at.or(errors.code_at)?)?;
        if errors.success.contains(&&*status) {
            return None;
        }
        let code = errors.code_at.and_then(text).unwrap_or(status);
        Some(OAuthError { code, description: errors.message_at.and_then(text), uri: None })
    }

    /// The error in a `WWW-Authenticate` header by the scheme `Bearer` (RFC 6750 section 3) or `DPoP` (RFC 9449 section 7.1), among
    /// whatever other challenges there are. The latter counts for a client that makes proofs, and first.
    fn challenge(&self) -> Option<OAuthError> {
        let challenges = Challenge::all(&self.headers);
        let schemes: &[&str] = if self.source.presents_dpop { &["DPoP", "Bearer"] } else { &["Bearer"] };
        let of_scheme =
            |scheme| challenges.iter().filter(move |one| one.scheme().eq_ignore_ascii_case(scheme));
        schemes.iter().copied().flat_map(of_scheme).find_map(|challenge| {
            let value = |name: &str| challenge.get(name).filter(|text| !text.is_empty()).map(str::to_owned);
            Some(OAuthError {
                code: value("error")?,
                description: value("error_description"),
                uri: value("error_uri"),
            })
        })
    }

    fn error(&self, kind: ErrorKind) -> Error {
        Error::new(self.source.operation, self.source.provider.clone(), kind)
            .with_host(host_of(&self.source.url))
    }

    fn failed(&self) -> FailedReply {
        FailedReply {
            status: self.status,
            body: self.body.clone(),
            retry_after: self.retry_after(),
            is_invalid_grant: false,
            is_transient: json::parse(&self.body)
                .is_ok_and(|fields| fields.pointer("/error/is_transient") == Some(&Value::Bool(true))),
            used_token: self.source.used_token,
        }
    }

    fn hide_secrets(&self, error: OAuthError) -> OAuthError {
        OAuthError {
            code: self.safe(&error.code),
            description: error.description.as_deref().map(|text| self.safe(text)),
            uri: error.uri.as_deref().map(|text| self.safe(text)),
        }
    }

    fn safe(&self, text: &str) -> String {
        safe_line(text, self.source.hidden.texts().map(Cow::Borrowed))
    }

    fn retry_after(&self) -> Option<Duration> {
        match self.header(header::RETRY_AFTER) {
            Some(value) => wait(value, system_time()),
            None => self.limit_ends_in(system_time()).or_else(|| self.wait_in_body()),
        }
    }

    /// How Discord says it beside the header, which a gateway may drop: in seconds, with a fraction.
    fn wait_in_body(&self) -> Option<Duration> {
        if self.status != StatusCode::TOO_MANY_REQUESTS {
            return None;
        }
        let seconds = json::parse(&self.body).ok()?.get("retry_after")?.as_f64()?;
        let wait = Duration::try_from_secs_f64(seconds.ceil()).ok()?;
        Some(wait.min(LONGEST_WAIT))
    }

    /// How GitHub says it of the limit that is not against abuse: nothing remains, until a Unix time. X has another name for the time, and
    /// sends it with every reply, so it counts only where the limit is what refuses.
    fn limit_ends_in(&self, now: SystemTime) -> Option<Duration> {
        let value = |name| self.header(header::HeaderName::from_static(name));
        let reset = match value("x-ratelimit-remaining") {
            Some("0") => value("x-ratelimit-reset")?,
            _ if self.status == StatusCode::TOO_MANY_REQUESTS => value("x-rate-limit-reset")?,
            _ => return None,
        };
        let reset = Duration::from_secs(reset.parse().ok()?);
        let now = now.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        // Other servers count the seconds from now.
        let wait = if reset <= LONGEST_WAIT { reset } else { reset.saturating_sub(now) };
        Some(wait.min(LONGEST_WAIT))
    }
}

/// Whoever adds a wait to a clock must not overflow.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// How long `Retry-After` says to wait: seconds or a date (RFC 9110 section 10.2.3).
fn wait(retry_after: &str, now: SystemTime) -> Option<Duration> {
    let wait = match retry_after.trim().parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let at = httpdate::parse_http_date(retry_after).ok()?;
            // A moment that has passed means now.
            at.duration_since(now).unwrap_or_default()
        }
    };
    Some(wait.min(LONGEST_WAIT))
}

/// The error that a reply names, in any of the shapes in which servers name it.
fn oauth_error(fields: &Value) -> Option<OAuthError> {
    let find = |from: &Value, names: &[&str]| names.iter().find_map(|name| from.get(name).and_then(text));
    match fields.get("error")? {
        // Facebook, Microsoft Graph, Google APIs: {"error": {"code": …, "type": …, "message": …}}.
        object @ Value::Object(members) => {
            let description = find(object, &["message", "error_description", "description"]);
            let code = match find(object, CODES) {
                // TikTok sends this object with every reply: {"code": "ok", "message": "", "log_id": …}.
                Some(code) if says_success(&code) => return None,
                Some(code) => code,
                None if description.is_none() && has_no_code(members) => return None,
                None => "error".to_owned(),
            };
            Some(OAuthError { code, description, uri: None })
        }
        error => Some(OAuthError {
            code: match error {
                // Said without a name for it.
                Value::Bool(true) => "error".to_owned(),
                Value::Array(items) => {
                    let first = items.iter().find(|item| !is_nothing(item) || item.is_object())?;
                    text(first).unwrap_or_else(|| "error".to_owned())
                }
                error => text(error)?,
            },
            description: find(fields, &["error_description", "error_message", "message", "msg"]),
            uri: find(fields, &["error_uri"]),
        })
        .filter(|error| !says_success(&error.code)),
    }
}

/// Where the code is in an error that is an object.
const CODES: &[&str] = &["code", "error", "type", "status"];

/// Whether an error that is an object has an empty code, or nothing in it at all.
fn has_no_code(error: &Map<String, Value>) -> bool {
    let mut codes = CODES.iter().filter_map(|name| error.get(*name)).peekable();
    match codes.peek() {
        Some(_) => codes.all(is_nothing),
        None => error.values().all(is_nothing),
    }
}

/// A code or a message, be it a text or a number; `None` if it is empty.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.trim().is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Whether the code of an `error` says that there was none, such as `ok` or `0`.
#[must_use]
pub fn says_success(code: &str) -> bool {
    let code = code.trim();
    ["ok", "success", "none", "null", "false"].iter().any(|word| code.eq_ignore_ascii_case(word))
        || code.parse().is_ok_and(|number: f64| number == 0.0)
}

/// Whether a member holds nothing that could be an error.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.trim().is_empty() || says_success(text),
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(true) => false,
    }
}

/// The first error of a list, as Fitbit writes it: `{"errors": [{"errorType": "invalid_grant", "message": …}]}`, or as GraphQL has it:
/// `{"errors": [{"extensions": {"code": "RATELIMITED"}, "message": …}]}`.
fn listed_error(fields: &Value) -> Option<OAuthError> {
    let first = fields.get("errors")?.as_array()?.first()?;
    let text = |name: &str| first.get(name)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let code = text("errorType")
        .or_else(|| text("error"))
        .or_else(|| text_at(first, "/extensions/code"))
        .filter(|code| !says_success(code))?;
    Some(OAuthError { code, description: text("message").or_else(|| text("error_description")), uri: None })
}

/// The first of the errors in a GraphQL answer; some servers write one that is not a list.
fn graphql_error(errors: &Value) -> Option<OAuthError> {
    let error = |code: Option<String>, description: Option<String>| {
        let code = code.unwrap_or_else(|| "error".to_owned());
        Some(OAuthError { code, description, uri: None })
    };
    match errors {
        Value::Array(errors) => {
            let first = errors.first()?;
            error(text_at(first, "/extensions/code"), text_at(first, "/message"))
        }
        errors if is_nothing(errors) => None,
        errors => error(None, text(errors)),
    }
}

/// Where a request goes, without a user's name and the usual port.
pub(crate) fn host_of(url: &http::Uri) -> String {
    let host = url.host().unwrap_or_default();
    match url.port_u16() {
        Some(port) if !matches!((url.scheme_str(), port), (Some("https"), 443) | (Some("http"), 80)) => {
            format!("{host}:{port}")
        }
        _ => host.to_owned(),
    }
}

/// A form-encoded reply, as the first drafts of OAuth 2.0 had it and GitHub and Facebook once sent it.
fn form(body: &[u8]) -> Option<Value> {
    // Templates of servers leave line breaks around it, and some begin with a byte order mark.
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii();
    // Neither a page with such a link in it nor JSON that was cut off is a form.
    let is_form = body.iter().all(|&byte| byte.is_ascii_graphic() && !b"<>{}[]\"\\".contains(&byte));
    let pairs: Vec<_> = form_urlencoded::parse(body).collect();
    let is_known = |(name, _): &(Cow<'_, str>, Cow<'_, str>)| ["access_token", "error"].contains(&&**name);
    if !is_form || !pairs.iter().any(is_known) {
        return None;
    }
    let mut fields = Map::new();
    for (name, value) in pairs {
        // As in JSON: a name that is there twice could be read in two ways.
        if fields.insert(name.into_owned(), value.into_owned().into()).is_some() {
            return None;
        }
    }
    Some(Value::Object(fields))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date_in_any_of_three_forms() {
        // 1994-11-06 08:49:00 UTC.
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_740);
        for (value, seconds) in [
            ("17", 17),
            (" 0 ", 0),
            ("18446744073709551615", 86_400),
            ("Sun, 06 Nov 1994 08:49:37 GMT", 37),
            (" Sun, 06 Nov 1994 08:49:37 GMT ", 37),
            ("Sunday, 06-Nov-94 08:49:37 GMT", 37),
            ("Sun Nov  6 08:49:37 1994", 37),
            ("Sun, 06 Nov 1994 08:48:59 GMT", 0),
            ("Fri, 31 Dec 9999 23:59:59 GMT", 86_400),
        ] {
            assert_eq!(wait(value, now), Some(Duration::from_secs(seconds)), "{value}");
        }
        for nonsense in [
            "",
            "soon",
            "-1",
            "1.5",
            "1994-11-06T08:49:37Z",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Nov 1994 08:49:37 +0100",
            "Sun, 31 Feb 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:00:00 GMT",
            "Sun, 06 Nov 1994 08:49:37 GMT\u{e4}",
            "Sonntag, 06-Nov-94 08:49:37 GMT",
        ] {
            assert_eq!(wait(nonsense, now), None, "{nonsense}");
        }
    }
}
