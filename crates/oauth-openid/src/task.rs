//! Tasks and time limits, by Tokio where a client is used on it.
//!
//! This is all that the crate wants of a runtime, so that an HTTP client which needs none works on any executor.

use std::{pin::Pin, time::Duration};

use tokio::runtime::Handle;

// A test can stop Tokio's clock; it is none on wasm32-unknown-unknown, where the standard library has none.
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
pub(crate) use oauth_core::Instant;
#[cfg(not(all(target_family = "wasm", target_os = "unknown")))]
pub(crate) use tokio::time::Instant;

/// A piece of work.
pub(crate) type BoxedTask = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Runs a task to its end, whoever hangs up. Without a runtime it comes back, to be run by whoever wants its end.
pub(crate) fn spawn(task: BoxedTask) -> Option<BoxedTask> {
    match Handle::try_current() {
        Ok(runtime) => {
            runtime.spawn(task);
            None
        }
        Err(_) => Some(task),
    }
}

/// What a future gives, unless it takes longer than this. Without a runtime nothing tells the time, and it may take as long as it
/// likes: limits are then for the HTTP client to set.
pub(crate) async fn within<T>(limit: Duration, future: impl Future<Output = T>) -> Option<T> {
    match Handle::try_current() {
        Ok(_) => tokio::time::timeout(limit, future).await.ok(),
        Err(_) => Some(future.await),
    }
}
