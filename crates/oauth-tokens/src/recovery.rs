//! Refreshes that a crashed process left unfinished, and how others finish them.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::mpsc;

use crate::{
    error::TokenError,
    inventory::{Filter, Found, Status},
    key::TokenKey,
    manager::TokenManager,
    refresh::Trigger,
    runtime::Runtime,
    shared::SharedState,
    store::{Expected, Saved},
};

/// What [`TokenManager::recover`] found and did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recovered {
    /// How many refreshes had begun without a note of how they ended.
    pub found: u64,
    /// How many of their grants turned out to be dead.
    pub dead: u64,
    /// How many refreshes are unfinished still, or again: other processes are at it, or the provider is left alone for a while after
    /// a failure.
    pub left: u64,
}

/// How many refreshes are finished at the same time.
const AT_ONCE: usize = 64;

/// How many records that were tried are remembered.
const REMEMBERED: usize = 10_000;

/// How long a record is left alone that this process cannot finish, because it lacks its sealing key or its provider.
const UNABLE: Duration = Duration::from_secs(10 * 60);

impl TokenManager {
    /// Finishes the refreshes that crashed processes have begun, and waits until that is done: call it when the process starts.
    ///
    /// A crash between the provider's answer and the save leaves a spent refresh token in the store, with a mark. Some providers
    /// accept it again for a while, their grace period; so it is redeemed at once, whether or not anybody asks for the token. A
    /// background sweep does the same while the process runs; see [`recover_every`](crate::TokenManagerBuilder::recover_every).
    ///
    /// Refreshes of other processes that are still under way are waited for.
    ///
    /// # Errors
    ///
    /// [`TokenError::Search`] when the store does not answer or refuses, or cannot be searched; [`TokenError::Closed`], [`TokenError::NoRuntime`].
    pub async fn recover(&self) -> Result<Recovered, TokenError> {
        self.start_sweep();
        let dead = Arc::new(AtomicU64::new(0));
        let unfinished = Filter::all().with_status(Status::Refreshing);
        let finish = |manager: Self, found: Found| {
            let dead = Arc::clone(&dead);
            async move {
                if let Err(TokenError::Dead { .. }) = manager.finish(&found.key).await {
                    dead.fetch_add(1, Ordering::Relaxed);
                }
            }
        };
        let mut found = self.for_each(&unfinished, AT_ONCE, finish).await?;
        // Of what an older version has saved nobody knows whether it is unfinished before it is opened.
        let more = Arc::new(AtomicU64::new(0));
        let unknown = Filter::all().with_status(Status::Unknown);
        let look = |manager: Self, found: Found| {
            let (dead, more) = (Arc::clone(&dead), Arc::clone(&more));
            async move {
                if let Ok(true) = manager.describe(&found).await {
                    more.fetch_add(1, Ordering::Relaxed);
                    if let Err(TokenError::Dead { .. }) = manager.finish(&found.key).await {
                        dead.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
        };
        self.for_each(&unknown, AT_ONCE, look).await?;
        found += more.load(Ordering::Relaxed);
        let left = self.count(&unfinished).await?;
        Ok(Recovered { found, dead: dead.load(Ordering::Relaxed), left })
    }

    /// Finishes the refresh of one key, if it is still unfinished.
    async fn finish(&self, key: &TokenKey) -> Result<(), TokenError> {
        self.refresh_once(key, None, || Trigger::Unfinished).await.0.map(drop)
    }

    /// Looks into a record of which the store knows nothing, and says whether its refresh is unfinished. If not, the store is told.
    async fn describe(&self, found: &Found) -> Result<bool, TokenError> {
        let (store, key) = (&self.0.store, &found.key);
        let failed = |cause| TokenError::Store { key: key.clone(), cause };
        let Some(record) = store.inner.load(key).await.map_err(failed)? else { return Ok(false) };
        let state = store.open(key, &record).await?.state;
        if state.refreshing_since.is_some() && state.dead.is_none() {
            return Ok(true);
        }
        let expected = Expected::Version(record.version);
        // Whoever saved in between has told the store.
        let _: Saved = store.save_sealed(key, record.sealed, &state, expected, None).await.map_err(failed)?;
        Ok(false)
    }

    /// Starts the background sweep, unless it runs already or is not wanted.
    pub(crate) fn start_sweep(&self) {
        let shared = &self.0;
        let Some(interval) = shared.timing.recover_every else { return };
        if shared.sweep_has_begun.swap(true, Ordering::AcqRel) || !shared.store.inner.can_find() {
            return;
        }
        let sweep = Sweep {
            running: RunningMark(Arc::downgrade(shared)),
            runtime: Arc::clone(&shared.runtime),
            interval,
            tried: HashMap::new(),
            had_trouble: false,
        };
        // If no task can be started here, the next call may come from where one can.
        let _ = shared.runtime.spawn(Box::pin(sweep.run()));
    }
}

/// The background sweep of a manager, which ends with it.
struct Sweep {
    running: RunningMark,
    runtime: Arc<dyn Runtime>,
    interval: Duration,
    /// What was tried already, and until when that is left alone unless it changes.
    tried: HashMap<TokenKey, Tried>,
    /// Whether the store failed in the last round.
    had_trouble: bool,
}

struct Tried {
    version: u64,
    until: Instant,
}

/// Says that the sweep runs, until it ends: with the manager, or with the runtime that it was started on.
struct RunningMark(Weak<SharedState>);

impl Drop for RunningMark {
    fn drop(&mut self) {
        if let Some(shared) = self.0.upgrade() {
            shared.sweep_has_begun.store(false, Ordering::Release);
        }
    }
}

impl Sweep {
    async fn run(mut self) {
        let random = RandomState::new();
        for round in 0_u64.. {
            // Processes that were started together do not ask together.
            let share = random.hash_one(round) as f64 / u64::MAX as f64;
            self.runtime.sleep(self.interval.mul_f64(0.75 + 0.5 * share)).await;
            let Some(shared) = self.running.0.upgrade() else { return };
            if shared.tasks.begin().is_none() {
                return;
            }
            let outcome = self.sweep(&TokenManager(Arc::clone(&shared))).await;
            if outcome.is_err() {
                shared.store_health.note_trouble(self.runtime.now());
            }
            self.had_trouble = outcome.is_err();
        }
    }

    async fn sweep(&mut self, manager: &TokenManager) -> Result<(), TokenError> {
        let (shared, began) = (&manager.0, self.runtime.now());
        let abandoned = Filter::all().with_status(Status::Refreshing).without_lease();
        let unknown = Filter::all().with_status(Status::Unknown).without_lease();
        if self.had_trouble {
            // The trouble may be over for everybody only now, and whoever holds a new token saves it in a moment. It comes first.
            return manager.find(&abandoned, None, 1).await.map(drop);
        }
        self.tried.retain(|_, tried| tried.until > began);
        let (sender, mut all_tried) = mpsc::unbounded_channel();
        for filter in [abandoned, unknown] {
            let tried = &self.tried;
            let finish = |manager: TokenManager, found: Found| {
                let is_tried = tried.get(&found.key).is_some_and(|tried| tried.version == found.version);
                let (sender, now) = (sender.clone(), shared.clock.now().unix_timestamp());
                async move {
                    if is_tried {
                        return;
                    }
                    let is_unfinished = match found.summary.status {
                        Status::Unknown => manager.describe(&found).await,
                        _ => Ok(true),
                    };
                    let outcome = match is_unfinished {
                        Ok(true) => manager.finish(&found.key).await,
                        other => other.map(drop),
                    };
                    let pause = match outcome {
                        Err(TokenError::Unreadable { .. } | TokenError::UnknownProvider { .. }) => UNABLE,
                        // It may be resting after a failure, by the clock of the process that noted that.
                        _ => {
                            let rests_for =
                                found.summary.due_at.map_or(0, |due_at| due_at.saturating_sub(now));
                            Duration::from_secs(rests_for.try_into().unwrap_or(0))
                                .min(manager.0.timing.longest_backoff)
                        }
                    };
                    let _ = sender.send((found.key, Tried { version: found.version, until: began + pause }));
                }
            };
            manager.for_each(&filter, AT_ONCE, finish).await?;
        }
        drop(sender);
        while let Some((key, tried)) = all_tried.recv().await {
            if self.tried.len() < REMEMBERED {
                self.tried.insert(key, tried);
            }
        }
        Ok(())
    }
}
