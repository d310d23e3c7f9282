//! The steps of a refresh in their order.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

#[cfg(feature = "tracing")]
use oauth_core::telemetry;
use oauth_core::{ErrorKind, HttpError, HttpErrorKind, OAuth2Token, Operation};

use super::record::{Changed, Refresh, RefreshOutcome, Trigger};
use crate::{
    access_token_request::{AccessTokenRequest, Wanted},
    cache::{Leader, Learned},
    error::TokenError,
    event::{self, Trouble},
    key::TokenKey,
    runtime::timeout,
    sealed_store::{Predecessor, StoredState},
    shared::SharedState,
    source::FirstAttempt,
    state::TokenState,
    store::{Acquired, Expected, Lease, Saved, StoreError},
    tasks::TaskGuard,
    timing::{AFTERMATH, pause},
};

/// For how long others wait for the first attempt after a pause; a provider that does not answer holds nobody back for longer.
const FIRST_ATTEMPT: Duration = Duration::from_secs(5);

impl SharedState {
    /// Refreshes a key, in a span of its own where the feature `tracing` is on.
    pub(crate) async fn refresh(
        self: Arc<Self>,
        key: TokenKey,
        wanted: Option<Arc<Wanted>>,
        trigger: Trigger,
        leader: Leader,
        guard: TaskGuard,
    ) {
        #[cfg(feature = "tracing")]
        let span = tracing::info_span!(
            telemetry::span::TOKENS_REFRESH,
            provider = key.provider(),
            tenant = key.tenant(),
            label = key.label(),
            outcome = tracing::field::Empty,
        );
        let refresh = self.refresh_to_the_end(key, wanted, trigger, leader, guard);
        #[cfg(feature = "tracing")]
        let refresh = tracing::Instrument::instrument(refresh, span);
        refresh.await;
    }

    async fn refresh_to_the_end(
        self: Arc<Self>,
        key: TokenKey,
        wanted: Option<Arc<Wanted>>,
        trigger: Trigger,
        leader: Leader,
        guard: TaskGuard,
    ) {
        let began = self.runtime.now();
        let mut lease = None;
        let outcome = match self.source(&key).await {
            Ok(source) => {
                let refresh = Refresh {
                    shared: &self,
                    key: &key,
                    source: &*source.tokens,
                    permits: &source.permits,
                    pause: &source.pause,
                    wanted: wanted.as_deref(),
                    trigger: &trigger,
                    guard: &guard,
                };
                refresh.run(&mut lease).await
            }
            Err(error) => RefreshOutcome::failed(error),
        };
        if let Some(event) = outcome.event {
            self.observers.notify(&key, event, self.elapsed(began));
        }
        if let Err(error) = &outcome.result {
            // What is wrong for good with one record, or its sealing, says nothing about the others.
            if matches!(error, TokenError::Store { cause, .. } if cause.is_transient()) {
                self.store_health.note_trouble(self.runtime.now());
            }
            if matches!(error, TokenError::Store { .. } | TokenError::SourceLookup { .. }) {
                let now = self.clock.now();
                let until = now + self.timing.first_backoff;
                self.cache.note_trouble(&key, error, now.into(), until.into());
            }
            // A token that is due but live is served for a while, whether or not somebody waits for this refresh.
            if matches!(outcome.learned, Learned::Nothing) && error.leaves_the_old_token_good() {
                self.cache.hold(&key, (self.clock.now() + self.timing.first_backoff).into());
            }
        }
        leader.finish(outcome.result, outcome.learned);
        // Nobody waits for this: whoever wants the lease looks into the record first. Where the new token is not saved yet,
        // the lease stays with it, or another process would redeem the old refresh token once more.
        if let Some(lease) = lease
            && !self.unsaved.needs_lease(&key, &lease)
        {
            self.release(&key, &lease).await;
        }
    }
}

