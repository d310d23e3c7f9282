//! Saving a new token, and what is done when the store does not take it.

use std::{sync::Arc, time::Duration};

use oauth_core::{OAuth2Token, bytes::Bytes};

use super::record::{Changed, Refresh, RefreshOutcome};
use crate::{
    access_token_request::Wanted,
    cache::Learned,
    calendar::time,
    error::TokenError,
    event,
    key::TokenKey,
    runtime::timeout,
    sealed_store::{Predecessor, StoredState},
    shared::SharedState,
    state::{DeadGrant, DeadReason, TokenState},
    store::{Expected, Lease, Saved, StoreError, StoreOperation},
    tasks::TaskGuard,
    timing::{SAVE_AGAIN_AFTER, pause},
    unsaved::Unsaved,
};

/// A healthy store needs some time too.
pub(crate) const SHORTEST_ATTEMPT: Duration = Duration::from_millis(100);

/// The error of an attempt that the store did not answer in time. It may have been carried out.
pub(crate) fn no_answer(limit: Duration) -> StoreError {
    StoreError::transient(StoreOperation::Save, format!("no answer within {limit:?}"))
}

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

/// How one attempt to save ended.
enum Attempt {
    Saved(u64),
    /// Something else than what was expected is there.
    Found(Result<Option<StoredState>, TokenError>),
    /// Another process has a newer lease.
    Fenced(Result<Option<StoredState>, TokenError>),
}

impl Refresh<'_> {
    /// Saves a new token, then hands it out.
    pub(super) async fn save(
        &self,
        token: OAuth2Token,
        before: TokenState,
        predecessor: Predecessor,
        lease: &Lease,
    ) -> Result<RefreshOutcome, Changed> {
        let shared = self.shared;
        let mut new = TokenState::fresh(token.clone(), shared.clock.now()).successor_of(&before);
        let token = Arc::new(token);
        // A shutdown that has a time limit hands it over even before the store has refused it.
        let _in_hand = shared.unsaved.hold(self.key, &token);
        let patience = shared.timing.save_patience;
        let saved =
            shared.save_new(self.key, &mut new, &before, predecessor.clone(), Some(lease), patience).await;
        let (cause, lease) = match saved {
            SaveOutcome::Saved(version) => {
                return Ok(match new.dead() {
                    Some(grant) => shared.marked_dead(self.key, grant, version),
                    None => shared.refreshed(self.key, &new.token_or(token), &new, version),
                });
            }
            SaveOutcome::Superseded(found) => return self.settled(Some(&found)).ok_or(Changed),
            // A machine needs no login to get another one.
            SaveOutcome::Deleted if !self.source.needs_login(self.key) => return Err(Changed),
            SaveOutcome::Deleted => return Ok(RefreshOutcome::not_found(self.key)),
            SaveOutcome::Failed(cause) => (cause, Some(lease.clone())),
            // What is there is left as it is. A marked record is not sealed anew, so this one is most likely a new login, or
            // another process's token, and others must not be kept from it.
            SaveOutcome::Unreadable(cause) => (cause, None),
        };
        let (new, before) = (Arc::new(new), Arc::new(before));
        let unsaved = Unsaved { token, new, before, predecessor, lease, cause, is_for_further: false };
        Ok(shared.keep_unsaved(self.key, unsaved, self.guard))
    }
}

