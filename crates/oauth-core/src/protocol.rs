use std::{any::Any, fmt};

use async_trait::async_trait;
use serde_json::Value;

use crate::{
    OAuth2,
    error::{Operation, Result},
    identity::Identity,
    login::{Callback, Login, LoginAttempt},
    token::OAuth2Token,
};

/// What a protocol on top of OAuth 2.0 adds to the procedures of the generic client.
///
/// OpenID Connect is the one there is, in `oauth-openid`: it knows endpoints from discovery and verifies ID tokens. A client
/// that was given one with [`OAuth2::set_protocol`] asks it in each procedure, so that provider crates need not.
#[async_trait]
pub trait Protocol: Any + fmt::Debug + Send + Sync {
    /// The client with all that must be known before something can be sent, such as endpoints from discovery.
    ///
    /// # Errors
    ///
    /// Any [`Error`](crate::Error).
    async fn ready(&self, client: &OAuth2) -> Result<OAuth2> {
        Ok(client.clone())
    }

    /// Adds to an attempt what its end will be checked against.
    ///
    /// # Errors
    ///
    /// A configuration error when no login of this client could succeed.
    fn begin(&self, _client: &OAuth2, attempt: LoginAttempt) -> Result<LoginAttempt> {
        Ok(attempt)
    }

    /// Whether sign-ins are restricted by what an ID token says of the user, so that a bare access token tells nobody's
    /// identity.
    ///
    /// # Errors
    ///
    /// A configuration error while nobody has said who may sign in.
    fn restricts(&self, _client: &OAuth2) -> Result<bool> {
        Ok(false)
    }

    /// What the protocol accepts, as text: a login that began under something else does not end here.
    fn accepted(&self) -> String {
        String::new()
    }

    /// Whether the end of this attempt tells when the user was authenticated, so that `prompt=login` can be checked.
    fn checks_prompt_login(&self, _attempt: &LoginAttempt) -> bool {
        false
    }

    /// The claims of a token's ID token, which is verified for this; `None` when the token has none. It may have expired: who
    /// the user is does not.
    ///
    /// # Errors
    ///
    /// An error that says which check failed, or any error of reading the keys.
    async fn verified_claims(
        &self,
        _client: &OAuth2,
        _operation: Operation,
        _token: &OAuth2Token,
    ) -> Result<Option<Value>> {
        Ok(None)
    }

    /// Whether a callback may name this issuer, where a provider's tenants have issuers of their own. `None` leaves it to the
    /// client: byte for byte its own (RFC 9207 section 2.4).
    fn accepts_issuer(&self, _client: &OAuth2, _issuer: &str) -> Option<bool> {
        None
    }

    /// Checks what came with a code by way of the browser. It runs before anything is sent.
    ///
    /// # Errors
    ///
    /// An error that says which check failed.
    async fn check_callback(
        &self,
        _client: &OAuth2,
        _attempt: &LoginAttempt,
        _callback: &Callback,
    ) -> Result<()> {
        Ok(())
    }

    /// Checks the tokens that a login ended with, and adds to the login what it learned from them.
    ///
    /// # Errors
    ///
    /// An error that says which check failed; the tokens are then not handed out.
    async fn check_login(
        &self,
        _client: &OAuth2,
        _attempt: &LoginAttempt,
        _callback: &Callback,
        _login: &mut Login,
    ) -> Result<()> {
        Ok(())
    }

    /// Completes the identity in what a login learned with what only the provider's crate knows: its
    /// [`complete_identity`](crate::Provider::complete_identity). It runs after the protocol's checks.
    fn complete_login(&self, _complete: &dyn Fn(&mut Identity), _login: &mut Login) {}

    /// Checks the tokens of a refresh. What could not be checked for a passing reason is taken out of them, because the
    /// refresh token that they replace is spent.
    ///
    /// # Errors
    ///
    /// An error that says which check failed; the tokens are then not handed out.
    async fn check_refresh(&self, _client: &OAuth2, _token: &mut OAuth2Token) -> Result<()> {
        Ok(())
    }

    /// Checks that the tokens of a refresh belong to the user of the tokens that they replace.
    ///
    /// # Errors
    ///
    /// An error that says which check failed; the new tokens are then not handed out.
    fn check_successor(&self, _client: &OAuth2, _old: &OAuth2Token, _new: &OAuth2Token) -> Result<()> {
        Ok(())
    }

    /// Who the user of a token is by the token alone, for a client without a profile endpoint.
    ///
    /// # Errors
    ///
    /// An unsupported-operation error when the token does not tell; else any [`Error`](crate::Error).
    async fn claims_of(&self, client: &OAuth2, _token: &OAuth2Token) -> Result<Value> {
        client.profile_endpoint().map(|_| Value::Null)
    }

    /// Under which issuer the user of a token is known, where it is not the client's: that of the user's own tenant.
    ///
    /// # Errors
    ///
    /// An unsupported-operation error when the token does not tell; else any [`Error`](crate::Error).
    async fn issuer_of(&self, _client: &OAuth2, _token: &OAuth2Token) -> Result<Option<String>> {
        Ok(None)
    }

    /// Reads the user's profile at the client's profile endpoint.
    ///
    /// # Errors
    ///
    /// Any [`Error`](crate::Error).
    async fn get_profile(&self, client: &OAuth2, access_token: &str) -> Result<Value> {
        client.read_profile(access_token).await
    }

    /// Checks that a profile belongs to the user of a token.
    ///
    /// # Errors
    ///
    /// An error that says what differs; the profile is then not handed out.
    fn check_profile(&self, _client: &OAuth2, _token: &OAuth2Token, _profile: &Value) -> Result<()> {
        Ok(())
    }
}
