//! Work on many grants: refreshing what is due, keeping grants alive, sealing anew, revoking, erasing.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use oauth_core::OffsetDateTime;

use crate::{
    error::TokenError,
    event::Outcome,
    inventory::{Filter, Found},
    key::TokenKey,
    manager::TokenManager,
    refresh::Trigger,
    runtime::timeout,
    store::{Expected, Saved},
    timing::SAVE_AGAIN_AFTER,
};

/// How fast a batch goes.
///
/// ```
/// use std::time::Duration;
///
/// use oauth_tokens::BatchOptions;
///
/// // At most eight requests at a time, and about eight a second.
/// let gently = BatchOptions::new().at_once(8).jitter(Duration::from_secs(2));
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct BatchOptions {
    at_once: usize,
    jitter: Duration,
}

/// What a batch did.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Batch {
    /// How many grants were found.
    pub found: u64,
    /// How many of them are done.
    pub done: u64,
    /// How many turned out to be dead: their users must sign in again.
    pub dead: u64,
    /// How many failed, for a reason that may pass or not. A new token that the store does not take is waited for, for as long as
    /// [`store_limit`](crate::TokenManagerBuilder::store_limit) says; then it counts here, and the manager goes on trying to save it.
    pub failed: u64,
    /// How many records could not be opened where a token was searched for, so that nobody knows whether it is in one of them. They are
    /// not among those that failed: to try again would find the same.
    pub unreadable: u64,
    /// How many grants the same search finds afterwards: what failed, what others are busy with, and what came in the meantime. A grant
    /// whose refresh failed or was cut off is not due again at once, and so it is among those that `failed` only.
    pub left: u64,
    /// The first error, as an example.
    pub error: Option<TokenError>,
}

impl BatchOptions {
    /// Sixteen grants at a time, without a pause between them.
    pub fn new() -> Self {
        Self { at_once: 16, jitter: Duration::ZERO }
    }

    /// How many grants are worked on at the same time, at least 1. A provider's own limit, `most_requests`, holds too.
    pub fn at_once(mut self, grants: usize) -> Self {
        self.at_once = grants.clamp(1, 10_000);
        self
    }

    /// Waits for a random time up to this before each grant, so that several workers do not come in step, and a provider gets
    /// `at_once` requests in half of this time at most.
    pub fn jitter(mut self, longest: Duration) -> Self {
        self.jitter = longest;
        self
    }
}

impl Default for BatchOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl TokenManager {
    /// Refreshes the grants that are due within this time, and that meet the filter. Call it every minute or so, in one process
    /// or several: each grant is refreshed by one of them.
    ///
    /// `get` refreshes what somebody asks for. This is for tokens that must be live at any moment, and for providers whose limits
    /// do not allow that many refresh at once when work begins. The tokens pass through the manager's memory: a process that does
    /// nothing else needs a small [`cache_capacity`](crate::TokenManagerBuilder::cache_capacity).
    ///
    /// # Errors
    ///
    /// [`TokenError::Search`] when the store does not answer or refuses, or cannot be searched; [`TokenError::NoRuntime`]. What happens to
    /// a single grant is counted, and told to the observers.
    pub async fn refresh_due(
        &self,
        filter: &Filter,
        within: Duration,
        options: &BatchOptions,
    ) -> Result<Batch, TokenError> {
        let now = self.0.clock.now();
        let due = filter.clone().with_due_before(later(now, within));
        self.refresh_all(&due, options).await
    }

    /// Refreshes the grants that nobody has refreshed for this long since they were due, and that meet the filter: for providers
    /// that end a grant when it is not used for some weeks. Call it once a day.
    ///
    /// # Errors
    ///
    /// Those of [`refresh_due`](Self::refresh_due).
    pub async fn keep_alive(
        &self,
        filter: &Filter,
        unused_for: Duration,
        options: &BatchOptions,
    ) -> Result<Batch, TokenError> {
        let now = self.0.clock.now();
        let unused = filter.clone().with_due_before(earlier(now, unused_for));
        self.refresh_all(&unused, options).await
    }

    async fn refresh_all(&self, filter: &Filter, options: &BatchOptions) -> Result<Batch, TokenError> {
        let began = self.0.clock.now().unix_timestamp();
        self.batch(filter, options, move |manager, key| async move {
            match manager.refresh_once(&key, None, || Trigger::ObtainedBefore(began)).await.0 {
                Err(error @ TokenError::NotSaved { .. }) => manager.saved_after_all(&key, error).await,
                refreshed => refreshed.map(drop),
            }
        })
        .await
    }

    /// Waits for a new token that the store did not take in time, and that this process goes on trying to save. A batch can wait, and while
    /// the store takes nothing, it should spend no further refresh tokens.
    async fn saved_after_all(&self, key: &TokenKey, error: TokenError) -> Result<(), TokenError> {
        let shared = &self.0;
        let began = shared.runtime.now();
        while shared.unsaved.contains(key) {
            let is_closed =
                timeout(&*shared.runtime, SAVE_AGAIN_AFTER, shared.tasks.closed()).await.is_some();
            if is_closed || shared.elapsed(began) > shared.timing.store_limit {
                return Err(error);
            }
        }
        Ok(())
    }

