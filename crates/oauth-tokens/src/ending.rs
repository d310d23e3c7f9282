//! What becomes of a refresh once the provider has answered.

use std::{collections::HashMap, sync::Arc, time::Duration};

use oauth_core::{ErrorClass, ErrorKind, HttpErrorKind, OAuth2Token, Operation};
use tokio::time::{Instant, sleep, timeout};

use crate::{
    core::Core,
    error::Error,
    event,
    key::TokenKey,
    refresh::{Changed, Flight, Landing},
    state::{DeadGrant, DeadReason, State, time},
    store::{Expected, Lease, Saved, StoreError, StoreOperation},
    tasks::Ticket,
    timing::pause,
    vault::Opened,
};

/// A new token that the store has not taken yet. While it stands here, its predecessor is not redeemed again.
#[derive(Clone)]
pub(crate) struct Unsaved {
    pub(crate) token: Arc<OAuth2Token>,
    pub(crate) new: Arc<State>,
    pub(crate) before: Arc<State>,
    expected: Expected,
    /// The lease under which it was redeemed: while it is held, no other process redeems the predecessor. `None` while a
    /// revocation has it, and where nobody is to be kept out.
    lease: Option<Lease>,
    cause: StoreError,
}

/// By key. A writer who replaces the token takes it out. Whoever takes it out gives its lease back.
pub(crate) type AllUnsaved = HashMap<TokenKey, Unsaved>;

/// How a save of a new token ended.
enum Kept {
    Saved(u64),
    /// Something else than the predecessor is there: a new login, or another process's token.
    Superseded(Box<Opened>),
    Deleted,
    Failed(StoreError),
    /// What is there does not open in this process, so that nobody knows whether it is older or newer.
    Unreadable(StoreError),
}

