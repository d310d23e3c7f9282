//! What is asked for at the authorization endpoint.

pub(crate) mod pkce;

use std::{
    borrow::Cow,
    collections::BTreeMap,
    fmt,
    sync::{Arc, OnceLock},
};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;

use crate::authorization::pkce::{CodeChallengeMethod, CodeVerifier};

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
    pub(crate) redirect_uri: Cow<'r, str>,
    pub(crate) state: Option<Cow<'r, str>>,
    pub(crate) nonce: Option<Cow<'r, str>>,
    pub(crate) scopes: Option<Vec<Cow<'r, str>>>,
    pub(crate) response_type: ResponseType,
    pub(crate) challenge: Option<(Cow<'r, str>, CodeChallengeMethod)>,
    pub(crate) extras: Params,
    /// Until when the URL that is made of it can be used, for whoever made the request.
    pub(crate) expiry: Arc<OnceLock<OffsetDateTime>>,
    pub(crate) notes: BTreeMap<String, String>,
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
            expiry: Arc::default(),
            notes: BTreeMap::new(),
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
    pub fn pkce(self, verifier: &CodeVerifier) -> Self {
        self.code_challenge(verifier.challenge(CodeChallengeMethod::S256), CodeChallengeMethod::S256)
    }

    /// Sends a challenge that was made elsewhere.
    pub fn code_challenge(mut self, challenge: impl Into<Cow<'r, str>>, method: CodeChallengeMethod) -> Self {
        self.challenge = Some((challenge.into(), method));
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

    /// Hands the participants what they keep in the attempt.
    pub(crate) fn notes(mut self, notes: &BTreeMap<String, String>) -> Self {
        self.notes.clone_from(notes);
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

/// How the browser delivers the answer (OAuth 2.0 Multiple Response Types section 2.1, Form Post Response Mode, JARM section 2.3).
///
/// The modes with a JWT need a participant that verifies it, such as `SignedResponses` of `oauth-fapi`.
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
    /// In a signed JWT (JARM): in the query where a code is all that is asked for, else in the fragment.
    Jwt,
    /// In a signed JWT in the query.
    #[serde(rename = "query.jwt")]
    QueryJwt,
    /// In a signed JWT in the fragment.
    #[serde(rename = "fragment.jwt")]
    FragmentJwt,
    /// In a signed JWT in a form that the provider's page posts.
    #[serde(rename = "form_post.jwt")]
    FormPostJwt,
}

impl ResponseMode {
    /// The value of `response_mode`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Fragment => "fragment",
            Self::FormPost => "form_post",
            Self::Jwt => "jwt",
            Self::QueryJwt => "query.jwt",
            Self::FragmentJwt => "fragment.jwt",
            Self::FormPostJwt => "form_post.jwt",
        }
    }

    /// The mode of this name.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        [
            Self::Query,
            Self::Fragment,
            Self::FormPost,
            Self::Jwt,
            Self::QueryJwt,
            Self::FragmentJwt,
            Self::FormPostJwt,
        ]
        .into_iter()
        .find(|mode| mode.as_str() == name)
    }

    /// Whether the answer comes in a signed JWT (JARM).
    #[must_use]
    pub fn is_jwt(self) -> bool {
        matches!(self, Self::Jwt | Self::QueryJwt | Self::FragmentJwt | Self::FormPostJwt)
    }

    /// The mode of the same kind whose answer comes in a signed JWT (JARM).
    #[must_use]
    pub fn signed(self) -> Self {
        match self {
            Self::Query => Self::QueryJwt,
            Self::Fragment => Self::FragmentJwt,
            Self::FormPost => Self::FormPostJwt,
            signed => signed,
        }
    }

    /// The mode that [`Jwt`](Self::Jwt) means for this type of response (JARM section 2.3.4); any other as it is.
    pub(crate) fn settled(self, response_type: ResponseType) -> Self {
        match (self, response_type) {
            (Self::Jwt, ResponseType::Code) => Self::QueryJwt,
            (Self::Jwt, _) => Self::FragmentJwt,
            (mode, _) => mode,
        }
    }

    /// The way by which the browser brings the answer, signed or not; that of [`Jwt`](Self::Jwt) is the query, as for a code.
    pub(crate) fn carrier(self) -> Self {
        match self {
            Self::Query | Self::Jwt | Self::QueryJwt => Self::Query,
            Self::Fragment | Self::FragmentJwt => Self::Fragment,
            Self::FormPost | Self::FormPostJwt => Self::FormPost,
        }
    }
}

/// A server's demand on authorization requests, for a [`Participant`](crate::Participant) that learns it from metadata or from the
/// client's registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestDemand {
    /// They are pushed (`require_pushed_authorization_requests`, RFC 9126 sections 5 and 6).
    Pushed,
    /// They are signed (`require_signed_request_object`, RFC 9101 section 10.5).
    Signed,
}

impl RequestDemand {
    pub(crate) const ALL: [Self; 2] = [Self::Pushed, Self::Signed];

    /// What to do about a demand that no participant fulfils.
    pub(crate) fn advice(self) -> &'static str {
        match self {
            Self::Pushed => {
                "the provider takes pushed authorization requests (RFC 9126) only; add PushedRequests of oauth-fapi to the \
                 client's participants"
            }
            Self::Signed => {
                "the provider takes signed authorization requests (RFC 9101) only; add SignedRequests of oauth-fapi to the \
                 client's participants"
            }
        }
    }
}

