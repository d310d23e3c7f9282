//! What all clones and tasks of one manager share.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use oauth_core::{Clock, OAuth2Token, OffsetDateTime};
use tokio::sync::Semaphore;

use crate::{
    cache::{Cache, CachedAnswer},
    event::Observers,
    key::TokenKey,
    runtime::Runtime,
    sealed_store::SealedStore,
    source::TokenSource,
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
    pub(crate) sources: HashMap<String, LimitedSource>,
    pub(crate) timing: Timing,
    pub(crate) clock: ManagerClock,
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) cache: Arc<Cache>,
    pub(crate) observers: Observers,
    /// The name of this process in leases.
    pub(crate) holder: String,
    pub(crate) tasks: Tasks,
    pub(crate) unsaved: UnsavedTokens,
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
        CachedAnswer { result: Ok(Arc::clone(token)), version, holds_until, live_until }
    }

    /// How much of the runtime's time has passed since then.
    pub(crate) fn elapsed(&self, since: Instant) -> Duration {
        self.runtime.now().saturating_duration_since(since)
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
    answers: AtomicU64,
    is_in_trouble: AtomicBool,
}

impl StoreHealth {
    /// Notes that the store has answered.
    pub(crate) fn note_answer(&self) {
        self.answers.fetch_add(1, Ordering::Relaxed);
        self.is_in_trouble.store(false, Ordering::Relaxed);
    }

    /// How often the store has answered.
    pub(crate) fn answers(&self) -> u64 {
        self.answers.load(Ordering::Relaxed)
    }

    /// Notes that the store failed, or that somebody waited for it in vain.
    pub(crate) fn note_trouble(&self) {
        self.is_in_trouble.store(true, Ordering::Relaxed);
    }

    /// Whether the store has not answered since it was last found in trouble.
    pub(crate) fn is_in_trouble(&self) -> bool {
        self.is_in_trouble.load(Ordering::Relaxed)
    }
}

/// A source, and permits for the requests that may be made to it at the same time.
pub(crate) struct LimitedSource {
    pub(crate) tokens: Arc<dyn TokenSource>,
    pub(crate) permits: Semaphore,
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
            .field("providers", &self.sources.keys())
            .field("holder", &self.holder)
            .finish_non_exhaustive()
    }
}
