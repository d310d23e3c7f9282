//! The clocks: one that a test can set, and those of the platform.

use std::{fmt, sync::Arc, time::SystemTime};

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

impl<C: Clock + ?Sized> Clock for Arc<C> {
    fn now(&self) -> OffsetDateTime {
        (**self).now()
    }
}

/// The operating system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::now_utc()
    }
}

/// A clock that only goes forward: on `wasm32-unknown-unknown`, where the standard library's panics, that of JavaScript.
#[cfg(not(all(target_family = "wasm", target_os = "unknown")))]
pub use std::time::Instant;
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
pub use web_time::Instant;

/// What time it is. `SystemTime::now` panics on `wasm32-unknown-unknown`; JavaScript's clock does not.
pub(crate) fn system_time() -> SystemTime {
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    return OffsetDateTime::now_utc().into();
    #[cfg(not(all(target_family = "wasm", target_os = "unknown")))]
    SystemTime::now()
}
