//! Values that processes share for a while.

use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;

use crate::clock::Instant;

/// Why a [`SharedCache`] could not be asked.
pub type SharedCacheError = Box<dyn std::error::Error + Send + Sync>;

/// Keeps values for a while under a name, for all processes of an application together: attempts that may be used once, a
/// provider's metadata and keys.
///
/// The stores of `oauth-tokens`, `oauth-store-sqlx` and `oauth-store-redis` implement it. An error of it never shows a value.
#[async_trait]
pub trait SharedCache: fmt::Debug + Send + Sync {
    /// The value, unless it was never put, was taken, or has expired.
    ///
    /// # Errors
    ///
    /// Whatever keeps the store from answering.
    async fn get(&self, name: &str) -> Result<Option<Bytes>, SharedCacheError>;

    /// Keeps a value for this long, in place of one that is there.
    ///
    /// # Errors
    ///
    /// Whatever keeps the store from answering.
    async fn put(&self, name: &str, value: Bytes, lifetime: Duration) -> Result<(), SharedCacheError>;

    /// Keeps a value for this long, unless one is there. Of several who do it at once, one gets `true`.
    ///
    /// # Errors
    ///
    /// Whatever keeps the store from answering.
    async fn put_new(&self, name: &str, value: Bytes, lifetime: Duration) -> Result<bool, SharedCacheError>;

    /// Returns the value and deletes it, in one step. Of several who do it at once, one gets the value.
    ///
    /// # Errors
    ///
    /// Whatever keeps the store from answering.
    async fn take(&self, name: &str) -> Result<Option<Bytes>, SharedCacheError>;
}

/// Keeps values in the memory of this process, which is enough for an application of one process.
#[derive(Default)]
pub struct MemoryCache(Mutex<HashMap<String, (Bytes, Instant)>>);

/// How many values are there before those that have expired are looked for.
const SWEEP_AT_LEAST: usize = 1024;

impl MemoryCache {
    /// An empty cache.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn values(&self) -> MutexGuard<'_, HashMap<String, (Bytes, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn insert(values: &mut HashMap<String, (Bytes, Instant)>, name: &str, value: Bytes, lifetime: Duration) {
        let now = Instant::now();
        // Each sweep doubles the room to the next one, so that its cost is spread over many.
        if values.len() >= SWEEP_AT_LEAST && values.len() == values.capacity() {
            values.retain(|_, (_, until)| *until > now);
        }
        // A lifetime that no clock reaches ends in a year.
        let until = now.checked_add(lifetime).unwrap_or(now + Duration::from_secs(365 * 24 * 60 * 60));
        values.insert(name.to_owned(), (value, until));
    }
}

#[async_trait]
impl SharedCache for MemoryCache {
    async fn get(&self, name: &str) -> Result<Option<Bytes>, SharedCacheError> {
        let values = self.values();
        let found = values.get(name).filter(|(_, until)| *until > Instant::now());
        Ok(found.map(|(value, _)| value.clone()))
    }

    async fn put(&self, name: &str, value: Bytes, lifetime: Duration) -> Result<(), SharedCacheError> {
        Self::insert(&mut self.values(), name, value, lifetime);
        Ok(())
    }

    async fn put_new(&self, name: &str, value: Bytes, lifetime: Duration) -> Result<bool, SharedCacheError> {
        let mut values = self.values();
        if values.get(name).is_some_and(|(_, until)| *until > Instant::now()) {
            return Ok(false);
        }
        Self::insert(&mut values, name, value, lifetime);
        Ok(true)
    }

    async fn take(&self, name: &str) -> Result<Option<Bytes>, SharedCacheError> {
        let taken = self.values().remove(name);
        Ok(taken.filter(|(_, until)| *until > Instant::now()).map(|(value, _)| value))
    }
}

impl fmt::Debug for MemoryCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryCache").field("values", &self.values().len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_value_is_new_once_and_taken_once() {
        let cache = MemoryCache::new();
        assert!(cache.put_new("a", "1".into(), LONG).await.unwrap());
        assert!(!cache.put_new("a", "2".into(), LONG).await.unwrap());
        assert_eq!(cache.get("a").await.unwrap().as_deref(), Some(&b"1"[..]));
        cache.put("a", "3".into(), LONG).await.unwrap();
        assert_eq!(cache.take("a").await.unwrap().as_deref(), Some(&b"3"[..]));
        assert_eq!(cache.take("a").await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_value_outlives_its_time_for_nobody() {
        let cache = MemoryCache::new();
        cache.put("a", "1".into(), Duration::ZERO).await.unwrap();
        assert_eq!(cache.get("a").await.unwrap(), None);
        assert!(cache.put_new("a", "2".into(), Duration::ZERO).await.unwrap());
        assert_eq!(cache.take("a").await.unwrap(), None);
        cache.put("b", "1".into(), Duration::MAX).await.unwrap();
        assert!(cache.get("b").await.unwrap().is_some());
    }

    #[tokio::test]
    async fn what_has_expired_does_not_pile_up_beside_what_has_not() {
        let cache = MemoryCache::new();
        for at in 0..1100 {
            cache.put(&format!("live {at}"), "1".into(), Duration::MAX).await.unwrap();
        }
        for at in 0..10_000 {
            cache.put(&format!("dead {at}"), "1".into(), Duration::ZERO).await.unwrap();
        }
        assert!(cache.values().len() < 4000, "{cache:?}");
        for at in 0..1100 {
            assert!(cache.get(&format!("live {at}")).await.unwrap().is_some());
        }
        // A lifetime that no clock reaches is long all the same.
        let months = Instant::now() + Duration::from_secs(360 * 24 * 60 * 60);
        assert!(cache.values()["live 0"].1 > months);
    }
}
