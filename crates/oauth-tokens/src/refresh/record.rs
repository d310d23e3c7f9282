//! One refresh of one key, and what a stored record means for it.

use std::{sync::Arc, time::Duration};

use oauth_core::{OAuth2Token, OffsetDateTime, same_secret};
use tokio::sync::Semaphore;

use crate::{
    cache::{CachedAnswer, Learned, TokenResult},
    error::Error,
    event,
    key::TokenKey,
    sealed_store::StoredState,
    shared::SharedState,
    source::{SourcePause, TokenSource},
    state::TokenState,
    tasks::TaskGuard,
    timing::{Moment, TOO_FRESH_TO_REFUSE},
};

/// Why a refresh was asked for.
pub(crate) enum Trigger {
    /// Nothing is known of the key, or what was known no longer holds.
    Due,
    /// An API refused this access token.
    Rejected(String),
    /// A token is wanted that is live for at least this long.
    ValidFor(Duration),
    /// A refresh was begun, and nobody holds its lease any more. Even a live token is refreshed then, because its refresh token may
    /// be spent, and the provider gives the successor out again only for a while.
    Unfinished,
    /// A token that was obtained before this Unix time is to be replaced, due or not.
    ObtainedBefore(i64),
}

/// One refresh of one key.
pub(super) struct Refresh<'a> {
    pub(super) shared: &'a Arc<SharedState>,
    pub(super) key: &'a TokenKey,
    pub(super) source: &'a dyn TokenSource,
    pub(super) permits: &'a Semaphore,
    pub(super) pause: &'a SourcePause,
    pub(super) trigger: &'a Trigger,
    pub(super) guard: &'a TaskGuard,
}

/// How a refresh ended.
pub(super) struct RefreshOutcome {
    pub(super) result: TokenResult,
    pub(super) learned: Learned,
    pub(super) event: Option<event::Outcome>,
}

/// The record changed in the middle of a refresh, which therefore starts over.
pub(super) struct Changed;

