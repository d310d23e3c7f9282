//! What could lose a grant, with a hundred keys on every store: a later login, a crash, an outage between the mark and the save, a store
//! that goes back; and several access tokens of one grant.
//!
//! One round here; `OAUTH_TEST_ROUNDS=10` for the ten of `cargo xtask nightly`.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use oauth_core::{
    Clock, HttpClient, HttpError, Identity, OAuth2Token, OffsetDateTime, Provider, Sealer, SealingKey,
    async_trait,
    bytes::Bytes,
    http::{Request, Response},
    serde_json::Value,
};
use oauth_tokens::{
    AccessTokenRequest, Acquired, Error, Expected, Lease, Put, PutOptions, Record, Saved, StoreError,
    StoreOperation, TokenKey, TokenManager, TokenManagerBuilder, TokenStore, testkit::RotatingServer,
};
use tokio::{task::JoinSet, time::sleep};

use crate::{fixture::Place, processes::TURN};

const KEYS: usize = 100;
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

macro_rules! on_every_store {
    ($($case:ident: $sqlite:ident, $postgres:ident, $mariadb:ident, $redis:ident;)*) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $sqlite() {
            rounds($case, || Place::sqlite("losses")).await;
        }

        #[tokio::test(flavor = "multi_thread")]
        async fn $postgres() {
            rounds($case, || Place::postgres("losses")).await;
        }

        #[tokio::test(flavor = "multi_thread")]
        async fn $mariadb() {
            rounds($case, || Place::mysql("losses")).await;
        }

        #[tokio::test(flavor = "multi_thread")]
        async fn $redis() {
            rounds($case, || Place::redis("losses")).await;
        }
    )*};
}

on_every_store! {
    later_logins: later_logins_lose_nothing_in_sqlite, later_logins_lose_nothing_in_postgres,
        later_logins_lose_nothing_in_mariadb, later_logins_lose_nothing_in_redis;
    a_crash: a_crash_is_recovered_in_sqlite, a_crash_is_recovered_in_postgres,
        a_crash_is_recovered_in_mariadb, a_crash_is_recovered_in_redis;
    an_outage: after_an_outage_the_holder_saves_first_in_sqlite, after_an_outage_the_holder_saves_first_in_postgres,
        after_an_outage_the_holder_saves_first_in_mariadb, after_an_outage_the_holder_saves_first_in_redis;
    going_back: what_a_store_has_lost_is_written_again_in_sqlite, what_a_store_has_lost_is_written_again_in_postgres,
        what_a_store_has_lost_is_written_again_in_mariadb, what_a_store_has_lost_is_written_again_in_redis;
    further_tokens: each_token_of_a_grant_is_obtained_once_in_sqlite, each_token_of_a_grant_is_obtained_once_in_postgres,
        each_token_of_a_grant_is_obtained_once_in_mariadb, each_token_of_a_grant_is_obtained_once_in_redis;
}

async fn rounds<C: Future<Output = ()>>(case: impl Fn(Arc<Place>) -> C, place: impl Fn() -> Place) {
    let _turn = TURN.lock().await;
    let rounds = std::env::var("OAUTH_TEST_ROUNDS").map_or(1, |rounds| rounds.parse().unwrap());
    for _ in 0..rounds {
        case(Arc::new(place())).await;
    }
}

fn keys() -> Vec<TokenKey> {
    (0..KEYS).map(|index| TokenKey::new("testkit", format!("user-{index}"))).collect()
}

fn builder(store: impl TokenStore + 'static, client: impl Provider + 'static) -> TokenManagerBuilder {
    let sealer = Sealer::new(SealingKey::from_bytes([7; 32]));
    // Requests are counted.
    TokenManager::builder(store, sealer).provider(Arc::new(client)).recover_every(Duration::MAX)
}

/// A process of its own, as far as a store can tell.
async fn process(place: &Place, server: &RotatingServer) -> TokenManager {
    let store = place.open().await as Arc<dyn TokenStore>;
    builder(store, server.client()).build().unwrap()
}

/// Asks for all tokens at once, each of them until it is there, and for half a minute at most.
async fn get_all(manager: &TokenManager, server: &RotatingServer) {
    let mut gets = JoinSet::new();
    for key in keys() {
        let (manager, server) = (manager.clone(), server.clone());
        gets.spawn(async move {
            for _ in 0..300 {
                match manager.get(&key).await {
                    Ok(token) if server.knows(token.access_token()) => return,
                    Ok(token) => panic!("{key}: the provider does not know {token:?}"),
                    Err(error @ Error::Dead { .. }) => panic!("{error}"),
                    Err(_) => sleep(SECOND / 10).await,
                }
            }
            panic!("{key}: there is no token after half a minute");
        });
    }
    gets.join_all().await;
}

