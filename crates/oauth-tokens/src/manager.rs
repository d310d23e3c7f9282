use std::{sync::Arc, time::Duration};

use oauth_core::{ErrorClass, OAuth2Token, OffsetDateTime, Sealer};
use tokio::time::timeout;

use crate::{
    builder::TokenManagerBuilder,
    cache::{Ending, Outcome},
    changes::Revoked,
    core::Core,
    error::Error,
    key::TokenKey,
    refresh::Why,
    state::DeadGrant,
    store::TokenStore,
    timing::Moment,
};

/// Hands out live access tokens, and does what it takes to have them.
///
/// A clone is the same manager; a process needs one for each store. Several processes that use the same store refresh each
/// key once between them.
///
/// ```
/// use std::sync::Arc;
///
/// use oauth_core::{OAuth2, Sealer, SealingKey};
/// use oauth_tokens::{MemoryStore, TokenKey, TokenManager};
///
/// # async fn f(login: oauth_core::Login) -> Result<(), Box<dyn std::error::Error>> {
/// let provider = OAuth2::new("CLIENT_ID", "CLIENT_SECRET", "https://as.example/authorize", "https://as.example/token");
/// let sealer = Sealer::new(SealingKey::from_base64("5RqPqvrbSrF4AsdeKiDfTmdKtF6HNrXAcGhIKqQZXxM=")?);
/// let tokens = TokenManager::builder(MemoryStore::new(), sealer).provider(Arc::new(provider)).build()?;
///
/// // After the login, under the identifier that the application has for its user:
/// let key = TokenKey::new("oauth2", "user-17");
/// tokens.put(&key, &login.token).await?;
///
/// // Whenever the provider's API is called, from now on for years:
/// let token = tokens.get(&key).await?;
/// println!("Authorization: Bearer {}", token.access_token());
///
/// // Before the process ends:
/// tokens.close().await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct TokenManager(pub(crate) Arc<Core>);

/// What is stored for one key.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Stored {
    /// The key.
    pub key: TokenKey,
    /// The token as it is, live or not. `None` where a machine's token was never had.
    pub token: Option<OAuth2Token>,
    /// When the access token expires, if that is known.
    pub expires_at: Option<OffsetDateTime>,
    /// Why and since when the grant is dead, if it is.
    pub dead: Option<DeadGrant>,
    /// How many refreshes have failed since one succeeded.
    pub failures: u32,
}

impl TokenManager {
    /// A manager of the tokens in this store, encrypted with these keys.
    ///
    /// All processes that use a store need the same key ring: the first key seals, all of them open, and what an older one
    /// sealed is sealed anew when it is next read.
    pub fn builder(store: impl TokenStore + 'static, sealer: Sealer) -> TokenManagerBuilder {
        TokenManagerBuilder::new(Arc::new(store), sealer)
    }

    /// A live token. Most of the time it comes from memory; when it is due, it is refreshed first.
    ///
    /// The future can be dropped at any time: what was begun is carried to its end.
    ///
    /// # Errors
    ///
    /// An [`Error`] that says why there is none; its [`class`](Error::class) says what to do.
    pub async fn get(&self, key: &TokenKey) -> Outcome {
        let now = self.0.clock.moment();
        match self.0.cache.fresh(key, now) {
            Some(outcome) => outcome.map_err(|error| *error),
            None => self.get_slowly(key, now).await,
        }
    }

    /// A live token after an API has refused one with 401 and `invalid_token` (RFC 6750 section 3.1): the one that another
    /// caller or process has got since then, or a new one.
    ///
    /// A token that is only seconds old is given back as it is: the API would refuse its successor too.
    ///
    /// # Errors
    ///
    /// An [`Error`] that says why there is none.
    pub async fn get_after_rejection(&self, key: &TokenKey, rejected: &str) -> Outcome {
        let known = self.0.cache.fresh(key, self.0.clock.moment());
        match known {
            Some(Ok(token)) if token.access_token() == rejected => {}
            Some(outcome) => return outcome.map_err(|error| *error),
            None => {}
        }
        // One that was under way may have set out before the rejection, for another reason.
        let (outcome, was_mine) = self.fly(key, || Why::Rejected(rejected.to_owned())).await;
        match outcome {
            Ok(token) if token.access_token() == rejected && !was_mine => {
                self.fly(key, || Why::Rejected(rejected.to_owned())).await.0
            }
            outcome => outcome,
        }
    }

