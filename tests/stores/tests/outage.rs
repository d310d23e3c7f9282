//! The store is taken away for a while, and comes back.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use oauth_core::{Clock, ErrorClass, OAuth2, OAuth2Token, OffsetDateTime, Provider, async_trait};
use oauth_store_tests::worker::{key, provider, sealer};
use oauth_test_servers::{MariaDb, Persistence, Postgres, Redis};
use oauth_tokens::{TokenError, TokenKey, TokenManager, TokenSource};
use sqlx::{Sqlite, SqlitePool, Transaction, sqlite::SqliteConnectOptions};

use crate::{
    fixture::{Place, folder},
    processes::{AuthorizationServer, TURN, storm_lasts},
};

#[tokio::test(flavor = "multi_thread")]
async fn live_tokens_are_served_while_postgres_is_down() {
    outage(Away::Stopped, Server::postgres()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn live_tokens_are_served_while_postgres_does_not_answer() {
    outage(Away::Frozen, Server::postgres()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn live_tokens_are_served_while_mariadb_is_down() {
    outage(Away::Stopped, Server::mariadb()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn live_tokens_are_served_while_mariadb_does_not_answer() {
    outage(Away::Frozen, Server::mariadb()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn live_tokens_are_served_while_redis_is_down() {
    outage(Away::Stopped, Server::redis()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn live_tokens_are_served_while_redis_does_not_answer() {
    outage(Away::Frozen, Server::redis()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn live_tokens_are_served_while_another_program_locks_the_sqlite_file() {
    outage(Away::Frozen, Server::sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_came_when_postgres_had_just_gone_down_is_saved_when_it_is_back() {
    gone_in_between(Server::postgres()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_came_when_mariadb_had_just_gone_down_is_saved_when_it_is_back() {
    gone_in_between(Server::mariadb()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_came_when_redis_had_just_gone_down_is_saved_when_it_is_back() {
    gone_in_between(Server::redis()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_came_when_the_sqlite_file_had_just_been_locked_is_saved_when_it_is_free() {
    gone_in_between(Server::sqlite().await).await;
}

async fn outage(away: Away, (mut server, place): (Server, Place)) {
    let _turn = TURN.lock().await;
    let provider = AuthorizationServer::start(Duration::ZERO, Duration::from_secs(3600)).await;
    let clock = Ahead::default();
    let manager = provider.builder(&place).await.clock(clock.clone()).build().unwrap();
    let [live, due, expired] = ["live", "due", "expired"].map(key);
    manager.put(&due, &provider.sign_in()).await.unwrap();
    manager.put(&expired, &provider.sign_in_expired()).await.unwrap();
    let old = manager.get_token(&due).await.unwrap();
    // Five minutes and more before its end a token is refreshed, and it is good until ten seconds before. The outage ends
    // before that.
    assert!(storm_lasts() < Duration::from_secs(200));
    clock.go_on(3600 - 240);
    manager.put(&live, &provider.sign_in()).await.unwrap();
    let kept = manager.get_token(&live).await.unwrap();
    provider.emulator.clear_requests();

    server.take_away(away).await;
    let until = Instant::now() + storm_lasts();
    let (of_live, of_due, ()) = tokio::join!(
        serve(&manager, &live, &kept, until),
        serve(&manager, &due, &old, until),
        refuse(&manager, &expired, until),
    );
    assert_eq!(provider.redeemed().len(), 0, "redeemed what could not be saved");

    server.bring_back(away).await;
    let new = until_ok(&manager, &expired, |_| true).await;
    let newer = until_ok(&manager, &due, |token| token.access_token() != old.access_token()).await;
    assert_eq!(provider.redeemed().len(), 2, "one request for each that was due");
    // They were saved: another manager finds them.
    let other = provider.builder(&place).await.clock(clock).build().unwrap();
    assert_eq!(other.get_token(&expired).await.unwrap().access_token(), new.access_token());
    assert_eq!(other.get_token(&due).await.unwrap().access_token(), newer.access_token());
    assert_eq!(provider.redeemed().len(), 2);
    println!(
        "{} {away:?} for {:?}: a live token was served {} times, in {:?} at most; one that was due {} times, in {:?} at most",
        place.name,
        storm_lasts(),
        of_live.0,
        of_live.1,
        of_due.0,
        of_due.1
    );
}

/// A token from memory, again and again: how often, and how long it took at most.
async fn serve(
    manager: &TokenManager,
    key: &TokenKey,
    token: &OAuth2Token,
    until: Instant,
) -> (usize, Duration) {
    let (mut served, mut longest) = (0, Duration::ZERO);
    while Instant::now() < until {
        let began = Instant::now();
        assert_eq!(manager.get_token(key).await.unwrap().access_token(), token.access_token());
        longest = longest.max(began.elapsed());
        served += 1;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    (served, longest)
}

/// No token, for a reason that passes.
async fn refuse(manager: &TokenManager, key: &TokenKey, until: Instant) {
    while Instant::now() < until {
        let error = manager.get_token(key).await.unwrap_err();
        assert!(matches!(error, TokenError::Store { .. }), "{error}");
        assert!(matches!(error.class(), ErrorClass::Transient { .. }), "{error}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The store has taken the note that a refresh begins, and is gone when the new token comes.
async fn gone_in_between((server, place): (Server, Place)) {
    let _turn = TURN.lock().await;
    let authorization_server = AuthorizationServer::start(Duration::ZERO, Duration::from_secs(3600)).await;
    let server = Arc::new(tokio::sync::Mutex::new(server));
    let source =
        Fatal { provider: provider(&authorization_server.token_endpoint()), server: Arc::clone(&server) };
    let manager = TokenManager::builder(place.open().await, sealer()).source(source).build().unwrap();
    let key = key("unlucky");
    manager.put(&key, &authorization_server.sign_in_expired()).await.unwrap();
    authorization_server.emulator.clear_requests();

    let error = manager.get_token(&key).await.unwrap_err();
    let TokenError::NotSaved { token, .. } = &error else { panic!("{error}") };
    let new = token.access_token().to_owned();
    assert!(!error.to_string().contains(&new) && !format!("{error:?}").contains(&new));
    // Nobody redeems the old one again meanwhile.
    for _ in 0..3 {
        let error = manager.get_token(&key).await.unwrap_err();
        assert!(matches!(error, TokenError::NotSaved { .. }), "{error}");
    }
    assert_eq!(authorization_server.redeemed().len(), 1);

    server.lock().await.bring_back(Away::Stopped).await;
    assert_eq!(until_ok(&manager, &key, |_| true).await.access_token(), new);
    let other = authorization_server.manager(&place).await;
    assert_eq!(other.get_token(&key).await.unwrap().access_token(), new);
    assert_eq!(authorization_server.redeemed().len(), 1);
    assert!(manager.close().await.is_empty());
}

/// Asks until there is such a token; a store that comes back needs its time, and so does a back-off.
async fn until_ok(
    manager: &TokenManager,
    key: &TokenKey,
    is_wanted: impl Fn(&OAuth2Token) -> bool,
) -> Arc<OAuth2Token> {
    let began = Instant::now();
    loop {
        match manager.get_token(key).await {
            Ok(token) if is_wanted(&token) => return token,
            Ok(_) => {}
            Err(error) => assert!(matches!(error.class(), ErrorClass::Transient { .. }), "{error}"),
        }
        assert!(began.elapsed() < Duration::from_secs(120), "{key} does not recover");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Takes the store away after it has got a new token.
#[derive(Debug)]
struct Fatal {
    provider: OAuth2,
    server: Arc<tokio::sync::Mutex<Server>>,
}

#[async_trait]
impl TokenSource for Fatal {
    fn name(&self) -> &str {
        self.provider.name()
    }

    fn needs_login(&self, _: &TokenKey) -> bool {
        true
    }

    async fn obtain(&self, _: &TokenKey, previous: Option<&OAuth2Token>) -> oauth_core::Result<OAuth2Token> {
        let token = self.provider.refresh(previous.unwrap(), None).await;
        self.server.lock().await.take_away(Away::Stopped).await;
        token
    }

    async fn revoke(&self, _: &TokenKey, _: &OAuth2Token) -> oauth_core::Result<()> {
        Ok(())
    }
}

/// How a store is missing.
#[derive(Clone, Copy, Debug)]
enum Away {
    /// Connections end and are refused.
    Stopped,
    /// Connections stay, and nothing comes from them.
    Frozen,
}

/// A store's server, for one test alone.
#[derive(Debug)]
enum Server {
    Postgres(Postgres),
    MariaDb(MariaDb),
    Redis(Redis),
    /// SQLite has no server; another program may hold the lock.
    Sqlite(PathBuf, Option<Lock>),
}

#[derive(Debug)]
struct Lock(Transaction<'static, Sqlite>);

impl Server {
    fn postgres() -> (Self, Place) {
        let server = Postgres::start(&folder().join("servers")).unwrap();
        let place = Place::at("PostgreSQL", &server.url(), "outage");
        (Self::Postgres(server), place)
    }

    fn mariadb() -> (Self, Place) {
        let server = MariaDb::start(&folder().join("servers")).unwrap();
        let place = Place::at("MariaDB", &server.url(), "outage");
        (Self::MariaDb(server), place)
    }

    fn redis() -> (Self, Place) {
        let server = Redis::start(&folder().join("servers"), Persistence::AppendOnlyFile).unwrap();
        let place = Place::at("Redis", &server.url(), "outage");
        (Self::Redis(server), place)
    }

    async fn sqlite() -> (Self, Place) {
        let place = Place::sqlite("outage");
        let file = place.url.trim_start_matches("sqlite:").into();
        (Self::Sqlite(file, None), place)
    }

    async fn take_away(&mut self, how: Away) {
        match (self, how) {
            (Self::Postgres(server), Away::Stopped) => server.stop(),
            (Self::MariaDb(server), Away::Stopped) => server.stop(),
            (Self::Postgres(server), Away::Frozen) => server.freeze().unwrap(),
            (Self::MariaDb(server), Away::Frozen) => server.freeze().unwrap(),
            (Self::Redis(server), Away::Stopped) => server.stop(),
            (Self::Redis(server), Away::Frozen) => server.freeze().unwrap(),
            (Self::Sqlite(file, lock), _) => {
                let options = SqliteConnectOptions::new().filename(file);
                let pool = SqlitePool::connect_with(options).await.unwrap();
                *lock = Some(Lock(pool.begin_with("BEGIN EXCLUSIVE").await.unwrap()));
            }
        }
    }

    async fn bring_back(&mut self, how: Away) {
        match (self, how) {
            (Self::Postgres(server), Away::Stopped) => server.start_again().unwrap(),
            (Self::MariaDb(server), Away::Stopped) => server.start_again().unwrap(),
            (Self::Postgres(server), Away::Frozen) => server.thaw().unwrap(),
            (Self::MariaDb(server), Away::Frozen) => server.thaw().unwrap(),
            (Self::Redis(server), Away::Stopped) => server.start_again().unwrap(),
            (Self::Redis(server), Away::Frozen) => server.thaw().unwrap(),
            (Self::Sqlite(_, lock), _) => {
                let Lock(transaction) = lock.take().unwrap();
                transaction.rollback().await.unwrap();
            }
        }
    }
}

/// A clock that a test sets forward.
#[derive(Clone, Debug, Default)]
struct Ahead(Arc<AtomicI64>);

impl Ahead {
    fn go_on(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::Relaxed);
    }
}

impl Clock for Ahead {
    fn now(&self) -> OffsetDateTime {
        let now = OffsetDateTime::now_utc().unix_timestamp() + self.0.load(Ordering::Relaxed);
        OffsetDateTime::from_unix_timestamp(now).unwrap()
    }
}