impl Flight<'_> {
    /// Saves a new token, then hands it out.
    pub(crate) async fn keep(
        &self,
        token: OAuth2Token,
        before: State,
        expected: Expected,
        lease: &Lease,
    ) -> Result<Landing, Changed> {
        let core = self.core;
        let new = State::fresh(token.clone(), core.clock.now());
        let token = Arc::new(token);
        let patience = core.timing.save_patience;
        match core.save_new(self.key, &new, &before, expected, Some(lease), patience).await {
            Kept::Saved(version) => Ok(core.refreshed(self.key, &token, &new, version)),
            Kept::Superseded(found) => self.settled(Some(&found)).ok_or(Changed),
            // A machine needs no login for another one.
            Kept::Deleted if !self.source.needs_login() => Err(Changed),
            Kept::Deleted => Ok(Landing::gone(self.key)),
            Kept::Failed(cause) => {
                let lease = Some(lease.clone());
                let unsaved =
                    Unsaved { token, new: Arc::new(new), before: Arc::new(before), expected, lease, cause };
                Ok(core.keep_in_memory(self.key, unsaved, self.ticket))
            }
            // What is there is left as it is. A marked record is not sealed anew, so this one is most likely a new login, or
            // another process's token, and others must not be kept from it.
            Kept::Unreadable(cause) => {
                let unsaved = Unsaved {
                    token,
                    new: Arc::new(new),
                    before: Arc::new(before),
                    expected,
                    lease: None,
                    cause,
                };
                Ok(core.keep_in_memory(self.key, unsaved, self.ticket))
            }
        }
    }

    /// Decides what a failure means: for the grant, for the record, for the caller.
    pub(crate) async fn give_up(
        &self,
        error: oauth_core::Error,
        before: &State,
        expected: Expected,
        lease: &Lease,
    ) -> Result<Landing, Changed> {
        // A machine's grant cannot be lost: whatever the server dislikes today, it may like tomorrow.
        if error.class() == ErrorClass::Reauthorize && self.source.needs_login() {
            self.bury(&error, before, lease).await
        } else {
            self.try_later(error, before, expected, lease).await
        }
    }

    /// The provider says that the grant is dead. Before that is believed, the store is asked once more: another process may
    /// have redeemed the same token and saved its successor.
    async fn bury(
        &self,
        error: &oauth_core::Error,
        before: &State,
        lease: &Lease,
    ) -> Result<Landing, Changed> {
        let core = self.core;
        let found = match core.vault.load(self.key).await {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(Landing::gone(self.key)),
            Err(error) => return Ok(Landing::failed(error)),
        };
        if !found.state.has_the_tokens_of(before) {
            return self.settled(Some(&found)).ok_or(Changed);
        }
        let now = core.clock.now();
        let reason = match (before.refreshing_since, refusal(error)) {
            (Some(since), DeadReason::Refused { code, .. }) => DeadReason::LostInRefresh { since, code },
            (_, reason) => reason,
        };
        let grant = DeadGrant { reason, at: time(now.unix_timestamp()) };
        let died = before.died(&grant);
        let version =
            match core.vault.save(self.key, &died, Expected::Version(found.version), Some(lease)).await {
                Ok(Saved::Version(version)) => version,
                Ok(Saved::Conflict(_) | Saved::Fenced) => return Err(Changed),
                // This process knows; the next one that asks will learn it from the provider.
                Err(_) => found.version,
            };
        let error = Error::Dead { key: self.key.clone(), grant: grant.clone() };
        let landing = Landing::refused(error, version, now + core.timing.reread_failures_after);
        Ok(Landing { event: Some(event::Outcome::Dead(grant)), ..landing })
    }

    /// The provider did not answer, or not to the point. Nothing is deleted; it is left alone for a while, by all processes.
    async fn try_later(
        &self,
        error: oauth_core::Error,
        before: &State,
        expected: Expected,
        lease: &Lease,
    ) -> Result<Landing, Changed> {
        let (core, now) = (self.core, self.core.clock.now());
        let asked_for = match error.class() {
            ErrorClass::Transient { retry_after } => retry_after,
            _ => error.retry_after(),
        };
        let message = error.to_string();
        let wait = core.timing.backoff(before.failures, asked_for);
        let failed = before.failed(&message, now, wait, was_surely_not_carried_out(&error));
        let saved = core.vault.save(self.key, &failed, expected, Some(lease)).await;
        let version = match (saved, expected) {
            (Ok(Saved::Version(version)), _) => version,
            (Ok(Saved::Conflict(_) | Saved::Fenced), _) => return Err(Changed),
            // The mark stays in the store, and this process remembers the rest.
            (Err(_), Expected::Version(version)) => version,
            (Err(_), _) => 0,
        };
        let retry_at = now + wait;
        let error =
            Error::RefreshFailed { key: self.key.clone(), cause: Some(Arc::new(error)), message, retry_at };
        let event = Some(event::Outcome::Transient(error.clone()));
        let resting = Opened { version, state: failed, is_current: true };
        let landing = match self.settled(Some(&resting)) {
            Some(landing) if landing.outcome.is_ok() => landing,
            _ => {
                let until = retry_at.min(now + core.timing.reread_failures_after);
                self.refuse(error, &resting.state, version, until)
            }
        };
        Ok(Landing { event, ..landing })
    }
}

