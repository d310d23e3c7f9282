//! What all clones and tasks of one manager share.

use std::{
    convert::Infallible,
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use oauth_core::{Clock, OAuth2Token, OffsetDateTime};

use crate::{
    cache::{Cache, CachedAnswer},
    calendar::milliseconds,
    error::TokenError,
    event::Observers,
    key::TokenKey,
    newest::NewestToken,
    runtime::{Runtime, timeout},
    sealed_store::SealedStore,
    source::LimitedSource,
    sources::{SourceLookupError, Sources},
    state::TokenState,
    store::Lease,
    tasks::Tasks,
    timing::{Moment, Timing},
    unsaved::UnsavedTokens,
};

/// What all clones and tasks of one manager share.
pub(crate) struct SharedState {
    pub(crate) store: SealedStore,
    pub(crate) store_health: StoreHealth,
    pub(crate) sources: Sources,
    pub(crate) timing: Timing,
    pub(crate) clock: ManagerClock,
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) cache: Arc<Cache>,
    pub(crate) observers: Observers,
    /// The name of this process in leases.
    pub(crate) holder: String,
    /// The number of this process in marks.
    pub(crate) process: u64,
    /// By how many milliseconds the store's clock was last ahead of this process's, if it has one.
    pub(crate) store_ahead: Mutex<Option<i64>>,
    pub(crate) tasks: Tasks,
    pub(crate) unsaved: UnsavedTokens,
    /// Whether the background sweep for unfinished refreshes runs, or need not.
    pub(crate) sweep_has_begun: AtomicBool,
}

impl SharedState {
    /// The answer that consists of a live token, good until a time or until the token expires.
    pub(crate) fn live_answer(
        &self,
        key: &TokenKey,
        token: &Arc<OAuth2Token>,
        state: &TokenState,
        version: u64,
        until: Option<OffsetDateTime>,
    ) -> CachedAnswer {
        let live_until = self.timing.milestones(key, state).dead_at;
        let reread_at = self.timing.reread_after.map(|after| self.clock.now() + after);
        let holds_until = [until, live_until, reread_at].into_iter().flatten().min();
        let moment = |time: Option<OffsetDateTime>| time.map_or_else(Moment::never, Moment::from);
        let (holds_until, live_until) = (moment(holds_until), moment(live_until));
        let newest = Some(Box::new(NewestToken::new(token, state, version)));
        let further = self.cached_further(key, state);
        CachedAnswer { result: Ok(Arc::clone(token)), version, holds_until, live_until, newest, further }
    }

    /// The source of a key's tokens.
    pub(crate) async fn source(&self, key: &TokenKey) -> Result<Arc<LimitedSource>, TokenError> {
        let limit = self.timing.request_limit;
        let found = timeout(&*self.runtime, limit, self.sources.get(key, self.runtime.now())).await;
        found.unwrap_or_else(|| {
            let cause: SourceLookupError = format!("no answer within {limit:?}").into();
            Err(TokenError::SourceLookup { key: key.clone(), cause: Arc::from(cause) })
        })
    }

    /// How much of the runtime's time has passed since then.
    pub(crate) fn elapsed(&self, since: Instant) -> Duration {
        self.runtime.now().saturating_duration_since(since)
    }

    /// Does some work under a lease, and extends the lease meanwhile.
    pub(crate) async fn under<T>(
        &self,
        key: &TokenKey,
        lease: Option<&Lease>,
        work: impl Future<Output = T>,
    ) -> T {
        let Some(lease) = lease else { return work.await };
        tokio::select! {
            biased;
            result = work => result,
            never = self.heartbeat(key, lease) => match never {},
        }
    }

    async fn heartbeat(&self, key: &TokenKey, lease: &Lease) -> Infallible {
        let lifetime = self.lease_lifetime();
        // Nobody should be able to keep a store busy by a lifetime of zero.
        let beat = (lifetime / 3).max(Duration::from_millis(5));
        loop {
            self.runtime.sleep(beat).await;
            // A lease that cannot be extended may be lost; the next save will tell. A store that hangs must not keep the next
            // beat from being sent.
            let _ =
                timeout(&*self.runtime, lifetime / 3, self.store.inner.extend(key, lease, lifetime)).await;
        }
    }

    /// Asks the store for something, and notes whether it was slow.
    pub(crate) async fn timed<T>(&self, work: impl Future<Output = T>) -> T {
        let began = self.runtime.now();
        let result = work.await;
        let now = self.runtime.now();
        let took = now.saturating_duration_since(began);
        if took > self.timing.lease_lifetime / 3 {
            self.store_health.note_slowness(now);
        }
        self.store_health.note_latency(took);
        result
    }

    /// How long a lease is to last: as long as it was set to; longer where the store takes so long for an answer that a lease would
    /// expire before its holder can use or extend it.
    pub(crate) fn lease_lifetime(&self) -> Duration {
        /// Acquiring it, loading, marking, and a reserve for answers that take longer than the last one.
        const ANSWERS: u32 = 8;
        const LONGEST: Duration = Duration::from_secs(60);
        let needed = self.store_health.latency().saturating_mul(ANSWERS).min(LONGEST);
        self.timing.lease_lifetime.max(needed)
    }

