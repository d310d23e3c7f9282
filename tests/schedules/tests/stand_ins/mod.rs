//! What `cache.rs` imports.

pub(crate) mod map;
pub(crate) mod watch;

/// A token, by its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OAuth2Token(pub(crate) u64);

pub(crate) mod sync {
    pub(crate) use super::watch;
}

pub(crate) mod access_token_request {
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub(crate) struct Wanted(pub(crate) &'static str);
}

pub(crate) mod error {
    /// There is no token, or it could not be obtained.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub(crate) struct TokenError;
}

pub(crate) mod key {
    /// A key, by its number, which is its hash too.
    #[derive(Clone, Debug, PartialEq, Eq, Hash)]
    pub(crate) struct TokenKey(pub(crate) u64);
}

pub(crate) mod newest {
    #[derive(Clone, Debug)]
    pub(crate) struct NewestToken;
}

pub(crate) mod timing {
    use std::time::Duration;

    /// Time stands still: everything that is known holds.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
    pub(crate) struct Moment(pub(crate) u64);

    impl Moment {
        pub(crate) fn is_ahead_of(self, now: Self, _: Duration) -> bool {
            self > now
        }
    }
}
