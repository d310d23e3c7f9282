//! What goes into a login and what comes out of it.

pub(crate) mod attempt;
pub(crate) mod device;
pub(crate) mod polling;
pub(crate) mod sealer;

use std::{any::Any, borrow::Cow, fmt, time::Duration};

use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;

use crate::{
    authorization::{Params, ResponseMode, ResponseType, pkce::CodeVerifier},
    error::{LoginError, OAuthError},
    login::attempt::LoginAttempt,
    message::response::says_success,
    secret::Secret,
    text::{json, redaction::safe_line},
    token::OAuth2Token,
};

/// The options of one login.
#[derive(Clone, Default)]
#[must_use]
pub struct LoginOptions {
    pub(crate) scopes: Option<Vec<Cow<'static, str>>>,
    pub(crate) extras: Params,
    pub(crate) response_type: ResponseType,
    required_acr: Option<Vec<String>>,
    pub(crate) resources: Vec<String>,
    pub(crate) token_resource: Option<String>,
    pub(crate) authorization_details: Option<String>,
    pub(crate) data: Value,
}

impl LoginOptions {
    /// A login with the client's own scopes and no data.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks for these scopes instead of the client's own.
    pub fn scopes<S: Into<Cow<'static, str>>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes = Some(scopes.into_iter().map(Into::into).collect());
        self
    }

    /// Sends further authorization parameters. See [`AuthorizationRequest::extras_params`](crate::AuthorizationRequest::extras_params).
    pub fn extras_params(mut self, params: &impl Serialize) -> Self {
        self.extras.set_all(params);
        self
    }

    /// Asks how the provider should meet the user: `login`, `consent`, `select_account`, `create`, or `none` alone (OpenID
    /// Connect Core section 3.1.2.1).
    ///
    /// With `login`, the ID token must say by `auth_time` that the user was authenticated since the login began, as with
    /// [`max_age`](Self::max_age) of zero, which is sent too unless another is. Where no ID token comes, it is a wish.
    pub fn prompt(self, prompt: &str) -> Self {
        self.extra("prompt", prompt)
    }

    /// Wants a user who was authenticated not longer ago than this, in whole seconds; zero authenticates anew. With OpenID
    /// Connect, the ID token's `auth_time` must agree (Core section 3.1.3.7 item 13); without it, such a login does not begin.
    pub fn max_age(self, age: Duration) -> Self {
        self.extra("max_age", age.as_secs().to_string())
    }

    /// Tells the provider who is probably going to sign in: an address or the like.
    pub fn login_hint(self, hint: &str) -> Self {
        self.extra("login_hint", hint)
    }

    /// Tells the provider by an earlier ID token who is to sign in.
    pub fn id_token_hint(self, id_token: &str) -> Self {
        self.extra("id_token_hint", id_token)
    }

    /// Asks for one of these authentication contexts, the best first. The provider may not oblige; to insist, see
    /// [`require_acr`](Self::require_acr). Where the order of a provider's levels is known, as at FranceConnect and Login.gov, a
    /// lower one than was asked for is refused all the same.
    pub fn acr_values<'a>(self, values: impl IntoIterator<Item = &'a str>) -> Self {
        self.extra("acr_values", spaced(values))
    }

    /// Insists on one of these authentication contexts, in place of what `acr_values` asks for: it is asked for by `acr_values`
    /// and as an essential claim (OpenID Connect Core section 5.5.1.1), beside what [`claims`](Self::claims) asks for, and an ID
    /// token with another `acr` or none is refused. Where the order of a provider's levels is known, a higher one will do. A login that
    /// insists on an empty list does not begin.
    pub fn require_acr<'a>(mut self, values: impl IntoIterator<Item = &'a str>) -> Self {
        self.required_acr = Some(values.into_iter().map(str::to_owned).collect());
        self
    }

    /// Asks for claims one by one (OpenID Connect Core section 5.5): an object with `id_token`, `userinfo` or both.
    pub fn claims(self, claims: &Value) -> Self {
        self.extra("claims", claims.to_string())
    }

    /// Asks for access to these resources, each an absolute URI without a fragment (RFC 8707 section 2.1).
    ///
    /// A single one is named again when the code is exchanged; of several, the access token of the login is for the one that
    /// [`token_resource`](Self::token_resource) names. Tokens for the others are refreshed with their own: see
    /// [`Provider::refresh_with`](crate::Provider::refresh_with).
    pub fn resources<S: Into<String>>(mut self, resources: impl IntoIterator<Item = S>) -> Self {
        self.resources = resources.into_iter().map(Into::into).collect();
        let values = self.resources.iter().map(|resource| resource.clone().into()).collect();
        self.extras.set_list("resource".into(), values);
        self
    }

    /// Names the one of the [`resources`](Self::resources) that the access token of the login is for (RFC 8707 section 2.2).
    pub fn token_resource(mut self, resource: impl Into<String>) -> Self {
        self.token_resource = Some(resource.into());
        self
    }

    /// Asks for authorization details (RFC 9396): a list of objects with a `type`, such as `AuthorizationDetails` of `oauth-fapi`.
    ///
    /// They may be private, and must not be changed on the way, so they are sent in requests that are pushed or signed; see
    /// [`authorization_details_in_plain_urls`](Self::authorization_details_in_plain_urls). (Those among
    /// [`extras_params`](Self::extras_params) are sent as any other parameter.) The login tells what was
    /// [asked for](Login::requested_details), and the token what was granted.
    pub fn authorization_details(mut self, details: &impl Serialize) -> Self {
        // What cannot be written as JSON is refused as what it is: no list of objects.
        let details = serde_json::to_string(details).unwrap_or_default();
        self.extras.has_private_details = true;
        self.extras.set("authorization_details".into(), details.clone().into());
        self.authorization_details = Some(details);
        self
    }

    /// Lets the [`authorization_details`](Self::authorization_details) be in a plain URL, where the browser and everything in it can read
    /// and change them (RFC 9396 sections 11.4 and 12). Call it after them.
    pub fn authorization_details_in_plain_urls(mut self) -> Self {
        self.extras.has_private_details = false;
        self
    }

    /// Names the languages of the provider's pages, the best first (BCP 47).
    pub fn ui_locales<'a>(self, locales: impl IntoIterator<Item = &'a str>) -> Self {
        self.extra("ui_locales", spaced(locales))
    }

    /// Asks for pages of a kind: `page`, `popup`, `touch` or `wap`.
    pub fn display(self, display: &str) -> Self {
        self.extra("display", display)
    }

    /// Asks for the answer to be delivered in this way.
    pub fn response_mode(self, mode: ResponseMode) -> Self {
        self.extra("response_mode", mode.as_str())
    }

    /// Sets what the authorization endpoint is asked for. With OpenID Connect, an ID token can come with the code (Core section 3.3);
    /// the answer is then a form, unless [`response_mode`](Self::response_mode) says otherwise.
    pub fn response_type(mut self, response_type: ResponseType) -> Self {
        self.response_type = response_type;
        self
    }

    pub(crate) fn extras(&self) -> &Params {
        &self.extras
    }

    /// The authentication contexts that [`require_acr`](Self::require_acr) insists on; `None` where it was not called.
    #[must_use]
    pub fn required_acr(&self) -> Option<&[String]> {
        self.required_acr.as_deref()
    }

    /// The value of a parameter that these options set, such as `max_age` or `claims`.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.extras.get(name)
    }

    fn extra(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.extras.set(name.into(), value.into().into());
        self
    }

    /// Keeps the application's own data until the login is finished, such as where to return to.
    pub fn data(mut self, data: impl Into<Value>) -> Self {
        self.data = data.into();
        self
    }

    /// The application's own data, for an integration that adds to it.
    #[must_use]
    pub fn app_data(&self) -> &Value {
        &self.data
    }
}

