//! Tokens that are exchanged for others (RFC 8693).

use std::{fmt, sync::Arc, time::Duration};

use oauth_core::{
    Error, ErrorClass, ErrorKind, HttpError, HttpErrorKind, LoginError, OAuth2, OAuth2Token, OAuthError,
    Result, SecretSourceError, async_trait,
};
use oauth_fapi::{EXCHANGE_TOKEN, TokenExchange, TokenType};

use crate::{
    access_token_request::AccessTokenRequest, key::TokenKey, manager::TokenManager, source::TokenSource,
};

/// The token exchange grant (RFC 8693): a service calls another one on behalf of whoever called it.
///
/// Each key has a token of its own, so make the key's subject or label tell apart what the tokens are for: with a key for each user, one
/// for each user. [`TokenExchange::fingerprint`] is a label for tokens that come from outside. An exchanged token has no refresh token as a
/// rule; when it expires, a new exchange is made.
///
/// An [`AccessTokenRequest`] that names a resource or an audience takes the place of all resources and audiences of the source, as its
/// scopes take the place of the source's scopes: the token is for what was asked for, and for nothing else.
///
/// Where the grant of the token that is exchanged is dead, the error has the class [`Reauthorize`](ErrorClass::Reauthorize): its user must
/// sign in again.
///
/// ```
/// use oauth_core::OAuth2;
/// use oauth_tokens::{TokenExchangeSource, TokenKey, TokenManager};
///
/// # fn f(client: OAuth2, logins: TokenManager) {
/// // The user's own token, which another manager keeps alive, for one that the order service accepts.
/// let source = TokenExchangeSource::of_tokens(client, logins, |key| TokenKey::new("corp", key.subject()))
///     .with_exchange(|exchange| exchange.with_audience("https://orders.example"));
/// # }
/// ```
#[derive(Clone)]
pub struct TokenExchangeSource {
    client: OAuth2,
    exchanges: Arc<dyn ExchangeRequests>,
    change: Option<Arc<dyn Fn(TokenExchange) -> TokenExchange + Send + Sync>>,
    lifetime: Option<Duration>,
}

/// Says what is exchanged for a key's token. A closure that returns a [`TokenExchange`] does.
#[async_trait]
pub trait ExchangeRequests: Send + Sync {
    /// Returns the request by which the token of this key is obtained.
    ///
    /// # Errors
    ///
    /// Whatever keeps the token that is given from being known. It must show no token. An [`Error`] keeps its class, and what may pass by
    /// the class of a [manager's error](crate::TokenError) may pass here.
    async fn exchange(&self, key: &TokenKey) -> Result<TokenExchange, SecretSourceError>;
}

#[async_trait]
impl<F> ExchangeRequests for F
where
    F: Fn(&TokenKey) -> Result<TokenExchange, SecretSourceError> + Send + Sync,
{
    async fn exchange(&self, key: &TokenKey) -> Result<TokenExchange, SecretSourceError> {
        self(key)
    }
}

/// The access tokens of another manager's keys.
struct OfTokens<K> {
    tokens: TokenManager,
    key_of: K,
}

#[async_trait]
impl<K: Fn(&TokenKey) -> TokenKey + Send + Sync> ExchangeRequests for OfTokens<K> {
    async fn exchange(&self, key: &TokenKey) -> Result<TokenExchange, SecretSourceError> {
        let token = self.tokens.get(&(self.key_of)(key)).await?;
        Ok(TokenExchange::new(token.access_token(), TokenType::AccessToken))
    }
}

impl TokenExchangeSource {
    /// A source that sends what is returned for each key to this client's token endpoint.
    #[must_use]
    pub fn new(client: OAuth2, exchanges: impl ExchangeRequests + 'static) -> Self {
        Self { client, exchanges: Arc::new(exchanges), change: None, lifetime: None }
    }

