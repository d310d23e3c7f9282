use std::{sync::Arc, time::Duration};

use oauth_core::{ErrorClass, OAuth2Token, OffsetDateTime, SealError};

use crate::{
    key::TokenKey,
    state::{DeadGrant, DeadReason},
    store::StoreError,
};

/// Why there is no live access token, or why something else could not be done.
///
/// [`class`](Self::class) says what to do. Neither `Display` nor `Debug` shows a secret.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nothing is stored for the key: nobody has signed in, or the token was deleted. Send the user through the login.
    #[error("no token for {key}; sign in first")]
    NotFound {
        /// The key.
        key: TokenKey,
    },
    /// The grant is dead; the provider is not asked again. Send the user through the login, and
    /// [`put`](crate::TokenManager::put) the new token.
    #[error("the grant of {key} is dead since {}: {}; sign in again", grant.at, grant.reason)]
    Dead {
        /// The key.
        key: TokenKey,
        /// Why and since when.
        grant: DeadGrant,
    },
    /// The access token has expired and could not be refreshed yet. Nothing is lost; it will be tried again.
    #[error("the token of {key} could not be refreshed: {message}; not to be tried before {retry_at}")]
    RefreshFailed {
        /// The key.
        key: TokenKey,
        /// What the provider answered; `None` when another process, or an earlier one, saw it.
        cause: Option<Arc<oauth_core::Error>>,
        /// The cause in one line, in any case.
        message: String,
        /// Before this time the provider is left alone.
        retry_at: OffsetDateTime,
    },
    /// Another process holds the lease on the key for longer than the manager is willing to wait.
    #[error("another process is refreshing the token of {key} and has not finished yet")]
    Busy {
        /// The key.
        key: TokenKey,
    },
    /// The store could not be asked.
    #[error("no token for {key}: {cause}")]
    Store {
        /// The key.
        key: TokenKey,
        /// What the store said.
        cause: StoreError,
    },
    /// There is a new token, and the store did not take it. One from a refresh this process keeps in memory and goes on trying
    /// to save; one that was [`put`](crate::TokenManager::put) is the caller's to put again.
    #[error("the new token of {key} could not be saved: {cause}")]
    NotSaved {
        /// The key.
        key: TokenKey,
        /// The new token, for an application that can keep it elsewhere. The old one may be worth nothing.
        token: Arc<OAuth2Token>,
        /// What the store said last.
        cause: StoreError,
    },
    /// What is stored cannot be opened. It is left as it is.
    #[error("the stored token of {key} cannot be read: {reason}")]
    Unreadable {
        /// The key.
        key: TokenKey,
        /// What is wrong with it.
        reason: UnreadableReason,
    },
    /// The key names a provider that the manager was not given.
    #[error("no provider {:?} for {key}; add it to the manager's builder under this name", key.provider())]
    UnknownProvider {
        /// The key.
        key: TokenKey,
    },
    /// The provider could not revoke the token. It is still stored.
    #[error("the token of {key} could not be revoked: {cause}")]
    RevokeFailed {
        /// The key.
        key: TokenKey,
        /// What the provider answered.
        cause: Arc<oauth_core::Error>,
    },
    /// The manager was closed and begins no more refreshes.
    #[error("the token manager is closed")]
    Closed,
    /// The manager was called outside a Tokio runtime, or the runtime ended during a refresh.
    #[error("the token manager needs a running Tokio runtime")]
    NoRuntime,
}

/// Why a stored token cannot be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnreadableReason {
    /// It was sealed with a key that is not in the ring.
    #[error("it was sealed with a key that is not in the key ring; add that key with `with_old_key`")]
    UnknownKey,
    /// It was changed, or belongs to another key of the store.
    #[error("it was changed after it was sealed, or belongs to another place")]
    Damaged,
    /// It was opened, and is of a form that this version does not know.
    #[error("its form is not known to this version")]
    UnknownForm,
}

impl Error {
    /// What to do about it.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        const LATER: ErrorClass = ErrorClass::Transient { retry_after: None };
        match self {
            Self::NotFound { .. } | Self::Dead { .. } => ErrorClass::Reauthorize,
            Self::RefreshFailed { cause, retry_at, .. } => {
                let wait = Duration::try_from(*retry_at - OffsetDateTime::now_utc()).unwrap_or_default();
                let later = ErrorClass::Transient { retry_after: Some(wait) };
                match cause.as_ref().map(|cause| cause.class()) {
                    Some(class @ (ErrorClass::Configuration | ErrorClass::Protocol)) => class,
                    _ => later,
                }
            }
            Self::Busy { .. } | Self::NotSaved { .. } | Self::NoRuntime => LATER,
            Self::Store { cause, .. } if cause.is_transient() => LATER,
            Self::RevokeFailed { cause, .. } => cause.class(),
            Self::Store { .. } | Self::Unreadable { .. } | Self::UnknownProvider { .. } | Self::Closed => {
                ErrorClass::Configuration
            }
        }
    }

    /// Why and since when the grant is dead, if it is.
    #[must_use]
    pub fn dead_grant(&self) -> Option<&DeadGrant> {
        match self {
            Self::Dead { grant, .. } => Some(grant),
            _ => None,
        }
    }

    /// Whether the token that is about to be replaced is still as good as before.
    pub(crate) fn leaves_the_old_token_good(&self) -> bool {
        matches!(
            self,
            Self::RefreshFailed { .. }
                | Self::Busy { .. }
                | Self::Store { .. }
                | Self::Closed
                | Self::NoRuntime
                | Self::UnknownProvider { .. }
        )
    }

    /// The error of a token that has expired for good.
    pub(crate) fn no_refresh_token(key: &TokenKey, at: OffsetDateTime) -> Self {
        let grant = DeadGrant { reason: DeadReason::NoRefreshToken, at };
        Self::Dead { key: key.clone(), grant }
    }
}

impl From<SealError> for UnreadableReason {
    fn from(error: SealError) -> Self {
        match error {
            SealError::UnknownKey => Self::UnknownKey,
            _ => Self::Damaged,
        }
    }
}
