//! How a login begins, and what is checked when its callback comes.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use serde_json::Value;

use crate::{
    authorization::{
        AuthorizationRequest, ResponseType,
        pkce::{CodeChallengeMethod, CodeVerifier},
    },
    crypto::{random_tokens, sha256_base64url},
    error::{ErrorKind, LoginError, Operation, Result},
    login::{Callback, LoginOptions, attempt::LoginAttempt},
    oauth2::{OAuth2, Participant},
    secret::same_secret,
    spec::Pkce,
    token::END_OF_9999,
};
#[cfg(feature = "tracing")]
use crate::{telemetry, text::redaction::shown};

impl OAuth2 {
    /// A fresh attempt: state, code verifier and, where an ID token is asked for, nonce.
    ///
    /// # Errors
    ///
    /// A configuration error when something is asked for that could not be checked or read again, or when the operating system has no
    /// random bytes to give.
    pub fn new_attempt(&self, redirect_uri: &str, options: &LoginOptions) -> Result<LoginAttempt> {
        self.check_credentials().map_err(|error| error.during(Operation::START_LOGIN))?;
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
        let asks_for_id_token =
            scopes.clone().flat_map(|scopes| scopes.split(' ')).any(|scope| scope == "openid");
        let [state, verifier, nonce] = random_tokens().map_err(|error| error.at(self.name().to_owned()))?;
        let wrong = |problem| self.error(Operation::START_LOGIN, ErrorKind::Configuration(problem));
        let max_age = self.max_age_of_login(options).map_err(wrong)?;
        let required_acr = self.acr_of_login(options).map_err(wrong)?;
        let restricted_to = self.restrictions_of_login(&options.extras, scopes.clone()).map_err(wrong)?;
        self.check_options(options).map_err(wrong)?;
        let started_at = self.now().unix_timestamp();
        let attempt = LoginAttempt {
            provider: self.name().to_owned(),
            issuer: self.callback_issuer().map(str::to_owned),
            redirect_uri: redirect_uri.to_owned(),
            state: state.into(),
            code_verifier: match self.pkce() {
                Pkce::Challenge(_) => Some(CodeVerifier::known(verifier)),
                Pkce::Unsupported => None,
            },
            nonce: asks_for_id_token.then(|| nonce.into()),
            response_mode: self.response_mode(options.response_type, &options.extras),
            response_type: options.response_type,
            max_age,
            required_acr,
            restricted_to,
            resources: options.resources.clone(),
            token_resource: match &*options.resources {
                [only] => options.token_resource.clone().or_else(|| Some(only.clone())),
                _ => options.token_resource.clone(),
            },
            authorization_details: options.authorization_details.clone(),
            scopes: scopes.map(str::to_owned).collect(),
            client: self.fingerprint().to_owned(),
            started_at,
            // What ends after all calendars would be expired.
            lifetime: self.login_lifetime().as_secs().min(END_OF_9999.abs_diff(started_at)),
            data: options.data.clone(),
            notes: BTreeMap::new(),
        };
        // The client's own restriction holds for a login with other scopes, too.
        let missing = self.restricting_scopes(attempt.scopes());
        let attempt = missing.iter().fold(attempt, |attempt, scope| attempt.with_scope(scope));
        let begin = |attempt, participant: &Arc<dyn Participant>| participant.begin(self, attempt);
        let mut attempt = self.participants().iter().try_fold(attempt, begin)?;
        if attempt.response_mode.is_jwt() && !self.opens_callbacks() {
            return Err(self.error(Operation::START_LOGIN, ErrorKind::Configuration(NOBODY_OPENS.to_owned())));
        }
        // Beside a max_age of the application's own, too: a browser can take the prompt out and leave the other.
        if self.prompts_for_login(options)
            && self.participants().iter().any(|participant| participant.checks_prompt_login(&attempt))
        {
            attempt.max_age = Some(0);
        }
        Ok(attempt)
    }

