//! Changes by the application: put, delete, revoke.

use std::{sync::Arc, time::Instant};

use oauth_core::{ErrorClass, ErrorKind, HttpError, HttpErrorKind, OAuth2Token, Operation, bytes::Bytes};

use crate::{
    cache::Learned,
    error::TokenError,
    event::Outcome,
    key::TokenKey,
    put::{NotKept, Put, PutOptions},
    refresh::{SHORTEST_ATTEMPT, no_answer},
    revoked::Revoked,
    runtime::timeout,
    sealed_store::StoredState,
    shared::SharedState,
    state::{DeadGrant, DeadReason, Lineage, TokenState},
    store::{Acquired, Expected, Lease, Record, Saved, StoreError, StoreOperation},
    timing::pause,
    unsaved::Unsaved,
};

/// What one attempt of a put saves, over which record.
#[derive(Clone)]
struct PutAttempt {
    expected: Expected,
    /// The login that it replaces, where that is known.
    replaces: Option<Lineage>,
    sealed: Bytes,
    state: TokenState,
    put: Put,
}

/// How one attempt of a put ended.
enum PutOutcome {
    /// The token is saved, under this version.
    Saved(u64, PutAttempt),
    /// The token was saved, and a newer one has replaced it since.
    Replaced(PutAttempt),
    /// Somebody else changed the record in between.
    TryAgain,
}

impl SharedState {
    pub(crate) async fn put(
        &self,
        key: &TokenKey,
        token: OAuth2Token,
        options: &PutOptions,
    ) -> Result<Put, TokenError> {
        let began = self.cache.tick();
        // Whoever misspells a provider's name should learn it now, and not when the token expires.
        let source = self.source(key).await?;
        // A lookup that took its time leaves the store all of its own.
        let began_at = self.runtime.now();
        let login = TokenState {
            user: options.user(),
            client_id: source.tokens.client_id(key).map(str::to_owned),
            lineage: Some(Lineage::new()),
            ..TokenState::fresh(token.clone(), self.clock.now())
        };
        source.pause.note_login();
        if login.refresh_token().is_none() {
            // The refresh token to keep may be one that is not even stored yet.
            let limit = self.timing.save_patience / 2;
            let _ = timeout(&*self.runtime, limit, self.try_to_save_unsaved(key)).await;
        }
        let overwritten = self.overwrite(key, &login, options, began_at).await;
        if let Ok((_, _, put)) = &overwritten {
            self.observers.notify(key, Outcome::Put(*put), self.elapsed(began_at));
        }
        match overwritten {
            Ok((Some(version), state, put)) => {
                self.forget_unsaved(key, None).await;
                let due_at = self.timing.milestones(key, &state).due_at;
                let token = Arc::new(state.token.clone().unwrap_or(token));
                let answer = self.live_answer(key, &token, &state, version, due_at);
                self.cache.learn(key, Learned::Answer(answer), began);
                Ok(put)
            }
            // The next one who asks looks into the store.
            Ok((None, _, put)) => {
                self.forget_unsaved(key, None).await;
                self.cache.learn(key, Learned::NoRecord, self.cache.tick());
                Ok(put)
            }
            Err(cause) => {
                if cause.is_transient() {
                    self.store_health.note_trouble(self.runtime.now());
                }
                let error = TokenError::NotSaved { key: key.clone(), token: Arc::new(token), cause };
                self.observers.notify(key, Outcome::Transient(error.clone()), self.elapsed(began_at));
                Err(error)
            }
        }
    }

