//! One refresh of one key, and what a stored record means for it.

use std::{sync::Arc, time::Duration};

use oauth_core::{ErrorKind, OAuth2Token, OffsetDateTime, same_secret};
use tokio::sync::Semaphore;

use crate::{
    access_token_request::Wanted,
    cache::{CachedAnswer, CachedToken, Learned, TokenResult},
    calendar::time,
    error::TokenError,
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
    /// Which further access token is wanted; `None` where it is the token of the login.
    pub(super) wanted: Option<&'a Wanted>,
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
            let error = TokenError::Dead { key: self.key.clone(), grant };
            return Some(refused(error));
        }
        if let Some(wanted) = self.wanted {
            return self.settled_further(wanted, found);
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
                None if milestones.is_live(now) => {
                    let expires_at = state.expires_at.map(time);
                    refused(TokenError::NoRefreshToken { key: self.key.clone(), expires_at })
                }
                None => refused(TokenError::no_refresh_token(self.key, milestones.dead_at.unwrap_or(now))),
            });
        }
        let retry_at = timing.rests_until(state.rest()?, now, self.shared.store_ahead())?;
        let message = state.failure.clone().unwrap_or_default();
        Some(self.resting(Some(found), retry_at, message))
    }

    /// The outcome for a further access token, if the record leaves nothing to obtain.
    fn settled_further(&self, wanted: &Wanted, found: &StoredState) -> Option<RefreshOutcome> {
        let (shared, now, state) = (self.shared, self.shared.clock.now(), &found.state);
        let further = state.further(wanted);
        if further.is_some_and(|further| !shared.further_milestones(self.key, further).is_due(now))
            && let Some(live) = self.live_further(wanted, found)
        {
            return Some(live);
        }
        if self.source.needs_login(self.key) && state.refresh_token().is_none() {
            return Some(self.live_further(wanted, found).unwrap_or_else(|| {
                let expires_at = state.expires_at.map(time);
                self.refuse_further(TokenError::NoRefreshToken { key: self.key.clone(), expires_at }, found)
            }));
        }
        let (retry_at, failure) = shared.further_rest(further?, now)?;
        let live = self.live_further(wanted, found);
        Some(live.unwrap_or_else(|| self.refuse_further(failure.error(self.key, retry_at), found)))
    }

    /// The outcome that a further access token is live, if it is.
    pub(super) fn live_further(&self, wanted: &Wanted, found: &StoredState) -> Option<RefreshOutcome> {
        let (shared, now) = (self.shared, self.shared.clock.now());
        let further = found.state.further(wanted)?;
        let (token, dead_at) =
            (further.token.as_ref()?, shared.further_milestones(self.key, further).dead_at);
        let is_live = dead_at.is_none_or(|at| at > now);
        if !is_live || self.is_unwanted_at(token, further.obtained_at, dead_at) {
            return None;
        }
        let learned = self.learned(found);
        // The same one that is remembered, so that it is recognized.
        let remembered = learned.further().and_then(|all| all.iter().find(|known| known.wanted == *wanted));
        let token = match remembered {
            Some(CachedToken { result: Ok(token), .. }) => Arc::clone(token),
            _ => Arc::new(token.clone()),
        };
        Some(RefreshOutcome { result: Ok(token), learned, event: None })
    }

    /// The outcome that there is no such further access token. All else that the record says is learned.
    pub(super) fn refuse_further(&self, error: TokenError, found: &StoredState) -> RefreshOutcome {
        RefreshOutcome { result: Err(error), learned: self.learned(found), event: None }
    }

    /// What a record says of all access tokens of a grant.
    pub(super) fn learned(&self, found: &StoredState) -> Learned {
        let (shared, state) = (self.shared, &found.state);
        let Some(token) = &state.token else {
            return Learned::Further(shared.cached_further(self.key, state));
        };
        // The token of the login may be one that rests after a failure, or has expired: then it holds for no time.
        let due_at = shared.timing.milestones(self.key, state).due_at;
        let token = Arc::new(token.clone());
        Learned::Answer(shared.live_answer(self.key, &token, state, found.version, due_at))
    }

    /// The outcome while the provider is left alone because of the failures of other keys.
    pub(super) fn paused(&self, found: Option<&StoredState>) -> Option<RefreshOutcome> {
        let (retry_at, message) = self.pause.now(self.shared.clock.now())?;
        let Some(wanted) = self.wanted else { return Some(self.resting(found, retry_at, message)) };
        let live = found.and_then(|found| self.live_further(wanted, found));
        Some(live.unwrap_or_else(|| {
            let error = TokenError::RefreshFailed { key: self.key.clone(), cause: None, message, retry_at };
            RefreshOutcome { result: Err(error), learned: Learned::Nothing, event: None }
        }))
    }

    /// The outcome while the provider is left alone.
    fn resting(
        &self,
        found: Option<&StoredState>,
        retry_at: OffsetDateTime,
        message: String,
    ) -> RefreshOutcome {
        let (timing, now) = (&self.shared.timing, self.shared.clock.now());
        let error = TokenError::RefreshFailed { key: self.key.clone(), cause: None, message, retry_at };
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
        error: TokenError,
        state: &TokenState,
        version: u64,
        until: OffsetDateTime,
    ) -> RefreshOutcome {
        let mut outcome = RefreshOutcome::refused(error, version, until);
        if let Learned::Answer(answer) = &mut outcome.learned {
            // They are as good as before, unless the grant is dead.
            answer.further = self.shared.cached_further(self.key, state);
        }
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
        let dead_at = self.shared.timing.milestones(self.key, state).dead_at;
        self.is_unwanted_at(token, state.obtained_at, dead_at)
    }

    fn is_unwanted_at(&self, token: &OAuth2Token, obtained_at: i64, dead_at: Option<OffsetDateTime>) -> bool {
        let now = self.shared.clock.now();
        if self.is_bound_elsewhere(token) {
            return true;
        }
        let is_unwanted = match self.trigger {
            Trigger::Due | Trigger::Unfinished | Trigger::ObtainedBefore(_) => false,
            Trigger::Rejected(rejected) => same_secret(rejected, token.access_token()),
            Trigger::ValidFor(time) => dead_at.is_some_and(|at| at - now < *time),
        };
        let age = now.unix_timestamp().saturating_sub(obtained_at);
        let is_fresh = (0..TOO_FRESH_TO_REFUSE.as_secs().cast_signed()).contains(&age);
        is_unwanted && !is_fresh
    }

    /// Whether the token is bound to a key or a certificate that the client no longer has, so that no API would take it: it is
    /// replaced, not served (RFC 8705 section 6.3).
    fn is_bound_elsewhere(&self, token: &OAuth2Token) -> bool {
        let unusable = self.source.client(self.key).and_then(|client| client.usable(token).err());
        unusable.is_some_and(|error| matches!(error.kind(), ErrorKind::Binding(_)))
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
    pub(super) fn refused(error: TokenError, version: u64, until: OffsetDateTime) -> Self {
        let result = Err(Box::new(error.clone()));
        let answer = CachedAnswer {
            result,
            version,
            holds_until: until.into(),
            live_until: Moment::never(),
            newest: None,
            further: None,
        };
        Self { result: Err(error), learned: Learned::Answer(answer), event: None }
    }

    /// Without a record.
    pub(super) fn not_found(key: &TokenKey) -> Self {
        Self {
            result: Err(TokenError::NotFound { key: key.clone() }),
            learned: Learned::NoRecord,
            event: None,
        }
    }

    /// For a reason that says nothing about the token.
    pub(super) fn failed(error: TokenError) -> Self {
        // Nothing was attempted for an unknown provider, whose name anybody may have made up, or after a shutdown.
        let event = match &error {
            TokenError::UnknownProvider { .. } | TokenError::Closed => None,
            _ => Some(event::Outcome::Transient(error.clone())),
        };
        Self { result: Err(error), learned: Learned::Nothing, event }
    }
}
