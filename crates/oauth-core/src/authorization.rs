use std::{borrow::Cow, fmt};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    OAuth2,
    crypto::sha256_base64url,
    endpoints::check_url,
    error::{ErrorKind, Operation, Result},
    form::{check_authorization_details, is_same_parameter, push_encoded, push_pair},
    json,
    pkce::{CodeChallengeMethod, CodeVerifier},
};

/// What an authorization URL asks for (RFC 6749 section 4.1.1).
///
/// ```
/// use oauth_core::{AuthorizationRequest, CodeVerifier, random_tokens};
///
/// let [state, verifier] = random_tokens()?;
/// let verifier = CodeVerifier::new(verifier)?;
/// let request = AuthorizationRequest::new("https://app.example/callback").state(&state).pkce(&verifier);
/// # Ok::<(), oauth_core::Error>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct AuthorizationRequest<'r> {
    redirect_uri: Cow<'r, str>,
    state: Option<Cow<'r, str>>,
    nonce: Option<Cow<'r, str>>,
    scopes: Option<Vec<Cow<'r, str>>>,
    response_type: ResponseType,
    challenge: Option<Challenge<'r>>,
    extras: Params,
}

#[derive(Clone)]
enum Challenge<'r> {
    /// Of this verifier. It is made where it is written, so that it does not move about with the request.
    S256(&'r str),
    Given(Cow<'r, str>, CodeChallengeMethod),
}

impl<'r> AuthorizationRequest<'r> {
    /// A request whose answer goes to this redirect URI, with the client's own scopes.
    pub fn new(redirect_uri: impl Into<Cow<'r, str>>) -> Self {
        Self {
            redirect_uri: redirect_uri.into(),
            state: None,
            nonce: None,
            scopes: None,
            response_type: ResponseType::Code,
            challenge: None,
            extras: Params::default(),
        }
    }

    /// Ties the answer to this browser (RFC 6749 section 10.12).
    pub fn state(mut self, state: impl Into<Cow<'r, str>>) -> Self {
        self.state = Some(state.into());
        self
    }

    /// Ties the ID token to this request (OpenID Connect Core section 3.1.2.1).
    pub fn nonce(mut self, nonce: impl Into<Cow<'r, str>>) -> Self {
        self.nonce = Some(nonce.into());
        self
    }

    /// Whether a nonce was set, for providers that demand one.
    #[must_use]
    pub fn has_nonce(&self) -> bool {
        self.nonce.is_some()
    }

    /// Asks for these scopes instead of the client's own. An empty list sends no scope.
    pub fn scopes<S: Into<Cow<'r, str>>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes = Some(scopes.into_iter().map(Into::into).collect());
        self
    }

    /// Asks for this at the authorization endpoint.
    pub fn response_type(mut self, response_type: ResponseType) -> Self {
        self.response_type = response_type;
        self
    }

    /// Sends the S256 challenge of this verifier (RFC 7636 section 4.3).
    pub fn pkce(mut self, verifier: &'r CodeVerifier) -> Self {
        self.challenge = Some(Challenge::S256(verifier.expose()));
        self
    }

    /// Sends a challenge that was made elsewhere.
    pub fn code_challenge(mut self, challenge: impl Into<Cow<'r, str>>, method: CodeChallengeMethod) -> Self {
        self.challenge = Some(Challenge::Given(challenge.into(), method));
        self
    }

    /// Sends further parameters: a provider's own struct, or any map or struct that serializes to a JSON object.
    ///
    /// Strings are sent as they are, booleans as `true` and `false`, lists with spaces between their items, objects and lists of
    /// objects as JSON, a list of `resource`s as so many parameters (RFC 8707); what is null is left out. They replace the
    /// provider's defaults. They cannot replace what the other methods set, under no name that a lenient server takes for it
    /// (`State`, `client.id`); an attempt is an error when the URL is built.
    pub fn extras_params(mut self, params: &impl Serialize) -> Self {
        self.extras.set_all(params);
        self
    }

    pub(crate) fn params(mut self, params: &Params) -> Self {
        self.extras.merge(params);
        self
    }
}