    /// Saves a login over whatever is there, with the refresh token that is there if the options allow it. Returns the
    /// version, or `None` if the login was saved and already has a successor; and what was saved.
    ///
    /// An attempt that is reported as failed may have been carried out, and its token may have been redeemed since then. Its
    /// successor must not be written over, so a further attempt expects what was there before, and looks at what has changed.
    async fn overwrite(
        &self,
        key: &TokenKey,
        login: &TokenState,
        options: &PutOptions,
        began: Instant,
    ) -> Result<(Option<u64>, TokenState, Put), StoreError> {
        let patience = self.timing.save_patience;
        // The last attempt, if nobody knows how it ended.
        let mut last: Option<PutAttempt> = None;
        for round in 0.. {
            // A store that hangs fails much later than the patience lasts.
            let limit = patience.saturating_sub(self.elapsed(began)).max(SHORTEST_ATTEMPT);
            let attempt = self.try_to_overwrite(key, login, options, &mut last);
            let attempt = timeout(&*self.runtime, limit, attempt).await;
            let cause = match attempt.unwrap_or_else(|| Err(no_answer(limit))) {
                Ok(PutOutcome::Saved(version, attempt)) => {
                    return Ok((Some(version), attempt.state, attempt.put));
                }
                Ok(PutOutcome::Replaced(attempt)) => return Ok((None, attempt.state, attempt.put)),
                Ok(PutOutcome::TryAgain) => None,
                Err(cause) => Some(cause),
            };
            if let Some(cause) = cause
                && (!cause.is_transient() || self.elapsed(began) >= patience)
            {
                return Err(cause);
            }
            self.runtime.sleep(pause(round).min(patience.saturating_sub(self.elapsed(began)))).await;
        }
        Err(StoreError::transient(StoreOperation::Save, "the record changed each time"))
    }

    async fn try_to_overwrite(
        &self,
        key: &TokenKey,
        login: &TokenState,
        options: &PutOptions,
        last: &mut Option<PutAttempt>,
    ) -> Result<PutOutcome, StoreError> {
        let store = &self.store.inner;
        let found = match store.load(key).await {
            Ok(found) => found,
            // A record that the store itself cannot read is replaced as it is.
            Err(cause) if !cause.is_transient() => match store.load(key).await {
                // It was that one answer. The record may hold the refresh token that is to be kept.
                Ok(found) => found,
                Err(again) if !again.is_transient() => {
                    return self.replace_blindly(key, login, options, again).await;
                }
                Err(again) => return Err(again),
            },
            Err(cause) => return Err(cause),
        };
        if let Some(record) = &found
            && let Some(attempt) = last.clone()
        {
            let found = match self.store.open(key, record).await {
                Ok(found) => Some(found.state),
                // It may open another time.
                Err(TokenError::Store { cause, .. }) if record.sealed != attempt.sealed => return Err(cause),
                Err(_) => None,
            };
            let has_our_tokens = found.as_ref().is_some_and(|found| found.has_the_tokens_of(&attempt.state));
            if record.sealed == attempt.sealed || has_our_tokens {
                return Ok(PutOutcome::Saved(record.version, attempt));
            }
            // What came of it says so; had it been saved, nobody would have gone on with the login before, however often that was saved.
            let lineage = found.as_ref().and_then(|found| found.lineage);
            let is_of = |login: Option<Lineage>| match (lineage, login) {
                (Some(found), Some(login)) => found.is_of_the_same_login(login),
                _ => false,
            };
            if is_of(attempt.state.lineage) {
                return Ok(PutOutcome::Replaced(attempt));
            }
            let is_of_the_login_before = is_of(attempt.replaces);
            // Between our token and its successor there are three saves: ours, the mark, and the successor's.
            if let Expected::Version(version) = attempt.expected
                && record.version.saturating_sub(version) > 2
                && !is_of_the_login_before
            {
                return Ok(PutOutcome::Replaced(attempt));
            }
            // Where there was nothing, the numbers tell nothing, for they go on where they once ended.
            if attempt.expected == Expected::Absent {
                return Ok(PutOutcome::Replaced(attempt));
            }
        }
        let expected = found.as_ref().map_or(Expected::Absent, |record| Expected::Version(record.version));
        let attempt = match last.clone().filter(|attempt| attempt.expected == expected) {
            Some(attempt) => attempt,
            None => self.prepare(key, login, options, found.as_ref(), expected).await?,
        };
        *last = Some(attempt.clone());
        let sealed = attempt.sealed.clone();
        Ok(match self.store.save_sealed(key, sealed, &attempt.state, expected, None).await? {
            Saved::Version(version) => PutOutcome::Saved(version, attempt),
            // Somebody else was faster; a login overwrites that too.
            Saved::Conflict(_) | Saved::Fenced => {
                *last = None;
                PutOutcome::TryAgain
            }
        })
    }

