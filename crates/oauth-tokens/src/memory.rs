//! A store in the memory of this process.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    hash::{BuildHasher, RandomState},
    ops::Bound,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use oauth_core::{MemoryCache, SharedCache, SharedCacheError, async_trait, bytes::Bytes};

use crate::{
    entry::{REMEMBERED, StoreEntry},
    inventory::{Filter, Found, Summary},
    key::TokenKey,
    store::{Acquired, Expected, Lease, Record, Saved, StoreError, TokenStore},
};

/// A store in the memory of this process, for tests and for programs that may forget everything when they end.
///
/// A clone is the same store. It is an [`oauth_core::SharedCache`] too.
#[derive(Clone, Default)]
pub struct MemoryStore(Arc<MemoryShards>);

/// Enough that writers seldom meet, few enough that an empty store costs nothing.
const SHARDS: usize = 64;

struct MemoryShards {
    shards: [Mutex<MemoryShard>; SHARDS],
    /// Which shard a subject's grants are in; all of them in one, so that `list` reads only that.
    hasher: RandomState,
    /// When the store was made, since which its clock counts.
    start: Instant,
    values: MemoryCache,
}

#[derive(Default)]
struct MemoryShard {
    entries: BTreeMap<TokenKey, StoreEntry>,
    /// When keys were deleted, oldest first.
    deleted: VecDeque<(Duration, TokenKey)>,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn index(&self, tenant: &str, subject: &str) -> usize {
        (self.0.hasher.hash_one((tenant, subject)) % SHARDS as u64) as usize
    }

    fn lock(&self, index: usize) -> MutexGuard<'_, MemoryShard> {
        // No step leaves a shard half-changed, so that what a panic left behind can be used.
        self.0.shards[index].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn shard(&self, tenant: &str, subject: &str) -> MutexGuard<'_, MemoryShard> {
        self.lock(self.index(tenant, subject))
    }

    /// The shard of a key, and the time: under the lock, so that whoever comes later has a later one.
    fn shard_of(&self, key: &TokenKey) -> (MutexGuard<'_, MemoryShard>, Duration) {
        let shard = self.shard(key.tenant(), key.subject());
        (shard, self.0.start.elapsed())
    }
}

impl MemoryShard {
    fn entry(&mut self, key: &TokenKey) -> &mut StoreEntry {
        self.entries.entry(key.clone()).or_default()
    }

    fn delete_if(
        &mut self,
        key: &TokenKey,
        now: Duration,
        delete: impl FnOnce(&mut StoreEntry) -> bool,
    ) -> bool {
        self.forget_old_deletions(now);
        let existed = self.entries.get_mut(key).is_some_and(delete);
        if existed {
            self.deleted.push_back((now, key.clone()));
        }
        existed
    }

    fn forget_old_deletions(&mut self, now: Duration) {
        while self.deleted.front().is_some_and(|(at, _)| now.saturating_sub(*at) > REMEMBERED) {
            let Some((_, key)) = self.deleted.pop_front() else { return };
            if self.entries.get(&key).is_some_and(|entry| entry.may_be_forgotten(now)) {
                self.entries.remove(&key);
            }
        }
    }
}

#[async_trait]
impl TokenStore for MemoryStore {
    async fn load(&self, key: &TokenKey) -> Result<Option<Record>, StoreError> {
        Ok(self.shard_of(key).0.entries.get(key).and_then(StoreEntry::record))
    }

    async fn save(
        &self,
        key: &TokenKey,
        sealed: Bytes,
        expected: Expected,
        lease: Option<&Lease>,
    ) -> Result<Saved, StoreError> {
        self.save_described(key, sealed, &Summary::default(), expected, lease).await
    }

    async fn save_described(
        &self,
        key: &TokenKey,
        sealed: Bytes,
        summary: &Summary,
        expected: Expected,
        lease: Option<&Lease>,
    ) -> Result<Saved, StoreError> {
        Ok(self.shard_of(key).0.entry(key).save(sealed, summary, expected, lease))
    }

