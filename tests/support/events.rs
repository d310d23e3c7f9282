//! What the log is told.

use std::sync::{Arc, Mutex, OnceLock};

use tracing::{
    Dispatch, Event, Metadata, Subscriber, field, span,
    subscriber::{self, DefaultGuard},
};

/// Keeps the level and the fields of the events of one crate, on this thread.
#[derive(Clone)]
pub(crate) struct Events {
    target: &'static str,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Events {
    /// Those whose target begins so.
    pub(crate) fn of(target: &'static str) -> Self {
        Self { target, lines: Arc::default() }
    }

    /// Listens for as long as the guard lives.
    pub(crate) fn listen(&self) -> DefaultGuard {
        /// While there is but one subscriber, tracing asks that of the thread which meets an event first, and believes it for all threads.
        static SECOND: OnceLock<Dispatch> = OnceLock::new();
        SECOND.get_or_init(|| Dispatch::new(Self::of("nobody")));
        subscriber::set_default(self.clone())
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }
}

impl Subscriber for Events {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with(self.target)
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = event.metadata().level().to_string();
        event.record(&mut |field: &field::Field, value: &dyn std::fmt::Debug| {
            line.push_str(&format!(" {field}={value:?}"));
        });
        self.lines.lock().unwrap().push(line);
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}