    /// Saves a login over a record that the store cannot load; fails as the load did if that is not possible either.
    async fn replace_blindly(
        &self,
        key: &TokenKey,
        login: &TokenState,
        options: &PutOptions,
        cause: StoreError,
    ) -> Result<PutOutcome, StoreError> {
        let (state, put) = combine_with_unreadable(login, options);
        let sealed = self.store.seal(key, &state).await?;
        let attempt =
            PutAttempt { expected: Expected::Any, replaces: None, sealed: sealed.clone(), state, put };
        match self.store.save_sealed(key, sealed, &attempt.state, Expected::Any, None).await {
            Ok(Saved::Version(version)) => Ok(PutOutcome::Saved(version, attempt)),
            Ok(Saved::Conflict(_) | Saved::Fenced) | Err(_) => Err(cause),
        }
    }

    /// What to save over a record: the login, with the newest refresh token that this process knows if it may keep that.
    async fn prepare(
        &self,
        key: &TokenKey,
        login: &TokenState,
        options: &PutOptions,
        found: Option<&Record>,
        expected: Expected,
    ) -> Result<PutAttempt, StoreError> {
        let found = match found {
            Some(record) => Some(self.store.open(key, record).await),
            None => None,
        };
        // What does not open just now is not written over: it may hold the refresh token that is to be kept.
        if let Some(Err(TokenError::Store { cause, .. })) = found {
            return Err(cause);
        }
        let replaces = match &found {
            Some(Ok(found)) => found.state.lineage,
            _ => None,
        };
        let set_aside = match &found {
            Some(Ok(found)) => found.state.set_aside.clone(),
            _ => Vec::new(),
        };
        let (mut state, put) = match (self.unsaved.get(key), found) {
            (Some(unsaved), _) => options.combine(login, Some(&unsaved.new)),
            (None, Some(Ok(found))) => options.combine(login, Some(&self.newest_state(key, found))),
            (None, None) => options.combine(login, None),
            (None, Some(Err(_))) => combine_with_unreadable(login, options),
        };
        state.keep_set_aside_of(&set_aside);
        let sealed = self.store.seal(key, &state).await?;
        Ok(PutAttempt { expected, replaces, sealed, state, put })
    }

    pub(crate) async fn delete(&self, key: &TokenKey) -> Result<bool, TokenError> {
        let began = self.runtime.now();
        let existed = self.delete_quietly(key).await?;
        if existed {
            self.observers.notify(key, Outcome::Deleted, self.elapsed(began));
        }
        Ok(existed)
    }

    async fn delete_quietly(&self, key: &TokenKey) -> Result<bool, TokenError> {
        let deleted = self.store.inner.delete(key).await;
        let deleted = deleted.map_err(|cause| TokenError::Store { key: key.clone(), cause })?;
        let was_unsaved = self.forget_unsaved(key, None).await;
        self.cache.learn(key, Learned::NoRecord, self.cache.tick());
        Ok(deleted || was_unsaved)
    }

    pub(crate) async fn revive(&self, key: &TokenKey) -> Result<bool, TokenError> {
        let began = self.runtime.now();
        let failed = |cause| TokenError::Store { key: key.clone(), cause };
        for round in 0.. {
            let found =
                self.store.load(key).await?.ok_or_else(|| TokenError::NotFound { key: key.clone() })?;
            let Some(revived) = found.state.revived() else { return Ok(false) };
            let saved = self.store.save(key, &revived, Expected::Version(found.version), None).await;
            if let Saved::Version(_) = saved.map_err(failed)? {
                self.cache.learn(key, Learned::NoRecord, self.cache.tick());
                self.observers.notify(key, Outcome::Revived, self.elapsed(began));
                return Ok(true);
            }
            if self.elapsed(began) > self.timing.lease_patience {
                break;
            }
            self.runtime.sleep(pause(round)).await;
        }
        Err(TokenError::Busy { key: key.clone() })
    }