impl fmt::Debug for AuthorizationRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorizationRequest")
            .field("redirect_uri", &self.redirect_uri)
            .field("scopes", &self.scopes)
            .field("extras", &self.extras)
            .finish_non_exhaustive()
    }
}

/// What comes back from the authorization endpoint. Access tokens never do: the implicit grant is not offered (RFC 9700
/// section 2.1.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ResponseType {
    /// A code (RFC 6749 section 4.1).
    #[default]
    #[serde(rename = "code")]
    Code,
    /// A code and an ID token that vouches for it (OpenID Connect Core section 3.3).
    #[serde(rename = "code id_token")]
    CodeIdToken,
}

impl ResponseType {
    /// The value of `response_type`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::CodeIdToken => "code id_token",
        }
    }
}

/// The way by which the browser brings the answer (OAuth 2.0 Multiple Response Types section 2.1, Form Post Response Mode).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ResponseMode {
    /// In the query of the redirect URI.
    #[default]
    Query,
    /// In its fragment, which no server sees: for applications in the browser or on the user's machine.
    Fragment,
    /// As a form that the provider's page posts.
    FormPost,
}

impl ResponseMode {
    /// The value of `response_mode`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Fragment => "fragment",
            Self::FormPost => "form_post",
        }
    }
}

/// Parameters by name, none of them twice. One can have several values.
#[derive(Clone, Default)]
pub(crate) struct Params {
    pairs: Vec<(Cow<'static, str>, Vec<Cow<'static, str>>)>,
    problem: Option<String>,
}

impl Params {
    pub(crate) fn of(pairs: &[(&'static str, &'static str)]) -> Self {
        Self {
            pairs: pairs.iter().map(|&(name, value)| (name.into(), vec![value.into()])).collect(),
            problem: None,
        }
    }

    pub(crate) fn set_all(&mut self, params: &impl Serialize) {
        self.set_fields(serde_json::to_value(params));
    }

    fn set_fields(&mut self, params: serde_json::Result<Value>) {
        match params {
            Ok(Value::Object(fields)) => {
                for (name, value) in fields {
                    match value {
                        // Each in a parameter of its own (RFC 8707 section 2).
                        Value::Array(items) if name == "resource" => {
                            let items = items.into_iter().filter_map(text).map(Into::into).collect();
                            self.set_list(name.into(), items);
                        }
                        value => {
                            if let Some(text) = text(value) {
                                self.set(name.into(), text.into());
                            }
                        }
                    }
                }
            }
            Ok(Value::Null) => {}
            _ => {
                self.problem =
                    Some("extra parameters must be a struct or a map with texts as keys".to_owned())
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.pairs.is_empty() && self.problem.is_none()
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.pairs.retain(|(other, _)| other != name);
    }

    pub(crate) fn set(&mut self, name: Cow<'static, str>, value: Cow<'static, str>) {
        self.set_list(name, vec![value]);
    }

    pub(crate) fn set_list(&mut self, name: Cow<'static, str>, values: Vec<Cow<'static, str>>) {
        match self.pairs.iter_mut().find(|(other, _)| *other == name) {
            Some(pair) => pair.1 = values,
            None => self.pairs.push((name, values)),
        }
    }

    /// The value of a parameter, the first if it has several.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(other, _)| other == name)?.1.first().map(|value| &**value)
    }

    fn merged(&self, params: &Self) -> Self {
        let mut merged = self.clone();
        merged.merge(params);
        merged
    }

    fn merge(&mut self, params: &Self) {
        for (name, values) in &params.pairs {
            self.set_list(name.clone(), values.clone());
        }
        self.problem = self.problem.take().or_else(|| params.problem.clone());
    }
}

impl fmt::Debug for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.pairs.iter().map(|(name, _)| name)).finish()
    }
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text),
        // What is more than a list of words is JSON, as `authorization_details` is (RFC 9396 section 2).
        Value::Array(items) if !items.iter().any(|item| item.is_array() || item.is_object()) => {
            Some(items.into_iter().filter_map(text).collect::<Vec<_>>().join(" "))
        }
        other => Some(other.to_string()),
    }
}