impl Refresh<'_> {
    /// Refreshes the key. What is in `lease` afterwards is to be given back.
    async fn run(&self, lease: &mut Option<Lease>) -> RefreshOutcome {
        let shared = self.shared;
        shared.store_health.note_question();
        // Where a new token waits to be saved, the old one must not be redeemed.
        if let Some(outcome) = shared.save_unsaved(self.key, Duration::ZERO).await {
            if outcome.result.is_err() || self.wanted.is_none() {
                return outcome;
            }
            // It was the token of the login, and not the one that is wanted.
            if let Some(event) = outcome.event {
                shared.observers.notify(self.key, event, Duration::ZERO);
            }
        }
        let began = shared.runtime.now();
        for round in 0.. {
            let found = match shared.timed(shared.store.load_resealed(self.key)).await {
                Ok(found) => found,
                Err(error) => return RefreshOutcome::failed(error),
            };
            if shared.store_health.note_answer() {
                self.note_recovery(Trouble::Store, began);
            }
            let found = match self.restored(found).await {
                Ok(Ok(found)) => found,
                Ok(Err(Changed)) => {
                    shared.runtime.sleep(pause(round)).await;
                    continue;
                }
                Err(error) => return RefreshOutcome::failed(error),
            };
            if let Some(found) = &found {
                if found.was_resealed {
                    let resealed = event::Outcome::Resealed { version: found.version };
                    shared.observers.notify(self.key, resealed, shared.elapsed(began));
                }
                if found.state.failed_at_store_ms.is_some() {
                    // The pause goes by the store's clock.
                    let _ = shared.store_now().await;
                }
            }
            if let Some(outcome) = self.settled(found.as_ref()) {
                return outcome;
            }
            // Not before it is known that there is something to do, and not under the lease, for which others wait. A refresh
            // that must queue has not begun, and a shutdown does not wait for it.
            let permit = match self.permits.try_acquire() {
                Ok(permit) => Ok(permit),
                Err(_) => tokio::select! {
                    biased;
                    () = shared.tasks.closed() => return RefreshOutcome::failed(TokenError::Closed),
                    permit = self.permits.acquire() => permit,
                },
            };
            let first = tokio::select! {
                biased;
                first = timeout(&*shared.runtime, FIRST_ATTEMPT, self.first_attempt()) => first.flatten(),
                () = shared.tasks.closed() => return RefreshOutcome::failed(TokenError::Closed),
            };
            if let Some(outcome) = self.paused(found.as_ref()) {
                return outcome;
            }
            let limits = &shared.timing;
            let asked = shared.runtime.now();
            let acquired = shared.store.acquire(self.key, &shared.holder, shared.lease_lifetime());
            match shared.timed(acquired).await {
                Err(error) => return RefreshOutcome::failed(error),
                Ok(Acquired::Granted(granted)) => {
                    let held = lease.insert(granted);
                    match shared.under(self.key, Some(held), self.under_lease(held, asked, found)).await {
                        Ok(outcome) => {
                            if let Some(first) = first {
                                first.made();
                            }
                            return outcome;
                        }
                        Err(Changed) => shared.release(self.key, held).await,
                    }
                    *lease = None;
                    drop((permit, first));
                    shared.runtime.sleep(pause(round)).await;
                }
                Ok(Acquired::Held { retry_in }) => {
                    drop((permit, first));
                    let wait = pause(round).min(retry_in).max(Duration::from_millis(1));
                    if timeout(&*shared.runtime, wait, shared.tasks.closed()).await.is_some() {
                        return RefreshOutcome::failed(TokenError::Closed);
                    }
                }
            }
            if shared.elapsed(began) > limits.lease_patience {
                break;
            }
        }
        RefreshOutcome::failed(TokenError::Busy { key: self.key.clone() })
    }

    /// Loads again, marks the record, redeems and saves. The lease was asked for at the time `asked`.
    async fn under_lease(
        &self,
        lease: &Lease,
        asked: Instant,
        known: Option<StoredState>,
    ) -> Result<RefreshOutcome, Changed> {
        let shared = self.shared;
        let found = match shared.timed(shared.store.load_again(self.key, known)).await {
            Ok(found) => found,
            Err(error) => return Ok(RefreshOutcome::failed(error)),
        };
        let found = match self.restored(found).await {
            Ok(found) => found?,
            Err(error) => return Ok(RefreshOutcome::failed(error)),
        };
        if let Some(outcome) = self.settled(found.as_ref()) {
            return Ok(outcome);
        }
        if let Some(found) = &found
            && let Err(error) = self.give_a_head_start(found).await?
        {
            return Ok(RefreshOutcome::failed(error));
        }
        let (mut predecessor, before) = match found {
            Some(found) => (Predecessor::of(&found), found.state),
            None => (Predecessor::absent(), TokenState::default()),
        };
        if before.is_unfinished_business_of_another(shared.process) {
            shared.observers.notify(self.key, event::Outcome::TakenOver, shared.elapsed(asked));
        }
        // What a crash cut off is repeated as it was: within its grace, a provider may give the same answer again, which must not be
        // taken for another token.
        let wanted = match before.marked_by {
            Some(_) => before.refreshing_for.clone(),
            None => self.wanted.cloned(),
        };
        let wanted = wanted.as_ref();
        if self.source.needs_login(self.key) {
            predecessor = match self.mark(&before, wanted, predecessor.expected, lease, asked).await? {
                Ok(marked) => marked,
                Err(cause) => {
                    return Ok(RefreshOutcome::failed(TokenError::Store { key: self.key.clone(), cause }));
                }
            };
        }
        let outcome = match self.obtain(wanted, before.token_to_refresh().as_deref()).await {
            Ok(token) => {
                let has_recovered = self.pause.note_answer(shared.clock.now()) || before.failures > 0;
                let outcome = match wanted {
                    Some(wanted) => self.save_further(token, wanted, before, predecessor, lease).await,
                    None => {
                        let token = before.with_id_token_of_login(token);
                        self.save(token, before, predecessor, lease).await
                    }
                };
                // Not before the token is safe: an observer may take its time, or panic.
                if has_recovered {
                    self.note_recovery(Trouble::Provider, asked);
                }
                outcome
            }
            Err(error) => self.handle_failure(error, wanted, &before, predecessor, lease).await,
        }?;
        if wanted == self.wanted {
            return Ok(outcome);
        }
        match outcome.result {
            // The refresh that a crash cut off is done, or has failed; the one that is wanted here comes next.
            Ok(_) | Err(TokenError::RefreshFailed { .. } | TokenError::NotGranted { .. }) => {
                if let Some(event) = outcome.event {
                    shared.observers.notify(self.key, event, shared.elapsed(asked));
                }
                Err(Changed)
            }
            Err(_) => Ok(outcome),
        }
    }

    /// Marks the record as one that is being refreshed, and returns what the new token is to replace.
    ///
    /// The mark tells whoever comes after a crash that the refresh token may be spent. That it can be written shows that the lease is
    /// still ours and that the store will take the new token too.
    async fn mark(
        &self,
        before: &TokenState,
        wanted: Option<&Wanted>,
        expected: Expected,
        lease: &Lease,
        asked: Instant,
    ) -> Result<Result<Predecessor, StoreError>, Changed> {
        let shared = self.shared;
        let marked = before.refreshing(shared.clock.now(), shared.process, wanted);
        let sealed = match shared.store.seal(self.key, &marked).await {
            Ok(sealed) => sealed,
            Err(cause) => return Ok(Err(cause)),
        };
        let saved = shared.store.save_sealed(self.key, sealed.clone(), &marked, expected, Some(lease));
        let marked = match shared.timed(saved).await {
            Ok(Saved::Version(version)) => {
                Predecessor { expected: Expected::Version(version), sealed: Some(sealed) }
            }
            Ok(Saved::Conflict(_) | Saved::Fenced) => return Err(Changed),
            Err(cause) => return Ok(Err(cause)),
        };
        match self.still_holds(lease, asked).await {
            Ok(true) => Ok(Ok(marked)),
            Ok(false) => Err(Changed),
            Err(cause) => Ok(Err(cause)),
        }
    }

    /// Whether the lease that was acquired or extended after this time is sure to be ours when the refresh token is redeemed:
    /// a slow store may have used it up, and then another process has it, and redeems the same token.
    async fn still_holds(&self, lease: &Lease, mut since: Instant) -> Result<bool, StoreError> {
        const ROUNDS: usize = 3;
        let (shared, lifetime) = (self.shared, self.shared.lease_lifetime());
        for _ in 0..ROUNDS {
            if shared.elapsed(since) < lifetime / 3 {
                return Ok(true);
            }
            since = shared.runtime.now();
            if !shared.timed(shared.store.inner.extend(self.key, lease, lifetime)).await? {
                return Ok(false);
            }
        }
        Ok(shared.elapsed(since) < lifetime / 2)
    }

    async fn first_attempt(&self) -> Option<FirstAttempt<'_>> {
        self.pause.first_attempt(|| self.shared.clock.now()).await
    }

    fn note_recovery(&self, trouble: Trouble, since: Instant) {
        let recovered = event::Outcome::Recovered(trouble);
        self.shared.observers.notify(self.key, recovered, self.shared.elapsed(since));
    }

    /// The record as it was found; or, where this process knows a newer token of the same grant, that token, saved in its place. A
    /// store can lose its last writes, in a failover or when it is restored.
    async fn restored(
        &self,
        found: Option<StoredState>,
    ) -> Result<Result<Option<StoredState>, Changed>, TokenError> {
        let shared = self.shared;
        let Some(found) = found else { return Ok(Ok(None)) };
        // A machine obtains another token whenever it needs one.
        let newest = shared.cache.newest(self.key).filter(|_| self.source.needs_login(self.key));
        let Some(newest) = newest.filter(|newest| newest.is_newer_than(&found)) else {
            return Ok(Ok(Some(found)));
        };
        let expected = Expected::Version(found.version);
        let state = newest.state_over(found.state);
        let failed = |cause| TokenError::Store { key: self.key.clone(), cause };
        let sealed = shared.store.seal(self.key, &state).await.map_err(failed)?;
        match shared.store.save_sealed(self.key, sealed.clone(), &state, expected, None).await {
            Ok(Saved::Version(version)) => {
                let event = event::Outcome::Restored { version };
                shared.observers.notify(self.key, event, Duration::ZERO);
                Ok(Ok(Some(StoredState { sealed, ..StoredState::saved(version, state) })))
            }
            Ok(Saved::Conflict(_) | Saved::Fenced) => Ok(Err(Changed)),
            Err(cause) => Err(failed(cause)),
        }
    }

    /// Leaves it to the process that has marked the record to save its new token, where that may only have been waiting for the
    /// store to come back: it has lost the lease, and this process is about to redeem a refresh token that is spent. A process that had
    /// no trouble with the store takes the other one for crashed.
    ///
    /// If the store fails meanwhile, the other process cannot save either, and so this one gives up: its next attempt waits again for as
    /// long.
    async fn give_a_head_start(&self, found: &StoredState) -> Result<Result<(), TokenError>, Changed> {
        const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(100);
        let shared = self.shared;
        let is_aftermath =
            shared.store_health.last_trouble().is_some_and(|trouble| shared.elapsed(trouble) < AFTERMATH);
        if !is_aftermath || !found.state.is_unfinished_business_of_another(shared.process) {
            return Ok(Ok(()));
        }
        let began = shared.runtime.now();
        while shared.elapsed(began) < shared.timing.head_start() {
            shared.runtime.sleep(LOOK_AGAIN_AFTER).await;
            match shared.store.inner.load(self.key).await {
                Ok(Some(now)) if now.version == found.version && now.sealed == found.sealed => {}
                Ok(_) => return Err(Changed),
                Err(cause) => return Ok(Err(TokenError::Store { key: self.key.clone(), cause })),
            }
        }
        Ok(Ok(()))
    }

    /// Asks the source for a new token.
    async fn obtain(
        &self,
        wanted: Option<&Wanted>,
        previous: Option<&OAuth2Token>,
    ) -> oauth_core::Result<OAuth2Token> {
        let request = wanted.map(AccessTokenRequest::of);
        let obtained = match &request {
            Some(request) => self.source.obtain_for(self.key, previous, request),
            None => self.source.obtain(self.key, previous),
        };
        timeout(&*self.shared.runtime, self.shared.timing.request_limit, obtained).await.unwrap_or_else(
            || {
                let error = HttpError::new(HttpErrorKind::Timeout);
                let name = self.source.name().to_owned();
                Err(oauth_core::Error::new(Operation::REFRESH_TOKEN, name, ErrorKind::Transport(error)))
            },
        )
    }
}
