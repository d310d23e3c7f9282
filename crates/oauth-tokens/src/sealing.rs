//! Encryption of what is stored: by a key ring in the process, or by a service that may take its time.

use std::{fmt, sync::Arc};

use oauth_core::{Sealer, async_trait};
use zeroize::Zeroizing;

use crate::{error::UnreadableReason, key::TokenKey};

/// Encrypts records before they are stored, and decrypts them.
///
/// [`Sealer`], a ring of keys in the process's memory, is the usual one. An application of its own can ask a key management
/// service, wrap a key for each record in another (envelope encryption), or have a key for each tenant. Cache what can be cached:
/// a record is opened whenever it is read, and sealed twice for each refresh, before and after the provider is asked.
///
/// If it fails before the provider is asked, nothing is redeemed; if it fails afterwards, the new token is kept in memory and the
/// save is tried again, as when the store fails.
#[async_trait]
pub trait TokenSealer: fmt::Debug + Send + Sync {
    /// Encrypts and authenticates a record. It must open with the same key of the store and the same context only; the context
    /// is made of the key's four parts.
    ///
    /// # Errors
    ///
    /// [`SealingError::Unavailable`]. It must show neither plain text nor keys.
    async fn seal(&self, key: &TokenKey, plain: &[u8], context: &[u8]) -> Result<Vec<u8>, SealingError>;

    /// Decrypts a record.
    ///
    /// # Errors
    ///
    /// [`SealingError::Unreadable`] for what will never open, and [`SealingError::Unavailable`] for what may open another time.
    async fn open(&self, key: &TokenKey, sealed: &[u8], context: &[u8]) -> Result<Unsealed, SealingError>;

    /// Returns the id of the sealing key that seals now, for stores to find records by; `None` if it is not the same for all
    /// records, for example because each tenant has a key of its own.
    fn sealing_key(&self) -> Option<String>;

    /// Reads which sealing key sealed a record, if that can be told without opening it.
    fn sealing_key_of(&self, sealed: &[u8]) -> Option<String>;
}

/// A record that was opened.
pub struct Unsealed {
    pub(crate) plain: Zeroizing<Vec<u8>>,
    pub(crate) is_current: bool,
}

/// Why a record could not be sealed or opened.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealingError {
    /// The record does not open with the keys that there are.
    #[error("{0}")]
    Unreadable(UnreadableReason),
    /// The keys cannot be reached, or their use was refused.
    #[error("cannot use the sealing keys: {cause}")]
    Unavailable {
        /// Whether it may pass by itself.
        is_transient: bool,
        /// What the key service reported.
        cause: Arc<dyn std::error::Error + Send + Sync>,
    },
}

impl SealingError {
    /// An error that may pass by itself: no answer, a time-out, too many requests.
    pub fn transient(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Unavailable { is_transient: true, cause: cause.into().into() }
    }

    /// An error that needs somebody to act: a missing permission, a key that was disabled.
    pub fn permanent(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Unavailable { is_transient: false, cause: cause.into().into() }
    }
}

impl Unsealed {
    /// A record in plain text, which is wiped from memory when dropped. If the key that sealed it is not the one that seals now,
    /// `is_current` is false, and the record is sealed anew.
    #[must_use]
    pub fn new(plain: Vec<u8>, is_current: bool) -> Self {
        Self { plain: Zeroizing::new(plain), is_current }
    }
}

#[async_trait]
impl TokenSealer for Sealer {
    async fn seal(&self, _: &TokenKey, plain: &[u8], context: &[u8]) -> Result<Vec<u8>, SealingError> {
        self.seal_bytes(plain, context).map_err(SealingError::permanent)
    }

    async fn open(&self, _: &TokenKey, sealed: &[u8], context: &[u8]) -> Result<Unsealed, SealingError> {
        match self.open_bytes(sealed, context) {
            Ok(opened) => Ok(Unsealed { plain: opened.plain, is_current: opened.is_current }),
            Err(error) => Err(SealingError::Unreadable(error.into())),
        }
    }

    fn sealing_key(&self) -> Option<String> {
        Some(self.key_id())
    }

    fn sealing_key_of(&self, sealed: &[u8]) -> Option<String> {
        Self::key_id_of(sealed)
    }
}

impl fmt::Debug for Unsealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unsealed").field("is_current", &self.is_current).finish_non_exhaustive()
    }
}
