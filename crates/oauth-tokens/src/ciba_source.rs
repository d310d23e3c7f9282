//! Tokens that a user allows on a device of the user's own (CIBA).

use std::{fmt, sync::Arc};

use oauth_core::{
    ErrorClass, ErrorKind, OAuth2, OAuth2Token, Provider, Result, SecretSourceError, async_trait,
};
use oauth_fapi::{Ciba, CibaRequest, START_CIBA, Signer};

use crate::{key::TokenKey, source::TokenSource};

/// Client-initiated backchannel authentication (CIBA) as a source: while there is a refresh token, it is redeemed; without one, the user
/// is asked.
///
/// A call that has the user asked waits for the answer, for as long as the manager's
/// [`request_limit`](crate::TokenManagerBuilder::request_limit) allows, which is 40 seconds unless it is set. All who want the token
/// meanwhile wait for that one answer. After a refusal the manager waits as after any other failure, and the next call asks the user again:
/// where that could annoy somebody, start the authentication yourself, by [`Ciba`], and [put](crate::TokenManager::put) what it gives. The
/// manager does not check who agreed against its key: the hint names the user, and the provider asks no other.
///
/// A refresh token that the provider replaces at each use is redeemed without the mark that the grants of logins have, because it can be
/// replaced without a login: should the process end between the provider's answer and its being saved, the next call has the user asked
/// once more.
///
/// ```
/// use std::{sync::Arc, time::Duration};
///
/// use oauth_core::{Provider, Sealer};
/// use oauth_fapi::CibaRequest;
/// use oauth_tokens::{CibaSource, TokenKey, TokenManager, TokenStore};
///
/// # fn f(bank: Arc<dyn Provider>, store: impl TokenStore + 'static, sealer: Sealer) -> oauth_core::Result<()> {
/// let source = CibaSource::new(bank, |key: &TokenKey| Ok(CibaRequest::for_login_hint(key.subject())));
/// let tokens = TokenManager::builder(store, sealer).source(source).request_limit(Duration::from_secs(180)).build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct CibaSource {
    provider: Arc<dyn Provider>,
    requests: Arc<CibaRequests>,
    signer: Option<Arc<dyn Signer>>,
}

type CibaRequests = dyn Fn(&TokenKey) -> Result<CibaRequest, SecretSourceError> + Send + Sync;

impl CibaSource {
    /// A source that asks the user whom the request of a key names.
    #[must_use]
    pub fn new(
        provider: Arc<dyn Provider>,
        requests: impl Fn(&TokenKey) -> Result<CibaRequest, SecretSourceError> + Send + Sync + 'static,
    ) -> Self {
        Self { provider, requests: Arc::new(requests), signer: None }
    }

    /// Signs each request.
    #[must_use]
    pub fn signed_by(mut self, signer: Arc<dyn Signer>) -> Self {
        self.signer = Some(signer);
        self
    }

    async fn ask(&self, key: &TokenKey) -> Result<OAuth2Token> {
        let request = (self.requests)(key).map_err(|cause| {
            let problem = format!("nobody says whom to ask: {cause}");
            self.provider.oauth2().error(START_CIBA, ErrorKind::Configuration(problem))
        })?;
        let mut ciba = Ciba::new(&*self.provider);
        if let Some(signer) = &self.signer {
            ciba = ciba.signed_by(signer.clone());
        }
        let attempt = ciba.start(&request).await?;
        Ok(ciba.finish(&attempt).await?.token)
    }
}

#[async_trait]
impl TokenSource for CibaSource {
    fn name(&self) -> &str {
        self.provider.name()
    }

    fn client_id(&self, _key: &TokenKey) -> Option<&str> {
        Some(self.provider.oauth2().client_id())
    }

    fn client(&self, _key: &TokenKey) -> Option<&OAuth2> {
        Some(self.provider.oauth2())
    }

    fn needs_login(&self, _key: &TokenKey) -> bool {
        false
    }

    async fn obtain(&self, key: &TokenKey, previous: Option<&OAuth2Token>) -> Result<OAuth2Token> {
        let Some(token) = previous.filter(|token| token.refresh_token().is_some()) else {
            return self.ask(key).await;
        };
        match self.provider.refresh(token, None).await {
            Err(error) if error.class() == ErrorClass::Reauthorize => self.ask(key).await,
            refreshed => refreshed,
        }
    }

    async fn revoke(&self, _key: &TokenKey, token: &OAuth2Token) -> Result<()> {
        self.provider.revoke(token).await
    }
}

impl fmt::Debug for CibaSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CibaSource").field("provider", &self.provider.name()).finish_non_exhaustive()
    }
}