    async fn get_slowly(&self, key: &TokenKey, now: Moment) -> Outcome {
        let Some(live) = self.0.cache.live(key, now) else { return self.fly(key, || Why::Due).await.0 };
        let health = &self.0.store_health;
        // While the store is in trouble nobody waits, or each key would have its turn to wait in vain.
        let patience = if health.is_in_trouble() { Duration::ZERO } else { self.0.timing.patience };
        let answers = health.answers();
        let outcome = match self.join_or_start(key, || Why::Due) {
            Ok((ending, true)) => match timeout(patience, landed(ending)).await {
                Ok(Some(outcome)) => outcome,
                // It goes on; the old token serves meanwhile.
                Ok(None) | Err(_) => {
                    if health.answers() == answers {
                        health.note_trouble();
                    }
                    return Ok(live);
                }
            },
            Ok((_, false)) => return Ok(live),
            Err(error) => Err(error),
        };
        match outcome {
            Err(error) if error.leaves_the_old_token_good() => Ok(live),
            outcome => outcome,
        }
    }

    /// Waits for a flight to land; whether this call started it.
    async fn fly(&self, key: &TokenKey, why: impl Fn() -> Why) -> (Outcome, bool) {
        // A flight that ended without landing fell with the runtime that it was on: another one may do better.
        for _ in 0..3 {
            let (ending, was_mine) = match self.join_or_start(key, &why) {
                Ok(flight) => flight,
                Err(error) => return (Err(error), false),
            };
            if let Some(outcome) = landed(ending).await {
                return (outcome, was_mine);
            }
        }
        (Err(Error::NoRuntime), false)
    }