async fn later_logins(place: Arc<Place>) {
    let server = RotatingServer::new();
    let [first, second] = [process(&place, &server).await, process(&place, &server).await];
    let ada = PutOptions::new().with_identity(&Identity::new("testkit", "ada", Value::Null));
    for key in keys() {
        first.put_with(&key, &server.sign_in_expired().unwrap(), ada.clone()).await.unwrap();
        let login = server.sign_in_expired().unwrap().access_token_only();
        let put = second.put_with(&key, &login, ada.clone()).await.unwrap();
        assert_eq!(put, Put::WithStoredRefreshToken, "{}", place.name);
    }
    get_all(&second, &server).await;
    assert_eq!((server.token_requests(), server.ended_grants()), (KEYS, 0), "{}", place.name);
}

/// The way to a server from which no reply arrives any more: the process is about to be killed.
#[derive(Clone, Debug)]
struct OneWay {
    server: RotatingServer,
    carried_out: Arc<AtomicUsize>,
}

#[async_trait]
impl HttpClient for OneWay {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        self.server.send(request).await?;
        self.carried_out.fetch_add(1, Ordering::SeqCst);
        std::future::pending().await
    }
}

/// A process dies when the provider has redeemed the refresh tokens of all keys.
async fn a_crash(place: Arc<Place>) {
    let server = RotatingServer::with(30 * SECOND, Duration::ZERO, HOUR);
    let way = OneWay { server: server.clone(), carried_out: Arc::default() };
    let (doomed_place, doomed_server) = (Arc::clone(&place), server.clone());
    let doomed = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let store = doomed_place.open().await as Arc<dyn TokenStore>;
            let client = doomed_server.client().with_http_client(way.clone());
            let manager = builder(store, client).build().unwrap();
            for key in keys() {
                manager.put(&key, &doomed_server.sign_in_expired().unwrap()).await.unwrap();
            }
            for key in keys() {
                let manager = manager.clone();
                tokio::spawn(async move { manager.get(&key).await });
            }
            while way.carried_out.load(Ordering::SeqCst) < KEYS {
                sleep(SECOND / 100).await;
            }
        });
        runtime.shutdown_background();
    });
    doomed.await.unwrap();
    let other = process(&place, &server).await;
    let recovered = other.recover().await.unwrap();
    assert_eq!((recovered.dead, recovered.left), (0, 0), "{}: {recovered:?}", place.name);
    get_all(&other, &server).await;
    assert_eq!(server.ended_grants(), 0, "{}", place.name);
}

/// The way to a store, which can be cut.
#[derive(Clone, Debug)]
struct Cut {
    store: Arc<dyn TokenStore>,
    is_cut: Arc<AtomicBool>,
}

impl Cut {
    fn way(&self, operation: StoreOperation) -> Result<&Arc<dyn TokenStore>, StoreError> {
        match self.is_cut.load(Ordering::SeqCst) {
            true => Err(StoreError::transient(operation, "the way to the store is cut")),
            false => Ok(&self.store),
        }
    }
}

#[async_trait]
impl TokenStore for Cut {
    async fn load(&self, key: &TokenKey) -> Result<Option<Record>, StoreError> {
        self.way(StoreOperation::Load)?.load(key).await
    }

    async fn save(
        &self,
        key: &TokenKey,
        sealed: Bytes,
        expected: Expected,
        lease: Option<&Lease>,
    ) -> Result<Saved, StoreError> {
        self.way(StoreOperation::Save)?.save(key, sealed, expected, lease).await
    }

    async fn delete(&self, key: &TokenKey) -> Result<bool, StoreError> {
        self.way(StoreOperation::Delete)?.delete(key).await
    }

    async fn list(&self, tenant: &str, subject: &str) -> Result<Vec<(TokenKey, Record)>, StoreError> {
        self.way(StoreOperation::List)?.list(tenant, subject).await
    }

    async fn acquire(
        &self,
        key: &TokenKey,
        holder: &str,
        lifetime: Duration,
    ) -> Result<Acquired, StoreError> {
        self.way(StoreOperation::Acquire)?.acquire(key, holder, lifetime).await
    }

    async fn extend(&self, key: &TokenKey, lease: &Lease, lifetime: Duration) -> Result<bool, StoreError> {
        self.way(StoreOperation::Extend)?.extend(key, lease, lifetime).await
    }

    async fn release(&self, key: &TokenKey, lease: &Lease) -> Result<(), StoreError> {
        self.way(StoreOperation::Release)?.release(key, lease).await
    }
}

