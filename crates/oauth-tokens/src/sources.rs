//! The sources of a manager: those that its builder was given, and those that are looked up when they are needed.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use oauth_core::{Provider, async_trait};
use tokio::sync::{OnceCell, Semaphore};

use crate::{
    error::TokenError,
    key::TokenKey,
    source::{LimitedSource, ProviderSource, TokenSource},
};

/// Finds the source of a key's tokens at run time: where each tenant has an Okta or Keycloak domain of its own, or each shop a
/// client of its own.
///
/// The manager asks when it needs a source that its builder was not given, and remembers the answer; see
/// [`TokenManagerBuilder::lookup`](crate::TokenManagerBuilder::lookup). A closure that takes a [`TokenKey`] and returns a future of a
/// [`Provider`] is a lookup.
#[async_trait]
pub trait SourceLookup: Send + Sync {
    /// Returns the source of this key's tokens, or `None` if nobody knows the key's provider or tenant.
    ///
    /// # Errors
    ///
    /// Whatever keeps the lookup from knowing. It must show no secret.
    async fn source(&self, key: &TokenKey) -> Result<Option<Arc<dyn TokenSource>>, SourceLookupError>;

    /// Returns the name under which the answer is remembered: keys of one name share a source. Default: provider and tenant.
    fn cache_key(&self, key: &TokenKey) -> String {
        let (provider, tenant) = (key.provider(), key.tenant());
        format!("{} {provider}{tenant}", provider.len())
    }
}

/// Why a [`SourceLookup`] gave no source. Its text becomes part of the library's error.
pub type SourceLookupError = Box<dyn std::error::Error + Send + Sync>;

#[async_trait]
impl<F, R> SourceLookup for F
where
    F: Fn(TokenKey) -> R + Send + Sync,
    R: Future<Output = Result<Option<Arc<dyn Provider>>, SourceLookupError>> + Send,
{
    async fn source(&self, key: &TokenKey) -> Result<Option<Arc<dyn TokenSource>>, SourceLookupError> {
        let provider = self(key.clone()).await?;
        Ok(provider.map(|provider| Arc::new(ProviderSource::new(provider)) as Arc<dyn TokenSource>))
    }
}

impl fmt::Debug for dyn SourceLookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SourceLookup(…)")
    }
}

/// All sources of a manager.
pub(crate) struct Sources {
    given: HashMap<String, Arc<LimitedSource>>,
    lookup: Option<Arc<dyn SourceLookup>>,
    settings: SourceSettings,
    found: Mutex<HashMap<String, FoundSource>>,
    next_use: AtomicU64,
}

#[derive(Clone, Debug)]
pub(crate) struct SourceSettings {
    /// How many requests may be made to a source at the same time.
    pub(crate) most_requests: usize,
    /// How many sources that were looked up are remembered.
    pub(crate) capacity: usize,
    /// For how long.
    pub(crate) remembered_for: Duration,
}

/// A source that was looked up, or is being looked up.
struct FoundSource {
    source: Arc<OnceCell<Arc<LimitedSource>>>,
    /// The one that was there for too long, until another one is found.
    predecessor: Option<Arc<LimitedSource>>,
    since: Instant,
    last_use: u64,
}

impl Sources {
    pub(crate) fn new(
        given: Vec<Arc<dyn TokenSource>>,
        lookup: Option<Arc<dyn SourceLookup>>,
        settings: SourceSettings,
    ) -> Self {
        let limited = |source: Arc<dyn TokenSource>| {
            (source.name().to_owned(), Arc::new(LimitedSource::new(source, settings.most_requests)))
        };
        let given = given.into_iter().map(limited).collect();
        Self { given, lookup, settings, found: Mutex::default(), next_use: AtomicU64::new(0) }
    }

    /// The names of the sources that the builder was given.
    pub(crate) fn names(&self) -> Vec<&String> {
        self.given.keys().collect()
    }

