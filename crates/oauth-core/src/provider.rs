//! The trait of all providers: what an application can ask of one, whichever it is.

mod authorize_params;
pub(crate) mod config;
mod macros;
pub mod provider_kit;

use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use serde::Serialize;
use serde_json::Value;

use crate::{
    authorization::{AuthorizationRequest, pkce::CodeVerifier},
    clock::Clock,
    endpoints::{Endpoint, Endpoints},
    error::{Error, Operation, Result, class::ErrorClass},
    http_client::HttpClient,
    identity::Identity,
    login::{
        AppCode, Callback, Login, LoginOptions, StartedLogin,
        attempt::LoginAttempt,
        device::{DeviceLogin, DeviceState},
        polling::Polled,
    },
    oauth2::{OAuth2, Participant},
    spec::ClientAuth,
    text::form::is_same_parameter,
    token::OAuth2Token,
};

/// One provider: the generic client with, where needed, procedures of the provider's own.
///
/// Only the two accessors are required. The requests call the methods of the same names of [`OAuth2`], so that an
/// override can call them too. The methods that send something are `async fn`, by [`mod@async_trait`]: put
/// `#[async_trait]` on an `impl` that overrides one. The trait is object-safe: `Arc<dyn Provider>` is a provider chosen at
/// run time.
#[async_trait]
pub trait Provider: fmt::Debug + Send + Sync {
    /// The generic client underneath.
    fn oauth2(&self) -> &OAuth2;

    /// The generic client underneath, to be set up.
    fn oauth2_mut(&mut self) -> &mut OAuth2;

    /// The client's name, which is the provider's unless it was given another.
    fn name(&self) -> &str {
        self.oauth2().name()
    }

    /// Begins a login: the URL to send the browser to, and the attempt to keep until it comes back.
    ///
    /// Each provider of an application needs a redirect URI of its own: a callback without `iss` says by nothing else from which
    /// provider it comes (RFC 9700 section 4.4.2.2).
    ///
    /// # Errors
    ///
    /// A configuration error; see [`get_authorization_url`](Self::get_authorization_url).
    async fn start_login(&self, redirect_uri: &str, options: LoginOptions) -> Result<StartedLogin> {
        start_login(self, redirect_uri, options).await
    }

    /// Ends a login: checks that the callback belongs to the attempt, and exchanges the code.
    ///
    /// Nothing is sent unless everything matched. The attempt is used up.
    ///
    /// # Errors
    ///
    /// A login error that says which check failed, or any error of [`get_access_token`](Self::get_access_token).
    async fn finish_login(&self, attempt: LoginAttempt, callback: Callback) -> Result<Login> {
        finish_login(self, attempt, callback).await
    }

    /// Exchanges a code that an application obtained by a kit of the provider's, and checks what comes as after any login.
    ///
    /// The client has the id of the application that obtained the code, which for Apple is the app's bundle id.
    ///
    /// # Errors
    ///
    /// Any [`Error`](crate::Error).
    async fn finish_app_login(&self, code: AppCode) -> Result<Login> {
        finish_app_login(self, code).await
    }

    /// Begins a login on another device (RFC 8628): the code to show to the user, and where to type it in.
    ///
    /// The provider may have to be told to offer it: most have a switch for it in the application's registration. Ask for a code when the
    /// user is ready, because it lives for minutes. Where a browser is near, a loopback redirect is better: codes are phished by mail and
    /// chat (RFC 8628 section 5.4).
    ///
    /// # Errors
    ///
    /// An unsupported-operation error where the provider has no device grant; else any [`Error`](crate::Error).
    async fn start_device_login(&self, options: LoginOptions) -> Result<DeviceLogin> {
        let outcome = self.oauth2().start_device_login(options).await;
        outcome.map_err(|error| self.translate_error(error))
    }

