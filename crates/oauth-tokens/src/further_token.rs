//! A further access token of a grant, as records have it.

use oauth_core::OAuth2Token;
use serde::{Deserialize, Serialize};

use crate::{access_token_request::Wanted, rest::Rest};

/// A further access token as it is stored, or why there is none.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct FurtherToken {
    pub(crate) wanted: Wanted,
    /// The access token alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) token: Option<OAuth2Token>,
    /// When the token was obtained, or last asked for in vain, as a Unix time in seconds.
    pub(crate) obtained_at: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expires_at: Option<i64>,
    /// How the last request failed, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) failure: Option<FurtherFailure>,
}

/// How a request for a further access token failed. It says nothing about the grant, and keeps nobody from refreshing it.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct FurtherFailure {
    #[serde(flatten)]
    pub(crate) rest: Rest,
    pub(crate) failures: u32,
    /// In one line.
    pub(crate) message: String,
    /// The provider's code, if it has refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) refused: Option<FurtherRefusal>,
}

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct FurtherRefusal {
    pub(crate) code: String,
    /// Whether the user can change that by signing in again.
    pub(crate) needs_login: bool,
}

impl FurtherToken {
    /// Whether it holds a token that has not expired, or a failure that others should know of.
    pub(crate) fn is_of_use(&self, now: i64) -> bool {
        let rests = |failure: &FurtherFailure| {
            failure.rest.at_ms.saturating_add_unsigned(failure.rest.wait_ms).div_euclid(1000) > now
        };
        self.is_live(now) || self.failure.as_ref().is_some_and(rests)
    }

    pub(crate) fn is_live(&self, now: i64) -> bool {
        self.token.is_some() && self.expires_at.is_none_or(|at| at > now)
    }
}
