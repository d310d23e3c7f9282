//! Why there is no live access token, and what to do about it.

use std::{fmt, sync::Arc, time::Duration};

use oauth_core::{ErrorClass, ErrorKind, OAuth2Token, OffsetDateTime, SealError};

use crate::{
    key::TokenKey,
    state::{DeadGrant, DeadReason},
    store::StoreError,
};

/// Why there is no live access token, or why another operation failed.
///
/// [`class`](Self::class) says what to do about it. Neither `Display` nor `Debug` shows a secret.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// Nothing is stored for the key: nobody has signed in, or the token was deleted. Send the user through the login.
    #[error("no token for {key}; sign in first")]
    NotFound {
        /// The key.
        key: TokenKey,
    },
    /// The grant is dead; the provider is not asked again. Send the user through the login, and
    /// [`put`](crate::TokenManager::put) the new token.
    #[error("the grant of {key} has been dead since {}: {}; sign in again", grant.at, grant.reason)]
    Dead {
        /// The key.
        key: TokenKey,
        /// Why and since when.
        grant: DeadGrant,
    },
    /// The access token is live, and cannot be replaced by the other one that was asked for: the provider gave no refresh token.
    /// Send the user through the login.
    #[error("no other access token for {key}: the grant has no refresh token; sign in again")]
    NoRefreshToken {
        /// The key.
        key: TokenKey,
        /// When the access token that is there expires, if that is known.
        expires_at: Option<OffsetDateTime>,
    },
    /// The provider refused the access token that was [asked for](crate::AccessTokenRequest): the user has not granted what it is
    /// for, or the client may not have it. The grant and its other tokens are as good as before.
    #[error(
        "the provider grants no such access token to {key}: {message}; it is asked again after {retry_at}"
    )]
    NotGranted {
        /// The key.
        key: TokenKey,
        /// The error that the provider named, such as `invalid_scope`. Text of the server, not to be trusted.
        code: String,
        /// What the provider answered, in one line.
        message: String,
        /// Whether the user may change that by signing in and granting more.
        needs_login: bool,
        /// The provider is not asked for this access token again until this time.
        retry_at: OffsetDateTime,
    },
    /// The token is bound to a key (RFC 9449) or a certificate (RFC 8705) that this process does not have, and cannot be refreshed
    /// without it. Nothing was sent, and the grant is not marked as dead, because another process may have it. If it is lost, send the
    /// user through the login.
    #[error("the token of {key} cannot be used here: {cause}")]
    BoundElsewhere {
        /// The key.
        key: TokenKey,
        /// What it is bound to, in an [`ErrorKind::Binding`](oauth_core::ErrorKind::Binding).
        cause: Arc<oauth_core::Error>,
    },
    /// The access token has expired, and refreshing it failed. Nothing is lost; the next call after `retry_at` tries again.
    #[error("could not refresh the token of {key}: {message}; the next attempt is after {retry_at}")]
    RefreshFailed {
        /// The key.
        key: TokenKey,
        /// What the provider answered; `None` when another process, or an earlier one, saw it.
        cause: Option<Arc<oauth_core::Error>>,
        /// The cause in one line, in any case.
        message: String,
        /// The provider is left alone until this time.
        retry_at: OffsetDateTime,
    },
    /// Another process has held the lease on the key for longer than the manager waits.
    #[error("another process is still refreshing the token of {key}; try again later")]
    Busy {
        /// The key.
        key: TokenKey,
    },
    /// The store did not answer, or refused.
    #[error("no token for {key}: {cause}")]
    Store {
        /// The key.
        key: TokenKey,
        /// What the store reported.
        cause: StoreError,
    },
    /// The store could not be searched: it did not answer or refused, or is one that cannot be searched.
    #[error("could not search the token store: {cause}")]
    Search {
        /// What the store reported.
        cause: StoreError,
    },
    /// There is a new token, and the store did not take it. If it comes from a refresh, this process keeps it in memory and goes
    /// on trying to save it; if it was [`put`](crate::TokenManager::put), the caller must put it again.
    #[error("could not save the new token of {key}: {cause}")]
    NotSaved {
        /// The key.
        key: TokenKey,
        /// The new token, for an application that can keep it elsewhere. The old one may no longer be valid. After
        /// [`get_for`](crate::TokenManager::get_for), it is the token of the login with its new refresh token, and not the access token
        /// that was asked for: do not send it where that one was to go.
        token: Arc<OAuth2Token>,
        /// What the store reported last.
        cause: StoreError,
    },
    /// The stored record cannot be opened. It is left as it is.
    #[error("cannot read the stored token of {key}: {reason}")]
    Unreadable {
        /// The key.
        key: TokenKey,
        /// What is wrong with it.
        reason: UnreadableReason,
    },
    /// The key names a provider that the manager was not given.
    #[error(
        "unknown provider {:?} in the key {key}; {}; give the manager's builder a provider of this name", key.provider(), ProviderNames(known)
    )]
    UnknownProvider {
        /// The key.
        key: TokenKey,
        /// The names that the manager knows, without those that are looked up.
        known: Arc<[String]>,
    },
    /// The provider of the key could not be looked up.
    #[error("could not look up the provider of {key}: {cause}")]
    SourceLookup {
        /// The key.
        key: TokenKey,
        /// What the [`SourceLookup`](crate::SourceLookup) reported.
        cause: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// The provider did not revoke the token. It is still stored.
    #[error("could not revoke the token of {key}: {cause}")]
    RevokeFailed {
        /// The key.
        key: TokenKey,
        /// What the provider answered.
        cause: Arc<oauth_core::Error>,
    },
    /// The manager was closed and starts no more refreshes.
    #[error("the token manager is closed")]
    Closed,
    /// The manager was called outside a Tokio runtime, or its runtime ended during a refresh.
    #[error(
        "the token manager needs a running Tokio runtime; call it inside one, or give the builder another runtime"
    )]
    NoRuntime,
}

