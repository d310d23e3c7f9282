//! The contract between the manager and a store.

use std::{fmt, sync::Arc, time::Duration};

use oauth_core::{OffsetDateTime, async_trait, bytes::Bytes};

use crate::{
    inventory::{Filter, Found, Summary},
    key::TokenKey,
};

/// Keeps the tokens of all processes, and lets them agree on which of them refreshes which token.
///
/// A store sees sealed bytes, and a [`Summary`] of each record if it can be searched. `oauth_tokens::testkit` (feature `testkit`) has the checks that every implementation
/// must pass.
///
/// # Contract
///
/// - Each method is one atomic step, in the face of every other process that uses the store.
/// - What a method reported as done survives a crash of the process that called it. (What survives a crash of the store's
///   own machine depends on the store.)
/// - Versions and fences are below 2⁶³, and for one key they only ever grow, also across [`delete`](Self::delete). A store
///   may forget the numbers of a key a day after its record was deleted.
/// - Whether a lease has expired is judged by the store's own clock, so that the clocks of processes need not agree.
/// - Keys are any text, compared character by character: no case folding, no trimming, no normalization.
/// - The methods are cancel-safe: a future that is dropped has done the whole step or nothing of it.
/// - A save or delete that the caller gave up (dropped, timed out, failed) may still be carried out by the store, but only if
///   nothing was saved or deleted for the key since the caller gave it up. (A `delete` that found no record deleted nothing.)
///   [`Expected::Any`] therefore means: the version that the store saw during the call. If another one came in between, the
///   store looks again, as long as the caller waits.
#[async_trait]
pub trait TokenStore: fmt::Debug + Send + Sync {
    /// Loads the record of a key, if there is one.
    ///
    /// # Errors
    ///
    /// A [`StoreError`] when the store does not answer or refuses.
    async fn load(&self, key: &TokenKey) -> Result<Option<Record>, StoreError>;

    /// Saves a record, if what is there is what was expected, and if no newer lease than the given one was granted.
    ///
    /// Without a lease no fence is checked: that is how a new login replaces what is there. A lease that has expired or was
    /// released is still good until a newer one is granted. If both the fence and the expectation
    /// fail, the answer is [`Saved::Fenced`].
    ///
    /// # Errors
    ///
    /// A [`StoreError`] when the store does not answer or refuses. If it cannot say whether it saved, it may have saved, or may
    /// still do so later, within the limits of the contract.
    async fn save(
        &self,
        key: &TokenKey,
        sealed: Bytes,
        expected: Expected,
        lease: Option<&Lease>,
    ) -> Result<Saved, StoreError>;

    /// Saves a record as [`save`](Self::save) does, and keeps the summary beside it, for [`find`](Self::find). A record that
    /// is saved without a summary has none: what was known of its predecessor does not hold for it.
    ///
    /// A store that cannot be searched keeps no summary, which is the default.
    ///
    /// # Errors
    ///
    /// Those of [`save`](Self::save).
    async fn save_described(
        &self,
        key: &TokenKey,
        sealed: Bytes,
        summary: &Summary,
        expected: Expected,
        lease: Option<&Lease>,
    ) -> Result<Saved, StoreError> {
        let _ = summary;
        self.save(key, sealed, expected, lease).await
    }

    /// Whether the store can be searched with [`find`](Self::find). By default it cannot.
    fn can_find(&self) -> bool {
        false
    }

    /// Finds records page by page: those after the key `after`, at most so many, in an order that the store chooses and keeps.
    /// A page that is not full is the last one.
    ///
    /// A record that is there all the time is found once; one that comes or goes meanwhile may be found or not.
    ///
    /// # Errors
    ///
    /// A [`StoreError`] when the store does not answer or refuses, or cannot be searched.
    async fn find(
        &self,
        filter: &Filter,
        after: Option<&TokenKey>,
        limit: usize,
    ) -> Result<Vec<Found>, StoreError> {
        let _ = (filter, after, limit);
        Err(StoreError::permanent(StoreOperation::Find, "this store cannot be searched"))
    }

    /// Counts the records that [`find`](Self::find) would find. By default it finds all of them.
    ///
    /// # Errors
    ///
    /// Those of [`find`](Self::find).
    async fn count(&self, filter: &Filter) -> Result<u64, StoreError> {
        const PAGE: usize = 1000;
        let mut counted = 0;
        let mut after = None;
        loop {
            let page = self.find(filter, after.as_ref(), PAGE).await?;
            counted += page.len() as u64;
            match page.into_iter().nth(PAGE - 1) {
                Some(last) => after = Some(last.key),
                None => return Ok(counted),
            }
        }
    }

