use std::{any::Any, borrow::Cow, collections::HashMap, fmt, sync::Arc, time::Duration};

use serde::Serialize;
use serde_json::Value;

use crate::{
    OAuth2,
    authorization::{AuthorizationRequest, Params, ResponseMode, ResponseType},
    crypto::{fresh_tokens, sha256_base64url},
    error::{Error, ErrorKind, LoginError, OAuthError, Operation, Result},
    pkce::{CodeChallengeMethod, CodeVerifier},
    protocol::Participant,
    redaction::{safe_line, shown},
    secret::{Secret, same_secret},
    spec::Pkce,
    token::{END_OF_9999, OAuth2Token},
};

pub use crate::attempt::LoginAttempt;

/// What an application may want of one login.
#[derive(Clone, Default)]
#[must_use]
pub struct LoginOptions {
    scopes: Option<Vec<Cow<'static, str>>>,
    extras: Params,
    response_type: ResponseType,
    required_acr: Vec<String>,
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

    /// Asks how the provider should meet the user: `login`, `consent`, `select_account`, `create`, or `none` alone (OpenID
    /// Connect Core section 3.1.2.1).
    ///
    /// With `login`, the ID token must say by `auth_time` that the user was authenticated since the login began, as with
    /// [`max_age`](Self::max_age) of zero, which is sent too. Where no ID token comes, it is a wish.
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

    /// Has the answer come this way.
    pub fn response_mode(self, mode: ResponseMode) -> Self {
        self.extra("response_mode", mode.as_str())
    }

    /// Has an ID token come with the code, where the provider's protocol is OpenID Connect (Core section 3.3). It comes as a
    /// form, unless [`response_mode`](Self::response_mode) says otherwise.
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

impl OAuth2 {
    /// A fresh attempt: state, code verifier and, where an ID token is asked for, nonce.
    ///
    /// # Errors
    ///
    /// A configuration error when the operating system has no random bytes to give.
    pub fn new_attempt(&self, redirect_uri: &str, options: &LoginOptions) -> Result<LoginAttempt> {
        match &options.scopes {
            Some(scopes) => self.attempt_with(redirect_uri, options, scopes),
            None => self.attempt_with(redirect_uri, options, self.scopes()),
        }
    }

