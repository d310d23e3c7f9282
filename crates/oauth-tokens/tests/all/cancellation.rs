//! Callers go away at every point where they can; what was begun is carried to its end.

use std::{future::poll_fn, pin::pin, sync::Arc, task::Poll};

use oauth_core::Provider;
use oauth_tokens::{TokenManager, testkit::RotatingServer};

use crate::support::{Shaky, Yielding, key, sealer, stored};

/// Polls a future so often, lets the rest of the program run after each poll, and drops it; whether it came to its end.
async fn drop_after(polls: usize, future: impl Future) -> bool {
    let mut future = pin!(future);
    for _ in 0..polls {
        let is_ready = poll_fn(|context| Poll::Ready(future.as_mut().poll(context).is_ready())).await;
        if is_ready {
            return true;
        }
        tokio::task::yield_now().await;
    }
    false
}

fn manager(store: &Shaky, server: &RotatingServer) -> TokenManager {
    let provider = server.client().with_http_client(Yielding(server.clone()));
    TokenManager::builder(store.clone(), sealer()).provider(Arc::new(provider)).build().unwrap()
}

#[tokio::test]
async fn a_caller_dropped_at_every_await_point_loses_no_refresh_token() {
    let mut polls = 0;
    loop {
        let (store, server) = (Shaky::default(), RotatingServer::new());
        let manager = manager(&store, &server);
        manager.put(&key(), &server.sign_in_expired().unwrap()).await.unwrap();

        let is_done = drop_after(polls, manager.get_token(&key())).await;
        assert!(manager.close().await.is_empty());
        assert_eq!(server.token_requests(), usize::from(polls > 0), "dropped after {polls} polls");
        let token = stored(&manager, &key()).await.token.unwrap();
        assert!(server.accepts(token.refresh_token().unwrap()), "dropped after {polls} polls");
        assert!(server.knows(token.access_token()), "dropped after {polls} polls");
        if is_done {
            break;
        }
        polls += 1;
    }
    assert!(polls > 15, "the future had only {polls} points to be dropped at");
}

#[tokio::test]
async fn all_callers_dropped_while_the_flight_is_at_each_of_its_steps() {
    // As before, but with a hundred callers who go at the same time.
    for polls in 1..30 {
        let (store, server) = (Shaky::default(), RotatingServer::new());
        let manager = manager(&store, &server);
        manager.put(&key(), &server.sign_in_expired().unwrap()).await.unwrap();
        let callers: Vec<_> = (0..100)
            .map(|_| {
                let manager = manager.clone();
                tokio::spawn(async move { manager.get_token(&key()).await.map(drop) })
            })
            .collect();
        for _ in 0..polls {
            tokio::task::yield_now().await;
        }
        callers.iter().for_each(tokio::task::JoinHandle::abort);
        manager.close().await;
        assert!(server.token_requests() <= 1, "{polls}");
        let token = stored(&manager, &key()).await.token.unwrap();
        assert!(server.accepts(token.refresh_token().unwrap()), "after {polls} steps");
    }
}

#[tokio::test]
async fn a_put_that_is_dropped_is_done_whole() {
    for polls in 1.. {
        let (store, server) = (Shaky::default(), RotatingServer::new());
        let manager = manager(&store, &server);
        manager.put(&key(), &server.sign_in().unwrap()).await.unwrap();
        let old = manager.get_token(&key()).await.unwrap();
        let new = server.sign_in().unwrap();
        let is_done = drop_after(polls, manager.put(&key(), &new)).await;
        manager.close().await;
        let in_store = stored(&manager, &key()).await.token.unwrap();
        let in_memory = manager.get_token(&key()).await.unwrap();
        assert_eq!(in_store, new, "dropped after {polls} polls");
        assert_eq!(*in_memory, new, "dropped after {polls} polls, not {old:?}");
        if is_done {
            assert!(polls > 2);
            break;
        }
    }
}
