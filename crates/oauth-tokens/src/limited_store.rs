//! A store that has a time limit for each answer.

use std::{fmt, sync::Arc, time::Duration};

use oauth_core::{OffsetDateTime, async_trait, bytes::Bytes};

use crate::{
    inventory::{Filter, Found, Summary},
    key::TokenKey,
    runtime::{Runtime, timeout},
    store::{Acquired, Expected, Lease, Record, Saved, StoreError, StoreOperation, TokenStore},
};

/// A store whose answers about a key are waited for no longer than the limit, in case its driver sets none. Searches, which may
/// take their time, have no limit.
#[derive(Clone)]
pub(crate) struct LimitedStore {
    pub(crate) store: Arc<dyn TokenStore>,
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) limit: Duration,
}

impl LimitedStore {
    async fn within<T>(
        &self,
        operation: StoreOperation,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        timeout(&*self.runtime, self.limit, work).await.unwrap_or_else(|| {
            Err(StoreError::transient(operation, format!("no answer within {:?}", self.limit)))
        })
    }
}

#[async_trait]
impl TokenStore for LimitedStore {
    async fn load(&self, key: &TokenKey) -> Result<Option<Record>, StoreError> {
        self.within(StoreOperation::Load, self.store.load(key)).await
    }

    async fn save(
        &self,
        key: &TokenKey,
        sealed: Bytes,
        expected: Expected,
        lease: Option<&Lease>,
    ) -> Result<Saved, StoreError> {
        self.within(StoreOperation::Save, self.store.save(key, sealed, expected, lease)).await
    }

    async fn save_described(
        &self,
        key: &TokenKey,
        sealed: Bytes,
        summary: &Summary,
        expected: Expected,
        lease: Option<&Lease>,
    ) -> Result<Saved, StoreError> {
        let save = self.store.save_described(key, sealed, summary, expected, lease);
        self.within(StoreOperation::Save, save).await
    }

    fn can_find(&self) -> bool {
        self.store.can_find()
    }

    async fn find(
        &self,
        filter: &Filter,
        after: Option<&TokenKey>,
        limit: usize,
    ) -> Result<Vec<Found>, StoreError> {
        self.store.find(filter, after, limit).await
    }

    async fn count(&self, filter: &Filter) -> Result<u64, StoreError> {
        self.store.count(filter).await
    }

    async fn delete(&self, key: &TokenKey) -> Result<bool, StoreError> {
        self.within(StoreOperation::Delete, self.store.delete(key)).await
    }

    async fn delete_version(&self, key: &TokenKey, version: u64) -> Result<bool, StoreError> {
        self.within(StoreOperation::Delete, self.store.delete_version(key, version)).await
    }

    async fn list(&self, tenant: &str, subject: &str) -> Result<Vec<(TokenKey, Record)>, StoreError> {
        self.store.list(tenant, subject).await
    }

    async fn acquire(
        &self,
        key: &TokenKey,
        holder: &str,
        lifetime: Duration,
    ) -> Result<Acquired, StoreError> {
        self.within(StoreOperation::Acquire, self.store.acquire(key, holder, lifetime)).await
    }

    async fn extend(&self, key: &TokenKey, lease: &Lease, lifetime: Duration) -> Result<bool, StoreError> {
        self.within(StoreOperation::Extend, self.store.extend(key, lease, lifetime)).await
    }

    async fn release(&self, key: &TokenKey, lease: &Lease) -> Result<(), StoreError> {
        self.within(StoreOperation::Release, self.store.release(key, lease)).await
    }

    async fn now(&self) -> Result<Option<OffsetDateTime>, StoreError> {
        self.within(StoreOperation::Now, self.store.now()).await
    }
}

impl fmt::Debug for LimitedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.store.fmt(f)
    }
}