    fn can_find(&self) -> bool {
        true
    }

    /// In the order of the shards, and of the keys in each.
    async fn find(
        &self,
        filter: &Filter,
        after: Option<&TokenKey>,
        limit: usize,
    ) -> Result<Vec<Found>, StoreError> {
        let first = after.map_or(0, |key| self.index(key.tenant(), key.subject()));
        let mut page = Vec::new();
        for index in first..SHARDS {
            let start = match after.filter(|_| index == first) {
                Some(key) => Bound::Excluded(key),
                None => Bound::Unbounded,
            };
            let shard = self.lock(index);
            let now = self.0.start.elapsed();
            for (key, entry) in shard.entries.range((start, Bound::Unbounded)) {
                if page.len() >= limit {
                    return Ok(page);
                }
                if entry.sealed.is_some() && filter.matches(key, &entry.summary, entry.is_leased(now)) {
                    page.push(Found::new(key.clone(), entry.version, entry.summary.clone()));
                }
            }
        }
        Ok(page)
    }

    async fn delete(&self, key: &TokenKey) -> Result<bool, StoreError> {
        let (mut shard, now) = self.shard_of(key);
        Ok(shard.delete_if(key, now, |entry| entry.delete(now)))
    }

    async fn delete_version(&self, key: &TokenKey, version: u64) -> Result<bool, StoreError> {
        let (mut shard, now) = self.shard_of(key);
        Ok(shard.delete_if(key, now, |entry| entry.delete_version(version, now)))
    }

    async fn list(&self, tenant: &str, subject: &str) -> Result<Vec<(TokenKey, Record)>, StoreError> {
        let first = TokenKey::from_parts(tenant, subject, "", "");
        let shard = self.shard(tenant, subject);
        Ok(shard
            .entries
            .range(first..)
            .take_while(|(key, _)| key.tenant() == tenant && key.subject() == subject)
            .filter_map(|(key, entry)| Some((key.clone(), entry.record()?)))
            .collect())
    }

    async fn acquire(
        &self,
        key: &TokenKey,
        holder: &str,
        lifetime: Duration,
    ) -> Result<Acquired, StoreError> {
        let (mut shard, now) = self.shard_of(key);
        Ok(shard.entry(key).acquire(holder, lifetime, now))
    }

    async fn extend(&self, key: &TokenKey, lease: &Lease, lifetime: Duration) -> Result<bool, StoreError> {
        let (mut shard, now) = self.shard_of(key);
        Ok(shard.entries.get_mut(key).is_some_and(|entry| entry.extend(lease, lifetime, now)))
    }

    async fn release(&self, key: &TokenKey, lease: &Lease) -> Result<(), StoreError> {
        if let Some(entry) = self.shard_of(key).0.entries.get_mut(key) {
            entry.release(lease);
        }
        Ok(())
    }
}

#[async_trait]
impl SharedCache for MemoryStore {
    async fn get(&self, name: &str) -> Result<Option<Bytes>, SharedCacheError> {
        self.0.values.get(name).await
    }

    async fn put(&self, name: &str, value: Bytes, lifetime: Duration) -> Result<(), SharedCacheError> {
        self.0.values.put(name, value, lifetime).await
    }

    async fn put_new(&self, name: &str, value: Bytes, lifetime: Duration) -> Result<bool, SharedCacheError> {
        self.0.values.put_new(name, value, lifetime).await
    }

    async fn take(&self, name: &str) -> Result<Option<Bytes>, SharedCacheError> {
        self.0.values.take(name).await
    }
}

impl Default for MemoryShards {
    fn default() -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::default()),
            hasher: RandomState::new(),
            start: Instant::now(),
            values: MemoryCache::new(),
        }
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemoryStore(…)")
    }
}
