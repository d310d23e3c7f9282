//! Marking grants dead because the application knows that they are of no use any more: a vendor's server said so, say.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use oauth_core::{OAuth2Token, OffsetDateTime};

use crate::{
    batch::{Batch, BatchOptions},
    cache::Learned,
    calendar::time,
    error::TokenError,
    event::Outcome,
    inventory::Filter,
    key::TokenKey,
    manager::TokenManager,
    shared::SharedState,
    state::{DeadGrant, DeadReason, TokenState},
    store::{Expected, Lease, Saved},
    timing::pause,
};

type IsMeant = dyn Fn(&OAuth2Token) -> bool + Send + Sync;

/// Why grants are marked dead, and which of them.
///
/// ```
/// use oauth_core::Signal;
/// use oauth_tokens::DeadMark;
///
/// fn by(signal: &Signal) -> DeadMark {
///     let mark = DeadMark::new(signal.event.name());
///     match signal.at {
///         // Who has signed in again since then keeps the new grant.
///         Some(at) => mark.obtained_until(at),
///         None => mark,
///     }
/// }
/// ```
#[derive(Clone)]
#[must_use]
pub struct DeadMark {
    reason: String,
    obtained_until: Option<OffsetDateTime>,
    is_meant: Option<Arc<IsMeant>>,
}

impl DeadMark {
    /// Marks grants dead for this reason, such as `consent_revoked`: it is stored with the grant, and shown in errors and events.
    pub fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), obtained_until: None, is_meant: None }
    }

    /// Marks only grants whose token was obtained until then, by the clock of the process that obtained it. A later token shows that the
    /// user has signed in again, or that the provider still accepted the grant.
    pub fn obtained_until(mut self, at: OffsetDateTime) -> Self {
        self.obtained_until = Some(at);
        self
    }

    /// Marks only grants whose token this function knows, such as the one that a
    /// [`TokenIdentifier`](oauth_core::TokenIdentifier) names.
    pub fn of_token(mut self, is_meant: impl Fn(&OAuth2Token) -> bool + Send + Sync + 'static) -> Self {
        self.is_meant = Some(Arc::new(is_meant));
        self
    }

    fn applies_to(&self, state: &TokenState) -> bool {
        let Some(token) = state.token.as_ref().filter(|_| state.dead.is_none()) else { return false };
        self.obtained_until.is_none_or(|at| state.obtained_at <= at.unix_timestamp())
            && self.is_meant.as_ref().is_none_or(|is_meant| is_meant(token))
    }
}

impl fmt::Debug for DeadMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadMark")
            .field("reason", &self.reason)
            .field("obtained_until", &self.obtained_until)
            .finish_non_exhaustive()
    }
}

impl TokenManager {
    /// Marks a grant dead without asking the provider, and says whether it was alive: from then on [`get`](Self::get) returns
    /// [`TokenError::Dead`] with [`DeadReason::MarkedDead`], until a login replaces the grant or [`revive`](Self::revive) gives it another chance.
    ///
    /// It waits for a refresh that is under way. Other processes serve an access token that they have in memory until it is due, or until
    /// [`get_after_rejection`](Self::get_after_rejection).
    ///
    /// # Errors
    ///
    /// [`TokenError::Store`], [`TokenError::Busy`], [`TokenError::Unreadable`]. A key that holds nothing is not an error: the result is `false`.
    pub async fn mark_dead(&self, key: &TokenKey, mark: &DeadMark) -> Result<bool, TokenError> {
        let (shared, key, mark) = (Arc::clone(&self.0), key.clone(), mark.clone());
        self.to_the_end(async move { shared.mark_dead(&key, &mark).await }).await
    }

