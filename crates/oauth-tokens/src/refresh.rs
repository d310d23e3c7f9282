//! The procedure that every refresh follows, from the first look into the store to the last word about it.
//!
//! ```text
//! look into the store ─ is it live, dead, or resting after a failure? then that is the answer
//!   └─ lease ─ held by another? look again a little later
//!        └─ look again, under the lease
//!             └─ mark: "refreshing since …" ─ the store takes it? else nothing is redeemed
//!                  └─ redeem ─ refused? look again before it is believed
//!                       └─ save, then hand out
//! ```

use std::{
    convert::Infallible,
    sync::Arc,
    time::{Duration, Instant},
};

use oauth_core::{ErrorKind, HttpError, HttpErrorKind, OAuth2Token, OffsetDateTime, Operation, same_secret};
use tokio::{
    sync::Semaphore,
    time::{sleep, timeout},
};

use crate::{
    cache::{Answer, Learned, Outcome, Pilot},
    core::Core,
    error::Error,
    event,
    key::TokenKey,
    source::TokenSource,
    state::State,
    store::{Acquired, Expected, Lease, Saved, StoreError},
    tasks::Ticket,
    timing::{Moment, TOO_FRESH_TO_REFUSE, pause},
    vault::Opened,
};

/// Why a token is asked for anew.
pub(crate) enum Why {
    /// Nothing is known of the key, or what is known holds no more.
    Due,
    /// An API refused this access token.
    Rejected(String),
}

/// How a flight ends.
pub(crate) struct Landing {
    pub(crate) outcome: Outcome,
    pub(crate) learned: Learned,
    pub(crate) event: Option<event::Outcome>,
}

/// Nothing came of it: the record changed on the way, and the flight begins again.
pub(crate) struct Changed;

/// One key's refresh.
pub(crate) struct Flight<'a> {
    pub(crate) core: &'a Arc<Core>,
    pub(crate) key: &'a TokenKey,
    pub(crate) source: &'a dyn TokenSource,
    pub(crate) permits: &'a Semaphore,
    pub(crate) why: &'a Why,
    pub(crate) ticket: &'a Ticket,
}

impl Core {
    /// Carries a refresh to its end, whoever has stopped waiting for it.
    pub(crate) async fn fly(self: Arc<Self>, key: TokenKey, why: Why, pilot: Pilot, ticket: Ticket) {
        let began = Instant::now();
        let mut lease = None;
        let landing = match self.sources.get(key.provider()) {
            Some(source) => {
                let flight = Flight {
                    core: &self,
                    key: &key,
                    source: &*source.tokens,
                    permits: &source.permits,
                    why: &why,
                    ticket: &ticket,
                };
                flight.run(&mut lease).await
            }
            None => Landing::failed(Error::UnknownProvider { key: key.clone() }),
        };
        if let Some(event) = landing.event {
            self.observers.tell(&key, event, began.elapsed());
        }
        if let Err(error) = &landing.outcome {
            if matches!(error, Error::Store { .. }) {
                self.store_health.note_trouble();
            }
            // A token that is due but live stands for a while, whether somebody has waited for the landing or not.
            if matches!(landing.learned, Learned::Nothing) && error.leaves_the_old_token_good() {
                self.cache.hold(&key, (self.clock.now() + self.timing.first_backoff).into());
            }
        }
        pilot.land(landing.outcome, landing.learned);
        // Nobody waits for this: who wants the lease looks into the record first. Where the new token is not saved yet, the
        // lease stays with it, or another process would redeem the old refresh token once more.
        if let Some(lease) = lease
            && !self.is_kept_with_unsaved(&key, &lease)
        {
            self.release(&key, &lease).await;
        }
    }

    pub(crate) async fn release(&self, key: &TokenKey, lease: &Lease) {
        // A lease that cannot be given back expires.
        let _ = self.vault.store.release(key, lease).await;
    }
}