    /// Waits until the provider may be asked about a login on another device, asks it, and returns its answer: for a program that shows it.
    ///
    /// It is the caller who goes on: dropping the future, or not calling again, ends the polling. The tokens of
    /// [`DeviceState::Done`] passed the checks of [`finish_login`](Self::finish_login) that need no callback; an ID token's among them.
    ///
    /// # Errors
    ///
    /// What ended the login: a refusal with the code `access_denied` or `expired_token`, a login error when the time is up, or any
    /// error that is not [transient](crate::ErrorClass::Transient). The provider is asked no more then.
    async fn poll_device_login(&self, login: &mut DeviceLogin) -> Result<DeviceState> {
        poll_device_login(self, login).await
    }

    /// Waits until the user is done with a login on another device, and returns it.
    ///
    /// # Errors
    ///
    /// Those of [`poll_device_login`](Self::poll_device_login).
    async fn finish_device_login(&self, mut login: DeviceLogin) -> Result<Login> {
        loop {
            if let DeviceState::Done(login) = self.poll_device_login(&mut login).await? {
                return Ok(*login);
            }
        }
    }

    /// Asks once whether the user is done with a login on another device. See [`OAuth2::get_device_token`].
    ///
    /// # Errors
    ///
    /// A refusal with `authorization_pending` until the user is done; else any [`Error`](crate::Error).
    async fn get_device_token(&self, login: &DeviceLogin) -> Result<OAuth2Token> {
        let outcome = self.oauth2().get_device_token(login).await;
        outcome.map_err(|error| self.translate_error(error))
    }

    /// The provider's own check of a callback that brings a code, such as Shopify's `hmac`. It runs before anything is sent.
    ///
    /// # Errors
    ///
    /// A login error that says what is wrong with the callback.
    async fn check_callback(&self, _attempt: &LoginAttempt, _callback: &Callback) -> Result<()> {
        Ok(())
    }

    /// The provider's own check of what a login ended with. It runs after the ID token, where there is one, was verified.
    ///
    /// # Errors
    ///
    /// An error that says which check failed; the token is then not handed out.
    async fn check_login(&self, _attempt: &LoginAttempt, _login: &Login) -> Result<()> {
        Ok(())
    }

    /// Builds the URL to send the user's browser to. See [`OAuth2::get_authorization_url`].
    ///
    /// # Errors
    ///
    /// A configuration error that says what cannot be sent.
    async fn get_authorization_url(&self, request: AuthorizationRequest<'_>) -> Result<String> {
        self.oauth2().get_authorization_url(request).await
    }

    /// Exchanges an authorization code for tokens. See [`OAuth2::get_access_token`].
    ///
    /// # Errors
    ///
    /// Any [`Error`](crate::Error).
    async fn get_access_token(
        &self,
        code: &str,
        redirect_uri: &str,
        code_verifier: Option<&CodeVerifier>,
        extra: &[(&str, &str)],
    ) -> Result<OAuth2Token> {
        let own = self.token_params(None);
        let extra = with_token_params(extra, &own);
        let outcome = self.oauth2().get_access_token(code, redirect_uri, code_verifier, &extra).await;
        outcome.map_err(|error| self.translate_error(error))
    }

    /// Gets a new access token for a refresh token. See [`OAuth2::refresh_token`].
    ///
    /// # Errors
    ///
    /// An unsupported-operation error where the provider has no refresh tokens; else any [`Error`](crate::Error).
    async fn refresh_token(&self, refresh_token: &str, scopes: Option<&[&str]>) -> Result<OAuth2Token> {
        self.refresh_token_with(refresh_token, scopes, &[]).await
    }

    /// Gets a new access token for a refresh token with further parameters. See [`OAuth2::refresh_token_with`].
    ///
    /// [`refresh_token`](Self::refresh_token), [`refresh`](Self::refresh) and [`refresh_with`](Self::refresh_with) end here: a provider that
    /// wants more in a refresh than the standards have, or reads its reply in another way, overrides this method alone.
    ///
    /// # Errors
    ///
    /// An unsupported-operation error where the provider has no refresh tokens; else any [`Error`](crate::Error).
    async fn refresh_token_with(
        &self,
        refresh_token: &str,
        scopes: Option<&[&str]>,
        extra: &[(&str, &str)],
    ) -> Result<OAuth2Token> {
        let outcome = self.oauth2().refresh_token_with(refresh_token, scopes, extra).await;
        outcome.map_err(|error| self.translate_error(error))
    }

