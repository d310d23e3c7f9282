//! Times that the calendar has room for.

use std::time::Duration;

use oauth_core::OffsetDateTime;

/// The longest time that can be set. Longer ones would overflow dates, and a panic between redeeming and saving loses a grant.
pub(crate) const A_YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Year 9999, beyond which `OffsetDateTime` does not reach.
const END_OF_TIME: OffsetDateTime = match OffsetDateTime::from_unix_timestamp(253_402_300_799) {
    Ok(end) => end,
    Err(_) => OffsetDateTime::UNIX_EPOCH,
};

/// Reads a Unix time; one beyond the calendar becomes the end of the calendar.
pub(crate) fn time(seconds: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(if seconds < 0 {
        OffsetDateTime::UNIX_EPOCH
    } else {
        END_OF_TIME
    })
}

/// A time in milliseconds since 1970.
pub(crate) fn milliseconds(time: OffsetDateTime) -> Option<i64> {
    i64::try_from(time.unix_timestamp_nanos() / 1_000_000).ok()
}