impl Flight<'_> {
    /// Up to the landing; what is in `lease` then is to be given back.
    async fn run(&self, lease: &mut Option<Lease>) -> Landing {
        if let Some(landing) = self.core.save_what_was_not(self.key).await {
            return landing;
        }
        let began = Instant::now();
        for round in 0.. {
            let found = match self.core.vault.load_resealed(self.key).await {
                Ok(found) => found,
                Err(error) => return Landing::failed(error),
            };
            self.core.store_health.note_answer();
            if let Some(landing) = self.settled(found.as_ref()) {
                return landing;
            }
            // Not before it is known that there is something to do; and not under the lease, for which others wait.
            // Whoever must queue for it has not begun, and a shutdown does not wait for him.
            let permit = match self.permits.try_acquire() {
                Ok(permit) => Ok(permit),
                Err(_) => tokio::select! {
                    biased;
                    () = self.core.tasks.closed() => return Landing::failed(Error::Closed),
                    permit = self.permits.acquire() => permit,
                },
            };
            let limits = &self.core.timing;
            let asked = Instant::now();
            match self.core.vault.acquire(self.key, &self.core.holder, limits.lease_lifetime).await {
                Err(error) => return Landing::failed(error),
                Ok(Acquired::Granted(granted)) => {
                    let held = lease.insert(granted);
                    match self.under_lease(held, asked, found).await {
                        Ok(landing) => return landing,
                        Err(Changed) => self.core.release(self.key, held).await,
                    }
                    *lease = None;
                    drop(permit);
                    sleep(pause(round)).await;
                }
                Ok(Acquired::Held { retry_in }) => {
                    drop(permit);
                    let nap = pause(round).min(retry_in).max(Duration::from_millis(1));
                    if timeout(nap, self.core.tasks.closed()).await.is_ok() {
                        return Landing::failed(Error::Closed);
                    }
                }
            }
            if began.elapsed() > limits.lease_patience {
                break;
            }
        }
        Landing::failed(Error::Busy { key: self.key.clone() })
    }

    /// The landing, if what is in the store settles the matter without a refresh.
    pub(crate) fn settled(&self, found: Option<&Opened>) -> Option<Landing> {
        let Some(found) = found else {
            return self.source.needs_login().then(|| Landing::gone(self.key));
        };
        let (timing, now) = (&self.core.timing, self.core.clock.now());
        let state = &found.state;
        // Another process may put a new login into the store at any time.
        let refused = |error| self.refuse(error, state, found.version, now + timing.reread_failures_after);
        if let Some(grant) = state.dead() {
            let error = Error::Dead { key: self.key.clone(), grant };
            return Some(refused(error));
        }
        let milestones = timing.milestones(self.key, state);
        let token = state.token.as_ref();
        let live = token.filter(|token| milestones.is_live(now) && !self.is_rejected(token, state));
        if let Some(token) = live
            && !milestones.is_due(now)
        {
            return Some(self.live(token, state, found.version, milestones.due_at));
        }
        if let Some(token) = token
            && !self.source.can_replace(token)
        {
            return Some(match live {
                Some(token) => self.live(token, state, found.version, milestones.dead_at),
                None => refused(Error::no_refresh_token(self.key, milestones.dead_at.unwrap_or(now))),
            });
        }
        let retry_at = timing.resting_until(state, now)?;
        Some(match live {
            Some(token) => self.live(token, state, found.version, Some(retry_at)),
            None => refused(Error::RefreshFailed {
                key: self.key.clone(),
                cause: None,
                message: state.failure.clone().unwrap_or_default(),
                retry_at,
            }),
        })
    }

    /// Says that there is no live token, until a time. A token that one API has refused is still live for all others: what is
    /// said of it is said to those who wait here, and nobody else.
    pub(crate) fn refuse(&self, error: Error, state: &State, version: u64, until: OffsetDateTime) -> Landing {
        let landing = Landing::refused(error, version, until);
        let is_live = state.dead.is_none()
            && state.token.is_some()
            && self.core.timing.milestones(self.key, state).is_live(self.core.clock.now());
        match self.why {
            Why::Rejected(_) if is_live => Landing { learned: Learned::Nothing, ..landing },
            _ => landing,
        }
    }

    fn is_rejected(&self, token: &OAuth2Token, state: &State) -> bool {
        let Why::Rejected(rejected) = self.why else { return false };
        let age = self.core.clock.now().unix_timestamp().saturating_sub(state.obtained_at);
        let is_fresh = (0..TOO_FRESH_TO_REFUSE.as_secs().cast_signed()).contains(&age);
        same_secret(rejected, token.access_token()) && !is_fresh
    }

    /// Hands a live token out, until a time or its end.
    fn live(
        &self,
        token: &OAuth2Token,
        state: &State,
        version: u64,
        until: Option<OffsetDateTime>,
    ) -> Landing {
        let was_known = self.core.cache.version(self.key);
        let is_news = was_known.is_some_and(|known| known < version);
        let answer = self.core.answer(self.key, &Arc::new(token.clone()), state, version, until);
        Landing { event: is_news.then_some(event::Outcome::Adopted { version }), ..Landing::live(answer) }
    }

    /// Looks again, marks the record, redeems and saves. The lease was asked for at this time.
    async fn under_lease(
        &self,
        lease: &Lease,
        asked: Instant,
        known: Option<Opened>,
    ) -> Result<Landing, Changed> {
        let found = match self.core.vault.load_again(self.key, known).await {
            Ok(found) => found,
            Err(error) => return Ok(Landing::failed(error)),
        };
        if let Some(landing) = self.settled(found.as_ref()) {
            return Ok(landing);
        }
        let (before, mut expected) = match found {
            Some(found) => (found.state, Expected::Version(found.version)),
            None => (State::default(), Expected::Absent),
        };
        // The mark tells whoever comes after a crash that the refresh token may be spent. That it can be written shows that
        // the lease is still ours and that the store will take the new token too.
        if self.source.needs_login() {
            let marked = before.refreshing(self.core.clock.now());
            match self.core.vault.save(self.key, &marked, expected, Some(lease)).await {
                Ok(Saved::Version(version)) => expected = Expected::Version(version),
                Ok(Saved::Conflict(_) | Saved::Fenced) => return Err(Changed),
                Err(cause) => return Ok(Landing::failed(self.store_error(cause))),
            }
            match self.still_holds(lease, asked).await {
                Ok(true) => {}
                Ok(false) => return Err(Changed),
                Err(cause) => return Ok(Landing::failed(self.store_error(cause))),
            }
        }
        match self.obtain(before.token.as_ref(), lease).await {
            Ok(token) => self.keep(token, before, expected, lease).await,
            Err(error) => self.give_up(error, &before, expected, lease).await,
        }
    }

    /// Whether the lease that was got or extended after this time is sure to be ours when the refresh token is redeemed: a slow
    /// store may have used it up, and then another process has it, and redeems the same token.
    async fn still_holds(&self, lease: &Lease, mut since: Instant) -> Result<bool, StoreError> {
        const ROUNDS: usize = 3;
        let lifetime = self.core.timing.lease_lifetime;
        for _ in 0..ROUNDS {
            if since.elapsed() < lifetime / 3 {
                return Ok(true);
            }
            since = Instant::now();
            if !self.core.vault.store.extend(self.key, lease, lifetime).await? {
                return Ok(false);
            }
        }
        Ok(since.elapsed() < lifetime / 2)
    }

    /// Asks the source, and keeps the lease alive meanwhile.
    async fn obtain(&self, previous: Option<&OAuth2Token>, lease: &Lease) -> oauth_core::Result<OAuth2Token> {
        tokio::select! {
            biased;
            result = self.source.obtain(self.key, previous) => result,
            never = self.heartbeat(lease) => match never {},
            () = sleep(self.core.timing.request_limit) => {
                let error = HttpError::new(HttpErrorKind::Timeout);
                let name = self.source.name().to_owned();
                Err(oauth_core::Error::new(Operation::REFRESH_TOKEN, name, ErrorKind::Transport(error)))
            }
        }
    }

    async fn heartbeat(&self, lease: &Lease) -> Infallible {
        let lifetime = self.core.timing.lease_lifetime;
        loop {
            sleep(lifetime / 3).await;
            // A lease that cannot be extended may be lost; the save will tell.
            let _ = self.core.vault.store.extend(self.key, lease, lifetime).await;
        }
    }

    pub(crate) fn store_error(&self, cause: StoreError) -> Error {
        Error::Store { key: self.key.clone(), cause }
    }
}

