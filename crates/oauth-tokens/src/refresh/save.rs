//! Saving a new token, and what is done when the store does not take it.

use std::{sync::Arc, time::Duration};

use oauth_core::OAuth2Token;

use super::record::{Changed, Refresh, RefreshOutcome};
use crate::{
    error::Error,
    event,
    key::TokenKey,
    runtime::timeout,
    sealed_store::StoredState,
    shared::SharedState,
    state::{DeadGrant, DeadReason, TokenState, time},
    store::{Expected, Lease, Saved, StoreError, StoreOperation},
    tasks::TaskGuard,
    timing::pause,
    unsaved::Unsaved,
};

/// How the save of a new token ended.
enum SaveOutcome {
    Saved(u64),
    /// Something other than the predecessor is there: a new login, or another process's token.
    Superseded(Box<StoredState>),
    Deleted,
    Failed(StoreError),
    /// This process cannot open what is there, so that nobody knows whether it is older or newer.
    Unreadable(StoreError),
}

impl Refresh<'_> {
    /// Saves a new token, then hands it out.
    pub(super) async fn save(
        &self,
        token: OAuth2Token,
        before: TokenState,
        expected: Expected,
        lease: &Lease,
    ) -> Result<RefreshOutcome, Changed> {
        let shared = self.shared;
        let new = TokenState::fresh(token.clone(), shared.clock.now()).successor_of(&before);
        let token = Arc::new(token);
        let patience = shared.timing.save_patience;
        let saved = shared.save_new(self.key, &new, &before, expected, Some(lease), patience).await;
        let (cause, lease) = match saved {
            SaveOutcome::Saved(version) => return Ok(shared.refreshed(self.key, &token, &new, version)),
            SaveOutcome::Superseded(found) => return self.settled(Some(&found)).ok_or(Changed),
            // A machine needs no login to get another one.
            SaveOutcome::Deleted if !self.source.needs_login() => return Err(Changed),
            SaveOutcome::Deleted => return Ok(RefreshOutcome::not_found(self.key)),
            SaveOutcome::Failed(cause) => (cause, Some(lease.clone())),
            // What is there is left as it is. A marked record is not sealed anew, so this one is most likely a new login, or
            // another process's token, and others must not be kept from it.
            SaveOutcome::Unreadable(cause) => (cause, None),
        };
        let (new, before) = (Arc::new(new), Arc::new(before));
        let unsaved = Unsaved { token, new, before, expected, lease, cause };
        Ok(shared.keep_unsaved(self.key, unsaved, self.guard))
    }
}

impl Refresh<'_> {
    /// Saves tokens that the provider gave and that are not accepted, marked, so that they are neither lost nor handed out.
    pub(super) async fn set_aside(
        &self,
        error: &oauth_core::Error,
        tokens: OAuth2Token,
        before: &TokenState,
        expected: Expected,
        lease: &Lease,
    ) -> Result<RefreshOutcome, Changed> {
        let shared = self.shared;
        let reason = DeadReason::NotAccepted { reason: error.to_string() };
        let grant = DeadGrant { reason, at: time(shared.clock.now().unix_timestamp()) };
        let new = before.set_aside(tokens.clone(), &grant);
        let patience = shared.timing.save_patience;
        let saved = shared.save_new(self.key, &new, before, expected, Some(lease), patience).await;
        let (cause, lease) = match saved {
            SaveOutcome::Saved(version) => return Ok(shared.marked_dead(self.key, grant, version)),
            SaveOutcome::Superseded(found) => return self.settled(Some(&found)).ok_or(Changed),
            SaveOutcome::Deleted => return Ok(RefreshOutcome::not_found(self.key)),
            SaveOutcome::Failed(cause) => (cause, Some(lease.clone())),
            SaveOutcome::Unreadable(cause) => (cause, None),
        };
        let (new, before) = (Arc::new(new), Arc::new(before.clone()));
        let unsaved = Unsaved { token: Arc::new(tokens), new, before, expected, lease, cause };
        Ok(shared.keep_unsaved(self.key, unsaved, self.guard))
    }
}

impl SharedState {
    /// Writes a new token over its predecessor, for as long as it takes or patience lasts.
    ///
    /// The lease may be lost on the way, to a process that then holds the same predecessor and cannot do anything good with
    /// it. So whatever has been noted about the predecessor is written over, and nothing else is.
    async fn save_new(
        &self,
        key: &TokenKey,
        new: &TokenState,
        before: &TokenState,
        mut expected: Expected,
        mut lease: Option<&Lease>,
        patience: Duration,
    ) -> SaveOutcome {
        let unreadable = |error: Error| {
            SaveOutcome::Unreadable(StoreError::permanent(StoreOperation::Save, error.to_string()))
        };
        let sealed = match self.store.seal(key, new) {
            Ok(sealed) => sealed,
            Err(cause) => return SaveOutcome::Failed(cause),
        };
        let store = &self.store.inner;
        let began = self.runtime.now();
        for round in 0.. {
            let found = match store.save(key, sealed.clone(), expected, lease).await {
                Ok(Saved::Version(version)) => return SaveOutcome::Saved(version),
                Ok(Saved::Conflict(None)) => return SaveOutcome::Deleted,
                // An attempt that seemed to fail did not.
                Ok(Saved::Conflict(Some(record))) if record.sealed == sealed => {
                    return SaveOutcome::Saved(record.version);
                }
                Ok(Saved::Conflict(Some(record))) => self.store.open(key, &record).map(Some),
                Ok(Saved::Fenced) => {
                    lease = None;
                    self.store.load(key).await
                }
                Err(cause) => Err(Error::Store { key: key.clone(), cause }),
            };
            match found {
                Ok(Some(found)) if found.state.is_succeeded_by_token_of(before) => {
                    expected = Expected::Version(found.version);
                }
                Ok(Some(found)) => return SaveOutcome::Superseded(Box::new(found)),
                Ok(None) => return SaveOutcome::Deleted,
                Err(Error::Store { cause, .. }) => {
                    if self.elapsed(began) >= patience {
                        return SaveOutcome::Failed(cause);
                    }
                    if let Some(lease) = lease {
                        let _ = store.extend(key, lease, self.timing.lease_lifetime).await;
                    }
                    self.runtime.sleep(pause(round)).await;
                }
                Err(error) => return unreadable(error),
            }
        }
        SaveOutcome::Deleted
    }