/// What only the library sets, so that nothing else can replace it.
const PROTECTED: &[&str] = &[
    "response_type",
    "client_id",
    "redirect_uri",
    "state",
    "scope",
    "code_challenge",
    "code_challenge_method",
    "nonce",
    "request",
    "request_uri",
    // These have no business in a URL at all.
    "client_secret",
    "code_verifier",
    "client_assertion",
];

/// What the library reads among the extra parameters, which therefore must have this very name.
const READ: &[&str] =
    &["acr_values", "authorization_details", "claims", "max_age", "prompt", "resource", "response_mode"];

/// What is the same in all authorization requests of a kind, checked and encoded.
#[derive(Clone)]
pub(crate) struct FixedPart {
    redirect_uri: String,
    /// From the endpoint to the redirect URI.
    head: String,
    scope: String,
    /// What the provider and the application add.
    tail: String,
}

impl FixedPart {
    /// The URL of one request.
    fn with(&self, request: &AuthorizationRequest<'_>) -> String {
        let fixed = self.head.len() + self.scope.len() + self.tail.len();
        // Room for state, challenge and nonce of the usual length with their names.
        let mut url = String::with_capacity(fixed + 256);
        url.push_str(&self.head);
        let push = |url: &mut String, name: &str, value: &str| {
            url.push_str(name);
            push_encoded(url, value);
        };
        if let Some(state) = &request.state {
            push(&mut url, "&state=", state);
        }
        push_pairs(&mut url, &self.scope);
        match &request.challenge {
            None => {}
            // There is nothing in it to encode.
            Some(Challenge::S256(verifier)) => {
                url.push_str("&code_challenge=");
                url.push_str(sha256_base64url(verifier).as_str());
                url.push_str("&code_challenge_method=S256");
            }
            Some(Challenge::Given(challenge, method)) => {
                push(&mut url, "&code_challenge=", challenge);
                push(&mut url, "&code_challenge_method=", method.as_str());
            }
        }
        if let Some(nonce) = &request.nonce {
            push(&mut url, "&nonce=", nonce);
        }
        push_pairs(&mut url, &self.tail);
        url
    }
}

/// Adds what is encoded already.
fn push_pairs(url: &mut String, pairs: &str) {
    if !pairs.is_empty() {
        url.push('&');
        url.push_str(pairs);
    }
}

impl OAuth2 {
    /// Builds the URL to send the user's browser to (RFC 6749 section 4.1.1).
    ///
    /// A query that the endpoint already has is kept, and no parameter is sent twice.
    ///
    /// # Errors
    ///
    /// A configuration error when the endpoint is not https, the redirect URI is not absolute or has a fragment, a scope
    /// has characters that RFC 6749 section 3.3 forbids, extra parameters name what the library sets itself, or an ID token
    /// would come in a query (OAuth 2.0 Multiple Response Types section 5).
    pub async fn get_authorization_url(&self, request: AuthorizationRequest<'_>) -> Result<String> {
        let url = self.ready().await?.authorization_url(&request);
        url.map_err(|problem| self.error(Operation::GET_AUTHORIZATION_URL, ErrorKind::Configuration(problem)))
    }

    fn authorization_url(&self, request: &AuthorizationRequest<'_>) -> Result<String, String> {
        if let Some(problem) = self.authorization_problem() {
            return Err(problem.to_owned());
        }
        if !self.is_usual(request) {
            return Ok(self.fixed_part(request)?.with(request));
        }
        // Most applications have one redirect URI, so that everything but the random values is checked and encoded once.
        let usual = self.usual_request();
        match usual.get() {
            Some(part) if part.redirect_uri == request.redirect_uri => Ok(part.with(request)),
            _ => {
                let part = self.fixed_part(request)?;
                let url = part.with(request);
                // The first one stays; another redirect URI is encoded each time.
                let _ = usual.set(part);
                Ok(url)
            }
        }
    }