impl fmt::Debug for LoginOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginOptions")
            .field("scopes", &self.scopes)
            .field("extras", &self.extras)
            .finish_non_exhaustive()
    }
}

/// A code that an application obtained by a kit of its provider's, for its server to exchange: on a phone by Apple's or Google's, in a page by
/// Google's popup.
///
/// The server did not begin that login, so it has no state to compare. What keeps somebody from handing in a stolen code is the nonce: the
/// server makes one, the application gives it to the kit, and the ID token brings it back. Without one, a code that was meant for another
/// session of the application is taken.
#[derive(Clone)]
#[must_use]
pub struct AppCode {
    pub(crate) code: Secret,
    pub(crate) redirect_uri: String,
    pub(crate) nonce: Option<Secret>,
    pub(crate) code_verifier: Option<CodeVerifier>,
    pub(crate) scopes: Option<Vec<String>>,
}

impl AppCode {
    /// A code that was obtained without a redirect URI.
    pub fn new(code: impl Into<Secret>) -> Self {
        Self {
            code: code.into(),
            redirect_uri: String::new(),
            nonce: None,
            code_verifier: None,
            scopes: None,
        }
    }

    /// Sends this redirect URI, where the kit used one: `postmessage` for the popup of Google's library for web pages.
    pub fn redirect_uri(mut self, redirect_uri: impl Into<String>) -> Self {
        self.redirect_uri = redirect_uri.into();
        self
    }

