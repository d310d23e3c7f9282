//! Refreshes that a crashed process left unfinished.

use std::{sync::Arc, time::Duration};

use oauth_core::{HttpErrorKind, async_trait, bytes::Bytes};
use oauth_tokens::{
    Expected, Filter, Found, MemoryStore, Status, StoreError, StoreOperation, Summary, TokenKey,
    TokenManager, TokenManagerBuilder, TokenStore,
    testkit::{HookedStore, RotatingServer, ServerFault, StoreCall, StoreHook},
};

use crate::{
    losses::Lagging,
    support::{Hands, Shaky, builder},
};

const HOUR: Duration = Duration::from_secs(3600);
const LEASE: Duration = Duration::from_millis(300);

fn key(index: usize) -> TokenKey {
    TokenKey::new("testkit", format!("user-{index}"))
}

fn server(grace: Duration) -> RotatingServer {
    RotatingServer::with(grace, Duration::ZERO, HOUR)
}

fn quick(store: impl TokenStore + 'static, server: &RotatingServer) -> TokenManagerBuilder {
    builder(store, server).lease_lifetime(LEASE).recover_every(Duration::from_millis(50))
}

fn by_hand(store: impl TokenStore + 'static, server: &RotatingServer) -> TokenManager {
    builder(store, server).lease_lifetime(LEASE).recover_every(Duration::MAX).build().unwrap()
}

/// A process that is killed before it can save a new token: its store takes marks, and any other save never ends.
struct Killed;

#[async_trait]
impl StoreHook for Killed {
    async fn before(&self, call: &StoreCall<'_>) -> Result<(), StoreError> {
        // Whoever is killed gives no sign of life.
        let is_end = match call.operation {
            StoreOperation::Save => call.saves != Some(Status::Refreshing),
            operation => operation == StoreOperation::Extend,
        };
        if is_end {
            std::future::pending::<()>().await;
        }
        Ok(())
    }
}

