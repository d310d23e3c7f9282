//! What a client asks of the backchannel authentication endpoint (CIBA section 7.1).

use std::{borrow::Cow, fmt, time::Duration};

use oauth_core::Secret;
use serde_json::{Map, Value};

/// A request to authenticate a user on a device of the user's own (CIBA section 7.1). It names the user by exactly one hint.
///
/// ```
/// use oauth_fapi::CibaRequest;
///
/// let request = CibaRequest::for_login_hint("jane@example.com")
///     .with_scopes(["openid", "payments"])
///     .with_binding_message("W4SCT");
/// ```
#[derive(Clone)]
#[must_use]
pub struct CibaRequest {
    hint: (&'static str, Secret),
    scopes: Vec<String>,
    acr_values: Vec<String>,
    required_acr: Option<Vec<String>>,
    binding_message: Option<String>,
    user_code: Option<Secret>,
    requested_expiry: Option<Duration>,
    request_context: Option<Map<String, Value>>,
    parameters: Vec<(String, String)>,
}

/// The most characters of a binding message. It is read off one screen and compared with another.
const LONGEST_BINDING_MESSAGE: usize = 128;

/// What only this library sends.
const OWN: &[&str] = &[
    "scope",
    "client_notification_token",
    "acr_values",
    "login_hint",
    "login_hint_token",
    "id_token_hint",
    "binding_message",
    "user_code",
    "requested_expiry",
    "request_context",
    "request",
    "client_id",
    "client_secret",
    "client_assertion",
    "client_assertion_type",
];

/// The claims of a signed request that are not parameters.
const JWT_CLAIMS: &[&str] = &["iss", "aud", "exp", "iat", "nbf", "jti", "sub"];

impl CibaRequest {
    /// Authenticates the user of this address, telephone number or name.
    pub fn for_login_hint(login_hint: impl Into<Secret>) -> Self {
        Self::new("login_hint", login_hint.into())
    }

    /// Authenticates the user of an ID token that the client got earlier.
    pub fn for_id_token_hint(id_token: impl Into<Secret>) -> Self {
        Self::new("id_token_hint", id_token.into())
    }

    /// Authenticates the user whom a token names that the provider understands.
    pub fn for_login_hint_token(login_hint_token: impl Into<Secret>) -> Self {
        Self::new("login_hint_token", login_hint_token.into())
    }

    fn new(name: &'static str, hint: Secret) -> Self {
        Self {
            hint: (name, hint),
            scopes: Vec::new(),
            acr_values: Vec::new(),
            required_acr: None,
            binding_message: None,
            user_code: None,
            requested_expiry: None,
            request_context: None,
            parameters: Vec::new(),
        }
    }

    /// Asks for these scopes. `openid` is asked for in any case, because without it there is no ID token that says who agreed.
    pub fn with_scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// Asks for one of these authentication contexts, the best first. The provider may not oblige; to insist, see
    /// [`require_acr`](Self::require_acr).
    pub fn with_acr_values<S: Into<String>>(mut self, values: impl IntoIterator<Item = S>) -> Self {
        self.acr_values = values.into_iter().map(Into::into).collect();
        self
    }

    /// Insists on one of these authentication contexts: they are asked for, and an ID token with another `acr` is refused. A request that
    /// insists on an empty list is not sent.
    pub fn require_acr<S: Into<String>>(mut self, values: impl IntoIterator<Item = S>) -> Self {
        self.acr_values = values.into_iter().map(Into::into).collect();
        self.required_acr = Some(self.acr_values.clone());
        self
    }

    /// Shows this text on the user's device, to be compared with the one that the application shows: short, and of plain characters.
    pub fn with_binding_message(mut self, message: impl Into<String>) -> Self {
        self.binding_message = Some(message.into());
        self
    }

    /// Sends the code that the user has agreed upon with the provider against unwanted requests. The provider must say in its metadata
    /// that it takes one (`backchannel_user_code_parameter_supported`).
    pub fn with_user_code(mut self, user_code: impl Into<Secret>) -> Self {
        self.user_code = Some(user_code.into());
        self
    }

    /// Asks for a request that lives this long, in whole seconds. The provider decides.
    pub fn with_requested_expiry(mut self, expiry: Duration) -> Self {
        self.requested_expiry = Some(expiry);
        self
    }

    /// Tells the provider in which context the request is made (FAPI-CIBA's extension): what it may use to detect fraud.
    pub fn with_request_context(mut self, context: Map<String, Value>) -> Self {
        self.request_context = Some(context);
        self
    }

    /// Sends another parameter as well, such as `resource` (RFC 8707) or `authorization_details` (RFC 9396). None of those that this type
    /// has methods for can be among them.
    pub fn with_parameter(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.parameters.push((name.into(), value.into()));
        self
    }

