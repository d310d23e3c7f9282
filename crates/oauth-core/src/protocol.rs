use std::{any::Any, fmt};

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::Value;

use crate::{
    OAuth2,
    authorization::AuthorizationParams,
    client_auth::{AuthenticationError, RequestContext},
    draft::RequestDraft,
    error::{Operation, Result},
    identity::Identity,
    login::{Callback, Login, LoginAttempt},
    token::OAuth2Token,
};

/// Takes part in a client's procedures and requests: a protocol on top of OAuth 2.0, a sender constraint, or whatever an
/// application adds.
///
/// OpenID Connect is one, in `oauth-openid`: it knows endpoints from discovery and verifies ID tokens. A proof of possession such
/// as DPoP (RFC 9449) is another: it signs each request in [`before_send`](Self::before_send), and learns the server's nonce in
/// [`after_reply`](Self::after_reply). A client asks those that were added with [`OAuth2::add_participant`] in their order, so that
/// provider crates need not. All methods have a default that does nothing.
#[async_trait]
pub trait Participant: Any + fmt::Debug + Send + Sync {
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

    /// Whether it verifies ID tokens, so that what they say can be relied on.
    fn verifies_id_tokens(&self) -> bool {
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

    /// Who the user of a token is by the token alone, for a client without a profile endpoint; `None` if this is not the
    /// participant to say.
    ///
    /// # Errors
    ///
    /// An unsupported-operation error when the token does not tell; else any [`Error`](crate::Error).
    async fn claims_of(&self, _client: &OAuth2, _token: &OAuth2Token) -> Result<Option<Value>> {
        Ok(None)
    }

    /// Under which issuer the user of a token is known, where it is not the client's: that of the user's own tenant.
    ///
    /// # Errors
    ///
    /// An unsupported-operation error when the token does not tell; else any [`Error`](crate::Error).
    async fn issuer_of(&self, _client: &OAuth2, _token: &OAuth2Token) -> Result<Option<String>> {
        Ok(None)
    }

    /// Reads the user's profile in a way of its own; `None` for the JSON at the client's profile endpoint.
    ///
    /// # Errors
    ///
    /// Any [`Error`](crate::Error).
    async fn get_profile(&self, _client: &OAuth2, _access_token: &str) -> Result<Option<Value>> {
        Ok(None)
    }

    /// Checks that a profile belongs to the user of a token.
    ///
    /// # Errors
    ///
    /// An error that says what differs; the profile is then not handed out.
    fn check_profile(&self, _client: &OAuth2, _token: &OAuth2Token, _profile: &Value) -> Result<()> {
        Ok(())
    }

    /// Reads and changes the parameters of an authorization request before they become a URL. It may send them (RFC 9126) or sign
    /// them (RFC 9101), and put what stands for them in their place.
    ///
    /// # Errors
    ///
    /// Any [`Error`](crate::Error).
    async fn authorize(&self, _client: &OAuth2, _params: &mut AuthorizationParams) -> Result<()> {
        Ok(())
    }

    /// Completes a request before it is sent, after client authentication: with a proof, a header, a field.
    ///
    /// # Errors
    ///
    /// Whatever keeps it from doing so; the request is then not sent. The error must show no secret.
    async fn before_send(
        &self,
        _context: &RequestContext<'_>,
        _request: &mut RequestDraft,
    ) -> Result<(), AuthenticationError> {
        Ok(())
    }

    /// Sees what the server answered to a request, and can have it sent once more.
    ///
    /// Only where the server says that it refused the request before it did anything, as with a nonce for DPoP (RFC 9449 section
    /// 8): a code and a refresh token are good for one request.
    async fn after_reply(
        &self,
        _context: &RequestContext<'_>,
        _request: &RequestDraft,
        _reply: &http::Response<Bytes>,
    ) -> AfterReply {
        AfterReply::Done
    }

    /// Whether it makes tokens of this type usable, such as `DPoP`. Without one that does, only bearer tokens are.
    fn presents(&self, _token_type: &str) -> bool {
        false
    }

    /// Sees each new token before it is handed out: it can note what the token is bound to, with
    /// [`OAuth2Token::with_confirmation`], so that this travels with the token.
    ///
    /// # Errors
    ///
    /// An error that says what is wrong with the token.
    fn check_new_token(&self, _client: &OAuth2, _token: &mut OAuth2Token) -> Result<()> {
        Ok(())
    }

    /// Checks that a whole token can be used here, before it is refreshed or a profile is read with it: that it is bound to the key
    /// that this participant has.
    ///
    /// # Errors
    ///
    /// An error that says why not.
    fn check_use(&self, _client: &OAuth2, _token: &OAuth2Token) -> Result<()> {
        Ok(())
    }
}

/// What becomes of a request that was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AfterReply {
    /// The answer counts.
    Done,
    /// The request is sent once more; a second time it is not.
    SendAgain,
}
