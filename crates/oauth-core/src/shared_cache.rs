use std::{fmt, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;

/// Why a [`SharedCache`] could not be asked.
pub type SharedCacheError = Box<dyn std::error::Error + Send + Sync>;

/// Keeps values for a while under a name, for all processes of an application together: attempts that may be used once, a
/// provider's metadata and keys.
///
/// The stores of `oauth-tokens`, `oauth-store-sqlx` and `oauth-store-redis` implement it. An error of it never shows a value.
#[async_trait]
pub trait SharedCache: fmt::Debug + Send + Sync {
    /// The value, unless it was never put, was taken, or outlived its time.
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

    /// Gives the value back and deletes it, in one step. Of several who do it at once, one gets the value.
    ///
    /// # Errors
    ///
    /// Whatever keeps the store from answering.
    async fn take(&self, name: &str) -> Result<Option<Bytes>, SharedCacheError>;
}
