//! What a store keeps for one key, and the rules of the contract for it.

use std::{fmt, sync::Arc, time::Duration};

use oauth_core::bytes::Bytes;

use crate::{
    inventory::Summary,
    store::{Acquired, Expected, Lease, Record, Saved},
};

/// How long the numbers of a deleted record are kept; the contract's day.
pub(crate) const REMEMBERED: Duration = Duration::from_secs(24 * 60 * 60);

/// What a store keeps for one key, with the rules of [`TokenStore`](crate::TokenStore) for records and leases.
///
/// It is for a store that makes each step atomic by a lock of its own, such as files or the memory of a process: it loads the entry of a key, takes
/// the step, and keeps the entry. Times are by the store's clock, since any moment that does not change, such as the beginning of 1970.
///
/// ```
/// use std::time::Duration;
///
/// use oauth_tokens::{Acquired, StoreEntry};
///
/// let mut entry = StoreEntry::default();
/// let (now, minute) = (Duration::from_secs(100), Duration::from_secs(60));
/// assert!(matches!(entry.acquire("one", minute, now), Acquired::Granted(_)));
/// assert!(matches!(entry.acquire("other", minute, now), Acquired::Held { retry_in } if retry_in == minute));
/// assert!(matches!(entry.acquire("other", minute, now + minute), Acquired::Granted(lease) if lease.fence == 2));
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreEntry {
    /// The version of the record that was saved last; 0 before the first one.
    pub version: u64,
    /// The record; `None` before the first save and after a delete.
    pub sealed: Option<Bytes>,
    /// What was told about that record.
    pub summary: Summary,
    /// The fence of the newest lease; 0 before the first one.
    pub fence: u64,
    /// When the lease that is held expires.
    pub held_until: Option<Duration>,
    /// For how long that lease was given last, where that is known. A clock that was set back must not keep it alive for longer.
    pub held_for: Option<Duration>,
    /// When the record was deleted.
    pub deleted_at: Option<Duration>,
}

impl StoreEntry {
    /// The record, if there is one.
    #[must_use]
    pub fn record(&self) -> Option<Record> {
        Some(Record::new(self.version, self.sealed.clone()?))
    }

    /// Saves a record: see [`TokenStore::save_described`](crate::TokenStore::save_described).
    pub fn save(
        &mut self,
        sealed: Bytes,
        summary: &Summary,
        expected: Expected,
        lease: Option<&Lease>,
    ) -> Saved {
        if lease.is_some_and(|lease| self.fence > lease.fence) {
            return Saved::Fenced;
        }
        let fits = match expected {
            Expected::Any => true,
            Expected::Absent => self.sealed.is_none(),
            Expected::Version(version) => self.sealed.is_some() && self.version == version,
        };
        if !fits {
            return Saved::Conflict(self.record());
        }
        self.version = self.version.saturating_add(1);
        self.sealed = Some(sealed);
        self.summary = summary.clone();
        self.deleted_at = None;
        Saved::Version(self.version)
    }

    /// Deletes the record, and says whether there was one: see [`TokenStore::delete`](crate::TokenStore::delete).
    pub fn delete(&mut self, now: Duration) -> bool {
        let existed = self.sealed.take().is_some();
        if existed {
            self.deleted_at = Some(now);
            self.summary = Summary::default();
        }
        existed
    }

    /// Deletes the record if it has this version: see [`TokenStore::delete_version`](crate::TokenStore::delete_version).
    pub fn delete_version(&mut self, version: u64, now: Duration) -> bool {
        self.version == version && self.delete(now)
    }

    /// Grants a lease if none is held: see [`TokenStore::acquire`](crate::TokenStore::acquire).
    pub fn acquire(&mut self, holder: impl Into<Arc<str>>, lifetime: Duration, now: Duration) -> Acquired {
        if let Some(retry_in) = self.lease_left(now) {
            return Acquired::Held { retry_in };
        }
        self.fence = self.fence.saturating_add(1);
        self.hold(lifetime, now);
        Acquired::Granted(Lease::new(self.fence, holder))
    }