    /// Deletes a record, and says whether there was one. A lease on the key stays as it is.
    ///
    /// # Errors
    ///
    /// A [`StoreError`] when the store does not answer or refuses.
    async fn delete(&self, key: &TokenKey) -> Result<bool, StoreError>;

    /// Deletes a record if it still has this version, and says whether it did. A lease on the key stays as it is.
    ///
    /// The default loads and then deletes: two steps, between which another process may save a login that then is deleted too. A store
    /// that several processes use should do both in one.
    ///
    /// # Errors
    ///
    /// A [`StoreError`] when the store does not answer or refuses.
    async fn delete_version(&self, key: &TokenKey, version: u64) -> Result<bool, StoreError> {
        match self.load(key).await? {
            Some(record) if record.version == version => self.delete(key).await,
            _ => Ok(false),
        }
    }

    /// Lists the records of one subject of one tenant, in the order of their keys.
    ///
    /// # Errors
    ///
    /// A [`StoreError`] when the store does not answer or refuses.
    async fn list(&self, tenant: &str, subject: &str) -> Result<Vec<(TokenKey, Record)>, StoreError>;

    /// Acquires the lease on a key, the right to refresh it, for a time. The key needs no record.
    ///
    /// A lease is granted when none is held or the one that was held has expired, and never to two at a time. A holder that
    /// asks again while its own lease is held is refused like any other.
    ///
    /// # Errors
    ///
    /// A [`StoreError`] when the store does not answer or refuses.
    async fn acquire(&self, key: &TokenKey, holder: &str, lifetime: Duration)
    -> Result<Acquired, StoreError>;

    /// Extends a lease to this long from now, and says whether it was still the newest one of its key: held, or expired but
    /// not released.
    ///
    /// A store that can lose its last writes may grant a fence twice. It tells the two leases apart by their holders, here, in
    /// [`release`](Self::release) and in [`save`](Self::save).
    ///
    /// # Errors
    ///
    /// A [`StoreError`] when the store does not answer or refuses.
    async fn extend(&self, key: &TokenKey, lease: &Lease, lifetime: Duration) -> Result<bool, StoreError>;

    /// Releases a lease. Nothing happens if a newer one has been granted.
    ///
    /// # Errors
    ///
    /// A [`StoreError`] when the store does not answer or refuses.
    async fn release(&self, key: &TokenKey, lease: &Lease) -> Result<(), StoreError>;

    /// Returns the time by the store's own clock. The pause after a failed refresh goes by it, so that the clocks of processes need
    /// not agree. `None`, the default, leaves the pause to the clocks of the processes: where one machine has them all.
    ///
    /// # Errors
    ///
    /// A [`StoreError`] when the store does not answer or refuses.
    async fn now(&self) -> Result<Option<OffsetDateTime>, StoreError> {
        Ok(None)
    }
}

/// What is stored for a key.
// Stores build it, so it is not `non_exhaustive`.
#[derive(Clone, PartialEq, Eq)]
pub struct Record {
    /// The version, which grows with each save, usually by one.
    pub version: u64,
    /// The token and what belongs to it, encrypted. Opaque to the store.
    pub sealed: Bytes,
}

/// What a writer expects to be in the store.
// A store must keep every condition, so it is not `non_exhaustive`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// No record.
    Absent,
    /// The record of this version.
    Version(u64),
    /// Whatever is there, or nothing.
    Any,
}

/// How a save ended.
// Whoever saves must know what each case means for the token, so it is not `non_exhaustive`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Saved {
    /// It is saved, under this version.
    Version(u64),
    /// Nothing was saved: this is there instead of what was expected.
    Conflict(Option<Record>),
    /// Nothing was saved: a newer lease has been granted.
    Fenced,
}

/// The right to refresh one key, until it expires.
// Stores build it, so it is not `non_exhaustive`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Larger than that of every lease granted for the key before.
    pub fence: u64,
    /// Who holds it, for people who look into the store.
    pub holder: Arc<str>,
}

/// The answer to a request for a lease.
// Whoever asks has the lease or has not, so it is not `non_exhaustive`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Acquired {
    /// The caller has the lease.
    Granted(Lease),
    /// Another process has the lease.
    Held {
        /// How long until it expires, unless it is extended.
        retry_in: Duration,
    },
}

/// The store operation that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreOperation {
    /// Opening the store: connecting, migrating.
    Open,
    /// [`TokenStore::load`].
    Load,
    /// [`TokenStore::save`].
    Save,
    /// [`TokenStore::delete`].
    Delete,
    /// [`TokenStore::list`].
    List,
    /// [`TokenStore::find`] or [`TokenStore::count`].
    Find,
    /// [`TokenStore::acquire`].
    Acquire,
    /// [`TokenStore::extend`].
    Extend,
    /// [`TokenStore::release`].
    Release,
    /// [`TokenStore::now`].
    Now,
}

