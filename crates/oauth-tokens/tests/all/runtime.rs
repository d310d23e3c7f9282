//! The manager on an executor that is not Tokio's.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::Duration,
};

use oauth_core::async_trait;
use oauth_tokens::{MemoryStore, Runtime, Task, TokenError, testkit::RotatingServer};
use tokio::sync::oneshot;

use crate::support::{builder, key};

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let (mut work, waker) = (pin!(work), Waker::from(Arc::new(Unpark(thread::current()))));
    loop {
        match work.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(result) => return result,
            Poll::Pending => thread::park(),
        }
    }
}

/// A thread for each task and each sleep.
#[derive(Debug)]
struct Threads;

#[async_trait]
impl Runtime for Threads {
    fn spawn(&self, task: Task) -> Result<(), TokenError> {
        thread::spawn(move || block_on(task));
        Ok(())
    }

    async fn sleep(&self, duration: Duration) {
        let (sender, receiver) = oneshot::channel();
        thread::spawn(move || {
            thread::sleep(duration);
            let _ = sender.send(());
        });
        let _ = receiver.await;
    }
}

#[test]
fn a_manager_works_without_tokio_on_a_runtime_of_its_own() {
    let (server, store) = (RotatingServer::new(), MemoryStore::new());
    let manager = builder(store.clone(), &server).runtime(Threads).build().unwrap();
    block_on(manager.put(&key(), &server.sign_in_expired().unwrap())).unwrap();
    let (results, all) = mpsc::channel();
    for _ in 0..8 {
        let (manager, results) = (manager.clone(), results.clone());
        thread::spawn(move || results.send(block_on(manager.get_token(&key()))).unwrap());
    }
    drop(results);
    let tokens: Vec<_> = all.into_iter().map(Result::unwrap).collect();
    assert_eq!(tokens.len(), 8);
    assert!(tokens.iter().all(|token| *token == tokens[0] && server.knows(token.access_token())));
    assert_eq!(server.token_requests(), 1);
    assert!(block_on(manager.close()).is_empty());

    // Without it, the manager says what is missing.
    let manager = builder(store, &server).build().unwrap();
    let error = block_on(manager.get_token(&key())).unwrap_err();
    assert!(matches!(error, TokenError::NoRuntime), "{error}");
}

/// It takes tasks and carries out none, as one that is shutting down.
#[derive(Debug, Default)]
struct Ending(AtomicUsize);

#[async_trait]
impl Runtime for Ending {
    fn spawn(&self, _: Task) -> Result<(), TokenError> {
        assert!(self.0.fetch_add(1, Ordering::SeqCst) < 10, "it is asked again and again");
        Ok(())
    }

    async fn sleep(&self, _: Duration) {}
}

#[test]
fn on_a_runtime_that_carries_out_nothing_nobody_waits_for_ever() {
    let (server, store) = (RotatingServer::new(), MemoryStore::new());
    block_on(
        builder(store.clone(), &server)
            .runtime(Threads)
            .build()
            .unwrap()
            .put(&key(), &server.sign_in_expired().unwrap()),
    )
    .unwrap();
    let manager = builder(store, &server).runtime(Ending::default()).build().unwrap();
    let error = block_on(manager.get_token(&key())).unwrap_err();
    assert!(matches!(error, TokenError::NoRuntime), "{error}");
}