    /// Gets the successor of a whole token: what to call with a token that was kept.
    ///
    /// The refresh token, the ID token and the scope of the old one are kept where the reply has none. With OpenID Connect, a
    /// new ID token must be of the same user (Core section 12.2), which [`refresh_token`](Self::refresh_token) cannot know. A new ID
    /// token that is wrong in another way is taken out, and the old one kept: see [`OAuth2Token::rejected_id_token`].
    ///
    /// # Errors
    ///
    /// An unsupported-operation error when the token has no refresh token; an error with the new
    /// [tokens](crate::Error::tokens) when these are another user's; else as [`refresh_token`](Self::refresh_token).
    async fn refresh(&self, token: &OAuth2Token, scopes: Option<&[&str]>) -> Result<OAuth2Token> {
        refresh(self, token, scopes, &[]).await
    }

    /// Gets another access token of a whole token's grant, with further parameters such as `resource` (RFC 8707 section 2.2) or
    /// `audience`. What holds for [`refresh`](Self::refresh) holds here: the refresh token of the result replaces that of the old token.
    ///
    /// # Errors
    ///
    /// Those of [`refresh`](Self::refresh).
    async fn refresh_with(
        &self,
        token: &OAuth2Token,
        scopes: Option<&[&str]>,
        extra: &[(&str, &str)],
    ) -> Result<OAuth2Token> {
        refresh(self, token, scopes, extra).await
    }

    /// Revokes a token. See [`OAuth2::revoke_token`].
    ///
    /// An override whose provider revokes access tokens only is called with these by [`revoke`](Self::revoke) where
    /// [`access_tokens_only`](crate::provider_kit::RevocationSpec::access_tokens_only) says so; to a caller who hands it a refresh token all the
    /// same, the provider's answer is the answer. The hint is for a server that looks tokens up by kind, and can be ignored.
    ///
    /// # Errors
    ///
    /// An unsupported-operation error where the provider cannot revoke; else any [`Error`](crate::Error).
    async fn revoke_token(&self, token: &str, token_type_hint: Option<&str>) -> Result<()> {
        let outcome = self.oauth2().revoke_token(token, token_type_hint).await;
        outcome.map_err(|error| self.translate_error(error))
    }

    /// Revokes a whole token: what to call with a token that was kept.
    ///
    /// The refresh token is what is revoked, because its access tokens go with it (RFC 7009 section 2.1); without one, or where
    /// the provider revokes access tokens only, the access token.
    ///
    /// # Errors
    ///
    /// As [`revoke_token`](Self::revoke_token).
    async fn revoke(&self, token: &OAuth2Token) -> Result<()> {
        revoke(self, token).await
    }

    /// Reads what the provider says of the user of an access token, raw. See [`OAuth2::get_profile`].
    ///
    /// Nothing is checked: neither whether the user may sign in here ([`RestrictedTo`](crate::RestrictedTo)), nor for whom the
    /// token was issued. To sign users in, use [`get_identity`](Self::get_identity) with the token of a login.
    ///
    /// # Errors
    ///
    /// Any [`Error`](crate::Error).
    async fn get_profile(&self, access_token: &str) -> Result<Value> {
        get_profile(self, access_token).await
    }

    /// Reads the profile of a token's user, with a client that is ready: the step for a provider to override whose profile takes another
    /// request than the [`Spec`](crate::Spec) can say, or comes in an envelope. See [`OAuth2::read_profile`].
    ///
    /// [`get_profile`](Self::get_profile), [`get_profile_of`](Self::get_profile_of) and [`get_identity`](Self::get_identity) end here,
    /// the first with a token of which only the access token is known. Requests are made with `client`, which is
    /// [`oauth2`](Self::oauth2) with its metadata read.
    ///
    /// # Errors
    ///
    /// Any [`Error`](crate::Error).
    async fn read_profile(&self, client: &OAuth2, token: &OAuth2Token) -> Result<Value> {
        client.read_profile(token).await
    }

