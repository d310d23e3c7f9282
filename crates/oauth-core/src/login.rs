use std::{borrow::Cow, fmt, time::Duration};

use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use time::OffsetDateTime;

use crate::{
    OAuth2,
    authorization::{AuthorizationRequest, Params},
    crypto::{random_token, sha256_base64url},
    error::{ErrorKind, LoginError, OAuthError, Operation, Result},
    pkce::CodeVerifier,
    reply::shown,
    secret::{Secret, same_secret},
    spec::Pkce,
    token::OAuth2Token,
};

/// What an application may want of one login.
#[derive(Clone, Default)]
#[must_use]
pub struct LoginOptions {
    scopes: Option<Vec<Cow<'static, str>>>,
    extras: Params,
    data: Value,
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

    /// Sends further authorization parameters. See [`AuthorizationRequest::extras_params`].
    pub fn extras_params(mut self, params: &impl Serialize) -> Self {
        self.extras.set_all(params);
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

/// Everything that the callback of one login is checked against, in one value.
///
/// It serializes, for a session on the server. It holds the code verifier, so whoever puts it into the browser must
/// encrypt and authenticate it.
#[derive(Clone, Serialize, Deserialize)]
pub struct LoginAttempt {
    provider: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    issuer: Option<String>,
    redirect_uri: String,
    #[serde(serialize_with = "expose")]
    state: Secret,
    #[serde(skip_serializing_if = "Option::is_none", default, with = "verifier")]
    code_verifier: Option<CodeVerifier>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "expose_option", default)]
    nonce: Option<Secret>,
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    form_post: bool,
    scopes: Vec<String>,
    /// Which client began it: two servers can go by one name.
    client: String,
    started_at: i64,
    lifetime: u64,
    #[serde(skip_serializing_if = "Value::is_null", default)]
    data: Value,
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
}

impl LoginAttempt {
    /// The name of the provider it was started at.
    #[must_use]
    pub fn provider(&self) -> &str {
        &self.provider
    }

    /// The redirect URI, which the code exchange repeats.
    #[must_use]
    pub fn redirect_uri(&self) -> &str {
        &self.redirect_uri
    }

    /// The state by which a callback finds its attempt.
    #[must_use]
    pub fn state(&self) -> &str {
        self.state.expose()
    }

    /// The code verifier, unless the provider takes none.
    #[must_use]
    pub fn code_verifier(&self) -> Option<&CodeVerifier> {
        self.code_verifier.as_ref()
    }

    /// The nonce that the ID token must hold, where one is asked for.
    #[must_use]
    pub fn nonce(&self) -> Option<&str> {
        self.nonce.as_ref().map(Secret::expose)
    }

    /// Expects this nonce in the ID token, for a provider that sends one without being asked by the scope `openid`. Its
    /// `start_login` sets it before the URL is built.
    #[must_use]
    pub fn with_nonce(mut self, nonce: impl Into<Secret>) -> Self {
        self.nonce = Some(nonce.into());
        self
    }

    /// Whether the callback must arrive as a form that another site's page posts, and not in the query of a URL (OAuth 2.0
    /// Form Post Response Mode). A cookie comes with it only if it is `SameSite=None`.
    #[must_use]
    pub fn is_form_post(&self) -> bool {
        self.form_post
    }

    /// The issuer that the callback and the ID token must name, where it is known.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    /// When it began.
    #[must_use]
    pub fn started_at(&self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(self.started_at).unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }

    /// The application's own data, from [`LoginOptions::data`].
    #[must_use]
    pub fn data(&self) -> &Value {
        &self.data
    }

    /// How long it may take, from when it began.
    #[must_use]
    pub fn lifetime(&self) -> Duration {
        Duration::from_secs(self.lifetime)
    }

    /// Whether it took longer than a sign-in may.
    #[must_use]
    pub fn is_expired(&self) -> bool {
        // An attempt from the future was made by a clock that is wrong, or by somebody who wants it to live for ever.
        const CLOCK_SKEW: time::Duration = time::Duration::seconds(-60);
        let age = OffsetDateTime::now_utc() - self.started_at();
        age > Duration::from_secs(self.lifetime) || age < CLOCK_SKEW
    }