    /// Seals every record anew that was not sealed with the ring's first key. Once nothing is [`left`](Batch::left), the old keys
    /// can be taken out of the ring. A record that is being refreshed is left out, and sealed by its refresh. DPoP keys that
    /// `oauth_fapi::SealedDpopKeys` sealed inside a token stay as they are: its `Sealer` keeps the old key while such grants live.
    ///
    /// # Errors
    ///
    /// [`TokenError::Search`] when the store does not answer or refuses, or cannot be searched; [`TokenError::NoRuntime`].
    pub async fn reseal_all(&self, options: &BatchOptions) -> Result<Batch, TokenError> {
        let old = match self.0.store.sealer.sealing_key() {
            Some(id) => Filter::all().without_sealing_key(id),
            // Only who opens a record knows.
            None => Filter::all(),
        };
        let batch =
            self.batch(&old, options, |manager, key| async move { manager.reseal(&key).await }).await?;
        Ok(match old.not_sealed_with {
            Some(_) => batch,
            None => Batch { left: batch.failed, ..batch },
        })
    }

    /// Seals one record anew, if it needs it and is not being refreshed.
    async fn reseal(&self, key: &TokenKey) -> Result<(), TokenError> {
        let store = &self.0.store;
        for _ in 0..3 {
            let Some(found) = store.load(key).await? else { return Ok(()) };
            if found.is_current && store.sealer.sealing_key().is_none() {
                return Ok(());
            }
            if found.state.refreshing_since.is_some() && found.state.dead.is_none() {
                return Err(TokenError::Busy { key: key.clone() });
            }
            let expected = Expected::Version(found.version);
            match store.save(key, &found.state, expected, None).await {
                Ok(Saved::Version(version)) => {
                    self.0.observers.notify(key, Outcome::Resealed { version }, Duration::ZERO);
                    return Ok(());
                }
                // Somebody else has just saved it, with their own first key.
                Ok(Saved::Conflict(_) | Saved::Fenced) => {}
                Err(cause) => return Err(TokenError::Store { key: key.clone(), cause }),
            }
        }
        Err(TokenError::Busy { key: key.clone() })
    }

    /// Revokes every grant that meets the filter at its provider, and deletes it. What a provider did not revoke is still stored.
    ///
    /// # Errors
    ///
    /// [`TokenError::Search`] when the store does not answer or refuses, or cannot be searched; [`TokenError::NoRuntime`].
    pub async fn revoke_all(&self, filter: &Filter, options: &BatchOptions) -> Result<Batch, TokenError> {
        self.batch(filter, options, |manager, key| async move { manager.revoke(&key).await.map(drop) }).await
    }

    /// Deletes every grant that meets the filter, without telling the providers: what is left of a tenant or a user after
    /// [`revoke_all`](Self::revoke_all), say. The stores keep a deleted key's name for a day, for its numbers.
    ///
    /// # Errors
    ///
    /// [`TokenError::Search`] when the store does not answer or refuses, or cannot be searched; [`TokenError::NoRuntime`].
    pub async fn erase_all(&self, filter: &Filter, options: &BatchOptions) -> Result<Batch, TokenError> {
        self.batch(filter, options, |manager, key| async move { manager.delete(&key).await.map(drop) }).await
    }

    pub(crate) async fn batch<W>(
        &self,
        filter: &Filter,
        options: &BatchOptions,
        work: impl Fn(Self, TokenKey) -> W,
    ) -> Result<Batch, TokenError>
    where
        W: Future<Output = Result<(), TokenError>> + Send + 'static,
    {
        let random = RandomState::new();
        let sums = Arc::new(Mutex::new(Batch::default()));
        let one = |manager: Self, found: Found| {
            let runtime = Arc::clone(&self.0.runtime);
            let pause = options.jitter.mul_f64(random.hash_one(&found.key) as f64 / u64::MAX as f64);
            let (work, sums) = (work(manager, found.key), Arc::clone(&sums));
            async move {
                if !pause.is_zero() {
                    runtime.sleep(pause).await;
                }
                let outcome = work.await;
                sums.lock().unwrap_or_else(PoisonError::into_inner).add(outcome);
            }
        };
        let found = self.for_each(filter, options.at_once, one).await?;
        let left = self.count(filter).await?;
        let sums = sums.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(Batch { found, left, ..sums })
    }
}

impl Batch {
    fn add(&mut self, outcome: Result<(), TokenError>) {
        match outcome {
            // What was deleted meanwhile needs nothing more.
            Ok(()) | Err(TokenError::NotFound { .. }) => self.done += 1,
            Err(TokenError::Dead { .. }) => self.dead += 1,
            Err(error) => {
                self.failed += 1;
                self.error.get_or_insert(error);
            }
        }
    }
}

impl fmt::Display for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { found, done, dead, failed, unreadable, left, error } = self;
        write!(f, "{found} grants: {done} done, {dead} dead, {failed} failed; {left} left")?;
        if *unreadable > 0 {
            write!(f, "; {unreadable} cannot be read")?;
        }
        match error {
            Some(error) => write!(f, "; the first error: {error}"),
            None => Ok(()),
        }
    }
}

/// A time so much later; the same where the calendar ends before that.
fn later(time: OffsetDateTime, by: Duration) -> OffsetDateTime {
    by.try_into().ok().and_then(|by| time.checked_add(by)).unwrap_or(time)
}

/// A time so much earlier; the beginning of Unix time where the calendar begins after that.
fn earlier(time: OffsetDateTime, by: Duration) -> OffsetDateTime {
    by.try_into().ok().and_then(|by| time.checked_sub(by)).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}
