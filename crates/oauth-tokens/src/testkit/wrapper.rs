//! Stores that wrap another one.

use std::{
    collections::BTreeSet,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use oauth_core::{OffsetDateTime, async_trait, bytes::Bytes};

use super::{CheckFailed, Checked, ensure, some_key};
use crate::{
    inventory::{Filter, Found, Status, Summary},
    key::TokenKey,
    memory::MemoryStore,
    store::{Acquired, Expected, Lease, Record, Saved, StoreError, TokenStore},
};

/// The methods of [`TokenStore`] that have a default, which knows nothing of the store that is wrapped.
const DEFAULTED: [&str; 6] = ["save_described", "can_find", "find", "count", "delete_version", "now"];

/// Checks that a store which wraps another one (to count, to cache, to encrypt) forwards the methods of [`TokenStore`] that have defaults.
/// One that is forgotten compiles, and takes away what the wrapped store can do: searching, its clock, deleting in one step.
///
/// `wrap` makes the wrapper around the store that it is given. `not_forwarded` names the methods that are not forwarded on purpose.
///
/// ```no_run
/// # use std::sync::Arc;
/// # use oauth_tokens::{TokenStore, testkit};
/// # fn counting(inner: Arc<dyn TokenStore>) -> Arc<dyn TokenStore> { inner }
/// # async fn f() -> Result<(), testkit::CheckFailed> {
/// testkit::check_wrapper(|inner| counting(inner), &[]).await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// The methods that were neither forwarded nor named.
pub async fn check_wrapper(
    wrap: impl FnOnce(Arc<dyn TokenStore>) -> Arc<dyn TokenStore>,
    not_forwarded: &[&str],
) -> Checked {
    let check = "a_wrapper_forwards_what_has_a_default";
    forwards(wrap, not_forwarded).await.map_err(|failed| CheckFailed { check, ..failed })
}

async fn forwards(
    wrap: impl FnOnce(Arc<dyn TokenStore>) -> Arc<dyn TokenStore>,
    not_forwarded: &[&str],
) -> Checked {
    for name in not_forwarded {
        ensure!(DEFAULTED.contains(name), "{name:?} is not a method with a default; those are {DEFAULTED:?}");
    }
    let inner = Arc::new(Asked::default());
    let wrapper = wrap(Arc::clone(&inner) as Arc<dyn TokenStore>);
    let key = some_key()?;
    let (sealed, summary) = (Bytes::from_static(b"sealed"), Summary::new(Status::Alive));
    wrapper.save_described(&key, sealed, &summary, Expected::Any, None).await?;
    wrapper.delete_version(&key, 1).await?;
    let _: bool = wrapper.can_find();
    // What a method returns is for `check_store`; here it counts whether the inner store was asked.
    let _ = wrapper.find(&Filter::all(), None, 10).await;
    let _ = wrapper.count(&Filter::all()).await;
    let _ = wrapper.now().await;
    let forgotten: Vec<&str> = DEFAULTED
        .into_iter()
        .filter(|name| !inner.was_asked(name) && !not_forwarded.contains(name))
        .collect();
    ensure!(
        forgotten.is_empty(),
        "these methods are not forwarded to the store that is wrapped: {forgotten:?}"
    );
    Ok(())
}

/// A store that remembers which of its methods were called.
#[derive(Default)]
struct Asked {
    store: MemoryStore,
    asked: Mutex<BTreeSet<&'static str>>,
}

impl Asked {
    fn note(&self, name: &'static str) -> &MemoryStore {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).insert(name);
        &self.store
    }

    fn was_asked(&self, name: &str) -> bool {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).contains(name)
    }
}

impl fmt::Debug for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Asked(…)")
    }
}

#[async_trait]
impl TokenStore for Asked {
    async fn load(&self, key: &TokenKey) -> Result<Option<Record>, StoreError> {
        self.store.load(key).await
    }

    async fn save(
        &self,
        key: &TokenKey,
        sealed: Bytes,
        expected: Expected,
        lease: Option<&Lease>,
    ) -> Result<Saved, StoreError> {
        self.store.save(key, sealed, expected, lease).await
    }

    async fn save_described(
        &self,
        key: &TokenKey,
        sealed: Bytes,
        summary: &Summary,
        expected: Expected,
        lease: Option<&Lease>,
    ) -> Result<Saved, StoreError> {
        self.note("save_described").save_described(key, sealed, summary, expected, lease).await
    }

    fn can_find(&self) -> bool {
        self.note("can_find").can_find()
    }

    async fn find(
        &self,
        filter: &Filter,
        after: Option<&TokenKey>,
        limit: usize,
    ) -> Result<Vec<Found>, StoreError> {
        self.note("find").find(filter, after, limit).await
    }

    async fn count(&self, filter: &Filter) -> Result<u64, StoreError> {
        self.note("count").count(filter).await
    }

    async fn delete(&self, key: &TokenKey) -> Result<bool, StoreError> {
        self.store.delete(key).await
    }

    async fn delete_version(&self, key: &TokenKey, version: u64) -> Result<bool, StoreError> {
        self.note("delete_version").delete_version(key, version).await
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
        self.store.acquire(key, holder, lifetime).await
    }

    async fn extend(&self, key: &TokenKey, lease: &Lease, lifetime: Duration) -> Result<bool, StoreError> {
        self.store.extend(key, lease, lifetime).await
    }

    async fn release(&self, key: &TokenKey, lease: &Lease) -> Result<(), StoreError> {
        self.store.release(key, lease).await
    }

    async fn now(&self) -> Result<Option<OffsetDateTime>, StoreError> {
        self.note("now").now().await
    }
}