    /// Reads who the user is: the profile, and what else it takes.
    ///
    /// Where the client is restricted to a tenant, an organization or the like, the user must be of it.
    ///
    /// # Errors
    ///
    /// Any [`Error`](crate::Error); a malformed-reply error when the profile has no identifier; a configuration error when the
    /// client is restricted and the token does not tell whether its user may sign in, as a bare access token does not.
    async fn get_identity(&self, token: &OAuth2Token) -> Result<Identity> {
        get_identity(self, token).await
    }

    /// Reads the profile, and checks that it is of the user of this token: with OpenID Connect, UserInfo must have the
    /// `sub` of the ID token (Core section 5.3.2). The user must be of what the client is restricted to.
    ///
    /// # Errors
    ///
    /// Any [`Error`](crate::Error).
    async fn get_profile_of(&self, token: &OAuth2Token) -> Result<Value> {
        checked_profile(self, &self.oauth2().ready().await?, token).await
    }

    /// The identity as a pair: the user's identifier, and the address unless the provider marks it as unverified.
    ///
    /// # Errors
    ///
    /// As [`get_identity`](Self::get_identity).
    async fn get_id_email(&self, access_token: &str) -> Result<(String, Option<String>)> {
        get_id_email(self, access_token).await
    }

    /// Completes an identity with what the [`Spec`](crate::Spec) has no words for: a picture whose URL is to be made, an address that the
    /// provider does not vouch for. It leaves the profile as it is. [`get_identity`](Self::get_identity) ends with it, unless the provider
    /// has one of its own.
    fn complete_identity(&self, _identity: &mut Identity) {}

    /// The extra parameters with which the provider wants a code exchanged: from the callback that brought the code, or from the
    /// client's settings. See [`OAuth2::token_params`], which has those that the [`Spec`](crate::Spec) names.
    ///
    /// A login asks with its callback. [`get_access_token`](Self::get_access_token) asks without one, for what the settings give;
    /// a parameter that is among its `extra` ones is sent as it is there.
    fn token_params(&self, callback: Option<&Callback>) -> Vec<(&'static str, String)> {
        self.oauth2().token_params(callback)
    }

    /// Translates what the provider says in words of its own into a code of the standards
    /// ([`Error::under_code`](crate::Error::under_code)): that a refresh token is dead, that a limit of requests was reached, that the
    /// client secret is wrong.
    ///
    /// The exchange of a code, refresh, revocation and the profile end with it where they fail. An override of one of these
    /// need not call it for a login, a refresh or an identity, which do so themselves; it can be asked twice about one error.
    /// Where the words alone are a code, [`TokenSpec::invalid_grant_codes`](crate::provider_kit::TokenSpec::invalid_grant_codes) is enough.
    fn translate_error(&self, error: Error) -> Error {
        error
    }

    /// Changes the generic client underneath: for settings that only [`OAuth2`] has.
    ///
    /// ```
    /// use oauth_core::{OAuth2, Provider};
    ///
    /// fn in_a_test_network(client: impl Provider) -> impl Provider {
    ///     client.with_oauth2(OAuth2::dangerously_allow_plain_http)
    /// }
    /// ```
    #[must_use]
    fn with_oauth2(mut self, change: impl FnOnce(OAuth2) -> OAuth2) -> Self
    where
        Self: Sized,
    {
        *self.oauth2_mut() = change(self.oauth2().clone());
        self
    }