    /// The time by the store's clock, if it has one and tells it.
    pub(crate) async fn store_now(&self) -> Option<OffsetDateTime> {
        let asked = self.clock.now();
        let told = timeout(&*self.runtime, self.timing.lease_lifetime, self.store.inner.now()).await;
        // While it does not tell, what was known stays.
        let Some(Ok(told)) = told else { return None };
        let ahead = told.and_then(|told| Some(milliseconds(told)?.saturating_sub(milliseconds(asked)?)));
        *self.store_ahead.lock().unwrap_or_else(PoisonError::into_inner) = ahead;
        told
    }

    /// By how many milliseconds the store's clock was last ahead.
    pub(crate) fn store_ahead(&self) -> Option<i64> {
        *self.store_ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a lease back to the store.
    pub(crate) async fn release(&self, key: &TokenKey, lease: &Lease) {
        // A lease that cannot be given back expires.
        let _ = self.store.inner.release(key, lease).await;
    }

    /// Gives a lease back: to the key's unsaved token if there is one, else to the store.
    pub(crate) async fn return_lease(&self, key: &TokenKey, lease: Lease) {
        if let Some(lease) = self.unsaved.return_lease(key, lease) {
            self.release(key, &lease).await;
        }
    }

    /// Removes a key's unsaved token, or only this one, and gives its lease back; whether there was one.
    pub(crate) async fn forget_unsaved(&self, key: &TokenKey, token: Option<&Arc<OAuth2Token>>) -> bool {
        let Some(unsaved) = self.unsaved.remove(key, token) else { return false };
        if let Some(lease) = unsaved.lease {
            self.release(key, &lease).await;
        }
        true
    }
}

/// Whether waiting for the store is worthwhile, as all keys of this process have found it.
#[derive(Default)]
pub(crate) struct StoreHealth {
    questions: AtomicU64,
    answers: AtomicU64,
    is_in_trouble: AtomicBool,
    /// How many milliseconds the store takes for an answer: as many as for the last one, or not much less than for those before.
    latency_ms: AtomicU64,
    /// When the store last failed, or let somebody wait for long.
    last_trouble: Mutex<Option<Instant>>,
}

impl StoreHealth {
    /// Notes that the store has answered, and says whether it was in trouble before.
    pub(crate) fn note_answer(&self) -> bool {
        self.answers.fetch_add(1, Ordering::Relaxed);
        self.is_in_trouble.swap(false, Ordering::Relaxed)
    }

    /// Notes that a refresh is about to ask the store.
    pub(crate) fn note_question(&self) {
        self.questions.fetch_add(1, Ordering::Relaxed);
    }

    /// How often the store was asked, and how often it has answered.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.questions.load(Ordering::Relaxed), self.answers.load(Ordering::Relaxed))
    }

    /// Notes that the store failed, or that somebody waited for it in vain.
    pub(crate) fn note_trouble(&self, now: Instant) {
        self.is_in_trouble.store(true, Ordering::Relaxed);
        self.note_slowness(now);
    }

    /// Notes that the store took so long for an answer that leases may have expired meanwhile.
    pub(crate) fn note_slowness(&self, now: Instant) {
        *self.last_trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
    }

    /// Notes how long the store took for an answer.
    pub(crate) fn note_latency(&self, took: Duration) {
        let took = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let known = self.latency_ms.load(Ordering::Relaxed);
        if took > 0 || known > 0 {
            self.latency_ms.store(took.max(known / 4 * 3), Ordering::Relaxed);
        }
    }

    fn latency(&self) -> Duration {
        Duration::from_millis(self.latency_ms.load(Ordering::Relaxed))
    }

    /// When the store was last in trouble, if it was.
    pub(crate) fn last_trouble(&self) -> Option<Instant> {
        *self.last_trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the store has not answered since it was last found in trouble.
    pub(crate) fn is_in_trouble(&self) -> bool {
        self.is_in_trouble.load(Ordering::Relaxed)
    }
}

/// The clock of a manager. The operating system's is a case of its own, because `TokenManager::get` reads it each time, and
/// a call through a trait object would make it slower.
pub(crate) enum ManagerClock {
    System,
    Custom(Arc<dyn Clock>),
}

impl ManagerClock {
    pub(crate) fn now(&self) -> OffsetDateTime {
        match self {
            Self::System => OffsetDateTime::now_utc(),
            Self::Custom(clock) => clock.now(),
        }
    }

    /// The current time in the form that cached answers are compared with.
    pub(crate) fn moment(&self) -> Moment {
        match self {
            Self::System => Moment::now(),
            Self::Custom(clock) => clock.now().into(),
        }
    }
}

impl fmt::Debug for SharedState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenManager")
            .field("store", &self.store.inner)
            .field("providers", &self.sources.names())
            .field("holder", &self.holder)
            .finish_non_exhaustive()
    }
}