    pub(super) fn required_acr(&self) -> &[String] {
        self.required_acr.as_deref().unwrap_or_default()
    }

    pub(super) fn has_user_code(&self) -> bool {
        self.user_code.is_some()
    }

    /// What is wrong with the request, whoever is asked.
    pub(super) fn check(&self) -> Result<(), String> {
        let (name, hint) = &self.hint;
        if hint.expose().trim().is_empty() {
            return Err(format!("{name} is empty, so that the request names nobody"));
        }
        if let Some(message) = &self.binding_message {
            let length = message.chars().count();
            if message.trim().is_empty() || length > LONGEST_BINDING_MESSAGE {
                return Err(format!(
                    "the binding message has {length} characters; it must have 1 to {LONGEST_BINDING_MESSAGE}"
                ));
            }
            if message.chars().any(is_unprintable) {
                return Err(
                    "the binding message has a character that is not shown; use plain letters and digits"
                        .to_owned(),
                );
            }
        }
        if self.required_acr.as_ref().is_some_and(|all| all.iter().all(|acr| acr.trim().is_empty())) {
            return Err("require_acr names no authentication context; leave it out for a request that insists on none".to_owned());
        }
        if self.requested_expiry.is_some_and(|expiry| expiry.as_secs() == 0) {
            return Err("the requested expiry is less than a second".to_owned());
        }
        if self.user_code.as_ref().is_some_and(|code| code.expose().is_empty()) {
            return Err("the user code is empty".to_owned());
        }
        let is_own =
            |name: &&String| OWN.iter().chain(JWT_CLAIMS).any(|own| own.eq_ignore_ascii_case(name.trim()));
        match self.parameters.iter().map(|(name, _)| name).find(is_own) {
            Some(name) => Err(format!(
                "the further parameters hold {name}, which the library sends itself; leave it out"
            )),
            None => Ok(()),
        }
    }

    /// The parameters of a request that is not signed.
    pub(super) fn form(&self) -> Vec<(&str, Cow<'_, str>)> {
        let (name, hint) = &self.hint;
        let mut form: Vec<(&str, Cow<'_, str>)> =
            vec![("scope", self.scope().into()), (name, hint.expose().into())];
        if !self.acr_values.is_empty() {
            form.push(("acr_values", self.acr_values.join(" ").into()));
        }
        if let Some(message) = &self.binding_message {
            form.push(("binding_message", message.into()));
        }
        if let Some(user_code) = &self.user_code {
            form.push(("user_code", user_code.expose().into()));
        }
        if let Some(expiry) = self.requested_expiry {
            form.push(("requested_expiry", expiry.as_secs().to_string().into()));
        }
        if let Some(context) = &self.request_context {
            form.push(("request_context", Value::Object(context.clone()).to_string().into()));
        }
        form.extend(self.parameters.iter().map(|(name, value)| (&**name, Cow::from(value))));
        form
    }

    /// The parameters as claims of a signed request: what is a number or an object is one there too (RFC 9101 section 4).
    pub(super) fn claims(&self) -> Map<String, Value> {
        let mut claims = Map::new();
        for (name, value) in self.form() {
            let value: Value = match name {
                "requested_expiry" => self.requested_expiry.map(|expiry| expiry.as_secs()).into(),
                "request_context" => self.request_context.clone().into(),
                // Text that is JSON of its own, by its specification.
                "authorization_details" | "claims" => {
                    oauth_core::parse_json(value.as_bytes()).unwrap_or_else(|_| value.into_owned().into())
                }
                _ => value.into_owned().into(),
            };
            // Several resources are a list (RFC 8707 section 2).
            match claims.remove(name) {
                None => claims.insert(name.to_owned(), value),
                Some(Value::Array(mut several)) => {
                    several.push(value);
                    claims.insert(name.to_owned(), several.into())
                }
                Some(first) => claims.insert(name.to_owned(), vec![first, value].into()),
            };
        }
        claims
    }

    fn scope(&self) -> String {
        let has_openid = self.scopes.iter().flat_map(|scope| scope.split(' ')).any(|scope| scope == "openid");
        let openid = (!has_openid).then_some("openid");
        openid.into_iter().chain(self.scopes.iter().map(String::as_str)).collect::<Vec<_>>().join(" ")
    }
}

/// Whether a character shows nothing by itself, or changes how others are shown.
fn is_unprintable(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

impl fmt::Debug for CibaRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The hint is personal data, or a token.
        f.debug_struct("CibaRequest")
            .field("hint", &self.hint.0)
            .field("scopes", &self.scopes)
            .field("acr_values", &self.acr_values)
            .finish_non_exhaustive()
    }
}