    fn attempt_with(
        &self,
        redirect_uri: &str,
        options: &LoginOptions,
        scopes: &[Cow<'static, str>],
    ) -> Result<LoginAttempt> {
        let scopes = scopes.iter().map(|scope| &**scope);
        let asks_for_id_token = scopes.clone().any(|scopes| {
            // One scope, in most cases.
            scopes == "openid" || (scopes.contains(' ') && scopes.split(' ').any(|scope| scope == "openid"))
        });
        let at_name = |error: Error| error.at(self.name().to_owned());
        // The operating system is asked once, and not for more than is needed.
        let (state, verifier, nonce) = if asks_for_id_token {
            let [state, verifier, nonce] = fresh_tokens().map_err(at_name)?;
            (state, verifier, Some(nonce))
        } else {
            let [state, verifier] = fresh_tokens().map_err(at_name)?;
            (state, verifier, None)
        };
        let wrong = |problem| self.error(Operation::START_LOGIN, ErrorKind::Configuration(problem));
        let max_age = self.max_age_of_login(options).map_err(wrong)?;
        let required_acr = self.acr_of_login(options).map_err(wrong)?;
        let restricted_to = self.restrictions_of_login(&options.extras, scopes.clone()).map_err(wrong)?;
        // A callback's iss proves nothing while nobody knows what it must be.
        if self.requires_callback_issuer()
            && self.callback_issuer().is_none()
            && !self.has_issuers_of_tenants()
        {
            let problem =
                "callbacks must name the issuer, but none is known to compare it with; name it with \
                           with_callback_issuer"
                    .to_owned();
            return Err(self.error(Operation::START_LOGIN, ErrorKind::Configuration(problem)));
        }
        let started_at = self.now().unix_timestamp();
        let attempt = LoginAttempt {
            provider: self.name().to_owned(),
            issuer: self.callback_issuer().map(str::to_owned),
            redirect_uri: redirect_uri.to_owned(),
            state: state.as_str().into(),
            code_verifier: match self.pkce() {
                Pkce::Challenge(_) => Some(CodeVerifier::known(verifier.as_str())),
                Pkce::Unsupported => None,
            },
            nonce: nonce.map(|nonce| nonce.as_str().into()),
            response_mode: self.response_mode(options.response_type, &options.extras),
            response_type: options.response_type,
            max_age,
            required_acr,
            restricted_to,
            scopes: scopes.map(str::to_owned).collect(),
            client: self.fingerprint().to_owned(),
            started_at,
            // What ends after all calendars would be expired.
            lifetime: self.login_lifetime().as_secs().min(END_OF_9999.abs_diff(started_at)),
            data: options.data.clone(),
        };
        // The client's own restriction holds for a login with other scopes, too.
        let missing = self.restricting_scopes(attempt.scopes());
        let attempt = missing.iter().fold(attempt, |attempt, scope| attempt.with_scope(scope));
        let begin = |attempt, participant: &Arc<dyn Participant>| participant.begin(self, attempt);
        let mut attempt = self.participants().iter().try_fold(attempt, begin)?;
        if attempt.max_age.is_none()
            && self.prompts_for_login(options)
            && self.participants().iter().any(|participant| participant.checks_prompt_login(&attempt))
        {
            attempt.max_age = Some(0);
        }
        Ok(attempt)
    }

    /// Whether a callback may name this issuer of one tenant, if a participant knows the tenants' issuers.
    fn accepts_issuer_of_tenant(&self, issuer: &str) -> Option<bool> {
        self.participants().iter().find_map(|participant| participant.accepts_issuer(self, issuer))
    }

    /// Whether each tenant of the provider has an issuer of its own, which a participant knows.
    fn has_issuers_of_tenants(&self) -> bool {
        self.accepts_issuer_of_tenant("").is_some()
    }

    /// Tells this client from others that go by the same name, and from itself with other restrictions.
    fn fingerprint(&self) -> &str {
        self.kept_fingerprint().get_or_init(|| {
            let mut whole = format!("{}\n{}", self.client_id(), self.endpoints().token());
            for restricted in self.restricted_to() {
                whole.push_str(&format!("\n{}={}", restricted.name, restricted.value));
            }
            if let Some(acr) = self.minimum_acr() {
                whole.push_str(&format!("\nacr={acr}"));
            }
            for participant in self.participants() {
                let accepted = participant.accepted();
                if !accepted.is_empty() {
                    whole.push_str(&format!("\n{accepted}"));
                }
            }
            sha256_base64url(&whole).as_str()[..16].to_owned()
        })
    }

    /// What the authorization URL of an attempt asks for.
    pub fn login_request<'a>(
        &self,
        attempt: &'a LoginAttempt,
        options: &LoginOptions,
    ) -> AuthorizationRequest<'a> {
        let mut request = AuthorizationRequest::new(attempt.redirect_uri())
            .state(attempt.state())
            .response_type(attempt.response_type)
            .params(&options.extras);
        if !attempt.scopes().eq(self.scopes()) {
            request = request.scopes(attempt.scopes());
        }
        request = request.params(&self.acr_params(options));
        // A browser that takes `prompt=login` out is noticed by `auth_time`.
        if attempt.max_age == Some(0)
            && self.prompts_for_login(options)
            && self.sent_params(&options.extras).get("max_age").is_none()
            && !self.spec().refused_params.contains(&"max_age")
        {
            request = request.extras_params(&HashMap::from([("max_age", "0")]));
        }
        if let (Some(verifier), Pkce::Challenge(method)) = (attempt.code_verifier(), self.pkce()) {
            request = match method {
                CodeChallengeMethod::S256 => request.pkce(verifier),
                CodeChallengeMethod::Plain => request.code_challenge(verifier.expose(), method),
            };
        }
        if let Some(nonce) = attempt.nonce() {
            request = request.nonce(nonce);
        }
        request
    }

