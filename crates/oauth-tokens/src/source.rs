//! Token sources: where new tokens come from.

use std::{fmt, sync::Arc};

use oauth_core::{OAuth2Token, Provider, Result, async_trait};

use crate::key::TokenKey;

/// Obtains new tokens for the keys of one provider.
///
/// Every [`Provider`] becomes a source by [`TokenManagerBuilder::provider`](crate::TokenManagerBuilder::provider):
/// it redeems refresh tokens. [`ClientCredentials`](crate::ClientCredentials) and [`JwtBearer`](crate::JwtBearer) are
/// sources for machines. The manager makes one request at a time for each key, and saves its result.
#[async_trait]
pub trait TokenSource: fmt::Debug + Send + Sync {
    /// Returns the provider's name, as it appears in the keys.
    fn name(&self) -> &str;

    /// Returns the client id that tokens are obtained with, if there is one. A later login keeps a stored refresh token only if
    /// that was issued to the same client.
    fn client_id(&self) -> Option<&str> {
        None
    }

    /// Whether the source needs the token of a login, whose refresh token can be redeemed only once. Other sources obtain a
    /// token whenever they are asked.
    fn needs_login(&self) -> bool;

    /// Whether the source can replace this token without its user.
    fn can_replace(&self, token: &OAuth2Token) -> bool {
        !self.needs_login() || token.refresh_token().is_some()
    }

    /// Obtains the successor of a token, or the first one.
    ///
    /// # Errors
    ///
    /// Any [`oauth_core::Error`]; its class decides what happens to the grant.
    async fn obtain(&self, key: &TokenKey, previous: Option<&OAuth2Token>) -> Result<OAuth2Token>;

    /// Whether revoking takes a live access token, even while the refresh token is still valid.
    fn revokes_by_access_token(&self) -> bool {
        false
    }

    /// Revokes a token, and with it the grant where the provider does so.
    ///
    /// # Errors
    ///
    /// An unsupported-operation error where the provider cannot revoke; else any [`oauth_core::Error`].
    async fn revoke(&self, token: &OAuth2Token) -> Result<()>;
}

/// Redeems refresh tokens at a provider (RFC 6749 section 6).
#[derive(Clone, Debug)]
pub(crate) struct Refreshing(pub(crate) Arc<dyn Provider>);

#[async_trait]
impl TokenSource for Refreshing {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn client_id(&self) -> Option<&str> {
        Some(self.0.oauth2().client_id())
    }

    fn needs_login(&self) -> bool {
        true
    }

    async fn obtain(&self, _key: &TokenKey, previous: Option<&OAuth2Token>) -> Result<OAuth2Token> {
        // The manager does not ask without one; a bare token makes the provider say what is missing.
        match previous {
            Some(token) => self.0.refresh(token, None).await,
            None => self.0.refresh(&OAuth2Token::new(""), None).await,
        }
    }

    fn revokes_by_access_token(&self) -> bool {
        self.0.oauth2().spec().revokes_access_tokens_only
    }

    async fn revoke(&self, token: &OAuth2Token) -> Result<()> {
        self.0.revoke(token).await
    }
}
