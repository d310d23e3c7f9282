//! A store that fails, hangs or changes at the moments that a test chooses.

use std::{fmt, sync::Arc, time::Duration};

use oauth_core::{OffsetDateTime, async_trait, bytes::Bytes};

use crate::{
    inventory::{Filter, Found, Status, Summary},
    key::TokenKey,
    store::{Acquired, Expected, Lease, Record, Saved, StoreError, StoreOperation, TokenStore},
};

/// A store that wraps another one and calls a hook at each call. A clone has the same hook.
///
/// ```
/// use std::sync::atomic::{AtomicBool, Ordering};
///
/// use oauth_tokens::{
///     MemoryStore, StoreError, async_trait,
///     testkit::{HookedStore, StoreCall, StoreHook},
/// };
///
/// /// The way to a store, which can be cut.
/// #[derive(Default)]
/// struct Cut(AtomicBool);
///
/// #[async_trait]
/// impl StoreHook for Cut {
///     async fn before(&self, call: &StoreCall<'_>) -> Result<(), StoreError> {
///         match self.0.load(Ordering::SeqCst) {
///             true => Err(StoreError::transient(call.operation, "the way to the store is cut")),
///             false => Ok(()),
///         }
///     }
/// }
///
/// let store = HookedStore::new(MemoryStore::new(), Cut::default());
/// store.hook().0.store(true, Ordering::SeqCst);
/// ```
pub struct HookedStore<H> {
    store: Arc<dyn TokenStore>,
    hook: Arc<H>,
}

/// What a test does at the calls of a [`HookedStore`]: nothing, unless a method is overridden.
#[async_trait]
pub trait StoreHook: Send + Sync {
    /// Learns that a method of [`TokenStore`] was called, before all else.
    fn called(&self, method: &'static str) {
        let _ = method;
    }

    /// Acts before the store is asked. It may take its time, or never end.
    ///
    /// # Errors
    ///
    /// An error is the answer of the store, which is not asked then.
    async fn before(&self, call: &StoreCall<'_>) -> Result<(), StoreError> {
        let _ = call;
        Ok(())
    }

    /// Acts after the store has answered, whatever it has answered.
    ///
    /// # Errors
    ///
    /// An error takes the place of the answer, as if the reply was lost.
    async fn after(&self, call: &StoreCall<'_>) -> Result<(), StoreError> {
        let _ = call;
        Ok(())
    }
}

/// One call of a store, as a [`StoreHook`] sees it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct StoreCall<'a> {
    /// What an error of it is about.
    pub operation: StoreOperation,
    /// The key that it is about; `None` for searches, lists and the time.
    pub key: Option<&'a TokenKey>,
    /// What is told about the record that is saved.
    pub saves: Option<Status>,
}

impl<H> HookedStore<H> {
    /// Wraps a store.
    pub fn new(store: impl TokenStore + 'static, hook: H) -> Self {
        Self { store: Arc::new(store), hook: Arc::new(hook) }
    }

    /// Returns the hook.
    #[must_use]
    pub fn hook(&self) -> &H {
        &self.hook
    }
}

impl<H: StoreHook> HookedStore<H> {
    async fn call<T>(
        &self,
        method: &'static str,
        call: StoreCall<'_>,
        answer: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        self.hook.called(method);
        self.hook.before(&call).await?;
        let answer = answer.await;
        self.hook.after(&call).await?;
        answer
    }
}

fn of(operation: StoreOperation) -> StoreCall<'static> {
    StoreCall { operation, key: None, saves: None }
}

fn of_key(operation: StoreOperation, key: &TokenKey) -> StoreCall<'_> {
    StoreCall { operation, key: Some(key), saves: None }
}

fn of_save(key: &TokenKey, status: Status) -> StoreCall<'_> {
    StoreCall { operation: StoreOperation::Save, key: Some(key), saves: Some(status) }
}

#[async_trait]
impl<H: StoreHook + 'static> TokenStore for HookedStore<H> {
    async fn load(&self, key: &TokenKey) -> Result<Option<Record>, StoreError> {
        self.call("load", of_key(StoreOperation::Load, key), self.store.load(key)).await
    }

    async fn save(
        &self,
        key: &TokenKey,
        sealed: Bytes,
        expected: Expected,
        lease: Option<&Lease>,
    ) -> Result<Saved, StoreError> {
        let call = of_save(key, Status::Unknown);
        self.call("save", call, self.store.save(key, sealed, expected, lease)).await
    }

    async fn save_described(
        &self,
        key: &TokenKey,
        sealed: Bytes,
        summary: &Summary,
        expected: Expected,
        lease: Option<&Lease>,
    ) -> Result<Saved, StoreError> {
        let saving = self.store.save_described(key, sealed, summary, expected, lease);
        self.call("save_described", of_save(key, summary.status), saving).await
    }

    fn can_find(&self) -> bool {
        self.hook.called("can_find");
        self.store.can_find()
    }

    async fn find(
        &self,
        filter: &Filter,
        after: Option<&TokenKey>,
        limit: usize,
    ) -> Result<Vec<Found>, StoreError> {
        self.call("find", of(StoreOperation::Find), self.store.find(filter, after, limit)).await
    }

    async fn count(&self, filter: &Filter) -> Result<u64, StoreError> {
        self.call("count", of(StoreOperation::Find), self.store.count(filter)).await
    }

    async fn delete(&self, key: &TokenKey) -> Result<bool, StoreError> {
        self.call("delete", of_key(StoreOperation::Delete, key), self.store.delete(key)).await
    }

    async fn delete_version(&self, key: &TokenKey, version: u64) -> Result<bool, StoreError> {
        let deleting = self.store.delete_version(key, version);
        self.call("delete_version", of_key(StoreOperation::Delete, key), deleting).await
    }

    async fn list(&self, tenant: &str, subject: &str) -> Result<Vec<(TokenKey, Record)>, StoreError> {
        self.call("list", of(StoreOperation::List), self.store.list(tenant, subject)).await
    }

    async fn acquire(
        &self,
        key: &TokenKey,
        holder: &str,
        lifetime: Duration,
    ) -> Result<Acquired, StoreError> {
        let acquiring = self.store.acquire(key, holder, lifetime);
        self.call("acquire", of_key(StoreOperation::Acquire, key), acquiring).await
    }

    async fn extend(&self, key: &TokenKey, lease: &Lease, lifetime: Duration) -> Result<bool, StoreError> {
        let extending = self.store.extend(key, lease, lifetime);
        self.call("extend", of_key(StoreOperation::Extend, key), extending).await
    }

    async fn release(&self, key: &TokenKey, lease: &Lease) -> Result<(), StoreError> {
        self.call("release", of_key(StoreOperation::Release, key), self.store.release(key, lease)).await
    }

    async fn now(&self) -> Result<Option<OffsetDateTime>, StoreError> {
        self.call("now", of(StoreOperation::Now), self.store.now()).await
    }
}

impl<H> Clone for HookedStore<H> {
    fn clone(&self) -> Self {
        Self { store: Arc::clone(&self.store), hook: Arc::clone(&self.hook) }
    }
}

impl<H> fmt::Debug for HookedStore<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HookedStore").field("store", &self.store).finish_non_exhaustive()
    }
}
