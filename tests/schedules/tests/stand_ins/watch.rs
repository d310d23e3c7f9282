//! `tokio::sync::watch` for threads: a receiver waits by a condition variable.

use std::sync::Arc;

use shuttle::sync::{Condvar, Mutex};

struct Shared<T> {
    /// The value, and whether there is a sender.
    value: Mutex<(T, bool)>,
    changed: Condvar,
}

pub(crate) struct Sender<T>(Arc<Shared<T>>);

pub(crate) struct Receiver<T>(Arc<Shared<T>>);

pub(crate) fn channel<T>(first: T) -> (Sender<T>, Receiver<T>) {
    let shared = Arc::new(Shared { value: Mutex::new((first, true)), changed: Condvar::new() });
    (Sender(Arc::clone(&shared)), Receiver(shared))
}

impl<T> Sender<T> {
    pub(crate) fn send_replace(&self, value: T) {
        self.0.value.lock().unwrap().0 = value;
        self.0.changed.notify_all();
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.0.value.lock().unwrap().1 = false;
        self.0.changed.notify_all();
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Clone> Receiver<Option<T>> {
    /// Waits for a value; `None` if the sender is gone without one.
    pub(crate) fn wait(self) -> Option<T> {
        let mut value = self.0.value.lock().unwrap();
        while value.0.is_none() && value.1 {
            value = self.0.changed.wait(value).unwrap();
        }
        value.0.clone()
    }
}
