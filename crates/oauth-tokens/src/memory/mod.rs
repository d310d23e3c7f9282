mod shared_cache;

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    hash::{BuildHasher, RandomState},
    ops::Bound,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use oauth_core::{async_trait, bytes::Bytes};

use crate::{
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

/// How long the numbers of a deleted key are remembered; the contract's day.
const REMEMBERED: Duration = Duration::from_secs(24 * 60 * 60);

struct MemoryShards {
    shards: [Mutex<MemoryShard>; SHARDS],
    /// Which shard a subject's grants are in; all of them in one, so that `list` reads only that.
    hasher: RandomState,
    values: shared_cache::ExpiringValues,
}

#[derive(Default)]
struct MemoryShard {
    entries: BTreeMap<TokenKey, MemoryEntry>,
    /// When keys were deleted, oldest first.
    deleted: VecDeque<(Instant, TokenKey)>,
}

#[derive(Default)]
struct MemoryEntry {
    version: u64,
    /// `None` after a delete, or before the first save.
    sealed: Option<Bytes>,
    /// What was told about that record.
    summary: Summary,
    fence: u64,
    /// When the lease that is held expires.
    held_until: Option<Instant>,
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

    fn shard_of(&self, key: &TokenKey) -> MutexGuard<'_, MemoryShard> {
        self.shard(key.tenant(), key.subject())
    }
}

impl MemoryShard {
    fn delete_if(&mut self, key: &TokenKey, is_meant: impl Fn(&MemoryEntry) -> bool) -> bool {
        // Under the lock, so that whoever comes later has a later time.
        let now = Instant::now();
        self.forget_old_deletions(now);
        let entry = self.entries.get_mut(key).filter(|entry| is_meant(entry));
        let existed = entry.is_some_and(|entry| entry.sealed.take().is_some());
        if existed {
            self.deleted.push_back((now, key.clone()));
        }
        existed
    }

    fn forget_old_deletions(&mut self, now: Instant) {
        while self.deleted.front().is_some_and(|(at, _)| now.saturating_duration_since(*at) > REMEMBERED) {
            let Some((_, key)) = self.deleted.pop_front() else { return };
            let is_over =
                |entry: &MemoryEntry| entry.sealed.is_none() && entry.held_until.is_none_or(|at| at <= now);
            if self.entries.get(&key).is_some_and(is_over) {
                self.entries.remove(&key);
            }
        }
    }
}

impl MemoryEntry {
    fn record(&self) -> Option<Record> {
        let sealed = self.sealed.clone()?;
        Some(Record { version: self.version, sealed })
    }
}

#[async_trait]
impl TokenStore for MemoryStore {
    async fn load(&self, key: &TokenKey) -> Result<Option<Record>, StoreError> {
        Ok(self.shard_of(key).entries.get(key).and_then(MemoryEntry::record))
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
        let mut shard = self.shard_of(key);
        let found = shard.entries.get(key);
        if let (Some(lease), Some(entry)) = (lease, found)
            && entry.fence > lease.fence
        {
            return Ok(Saved::Fenced);
        }
        let record = found.and_then(MemoryEntry::record);
        let fits = match expected {
            Expected::Any => true,
            Expected::Absent => record.is_none(),
            Expected::Version(version) => record.as_ref().is_some_and(|found| found.version == version),
        };
        if !fits {
            return Ok(Saved::Conflict(record));
        }
        let entry = shard.entries.entry(key.clone()).or_default();
        entry.version += 1;
        entry.sealed = Some(sealed);
        entry.summary = summary.clone();
        Ok(Saved::Version(entry.version))
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
            let now = Instant::now();
            for (key, entry) in shard.entries.range((start, Bound::Unbounded)) {
                if page.len() >= limit {
                    return Ok(page);
                }
                let is_leased = entry.held_until.is_some_and(|until| until > now);
                if entry.sealed.is_some() && filter.matches(key, &entry.summary, is_leased) {
                    page.push(Found::new(key.clone(), entry.version, entry.summary.clone()));
                }
            }
        }
        Ok(page)
    }

    async fn delete(&self, key: &TokenKey) -> Result<bool, StoreError> {
        Ok(self.shard_of(key).delete_if(key, |_| true))
    }

    async fn delete_version(&self, key: &TokenKey, version: u64) -> Result<bool, StoreError> {
        Ok(self.shard_of(key).delete_if(key, |entry| entry.version == version))
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
        let mut shard = self.shard_of(key);
        // Under the lock too: one that was read before it could lie before the lease that is held.
        let now = Instant::now();
        let entry = shard.entries.entry(key.clone()).or_default();
        if let Some(until) = entry.held_until.filter(|until| *until > now) {
            return Ok(Acquired::Held { retry_in: until - now });
        }
        entry.fence += 1;
        entry.held_until = Some(end_of(now, lifetime));
        Ok(Acquired::Granted(Lease::new(entry.fence, holder)))
    }

    async fn extend(&self, key: &TokenKey, lease: &Lease, lifetime: Duration) -> Result<bool, StoreError> {
        let mut shard = self.shard_of(key);
        let held = shard.entries.get_mut(key).filter(|entry| entry.fence == lease.fence);
        let Some(until) = held.and_then(|entry| entry.held_until.as_mut()) else { return Ok(false) };
        *until = end_of(Instant::now(), lifetime);
        Ok(true)
    }

    async fn release(&self, key: &TokenKey, lease: &Lease) -> Result<(), StoreError> {
        let mut shard = self.shard_of(key);
        if let Some(entry) = shard.entries.get_mut(key).filter(|entry| entry.fence == lease.fence) {
            entry.held_until = None;
        }
        Ok(())
    }
}

/// A lease of a century is one that does not end.
fn end_of(now: Instant, lifetime: Duration) -> Instant {
    const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
    now.checked_add(lifetime.min(CENTURY)).unwrap_or(now)
}

impl Default for MemoryShards {
    fn default() -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::default()),
            hasher: RandomState::new(),
            values: Default::default(),
        }
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemoryStore(…)")
    }
}