    pub(crate) fn into_login(self, token: OAuth2Token) -> Login {
        Login { token, requested_scopes: self.scopes, data: self.data }
    }
}

impl OAuth2 {
    /// A fresh attempt: state, code verifier and, where an ID token is asked for, nonce.
    ///
    /// # Errors
    ///
    /// A configuration error when the operating system has no random bytes to give.
    pub fn new_attempt(&self, redirect_uri: &str, options: &LoginOptions) -> Result<LoginAttempt> {
        let random = || random_token().map_err(|error| error.at(self.name().to_owned()));
        let scopes: Vec<String> = match &options.scopes {
            Some(scopes) => scopes.iter().map(ToString::to_string).collect(),
            None => self.scopes().iter().map(ToString::to_string).collect(),
        };
        let asks_for_id_token =
            scopes.iter().flat_map(|scope| scope.split(' ')).any(|scope| scope == "openid");
        Ok(LoginAttempt {
            provider: self.name().to_owned(),
            issuer: self.issuer().map(str::to_owned),
            redirect_uri: redirect_uri.to_owned(),
            state: random()?.into(),
            code_verifier: match self.pkce() {
                Pkce::Challenge(_) => {
                    Some(CodeVerifier::random().map_err(|error| error.at(self.name().to_owned()))?)
                }
                Pkce::Unsupported => None,
            },
            nonce: asks_for_id_token.then(random).transpose()?.map(Into::into),
            form_post: self.is_answered_by_form_post(&options.extras),
            scopes,
            client: self.fingerprint(),
            started_at: OffsetDateTime::now_utc().unix_timestamp(),
            lifetime: self.login_lifetime().as_secs(),
            data: options.data.clone(),
        })
    }

    /// Tells this client from others that go by the same name.
    fn fingerprint(&self) -> String {
        let mut whole = sha256_base64url(&format!("{}\n{}", self.client_id(), self.endpoints().token));
        whole.truncate(16);
        whole
    }

    /// What the authorization URL of an attempt asks for.
    pub fn login_request<'a>(
        &self,
        attempt: &'a LoginAttempt,
        options: &LoginOptions,
    ) -> AuthorizationRequest<'a> {
        let mut request = AuthorizationRequest::new(&*attempt.redirect_uri)
            .state(attempt.state())
            .scopes(attempt.scopes.iter().map(String::as_str))
            .params(&options.extras);
        if let (Some(verifier), Pkce::Challenge(method)) = (attempt.code_verifier(), self.pkce()) {
            request = request.code_challenge(verifier.challenge(method), method);
        }
        if let Some(nonce) = attempt.nonce() {
            request = request.nonce(nonce);
        }
        request
    }

    /// The checks that every callback must pass before its code is looked at: it has no parameter twice, belongs to
    /// this provider and this attempt, is not too late, and comes from the issuer that was asked (RFC 6749 section
    /// 10.12, RFC 9207 section 2.4).
    ///
    /// # Errors
    ///
    /// A login error that says which check failed.
    pub fn check_callback(&self, attempt: &LoginAttempt, callback: &Callback) -> Result<()> {
        let refuse = |error| Err(self.error(Operation::FINISH_LOGIN, ErrorKind::Login(error)));
        if let Some(name) = callback.duplicate() {
            return refuse(LoginError::DuplicateParameter(name.to_owned()));
        }
        if attempt.provider != self.name() || attempt.client != self.fingerprint() {
            return refuse(LoginError::OtherProvider { started_at: attempt.provider.clone() });
        }
        match callback.get("state") {
            None | Some("") => return refuse(LoginError::MissingState),
            Some(state) if !same_secret(state, attempt.state()) => return refuse(LoginError::StateMismatch),
            Some(_) => {}
        }
        if attempt.is_expired() {
            return refuse(LoginError::Expired);
        }
        match (callback.get("iss"), attempt.issuer()) {
            (Some(iss), Some(issuer)) if iss != issuer => refuse(LoginError::IssuerMismatch),
            (None, _) if self.requires_callback_issuer() => refuse(LoginError::MissingIssuer),
            _ => Ok(()),
        }
    }

    /// The code of a callback that passed the checks.
    ///
    /// # Errors
    ///
    /// A login error: what the provider refused with, or that there is no code.
    pub fn code_of<'c>(&self, callback: &'c Callback) -> Result<&'c str> {
        let refuse = |error| Err(self.error(Operation::FINISH_LOGIN, ErrorKind::Login(error)));
        // A code next to an error is never taken (RFC 6749 section 4.1.2.1).
        if let Some(error) = callback.error() {
            return refuse(LoginError::Refused(error));
        }
        match callback.get("code") {
            Some(code) if !code.is_empty() => Ok(code),
            _ => refuse(LoginError::MissingCode),
        }
    }
}

