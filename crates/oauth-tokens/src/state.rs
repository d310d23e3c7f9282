//! What is sealed and stored for a key: the token, and what is known about it.

use std::{fmt, time::Duration};

use oauth_core::{OAuth2Token, OffsetDateTime, same_secret};
use serde::{Deserialize, Serialize};

/// A grant that the provider no longer accepts: a new login must replace it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeadGrant {
    /// Why it is dead.
    pub reason: DeadReason,
    /// Since when it is known to be dead, by the clock of the process that found out.
    pub at: OffsetDateTime,
}

/// Why a grant is dead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "snake_case")]
#[non_exhaustive]
pub enum DeadReason {
    /// The provider refused the refresh token: it was revoked, has expired, or was used twice.
    Refused {
        /// The error that the provider named, such as `invalid_grant`. Text of the server, not to be trusted.
        code: String,
        /// The description that came with it. Text of the server, not to be trusted.
        description: Option<String>,
    },
    /// The provider refused the refresh token after an earlier refresh with it was never completed: the process died between
    /// the request and the save, or the reply was lost. The new token may have been lost then, or the grant may have been
    /// ended for another reason: providers do not tell the two apart.
    LostInRefresh {
        /// When that refresh began, as a Unix time in seconds.
        since: i64,
        /// The error that the provider named, such as `invalid_grant`. Text of the server, not to be trusted.
        #[serde(default)]
        code: String,
    },
    /// The access token has expired, and the provider gave no refresh token.
    NoRefreshToken,
}

/// What a record holds before it is sealed. Records outlive versions: a new member needs a default, and no member changes its
/// meaning (`tests/all/golden.rs`).
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct TokenState {
    /// `None` until the first client-credentials token was obtained.
    pub(crate) token: Option<OAuth2Token>,
    /// When the token was obtained, as a Unix time in seconds, by the clock of the process that obtained it.
    pub(crate) obtained_at: i64,
    /// When it expires, by the same clock; that of the token is by the operating system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expires_at: Option<i64>,
    /// When the oldest refresh began of which nobody knows how it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) refreshing_since: Option<i64>,
    /// When the last refresh failed, in milliseconds, by the clock of the process that tried it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) failed_at_ms: Option<i64>,
    /// How long the provider is left alone after that failure, in milliseconds.
    #[serde(default)]
    pub(crate) wait_ms: u64,
    /// How many refreshes have failed since the last success.
    #[serde(default)]
    pub(crate) failures: u32,
    /// The error of the last failed refresh, in one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) failure: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) dead: Option<StoredDeadGrant>,
}

/// A [`DeadGrant`] in its stored form.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct StoredDeadGrant {
    #[serde(flatten)]
    reason: DeadReason,
    at: i64,
}

impl TokenState {
    /// The state of a token that was just obtained.
    pub(crate) fn fresh(token: OAuth2Token, now: OffsetDateTime) -> Self {
        // The token's own expiry was reckoned from the operating system's time.
        let shift = now - OffsetDateTime::now_utc();
        let expires_at =
            token.expires_at().map(|at| at.unix_timestamp().saturating_add(shift.whole_seconds()));
        Self { token: Some(token), obtained_at: now.unix_timestamp(), expires_at, ..Self::default() }
    }

    /// The state that marks the beginning of a refresh.
    pub(crate) fn refreshing(&self, now: OffsetDateTime) -> Self {
        let since = self.refreshing_since.unwrap_or(now.unix_timestamp());
        Self { refreshing_since: Some(since), ..self.clone() }
    }

    /// The state after a refresh that failed for a reason that may pass.
    pub(crate) fn failed(
        &self,
        failure: &str,
        now: OffsetDateTime,
        wait: Duration,
        was_refused: bool,
    ) -> Self {
        Self {
            // Only what was refused for certain was not carried out.
            refreshing_since: if was_refused {
                self.refreshing_since
            } else {
                Some(self.refreshing_since.unwrap_or(now.unix_timestamp()))
            },
            failed_at_ms: i64::try_from(now.unix_timestamp_nanos() / 1_000_000).ok(),
            wait_ms: wait.as_millis().try_into().unwrap_or(u64::MAX),
            failures: self.failures.saturating_add(1),
            failure: Some(failure.to_owned()),
            ..self.clone()
        }
    }

    /// The state of a dead grant. The token stays, for whoever wants to look into it.
    pub(crate) fn died(&self, grant: &DeadGrant) -> Self {
        let dead = StoredDeadGrant { reason: grant.reason.clone(), at: grant.at.unix_timestamp() };
        Self { dead: Some(dead), ..self.clone() }
    }

    pub(crate) fn dead(&self) -> Option<DeadGrant> {
        let dead = self.dead.as_ref()?;
        Some(DeadGrant { reason: dead.reason.clone(), at: time(dead.at) })
    }

    /// Whether it holds the same tokens as another state, whatever else has changed.
    pub(crate) fn has_the_tokens_of(&self, other: &Self) -> bool {
        match (&self.token, &other.token) {
            (None, None) => true,
            (Some(one), Some(other)) => {
                let refresh = |token: &OAuth2Token| token.refresh_token().unwrap_or_default().to_owned();
                same_secret(one.access_token(), other.access_token())
                    && same_secret(&refresh(one), &refresh(other))
            }
            _ => false,
        }
    }
}

/// Reads a Unix time; one beyond the calendar becomes the end of the calendar.
pub(crate) fn time(seconds: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(if seconds < 0 {
        OffsetDateTime::UNIX_EPOCH
    } else {
        END_OF_TIME
    })
}

/// Year 9999, beyond which `OffsetDateTime` does not reach.
const END_OF_TIME: OffsetDateTime = match OffsetDateTime::from_unix_timestamp(253_402_300_799) {
    Ok(end) => end,
    Err(_) => OffsetDateTime::UNIX_EPOCH,
};

impl fmt::Display for DeadReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { code, description } => {
                write!(f, "the provider refused the refresh token: {}", code.escape_debug())?;
                match description {
                    Some(description) => write!(f, " ({})", description.escape_debug()),
                    None => Ok(()),
                }
            }
            Self::LostInRefresh { since, code } => write!(
                f,
                "the provider refuses the refresh token: {}; a refresh that began at {} was never completed, and its new token \
                 may have been lost",
                code.escape_debug(),
                time(*since)
            ),
            Self::NoRefreshToken => {
                f.write_str("the access token has expired, and there is no refresh token")
            }
        }
    }
}