    /// Extends a lease, if it is the newest one: see [`TokenStore::extend`](crate::TokenStore::extend).
    pub fn extend(&mut self, lease: &Lease, lifetime: Duration, now: Duration) -> bool {
        let is_newest = self.fence == lease.fence && self.held_until.is_some();
        if is_newest {
            self.hold(lifetime, now);
        }
        is_newest
    }

    /// Releases a lease, if it is the newest one: see [`TokenStore::release`](crate::TokenStore::release).
    pub fn release(&mut self, lease: &Lease) {
        if self.fence == lease.fence {
            (self.held_until, self.held_for) = (None, None);
        }
    }

    /// Whether a lease is held.
    #[must_use]
    pub fn is_leased(&self, now: Duration) -> bool {
        self.lease_left(now).is_some()
    }

    /// Whether the entry may be forgotten: its record was deleted more than a day ago, and no lease is held.
    #[must_use]
    pub fn may_be_forgotten(&self, now: Duration) -> bool {
        let is_old = self.deleted_at.is_some_and(|at| now.saturating_sub(at) > REMEMBERED);
        self.sealed.is_none() && is_old && !self.is_leased(now)
    }

    /// For how long the lease is still held, if it is.
    fn lease_left(&self, now: Duration) -> Option<Duration> {
        let left = self.held_until?.checked_sub(now).filter(|left| !left.is_zero())?;
        self.held_for.is_none_or(|lifetime| left <= lifetime).then_some(left)
    }

    fn hold(&mut self, lifetime: Duration, now: Duration) {
        self.held_until = Some(now.saturating_add(lifetime));
        self.held_for = Some(lifetime);
    }
}

impl fmt::Debug for StoreEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What is sealed is long, and tells nobody anything.
        f.debug_struct("StoreEntry")
            .field("version", &self.version)
            .field("is_there", &self.sealed.is_some())
            .field("summary", &self.summary)
            .field("fence", &self.fence)
            .field("held_until", &self.held_until)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    const LONG: Duration = Duration::from_secs(60);

    fn saved(entry: &mut StoreEntry) {
        let saved = entry.save(Bytes::from_static(b"a"), &Summary::default(), Expected::Any, None);
        assert!(matches!(saved, Saved::Version(_)));
    }

    #[test]
    fn a_deleted_entry_is_remembered_for_a_day_after_the_last_delete() {
        let mut entry = StoreEntry::default();
        let hours = |hours: u64| DAY + Duration::from_secs(hours * 60 * 60);
        saved(&mut entry);
        assert!(entry.delete(hours(0)) && !entry.delete(hours(1)));
        saved(&mut entry);
        assert!(entry.delete(hours(23)));
        // A day after the first delete, and not after the second.
        assert!(!entry.may_be_forgotten(hours(25)));
        assert!(entry.may_be_forgotten(hours(48)));
        assert!(matches!(entry.acquire("a", LONG, hours(48)), Acquired::Granted(_)));
        assert!(!entry.may_be_forgotten(hours(48)));
        assert_eq!(entry.version, 2);
    }

    #[test]
    fn a_clock_that_is_set_back_keeps_no_lease_alive_for_longer_than_it_was_given() {
        let mut entry = StoreEntry::default();
        assert!(matches!(entry.acquire("a", LONG, 10 * DAY), Acquired::Granted(_)));
        assert!(entry.is_leased(10 * DAY) && !entry.is_leased(9 * DAY));
        assert!(matches!(entry.acquire("b", LONG, 9 * DAY), Acquired::Granted(lease) if lease.fence == 2));
    }

    #[test]
    fn a_lease_without_an_end_is_no_overflow() {
        let mut entry = StoreEntry::default();
        assert!(matches!(entry.acquire("a", Duration::MAX, DAY), Acquired::Granted(_)));
        assert!(entry.is_leased(1000 * DAY));
    }
}
