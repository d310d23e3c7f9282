use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, PoisonError},
};

use oauth_core::{OffsetDateTime, async_trait};

/// Remembers which attempts were used, so that a callback counts once even if its cookie was copied.
///
/// The cookie is cleared at first use, so this matters against somebody who kept it. With several machines, implement it on
/// what they share.
#[async_trait]
pub trait UsedAttempts: fmt::Debug + Send + Sync {
    /// Marks the attempt of this state as used, and says whether it was the first time. It can be forgotten at `until`.
    ///
    /// # Errors
    ///
    /// When the store cannot be asked; the sign-in then fails.
    async fn use_once(&self, state: &str, until: OffsetDateTime) -> Result<bool, UsedAttemptsError>;
}

/// Why a store of used attempts could not be asked.
pub type UsedAttemptsError = Box<dyn std::error::Error + Send + Sync>;

/// Remembers in this process. It holds what was used within the lifetime of an attempt, and no more.
#[derive(Debug, Default)]
pub struct MemoryUsedAttempts(Mutex<HashMap<String, OffsetDateTime>>);

#[async_trait]
impl UsedAttempts for MemoryUsedAttempts {
    async fn use_once(&self, state: &str, until: OffsetDateTime) -> Result<bool, UsedAttemptsError> {
        let mut used = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = OffsetDateTime::now_utc();
        used.retain(|_, until| *until > now);
        Ok(used.insert(state.to_owned(), until).is_none())
    }
}
