//! The tasks of a manager: a shutdown lets no more begin, and waits for those that are running.

use tokio_util::{
    sync::CancellationToken,
    task::{TaskTracker, task_tracker::TaskTrackerToken},
};

#[derive(Debug, Default)]
pub(crate) struct Tasks {
    running: TaskTracker,
    closing: CancellationToken,
}

/// Keeps [`Tasks::close`] waiting while it exists. A clone does so too.
pub(crate) type TaskGuard = TaskTrackerToken;

impl Tasks {
    /// Registers a task; `None` once the manager is closed.
    pub(crate) fn begin(&self) -> Option<TaskGuard> {
        // In this order: a task that sees the manager open was registered before `close` began to wait.
        let guard = self.running.token();
        (!self.closing.is_cancelled()).then_some(guard)
    }

    /// Lets no more tasks begin.
    pub(crate) fn stop(&self) {
        self.closing.cancel();
        self.running.close();
    }

    /// Lets no more tasks begin, and waits until those that have begun are done.
    pub(crate) async fn close(&self) {
        self.stop();
        self.running.wait().await;
    }

    /// Waits until no more tasks may begin.
    pub(crate) async fn closed(&self) {
        self.closing.cancelled().await;
    }
}
