//! What the manager needs of an asynchronous runtime.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    time::{Duration, Instant},
};

use oauth_core::async_trait;

use crate::error::TokenError;

/// A piece of work for [`Runtime::spawn`].
pub type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Starts tasks and waits, on behalf of a [`TokenManager`](crate::TokenManager).
///
/// The default is [`TokioRuntime`]. An application on another executor gives its own to
/// [`TokenManagerBuilder::runtime`](crate::TokenManagerBuilder::runtime); its HTTP client and its store must then do without
/// Tokio too.
#[async_trait]
pub trait Runtime: fmt::Debug + Send + Sync {
    /// Starts a task that runs to its end, whether or not anybody waits for it.
    ///
    /// # Errors
    ///
    /// [`TokenError::NoRuntime`] if no task can be started here.
    fn spawn(&self, task: Task) -> Result<(), TokenError>;

    /// Waits for this long.
    async fn sleep(&self, duration: Duration);

    /// Returns the time that [`sleep`](Self::sleep) goes by.
    fn now(&self) -> Instant {
        Instant::now()
    }
}

/// The [`Runtime`] of Tokio: tasks run on the runtime that the manager is called on.
#[derive(Clone, Copy, Debug, Default)]
pub struct TokioRuntime;

#[async_trait]
impl Runtime for TokioRuntime {
    fn spawn(&self, task: Task) -> Result<(), TokenError> {
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| TokenError::NoRuntime)?;
        runtime.spawn(task);
        Ok(())
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }
}

/// Does some work, but for no longer than this; `None` if it takes longer.
pub(crate) async fn timeout<T>(
    runtime: &dyn Runtime,
    limit: Duration,
    work: impl Future<Output = T>,
) -> Option<T> {
    tokio::select! {
        biased;
        result = work => Some(result),
        () = runtime.sleep(limit) => None,
    }
}