impl Core {
    /// Writes a new token where its predecessor is, for as long as it takes or patience lasts.
    ///
    /// The lease may be lost on the way, to a process that then holds the same predecessor and cannot do anything good with
    /// it. So whatever has been noted about the predecessor is written over, and nothing else is.
    async fn save_new(
        &self,
        key: &TokenKey,
        new: &State,
        before: &State,
        mut expected: Expected,
        mut lease: Option<&Lease>,
        patience: Duration,
    ) -> Kept {
        let unreadable =
            |error: Error| Kept::Unreadable(StoreError::permanent(StoreOperation::Save, error.to_string()));
        let sealed = match self.vault.seal(key, new) {
            Ok(sealed) => sealed,
            Err(cause) => return Kept::Failed(cause),
        };
        let deadline = Instant::now() + patience;
        for round in 0.. {
            let attempt = self.vault.store.save(key, sealed.clone(), expected, lease).await;
            let found = match attempt {
                Ok(Saved::Version(version)) => return Kept::Saved(version),
                Ok(Saved::Conflict(None)) => return Kept::Deleted,
                // An attempt that seemed to fail did not.
                Ok(Saved::Conflict(Some(record))) if record.sealed == sealed => {
                    return Kept::Saved(record.version);
                }
                Ok(Saved::Conflict(Some(record))) => self.vault.open(key, &record).map(Some),
                Ok(Saved::Fenced) => {
                    lease = None;
                    self.vault.load(key).await
                }
                Err(cause) => Err(Error::Store { key: key.clone(), cause }),
            };
            match found {
                Ok(Some(found)) if found.state.has_the_tokens_of(before) => {
                    expected = Expected::Version(found.version);
                }
                Ok(Some(found)) => return Kept::Superseded(Box::new(found)),
                Ok(None) => return Kept::Deleted,
                Err(Error::Store { cause, .. }) => {
                    if Instant::now() >= deadline {
                        return Kept::Failed(cause);
                    }
                    if let Some(lease) = lease {
                        let _ = self.vault.store.extend(key, lease, self.timing.lease_lifetime).await;
                    }
                    sleep(pause(round)).await;
                }
                Err(error) => return unreadable(error),
            }
        }
        Kept::Deleted
    }

    fn refreshed(&self, key: &TokenKey, token: &Arc<OAuth2Token>, state: &State, version: u64) -> Landing {
        let due_at = self.timing.milestones(key, state).due_at;
        let answer = self.answer(key, token, state, version, due_at);
        let expires_at = state.expires_at.map(time);
        Landing { event: Some(event::Outcome::Refreshed { version, expires_at }), ..Landing::live(answer) }
    }

    /// Remembers a token that the store did not take, and goes on trying after the flight has ended.
    fn keep_in_memory(self: &Arc<Self>, key: &TokenKey, unsaved: Unsaved, ticket: &Ticket) -> Landing {
        self.unsaved().insert(key.clone(), unsaved.clone());
        tokio::spawn(Arc::clone(self).go_on_saving(key.clone(), ticket.another()));
        let error = unsaved.error(key);
        Landing { event: Some(event::Outcome::Transient(error.clone())), ..self.not_saved(error, &unsaved) }
    }

    fn not_saved(&self, error: Error, unsaved: &Unsaved) -> Landing {
        let Expected::Version(version) = unsaved.expected else { return Landing::failed(error) };
        Landing::refused(error, version, self.clock.now() + self.timing.first_backoff)
    }

    async fn go_on_saving(self: Arc<Self>, key: TokenKey, _ticket: Ticket) {
        let began = std::time::Instant::now();
        let mut is_closing = false;
        for round in 5.. {
            let nap = pause(round).max(self.timing.first_backoff / 2);
            let attempt = self.cache.tick();
            // A shutdown grants one more attempt, with the usual patience.
            is_closing = is_closing || timeout(nap, self.tasks.closed()).await.is_ok();
            let patience = if is_closing { self.timing.save_patience } else { Duration::ZERO };
            let lease = self.unsaved().get(&key).and_then(|unsaved| unsaved.lease.clone());
            if let Some(lease) = lease {
                // One that cannot be extended expires, and then another process may redeem the predecessor.
                let _ = self.vault.store.extend(&key, &lease, self.timing.lease_lifetime).await;
            }
            match self.save_unsaved(&key, patience).await {
                Some(Landing { outcome: Err(Error::NotSaved { .. }), .. }) if !is_closing => {}
                Some(landing) => {
                    if let Some(event) = landing.event {
                        self.observers.tell(&key, event, began.elapsed());
                    }
                    return self.cache.tell(&key, landing.learned, attempt);
                }
                None => return,
            }
        }
    }

    /// The first thing that a flight does: where a new token waits to be saved, the old one is not to be redeemed.
    pub(crate) async fn save_what_was_not(&self, key: &TokenKey) -> Option<Landing> {
        self.save_unsaved(key, Duration::ZERO).await
    }