impl Core {
    /// What to answer with a live token, until a time or until it is dead.
    pub(crate) fn answer(
        &self,
        key: &TokenKey,
        token: &Arc<OAuth2Token>,
        state: &State,
        version: u64,
        until: Option<OffsetDateTime>,
    ) -> Answer {
        let live_until = self.timing.milestones(key, state).dead_at;
        let reread_at = self.timing.reread_after.map(|after| self.clock.now() + after);
        let holds_until = [until, live_until, reread_at].into_iter().flatten().min();
        let moment = |time: Option<OffsetDateTime>| time.map_or_else(Moment::never, Moment::from);
        let (holds_until, live_until) = (moment(holds_until), moment(live_until));
        Answer { outcome: Ok(Arc::clone(token)), version, holds_until, live_until }
    }
}

impl Landing {
    /// With a live token.
    pub(crate) fn live(answer: Answer) -> Self {
        let outcome = answer.outcome.clone().map_err(|error| *error);
        Self { outcome, learned: Learned::Answer(answer), event: None }
    }

    /// Without one, as the record says.
    pub(crate) fn refused(error: Error, version: u64, until: OffsetDateTime) -> Self {
        let outcome = Err(Box::new(error.clone()));
        let answer = Answer { outcome, version, holds_until: until.into(), live_until: Moment::never() };
        Self { outcome: Err(error), learned: Learned::Answer(answer), event: None }
    }

    /// Because there is no record.
    pub(crate) fn gone(key: &TokenKey) -> Self {
        Self { outcome: Err(Error::NotFound { key: key.clone() }), learned: Learned::Gone, event: None }
    }

    /// For a reason that says nothing about the token.
    pub(crate) fn failed(error: Error) -> Self {
        // Nothing was attempted for a provider that there is not, whose name anybody may have made up, or after a shutdown.
        let event = match &error {
            Error::UnknownProvider { .. } | Error::Closed => None,
            _ => Some(event::Outcome::Transient(error.clone())),
        };
        Self { outcome: Err(error), learned: Learned::Nothing, event }
    }
}