    /// The checks that every callback must pass before its code is looked at: it has no parameter twice, belongs to
    /// this provider and this attempt, is not too late, came by the response mode that was asked for, and comes from the issuer
    /// that was asked (RFC 6749 section 10.12, RFC 9207 section 2.4).
    ///
    /// Of a client with discovery, this is a method of the [`ready`](Self::ready) one, as the attempt is.
    ///
    /// # Errors
    ///
    /// A login error that says which check failed.
    pub fn check_callback(&self, attempt: &LoginAttempt, callback: &Callback) -> Result<()> {
        let refuse = |error| Err(self.error(Operation::FINISH_LOGIN, ErrorKind::Login(error)));
        if let Some(name) = callback.duplicate() {
            return refuse(LoginError::DuplicateParameter(name.to_owned()));
        }
        let is_of_other_issuer =
            attempt.issuer().zip(self.callback_issuer()).is_some_and(|(began, now)| began != now);
        if attempt.provider() != self.name() || attempt.client() != self.fingerprint() || is_of_other_issuer {
            return refuse(LoginError::OtherProvider { started_at: attempt.provider().to_owned() });
        }
        match callback.get("state") {
            None | Some("") => return refuse(LoginError::MissingState),
            Some(state) if !same_secret(state, attempt.state()) => return refuse(LoginError::StateMismatch),
            Some(_) => {}
        }
        if attempt.is_expired_at(self.now()) {
            return refuse(LoginError::Expired);
        }
        if callback.mode.is_some_and(|mode| mode != attempt.response_mode) {
            return refuse(LoginError::WrongResponseMode);
        }
        if let Some(iss) = callback.get("iss") {
            let of_tenants = self.accepts_issuer_of_tenant(iss);
            // An attempt of an earlier version may lack the issuer.
            let expected = attempt.issuer().or(self.callback_issuer());
            return match of_tenants.or(expected.map(|expected| iss == expected)) {
                Some(true) => Ok(()),
                Some(false) => refuse(LoginError::IssuerMismatch),
                None if self.requires_callback_issuer() => refuse(LoginError::IssuerMismatch),
                None => {
                    tracing::warn!(
                        provider = self.name(),
                        iss = shown(iss),
                        "the callback's iss was not compared, because the provider's issuer is not known; name it with \
                         with_callback_issuer"
                    );
                    Ok(())
                }
            };
        }
        // An ID token beside the code names the issuer too, and the protocol compares that one before anything is sent.
        let has_id_token = attempt.response_type != ResponseType::Code
            && self.verifies_id_tokens()
            && callback.get("id_token").is_some_and(|token| !token.is_empty());
        if self.requires_callback_issuer() && !has_id_token {
            return refuse(LoginError::MissingIssuer);
        }
        Ok(())
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
///
/// It remembers the way by which it came, because the answer of another way is refused: a code in the query is for everybody
/// to read who sees the URL, where a form was asked for.
#[derive(Clone, Default)]
pub struct Callback {
    pairs: Vec<(String, Secret)>,
    /// `None` where a framework parsed the parameters.
    mode: Option<ResponseMode>,
}

impl Callback {
    /// Reads the query of the callback's URL.
    #[must_use]
    pub fn from_query(query: &str) -> Self {
        Self::read(query.strip_prefix('?').unwrap_or(query), ResponseMode::Query)
    }

    /// Reads the body of a callback that was posted as a form (OAuth 2.0 Form Post Response Mode). Whoever reads the body caps
    /// its size, and takes no other method than POST and no other type than `application/x-www-form-urlencoded`.
    #[must_use]
    pub fn from_form(body: &str) -> Self {
        Self::read(body, ResponseMode::FormPost)
    }

    /// Reads the callback's whole URL, or its path and query. If the `state` stands in its fragment, the fragment counts.
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

    fn error(&self) -> Option<OAuthError> {
        // Empty parameters count as absent (RFC 6749 section 3.1).
        let secrets = || {
            let is_secret =
                |name: &str| ["code", "state", "id_token", "access_token", "response"].contains(&name);
            self.pairs().filter(move |(name, _)| is_secret(name)).map(|(_, value)| Cow::Borrowed(value))
        };
        let text = |name: &str| {
            self.get(name).filter(|text| !text.is_empty()).map(|text| safe_line(text, secrets()))
        };
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
        let pairs = pairs.into_iter().map(|(name, value)| (name.into(), Secret::new(value)));
        Self { pairs: pairs.collect(), mode: None }
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
