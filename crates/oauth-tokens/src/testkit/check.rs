//! What a check fails with, and what most checks begin with.

use oauth_core::random_token;

use crate::{error::TokenError, key::TokenKey, store::StoreError};

/// A check that a store did not pass.
#[derive(Debug, thiserror::Error)]
#[error("the check {check:?} failed: {what}")]
pub struct CheckFailed {
    check: &'static str,
    what: String,
}

pub(super) type Checked = Result<(), CheckFailed>;

/// Fails the check unless a condition holds.
macro_rules! ensure {
    ($condition:expr, $($what:tt)+) => {
        if !$condition {
            return Err(format!($($what)+).into());
        }
    };
}
pub(super) use ensure;

impl CheckFailed {
    /// Says which check failed.
    pub(super) fn of(self, check: &'static str) -> Self {
        Self { check, ..self }
    }
}

impl From<String> for CheckFailed {
    fn from(what: String) -> Self {
        Self { check: "", what }
    }
}

/// Whatever a store, a manager or the provider in memory fails with.
macro_rules! failed_by {
    ($($TokenError:ty),+) => {
        $(impl From<$TokenError> for CheckFailed {
            fn from(error: $TokenError) -> Self {
                format!("{error}").into()
            }
        })+
    };
}
failed_by!(StoreError, TokenError, oauth_core::Error, oauth_core::SharedCacheError, tokio::task::JoinError);

/// A key that no other check and no earlier run has used.
pub(super) fn some_key() -> Result<TokenKey, CheckFailed> {
    Ok(TokenKey::new("testkit", "subject").with_tenant(random_token()?))
}