impl Refresh<'_> {
    /// Saves a further access token beside the token of the login, and the refresh token that came with it, then hands it out.
    pub(super) async fn save_further(
        &self,
        token: OAuth2Token,
        wanted: &Wanted,
        before: TokenState,
        predecessor: Predecessor,
        lease: &Lease,
    ) -> Result<RefreshOutcome, Changed> {
        let shared = self.shared;
        let mut new = before.with_further(wanted, token, shared.clock.now());
        // What must not be lost is the refresh token, which belongs to the token of the login.
        let whole = new.token.clone().filter(|_| self.source.needs_login(self.key)).map(Arc::new);
        let _in_hand = whole.as_ref().map(|token| shared.unsaved.hold(self.key, token));
        let patience = shared.timing.save_patience;
        let saved =
            shared.save_new(self.key, &mut new, &before, predecessor.clone(), Some(lease), patience).await;
        let (cause, lease) = match saved {
            SaveOutcome::Saved(version) => {
                if let Some(grant) = new.dead() {
                    return Ok(shared.marked_dead(self.key, grant, version));
                }
                let expires_at = new.further(wanted).and_then(|further| further.expires_at).map(time);
                let found = StoredState::saved(version, new);
                let outcome = match self.live_further(wanted, &found) {
                    Some(outcome) => outcome,
                    // One that comes expired is handed out, as that of a login is: to ask again would get no better one.
                    None => {
                        let further = found.state.further(wanted).ok_or(Changed)?;
                        let token = Arc::new(further.token.clone().ok_or(Changed)?);
                        RefreshOutcome { result: Ok(token), learned: self.learned(&found), event: None }
                    }
                };
                let event = Some(event::Outcome::FurtherToken { version, expires_at });
                return Ok(RefreshOutcome { event, ..outcome });
            }
            SaveOutcome::Superseded(found) => return self.settled(Some(&found)).ok_or(Changed),
            SaveOutcome::Deleted if !self.source.needs_login(self.key) => return Err(Changed),
            SaveOutcome::Deleted => return Ok(RefreshOutcome::not_found(self.key)),
            SaveOutcome::Failed(cause) => (cause, Some(lease.clone())),
            SaveOutcome::Unreadable(cause) => (cause, None),
        };
        let Some(token) = whole else {
            return Ok(RefreshOutcome::failed(TokenError::Store { key: self.key.clone(), cause }));
        };
        let (new, before) = (Arc::new(new), Arc::new(before));
        let unsaved = Unsaved { token, new, before, predecessor, lease, cause, is_for_further: true };
        Ok(shared.keep_unsaved(self.key, unsaved, self.guard))
    }

    /// Saves tokens that the provider gave and that are not accepted, marked, so that they are neither lost nor handed out.
    pub(super) async fn set_aside(
        &self,
        error: &oauth_core::Error,
        tokens: OAuth2Token,
        before: &TokenState,
        predecessor: Predecessor,
        lease: &Lease,
    ) -> Result<RefreshOutcome, Changed> {
        let shared = self.shared;
        let reason = DeadReason::NotAccepted { reason: error.to_string() };
        let grant = DeadGrant { reason, at: time(shared.clock.now().unix_timestamp()) };
        let mut new = before.set_aside(tokens.clone(), &grant);
        let patience = shared.timing.save_patience;
        let saved =
            shared.save_new(self.key, &mut new, before, predecessor.clone(), Some(lease), patience).await;
        let (cause, lease) = match saved {
            SaveOutcome::Saved(version) => return Ok(shared.marked_dead(self.key, grant, version)),
            SaveOutcome::Superseded(found) => return self.settled(Some(&found)).ok_or(Changed),
            SaveOutcome::Deleted => return Ok(RefreshOutcome::not_found(self.key)),
            SaveOutcome::Failed(cause) => (cause, Some(lease.clone())),
            SaveOutcome::Unreadable(cause) => (cause, None),
        };
        let (new, before) = (Arc::new(new), Arc::new(before.clone()));
        let token = Arc::new(tokens);
        let unsaved = Unsaved { token, new, before, predecessor, lease, cause, is_for_further: false };
        Ok(shared.keep_unsaved(self.key, unsaved, self.guard))
    }
}

