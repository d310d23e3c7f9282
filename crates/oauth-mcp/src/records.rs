//! Where registrations and the choice of a client for each server are kept.

use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, PoisonError},
};

use oauth_core::{Secret, async_trait};

/// Keeps what a program must not forget between two runs: the clients that it registered, and which of them it uses where.
///
/// Values hold client secrets: keep them as you keep passwords. Tokens are not among them; these are in the
/// [`TokenStore`](oauth_tokens::TokenStore).
#[async_trait]
pub trait Records: fmt::Debug + Send + Sync {
    /// Returns the value of a key, if there is one.
    ///
    /// # Errors
    ///
    /// Whatever keeps it from being read. The text must show no value.
    async fn load(&self, key: &str) -> Result<Option<Secret>, RecordError>;

    /// Sets the value of a key.
    ///
    /// # Errors
    ///
    /// Whatever keeps it from being written.
    async fn save(&self, key: &str, value: Secret) -> Result<(), RecordError>;

    /// Removes a key, if it is there.
    ///
    /// # Errors
    ///
    /// Whatever keeps it from being removed.
    async fn remove(&self, key: &str) -> Result<(), RecordError>;
}

/// Why a record could not be read or written.
pub type RecordError = Box<dyn std::error::Error + Send + Sync>;

/// Records that live as long as the process.
#[derive(Default)]
pub struct MemoryRecords(Mutex<HashMap<String, Secret>>);

impl MemoryRecords {
    /// No records.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Secret>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Records for MemoryRecords {
    async fn load(&self, key: &str) -> Result<Option<Secret>, RecordError> {
        Ok(self.lock().get(key).cloned())
    }

    async fn save(&self, key: &str, value: Secret) -> Result<(), RecordError> {
        self.lock().insert(key.to_owned(), value);
        Ok(())
    }

    async fn remove(&self, key: &str) -> Result<(), RecordError> {
        self.lock().remove(key);
        Ok(())
    }
}

impl fmt::Debug for MemoryRecords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryRecords").field("records", &self.lock().len()).finish()
    }
}
