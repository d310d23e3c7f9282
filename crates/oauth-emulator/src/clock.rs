//! The time, in whole seconds.

use time::OffsetDateTime;

/// Seconds since 1970.
pub(crate) fn now() -> i64 {
    OffsetDateTime::now_utc().unix_timestamp()
}