    /// Expects this nonce in the ID token: as the kit was given it, which for some is its hash.
    pub fn nonce(mut self, nonce: impl Into<Secret>) -> Self {
        self.nonce = Some(nonce.into());
        self
    }

    /// Sends this code verifier, where the application made the challenge itself.
    pub fn code_verifier(mut self, verifier: CodeVerifier) -> Self {
        self.code_verifier = Some(verifier);
        self
    }

    /// Says what the application asked for, in place of the client's own scopes. With `openid` among them, an ID token must come.
    pub fn scopes<'a>(mut self, scopes: impl IntoIterator<Item = &'a str>) -> Self {
        self.scopes = Some(scopes.into_iter().map(str::to_owned).collect());
        self
    }
}

impl fmt::Debug for AppCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppCode").field("redirect_uri", &self.redirect_uri).finish_non_exhaustive()
    }
}

/// A login that has begun.
#[derive(Clone)]
#[non_exhaustive]
pub struct StartedLogin {
    /// Where to send the user's browser.
    pub url: String,
    /// What to keep until the browser comes back: bound to that browser, and where only the application can change it.
    pub attempt: LoginAttempt,
    /// Until when the URL can be used, where the provider says so: it names a request that was pushed (RFC 9126 section 2.2). It is good
    /// for one visit, so start the login when the user acts, and not when the page with the button is drawn.
    pub url_expires_at: Option<OffsetDateTime>,
}

impl StartedLogin {
    /// The URL, if it can still be used at this moment: for a program that does not send the browser there at once.
    ///
    /// # Errors
    ///
    /// [`LoginError::Expired`] after [`url_expires_at`](Self::url_expires_at): start the login again.
    pub fn url_at(&self, now: OffsetDateTime) -> Result<&str, LoginError> {
        match self.url_expires_at {
            Some(until) if until <= now => Err(LoginError::Expired),
            _ => Ok(&self.url),
        }
    }
}

impl fmt::Debug for StartedLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URL holds the state.
        f.debug_struct("StartedLogin").field("attempt", &self.attempt).finish_non_exhaustive()
    }
}

/// A login that succeeded.
#[derive(Clone)]
#[non_exhaustive]
pub struct Login {
    /// The tokens.
    pub token: OAuth2Token,
    /// The scopes that were asked for; [`OAuth2Token::scopes`] are those that were granted, if the provider says.
    pub requested_scopes: Vec<String>,
    /// The resources that were asked for (RFC 8707).
    pub requested_resources: Vec<String>,
    /// The authorization details that were asked for; null if there were none. What was granted is in the token's
    /// `authorization_details`, and may be less or more (RFC 9396 section 7).
    pub requested_details: Value,
    /// The application's own data, from [`LoginOptions::data`].
    pub data: Value,
    extensions: http::Extensions,
}

impl Login {
    /// What the client's protocol or the provider learned from the login besides the tokens, by its type: with OpenID Connect,
    /// `oauth_openid::IdToken`, the verified ID token.
    #[must_use]
    pub fn get<T: Any + Clone + Send + Sync>(&self) -> Option<&T> {
        self.extensions.get()
    }

    /// Adds to what was learned: for a [`Participant`](crate::Participant).
    pub fn insert<T: Any + Clone + Send + Sync>(&mut self, learned: T) {
        self.extensions.insert(learned);
    }
}

impl LoginAttempt {
    /// A login of this attempt that ends with these tokens.
    pub(crate) fn login(&self, token: OAuth2Token) -> Login {
        Login {
            token,
            requested_scopes: self.scopes().map(str::to_owned).collect(),
            requested_resources: self.resources.clone(),
            requested_details: self
                .authorization_details()
                .and_then(|details| json::parse(details.as_bytes()).ok())
                .unwrap_or_default(),
            data: self.data.clone(),
            extensions: http::Extensions::new(),
        }
    }
}

/// What the browser brought back: the parameters of the authorization response (RFC 6749 section 4.1.2).
///
/// It remembers how it was delivered, because another way than the one that was asked for is refused: where a form was asked for, a
/// code in the query can be read by everybody who sees the URL.
#[derive(Clone, Default)]
pub struct Callback {
    pairs: Vec<(String, Secret)>,
    /// `None` where a framework parsed the parameters.
    pub(crate) mode: Option<ResponseMode>,
    is_whole_url: bool,
    /// Whether the parameters were in a signed response, and a participant has verified it.
    is_opened: bool,
}

