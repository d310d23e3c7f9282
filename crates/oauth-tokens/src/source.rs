//! Where new tokens come from.

use std::{fmt, sync::Arc};

use oauth_core::{OAuth2Token, Provider, Result, async_trait};

use crate::key::TokenKey;

/// Gets new tokens for the keys of one provider.
///
/// Every [`Provider`] becomes one by [`TokenManagerBuilder::provider`](crate::TokenManagerBuilder::provider):
/// it redeems refresh tokens. [`ClientCredentials`](crate::ClientCredentials) and [`JwtBearer`](crate::JwtBearer) are
/// others, for machines. The manager sees to it that one request is made at a time, and that its result is saved.
#[async_trait]
pub trait TokenSource: fmt::Debug + Send + Sync {
    /// The provider's name, as it stands in the keys.
    fn name(&self) -> &str;

    /// Whether a token must be there already, from a login, and can be redeemed once only. Otherwise the source makes a token
    /// from nothing, as often as it is asked.
    fn needs_login(&self) -> bool;

    /// Whether the source can replace this token without its user.
    fn can_replace(&self, token: &OAuth2Token) -> bool {
        !self.needs_login() || token.refresh_token().is_some()
    }

    /// Gets the successor of a token, or the first one.
    ///
    /// # Errors
    ///
    /// Any [`oauth_core::Error`]; its class decides what becomes of the grant.
    async fn obtain(&self, key: &TokenKey, previous: Option<&OAuth2Token>) -> Result<OAuth2Token>;

    /// Whether it takes a live access token to revoke a token, whatever the refresh token is good for.
    fn revokes_by_access_token(&self) -> bool {
        false
    }

    /// Makes a token, and with it the grant where the provider has it so, worthless.
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