impl SharedState {
    /// Writes a new token over its predecessor, for as long as it takes or patience lasts.
    ///
    /// The lease may be lost on the way, to a process that then holds the same predecessor and cannot do anything good with
    /// it. So whatever has been noted about the predecessor is written over, and nothing else is. A login that kept the predecessor's
    /// refresh token gets its successor, and keeps its own access token; a grant that the application has ended stays ended. `new` is what
    /// was saved.
    async fn save_new(
        &self,
        key: &TokenKey,
        new: &mut TokenState,
        before: &TokenState,
        mut predecessor: Predecessor,
        mut lease: Option<&Lease>,
        patience: Duration,
    ) -> SaveOutcome {
        let unreadable = |error: TokenError| {
            SaveOutcome::Unreadable(StoreError::permanent(StoreOperation::Save, error.to_string()))
        };
        // It is sealed once, so that what was saved is recognized.
        let mut sealed = None;
        let began = self.runtime.now();
        for round in 0.. {
            // Each attempt has what is left of the patience, because a store or a key service that hangs fails much later than that.
            let limit = match patience.is_zero() {
                true => self.timing.save_patience,
                false => patience.saturating_sub(self.elapsed(began)),
            };
            let limit = limit.max(SHORTEST_ATTEMPT);
            let attempt = self.attempt_to_save(key, &mut sealed, new, &predecessor, lease, limit / 3);
            let found = match timeout(&*self.runtime, limit, attempt).await {
                Some(Attempt::Saved(version)) => return SaveOutcome::Saved(version),
                Some(Attempt::Found(found)) => found.map(|found| (found, lease)),
                Some(Attempt::Fenced(found)) => found.map(|found| (found, None)),
                None => Err(TokenError::Store { key: key.clone(), cause: no_answer(limit) }),
            };
            match found {
                Ok((Some(found), next_lease))
                    if found.state.is_succeeded_by_token_of(before)
                        || found.state.is_older_than(new)
                        || self.cache.newest(key).is_some_and(|newest| newest.is_newer_than(&found)) =>
                {
                    if new.keep_set_aside_of(&found.state.set_aside) {
                        sealed = None;
                    }
                    let is_login = found.state.is_login_with_refresh_token_of(before);
                    if new.dead.is_none() && is_login {
                        *new = found.state.with_successor(new);
                        sealed = None;
                    }
                    if new.contested_since.is_none()
                        && (is_login || found.state.has_the_tokens_of(before))
                        && let Some(since) = found.state.contested_since_by_another(self.process)
                    {
                        new.contested_since = Some(since);
                        sealed = None;
                    }
                    if new.dead.is_none()
                        && found.state.has_the_tokens_of(before)
                        && let Some(ended) = found.state.with_ended_successor(new)
                    {
                        *new = ended;
                        sealed = None;
                    }
                    predecessor = Predecessor::of(&found);
                    lease = next_lease;
                }
                Ok((Some(found), _)) => return SaveOutcome::Superseded(Box::new(found)),
                Ok((None, _)) => return SaveOutcome::Deleted,
                Err(TokenError::Store { cause, .. }) => {
                    self.store_health.note_slowness(self.runtime.now());
                    if self.elapsed(began) >= patience {
                        return SaveOutcome::Failed(cause);
                    }
                    let left = patience.saturating_sub(self.elapsed(began));
                    self.runtime.sleep(pause(round).min(left)).await;
                }
                Err(error) => return unreadable(error),
            }
        }
        SaveOutcome::Deleted
    }

