//! What happens at a bad moment: the clock is set back, an observer panics, the store goes away or a lookup takes its time.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use oauth_core::{Clock, OAuth2Token, Provider, Sealer, async_trait};
use oauth_tokens::{
    Event, MemoryStore, Outcome, SealingError, SourceLookup, StoreError, StoreOperation, TokenError,
    TokenKey, TokenManager, TokenSealer, Trouble, Unsealed,
    testkit::{HookedStore, RotatingServer, ServerFault, StoreCall, StoreHook},
};
use tokio::task::JoinSet;

use crate::{
    losses::Lagging,
    support::{Hands, Shaky, builder, key, sealer, stored},
};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[tokio::test]
async fn a_clock_that_is_set_back_prolongs_no_trouble_with_the_store() {
    let (server, clock, store) = (RotatingServer::new(), Hands::new(), Shaky::default());
    let manager = builder(store.clone(), &server).clock(clock.clone()).build().unwrap();
    manager.put(&key(), &server.sign_in_expired().unwrap()).await.unwrap();
    store.set_down(true);
    for _ in 0..3 {
        assert!(matches!(manager.get_token(&key()).await, Err(TokenError::Store { .. })));
    }
    store.set_down(false);
    clock.back(HOUR);
    clock.forward(60 * SECOND);
    let got = manager.get_token(&key()).await;
    assert!(got.is_ok(), "{got:?}");
}

#[tokio::test]
async fn a_clock_that_is_set_back_prolongs_no_pause_of_a_provider() {
    let (server, clock) = (RotatingServer::new(), Hands::new());
    let manager = builder(MemoryStore::new(), &server).clock(clock.clone()).build().unwrap();
    let other = key().with_label("other");
    for key in [key(), other.clone()] {
        manager.put(&key, &server.sign_in_expired().unwrap()).await.unwrap();
    }
    server.fail_next(ServerFault::Reply(429, "", Some(5)));
    assert!(manager.get_token(&key()).await.is_err());
    clock.back(HOUR);
    clock.forward(60 * SECOND);
    let got = manager.get(&other).await;
    assert!(got.is_ok(), "{got:?}");
}

