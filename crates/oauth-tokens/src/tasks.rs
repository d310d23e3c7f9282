//! Counts what is under way, so that a shutdown can wait for it.

use tokio::sync::watch;

#[derive(Debug)]
pub(crate) struct Tasks(watch::Sender<Count>);

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    under_way: usize,
    is_closed: bool,
}

/// One task under way; gives notice when dropped.
pub(crate) struct Ticket(watch::Sender<Count>);

impl Tasks {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(Count::default()))
    }

    /// Leave to begin a task, unless no more may begin.
    pub(crate) fn begin(&self) -> Option<Ticket> {
        let is_open = self.0.send_if_modified(|count| {
            count.under_way += usize::from(!count.is_closed);
            !count.is_closed
        });
        is_open.then(|| Ticket(self.0.clone()))
    }

    /// Lets no more tasks begin, and waits for those that are under way.
    pub(crate) async fn close(&self) {
        self.0.send_modify(|count| count.is_closed = true);
        // The sender is this very one, so it cannot be gone.
        let _ = self.0.subscribe().wait_for(|count| count.under_way == 0).await;
    }

    /// Returns once no more tasks may begin.
    pub(crate) async fn closed(&self) {
        let _ = self.0.subscribe().wait_for(|count| count.is_closed).await;
    }
}

impl Ticket {
    /// Leave for a task that ends what this one has begun, closed or not.
    pub(crate) fn another(&self) -> Self {
        self.0.send_modify(|count| count.under_way += 1);
        Self(self.0.clone())
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.0.send_modify(|count| count.under_way -= 1);
    }
}