    /// That the answer to a login with these options can be checked, and read again.
    fn check_options(&self, options: &LoginOptions) -> Result<(), String> {
        if is_deeper_than(DEEPEST_DATA, &options.data) {
            return Err(format!(
                "the data of the login is nested more than {DEEPEST_DATA} deep, and could not be read again"
            ));
        }
        // A callback's iss proves nothing while nobody knows what it must be.
        if self.requires_callback_issuer()
            && self.callback_issuer().is_none()
            && !self.has_issuers_of_tenants()
        {
            let problem = "callbacks must name the issuer, but none is known to compare it with; name it with \
                           with_callback_issuer";
            return Err(problem.to_owned());
        }
        if let Some(resource) = &options.token_resource
            && !options.resources.contains(resource)
        {
            return Err("the token_resource is not among the resources that the login asks for".to_owned());
        }
        Ok(())
    }

    /// Whether a callback may name this issuer of one tenant, if a participant knows the tenants' issuers.
    fn accepts_issuer_of_tenant(&self, issuer: &str) -> Option<bool> {
        self.participants().iter().find_map(|participant| participant.accepts_issuer(self, issuer))
    }

    /// Whether each tenant of the provider has an issuer of its own, which a participant knows.
    fn has_issuers_of_tenants(&self) -> bool {
        self.accepts_issuer_of_tenant("").is_some()
    }

    /// Tells this client apart from others of the same name, and from itself with other restrictions.
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
            sha256_base64url(&whole)[..16].to_owned()
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
            .notes(&attempt.notes)
            .params(&options.extras);
        if !attempt.scopes().eq(self.scopes()) {
            request = request.scopes(attempt.scopes());
        }
        request = request.params(&self.acr_params(options));
        // A browser that takes `prompt=login` out is noticed by `auth_time`.
        if attempt.max_age == Some(0)
            && self.prompts_for_login(options)
            && self.sent_params(&options.extras).get("max_age").is_none()
            && !self.spec().authorization.refused_params.contains(&"max_age")
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

    /// The state of a callback: by which to find the attempt that it belongs to. That of a signed response (JARM) is read without
    /// verification, so it is good for that and nothing else.
    ///
    /// Of a client with discovery, this is a method of the [`ready`](Self::ready) one, as the attempt is.
    pub async fn state_of_callback(&self, callback: &Callback) -> Option<String> {
        if let Some(state) = callback.get("state") {
            return Some(state.to_owned());
        }
        callback.signed_response()?;
        for participant in self.participants() {
            if let Some(state) = participant.state_of_callback(self, callback).await {
                return Some(state);
            }
        }
        None
    }

    /// The callback with the parameters that are in its signed response, verified, if that was asked for (JARM section 2.4); else the
    /// callback as it is. [`finish_login`](crate::Provider::finish_login) begins with it, and takes one that was opened before.
    ///
    /// Of a client with discovery, this is a method of the [`ready`](Self::ready) one, as the attempt is.
    ///
    /// # Errors
    ///
    /// A login error when the callback came in another form than was asked for; an error of [`ErrorKind::Jwt`] that says which check
    /// the response failed; or any error of reading the keys.
    pub async fn open_callback(&self, attempt: &LoginAttempt, callback: Callback) -> Result<Callback> {
        if callback.is_opened() || !attempt.response_mode.is_jwt() {
            return Ok(callback);
        }
        self.check_arrival(attempt, &callback)?;
        // A late answer makes no request.
        if attempt.is_expired_at(self.now()) {
            return Err(self.error(Operation::FINISH_LOGIN, ErrorKind::Login(LoginError::Expired)));
        }
        for participant in self.participants() {
            if let Some(opened) = participant.open_callback(self, attempt, &callback).await? {
                return Ok(opened);
            }
        }
        Err(self.error(Operation::FINISH_LOGIN, ErrorKind::Configuration(NOBODY_OPENS.to_owned())))
    }