async fn an_outage(place: Arc<Place>) {
    // Each is marked long before the first reply comes.
    let server = RotatingServer::with(Duration::ZERO, 3 * SECOND, HOUR);
    let is_cut = Arc::new(AtomicBool::new(false));
    let mut processes = Vec::new();
    for _ in 0..2 {
        let store = Cut { store: place.open().await, is_cut: Arc::clone(&is_cut) };
        processes.push(builder(store, server.client()).build().unwrap());
    }
    let [holder, other] = [&processes[0], &processes[1]];
    for key in keys() {
        holder.put(&key, &server.sign_in_expired().unwrap()).await.unwrap();
    }
    for key in keys() {
        let holder = holder.clone();
        tokio::spawn(async move { holder.get(&key).await });
    }
    while server.token_requests() < KEYS {
        sleep(SECOND / 100).await;
    }
    is_cut.store(true, Ordering::SeqCst);
    let asking = tokio::spawn({
        let (other, server) = (other.clone(), server.clone());
        async move { get_all(&other, &server).await }
    });
    // For longer than the leases last.
    while holder.unsaved().len() < KEYS {
        sleep(SECOND / 100).await;
    }
    sleep(SECOND).await;
    is_cut.store(false, Ordering::SeqCst);
    asking.await.unwrap();
    assert!(holder.close().await.is_empty());
    assert_eq!((server.token_requests(), server.ended_grants()), (KEYS, 0), "{}", place.name);
}

/// A clock that a test sets. A clone is the same clock.
#[derive(Clone, Debug)]
struct Hands(Arc<Mutex<OffsetDateTime>>);

impl Clock for Hands {
    fn now(&self) -> OffsetDateTime {
        *self.0.lock().unwrap()
    }
}

async fn going_back(place: Arc<Place>) {
    let (server, clock) = (RotatingServer::new(), Hands(Arc::new(Mutex::new(OffsetDateTime::now_utc()))));
    let store = place.open().await as Arc<dyn TokenStore>;
    let process = || builder(Arc::clone(&store), server.client()).clock(clock.clone()).build().unwrap();
    let one = process();
    let mut earlier = Vec::new();
    for key in keys() {
        one.put(&key, &server.sign_in_expired().unwrap()).await.unwrap();
        earlier.push(store.load(&key).await.unwrap().unwrap());
    }
    get_all(&one, &server).await;
    let other = process();
    get_all(&other, &server).await;
    assert_eq!(server.token_requests(), KEYS);
    // What was saved last is lost.
    for (key, earlier) in keys().iter().zip(earlier) {
        store.save(key, earlier.sealed, Expected::Any, None).await.unwrap();
    }
    *clock.0.lock().unwrap() += 2 * HOUR;
    get_all(&other, &server).await;
    get_all(&one, &server).await;
    assert_eq!((server.token_requests(), server.ended_grants()), (2 * KEYS, 0), "{}", place.name);
}

async fn further_tokens(place: Arc<Place>) {
    let server = RotatingServer::with(Duration::ZERO, SECOND / 50, HOUR);
    let processes = [process(&place, &server).await, process(&place, &server).await];
    for key in keys() {
        processes[0].put(&key, &server.sign_in_expired().unwrap()).await.unwrap();
    }
    let requests = [
        AccessTokenRequest::new(),
        AccessTokenRequest::new().with_scopes(["mail.read"]),
        AccessTokenRequest::new().with_resource("https://files.example"),
    ];
    let mut gets = JoinSet::new();
    for key in keys() {
        for (which, request) in requests.iter().enumerate() {
            for process in &processes {
                let (process, key, request) = (process.clone(), key.clone(), request.clone());
                gets.spawn(async move {
                    let token = process.get_for(&key, &request).await.unwrap();
                    (key, which, token.access_token().to_owned())
                });
            }
        }
    }
    let all: HashSet<_> = gets.join_all().await.into_iter().collect();
    assert_eq!(all.len(), KEYS * requests.len(), "{}: all processes have the same tokens", place.name);
    assert!(all.iter().all(|(_, _, token)| server.knows(token)));
    let sent = (server.token_requests(), server.ended_grants());
    assert_eq!(sent, (KEYS * requests.len(), 0), "{}", place.name);
    for key in keys() {
        let token: OAuth2Token = (*processes[0].get_token(&key).await.unwrap()).clone();
        let stored = processes[1].list("", key.subject()).await.unwrap().remove(0).unwrap().token.unwrap();
        assert!(
            token.access_token() == stored.access_token() && server.accepts(stored.refresh_token().unwrap())
        );
    }
}