/// Why a store operation failed. It shows the operation and the cause, never a stored value.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the token store failed to {operation}: {cause}")]
pub struct StoreError {
    operation: StoreOperation,
    is_transient: bool,
    #[source]
    cause: Arc<dyn std::error::Error + Send + Sync>,
}

/// The cause of an error, and where the store is.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {cause}")]
struct CauseAt {
    place: String,
    #[source]
    cause: Arc<dyn std::error::Error + Send + Sync>,
}

impl StoreError {
    /// An error that may pass by itself: no connection, a timeout, a store that is starting up or busy.
    ///
    /// The cause must not show a stored value or a connection string with a password.
    pub fn transient(
        operation: StoreOperation,
        cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self { operation, is_transient: true, cause: cause.into().into() }
    }

    /// An error that needs somebody to act: a missing table, a missing permission, a full disk.
    ///
    /// The cause must not show a stored value or a connection string with a password.
    pub fn permanent(
        operation: StoreOperation,
        cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self { operation, is_transient: false, cause: cause.into().into() }
    }

    /// Adds where the store is, such as the path of a file: it comes before the cause in the message.
    #[must_use]
    pub fn at(self, place: impl fmt::Display) -> Self {
        let cause = CauseAt { place: place.to_string(), cause: self.cause };
        Self { cause: Arc::new(cause), ..self }
    }

    /// Returns the operation that failed.
    #[must_use]
    pub fn operation(&self) -> StoreOperation {
        self.operation
    }

    /// Whether the operation may succeed later without anybody doing anything.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.is_transient
    }
}

impl Record {
    /// A record as a store reads it.
    #[must_use]
    pub fn new(version: u64, sealed: impl Into<Bytes>) -> Self {
        Self { version, sealed: sealed.into() }
    }
}

impl Lease {
    /// A lease as a store grants it.
    #[must_use]
    pub fn new(fence: u64, holder: impl Into<Arc<str>>) -> Self {
        Self { fence, holder: holder.into() }
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("version", &self.version)
            .field("sealed", &format_args!("{} bytes", self.sealed.len()))
            .finish()
    }
}

impl fmt::Display for StoreOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "open",
            Self::Load => "load",
            Self::Save => "save",
            Self::Delete => "delete",
            Self::List => "list",
            Self::Find => "find records",
            Self::Acquire => "acquire a lease",
            Self::Extend => "extend a lease",
            Self::Release => "release a lease",
            Self::Now => "tell the time",
        })
    }
}

#[async_trait]
impl<S: TokenStore + ?Sized> TokenStore for Arc<S> {
    async fn load(&self, key: &TokenKey) -> Result<Option<Record>, StoreError> {
        (**self).load(key).await
    }

    async fn save(
        &self,
        key: &TokenKey,
        sealed: Bytes,
        expected: Expected,
        lease: Option<&Lease>,
    ) -> Result<Saved, StoreError> {
        (**self).save(key, sealed, expected, lease).await
    }

    async fn save_described(
        &self,
        key: &TokenKey,
        sealed: Bytes,
        summary: &Summary,
        expected: Expected,
        lease: Option<&Lease>,
    ) -> Result<Saved, StoreError> {
        (**self).save_described(key, sealed, summary, expected, lease).await
    }

    fn can_find(&self) -> bool {
        (**self).can_find()
    }

    async fn find(
        &self,
        filter: &Filter,
        after: Option<&TokenKey>,
        limit: usize,
    ) -> Result<Vec<Found>, StoreError> {
        (**self).find(filter, after, limit).await
    }

    async fn count(&self, filter: &Filter) -> Result<u64, StoreError> {
        (**self).count(filter).await
    }

    async fn delete(&self, key: &TokenKey) -> Result<bool, StoreError> {
        (**self).delete(key).await
    }

    async fn delete_version(&self, key: &TokenKey, version: u64) -> Result<bool, StoreError> {
        (**self).delete_version(key, version).await
    }

    async fn list(&self, tenant: &str, subject: &str) -> Result<Vec<(TokenKey, Record)>, StoreError> {
        (**self).list(tenant, subject).await
    }

    async fn acquire(
        &self,
        key: &TokenKey,
        holder: &str,
        lifetime: Duration,
    ) -> Result<Acquired, StoreError> {
        (**self).acquire(key, holder, lifetime).await
    }

    async fn extend(&self, key: &TokenKey, lease: &Lease, lifetime: Duration) -> Result<bool, StoreError> {
        (**self).extend(key, lease, lifetime).await
    }

    async fn release(&self, key: &TokenKey, lease: &Lease) -> Result<(), StoreError> {
        (**self).release(key, lease).await
    }

    async fn now(&self) -> Result<Option<OffsetDateTime>, StoreError> {
        (**self).now().await
    }
}