    pub(crate) async fn revoke(&self, key: &TokenKey) -> Result<Revoked, TokenError> {
        let began = self.runtime.now();
        let outcome = self.revoke_quietly(key).await;
        match &outcome {
            Ok(Revoked::Nothing) | Err(TokenError::UnknownProvider { .. }) => {}
            Ok(revoked) => self.observers.notify(key, Outcome::Revoked(*revoked), self.elapsed(began)),
            Err(error) => {
                self.observers.notify(key, Outcome::Transient(error.clone()), self.elapsed(began));
            }
        }
        outcome
    }

    async fn revoke_quietly(&self, key: &TokenKey) -> Result<Revoked, TokenError> {
        // A lease on a key that nobody knows would leave a row in the store for nothing. A record that does not open is one.
        if !self.unsaved.contains(key) && matches!(self.store.load(key).await, Ok(None)) {
            self.cache.learn(key, Learned::NoRecord, self.cache.tick());
            return Ok(Revoked::Nothing);
        }
        let lease = self.lease(key).await?;
        let outcome = self.under(key, Some(&lease), self.revoke_under_lease(key)).await;
        self.return_lease(key, lease).await;
        outcome
    }

    async fn revoke_under_lease(&self, key: &TokenKey) -> Result<Revoked, TokenError> {
        // A token that is not even stored yet is the one to revoke, whether the store takes it now or not.
        self.try_to_save_unsaved(key).await;
        let unsaved = self.unsaved.get(key);
        if let Some(Unsaved { token, new, before, .. }) = unsaved {
            let revoked = self.revoke_at_the_provider(key, &new).await?;
            self.forget_unsaved(key, Some(&token)).await;
            self.delete_what_was_revoked(key, &[&new, &before]).await?;
            return Ok(revoked);
        }
        let found = self.store.load(key).await?;
        let stored = found.as_ref().map(|found| found.state.clone()).unwrap_or_default();
        let state = found.map(|found| self.newest_state(key, found)).unwrap_or_default();
        if state.token.is_none() {
            self.delete_quietly(key).await?;
            return Ok(Revoked::Nothing);
        }
        let revoked = self.revoke_at_the_provider(key, &state).await?;
        self.delete_what_was_revoked(key, &[&state, &stored]).await?;
        Ok(revoked)
    }

    /// The state that was found, or what this process knows to be newer: the store may have lost its last writes.
    pub(crate) fn newest_state(&self, key: &TokenKey, found: StoredState) -> TokenState {
        match self.cache.newest(key).filter(|newest| newest.is_newer_than(&found)) {
            Some(newest) => newest.state_over(found.state),
            None => found.state,
        }
    }

    /// Deletes the record if it is one of these; a login that was put while the provider was asked stays.
    async fn delete_what_was_revoked(
        &self,
        key: &TokenKey,
        revoked: &[&TokenState],
    ) -> Result<(), TokenError> {
        let began = self.runtime.now();
        for round in 0.. {
            let now = self.store.load(key).await?;
            let is_meant =
                |now: &StoredState| revoked.iter().any(|revoked| now.state.has_the_tokens_of(revoked));
            let is_done = match now.filter(is_meant) {
                None => true,
                Some(now) => {
                    let deleted = self.store.inner.delete_version(key, now.version).await;
                    deleted.map_err(|cause| TokenError::Store { key: key.clone(), cause })?
                }
            };
            if is_done {
                self.cache.learn(key, Learned::NoRecord, self.cache.tick());
                return Ok(());
            }
            if self.elapsed(began) > self.timing.lease_patience {
                break;
            }
            self.runtime.sleep(pause(round)).await;
        }
        Err(TokenError::Busy { key: key.clone() })
    }