/// Leaves as many refreshes behind as a process does that is killed between the provider's answer and the save.
async fn crash(store: &MemoryStore, server: &RotatingServer, keys: usize) {
    let before = server.token_requests();
    let manager = by_hand(store.clone(), server);
    for index in 0..keys {
        manager.put(&key(index), &server.sign_in_expired().unwrap()).await.unwrap();
    }
    let doomed = by_hand(HookedStore::new(store.clone(), Killed), server);
    for index in 0..keys {
        let doomed = doomed.clone();
        tokio::spawn(async move { doomed.get(&key(index)).await });
    }
    while server.token_requests() < before + keys {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(store.count(&unfinished()).await.unwrap(), keys as u64);
}

fn unfinished() -> Filter {
    Filter::all().with_status(Status::Refreshing)
}

async fn until_all_are_finished(store: &impl TokenStore) {
    for _ in 0..500 {
        if store.count(&unfinished()).await.unwrap() == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{} refreshes are unfinished", store.count(&unfinished()).await.unwrap());
}

#[tokio::test]
async fn recover_finishes_what_a_killed_process_began() {
    let (server, store) = (server(Duration::from_secs(5)), MemoryStore::new());
    crash(&store, &server, 20).await;
    let manager = by_hand(store.clone(), &server);
    let recovered = manager.recover().await.unwrap();
    assert_eq!((recovered.found, recovered.dead, recovered.left), (20, 0, 0));
    // Nobody asks before the grace is over.
    assert_eq!(server.ended_grants(), 0);
    let sent = server.token_requests();
    for index in 0..20 {
        assert!(server.knows(manager.get(&key(index)).await.unwrap().access_token()));
    }
    assert_eq!(server.token_requests(), sent);
    assert_eq!(manager.recover().await.unwrap().found, 0);
}

#[tokio::test]
async fn without_a_grace_recover_reports_what_was_lost() {
    let (server, store) = (server(Duration::ZERO), MemoryStore::new());
    crash(&store, &server, 3).await;
    let recovered = by_hand(store.clone(), &server).recover().await.unwrap();
    assert_eq!((recovered.found, recovered.dead, recovered.left), (3, 3, 0));
    assert_eq!(store.count(&Filter::all().with_status(Status::Dead)).await.unwrap(), 3);
}

#[tokio::test]
async fn a_running_manager_finishes_what_another_process_began_though_nobody_asks() {
    let (server, store) = (server(Duration::from_secs(5)), MemoryStore::new());
    // It ran before the crash, and nobody asks it for the tokens afterwards.
    let manager = quick(store.clone(), &server).build().unwrap();
    manager.put(&TokenKey::new("testkit", "other"), &server.sign_in().unwrap()).await.unwrap();
    crash(&store, &server, 20).await;
    until_all_are_finished(&store).await;
    assert_eq!(server.ended_grants(), 0);
    assert_eq!(store.count(&Filter::all().with_status(Status::Alive)).await.unwrap(), 21);
    drop(manager);
}

#[tokio::test]
async fn a_live_token_whose_refresh_was_cut_off_is_refreshed_too() {
    let (server, store) = (server(Duration::from_secs(60)), MemoryStore::new());
    let manager = by_hand(store.clone(), &server);
    let token = server.sign_in().unwrap();
    manager.put(&key(0), &token).await.unwrap();
    // An API refused it, long after it was obtained, by the clock of whoever asked.
    let clock = Hands::new();
    clock.forward(Duration::from_secs(60));
    let doomed = builder(HookedStore::new(store.clone(), Killed), &server)
        .lease_lifetime(LEASE)
        .recover_every(Duration::MAX)
        .clock(clock)
        .build()
        .unwrap();
    let rejected = token.access_token().to_owned();
    tokio::spawn(async move { doomed.get_after_rejection(&key(0), &rejected).await });
    while server.token_requests() == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(
        by_hand(store.clone(), &server).get(&key(0)).await.unwrap().access_token(),
        token.access_token()
    );
    let recovered = by_hand(store.clone(), &server).recover().await.unwrap();
    assert_eq!((recovered.found, recovered.left), (1, 0));
    let newer = by_hand(store, &server).get(&key(0)).await.unwrap();
    assert_ne!(newer.access_token(), token.access_token());
    assert_eq!(server.ended_grants(), 0);
}

#[tokio::test]
async fn what_an_older_version_left_is_looked_into() {
    let (server, store) = (server(Duration::from_secs(60)), MemoryStore::new());
    crash(&store, &server, 2).await;
    let manager = by_hand(store.clone(), &server);
    manager.put(&key(2), &server.sign_in().unwrap()).await.unwrap();
    // An older version saves no summary.
    for index in 0..3 {
        let record = store.load(&key(index)).await.unwrap().unwrap();
        store.save(&key(index), record.sealed, Expected::Version(record.version), None).await.unwrap();
    }
    let unknown = Filter::all().with_status(Status::Unknown);
    assert_eq!(store.count(&unknown).await.unwrap(), 3);
    let recovered = manager.recover().await.unwrap();
    assert_eq!((recovered.found, recovered.dead, recovered.left), (2, 0, 0));
    assert_eq!(store.count(&unknown).await.unwrap(), 0);
    assert_eq!(store.count(&Filter::all().with_status(Status::Alive)).await.unwrap(), 3);
}

#[tokio::test]
async fn the_sweep_leaves_a_refresh_alone_that_is_under_way() {
    let server = RotatingServer::with(Duration::ZERO, Duration::from_secs(1), HOUR);
    let store = MemoryStore::new();
    let slow = by_hand(store.clone(), &server);
    slow.put(&key(0), &server.sign_in_expired().unwrap()).await.unwrap();
    let other = quick(store.clone(), &server).build().unwrap();
    other.put(&key(1), &server.sign_in().unwrap()).await.unwrap();
    let token = slow.get(&key(0)).await.unwrap();
    assert!(server.knows(token.access_token()));
    assert_eq!(server.token_requests(), 1);
    assert_eq!(server.ended_grants(), 0);
}

#[tokio::test]
async fn a_refresh_that_failed_is_tried_again_once_its_pause_is_over() {
    let (server, store) = (server(Duration::from_secs(60)), MemoryStore::new());
    let manager = quick(store.clone(), &server)
        .backoff(Duration::from_secs(3), Duration::from_secs(3))
        .build()
        .unwrap();
    manager.put(&key(0), &server.sign_in_expired().unwrap()).await.unwrap();
    server.fail_next(ServerFault::ReplyLost(HttpErrorKind::Timeout));
    manager.get(&key(0)).await.unwrap_err();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(server.token_requests(), 1, "the provider is left alone");
    until_all_are_finished(&store).await;
    assert_eq!(server.token_requests(), 2);
    assert_eq!(server.ended_grants(), 0);
}

#[tokio::test]
async fn after_trouble_with_the_store_the_one_with_the_new_token_comes_first() {
    let (server, store) = (server(Duration::ZERO), Shaky::default());
    let manager = builder(store.clone(), &server)
        .lease_lifetime(LEASE)
        .recover_every(Duration::MAX)
        .save_patience(Duration::from_millis(100))
        .build()
        .unwrap();
    manager.put(&key(0), &server.sign_in_expired().unwrap()).await.unwrap();
    let other = builder(store.clone(), &server)
        .lease_lifetime(LEASE)
        .recover_every(Duration::from_secs(1))
        .build()
        .unwrap();
    other.put(&key(1), &server.sign_in().unwrap()).await.unwrap();
    // The mark is the last save that succeeds before the store is down for longer than the lease lasts.
    store.go_down_after_saves(1);
    manager.get(&key(0)).await.unwrap_err();
    tokio::time::sleep(Duration::from_secs(3)).await;
    store.set_down(false);
    until_all_are_finished(&store).await;
    assert_eq!(server.token_requests(), 1);
    assert_eq!(server.ended_grants(), 0);
    drop(other);
}

#[tokio::test]
async fn the_sweep_ends_with_its_manager() {
    let server = server(Duration::ZERO);
    let store: Arc<dyn TokenStore> = Arc::new(MemoryStore::new());
    let manager = quick(Arc::clone(&store), &server).build().unwrap();
    manager.put(&key(0), &server.sign_in().unwrap()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    drop(manager);
    for _ in 0..100 {
        if Arc::strong_count(&store) == 1 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("something still holds the manager");
}

#[tokio::test]
async fn a_store_that_cannot_be_searched_says_so() {
    let server = server(Duration::ZERO);
    let manager = quick(Lagging::default(), &server).build().unwrap();
    let error = manager.recover().await.unwrap_err();
    assert!(error.to_string().contains("this store cannot be searched"), "{error}");
}

#[tokio::test]
async fn the_store_is_told_status_due_time_and_key_and_no_more() {
    let (server, store) = (server(Duration::ZERO), MemoryStore::new());
    let manager = by_hand(store.clone(), &server);
    manager.put(&key(0), &server.sign_in().unwrap()).await.unwrap();
    let found: Vec<Found> = manager.find(&Filter::all(), None, 10).await.unwrap();
    let [found] = &found[..] else { panic!("{found:?}") };
    assert_eq!((&found.key, found.version, found.summary.status), (&key(0), 1, Status::Alive));
    let now = oauth_core::OffsetDateTime::now_utc().unix_timestamp();
    // Five minutes ahead of the expiry, or half as much again.
    let due_in = found.summary.due_at.unwrap() - now;
    assert!((3600 - 455..=3600 - 295).contains(&due_in), "{due_in}");
    assert_eq!(found.summary.sealing_key.as_deref(), Some(&*crate::support::sealer().key_id()));
}

/// Counts how often each record is loaded.
#[derive(Default)]
struct Loads(std::sync::Mutex<std::collections::HashMap<TokenKey, usize>>);

impl Loads {
    fn of(&self, key: &TokenKey) -> usize {
        self.0.lock().unwrap().get(key).copied().unwrap_or_default()
    }
}

#[async_trait]
impl StoreHook for Loads {
    async fn before(&self, call: &StoreCall<'_>) -> Result<(), StoreError> {
        if let (StoreOperation::Load, Some(key)) = (call.operation, call.key) {
            *self.0.lock().unwrap().entry(key.clone()).or_default() += 1;
        }
        Ok(())
    }
}

#[tokio::test]
async fn the_sweep_looks_into_what_an_older_version_left_and_once_into_what_it_cannot_read() {
    let (server, memory) = (server(Duration::from_secs(60)), MemoryStore::new());
    crash(&memory, &server, 2).await;
    let finished = by_hand(memory.clone(), &server);
    finished.put(&key(2), &server.sign_in().unwrap()).await.unwrap();
    // An older version saves no summary, and of a spoilt record the store may say anything.
    for index in 0..3 {
        let record = memory.load(&key(index)).await.unwrap().unwrap();
        memory.save(&key(index), record.sealed, Expected::Any, None).await.unwrap();
    }
    let spoilt = [(key(3), Status::Refreshing), (key(4), Status::Unknown)];
    for (key, status) in &spoilt {
        let (sealed, summary) = (Bytes::from_static(b"spoilt"), Summary::new(*status));
        memory.save_described(key, sealed, &summary, Expected::Absent, None).await.unwrap();
    }
    let store = HookedStore::new(memory.clone(), Loads::default());
    let manager = quick(store.clone(), &server).build().unwrap();
    manager.put(&key(5), &server.sign_in().unwrap()).await.unwrap();
    let alive = Filter::all().with_status(Status::Alive);
    let began = std::time::Instant::now();
    while memory.count(&alive).await.unwrap() < 4 || spoilt.iter().any(|(key, _)| store.hook().of(key) == 0) {
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", memory.count(&alive).await);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(server.ended_grants(), 0);
    // Many rounds later.
    tokio::time::sleep(Duration::from_secs(1)).await;
    for (key, status) in &spoilt {
        assert_eq!(store.hook().of(key), 1, "{status:?}");
    }
}
