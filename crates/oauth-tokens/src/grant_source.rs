//! A grant of any kind as a source.

use std::{fmt, future::Future, pin::Pin, sync::Arc};

use oauth_core::{OAuth2, OAuth2Token, Result, async_trait};

use crate::{key::TokenKey, source::TokenSource};

/// Obtains each token by a function, anew whenever it expires: for a grant without a refresh token that has no source of its own, such as
/// a vendor's installation tokens.
///
/// ```
/// use oauth_core::{OAuth2, Operation};
/// use oauth_tokens::{GrantSource, TokenKey};
///
/// # fn f(zoom: OAuth2) {
/// // Each key's subject is an account, for which Zoom gives out a token by a grant of its own.
/// let source = GrantSource::new(zoom.clone(), move |key: TokenKey| {
///     let zoom = zoom.clone();
///     async move {
///         let form = [("grant_type", "account_credentials"), ("account_id", key.subject())];
///         zoom.request_token(Operation::new("get_account_token"), zoom.endpoints().token(), form).await
///     }
/// });
/// # }
/// ```
#[derive(Clone)]
pub struct GrantSource {
    client: OAuth2,
    obtain: Arc<Obtain>,
}

type Obtain = dyn Fn(TokenKey) -> Pin<Box<dyn Future<Output = Result<OAuth2Token>> + Send>> + Send + Sync;

impl GrantSource {
    /// A source of tokens that this function obtains for this client, whose name is that of the keys' provider.
    #[must_use]
    pub fn new<F, R>(client: OAuth2, obtain: F) -> Self
    where
        F: Fn(TokenKey) -> R + Send + Sync + 'static,
        R: Future<Output = Result<OAuth2Token>> + Send + 'static,
    {
        Self { client, obtain: Arc::new(move |key| Box::pin(obtain(key))) }
    }
}

#[async_trait]
impl TokenSource for GrantSource {
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
        (self.obtain)(key.clone()).await
    }

    async fn revoke(&self, _key: &TokenKey, token: &OAuth2Token) -> Result<()> {
        self.client.revoke_token(token.access_token(), Some("access_token")).await
    }
}

impl fmt::Debug for GrantSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GrantSource").field("client", &self.client).finish_non_exhaustive()
    }
}
