//! Requests as they reach the emulator.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, Method, header};
use serde_json::{Map, Value};

/// Name and value pairs of a query or a form, decoded, in their order.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Pairs(Vec<(String, String)>);

impl Pairs {
    /// Parses `application/x-www-form-urlencoded` text.
    pub(crate) fn parse(text: &[u8]) -> Self {
        Self(form_urlencoded::parse(text).into_owned().collect())
    }

    /// The members of a JSON object that are one value each, as texts.
    pub(crate) fn of_json(object: &Map<String, Value>) -> Self {
        let text = |value: &Value| match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        };
        Self(object.iter().filter_map(|(name, value)| Some((name.clone(), text(value)?))).collect())
    }

    /// Adds a pair.
    pub(crate) fn push(&mut self, name: &str, value: String) {
        self.0.push((name.to_owned(), value));
    }

    /// The first value of that name. An empty value counts as absent (RFC 6749, section 3.1).
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(other, value)| *other == name && !value.is_empty()).map(|(_, value)| value)
    }

    /// All pairs, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The first name that occurs twice. Names that are lists (`x[]`, RFC 8707's `resource`) may.
    pub(crate) fn duplicate(&self) -> Option<&str> {
        let may_repeat = |name: &str| name.ends_with("[]") || ["resource", "audience"].contains(&name);
        let repeated = |at: usize, name: &str| self.0[..at].iter().any(|(earlier, _)| earlier == name);
        let names = self.0.iter().map(|(name, _)| name.as_str()).enumerate();
        names
            .filter(|(_, name)| !may_repeat(name))
            .find(|(at, name)| repeated(*at, name))
            .map(|(_, name)| name)
    }
}

impl fmt::Debug for Pairs {
    /// Names only: the values are codes, secrets and tokens.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// The cookie that names the browser's session at an emulator. Browsers send cookies to all ports of a host, so that two emulators
/// need two names.
pub(crate) fn session_cookie(origin: &str) -> String {
    format!("emulator_session_{}", origin.rsplit(':').next().unwrap_or_default())
}

/// A request that reached the emulator, whether it was accepted or not.
#[derive(Clone)]
#[non_exhaustive]
pub struct RecordedRequest {
    /// The method.
    pub method: Method,
    /// The provider's real URL, with its query.
    pub url: String,
    /// All headers as they arrived.
    pub headers: HeaderMap,
    /// The body as it arrived.
    pub body: Bytes,
    /// The decoded query.
    pub query: Pairs,
    /// The decoded body, if its content type is `application/x-www-form-urlencoded`.
    pub form: Option<Pairs>,
    /// The body as JSON, if its content type is `application/json` and it can be read.
    pub json: Option<Value>,
}

impl RecordedRequest {
    pub(crate) fn new(method: Method, url: String, headers: HeaderMap, body: Bytes) -> Self {
        let query = Pairs::parse(url.split_once('?').map(|(_, query)| query).unwrap_or_default().as_bytes());
        let form = has_type(&headers, "application/x-www-form-urlencoded").then(|| Pairs::parse(&body));
        let json =
            has_type(&headers, "application/json").then(|| serde_json::from_slice(&body).ok()).flatten();
        Self { method, url, headers, body, query, form, json }
    }

    /// The URL without its query.
    pub fn endpoint(&self) -> &str {
        self.url.split('?').next().unwrap_or_default()
    }

    /// A header's value, if it is there and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// A field of the body: of the form, or of the JSON object where it is a text.
    pub fn field(&self, name: &str) -> Option<&str> {
        match &self.form {
            Some(form) => form.get(name),
            None => self.json.as_ref()?.get(name)?.as_str(),
        }
    }

    /// A parameter of the request, in its body or in its query.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.field(name).or_else(|| self.query.get(name))
    }

    /// The browser's session at the emulator of this origin.
    pub(crate) fn session(&self, origin: &str) -> Option<&str> {
        let wanted = session_cookie(origin);
        let cookies = self.header("cookie")?.split(';').map(str::trim);
        cookies
            .filter_map(|cookie| cookie.split_once('='))
            .find(|(name, _)| *name == wanted)
            .map(|(_, id)| id)
    }

    /// Credentials of the given scheme in the `Authorization` header.
    pub(crate) fn authorization(&self, scheme: &str) -> Option<&str> {
        let (found, credentials) = self.header("authorization")?.split_once(' ')?;
        found.eq_ignore_ascii_case(scheme).then(|| credentials.trim())
    }

    /// Id and secret of HTTP Basic as they arrive, not yet form-decoded.
    pub(crate) fn basic(&self) -> Option<Option<(String, String)>> {
        let credentials = self.authorization("basic")?;
        let text = STANDARD.decode(credentials).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        Some(
            text.and_then(|text| text.split_once(':').map(|(id, secret)| (id.to_owned(), secret.to_owned()))),
        )
    }
}

impl fmt::Debug for RecordedRequest {
    /// Shows names, not values: headers, query and form hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordedRequest")
            .field("method", &self.method)
            .field("endpoint", &self.endpoint())
            .field("query", &self.query)
            .field("headers", &self.headers.keys().collect::<Vec<_>>())
            .field("form", &self.form)
            .field("body_len", &self.body.len())
            .finish()
    }
}

/// The parameters of a request to the end session endpoint (OpenID Connect RP-Initiated Logout 1.0, section 2).
#[derive(Debug, Default)]
pub(crate) struct LogoutParams {
    pub(crate) id_token_hint: Option<String>,
    pub(crate) client_id: Option<String>,
    pub(crate) redirect_uri: Option<String>,
    pub(crate) state: Option<String>,
}

impl LogoutParams {
    /// Reads the names of the standard.
    pub(crate) fn standard(params: &Pairs) -> Self {
        let text = |name| params.get(name).map(str::to_owned);
        Self {
            id_token_hint: text("id_token_hint"),
            client_id: text("client_id"),
            redirect_uri: text("post_logout_redirect_uri"),
            state: text("state"),
        }
    }
}

fn has_type(headers: &HeaderMap, wanted: &str) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case(wanted))
}

/// One percent- and plus-encoded word, as RFC 6749, section 2.3.1 encodes the credentials of HTTP Basic.
pub(crate) fn form_decode(word: &str) -> String {
    // A word is a form's name without value; what would split it must be encoded and cannot occur in it.
    let escaped = word.replace('&', "%26").replace('=', "%3D");
    form_urlencoded::parse(escaped.as_bytes()).next().map(|(name, _)| name.into_owned()).unwrap_or_default()
}