    /// Sends all requests with this HTTP client, which may be anything that implements [`HttpClient`]. The crate `oauth-reqwest` has one for
    /// a proxy, a private authority, a client certificate, or a `reqwest::Client` of your own; `oauth-hyper` has one on hyper alone.
    #[must_use]
    fn with_http_client(mut self, http: impl HttpClient + 'static) -> Self
    where
        Self: Sized,
    {
        self.oauth2_mut().set_http_client(Arc::new(http));
        self
    }

    /// Moves the endpoints, one by one or all at once: `.with_endpoints(|all| all.at("https://gateway.example"))`.
    ///
    /// Endpoints at another host are another server with users of its own, so that [`Identity::issuer`](crate::Identity::issuer) changes
    /// too. For a gateway in front of the provider itself, [`with_identity_issuer`](Self::with_identity_issuer) keeps the name.
    #[must_use]
    fn with_endpoints(mut self, moved: impl FnOnce(Endpoints) -> Endpoints) -> Self
    where
        Self: Sized,
    {
        let mut moved = Some(moved);
        self.oauth2_mut().move_endpoints(&mut |all| match moved.take() {
            Some(moved) => moved(all),
            None => all,
        });
        self
    }

    /// Asks for these scopes unless a request names others. An empty list sends none.
    #[must_use]
    fn with_scopes<S: Into<Cow<'static, str>>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self
    where
        Self: Sized,
    {
        self.oauth2_mut().set_scopes(scopes);
        self
    }

    /// Sends the client secret this way to the token endpoint, where the client's registration decides it. It changes nothing for a
    /// [`ClientAuthentication`](crate::ClientAuthentication) of your own.
    #[must_use]
    fn with_client_auth(mut self, auth: ClientAuth) -> Self
    where
        Self: Sized,
    {
        self.oauth2_mut().set_client_auth(auth);
        self
    }

    /// Sends the client secret this way to the revocation endpoint, if it differs from the token endpoint's. It changes nothing for a
    /// [`ClientAuthentication`](crate::ClientAuthentication) of your own.
    #[must_use]
    fn with_revoke_auth(mut self, auth: ClientAuth) -> Self
    where
        Self: Sized,
    {
        self.oauth2_mut().set_revoke_auth(auth);
        self
    }

    /// Names the client, in errors and logins. Two clients of one provider need two names.
    #[must_use]
    fn with_name(mut self, name: impl Into<Cow<'static, str>>) -> Self
    where
        Self: Sized,
    {
        self.oauth2_mut().set_name(name);
        self
    }

    /// Names the issuer in place of the provider's own: what the `iss` of callbacks must be (RFC 9207), and under which users are
    /// known.
    #[must_use]
    fn with_issuer(mut self, issuer: impl Into<Cow<'static, str>>) -> Self
    where
        Self: Sized,
    {
        self.oauth2_mut().set_issuer(issuer);
        self
    }

    /// Names the issuer for callbacks alone: one that names another issuer is refused (RFC 9207 section 2.4). For a provider whose
    /// crate knows no issuer, such as one that has begun to send `iss`.
    #[must_use]
    fn with_callback_issuer(mut self, issuer: impl Into<Cow<'static, str>>) -> Self
    where
        Self: Sized,
    {
        self.oauth2_mut().set_callback_issuer(issuer);
        self
    }

    /// Names the issuer for callbacks, and refuses those that name none: for a provider that always sends `iss`.
    #[must_use]
    fn with_required_callback_issuer(mut self, issuer: impl Into<Cow<'static, str>>) -> Self
    where
        Self: Sized,
    {
        self.oauth2_mut().set_callback_issuer(issuer);
        self.with_oauth2(OAuth2::require_callback_issuer)
    }

    /// Names the issuer under which users are known ([`Identity::issuer`](crate::Identity::issuer)), and nothing else.
    ///
    /// It is for endpoints that were moved to a gateway in front of the provider itself. Two servers that have users of their own need
    /// two names.
    #[must_use]
    fn with_identity_issuer(mut self, issuer: impl Into<Cow<'static, str>>) -> Self
    where
        Self: Sized,
    {
        self.oauth2_mut().set_identity_issuer(issuer);
        self
    }

    /// Sends these parameters with every authorization request, unless it names others of the same name.
    #[must_use]
    fn with_authorize_params(mut self, params: &impl Serialize) -> Self
    where
        Self: Sized,
    {
        self.oauth2_mut().set_authorize_params(params);
        self
    }

    /// Adds a participant behind those that the client has, or in place of the one of the same type. See [`Participant`].
    #[must_use]
    fn with_participant(mut self, participant: impl Participant) -> Self
    where
        Self: Sized,
    {
        self.oauth2_mut().add_participant(participant);
        self
    }

    /// Names the application to the provider in the `User-Agent` header.
    ///
    /// # Errors
    ///
    /// A configuration error when a header cannot carry the text.
    fn with_user_agent(mut self, user_agent: &str) -> Result<Self>
    where
        Self: Sized,
    {
        self.oauth2_mut().set_user_agent(user_agent)?;
        Ok(self)
    }

    /// Lets a sign-in take this long, in place of ten minutes.
    #[must_use]
    fn with_login_lifetime(mut self, lifetime: Duration) -> Self
    where
        Self: Sized,
    {
        self.oauth2_mut().set_login_lifetime(lifetime);
        self
    }

    /// Takes the time from this clock: logins, device codes and client secrets age by it, and what is signed is dated by it.
    ///
    /// Tokens that come are not: the expiry of an [`OAuth2Token`] counts from the machine's clock. What OpenID Connect verifies is
    /// compared with the clock of its policy, `VerificationPolicy::clock` of `oauth-openid`, which sets this one too.
    #[must_use]
    fn with_clock(mut self, clock: impl Clock + 'static) -> Self
    where
        Self: Sized,
    {
        self.oauth2_mut().set_clock(Arc::new(clock));
        self
    }
}

/// The generic client is a provider too: the one that the others are made of.
impl Provider for OAuth2 {
    fn oauth2(&self) -> &OAuth2 {
        self
    }

    fn oauth2_mut(&mut self) -> &mut OAuth2 {
        self
    }
}

// The standard procedures, for any provider. They ask the provider for each step, so that an override of a step takes part.

async fn start_login<P: Provider + ?Sized>(
    provider: &P,
    redirect_uri: &str,
    options: LoginOptions,
) -> Result<StartedLogin> {
    let client = provider.oauth2().ready().await?;
    let mut attempt = client.new_attempt(redirect_uri, &options)?;
    for participant in client.participants() {
        attempt = participant.prepare(&client, attempt).await?;
    }
    let request = client.login_request(&attempt, &options);
    let expiry = request.expiry.clone();
    let url = provider.get_authorization_url(request).await?;
    Ok(StartedLogin { url, attempt, url_expires_at: expiry.get().copied() })
}

async fn finish_login<P: Provider + ?Sized>(
    provider: &P,
    attempt: LoginAttempt,
    callback: Callback,
) -> Result<Login> {
    let client = provider.oauth2().ready().await?;
    let callback = client.open_callback(&attempt, callback).await?;
    client.check_callback(&attempt, &callback)?;
    let code = client.code_of(&callback)?;
    for participant in client.participants() {
        participant.check_callback(&client, &attempt, &callback).await?;
    }
    provider.check_callback(&attempt, &callback).await?;
    let own = provider.token_params(Some(&callback));
    let resource: Vec<_> =
        attempt.token_resource().map(|resource| ("resource", resource)).into_iter().collect();
    let extra = with_token_params(&resource, &own);
    let outcome =
        provider.get_access_token(code, attempt.redirect_uri(), attempt.code_verifier(), &extra).await;
    let token = outcome.map_err(|error| provider.translate_error(error))?;
    checked_login(provider, &client, &attempt, &callback, token).await
}

async fn finish_app_login<P: Provider + ?Sized>(provider: &P, app: AppCode) -> Result<Login> {
    let client = provider.oauth2().ready().await?;
    let options = match &app.scopes {
        Some(scopes) => LoginOptions::new().scopes(scopes.iter().cloned()),
        None => LoginOptions::new(),
    };
    let attempt = client.new_attempt(&app.redirect_uri, &options);
    let attempt = attempt.map_err(|error| error.during(Operation::FINISH_LOGIN))?.of_app(app.nonce);
    let own = provider.token_params(None);
    let extra = with_token_params(&[], &own);
    let code = app.code.expose();
    let outcome =
        provider.get_access_token(code, &app.redirect_uri, app.code_verifier.as_ref(), &extra).await;
    let token = outcome.map_err(|error| provider.translate_error(error))?;
    checked_login(provider, &client, &attempt, &Callback::default(), token).await
}

/// The login that ended with a token, once all who take part in it have checked it.
async fn checked_login<P: Provider + ?Sized>(
    provider: &P,
    client: &OAuth2,
    attempt: &LoginAttempt,
    callback: &Callback,
    token: OAuth2Token,
) -> Result<Login> {
    let mut login = attempt.login(token);
    for participant in client.participants() {
        participant.check_login(client, attempt, callback, &mut login).await?;
        participant.complete_login(&|identity| provider.complete_identity(identity), &mut login);
    }
    provider.check_login(attempt, &login).await?;
    let operation = Operation::FINISH_LOGIN;
    let mut restricted_to = client.restricted_to();
    restricted_to.extend(attempt.restricted_to().iter().cloned());
    let open = client.confirm_by_token(operation, &restricted_to, &login.token).await?;
    if !open.is_empty() {
        let profile = checked_profile(provider, client, &login.token).await?;
        client.confirm_by_profile(operation, &open, &login.token, &profile)?;
    }
    Ok(login)
}

async fn poll_device_login<P: Provider + ?Sized>(
    provider: &P,
    login: &mut DeviceLogin,
) -> Result<DeviceState> {
    let token = match &login.received {
        // The code is spent. What came for it is checked again, and not asked for again.
        Some(token) => {
            let token = token.clone();
            login.polling.wait_to_check_again().await?;
            token
        }
        None => {
            login.polling.wait().await?;
            // Should the caller drop this future while the provider is asked, the next poll waits all the same.
            login.polling.wait_from_now(login.polling.interval());
            let outcome = provider.get_device_token(login).await;
            let token = match login.polling.judge(outcome)? {
                Polled::Done(token) => token,
                Polled::Pending => return Ok(DeviceState::Pending),
                Polled::SlowedDown(interval) => return Ok(DeviceState::SlowedDown(interval)),
                Polled::Failed(error) => return Ok(DeviceState::Failed(error)),
            };
            // Should the caller drop this future during the checks, they are done at the next poll.
            login.received = Some(token.clone());
            token
        }
    };
    let checked = match provider.oauth2().ready().await {
        Ok(client) => {
            checked_login(provider, &client, &login.attempt, &Callback::default(), token.clone()).await
        }
        Err(error) => Err(error),
    };
    match checked {
        Ok(done) => {
            login.received = None;
            Ok(DeviceState::Done(Box::new(done)))
        }
        Err(error) if !matches!(error.class(), ErrorClass::Transient { .. }) => {
            login.received = None;
            Err(error)
        }
        Err(error) if login.polling.may_check_again() => Ok(DeviceState::Failed(error)),
        Err(error) => {
            login.received = None;
            Err(error.with_tokens(token))
        }
    }
}

/// Extra parameters of a token request, and those of the provider's that are not among them.
fn with_token_params<'a>(
    extra: &[(&'a str, &'a str)],
    own: &'a [(&'static str, String)],
) -> Vec<(&'a str, &'a str)> {
    let is_there = |name: &str| extra.iter().any(|(other, _)| is_same_parameter(other, name));
    let own = own.iter().filter(|(name, _)| !is_there(name)).map(|(name, value)| (*name, value.as_str()));
    extra.iter().copied().chain(own).collect()
}

async fn refresh<P: Provider + ?Sized>(
    provider: &P,
    token: &OAuth2Token,
    scopes: Option<&[&str]>,
    extra: &[(&str, &str)],
) -> Result<OAuth2Token> {
    let client = provider.oauth2();
    let Some(refresh_token) = token.refresh_token() else {
        let reason = "the token has no refresh token; the user must sign in again";
        return Err(client.unsupported(Operation::REFRESH_TOKEN, reason));
    };
    for participant in client.participants() {
        participant.check_before_refresh(client, token)?;
    }
    let outcome = match extra {
        [] => provider.refresh_token(refresh_token, scopes).await,
        extra => provider.refresh_token_with(refresh_token, scopes, extra).await,
    };
    let mut new = outcome.map_err(|error| provider.translate_error(error))?;
    for participant in client.participants() {
        if let Err(error) = participant.check_successor(client, token, &mut new).await {
            return Err(error.with_tokens(new));
        }
    }
    Ok(new.or_id_token(token.id_token()).or_scope(scopes, token))
}

async fn revoke<P: Provider + ?Sized>(provider: &P, token: &OAuth2Token) -> Result<()> {
    let outcome = match token.refresh_token() {
        Some(refresh_token) if !provider.oauth2().spec().revocation.access_tokens_only => {
            provider.revoke_token(refresh_token, Some("refresh_token")).await
        }
        _ => provider.revoke_token(token.access_token(), Some("access_token")).await,
    };
    outcome.map_err(|error| provider.translate_error(error))
}

async fn get_identity<P: Provider + ?Sized>(provider: &P, token: &OAuth2Token) -> Result<Identity> {
    let client = provider.oauth2().ready().await?;
    let profile = checked_profile(provider, &client, token).await?;
    let mut issuer = None;
    for participant in client.participants() {
        issuer = issuer.or(participant.issuer_of(&client, token).await?);
    }
    let mut identity = client.identity_under(issuer, profile)?;
    if let (None, Some(call)) = (&identity.email, &client.spec().profile.email_call) {
        let outcome = client.get_email(call, client.usable(token)?).await;
        identity.email = outcome.map_err(|error| provider.translate_error(error))?;
    }
    provider.complete_identity(&mut identity);
    Ok(identity.without_unusable())
}

async fn get_id_email<P: Provider + ?Sized>(
    provider: &P,
    access_token: &str,
) -> Result<(String, Option<String>)> {
    let token = OAuth2Token::new(access_token);
    Ok(provider.get_identity(&token).await?.into_id_email())
}

async fn get_profile<P: Provider + ?Sized>(provider: &P, access_token: &str) -> Result<Value> {
    let client = provider.oauth2().ready().await?;
    let outcome = provider.read_profile(&client, &OAuth2Token::new(access_token)).await;
    outcome.map_err(|error| provider.translate_error(error))
}

/// The profile of a token's user, who may sign in here.
async fn checked_profile<P: Provider + ?Sized>(
    provider: &P,
    client: &OAuth2,
    token: &OAuth2Token,
) -> Result<Value> {
    let operation = Operation::GET_IDENTITY;
    let open = client.confirm_by_token(operation, &client.restricted_to(), token).await?;
    let said_before = match client.profile_in_token(token) {
        Some(profile) => Some(profile),
        None => claims_of(client, token).await?,
    };
    let profile = match said_before {
        Some(profile) => profile,
        None => {
            client.usable(token)?;
            let outcome = provider.read_profile(client, token).await;
            let profile = outcome.map_err(|error| provider.translate_error(error))?;
            for participant in client.participants() {
                participant.check_profile(client, token, &profile).await?;
            }
            profile
        }
    };
    client.confirm_by_profile(operation, &open, token, &profile)?;
    Ok(profile)
}

/// The claims of a token that says by itself who its user is, for a client without a profile endpoint.
async fn claims_of(client: &OAuth2, token: &OAuth2Token) -> Result<Option<Value>> {
    if client.endpoints().get(Endpoint::Profile).is_some() {
        return Ok(None);
    }
    for participant in client.participants() {
        if let Some(claims) = participant.claims_of(client, token).await? {
            return Ok(Some(claims));
        }
    }
    Ok(None)
}