    fn refreshed(
        &self,
        key: &TokenKey,
        token: &Arc<OAuth2Token>,
        state: &TokenState,
        version: u64,
    ) -> RefreshOutcome {
        let due_at = self.timing.milestones(key, state).due_at;
        let answer = self.live_answer(key, token, state, version, due_at);
        let expires_at = state.expires_at.map(time);
        let rejected_id_token = token.rejected_id_token().map(|rejected| rejected.reason.clone());
        let event = Some(event::Outcome::Refreshed { version, expires_at, rejected_id_token });
        RefreshOutcome { event, ..RefreshOutcome::live(answer) }
    }

    /// The outcome that the grant is dead, and that the store has a note of it.
    pub(super) fn marked_dead(&self, key: &TokenKey, grant: DeadGrant, version: u64) -> RefreshOutcome {
        let error = Error::Dead { key: key.clone(), grant: grant.clone() };
        let until = self.clock.now() + self.timing.reread_failures_after;
        let outcome = RefreshOutcome::refused(error, version, until);
        RefreshOutcome { event: Some(event::Outcome::Dead(grant)), ..outcome }
    }

    /// Remembers a token that the store did not take, and goes on trying after the refresh has ended.
    fn keep_unsaved(self: &Arc<Self>, key: &TokenKey, unsaved: Unsaved, guard: &TaskGuard) -> RefreshOutcome {
        let error = unsaved.error(key);
        let outcome = self.not_saved(error.clone(), &unsaved);
        self.unsaved.insert(key, unsaved);
        // This is a task already, so that another one can be started.
        let _ = self.runtime.spawn(Box::pin(Arc::clone(self).retry_saving(key.clone(), guard.clone())));
        RefreshOutcome { event: Some(event::Outcome::Transient(error)), ..outcome }
    }

    fn not_saved(&self, error: Error, unsaved: &Unsaved) -> RefreshOutcome {
        let Expected::Version(version) = unsaved.expected else { return RefreshOutcome::failed(error) };
        RefreshOutcome::refused(error, version, self.clock.now() + self.timing.first_backoff)
    }

    async fn retry_saving(self: Arc<Self>, key: TokenKey, _guard: TaskGuard) {
        let began = self.runtime.now();
        let mut is_closing = false;
        for round in 5.. {
            let wait = pause(round).max(self.timing.first_backoff / 2);
            let attempt = self.cache.tick();
            // A shutdown grants one more attempt, with the usual patience.
            is_closing = is_closing || timeout(&*self.runtime, wait, self.tasks.closed()).await.is_some();
            let patience = if is_closing { self.timing.save_patience } else { Duration::ZERO };
            if let Some(lease) = self.unsaved.get(&key).and_then(|unsaved| unsaved.lease) {
                // One that cannot be extended expires, and then another process may redeem the predecessor.
                let _ = self.store.inner.extend(&key, &lease, self.timing.lease_lifetime).await;
            }
            match self.save_unsaved(&key, patience).await {
                Some(_) if self.unsaved.contains(&key) && !is_closing => {}
                Some(outcome) => {
                    if let Some(event) = outcome.event {
                        self.observers.notify(&key, event, self.elapsed(began));
                    }
                    return self.cache.learn(&key, outcome.learned, attempt);
                }
                None => return,
            }
        }
    }

    /// Tries once more to save a key's unsaved token; `None` if there is none, or not any more.
    pub(super) async fn save_unsaved(&self, key: &TokenKey, patience: Duration) -> Option<RefreshOutcome> {
        let unsaved = self.unsaved.get(key)?;
        let Unsaved { token, new, before, expected, .. } = &unsaved;
        let outcome = match self.save_new(key, new, before, *expected, None, patience).await {
            SaveOutcome::Failed(cause) | SaveOutcome::Unreadable(cause) => {
                let unsaved = Unsaved { cause, ..unsaved };
                return Some(self.not_saved(unsaved.error(key), &unsaved));
            }
            SaveOutcome::Saved(version) => Some(match new.dead() {
                Some(grant) => self.marked_dead(key, grant, version),
                None => self.refreshed(key, token, new, version),
            }),
            SaveOutcome::Superseded(_) | SaveOutcome::Deleted => None,
        };
        self.forget_unsaved(key, Some(token)).await;
        outcome
    }

    /// Tries once more to save a key's unsaved token, before the key is changed in another way.
    pub(crate) async fn try_to_save_unsaved(&self, key: &TokenKey) {
        let _ = self.save_unsaved(key, Duration::ZERO).await;
    }
}