/// What the browser brought back: the parameters of the authorization response (RFC 6749 section 4.1.2).
#[derive(Clone, Default)]
pub struct Callback {
    pairs: Vec<(String, Secret)>,
}

impl Callback {
    /// Reads the query of the callback's URL, or the body of a `form_post` callback.
    #[must_use]
    pub fn from_query(query: &str) -> Self {
        let query = query.strip_prefix('?').unwrap_or(query);
        Self {
            pairs: form_urlencoded::parse(query.as_bytes())
                .map(|(name, value)| (name.into_owned(), Secret::new(value)))
                .collect(),
        }
    }

    /// Reads the callback's whole URL, or its path and query.
    #[must_use]
    pub fn from_url(url: &str) -> Self {
        let url = url.split('#').next().unwrap_or_default();
        Self::from_query(url.split_once('?').map_or("", |(_, query)| query))
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

    fn error(&self) -> Option<OAuthError> {
        // Empty parameters count as absent (RFC 6749 section 3.1).
        let text = |name: &str| self.get(name).filter(|text| !text.is_empty()).map(shown);
        // Facebook's name for it, which may mean something else where there is a code.
        let code =
            text("error").or_else(|| if self.get("code").is_none() { text("error_code") } else { None })?;
        Some(OAuthError {
            code,
            description: text("error_description").or_else(|| text("error_message")),
            uri: text("error_uri"),
        })
    }

    fn duplicate(&self) -> Option<&str> {
        // Parameters that nobody knows may stand as often as they like.
        const KNOWN: &[&str] =
            &["code", "state", "iss", "error", "error_description", "id_token", "response"];
        KNOWN.iter().copied().find(|known| self.pairs.iter().filter(|(name, _)| name == known).count() > 1)
    }
}

/// The parameters in their order, for a framework that has parsed them.
impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Callback {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        Self { pairs: pairs.into_iter().map(|(name, value)| (name.into(), Secret::new(value))).collect() }
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

impl fmt::Debug for LoginAttempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginAttempt")
            .field("provider", &self.provider)
            .field("redirect_uri", &self.redirect_uri)
            .field("scopes", &self.scopes)
            .field("started_at", &self.started_at)
            .finish_non_exhaustive()
    }
}

fn expose<S: Serializer>(secret: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
    secret.expose().serialize(serializer)
}

fn expose_option<S: Serializer>(secret: &Option<Secret>, serializer: S) -> Result<S::Ok, S::Error> {
    secret.as_ref().map(Secret::expose).serialize(serializer)
}

mod verifier {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    use crate::pkce::CodeVerifier;

    pub(super) fn serialize<S: Serializer>(
        verifier: &Option<CodeVerifier>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        verifier.as_ref().map(CodeVerifier::expose).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<CodeVerifier>, D::Error> {
        let verifier = Option::<String>::deserialize(deserializer)?;
        verifier.map(CodeVerifier::new).transpose().map_err(D::Error::custom)
    }
}
