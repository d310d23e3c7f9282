//! The pause that a provider is given after a failure, as records have it.

use std::time::Duration;

use oauth_core::OffsetDateTime;
use serde::{Deserialize, Serialize};

use crate::calendar::milliseconds;

/// For how long the provider is left alone after a failure.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Rest {
    /// When it failed, in milliseconds, by the clock of the process that tried.
    pub(crate) at_ms: i64,
    /// When it failed by the store's clock, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) at_store_ms: Option<i64>,
    pub(crate) wait_ms: u64,
}

impl Rest {
    pub(crate) fn new(now: OffsetDateTime, store_now: Option<OffsetDateTime>, wait: Duration) -> Self {
        Self {
            at_ms: milliseconds(now).unwrap_or_default(),
            at_store_ms: store_now.and_then(milliseconds),
            wait_ms: wait.as_millis().try_into().unwrap_or(u64::MAX),
        }
    }
}