    /// Tries once more to save what could not be saved; `None` if there is no such thing.
    async fn save_unsaved(&self, key: &TokenKey, patience: Duration) -> Option<Landing> {
        let unsaved = self.unsaved().get(key).cloned()?;
        let Unsaved { token, new, before, expected, .. } = &unsaved;
        let kept = self.save_new(key, new, before, *expected, None, patience).await;
        let landing = match kept {
            Kept::Failed(cause) | Kept::Unreadable(cause) => {
                let unsaved = Unsaved { cause, ..unsaved };
                return Some(self.not_saved(unsaved.error(key), &unsaved));
            }
            Kept::Saved(version) => self.refreshed(key, token, new, version),
            Kept::Superseded(_) | Kept::Deleted => {
                self.forget_unsaved(key, Some(token)).await;
                return None;
            }
        };
        self.forget_unsaved(key, Some(token)).await;
        Some(landing)
    }

    /// Takes out what waits to be saved, or this token only, and gives its lease back; whether there was such a thing.
    pub(crate) async fn forget_unsaved(&self, key: &TokenKey, token: Option<&Arc<OAuth2Token>>) -> bool {
        let is_meant = |unsaved: &Unsaved| token.is_none_or(|token| Arc::ptr_eq(&unsaved.token, token));
        let unsaved = {
            let mut all = self.unsaved();
            match all.get(key).is_some_and(is_meant) {
                true => all.remove(key),
                false => None,
            }
        };
        let Some(unsaved) = unsaved else { return false };
        if let Some(lease) = unsaved.lease {
            self.release(key, &lease).await;
        }
        true
    }

    /// Whether a token that waits to be saved still needs this lease.
    pub(crate) fn is_kept_with_unsaved(&self, key: &TokenKey, lease: &Lease) -> bool {
        self.unsaved().get(key).is_some_and(|unsaved| unsaved.lease.as_ref() == Some(lease))
    }

    /// The lease of a token that waits to be saved, to do something else under it.
    pub(crate) fn borrow_lease_of_unsaved(&self, key: &TokenKey) -> Option<Lease> {
        self.unsaved().get_mut(key)?.lease.take()
    }

    /// Gives a lease back: to the token that waits to be saved if there is one, else to the store.
    pub(crate) async fn hand_back(&self, key: &TokenKey, lease: Lease) {
        if let Some(unsaved) = self.unsaved().get_mut(key)
            && unsaved.lease.is_none()
        {
            unsaved.lease = Some(lease);
            return;
        }
        self.release(key, &lease).await;
    }
}

impl Unsaved {
    /// The error that hands the token over.
    pub(crate) fn error(&self, key: &TokenKey) -> Error {
        Error::NotSaved { key: key.clone(), token: Arc::clone(&self.token), cause: self.cause.clone() }
    }
}

fn refusal(error: &oauth_core::Error) -> DeadReason {
    match error.oauth_error() {
        Some(refused) => {
            DeadReason::Refused { code: refused.code.clone(), description: refused.description.clone() }
        }
        None => DeadReason::Refused { code: error.to_string(), description: None },
    }
}

/// Whether the provider cannot have redeemed the refresh token. Of what went wrong on its side, or on the way back, nobody
/// knows.
fn was_surely_not_carried_out(error: &oauth_core::Error) -> bool {
    match error.kind() {
        // Before the token endpoint was even known.
        _ if [Operation::DISCOVER, Operation::CONFIGURE].contains(&error.operation()) => true,
        // Afterwards.
        _ if error.operation() != Operation::REFRESH_TOKEN => false,
        ErrorKind::Transport(error) => {
            matches!(error.kind(), HttpErrorKind::Connect | HttpErrorKind::InvalidRequest)
        }
        ErrorKind::Configuration(_) | ErrorKind::Unsupported(_) => true,
        // Some providers refuse under status 200.
        ErrorKind::Refused { .. } => error.status().is_some_and(|status| !status.is_server_error()),
        ErrorKind::UnexpectedStatus { .. } => error.status().is_some_and(|status| status.is_client_error()),
        _ => false,
    }
}
