//! The memory store as a cache with times to live.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use oauth_core::{SharedCache, SharedCacheError, async_trait, bytes::Bytes};

use super::MemoryStore;

/// Up to this many values, a sweep is not worthwhile.
const FEW: usize = 64;

#[derive(Default)]
pub(super) struct ExpiringValues(Mutex<ValueMap>);

#[derive(Default)]
struct ValueMap {
    values: HashMap<String, (Bytes, Instant)>,
    /// How many were left after the last sweep.
    after_sweep: usize,
}

impl ExpiringValues {
    fn lock(&self) -> MutexGuard<'_, ValueMap> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ValueMap {
    fn live(&self, name: &str, now: Instant) -> Option<&Bytes> {
        self.values.get(name).filter(|(_, until)| *until > now).map(|(value, _)| value)
    }

    fn insert(&mut self, name: &str, value: Bytes, now: Instant, lifetime: Duration) {
        // Once the number has doubled, so that each insertion pays for a constant share of the sweep.
        if self.values.len() > FEW.max(self.after_sweep * 2) {
            self.values.retain(|_, (_, until)| *until > now);
            self.after_sweep = self.values.len();
        }
        self.values.insert(name.to_owned(), (value, end_of(now, lifetime)));
    }
}

#[async_trait]
impl SharedCache for MemoryStore {
    async fn get(&self, name: &str) -> Result<Option<Bytes>, SharedCacheError> {
        Ok(self.0.values.lock().live(name, Instant::now()).cloned())
    }

    async fn put(&self, name: &str, value: Bytes, lifetime: Duration) -> Result<(), SharedCacheError> {
        self.0.values.lock().insert(name, value, Instant::now(), lifetime);
        Ok(())
    }

    async fn put_new(&self, name: &str, value: Bytes, lifetime: Duration) -> Result<bool, SharedCacheError> {
        let now = Instant::now();
        let mut values = self.0.values.lock();
        let is_new = values.live(name, now).is_none();
        if is_new {
            values.insert(name, value, now, lifetime);
        }
        Ok(is_new)
    }

    async fn take(&self, name: &str) -> Result<Option<Bytes>, SharedCacheError> {
        let now = Instant::now();
        let taken = self.0.values.lock().values.remove(name);
        Ok(taken.filter(|(_, until)| *until > now).map(|(value, _)| value))
    }
}

/// A value that lives for a century is one that does not end.
fn end_of(now: Instant, lifetime: Duration) -> Instant {
    const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
    now.checked_add(lifetime.min(CENTURY)).unwrap_or(now)
}