    /// A source that exchanges the access tokens of another manager, or of other keys of the same one.
    #[must_use]
    pub fn of_tokens(
        client: OAuth2,
        tokens: TokenManager,
        key_of: impl Fn(&TokenKey) -> TokenKey + Send + Sync + 'static,
    ) -> Self {
        Self::new(client, OfTokens { tokens, key_of })
    }

    /// Completes each request, with an audience, a resource, an actor.
    #[must_use]
    pub fn with_exchange(
        mut self,
        change: impl Fn(TokenExchange) -> TokenExchange + Send + Sync + 'static,
    ) -> Self {
        self.change = Some(Arc::new(change));
        self
    }

    /// Says how long tokens live of which the server does not say it.
    #[must_use]
    pub fn with_lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = Some(lifetime);
        self
    }

    async fn send(&self, key: &TokenKey, wanted: &AccessTokenRequest) -> Result<OAuth2Token> {
        let exchange = self.exchanges.exchange(key).await.map_err(|cause| self.unknown(cause))?;
        let mut exchange = match &self.change {
            Some(change) => change(exchange),
            None => exchange,
        };
        // A token for more than was asked for would be sent to an API that has no business with the rest.
        if !wanted.resources().is_empty() || wanted.audience().is_some() {
            exchange = exchange.without_targets();
        }
        for (name, value) in wanted.parameters() {
            exchange = match name {
                "resource" => exchange.with_resource(value),
                "audience" => exchange.with_audience(value),
                _ => exchange.with_parameter(name, value),
            };
        }
        if !wanted.scopes().is_empty() {
            exchange = exchange.with_scopes(wanted.scopes());
        }
        let token = exchange.send(&self.client).await?.into_access_token()?;
        Ok(match self.lifetime {
            Some(lifetime) => token.or_lifetime(lifetime),
            None => token,
        })
    }

    fn unknown(&self, cause: SecretSourceError) -> Error {
        let cause = match cause.downcast::<Error>() {
            Ok(error) => return error.during(EXCHANGE_TOKEN),
            Err(cause) => cause,
        };
        let problem = format!("the token to exchange is not known: {cause}");
        // Where the other manager's provider or store is down, it may be there the next time.
        let of_manager = cause.downcast_ref::<crate::error::TokenError>();
        let kind = match of_manager.map(crate::error::TokenError::class) {
            Some(ErrorClass::Transient { .. }) => {
                ErrorKind::Transport(HttpError::new(HttpErrorKind::Other).caused_by(problem))
            }
            // Only its user can mend that, by signing in.
            Some(ErrorClass::Reauthorize) => ErrorKind::Login(LoginError::Refused(OAuthError {
                code: "login_required".to_owned(),
                description: Some(problem),
                uri: None,
            })),
            _ => ErrorKind::Configuration(problem),
        };
        self.client.error(EXCHANGE_TOKEN, kind)
    }
}

#[async_trait]
impl TokenSource for TokenExchangeSource {
    fn name(&self) -> &str {
        self.client.name()
    }

    fn client(&self, _key: &TokenKey) -> Option<&OAuth2> {
        Some(&self.client)
    }

    fn needs_login(&self, _key: &TokenKey) -> bool {
        false
    }

    async fn obtain(&self, key: &TokenKey, _previous: Option<&OAuth2Token>) -> Result<OAuth2Token> {
        self.send(key, &AccessTokenRequest::new()).await
    }

    async fn obtain_for(
        &self,
        key: &TokenKey,
        _previous: Option<&OAuth2Token>,
        request: &AccessTokenRequest,
    ) -> Result<OAuth2Token> {
        self.send(key, request).await
    }

    async fn revoke(&self, _key: &TokenKey, token: &OAuth2Token) -> Result<()> {
        self.client.revoke_token(token.access_token(), Some("access_token")).await
    }
}

impl fmt::Debug for TokenExchangeSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenExchangeSource")
            .field("client", &self.client)
            .field("lifetime", &self.lifetime)
            .finish_non_exhaustive()
    }
}
