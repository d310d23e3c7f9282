//! What goes into a login and what comes out of it.

use std::{any::Any, borrow::Cow, fmt, time::Duration};

use serde::Serialize;
use serde_json::Value;

use crate::{
    attempt::LoginAttempt,
    authorization::{Params, ResponseMode, ResponseType},
    error::OAuthError,
    redaction::safe_line,
    response::says_success,
    secret::Secret,
    token::OAuth2Token,
};

/// The options of one login.
#[derive(Clone, Default)]
#[must_use]
pub struct LoginOptions {
    pub(crate) scopes: Option<Vec<Cow<'static, str>>>,
    pub(crate) extras: Params,
    pub(crate) response_type: ResponseType,
    required_acr: Vec<String>,
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
    /// token with another `acr` or none is refused. Where the order of a provider's levels is known, a higher one will do.
    pub fn require_acr<'a>(mut self, values: impl IntoIterator<Item = &'a str>) -> Self {
        self.required_acr = values.into_iter().map(str::to_owned).collect();
        self
    }

    /// Asks for claims one by one (OpenID Connect Core section 5.5): an object with `id_token`, `userinfo` or both.
    pub fn claims(self, claims: &Value) -> Self {
        self.extra("claims", claims.to_string())
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

    pub(crate) fn required_acr(&self) -> &[String] {
        &self.required_acr
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

/// A login that has begun.
#[derive(Clone)]
#[non_exhaustive]
pub struct StartedLogin {
    /// Where to send the user's browser.
    pub url: String,
    /// What to keep until the browser comes back: bound to that browser, and where only the application can change it.
    pub attempt: LoginAttempt,
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

    /// Reads the callback's whole URL, or its path and query. If the `state` is in its fragment, the fragment counts.
    #[must_use]
    pub fn from_url(url: &str) -> Self {
        let (url, fragment) = url.split_once('#').unwrap_or((url, ""));
        let in_fragment = Self::read(fragment, ResponseMode::Fragment);
        match in_fragment.get("state") {
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
        }
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
        Self { pairs: pairs.collect(), mode: None, is_whole_url: false }
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
