//! Limits that hold: of patience, of requests, of what is accepted.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use oauth_core::{ErrorClass, Identity, async_trait, serde_json::Value};
use oauth_tokens::{
    MemoryStore, Put, PutOptions, StoreError, StoreOperation, TokenError, TokenKey,
    testkit::{HookedStore, RotatingServer, ServerFault, StoreCall, StoreHook},
};
use tokio::time::Instant;

use crate::support::{Hands, Shaky, builder, key, stored};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_at_the_save_is_waited_for_as_long_as_promised() {
    let server = RotatingServer::with(Duration::ZERO, SECOND, HOUR);
    let store = Shaky::default();
    let manager = builder(store.clone(), &server).build().unwrap();
    manager.put(&key(), &server.sign_in_expired().unwrap()).await.unwrap();
    let get = tokio::spawn({
        let manager = manager.clone();
        async move { manager.get(&key()).await }
    });
    while server.token_requests() == 0 {
        tokio::time::sleep(SECOND / 100).await;
    }
    store.set_hanging(true);
    let began = Instant::now();
    let error = get.await.unwrap().unwrap_err();
    let TokenError::NotSaved { token, .. } = &error else { panic!("{error:?}") };
    assert!((3..=4).contains(&began.elapsed().as_secs()), "the provider's second and {:?}", began.elapsed());
    assert!(server.accepts(token.refresh_token().unwrap()));
    assert_eq!(manager.unsaved(), [key()]);

    // A login meets the same store.
    let began = Instant::now();
    let put = manager.put(&key().with_label("other"), &server.sign_in().unwrap()).await;
    assert!(matches!(put, Err(TokenError::NotSaved { .. })), "{put:?}");
    assert!(began.elapsed() <= 4 * SECOND, "{:?}", began.elapsed());

    // When the store is back, the refreshed token is saved.
    store.set_hanging(false);
    tokio::time::sleep(10 * SECOND).await;
    assert_eq!(stored(&manager, &key()).await.token.as_ref(), Some(&**token));
    assert!(manager.unsaved().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_with_a_limit_hands_over_what_is_being_saved() {
    let server = RotatingServer::with(Duration::ZERO, SECOND, HOUR);
    for hangs in [true, false] {
        let store = Shaky::default();
        let manager = builder(store.clone(), &server).save_patience(60 * SECOND).build().unwrap();
        manager.put(&key(), &server.sign_in_expired().unwrap()).await.unwrap();
        let before = server.token_requests();
        tokio::spawn({
            let manager = manager.clone();
            async move { manager.get(&key()).await }
        });
        while server.token_requests() == before {
            tokio::time::sleep(SECOND / 100).await;
        }
        if hangs {
            store.set_hanging(true)
        } else {
            store.set_down(true)
        }
        let began = Instant::now();
        let unsaved = manager.close_within(2 * SECOND).await;
        assert_eq!(began.elapsed().as_secs(), 2);
        let [TokenError::NotSaved { key: of, token, .. }] = &unsaved[..] else { panic!("{unsaved:?}") };
        assert_eq!(*of, key());
        assert!(server.accepts(token.refresh_token().unwrap()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_with_a_limit_ends_early_when_all_is_saved() {
    let server = RotatingServer::with(Duration::ZERO, SECOND, HOUR);
    let manager = builder(MemoryStore::new(), &server).build().unwrap();
    manager.put(&key(), &server.sign_in_expired().unwrap()).await.unwrap();
    let get = tokio::spawn({
        let manager = manager.clone();
        async move { manager.get(&key()).await }
    });
    while server.token_requests() == 0 {
        tokio::time::sleep(SECOND / 100).await;
    }
    let began = Instant::now();
    assert!(manager.close_within(HOUR).await.is_empty());
    assert!(began.elapsed() < 2 * SECOND);
    assert!(get.await.unwrap().is_ok());
}

#[tokio::test]
async fn a_login_at_an_unknown_provider_is_refused() {
    let (server, store) = (RotatingServer::new(), Shaky::default());
    let manager = builder(store.clone(), &server).build().unwrap();
    let misspelled = TokenKey::new("goggle", "user-17");
    let error = manager.put(&misspelled, &server.sign_in().unwrap()).await.unwrap_err();
    assert!(matches!(&error, TokenError::UnknownProvider { key, .. } if *key == misspelled), "{error}");
    assert!(error.to_string().contains("\"testkit\""), "it names those that are known: {error}");
    assert_eq!(store.steps(), 0, "nothing is stored");
}

#[tokio::test]
async fn a_full_disk_does_not_pass_by_itself() {
    let server = RotatingServer::new();
    let store = Sick::store();
    let manager = builder(store.clone(), &server).save_patience(Duration::ZERO).build().unwrap();
    store.hook().is_full.store(true, Ordering::SeqCst);
    let error = manager.put(&key(), &server.sign_in().unwrap()).await.unwrap_err();
    assert!(matches!(error, TokenError::NotSaved { .. }), "{error}");
    assert_eq!(error.class(), ErrorClass::Configuration);
}

#[tokio::test]
async fn a_record_that_the_store_cannot_read_is_replaced_by_a_login() {
    let server = RotatingServer::new();
    let store = Sick::store();
    let manager = builder(store.clone(), &server).build().unwrap();
    manager.put(&key(), &server.sign_in().unwrap()).await.unwrap();
    store.hook().is_corrupt.store(true, Ordering::SeqCst);
    let login = server.sign_in().unwrap();
    assert_eq!(manager.put(&key(), &login).await.unwrap(), Put::WithOwnRefreshToken);
    assert_eq!(stored(&manager, &key()).await.token, Some(login));
}

#[tokio::test]
async fn one_answer_that_fails_is_no_reason_to_replace_a_record_unread() {
    let server = RotatingServer::new();
    let store = Sick::store();
    let manager = builder(store.clone(), &server).build().unwrap();
    let ada = || PutOptions::new().with_identity(&Identity::new("testkit", "ada", Value::Null));
    let first = server.sign_in().unwrap();
    manager.put_with(&key(), &first, ada()).await.unwrap();
    store.hook().fails_once.store(true, Ordering::SeqCst);
    // A later login, for which the provider gives no refresh token.
    let login = server.sign_in().unwrap().access_token_only();
    let put = manager.put_with(&key(), &login, ada()).await.unwrap();
    assert_eq!(put, Put::WithStoredRefreshToken);
    let token = stored(&manager, &key()).await.token.unwrap();
    assert_eq!((token.access_token(), token.refresh_token()), (login.access_token(), first.refresh_token()));
}

/// A store whose disk can be full, that has a record it cannot read, or that fails to read one once.
#[derive(Default)]
struct Sick {
    is_full: AtomicBool,
    is_corrupt: AtomicBool,
    fails_once: AtomicBool,
}

impl Sick {
    fn store() -> HookedStore<Self> {
        HookedStore::new(MemoryStore::new(), Self::default())
    }
}

#[async_trait]
impl StoreHook for Sick {
    async fn before(&self, call: &StoreCall<'_>) -> Result<(), StoreError> {
        let fails = |what: &str| Err(StoreError::permanent(call.operation, what));
        match call.operation {
            StoreOperation::Load if self.fails_once.swap(false, Ordering::SeqCst) => fails("something new"),
            StoreOperation::Load if self.is_corrupt.load(Ordering::SeqCst) => {
                fails("the version is not a number")
            }
            StoreOperation::Save if self.is_full.load(Ordering::SeqCst) => fails("no space left on device"),
            StoreOperation::Save => {
                self.is_corrupt.store(false, Ordering::SeqCst);
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

#[tokio::test]
async fn what_a_provider_asks_for_at_one_key_holds_for_all_of_them() {
    for (status, retry_after, at_least) in
        [(429, Some(60), 60), (503, Some(60), 60), (429, None, 0), (503, None, 0)]
    {
        let (server, clock) = (RotatingServer::new(), Hands::new());
        let manager = builder(MemoryStore::new(), &server).clock(clock.clone()).build().unwrap();
        let keys: Vec<_> = (0..100).map(|index| key().with_label(index.to_string())).collect();
        for key in &keys {
            manager.put(key, &server.sign_in_expired().unwrap()).await.unwrap();
        }
        server.fail_always(Some(ServerFault::Reply(status, "", retry_after)));
        for _ in 0..5 {
            for key in &keys {
                let error = manager.get(key).await.unwrap_err();
                let TokenError::RefreshFailed { message, retry_at, .. } = &error else { panic!("{error:?}") };
                assert!(message.contains(&status.to_string()), "{message}");
                let ErrorClass::Transient { retry_after: Some(wait) } = error.class() else {
                    panic!("{error:?}")
                };
                assert!(wait.as_secs() + 1 >= at_least && *retry_at > oauth_core::Clock::now(&clock));
            }
            clock.forward(SECOND / 100);
        }
        assert_eq!(server.token_requests(), 1, "{status} {retry_after:?}");

        // A minute of it: 1, 2, 4, … seconds apart, each less up to a half by chance.
        for _ in 0..600 {
            for key in &keys {
                let _ = manager.get(key).await.unwrap_err();
            }
            clock.forward(SECOND / 10);
        }
        let sent = server.token_requests();
        assert!((1..=8).contains(&sent), "{status} {retry_after:?}: {sent} requests in a minute");

        server.fail_always(None);
        clock.forward(61 * SECOND);
        for key in &keys {
            assert!(server.knows(manager.get(key).await.unwrap().access_token()), "{status} {retry_after:?}");
        }
    }
}

#[tokio::test]
async fn while_a_provider_is_left_alone_live_tokens_are_served_and_logins_stored() {
    let (server, clock) = (RotatingServer::new(), Hands::new());
    let manager = builder(MemoryStore::new(), &server).clock(clock.clone()).build().unwrap();
    let due = key().with_label("due");
    manager.put(&due, &server.sign_in().unwrap()).await.unwrap();
    clock.forward(57 * 60 * SECOND);
    manager.put(&key(), &server.sign_in_expired().unwrap()).await.unwrap();
    server.fail_next(ServerFault::Reply(429, "", Some(60)));
    let _ = manager.get(&key()).await.unwrap_err();
    let served = manager.get(&due).await.unwrap();
    assert!(server.knows(served.access_token()));
    assert_eq!(server.token_requests(), 1);
    let login = server.sign_in().unwrap();
    manager.put(&key(), &login).await.unwrap();
    assert_eq!(*manager.get_token(&key()).await.unwrap(), login);
    clock.forward(61 * SECOND);
    assert_ne!(manager.get(&due).await.unwrap(), served);
}

#[tokio::test]
async fn a_store_that_fails_is_asked_once_a_second_for_an_expired_token() {
    let (server, clock, store) = (RotatingServer::new(), Hands::new(), Shaky::default());
    let manager = builder(store.clone(), &server).clock(clock.clone()).build().unwrap();
    manager.put(&key(), &server.sign_in_expired().unwrap()).await.unwrap();
    store.set_down(true);
    for key in [key(), key().with_label("never seen")] {
        let steps = store.steps();
        for _ in 0..1200 {
            assert!(matches!(manager.get(&key).await, Err(TokenError::Store { .. })));
            clock.forward(SECOND / 100);
        }
        let asked = store.steps() - steps;
        assert!((12..=14).contains(&asked), "{asked} looks in 12 seconds");
    }
    store.set_down(false);
    clock.forward(SECOND);
    assert!(server.knows(manager.get(&key()).await.unwrap().access_token()));
}