/// Why a stored record cannot be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnreadableReason {
    /// It was sealed with a key that is not in the key ring.
    #[error("it was sealed with a key that is not in the key ring; add that key with `with_old_key`")]
    UnknownKey,
    /// It was changed, or belongs to another key of the store.
    #[error("it was changed after it was sealed, or was moved here from another key")]
    Damaged,
    /// It was opened, and has a form that this version does not know.
    #[error("it has a form that this version does not know; was it written by a newer one?")]
    UnknownForm,
}

/// Names of providers as a sentence has them.
struct ProviderNames<'a>(&'a [String]);

impl fmt::Display for ProviderNames<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [] => f.write_str("none is known by its name"),
            [only] => write!(f, "the only one that is known is {only:?}"),
            [first, others @ ..] => {
                write!(f, "those that are known are {first:?}")?;
                others.iter().try_for_each(|name| write!(f, ", {name:?}"))
            }
        }
    }
}

impl TokenError {
    /// Returns what to do about it.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        const LATER: ErrorClass = ErrorClass::Transient { retry_after: None };
        match self {
            Self::NotFound { .. }
            | Self::Dead { .. }
            | Self::NoRefreshToken { .. }
            | Self::BoundElsewhere { .. }
            | Self::NotGranted { needs_login: true, .. } => ErrorClass::Reauthorize,
            Self::RefreshFailed { cause, retry_at, .. } => {
                let wait = Duration::try_from(*retry_at - OffsetDateTime::now_utc()).unwrap_or_default();
                let later = ErrorClass::Transient { retry_after: Some(wait) };
                match cause.as_ref().map(|cause| cause.class()) {
                    // A machine's grant that is refused may be granted later; one that is made of a user's takes the user.
                    Some(class @ ErrorClass::Reauthorize)
                        if matches!(cause.as_ref().map(|cause| cause.kind()), Some(ErrorKind::Login(_))) =>
                    {
                        class
                    }
                    Some(class @ (ErrorClass::Configuration | ErrorClass::Protocol)) => class,
                    _ => later,
                }
            }
            Self::Busy { .. } | Self::SourceLookup { .. } | Self::NoRuntime => LATER,
            Self::Store { cause, .. } | Self::Search { cause } | Self::NotSaved { cause, .. }
                if cause.is_transient() =>
            {
                LATER
            }
            Self::RevokeFailed { cause, .. } => cause.class(),
            Self::Store { .. }
            | Self::Search { .. }
            | Self::NotSaved { .. }
            | Self::Unreadable { .. }
            | Self::UnknownProvider { .. }
            | Self::NotGranted { .. }
            | Self::Closed => ErrorClass::Configuration,
        }
    }

    /// Returns why and since when the grant is dead, if it is.
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
                | Self::NoRefreshToken { .. }
                | Self::NotGranted { .. }
                | Self::Busy { .. }
                | Self::Store { .. }
                | Self::Unreadable { .. }
                | Self::Closed
                | Self::NoRuntime
                | Self::UnknownProvider { .. }
                | Self::SourceLookup { .. }
        )
    }

    /// The error of a token that has expired and cannot be refreshed.
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