    fn join_or_start(&self, key: &TokenKey, why: impl Fn() -> Why) -> Result<(Ending, bool), Error> {
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| Error::NoRuntime)?;
        let (ending, pilot) = self.0.cache.join_or_start(key);
        let Some(pilot) = pilot else { return Ok((ending, false)) };
        let ticket = self.0.tasks.begin().ok_or(Error::Closed)?;
        runtime.spawn(flight(Arc::clone(&self.0), key.clone(), why(), pilot, ticket));
        Ok((ending, true))
    }

    /// Stores the token of a login, in place of what is there: a new grant makes a dead one good.
    ///
    /// # Errors
    ///
    /// [`Error::NotSaved`] when the store does not take it.
    pub async fn put(&self, key: &TokenKey, token: &OAuth2Token) -> Result<(), Error> {
        let (core, key, token) = (Arc::clone(&self.0), key.clone(), Arc::new(token.clone()));
        self.to_the_end(async move { core.put(&key, token).await }).await
    }

    /// What is stored for a subject, at all providers. A record that cannot be read is an error of its own in the list.
    ///
    /// # Errors
    ///
    /// [`Error::Store`] when the store cannot be asked.
    pub async fn list(&self, tenant: &str, subject: &str) -> Result<Vec<Result<Stored, Error>>, Error> {
        let vault = &self.0.vault;
        let records = vault
            .store
            .list(tenant, subject)
            .await
            .map_err(|cause| Error::Store { key: TokenKey::from_parts(tenant, subject, "", ""), cause })?;
        Ok(records
            .into_iter()
            .map(|(key, record)| {
                let state = vault.open(&key, &record)?.state;
                Ok(Stored {
                    key,
                    expires_at: state.expires_at.map(crate::state::time),
                    dead: state.dead(),
                    failures: state.failures,
                    token: state.token,
                })
            })
            .collect())
    }

    /// Deletes what is stored for a key; whether there was anything. The provider is told nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Store`] when the store cannot be asked.
    pub async fn delete(&self, key: &TokenKey) -> Result<bool, Error> {
        let (core, key) = (Arc::clone(&self.0), key.clone());
        self.to_the_end(async move { core.delete(&key).await }).await
    }

    /// Revokes a key's token at the provider, then deletes it. It waits for a refresh that is under way, so that no token
    /// is left behind. If it fails, the token is still stored, and can be revoked again or deleted.
    ///
    /// # Errors
    ///
    /// [`Error::RevokeFailed`] with what the provider answered; [`Error::Store`], [`Error::Busy`], [`Error::Unreadable`]. Where
    /// the provider revokes access tokens only, it takes a live one, and there are the errors of [`get`](Self::get) too.
    pub async fn revoke(&self, key: &TokenKey) -> Result<Revoked, Error> {
        let (manager, key) = (self.clone(), key.clone());
        self.to_the_end(async move {
            let source = manager.0.sources.get(key.provider());
            match source.is_some_and(|source| source.tokens.revokes_by_access_token()) {
                true => manager.revoke_by_access_token(&key).await,
                false => manager.0.revoke(&key).await,
            }
        })
        .await
    }

    /// The same where an expired access token ends nothing, because the refresh token lives on.
    async fn revoke_by_access_token(&self, key: &TokenKey) -> Result<Revoked, Error> {
        let live = match self.get(key).await {
            Ok(token) => Some(token),
            // There is nothing that could live on, or it is not in the store.
            Err(Error::NotFound { .. } | Error::Dead { .. } | Error::NotSaved { .. }) => None,
            Err(error) => return Err(error),
        };
        match (self.0.revoke(key).await, live) {
            // Whether the refresh token is dead too is seen when it is redeemed.
            (Err(Error::RevokeFailed { cause, .. }), Some(token))
                if cause.class() == ErrorClass::Reauthorize =>
            {
                let _ = self.get_after_rejection(key, token.access_token()).await;
                self.0.revoke(key).await
            }
            (outcome, _) => outcome,
        }
    }

    /// Does something whole, even if the caller is dropped, and a shutdown waits for it.
    async fn to_the_end<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| Error::NoRuntime)?;
        // After the shutdown it still works, and nobody waits for it.
        let ticket = self.0.tasks.begin();
        let task = runtime.spawn(async move {
            let _ticket = ticket;
            work.await
        });
        task.await.unwrap_or(Err(Error::NoRuntime))
    }

    /// Begins no more refreshes, and waits for those that are under way: call it before the process ends.
    ///
    /// Tokens that are live are still handed out from memory. What comes back is empty unless the store was down to the end:
    /// then it holds [`Error::NotSaved`] for each new token that nobody else knows.
    pub async fn close(&self) -> Vec<Error> {
        self.0.tasks.close().await;
        self.0.unsaved().iter().map(|(key, unsaved)| unsaved.error(key)).collect()
    }
}

/// How a flight landed; `None` if it ended otherwise.
async fn landed(mut ending: Ending) -> Option<Outcome> {
    let landed = ending.wait_for(Option::is_some).await.ok()?;
    landed.clone()
}

/// A flight in a span of its own, where spans are wanted.
#[cfg(feature = "tracing")]
async fn flight(
    core: Arc<Core>,
    key: TokenKey,
    why: Why,
    pilot: crate::cache::Pilot,
    ticket: crate::tasks::Ticket,
) {
    use tracing::Instrument;

    let span = tracing::info_span!(
        "oauth_tokens.refresh",
        provider = key.provider(),
        tenant = key.tenant(),
        subject = key.subject(),
        label = key.label(),
        outcome = tracing::field::Empty,
    );
    core.fly(key, why, pilot, ticket).instrument(span).await;
}

#[cfg(not(feature = "tracing"))]
async fn flight(
    core: Arc<Core>,
    key: TokenKey,
    why: Why,
    pilot: crate::cache::Pilot,
    ticket: crate::tasks::Ticket,
) {
    core.fly(key, why, pilot, ticket).await;
}
