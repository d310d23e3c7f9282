//! What could lose a grant, with a hundred keys on every store: a later login, a crash, an outage between the mark and the save, a store
//! that goes back; and several access tokens of one grant. Processes that are killed for as long as it takes are in `kill`.
//!
//! One round here; `OAUTH_TEST_ROUNDS=10` for the ten of `cargo xtask nightly`.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use oauth_core::{
    Clock, HttpClient, HttpError, Identity, OAuth2Token, OffsetDateTime, Provider, Sealer, SealingKey,
    async_trait,
    bytes::Bytes,
    http::{Request, Response},
    serde_json::Value,
};
use oauth_tokens::{
    AccessTokenRequest, Filter, Put, PutOptions, Status, StoreError, TokenError, TokenKey, TokenManager,
    TokenManagerBuilder, TokenStore,
    testkit::{HookedStore, RotatingServer, StoreCall, StoreHook},
};
use tokio::{task::JoinSet, time::sleep};

use crate::{fixture::Place, processes::TURN};

const KEYS: usize = 100;
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

/// Every case in one store.
macro_rules! nothing_is_lost {
    ($($store:ident),*) => {$(
        mod $store {
            use super::*;

            #[tokio::test(flavor = "multi_thread")]
            async fn a_later_login_keeps_the_refresh_token() {
                rounds(later_logins, Place::$store).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn one_crash_is_made_good_where_somebody_asks() {
                rounds(a_crash_and_requests, Place::$store).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn one_crash_is_made_good_by_recover() {
                rounds(a_crash_and_recover, Place::$store).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn one_crash_is_made_good_by_a_running_process_though_nobody_asks() {
                rounds(a_crash_and_no_requests, Place::$store).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn after_an_outage_the_holder_saves_first() {
                rounds(an_outage, Place::$store).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn what_the_store_has_lost_is_written_again() {
                rounds(going_back, Place::$store).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn each_token_of_a_grant_is_obtained_once() {
                rounds(further_tokens, Place::$store).await;
            }
        }
    )*};
}

nothing_is_lost!(memory, sqlite, postgres, mysql, redis);

async fn rounds<C: Future<Output = ()>>(case: impl Fn(Arc<Place>) -> C, place: impl Fn(&str) -> Place) {
    let _turn = TURN.lock().await;
    for _ in 0..crate::processes::rounds() {
        case(Arc::new(place("losses"))).await;
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

/// Asks for all tokens at once, each of them until it is there, and for two minutes at most.
async fn get_all(manager: &TokenManager, server: &RotatingServer) {
    let mut gets = JoinSet::new();
    for key in keys() {
        let (manager, server) = (manager.clone(), server.clone());
        gets.spawn(async move {
            for _ in 0..1200 {
                match manager.get(&key).await {
                    Ok(token) if server.knows(token.access_token()) => return,
                    Ok(token) => panic!("{key}: the provider does not know {token:?}"),
                    Err(error @ TokenError::Dead { .. }) => panic!("{error}"),
                    Err(_) => sleep(SECOND / 10).await,
                }
            }
            panic!("{key}: there is no token after two minutes");
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
    sent: Arc<AtomicUsize>,
    carried_out: Arc<AtomicUsize>,
}

#[async_trait]
impl HttpClient for OneWay {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        // So that the grace of all begins at the same time, however long it takes to mark them.
        self.sent.fetch_add(1, Ordering::SeqCst);
        while self.sent.load(Ordering::SeqCst) < KEYS {
            sleep(SECOND / 100).await;
        }
        self.server.send(request).await?;
        self.carried_out.fetch_add(1, Ordering::SeqCst);
        std::future::pending().await
    }
}

/// A process dies when the provider has redeemed the refresh tokens of all keys. The leases are the default ones.
async fn crash(place: &Arc<Place>, server: &RotatingServer) {
    let way = OneWay { server: server.clone(), sent: Arc::default(), carried_out: Arc::default() };
    let (place, server) = (Arc::clone(place), server.clone());
    let doomed = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let store = place.open().await as Arc<dyn TokenStore>;
            let client = server.client().with_http_client(way.clone());
            let manager = builder(store, client).build().unwrap();
            for key in keys() {
                manager.put(&key, &server.sign_in_expired().unwrap()).await.unwrap();
            }
            for (index, key) in keys().into_iter().enumerate() {
                let manager = manager.clone();
                tokio::spawn(async move { manager.get(&key).await });
                // A few at a time: where a store takes long to answer, leases are longer.
                while way.sent.load(Ordering::SeqCst) + 10 <= index {
                    sleep(SECOND / 100).await;
                }
            }
            while way.carried_out.load(Ordering::SeqCst) < KEYS {
                sleep(SECOND / 100).await;
            }
        });
        runtime.shutdown_background();
    });
    doomed.await.unwrap();
}

/// Runs a case with a provider that has a grace of five seconds, two more than the lease.
///
/// Leases are longer where a store takes long to answer, as it does on a busy machine. A case that fails there is run once more, with a
/// grace above the longest lease; where the store answered in time, it has failed.
async fn with_grace<C>(place: Arc<Place>, case: fn(Arc<Place>, RotatingServer) -> C)
where
    C: Future<Output = ()> + Send + 'static,
{
    const LONG: Duration = Duration::from_millis(500);
    for grace in [5 * SECOND, 90 * SECOND] {
        let server = RotatingServer::with(grace, Duration::ZERO, HOUR);
        let slowest = Arc::new(Mutex::new(Duration::ZERO));
        let watch = tokio::spawn(watch(Arc::clone(&place), Arc::clone(&slowest)));
        let outcome = tokio::spawn(case(Arc::clone(&place), server)).await;
        watch.abort();
        let Err(error) = outcome else { return };
        let slowest = *slowest.lock().unwrap();
        if grace > 5 * SECOND || slowest < LONG {
            std::panic::resume_unwind(error.into_panic());
        }
        println!("{}: the store took {slowest:?} for an answer; now with a longer grace", place.name);
    }
}

/// Looks into the store ten times a second, and notes the longest time that passed until the answer was here.
async fn watch(place: Arc<Place>, slowest: Arc<Mutex<Duration>>) {
    const PAUSE: Duration = Duration::from_millis(100);
    let store = place.open().await as Arc<dyn TokenStore>;
    loop {
        let began = Instant::now();
        sleep(PAUSE).await;
        store.load(&TokenKey::new("testkit", "nobody")).await.unwrap();
        let took = began.elapsed().saturating_sub(PAUSE);
        let mut slowest = slowest.lock().unwrap();
        *slowest = took.max(*slowest);
    }
}

async fn a_crash_and_requests(place: Arc<Place>) {
    with_grace(place, |place, server| async move {
        crash(&place, &server).await;
        get_all(&process(&place, &server).await, &server).await;
        assert_eq!((server.token_requests(), server.ended_grants()), (2 * KEYS, 0), "{}", place.name);
    })
    .await;
}

async fn a_crash_and_recover(place: Arc<Place>) {
    with_grace(place, |place, server| async move {
        crash(&place, &server).await;
        let other = process(&place, &server).await;
        let recovered = other.recover().await.unwrap();
        assert_eq!((recovered.dead, recovered.left), (0, 0), "{}: {recovered:?}", place.name);
        get_all(&other, &server).await;
        assert_eq!((server.token_requests(), server.ended_grants()), (2 * KEYS, 0), "{}", place.name);
    })
    .await;
}

async fn a_crash_and_no_requests(place: Arc<Place>) {
    const GRACE: Duration = Duration::from_secs(30);
    let server = RotatingServer::with(GRACE, Duration::ZERO, HOUR);
    let store = place.open().await as Arc<dyn TokenStore>;
    // It runs for other reasons, and looks for such refreshes as often as by default.
    let sealer = Sealer::new(SealingKey::from_bytes([7; 32]));
    let other = TokenManager::builder(store, sealer).provider(Arc::new(server.client())).build().unwrap();
    other.put(&TokenKey::new("testkit", "somebody"), &server.sign_in().unwrap()).await.unwrap();
    crash(&place, &server).await;
    let began = Instant::now();
    let unfinished = Filter::all().with_status(Status::Refreshing);
    while other.count(&unfinished).await.unwrap() > 0 {
        assert!(began.elapsed() < GRACE, "{}: the grace is over", place.name);
        sleep(SECOND / 10).await;
    }
    assert_eq!((server.token_requests(), server.ended_grants()), (2 * KEYS, 0), "{}", place.name);
    get_all(&other, &server).await;
    assert_eq!(server.token_requests(), 2 * KEYS, "{}", place.name);
}

/// The way to a store, which can be cut.
struct Cut(Arc<AtomicBool>);

#[async_trait]
impl StoreHook for Cut {
    async fn before(&self, call: &StoreCall<'_>) -> Result<(), StoreError> {
        match self.0.load(Ordering::SeqCst) {
            true => Err(StoreError::transient(call.operation, "the way to the store is cut")),
            false => Ok(()),
        }
    }
}

async fn an_outage(place: Arc<Place>) {
    // Each is marked long before the first reply comes.
    let server = RotatingServer::with(Duration::ZERO, 3 * SECOND, HOUR);
    let is_cut = Arc::new(AtomicBool::new(false));
    let mut processes = Vec::new();
    for _ in 0..2 {
        let store = place.open().await as Arc<dyn TokenStore>;
        let store = HookedStore::new(store, Cut(Arc::clone(&is_cut)));
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
    for key in keys() {
        one.put(&key, &server.sign_in_expired().unwrap()).await.unwrap();
    }
    place.back_up().await;
    get_all(&one, &server).await;
    let other = process();
    get_all(&other, &server).await;
    assert_eq!(server.token_requests(), KEYS);
    // What was saved last is lost: the mark, and the new token.
    place.go_back().await;
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
    let mut all = HashSet::new();
    // A few at a time: a store has four connections, and all keys at once would wait for one longer than a store may take.
    for keys in keys().chunks(10) {
        let mut gets = JoinSet::new();
        for key in keys {
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
        all.extend(gets.join_all().await);
    }
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