    /// Marks every grant dead that meets the filter and the conditions of the mark, as [`mark_dead`](Self::mark_dead) does. In the result,
    /// [`done`](Batch::done) says how many were marked. With [`of_token`](DeadMark::of_token), records that cannot be opened are counted as
    /// [`unreadable`](Batch::unreadable) and are not an error.
    ///
    /// # Errors
    ///
    /// [`TokenError::Search`] when the store does not answer or refuses, or cannot be searched; [`TokenError::NoRuntime`].
    pub async fn mark_all_dead(
        &self,
        filter: &Filter,
        mark: &DeadMark,
        options: &BatchOptions,
    ) -> Result<Batch, TokenError> {
        let (marked, unreadable) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let counted = (Arc::clone(&marked), Arc::clone(&unreadable));
        let mark = mark.clone();
        let batch = self
            .batch(filter, options, move |manager, key| {
                let (mark, (marked, unreadable)) = (mark.clone(), counted.clone());
                async move {
                    match manager.mark_dead(&key, &mark).await {
                        Ok(was_alive) => _ = marked.fetch_add(was_alive.into(), Ordering::Relaxed),
                        // One record that does not open must not keep a vendor sending its message for ever.
                        Err(TokenError::Unreadable { .. }) if mark.is_meant.is_some() => {
                            unreadable.fetch_add(1, Ordering::Relaxed);
                        }
                        Err(error) => return Err(error),
                    }
                    Ok(())
                }
            })
            .await?;
        let (done, unreadable) = (marked.load(Ordering::Relaxed), unreadable.load(Ordering::Relaxed));
        Ok(Batch { done, unreadable, left: batch.failed, ..batch })
    }
}

impl SharedState {
    async fn mark_dead(&self, key: &TokenKey, mark: &DeadMark) -> Result<bool, TokenError> {
        // Most keys of a search are not meant, and need no lease. A token that is not even saved is looked at under the lease.
        if !self.unsaved.contains(key) {
            let applies = self.store.load(key).await?.is_some_and(|found| mark.applies_to(&found.state));
            if !applies {
                return Ok(false);
            }
        }
        let began = self.runtime.now();
        let lease = self.lease(key).await?;
        let outcome = self.under(key, Some(&lease), self.mark_under_lease(key, mark, &lease)).await;
        self.return_lease(key, lease).await;
        let grant = outcome?;
        if let Some(grant) = &grant {
            self.observers.notify(key, Outcome::Dead(grant.clone()), self.elapsed(began));
        }
        Ok(grant.is_some())
    }

    async fn mark_under_lease(
        &self,
        key: &TokenKey,
        mark: &DeadMark,
        lease: &Lease,
    ) -> Result<Option<DeadGrant>, TokenError> {
        self.try_to_save_unsaved(key).await;
        if let Some(unsaved) = self.unsaved.get(key) {
            return Err(TokenError::Store { key: key.clone(), cause: unsaved.cause });
        }
        let mut waited = Duration::ZERO;
        for round in 0.. {
            let Some(found) = self.store.load(key).await? else { return Ok(None) };
            let version = found.version;
            let state = self.newest_state(key, found);
            if !mark.applies_to(&state) {
                return Ok(None);
            }
            let reason = DeadReason::MarkedDead { reason: mark.reason.clone() };
            let grant = DeadGrant { reason, at: time(self.clock.now().unix_timestamp()) };
            let saved =
                self.store.save(key, &state.ended(&grant), Expected::Version(version), Some(lease)).await;
            match saved.map_err(|cause| TokenError::Store { key: key.clone(), cause })? {
                Saved::Version(_) => {
                    self.cache.learn(key, Learned::NoRecord, self.cache.tick());
                    return Ok(Some(grant));
                }
                Saved::Conflict(_) if waited < self.timing.lease_patience => {
                    let pause = pause(round);
                    waited += pause;
                    self.runtime.sleep(pause).await;
                }
                // Somebody else has the lease, or the record changes all the time.
                Saved::Conflict(_) | Saved::Fenced => break,
            }
        }
        Err(TokenError::Busy { key: key.clone() })
    }
}