    /// The source of a key's tokens. Keys that need the same one at the same time wait for one lookup.
    pub(crate) async fn get(&self, key: &TokenKey, now: Instant) -> Result<Arc<LimitedSource>, TokenError> {
        if let Some(source) = self.given.get(key.provider()) {
            return Ok(Arc::clone(source));
        }
        let unknown = || {
            let mut known: Vec<_> = self.given.keys().cloned().collect();
            known.sort_unstable();
            TokenError::UnknownProvider { key: key.clone(), known: known.into() }
        };
        let lookup = self.lookup.as_ref().ok_or_else(unknown)?;
        let name = lookup.cache_key(key);
        let (cell, predecessor) = self.remembered(&name, now);
        let found = cell.get_or_try_init(|| async {
            let source = lookup
                .source(key)
                .await
                .map_err(|cause| TokenError::SourceLookup { key: key.clone(), cause: Arc::from(cause) })?;
            let source = source.ok_or_else(unknown)?;
            Ok(Arc::new(match &predecessor {
                // The provider is the same one, and so is what it has asked for.
                Some(known) => LimitedSource { tokens: source, ..(**known).clone() },
                None => LimitedSource::new(source, self.settings.most_requests),
            }))
        });
        match found.await {
            Ok(source) => Ok(Arc::clone(source)),
            Err(error) => {
                // Nobody knows what names people will make up. What a provider has asked for outlives a lookup that fails.
                let mut all = self.lock();
                let is_of_no_use =
                    |found: &FoundSource| found.predecessor.is_none() && !found.source.initialized();
                if all.get(&name).is_some_and(is_of_no_use) {
                    all.remove(&name);
                }
                Err(error)
            }
        }
    }

    /// Forgets what was looked up for this key and those that share its source.
    pub(crate) fn invalidate(&self, key: &TokenKey) {
        if let Some(lookup) = &self.lookup {
            let name = lookup.cache_key(key);
            self.lock().remove(&name);
        }
    }

    /// Forgets all that was looked up.
    pub(crate) fn invalidate_all(&self) {
        self.lock().clear();
    }

    /// The place of a source in the memory; and the source that was there for too long.
    fn remembered(
        &self,
        name: &str,
        now: Instant,
    ) -> (Arc<OnceCell<Arc<LimitedSource>>>, Option<Arc<LimitedSource>>) {
        let last_use = self.next_use.fetch_add(1, Ordering::Relaxed);
        let mut all = self.lock();
        let mut predecessor = None;
        if let Some(found) = all.get_mut(name) {
            let is_young = now.saturating_duration_since(found.since) < self.settings.remembered_for;
            if is_young || !found.source.initialized() {
                found.last_use = last_use;
                return (Arc::clone(&found.source), found.predecessor.clone());
            }
            predecessor = found.source.get().cloned();
        } else if all.len() >= self.settings.capacity {
            forget_the_oldest_eighth(&mut all, self.settings.capacity);
        }
        let source = Arc::new(OnceCell::new());
        let found = FoundSource {
            source: Arc::clone(&source),
            predecessor: predecessor.clone(),
            since: now,
            last_use,
        };
        all.insert(name.to_owned(), found);
        (source, predecessor)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, FoundSource>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An eighth at a time, so that each insertion pays for a constant share. A source that has asked to be left alone, or failed, and
/// has not answered since is remembered for longer, until there are as many of them once more.
fn forget_the_oldest_eighth(all: &mut HashMap<String, FoundSource>, capacity: usize) {
    let is_full = all.len() >= capacity.saturating_mul(2);
    let is_to_stay = |found: &FoundSource| {
        let of = |source: Option<&Arc<LimitedSource>>| source.is_some_and(|source| source.pause.pauses() > 0);
        !is_full && (of(found.source.get()) || of(found.predecessor.as_ref()))
    };
    let mut uses: Vec<_> =
        all.values().filter(|found| !is_to_stay(found)).map(|found| found.last_use).collect();
    uses.sort_unstable();
    let Some(limit) = uses.get(uses.len() / 8).copied() else { return };
    all.retain(|_, found| found.last_use > limit || is_to_stay(found));
}

impl LimitedSource {
    fn new(tokens: Arc<dyn TokenSource>, most_requests: usize) -> Self {
        Self { tokens, permits: Arc::new(Semaphore::new(most_requests)), pause: Arc::default() }
    }
}