impl Callback {
    /// Reads the query of the callback's URL. A whole URL is for [`from_url`](Self::from_url), and is refused here.
    #[must_use]
    pub fn from_query(query: &str) -> Self {
        let query = query.trim();
        let first_name = query.split(['=', '&']).next().unwrap_or_default();
        // Its first parameter would have a name like `https://app.example/callback?code`.
        let is_whole_url =
            first_name.contains("://") || (first_name.starts_with('/') && first_name.contains('?'));
        let read = Self::read(query.strip_prefix('?').unwrap_or(query), ResponseMode::Query);
        Self { is_whole_url, ..read }
    }

    /// Reads the body of a callback that was posted as a form (OAuth 2.0 Form Post Response Mode). Whoever reads the body caps
    /// its size, and takes no other method than POST and no other type than `application/x-www-form-urlencoded`.
    #[must_use]
    pub fn from_form(body: &str) -> Self {
        Self::read(body, ResponseMode::FormPost)
    }

    /// Reads the callback's whole URL, or its path and query. If the `state` or a signed `response` is in its fragment, the fragment
    /// counts.
    #[must_use]
    pub fn from_url(url: &str) -> Self {
        let (url, fragment) = url.split_once('#').unwrap_or((url, ""));
        let in_fragment = Self::read(fragment, ResponseMode::Fragment);
        match in_fragment.get("state").or(in_fragment.get("response")) {
            Some(_) => in_fragment,
            None => Self::from_query(url.split_once('?').map_or("", |(_, query)| query)),
        }
    }

    fn read(pairs: &str, mode: ResponseMode) -> Self {
        let pairs = form_urlencoded::parse(pairs.as_bytes());
        Self {
            pairs: pairs.map(|(name, value)| (name.into_owned(), Secret::new(value))).collect(),
            mode: Some(mode),
            is_whole_url: false,
            is_opened: false,
        }
    }

    /// A callback with the parameters that were in the signed response of this one, for a [`Participant`](crate::Participant) that has
    /// verified it (JARM section 2.4). It came by the same way.
    #[must_use]
    pub fn opened<N: Into<String>, V: Into<String>>(
        &self,
        parameters: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let mode = self.mode;
        Self { mode, is_opened: true, ..parameters.into_iter().collect() }
    }

    /// Whether the parameters were in a signed response that a participant has verified.
    #[must_use]
    pub fn is_opened(&self) -> bool {
        self.is_opened
    }

    /// The signed response that the callback holds in place of parameters (JARM section 2.3), verified by nobody yet.
    #[must_use]
    pub fn signed_response(&self) -> Option<&str> {
        self.get("response").filter(|response| !response.is_empty() && !self.is_opened)
    }

    /// A parameter's value.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(other, _)| other == name).map(|(_, value)| value.expose())
    }

    /// All parameters in their order, for a provider's own checks.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(name, value)| (&**name, value.expose()))
    }

    /// Whether a whole URL was read as if it were a query.
    pub(crate) fn is_whole_url(&self) -> bool {
        self.is_whole_url
    }

    pub(crate) fn error(&self) -> Option<OAuthError> {
        // Empty parameters count as absent (RFC 6749 section 3.1).
        let secrets = || {
            let is_secret =
                |name: &str| ["code", "state", "id_token", "access_token", "response"].contains(&name);
            self.pairs().filter(move |(name, _)| is_secret(name)).map(|(_, value)| Cow::Borrowed(value))
        };
        let text = |name: &str| {
            self.get(name).filter(|text| !text.is_empty()).map(|text| safe_line(text, secrets()))
        };
        let code = |name: &str| text(name).filter(|code| !says_success(code));
        // Facebook's name for `error`, which may mean something else where there is a code.
        let code =
            code("error").or_else(|| if self.get("code").is_none() { code("error_code") } else { None })?;
        Some(OAuthError {
            code,
            description: text("error_description").or_else(|| text("error_message")),
            uri: text("error_uri"),
        })
    }

    pub(crate) fn duplicate(&self) -> Option<&str> {
        // Unknown parameters may be there more than once.
        const KNOWN: &[&str] =
            &["code", "state", "iss", "error", "error_description", "id_token", "response"];
        KNOWN.iter().copied().find(|known| self.pairs.iter().filter(|(name, _)| name == known).count() > 1)
    }
}

/// The parameters in their order, for a framework that has parsed them.
impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Callback {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let pairs = pairs.into_iter().map(|(name, value)| (name.into(), Secret::new(value)));
        Self { pairs: pairs.collect(), mode: None, is_whole_url: false, is_opened: false }
    }
}

impl fmt::Debug for Callback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.pairs.iter().map(|(name, _)| name)).finish()
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login")
            .field("token", &self.token)
            .field("requested_scopes", &self.requested_scopes)
            .finish_non_exhaustive()
    }
}

fn spaced<'a>(items: impl IntoIterator<Item = &'a str>) -> String {
    items.into_iter().collect::<Vec<_>>().join(" ")
}
