use std::fmt;

use time::OffsetDateTime;

/// Tells the time, so that a test can set it.
///
/// ```
/// use oauth_core::{Clock, OffsetDateTime};
///
/// #[derive(Debug)]
/// struct Stopped(OffsetDateTime);
///
/// impl Clock for Stopped {
///     fn now(&self) -> OffsetDateTime {
///         self.0
///     }
/// }
/// ```
pub trait Clock: fmt::Debug + Send + Sync {
    /// What time it is, in UTC.
    fn now(&self) -> OffsetDateTime;
}

/// The operating system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::now_utc()
    }
}