#[tokio::test]
async fn a_clock_that_is_set_back_hides_no_login_of_another_process() {
    let (server, store) = (RotatingServer::new(), MemoryStore::new());
    let clock = Hands::new();
    let one = builder(store.clone(), &server).clock(clock.clone()).build().unwrap();
    let other = builder(store.clone(), &server).build().unwrap();
    one.put(&key(), &server.sign_in_expired().unwrap()).await.unwrap();
    server.fail_next(ServerFault::Reply(400, r#"{"error": "invalid_grant"}"#, None));
    assert!(matches!(one.get_token(&key()).await, Err(TokenError::Dead { .. })));
    other.put(&key(), &server.sign_in().unwrap()).await.unwrap();
    clock.back(HOUR);
    clock.forward(60 * SECOND);
    let got = one.get_token(&key()).await;
    assert!(got.is_ok(), "{got:?}");
}

#[tokio::test]
async fn an_observer_that_panics_costs_no_token() {
    let (server, clock) = (RotatingServer::new(), Hands::new());
    let manager = builder(MemoryStore::new(), &server)
        .clock(clock.clone())
        .observer(|event: &Event| {
            if let Outcome::Recovered(_) = event.outcome {
                panic!("an observer's mistake");
            }
        })
        .build()
        .unwrap();
    manager.put(&key(), &server.sign_in_expired().unwrap()).await.unwrap();
    server.fail_next(ServerFault::Reply(503, "", None));
    assert!(manager.get_token(&key()).await.is_err());
    clock.forward(60 * SECOND);
    let got = manager.get_token(&key()).await;
    let again = manager.get_token(&key()).await;
    assert_eq!(server.ended_grants(), 0, "{got:?} {again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unsaved_token_is_saved_in_time_though_pauses_after_failures_are_long() {
    let (server, store) = (RotatingServer::with(Duration::ZERO, SECOND / 2, HOUR), Shaky::default());
    let holder = builder(store.clone(), &server).backoff(60 * SECOND, 600 * SECOND).build().unwrap();
    let other = builder(store.clone(), &server).build().unwrap();
    holder.put(&key(), &server.sign_in_expired().unwrap()).await.unwrap();
    begin_to_refresh(&holder, &server).await;
    // For longer than the lease lasts.
    store.set_down(true);
    assert!(other.get_token(&key()).await.is_err());
    tokio::time::sleep(5 * SECOND).await;
    assert_eq!(holder.unsaved(), [key()]);
    store.set_down(false);
    get_at_last(&other).await;
    assert_eq!((server.token_requests(), server.ended_grants()), (1, 0));
}

/// A network before a store that swallows packets: what is asked meanwhile is never answered.
struct Hole {
    is_cut: Arc<AtomicBool>,
    saves: AtomicUsize,
    limit: Duration,
}

impl Hole {
    fn before(store: &MemoryStore, is_cut: &Arc<AtomicBool>, limit: Duration) -> HookedStore<Self> {
        HookedStore::new(
            store.clone(),
            Self { is_cut: Arc::clone(is_cut), saves: AtomicUsize::new(0), limit },
        )
    }
}

#[async_trait]
impl StoreHook for Hole {
    async fn before(&self, call: &StoreCall<'_>) -> Result<(), StoreError> {
        if call.operation == StoreOperation::Save {
            self.saves.fetch_add(1, Ordering::SeqCst);
        }
        if self.is_cut.load(Ordering::SeqCst) {
            tokio::time::sleep(self.limit).await;
            return Err(StoreError::transient(call.operation, "no answer"));
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unsaved_token_is_saved_in_time_though_the_last_attempt_was_swallowed() {
    let server = RotatingServer::with(Duration::ZERO, SECOND / 2, HOUR);
    let (store, is_cut) = (MemoryStore::new(), Arc::new(AtomicBool::new(false)));
    let of_holder = Hole::before(&store, &is_cut, 10 * SECOND);
    let of_other = Hole::before(&store, &is_cut, SECOND / 5);
    let holder = builder(of_holder.clone(), &server).build().unwrap();
    let other = builder(of_other, &server).build().unwrap();
    holder.put(&key(), &server.sign_in_expired().unwrap()).await.unwrap();
    begin_to_refresh(&holder, &server).await;
    is_cut.store(true, Ordering::SeqCst);
    while holder.unsaved().is_empty() {
        tokio::time::sleep(ms(5)).await;
    }
    assert!(other.get_token(&key()).await.is_err());
    // The store is back just after an attempt has begun, which nobody will answer.
    let saves = of_holder.hook().saves.load(Ordering::SeqCst);
    while of_holder.hook().saves.load(Ordering::SeqCst) == saves {
        tokio::time::sleep(ms(5)).await;
    }
    is_cut.store(false, Ordering::SeqCst);
    get_at_last(&other).await;
    assert_eq!((server.token_requests(), server.ended_grants()), (1, 0));
}

/// Asks for the token until the request is at the provider, whose reply takes its time.
async fn begin_to_refresh(manager: &TokenManager, server: &RotatingServer) {
    let (manager, requests) = (manager.clone(), server.token_requests());
    tokio::spawn(async move { manager.get_token(&key()).await });
    while server.token_requests() == requests {
        tokio::time::sleep(ms(5)).await;
    }
}

/// Asks for the token until it is there, and for ten seconds at most.
async fn get_at_last(manager: &TokenManager) {
    for _ in 0..200 {
        if manager.get_token(&key()).await.is_ok() {
            return;
        }
        tokio::time::sleep(ms(50)).await;
    }
    panic!("there is no token after ten seconds");
}

#[tokio::test]
async fn the_first_key_after_a_pause_tries_for_all() {
    let server = RotatingServer::with(Duration::ZERO, ms(50), HOUR);
    let clock = Hands::new();
    let manager = builder(MemoryStore::new(), &server).clock(clock.clone()).build().unwrap();
    let keys: Vec<_> = (0..100).map(|i| key().with_label(i.to_string())).collect();
    for key in &keys {
        manager.put(key, &server.sign_in_expired().unwrap()).await.unwrap();
    }
    server.fail_always(Some(ServerFault::Reply(429, "", Some(60))));
    assert!(manager.get(&keys[0]).await.is_err());
    assert_eq!(server.token_requests(), 1);
    clock.forward(61 * SECOND);
    let mut gets = JoinSet::new();
    for key in keys {
        let manager = manager.clone();
        gets.spawn(async move { manager.get_token(&key).await });
    }
    gets.join_all().await;
    assert!(server.token_requests() <= 3, "{} requests", server.token_requests());
}

#[tokio::test]
async fn a_login_ends_no_limit_of_requests() {
    let (server, clock) = (RotatingServer::new(), Hands::new());
    let manager = builder(MemoryStore::new(), &server).clock(clock.clone()).build().unwrap();
    let keys: Vec<_> = (0..50).map(|i| key().with_label(i.to_string())).collect();
    for key in &keys {
        manager.put(key, &server.sign_in_expired().unwrap()).await.unwrap();
    }
    server.fail_always(Some(ServerFault::Reply(429, "", None)));
    for (index, key) in keys.iter().enumerate() {
        assert!(manager.get_token(key).await.is_err());
        manager
            .put(&TokenKey::new("testkit", format!("new-{index}")), &server.sign_in().unwrap())
            .await
            .unwrap();
    }
    assert!(server.token_requests() <= 3, "{} requests at one moment", server.token_requests());
}

#[tokio::test]
async fn after_an_answer_pauses_are_short_again() {
    let (server, clock) = (RotatingServer::new(), Hands::new());
    let manager = builder(MemoryStore::new(), &server).clock(clock.clone()).build().unwrap();
    manager.put(&key(), &server.sign_in_expired().unwrap()).await.unwrap();
    server.fail_always(Some(ServerFault::Reply(429, "", None)));
    for _ in 0..6 {
        assert!(manager.get_token(&key()).await.is_err());
        clock.forward(61 * SECOND);
    }
    server.fail_always(None);
    assert!(manager.get_token(&key().with_label("nobody")).await.is_err());
    server.fail_next(ServerFault::Reply(429, "", None));
    assert!(manager.get_token(&key()).await.is_err());
    manager.put(&key().with_label("login"), &server.sign_in().unwrap()).await.unwrap();
    clock.forward(61 * SECOND);
    assert!(manager.get_token(&key()).await.is_ok());
    clock.forward(2 * HOUR);
    server.fail_next(ServerFault::Reply(429, "", None));
    let other = key().with_label("login");
    let Err(TokenError::RefreshFailed { retry_at, .. }) = manager.get(&other).await else {
        panic!("the provider limits requests")
    };
    let wait = retry_at - clock.now();
    assert!(wait.whole_seconds() <= 3, "{wait}");
}

#[tokio::test]
async fn a_pause_outlives_a_lookup_that_fails() {
    let (server, clock) = (RotatingServer::new(), Hands::new());
    let fails = Arc::new(AtomicBool::new(false));
    let lookup = {
        let (server, fails) = (server.clone(), Arc::clone(&fails));
        move |_: TokenKey| {
            let (server, fails) = (server.clone(), Arc::clone(&fails));
            async move {
                if fails.load(Ordering::SeqCst) {
                    return Err("the directory is down".into());
                }
                Ok(Some(Arc::new(server.client()) as Arc<dyn Provider>))
            }
        }
    };
    let manager = TokenManager::builder(MemoryStore::new(), sealer())
        .lookup(lookup)
        .lookup_memory(10, ms(100))
        .clock(clock.clone())
        .build()
        .unwrap();
    let keys: Vec<_> = (0..3).map(|i| key().with_label(i.to_string())).collect();
    for key in &keys {
        manager.put(key, &server.sign_in_expired().unwrap()).await.unwrap();
    }
    server.fail_next(ServerFault::Reply(429, "", Some(600)));
    assert!(manager.get(&keys[0]).await.is_err());
    tokio::time::sleep(ms(150)).await;
    fails.store(true, Ordering::SeqCst);
    assert!(matches!(manager.get(&keys[1]).await, Err(TokenError::SourceLookup { .. })));
    fails.store(false, Ordering::SeqCst);
    let got = manager.get(&keys[2]).await;
    assert_eq!(server.token_requests(), 1, "{got:?}");
}

fn slow_lookup(server: &RotatingServer, takes: Duration) -> impl SourceLookup + 'static {
    let server = server.clone();
    move |_: TokenKey| {
        let server = server.clone();
        async move {
            tokio::time::sleep(takes).await;
            Ok(Some(Arc::new(server.client()) as Arc<dyn Provider>))
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_lookup_takes_no_time_from_the_store() {
    let (server, store) = (RotatingServer::new(), Shaky::default());
    let manager = TokenManager::builder(store.clone(), sealer())
        .lookup(slow_lookup(&server, 4 * SECOND))
        .build()
        .unwrap();
    store.delay_next_reply(ms(300));
    let put = manager.put(&key(), &server.sign_in().unwrap()).await;
    assert!(put.is_ok(), "{put:?}");
}

#[tokio::test(start_paused = true)]
async fn a_slow_lookup_is_no_trouble_with_the_store() {
    let (server, clock) = (RotatingServer::new(), Hands::new());
    let events: Arc<Mutex<Vec<Option<Trouble>>>> = Arc::default();
    let seen = Arc::clone(&events);
    let manager = TokenManager::builder(MemoryStore::new(), sealer())
        .lookup(slow_lookup(&server, 4 * SECOND))
        .clock(clock.clone())
        .observer(move |event: &Event| seen.lock().unwrap().push(event.outcome.trouble()))
        .build()
        .unwrap();
    manager.put(&key(), &server.sign_in().unwrap()).await.unwrap();
    clock.forward(57 * 60 * SECOND);
    manager.invalidate_sources();
    manager.get_token(&key()).await.unwrap();
    tokio::time::sleep(10 * SECOND).await;
    assert_eq!(*events.lock().unwrap(), [None, None], "it was put, and refreshed");
}

#[tokio::test]
async fn a_live_token_is_served_though_somebody_wants_a_longer_lived_one_in_vain() {
    let server = RotatingServer::with(Duration::ZERO, ms(50), HOUR);
    let (store, clock) = (MemoryStore::new(), Hands::new());
    let [one, other] =
        [(); 2].map(|()| builder(store.clone(), &server).clock(clock.clone()).build().unwrap());
    one.put(&key(), &server.sign_in().unwrap()).await.unwrap();
    clock.forward(HOUR / 2);
    server.fail_always(Some(ServerFault::Reply(500, "", None)));
    let job = tokio::spawn({
        let other = other.clone();
        async move { other.get_valid_for(&key(), 3000 * SECOND).await }
    });
    tokio::time::sleep(ms(10)).await;
    let got = other.get_token(&key()).await;
    assert!(job.await.unwrap().is_err());
    assert!(got.is_ok(), "{got:?}");
}

#[tokio::test]
async fn a_token_is_saved_though_the_store_went_back_behind_its_login() {
    let server = RotatingServer::with(Duration::ZERO, SECOND / 5, HOUR);
    let (store, clock) = (Lagging::default(), Hands::new());
    let manager = builder(store.clone(), &server).clock(clock.clone()).build().unwrap();
    let first = server.sign_in().unwrap();
    manager.put(&key(), &first).await.unwrap();
    clock.forward(SECOND);
    manager.put(&key(), &server.sign_in_expired().unwrap()).await.unwrap();
    begin_to_refresh(&manager, &server).await;
    // The mark and the login.
    store.lose(2);
    let token = manager.get_token(&key()).await.unwrap();
    assert_ne!(token.access_token(), first.access_token());
    assert!(server.accepts(token.refresh_token().unwrap()));
    assert_eq!(stored(&manager, &key()).await.token.as_ref(), Some(&*token));
}

/// Has releases take their time.
struct SlowRelease;

#[async_trait]
impl StoreHook for SlowRelease {
    async fn before(&self, call: &StoreCall<'_>) -> Result<(), StoreError> {
        if call.operation == StoreOperation::Release {
            tokio::time::sleep(ms(300)).await;
        }
        Ok(())
    }
}

#[tokio::test]
async fn a_token_that_is_deleted_while_its_late_save_ends_stays_deleted() {
    let (server, shaky) = (RotatingServer::new(), Shaky::default());
    let store = HookedStore::new(shaky.clone(), SlowRelease);
    let manager = builder(store, &server).save_patience(ms(200)).build().unwrap();
    manager.put(&key(), &server.sign_in_expired().unwrap()).await.unwrap();
    shaky.take_no_more_saves_after(1);
    assert!(matches!(manager.get_token(&key()).await, Err(TokenError::NotSaved { .. })));
    shaky.takes_saves_again();
    while !manager.unsaved().is_empty() {
        tokio::time::sleep(ms(5)).await;
    }
    assert!(manager.delete(&key()).await.unwrap());
    assert!(matches!(manager.get_token(&key()).await, Err(TokenError::NotFound { .. })));
    tokio::time::sleep(SECOND).await;
    let got = manager.get_token(&key()).await;
    assert!(matches!(got, Err(TokenError::NotFound { .. })), "{got:?}");
}

/// A key service that does not answer while it hangs.
#[derive(Clone, Debug)]
struct Keys(Sealer, Arc<AtomicBool>);

#[async_trait]
impl TokenSealer for Keys {
    async fn seal(&self, key: &TokenKey, plain: &[u8], context: &[u8]) -> Result<Vec<u8>, SealingError> {
        while self.1.load(Ordering::SeqCst) {
            tokio::time::sleep(ms(100)).await;
        }
        TokenSealer::seal(&self.0, key, plain, context).await
    }

    async fn open(&self, key: &TokenKey, sealed: &[u8], context: &[u8]) -> Result<Unsealed, SealingError> {
        TokenSealer::open(&self.0, key, sealed, context).await
    }

    fn sealing_key(&self) -> Option<String> {
        self.0.sealing_key()
    }

    fn sealing_key_of(&self, sealed: &[u8]) -> Option<String> {
        self.0.sealing_key_of(sealed)
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_service_that_hangs_at_the_save_is_waited_for_as_long_as_promised() {
    let server = RotatingServer::with(Duration::ZERO, SECOND, HOUR);
    let hangs = Arc::new(AtomicBool::new(false));
    let manager = TokenManager::builder(MemoryStore::new(), Keys(sealer(), Arc::clone(&hangs)))
        .provider(Arc::new(server.client()))
        .build()
        .unwrap();
    manager.put(&key(), &server.sign_in_expired().unwrap()).await.unwrap();
    begin_to_refresh(&manager, &server).await;
    hangs.store(true, Ordering::SeqCst);
    let began = tokio::time::Instant::now();
    let limited = tokio::time::timeout(60 * SECOND, manager.get_token(&key())).await;
    let error = limited.expect("it is given up").unwrap_err();
    assert!(matches!(error, TokenError::NotSaved { .. }), "{error}");
    assert!((3..=4).contains(&began.elapsed().as_secs()), "the provider's second and {:?}", began.elapsed());
    hangs.store(false, Ordering::SeqCst);
    tokio::time::sleep(10 * SECOND).await;
    assert!(manager.unsaved().is_empty());
    assert!(server.knows(manager.get_token(&key()).await.unwrap().access_token()));
}

/// Another process that stores a login just before a record is deleted.
#[derive(Default)]
struct LoginBeforeDeletion(Mutex<Option<(TokenManager, OAuth2Token)>>);

#[async_trait]
impl StoreHook for LoginBeforeDeletion {
    async fn before(&self, call: &StoreCall<'_>) -> Result<(), StoreError> {
        if let (StoreOperation::Delete, Some(key)) = (call.operation, call.key) {
            let login = self.0.lock().unwrap().take();
            if let Some((manager, token)) = login {
                manager.put(key, &token).await.unwrap();
            }
        }
        Ok(())
    }
}

#[tokio::test]
async fn a_login_that_comes_just_before_the_deletion_of_a_revoked_token_stays() {
    let server = RotatingServer::new();
    let memory = MemoryStore::new();
    let store = HookedStore::new(memory.clone(), LoginBeforeDeletion::default());
    let one = builder(store.clone(), &server).build().unwrap();
    let other = builder(memory, &server).build().unwrap();
    one.put(&key(), &server.sign_in().unwrap()).await.unwrap();
    let login = server.sign_in().unwrap();
    *store.hook().0.lock().unwrap() = Some((other.clone(), login.clone()));
    one.revoke(&key()).await.unwrap();
    for manager in [one, other] {
        assert_eq!(manager.get_token(&key()).await.unwrap().access_token(), login.access_token());
    }
}