    /// That a callback is one thing, of this client's attempt, and signed if that was asked for.
    fn check_arrival(&self, attempt: &LoginAttempt, callback: &Callback) -> Result<()> {
        let refuse = |error| Err(self.error(Operation::FINISH_LOGIN, ErrorKind::Login(error)));
        if callback.is_whole_url() {
            return refuse(LoginError::NotAQuery);
        }
        if let Some(name) = callback.duplicate() {
            return refuse(LoginError::DuplicateParameter(name.to_owned()));
        }
        let is_of_other_issuer =
            attempt.issuer().zip(self.callback_issuer()).is_some_and(|(began, now)| began != now);
        if attempt.provider() != self.name() || attempt.client() != self.fingerprint() || is_of_other_issuer {
            return refuse(LoginError::OtherProvider { started_at: attempt.provider().to_owned() });
        }
        // Parameters beside a signed response are as good as those without one: anybody can have written them (JARM section 2.4).
        let is_plain = PLAIN.iter().any(|name| callback.get(name).is_some());
        let is_signed = callback.signed_response().is_some();
        let is_right = match attempt.response_mode.is_jwt() {
            true => callback.is_opened() || (is_signed && !is_plain),
            false => !callback.is_opened() && !is_signed,
        };
        if is_right {
            return Ok(());
        }
        let error = ErrorKind::Login(LoginError::WrongResponseMode);
        Err(self.error(Operation::FINISH_LOGIN, error).quoting(callback.error()))
    }

    /// The checks that every callback must pass before its code is looked at: it has no parameter twice, belongs to
    /// this provider and this attempt, is not too late, came by the response mode that was asked for, and comes from the issuer
    /// that was asked (RFC 6749 section 10.12, RFC 9207 section 2.4).
    ///
    /// Of a client with discovery, this is a method of the [`ready`](Self::ready) one, as the attempt is. A signed response must have been
    /// [opened](Self::open_callback).
    ///
    /// # Errors
    ///
    /// A login error that says which check failed.
    pub fn check_callback(&self, attempt: &LoginAttempt, callback: &Callback) -> Result<()> {
        let refuse = |error| Err(self.error(Operation::FINISH_LOGIN, ErrorKind::Login(error)));
        self.check_arrival(attempt, callback)?;
        if attempt.response_mode.is_jwt() && !callback.is_opened() {
            // Nobody has verified what is in it.
            return refuse(LoginError::WrongResponseMode);
        }
        match callback.get("state") {
            None | Some("") => return refuse(LoginError::MissingState),
            Some(state) if !same_secret(state, attempt.state()) => return refuse(LoginError::StateMismatch),
            Some(_) => {}
        }
        if attempt.is_expired_at(self.now()) {
            return refuse(LoginError::Expired);
        }
        // A server that does not know the login's mode, or fails before it reads it, tells its error in the query. An error is worth
        // nothing to a thief, so only a code must come the right way.
        let is_error = callback.error().is_some();
        if !is_error && callback.mode.is_some_and(|mode| mode != attempt.response_mode.carrier()) {
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
                    #[cfg(feature = "tracing")]
                    tracing::warn!(
                        { telemetry::EVENT_NAME } = telemetry::event::ISSUER_NOT_COMPARED,
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
            let error = self.error(Operation::FINISH_LOGIN, ErrorKind::Login(LoginError::MissingIssuer));
            // Most likely it is the provider's, which does not keep to what it announces.
            return Err(error.quoting(callback.error()));
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

/// What an authorization response consists of, where it is not signed.
const PLAIN: &[&str] =
    &["code", "state", "error", "error_description", "error_code", "id_token", "access_token"];

const NOBODY_OPENS: &str = "a signed authorization response was asked for (JARM), and nothing in the client verifies it; add \
                            SignedResponses of oauth-fapi to its participants";

/// Readers of JSON and CBOR give up at 128 or so, with what an integration puts around the data.
const DEEPEST_DATA: usize = 100;

fn is_deeper_than(most: usize, value: &Value) -> bool {
    let Some(rest) = most.checked_sub(1) else { return value.is_array() || value.is_object() };
    match value {
        Value::Array(items) => items.iter().any(|item| is_deeper_than(rest, item)),
        Value::Object(members) => members.values().any(|member| is_deeper_than(rest, member)),
        _ => false,
    }
}