    /// Revokes a grant, and tokens that were set aside.
    async fn revoke_at_the_provider(
        &self,
        key: &TokenKey,
        state: &TokenState,
    ) -> Result<Revoked, TokenError> {
        let mut outcome = Revoked::Nothing;
        for token in &state.set_aside {
            outcome = self.revoke_token(key, token, true).await?;
        }
        // Where the last refresh brought those, the refresh token that is left is spent.
        let is_replaced =
            matches!(state.dead(), Some(DeadGrant { reason: DeadReason::NotAccepted { .. }, .. }));
        if let Some(token) = state.token.as_ref().filter(|_| !is_replaced) {
            outcome = self.revoke_token(key, token, state.dead.is_some()).await?;
        }
        Ok(outcome)
    }

    async fn revoke_token(
        &self,
        key: &TokenKey,
        token: &OAuth2Token,
        is_dead: bool,
    ) -> Result<Revoked, TokenError> {
        let source = self.source(key).await?;
        let revocation = timeout(&*self.runtime, self.timing.request_limit, source.tokens.revoke(key, token));
        let outcome = revocation.await.unwrap_or_else(|| {
            let error = ErrorKind::Transport(HttpError::new(HttpErrorKind::Timeout));
            Err(oauth_core::Error::new(Operation::REVOKE_TOKEN, key.provider().to_owned(), error))
        });
        match outcome {
            Ok(()) => Ok(Revoked::AtTheProvider),
            Err(error) => match (error.kind(), error.class()) {
                (ErrorKind::Unsupported(_), _) => Ok(Revoked::InTheStoreOnly),
                // It is worth nothing already, unless that is said of an access token whose refresh token is good.
                (_, ErrorClass::Reauthorize)
                    if says_that_it_is_dead(&error)
                        && (is_dead
                            || token.refresh_token().is_none()
                            || !source.tokens.revokes_by_access_token(key)) =>
                {
                    Ok(Revoked::AtTheProvider)
                }
                // Nothing is left of a grant that is known to be dead, whatever the provider calls that.
                (ErrorKind::Refused { .. } | ErrorKind::UnexpectedStatus { .. }, class)
                    if is_dead
                        && error.operation() == Operation::REVOKE_TOKEN
                        && says_that_it_is_dead(&error)
                        && !matches!(class, ErrorClass::Transient { .. }) =>
                {
                    Ok(Revoked::AtTheProvider)
                }
                _ => Err(TokenError::RevokeFailed { key: key.clone(), cause: Arc::new(error) }),
            },
        }
    }

    pub(crate) async fn lease(&self, key: &TokenKey) -> Result<Lease, TokenError> {
        let began = self.runtime.now();
        let lifetime = self.lease_lifetime();
        if let Some(lease) = self.unsaved.borrow_lease(key) {
            // Whether it is still good matters little: the token to revoke is in this process's memory.
            let _ = self.store.inner.extend(key, &lease, lifetime).await;
            return Ok(lease);
        }
        for round in 0.. {
            match self.timed(self.store.acquire(key, &self.holder, lifetime)).await? {
                Acquired::Granted(lease) => return Ok(lease),
                Acquired::Held { retry_in } => self.runtime.sleep(pause(round).min(retry_in)).await,
            }
            if self.elapsed(began) > self.timing.lease_patience {
                break;
            }
        }
        Err(TokenError::Busy { key: key.clone() })
    }
}

/// What to save over a record that cannot be read.
fn combine_with_unreadable(login: &TokenState, options: &PutOptions) -> (TokenState, Put) {
    match options.combine(login, None) {
        (state, Put::WithoutRefreshToken(_)) => (state, Put::WithoutRefreshToken(NotKept::Unreadable)),
        combined => combined,
    }
}

/// Whether a provider refused to revoke a token because there is nothing left to revoke, and not because the client may not.
fn says_that_it_is_dead(error: &oauth_core::Error) -> bool {
    const NOT_ALLOWED: [&str; 8] = [
        "invalid_client",
        "unauthorized_client",
        "access_denied",
        "insufficient_scope",
        "login_required",
        "interaction_required",
        "consent_required",
        "account_selection_required",
    ];
    error.oauth_error().is_none_or(|refused| !NOT_ALLOWED.contains(&&*refused.code))
}
