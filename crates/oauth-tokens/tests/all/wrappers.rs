//! Stores that wrap another one.

use std::{sync::Arc, time::Duration};

use oauth_core::async_trait;
use oauth_tokens::{
    Acquired, Bytes, Expected, Lease, Record, Saved, StoreError, TokenKey, TokenStore, testkit::check_wrapper,
};

/// A wrapper as it was written before stores could be searched: it compiles.
#[derive(Debug)]
struct Forgetful(Arc<dyn TokenStore>);

#[async_trait]
impl TokenStore for Forgetful {
    async fn load(&self, key: &TokenKey) -> Result<Option<Record>, StoreError> {
        self.0.load(key).await
    }

    async fn save(
        &self,
        key: &TokenKey,
        sealed: Bytes,
        expected: Expected,
        lease: Option<&Lease>,
    ) -> Result<Saved, StoreError> {
        self.0.save(key, sealed, expected, lease).await
    }

    async fn delete(&self, key: &TokenKey) -> Result<bool, StoreError> {
        self.0.delete(key).await
    }

    async fn list(&self, tenant: &str, subject: &str) -> Result<Vec<(TokenKey, Record)>, StoreError> {
        self.0.list(tenant, subject).await
    }

    async fn acquire(
        &self,
        key: &TokenKey,
        holder: &str,
        lifetime: Duration,
    ) -> Result<Acquired, StoreError> {
        self.0.acquire(key, holder, lifetime).await
    }

    async fn extend(&self, key: &TokenKey, lease: &Lease, lifetime: Duration) -> Result<bool, StoreError> {
        self.0.extend(key, lease, lifetime).await
    }

    async fn release(&self, key: &TokenKey, lease: &Lease) -> Result<(), StoreError> {
        self.0.release(key, lease).await
    }
}

#[tokio::test]
async fn a_wrapper_that_forgets_methods_is_told_which() {
    let wrap = |inner| Arc::new(Forgetful(inner)) as Arc<dyn TokenStore>;
    let all = ["save_described", "can_find", "find", "count", "delete_version", "now"];
    let error = check_wrapper(wrap, &[]).await.unwrap_err().to_string();
    assert!(all.iter().all(|name| error.contains(name)), "{error}");
    let error = check_wrapper(wrap, &all[1..]).await.unwrap_err().to_string();
    assert!(error.contains("[\"save_described\"]"), "{error}");
    check_wrapper(wrap, &all).await.unwrap();
    let error = check_wrapper(wrap, &["load"]).await.unwrap_err().to_string();
    assert!(error.contains("\"load\" is not a method with a default"), "{error}");
}

#[tokio::test]
async fn the_wrapper_of_this_crate_forwards_everything() {
    check_wrapper(|inner| Arc::new(inner), &[]).await.unwrap();
}