    /// Whether a request asks for what this client asks for by itself.
    fn is_usual(&self, request: &AuthorizationRequest<'_>) -> bool {
        let own_scopes = request.scopes.as_ref().is_none_or(|scopes| *scopes == self.scopes());
        own_scopes && request.response_type == ResponseType::Code && request.extras.is_empty()
    }

    /// Checks and encodes what does not change from one request of a kind to the next.
    fn fixed_part(&self, request: &AuthorizationRequest<'_>) -> Result<FixedPart, String> {
        let endpoint = self.endpoints().authorization();
        check_url(endpoint, self.allows_http())?;
        check_redirect_uri(&request.redirect_uri)?;
        let scope = match &request.scopes {
            Some(scopes) => self.joined(scopes)?,
            None => self.joined(self.scopes())?,
        };
        let extras = self.authorize_params().merged(&request.extras);
        if let Some(problem) = extras.problem {
            return Err(problem);
        }
        let is_protected = |name: &str| {
            PROTECTED.iter().any(|own| is_same_parameter(name, own))
                || is_same_parameter(name, self.client_id_param())
        };
        if let Some((name, _)) = extras.pairs.iter().find(|(name, _)| is_protected(name)) {
            return Err(format!(
                "the extra parameters hold {name}, which the library sets; use the method of AuthorizationRequest for it"
            ));
        }
        check_names(&extras)?;
        check_openid_parameters(&extras)?;

        let (base, query) = endpoint.split_once('?').unwrap_or((endpoint, ""));
        let kept: Vec<_> = form_urlencoded::parse(query.as_bytes()).collect();
        if let Some((name, _)) = kept.iter().find(|(name, _)| is_protected(name)) {
            return Err(format!(
                "the query of the authorization endpoint holds {name}, which the library sets"
            ));
        }
        if request.response_type != ResponseType::Code
            && self.response_mode(request.response_type, &extras) == ResponseMode::Query
        {
            return Err(
                "a response_mode that brings an ID token in a query would show it to logs and other sites; \
                 use form_post or fragment"
                    .to_owned(),
            );
        }

        let mut head = format!("{base}?");
        if !query.is_empty() {
            head.push_str(query.trim_end_matches('&'));
            head.push('&');
        }
        head.push_str("response_type=");
        push_encoded(&mut head, request.response_type.as_str());
        push_pair(&mut head, self.client_id_param(), self.client_id());
        push_pair(&mut head, "redirect_uri", &request.redirect_uri);

        let mut encoded_scope = String::new();
        if !scope.is_empty() {
            push_pair(&mut encoded_scope, "scope", &scope);
        }

        let mut tail = String::new();
        if request.response_type != ResponseType::Code
            && extras.get("response_mode").is_none()
            && !kept.iter().any(|(name, _)| name == "response_mode")
        {
            // Its default is the fragment, which no server sees.
            push_pair(&mut tail, "response_mode", ResponseMode::FormPost.as_str());
        }
        let is_kept = |name: &str| kept.iter().any(|(other, _)| is_same_parameter(other, name));
        for (name, values) in extras.pairs.iter().filter(|(name, _)| !is_kept(name)) {
            for value in values {
                push_pair(&mut tail, name, value);
            }
        }
        let redirect_uri = request.redirect_uri.clone().into_owned();
        Ok(FixedPart { redirect_uri, head, scope: encoded_scope, tail })
    }