#[cfg(test)]
mod tests {
    use oauth_core::{HttpError, HttpErrorKind, LoginError, Operation};

    use super::*;
    use crate::store::StoreOperation;

    const MINUTE: Duration = Duration::from_secs(60);

    fn key() -> TokenKey {
        TokenKey::new("p", "user-17")
    }

    fn refresh_failed(kind: Option<ErrorKind>) -> TokenError {
        let cause = kind.map(|kind| Arc::new(oauth_core::Error::new(Operation::REFRESH_TOKEN, "p", kind)));
        let retry_at = OffsetDateTime::now_utc() + MINUTE;
        TokenError::RefreshFailed { key: key(), cause, message: "it failed".to_owned(), retry_at }
    }

    #[test]
    fn a_refresh_that_failed_is_worth_another_attempt_unless_somebody_must_act() {
        let transport = |kind| Some(ErrorKind::Transport(HttpError::new(kind)));
        // What another process saw is known by its text alone.
        for kind in [None, transport(HttpErrorKind::Timeout)] {
            let ErrorClass::Transient { retry_after: Some(wait) } = refresh_failed(kind).class() else {
                panic!("it passes")
            };
            assert!((MINUTE / 2..=MINUTE).contains(&wait), "{wait:?}");
        }
        for (kind, expected) in [
            (transport(HttpErrorKind::Certificate), ErrorClass::Configuration),
            (transport(HttpErrorKind::TooLarge), ErrorClass::Protocol),
            (Some(ErrorKind::Configuration("no secret".to_owned())), ErrorClass::Configuration),
            // The grant that a machine's token is made of is a user's.
            (Some(ErrorKind::Login(LoginError::Expired)), ErrorClass::Reauthorize),
        ] {
            assert_eq!(refresh_failed(kind).class(), expected);
        }
    }

    #[test]
    fn what_a_store_reports_says_whether_it_passes() {
        let operation = StoreOperation::Load;
        for (cause, passes) in [
            (StoreError::transient(operation, "down"), true),
            (StoreError::permanent(operation, "full"), false),
        ] {
            let token = Arc::new(OAuth2Token::new("AT"));
            for error in [
                TokenError::Store { key: key(), cause: cause.clone() },
                TokenError::Search { cause: cause.clone() },
                TokenError::NotSaved { key: key(), token, cause: cause.clone() },
            ] {
                let later = ErrorClass::Transient { retry_after: None };
                assert_eq!(error.class(), if passes { later } else { ErrorClass::Configuration }, "{error}");
            }
        }
    }
}