/// When a participant has its part in an authorization request. All of one stage have theirs before those of the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum AuthorizationStage {
    /// While parameters are added and changed.
    #[default]
    Parameters,
    /// When all of them are signed (RFC 9101).
    Signature,
    /// When they are sent, and a reference to them is put in their place (RFC 9126).
    Delivery,
}

impl AuthorizationStage {
    pub(crate) const ALL: [Self; 3] = [Self::Parameters, Self::Signature, Self::Delivery];
}

/// Parameters by name, none of them twice. One can have several values.
#[derive(Clone, Default)]
pub(crate) struct Params {
    pub(crate) pairs: Vec<(Cow<'static, str>, Vec<Cow<'static, str>>)>,
    pub(crate) problem: Option<String>,
    /// Whether `authorization_details` must be in no plain URL (RFC 9396 section 11.4).
    pub(crate) has_private_details: bool,
}

impl Params {
    pub(crate) fn of(pairs: &[(&'static str, &'static str)]) -> Self {
        Self {
            pairs: pairs.iter().map(|&(name, value)| (name.into(), vec![value.into()])).collect(),
            problem: None,
            has_private_details: false,
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

    pub(crate) fn merged(&self, params: &Self) -> Self {
        let mut merged = self.clone();
        merged.merge(params);
        merged
    }

    fn merge(&mut self, params: &Self) {
        for (name, values) in &params.pairs {
            self.set_list(name.clone(), values.clone());
        }
        self.problem = self.problem.take().or_else(|| params.problem.clone());
        self.has_private_details |= params.has_private_details;
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

/// The parameters of an authorization request, complete and checked, before they become a URL.
///
/// A provider's crate and each [`Participant`](crate::Participant) may read and change them. A participant can also send or sign
/// them, and put something else in their place.
#[derive(Clone)]
pub struct AuthorizationParams {
    endpoint: String,
    /// What the endpoint's own query holds, which is kept (RFC 6749 section 3.1).
    of_endpoint: Vec<(String, String)>,
    pairs: Vec<(String, String)>,
    pub(crate) has_private_details: bool,
    pub(crate) expiry: Arc<OnceLock<OffsetDateTime>>,
    notes: BTreeMap<String, String>,
}

impl AuthorizationParams {
    pub(crate) fn new(endpoint: &str) -> Self {
        let (endpoint, query) = endpoint.split_once('?').unwrap_or((endpoint, ""));
        let of_endpoint: Vec<_> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        Self {
            endpoint: endpoint.to_owned(),
            pairs: of_endpoint.clone(),
            of_endpoint,
            has_private_details: false,
            expiry: Arc::default(),
            notes: BTreeMap::new(),
        }
    }

    pub(crate) fn with_notes(mut self, notes: BTreeMap<String, String>) -> Self {
        self.notes = notes;
        self
    }

    /// What a [`Participant`](crate::Participant) keeps in the attempt of this login, under a name of its own
    /// ([`LoginAttempt::note`](crate::LoginAttempt::note)). It is not sent.
    #[must_use]
    pub fn note(&self, name: &str) -> Option<&str> {
        self.notes.get(name).map(String::as_str)
    }

    /// The authorization endpoint, without a query.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The value of a parameter, the first if it is there more than once.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(other, _)| other == name).map(|(_, value)| &**value)
    }

    /// All parameters in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(name, value)| (&**name, &**value))
    }

    /// Sets a parameter, in place of what it was.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        let name = name.into();
        match self.pairs.iter().position(|(other, _)| *other == name) {
            Some(place) => self.pairs[place].1 = value.into(),
            None => self.pairs.push((name, value.into())),
        }
    }

    /// Adds a parameter behind the others, even if there is one of its name (RFC 8707 section 2).
    pub fn push(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.pairs.push((name.into(), value.into()));
    }

    /// Removes a parameter.
    pub fn remove(&mut self, name: &str) {
        self.pairs.retain(|(other, _)| other != name);
    }

    /// Removes all parameters but those of the endpoint's own query, to put those in their place that refer to them: `request_uri`
    /// (RFC 9126) or `request` (RFC 9101).
    pub fn clear(&mut self) {
        self.pairs.clone_from(&self.of_endpoint);
    }

    /// Says until when the URL can be used, because what it refers to is kept no longer (RFC 9126 section 2.2). The first moment that is
    /// named counts.
    pub fn set_expiry(&mut self, until: OffsetDateTime) {
        self.expiry.get_or_init(|| until);
    }

    /// The URL to send the user's browser to, with these parameters and nothing else: what the client's participants make of them, a
    /// signed or a pushed request, is in that of [`OAuth2::authorization_url`](crate::OAuth2::authorization_url).
    ///
    /// A space in it is `%20`, which every server reads. Some would take `+` for a plus sign.
    #[must_use]
    pub fn to_url(&self) -> String {
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.pairs).finish();
        format!("{}?{}", self.endpoint, query.replace('+', "%20"))
    }
}

impl fmt::Debug for AuthorizationParams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.pairs.iter().map(|(name, _)| name).collect();
        f.debug_struct("AuthorizationParams")
            .field("endpoint", &self.endpoint)
            .field("names", &names)
            .finish()
    }
}