    /// The parameters that a request with further ones holds beside those of the library: what the endpoint's query holds is
    /// kept, and a request's own replace the client's.
    pub(crate) fn sent_params(&self, extras: &Params) -> Params {
        let mut sent = self.authorize_params().merged(extras);
        let query = self.endpoints().authorization().split_once('?').map_or("", |(_, query)| query);
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            sent.set(name.into_owned().into(), value.into_owned().into());
        }
        sent
    }

    /// Whether callbacks arrive as a form that the provider's page posts from its own site (`response_mode=form_post`,
    /// OAuth 2.0 Form Post Response Mode), unless a login asks for something else.
    #[must_use]
    pub fn uses_form_post(&self) -> bool {
        self.response_mode(ResponseType::Code, &Params::default()) == ResponseMode::FormPost
    }

    /// The way by which the answer comes to a request with further parameters. The order is that of the URL: what the
    /// endpoint's query holds is kept, and a request's own parameters replace the client's.
    pub(crate) fn response_mode(&self, response_type: ResponseType, extras: &Params) -> ResponseMode {
        const MODE: &str = "response_mode";
        let query = self.endpoints().authorization().split_once('?').map_or("", |(_, query)| query);
        let kept = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == MODE);
        let kept = kept.as_ref().map(|(_, value)| &**value);
        match kept.or(extras.get(MODE)).or(self.authorize_params().get(MODE)) {
            Some("form_post") => ResponseMode::FormPost,
            Some("fragment") => ResponseMode::Fragment,
            None if response_type != ResponseType::Code => ResponseMode::FormPost,
            _ => ResponseMode::Query,
        }
    }

    /// Scopes in one string, as the provider wants them.
    pub(crate) fn joined<S: AsRef<str>>(&self, scopes: &[S]) -> Result<String, String> {
        let allowed = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        for scope in scopes.iter().map(AsRef::as_ref) {
            // A scope with spaces in it is a list that somebody has joined already.
            if !scope.bytes().all(|byte| allowed(byte) || byte == b' ') {
                return Err(format!("the scope {scope:?} has characters that RFC 6749 section 3.3 forbids"));
            }
        }
        Ok(scopes.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(self.scope_separator()))
    }
}

/// Refuses names that some server could take for another name that is there, or for one that the library looks at.
fn check_names(extras: &Params) -> Result<(), String> {
    let names: Vec<&str> = extras.pairs.iter().map(|(name, _)| &**name).collect();
    for (place, &name) in names.iter().enumerate() {
        let others = names[..place].iter().chain(READ);
        if let Some(other) =
            others.into_iter().find(|other| **other != name && is_same_parameter(other, name))
        {
            return Err(format!(
                "some servers take the extra parameter {name:?} for {other}; use one name only"
            ));
        }
    }
    Ok(())
}

/// What OpenID Connect Core section 3.1.2.1 says of parameters that contradict themselves.
fn check_openid_parameters(extras: &Params) -> Result<(), String> {
    let prompts = extras.get("prompt").unwrap_or_default().split(' ');
    if prompts.clone().any(|prompt| prompt == "none") && prompts.count() > 1 {
        return Err("prompt=none cannot be combined with other prompts".to_owned());
    }
    if extras.get("max_age").is_some_and(|age| age.parse::<u64>().is_err()) {
        return Err("max_age must be a whole number of seconds".to_owned());
    }
    if let Some(details) = extras.get("authorization_details") {
        check_authorization_details(details)?;
    }
    match extras.get("claims").map(|claims| json::parse(claims.as_bytes())) {
        None | Some(Ok(Value::Object(_))) => Ok(()),
        Some(_) => Err("the parameter claims must be a JSON object".to_owned()),
    }
}

/// Whether a redirect URI is absolute and has no fragment (RFC 6749 section 3.1.2).
fn check_redirect_uri(uri: &str) -> Result<(), String> {
    let absolute =
        url::Url::parse(uri).is_ok_and(|url| !["javascript", "data", "vbscript"].contains(&url.scheme()));
    if absolute && !uri.contains('#') {
        Ok(())
    } else {
        Err(format!(
            "the redirect URI {:?} must be absolute, such as https://app.example/callback, and have no fragment",
            uri.split(['?', '#']).next().unwrap_or_default()
        ))
    }
}