    async fn attempt_to_save(
        &self,
        key: &TokenKey,
        sealed: &mut Option<Bytes>,
        new: &TokenState,
        predecessor: &Predecessor,
        lease: Option<&Lease>,
        limit_of_look: Duration,
    ) -> Attempt {
        let sealed = match sealed {
            Some(sealed) => &*sealed,
            None => match self.store.seal(key, new).await {
                Ok(new) => &*sealed.insert(new),
                Err(cause) => return Attempt::Found(Err(TokenError::Store { key: key.clone(), cause })),
            },
        };
        let saved = match self.store.exchanged(&*self.runtime, key, predecessor, limit_of_look).await {
            Some(found) => Ok(Saved::Conflict(Some(found))),
            None => self.store.save_sealed(key, sealed.clone(), new, predecessor.expected, lease).await,
        };
        match saved {
            Ok(Saved::Version(version)) => Attempt::Saved(version),
            Ok(Saved::Conflict(None)) => Attempt::Found(Ok(None)),
            // An attempt that seemed to fail did not.
            Ok(Saved::Conflict(Some(record))) if record.sealed == *sealed => Attempt::Saved(record.version),
            Ok(Saved::Conflict(Some(record))) => {
                Attempt::Found(self.store.open(key, &record).await.map(Some))
            }
            Ok(Saved::Fenced) => Attempt::Fenced(self.store.load(key).await),
            Err(cause) => Attempt::Found(Err(TokenError::Store { key: key.clone(), cause })),
        }
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
        let missing_scopes = state.scope_check().map(|check| check.missing_required).unwrap_or_default();
        let event =
            Some(event::Outcome::Refreshed { version, expires_at, rejected_id_token, missing_scopes });
        RefreshOutcome { event, ..RefreshOutcome::live(answer) }
    }

    /// The outcome that the grant is dead, and that the store has a note of it.
    pub(super) fn marked_dead(&self, key: &TokenKey, grant: DeadGrant, version: u64) -> RefreshOutcome {
        let error = TokenError::Dead { key: key.clone(), grant: grant.clone() };
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

    fn not_saved(&self, error: TokenError, unsaved: &Unsaved) -> RefreshOutcome {
        if unsaved.is_for_further {
            // The token of the login is as good as before, and is still served from memory.
            return RefreshOutcome { event: None, ..RefreshOutcome::failed(error) };
        }
        let Expected::Version(version) = unsaved.predecessor.expected else {
            return RefreshOutcome::failed(error);
        };
        RefreshOutcome::refused(error, version, self.clock.now() + self.timing.first_backoff)
    }

    async fn retry_saving(self: Arc<Self>, key: TokenKey, _guard: TaskGuard) {
        let began = self.runtime.now();
        let mut is_closing = false;
        for round in 5.. {
            let wait = pause(round).max(self.timing.first_backoff / 2).min(SAVE_AGAIN_AFTER);
            let attempt = self.cache.tick();
            // A shutdown grants one more attempt, with the usual patience. While a lease is held, no other process redeems the
            // predecessor; one that cannot be extended expires.
            let lease = self.unsaved.get(&key).and_then(|unsaved| unsaved.lease);
            let outcome = self.under(&key, lease.as_ref(), async {
                is_closing = is_closing || timeout(&*self.runtime, wait, self.tasks.closed()).await.is_some();
                let patience = if is_closing { self.timing.save_patience } else { Duration::ZERO };
                if let Some(lease) = &lease {
                    let extended = self.store.inner.extend(&key, lease, self.lease_lifetime());
                    let _ = timeout(&*self.runtime, self.lease_lifetime() / 3, extended).await;
                }
                self.save_unsaved(&key, patience).await
            });
            match outcome.await {
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
        let Unsaved { token, before, predecessor, .. } = &unsaved;
        let mut new = (*unsaved.new).clone();
        let saved = self.save_new(key, &mut new, before, predecessor.clone(), None, patience).await;
        let outcome = match saved {
            SaveOutcome::Failed(cause) | SaveOutcome::Unreadable(cause) => {
                let unsaved = Unsaved { cause, ..unsaved };
                return Some(self.not_saved(unsaved.error(key), &unsaved));
            }
            // The token of the login need not be live. The next look into the store shows all of them.
            SaveOutcome::Saved(version) if unsaved.is_for_further && new.dead.is_none() => {
                let expires_at = new.further.last().and_then(|further| further.expires_at).map(time);
                let event = event::Outcome::FurtherToken { version, expires_at };
                self.observers.notify(key, event, Duration::ZERO);
                self.cache.learn(key, Learned::NoRecord, self.cache.tick());
                None
            }
            SaveOutcome::Saved(version) => Some(match new.dead() {
                Some(grant) => self.marked_dead(key, grant, version),
                None => self.refreshed(key, &new.token_or(Arc::clone(token)), &new, version),
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