impl Refresh<'_> {
    /// The outcome, if the record leaves nothing to refresh.
    pub(super) fn settled(&self, found: Option<&StoredState>) -> Option<RefreshOutcome> {
        let Some(found) = found else {
            return self.source.needs_login(self.key).then(|| RefreshOutcome::not_found(self.key));
        };
        let (timing, now) = (&self.shared.timing, self.shared.clock.now());
        let state = &found.state;
        // Another process may put a new login into the store at any time.
        let refused = |error| self.refuse(error, state, found.version, now + timing.reread_failures_after);
        if let Some(grant) = state.dead() {
            let error = Error::Dead { key: self.key.clone(), grant };
            return Some(refused(error));
        }
        let milestones = timing.milestones(self.key, state);
        let token = state.token.as_ref();
        let live = token.filter(|token| milestones.is_live(now) && !self.is_unwanted(token, state));
        let is_wanted = match self.trigger {
            Trigger::Unfinished => state.refreshing_since.is_some(),
            Trigger::ObtainedBefore(time) => state.obtained_at < *time,
            Trigger::Due | Trigger::Rejected(_) | Trigger::ValidFor(_) => false,
        };
        if let Some(token) = live
            && !milestones.is_due(now)
            && !is_wanted
        {
            return Some(self.live(token, state, found.version, milestones.due_at));
        }
        if let Some(token) = token
            && !self.source.can_replace(self.key, token)
        {
            return Some(match live {
                Some(token) => self.live(token, state, found.version, milestones.dead_at),
                None => refused(Error::no_refresh_token(self.key, milestones.dead_at.unwrap_or(now))),
            });
        }
        let retry_at = timing.resting_until(state, now, self.shared.store_ahead())?;
        let message = state.failure.clone().unwrap_or_default();
        Some(self.resting(Some(found), retry_at, message))
    }

    /// The outcome while the provider is left alone because of the failures of other keys.
    pub(super) fn paused(&self, found: Option<&StoredState>) -> Option<RefreshOutcome> {
        let (retry_at, message) = self.pause.now(self.shared.clock.now())?;
        Some(self.resting(found, retry_at, message))
    }

    /// The outcome while the provider is left alone.
    fn resting(
        &self,
        found: Option<&StoredState>,
        retry_at: OffsetDateTime,
        message: String,
    ) -> RefreshOutcome {
        let (timing, now) = (&self.shared.timing, self.shared.clock.now());
        let error = Error::RefreshFailed { key: self.key.clone(), cause: None, message, retry_at };
        let until = retry_at.min(now + timing.reread_failures_after);
        let Some(found) = found else { return RefreshOutcome::refused(error, 0, until) };
        let state = &found.state;
        let is_live = timing.milestones(self.key, state).is_live(now);
        match state.token.as_ref().filter(|token| is_live && !self.is_unwanted(token, state)) {
            Some(token) => self.live(token, state, found.version, Some(retry_at)),
            None => self.refuse(error, state, found.version, until),
        }
    }

    /// The outcome that there is no live token, until a time. A token that one API has refused, or that one caller finds too
    /// short-lived, is still live for all others: only those who wait for this refresh are told.
    pub(super) fn refuse(
        &self,
        error: Error,
        state: &TokenState,
        version: u64,
        until: OffsetDateTime,
    ) -> RefreshOutcome {
        let outcome = RefreshOutcome::refused(error, version, until);
        let is_live = state.dead.is_none()
            && state.token.is_some()
            && self.shared.timing.milestones(self.key, state).is_live(self.shared.clock.now());
        match self.trigger {
            Trigger::Rejected(_) | Trigger::ValidFor(_) if is_live => {
                RefreshOutcome { learned: Learned::Nothing, ..outcome }
            }
            _ => outcome,
        }
    }

    /// Whether the caller wants another token, though this one may be live. One that is only seconds old is as good as its successor
    /// would be.
    fn is_unwanted(&self, token: &OAuth2Token, state: &TokenState) -> bool {
        let now = self.shared.clock.now();
        let is_unwanted = match self.trigger {
            Trigger::Due | Trigger::Unfinished | Trigger::ObtainedBefore(_) => false,
            Trigger::Rejected(rejected) => same_secret(rejected, token.access_token()),
            Trigger::ValidFor(time) => {
                let dead_at = self.shared.timing.milestones(self.key, state).dead_at;
                dead_at.is_some_and(|at| at - now < *time)
            }
        };
        let age = now.unix_timestamp().saturating_sub(state.obtained_at);
        let is_fresh = (0..TOO_FRESH_TO_REFUSE.as_secs().cast_signed()).contains(&age);
        is_unwanted && !is_fresh
    }

    /// The outcome that this token is live, until a time or until it expires.
    fn live(
        &self,
        token: &OAuth2Token,
        state: &TokenState,
        version: u64,
        until: Option<OffsetDateTime>,
    ) -> RefreshOutcome {
        let was_known = self.shared.cache.version(self.key);
        let is_news = was_known.is_some_and(|known| known < version);
        let answer = self.shared.live_answer(self.key, &Arc::new(token.clone()), state, version, until);
        let event = is_news.then_some(event::Outcome::Adopted { version });
        RefreshOutcome { event, ..RefreshOutcome::live(answer) }
    }
}

impl RefreshOutcome {
    /// With a live token.
    pub(super) fn live(answer: CachedAnswer) -> Self {
        let result = answer.result.clone().map_err(|error| *error);
        Self { result, learned: Learned::Answer(answer), event: None }
    }

    /// Without a live token, as the record says.
    pub(super) fn refused(error: Error, version: u64, until: OffsetDateTime) -> Self {
        let result = Err(Box::new(error.clone()));
        let answer = CachedAnswer {
            result,
            version,
            holds_until: until.into(),
            live_until: Moment::never(),
            newest: None,
        };
        Self { result: Err(error), learned: Learned::Answer(answer), event: None }
    }

    /// Without a record.
    pub(super) fn not_found(key: &TokenKey) -> Self {
        Self { result: Err(Error::NotFound { key: key.clone() }), learned: Learned::NoRecord, event: None }
    }

    /// For a reason that says nothing about the token.
    pub(super) fn failed(error: Error) -> Self {
        // Nothing was attempted for an unknown provider, whose name anybody may have made up, or after a shutdown.
        let event = match &error {
            Error::UnknownProvider { .. } | Error::Closed => None,
            _ => Some(event::Outcome::Transient(error.clone())),
        };
        Self { result: Err(error), learned: Learned::Nothing, event }
    }
}
