//! What could lose a grant: a crash, an outage between the mark and the save, a store that goes back.
//!
//! One round here; `OAUTH_TEST_ROUNDS=10` for the ten of `cargo xtask nightly`.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use oauth_core::{
    HttpClient, HttpError, OAuth2, OAuth2Token, Provider, async_trait,
    bytes::Bytes,
    http::{Request, Response},
};
use oauth_tokens::{
    Acquired, DeadMark, DeadReason, Expected, Lease, MemoryStore, Outcome, Record, Saved, StoreError,
    TokenError, TokenKey, TokenManager, TokenSource, TokenStore,
    testkit::{RotatingServer, ServerFault},
};
use tokio::task::JoinSet;

use crate::support::{Hands, Shaky, builder, key, sealer, stored};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
const KEYS: usize = 100;

fn rounds() -> usize {
    std::env::var("OAUTH_TEST_ROUNDS").map_or(1, |rounds| rounds.parse().unwrap())
}

fn keys() -> Vec<TokenKey> {
    (0..KEYS).map(|index| key().with_label(index.to_string())).collect()
}

async fn sign_in_expired(manager: &TokenManager, server: &RotatingServer) {
    for key in keys() {
        manager.put(&key, &server.sign_in_expired().unwrap()).await.unwrap();
    }
}

/// Asks for all tokens at once, each of them until it is there, and for ten seconds at most.
async fn get_all(manager: &TokenManager, server: &RotatingServer) {
    let mut gets = JoinSet::new();
    for key in keys() {
        let (manager, server) = (manager.clone(), server.clone());
        gets.spawn(async move {
            for _ in 0..200 {
                match manager.get_token(&key).await {
                    Ok(token) if server.knows(token.access_token()) => return,
                    Ok(token) => panic!("{key}: the provider does not know {token:?}"),
                    Err(error @ TokenError::Dead { .. }) => panic!("{error}"),
                    Err(_) => tokio::time::sleep(SECOND / 20).await,
                }
            }
            panic!("{key}: there is no token after ten seconds");
        });
    }
    gets.join_all().await;
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

/// Has a process die that has sent the refresh tokens of all keys, after the provider has redeemed them.
fn crash(store: impl TokenStore + Clone + 'static, server: &RotatingServer, keys: Vec<TokenKey>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let carried_out = Arc::new(AtomicUsize::new(0));
    runtime.block_on(async {
        let way = OneWay { server: server.clone(), carried_out: Arc::clone(&carried_out) };
        let client = Arc::new(server.client().with_http_client(way));
        let manager = TokenManager::builder(store, sealer()).provider(client).build().unwrap();
        for key in &keys {
            manager.put(key, &server.sign_in_expired().unwrap()).await.unwrap();
        }
        for key in keys.clone() {
            let manager = manager.clone();
            tokio::spawn(async move { manager.get_token(&key).await });
        }
        while carried_out.load(Ordering::SeqCst) < keys.len() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    runtime.shutdown_background();
}

#[test]
fn one_crash_loses_nothing_with_a_grace_of_five_seconds() {
    for _ in 0..rounds() {
        let server = RotatingServer::with(5 * SECOND, Duration::ZERO, HOUR);
        let store = MemoryStore::new();
        crash(store.clone(), &server, keys());
        let other = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        other.block_on(get_all(&builder(store, &server).build().unwrap(), &server));
        assert_eq!((server.token_requests(), server.ended_grants()), (2 * KEYS, 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_an_outage_between_mark_and_save_the_holder_saves_first() {
    for _ in 0..rounds() {
        let server = RotatingServer::with(Duration::ZERO, SECOND / 2, HOUR);
        let store = Shaky::default();
        let [holder, other] = [(); 2].map(|()| builder(store.clone(), &server).build().unwrap());
        sign_in_expired(&holder, &server).await;
        for key in keys() {
            let holder = holder.clone();
            tokio::spawn(async move { holder.get_token(&key).await });
        }
        while server.token_requests() < KEYS {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // Each is marked, and no reply has come yet. The store is away for longer than the leases last.
        store.set_down(true);
        let asking = tokio::spawn({
            let (other, server) = (other.clone(), server.clone());
            async move { get_all(&other, &server).await }
        });
        tokio::time::sleep(4 * SECOND).await;
        assert_eq!(holder.unsaved().len(), KEYS);
        store.set_down(false);
        asking.await.unwrap();
        assert_eq!((server.token_requests(), server.ended_grants()), (KEYS, 0));
        assert!(holder.close().await.is_empty());
    }
}

/// A crash leaves a mark too. Who had trouble with the store before cannot tell the two apart, and goes on after a while.
#[test]
fn after_an_outage_a_crashed_holder_is_waited_for_for_seconds_only() {
    let server = RotatingServer::with(HOUR, Duration::ZERO, HOUR);
    let store = Shaky::default();
    crash(store.clone(), &server, vec![key()]);
    let other = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    other.block_on(async {
        let manager = builder(store.clone(), &server).build().unwrap();
        store.set_down(true);
        assert!(matches!(manager.get_token(&key()).await, Err(TokenError::Store { .. })));
        // The lease expires meanwhile.
        tokio::time::sleep(4 * SECOND).await;
        store.set_down(false);
        let began = std::time::Instant::now();
        let token = manager.get_token(&key()).await.unwrap();
        assert!(server.knows(token.access_token()));
        assert!((2..8).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
        assert_eq!((server.token_requests(), server.ended_grants()), (2, 0));
    });
}

/// A store that can lose its last writes, as Redis does when a replica takes over that lags behind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lagging {
    records: Arc<Mutex<HashMap<TokenKey, Vec<Record>>>>,
    leases: MemoryStore,
}

impl Lagging {
    /// Loses the last writes of every key.
    pub(crate) fn lose(&self, writes: usize) {
        for records in self.records.lock().unwrap().values_mut() {
            records.truncate(records.len().saturating_sub(writes).max(1));
        }
    }

    pub(crate) fn found(&self, key: &TokenKey) -> Option<Record> {
        self.records.lock().unwrap().get(key)?.last().cloned()
    }
}

#[async_trait]
impl TokenStore for Lagging {
    async fn load(&self, key: &TokenKey) -> Result<Option<Record>, StoreError> {
        Ok(self.found(key))
    }

    async fn save(
        &self,
        key: &TokenKey,
        sealed: Bytes,
        expected: Expected,
        _lease: Option<&Lease>,
    ) -> Result<Saved, StoreError> {
        let mut all = self.records.lock().unwrap();
        let records = all.entry(key.clone()).or_default();
        let found = records.last().cloned();
        let fits = match expected {
            Expected::Any => true,
            Expected::Absent => found.is_none(),
            Expected::Version(version) => found.as_ref().is_some_and(|found| found.version == version),
        };
        if !fits {
            return Ok(Saved::Conflict(found));
        }
        let version = found.map_or(0, |found| found.version) + 1;
        records.push(Record::new(version, sealed));
        Ok(Saved::Version(version))
    }

    async fn delete(&self, key: &TokenKey) -> Result<bool, StoreError> {
        Ok(self.records.lock().unwrap().remove(key).is_some())
    }

    async fn list(&self, tenant: &str, subject: &str) -> Result<Vec<(TokenKey, Record)>, StoreError> {
        let all = self.records.lock().unwrap();
        let of_subject = all.iter().filter(|(key, _)| key.tenant() == tenant && key.subject() == subject);
        Ok(of_subject.filter_map(|(key, records)| Some((key.clone(), records.last()?.clone()))).collect())
    }

    async fn acquire(
        &self,
        key: &TokenKey,
        holder: &str,
        lifetime: Duration,
    ) -> Result<Acquired, StoreError> {
        self.leases.acquire(key, holder, lifetime).await
    }

    async fn extend(&self, key: &TokenKey, lease: &Lease, lifetime: Duration) -> Result<bool, StoreError> {
        self.leases.extend(key, lease, lifetime).await
    }

    async fn release(&self, key: &TokenKey, lease: &Lease) -> Result<(), StoreError> {
        self.leases.release(key, lease).await
    }
}

#[tokio::test]
async fn a_store_that_goes_back_does_not_have_a_stale_token_redeemed() {
    // The save is lost; the mark with it; an earlier refresh too.
    for lost in 1..=4 {
        for _ in 0..rounds() {
            let (server, clock, store) = (RotatingServer::new(), Hands::new(), Lagging::default());
            let restored = Arc::new(Mutex::new(0));
            let process = || {
                let restored = Arc::clone(&restored);
                let count = move |event: &oauth_tokens::Event| {
                    if let Outcome::Restored { .. } = event.outcome {
                        *restored.lock().unwrap() += 1;
                    }
                };
                builder(store.clone(), &server).clock(clock.clone()).observer(count).build().unwrap()
            };
            let [one, other] = [(); 2].map(|()| process());
            sign_in_expired(&one, &server).await;
            get_all(&one, &server).await;
            clock.forward(2 * HOUR);
            get_all(&one, &server).await;
            get_all(&other, &server).await;
            assert_eq!(server.token_requests(), 2 * KEYS);

            store.lose(lost);
            clock.forward(HOUR);
            // The other process only knows what it has read.
            get_all(&other, &server).await;
            get_all(&one, &server).await;
            assert_eq!((server.token_requests(), server.ended_grants()), (3 * KEYS, 0), "{lost} lost writes");
            assert_eq!(*restored.lock().unwrap(), KEYS, "{lost} lost writes");
        }
    }
}

#[tokio::test]
async fn a_store_that_goes_back_behind_a_login_gets_the_login_again() {
    let (server, clock, store) = (RotatingServer::new(), Hands::new(), Lagging::default());
    let manager = builder(store.clone(), &server).clock(clock.clone()).build().unwrap();
    let (key, first) = (key(), server.sign_in().unwrap());
    manager.put(&key, &first).await.unwrap();
    clock.forward(SECOND);
    manager.put(&key, &server.sign_in().unwrap()).await.unwrap();
    store.lose(1);
    clock.forward(HOUR);
    let token = manager.get_token(&key).await.unwrap();
    assert!(server.accepts(first.refresh_token().unwrap()), "the earlier login is history");
    assert_eq!(stored(&manager, &key).await.token.as_ref(), Some(&*token));
}

#[tokio::test]
async fn a_token_is_saved_though_the_store_went_back_behind_its_mark() {
    for lost in 1..=3 {
        let server = RotatingServer::with(Duration::ZERO, SECOND / 5, HOUR);
        let (clock, store) = (Hands::new(), Lagging::default());
        let manager = builder(store.clone(), &server).clock(clock.clone()).build().unwrap();
        manager.put(&key(), &server.sign_in_expired().unwrap()).await.unwrap();
        manager.get_token(&key()).await.unwrap();
        clock.forward(2 * HOUR);
        let refresh = tokio::spawn({
            let manager = manager.clone();
            async move { manager.get_token(&key()).await }
        });
        while server.token_requests() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        store.lose(lost);
        let token = refresh.await.unwrap().unwrap();
        assert!(server.accepts(token.refresh_token().unwrap()), "{lost}");
        assert_eq!(stored(&manager, &key()).await.token.as_ref(), Some(&*token), "{lost}");
    }
}

/// The way to a server whose replies arrive when the gate is opened.
#[derive(Clone, Debug)]
struct Gated {
    server: RotatingServer,
    gate: Arc<tokio::sync::Semaphore>,
    carried_out: Arc<AtomicUsize>,
}

#[async_trait]
impl HttpClient for Gated {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let reply = self.server.send(request).await;
        self.carried_out.fetch_add(1, Ordering::SeqCst);
        let _permit = self.gate.acquire().await.unwrap();
        reply
    }
}

#[tokio::test]
async fn a_login_that_got_the_number_of_a_lost_write_is_not_saved_over() {
    // The holder's mark is lost, and a login gets its number; the holder's request succeeds, is refused or fails.
    for fault in [
        None,
        Some(ServerFault::Reply(500, "", None)),
        Some(ServerFault::Reply(400, r#"{"error": "invalid_grant"}"#, None)),
    ] {
        for _ in 0..rounds() {
            let (server, store) = (RotatingServer::new(), Lagging::default());
            let (gate, carried_out) = (Arc::new(tokio::sync::Semaphore::new(0)), Arc::default());
            let way = Gated { server: server.clone(), gate: Arc::clone(&gate), carried_out };
            let carried_out = Arc::clone(&way.carried_out);
            let client = Arc::new(server.client().with_http_client(way));
            let holder = TokenManager::builder(store.clone(), sealer()).provider(client).build().unwrap();
            let other = builder(store.clone(), &server).build().unwrap();
            sign_in_expired(&holder, &server).await;
            server.fail_always(fault.clone());
            let mut gets = JoinSet::new();
            for key in keys() {
                let holder = holder.clone();
                gets.spawn(async move { holder.get_token(&key).await });
            }
            while carried_out.load(Ordering::SeqCst) < KEYS {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            let marks: Vec<_> = keys().iter().map(|key| store.found(key).unwrap().version).collect();
            store.lose(1);
            let mut logins = Vec::new();
            for key in keys() {
                let login = server.sign_in().unwrap();
                other.put(&key, &login).await.unwrap();
                logins.push(login);
            }
            let numbers: Vec<_> = keys().iter().map(|key| store.found(key).unwrap().version).collect();
            assert_eq!(numbers, marks, "the numbers are given out again");
            gate.add_permits(KEYS);
            gets.join_all().await;
            for (key, login) in keys().iter().zip(&logins) {
                let stored = stored(&other, key).await;
                assert_eq!(stored.token.as_ref(), Some(login), "{fault:?}");
                assert!(stored.dead.is_none() && stored.failures == 0, "{fault:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_store_with_the_defaults_deletes_no_other_version_and_is_not_searched() {
    let store = Lagging::default();
    assert!(!store.can_find());
    let saved = store.save(&key(), Bytes::from_static(b"a login"), Expected::Absent, None).await.unwrap();
    let Saved::Version(version) = saved else { panic!("{saved:?}") };
    assert!(!store.delete_version(&key(), version + 1).await.unwrap());
    assert!(store.found(&key()).is_some());
    assert!(store.delete_version(&key(), version).await.unwrap());
    assert!(store.found(&key()).is_none());
}

#[tokio::test]
async fn what_is_revoked_is_the_newest_token_that_is_known() {
    let (server, clock, store) = (RotatingServer::new(), Hands::new(), Lagging::default());
    let manager = builder(store.clone(), &server).clock(clock.clone()).build().unwrap();
    manager.put(&key(), &server.sign_in().unwrap()).await.unwrap();
    clock.forward(SECOND);
    let newest = server.sign_in().unwrap();
    manager.put(&key(), &newest).await.unwrap();
    store.lose(1);
    manager.revoke(&key()).await.unwrap();
    assert!(!server.knows(newest.access_token()));
    assert_eq!(store.found(&key()), None);
}

/// A provider whose refreshes bring another user's tokens.
#[derive(Debug)]
pub(crate) struct Mixing {
    provider: OAuth2,
    revoked: Arc<Mutex<Vec<String>>>,
}

impl Mixing {
    /// The provider, and the refresh tokens that it is asked to revoke.
    pub(crate) fn new(server: &RotatingServer) -> (Self, Arc<Mutex<Vec<String>>>) {
        let revoked = Arc::new(Mutex::new(Vec::new()));
        (Self { provider: server.client(), revoked: Arc::clone(&revoked) }, revoked)
    }
}

#[async_trait]
impl TokenSource for Mixing {
    fn name(&self) -> &str {
        self.provider.name()
    }

    fn needs_login(&self, _: &TokenKey) -> bool {
        true
    }

    async fn obtain(&self, _: &TokenKey, previous: Option<&OAuth2Token>) -> oauth_core::Result<OAuth2Token> {
        let tokens = self.provider.refresh(previous.unwrap(), None).await?;
        Err(oauth_core::Error::configuration("testkit", "the tokens are another user's").with_tokens(tokens))
    }

    async fn revoke(&self, _: &TokenKey, token: &OAuth2Token) -> oauth_core::Result<()> {
        self.revoked.lock().unwrap().push(token.refresh_token().unwrap_or_default().to_owned());
        self.provider.revoke(token).await
    }
}

#[tokio::test]
async fn tokens_that_are_not_accepted_are_kept_until_they_are_revoked() {
    for signs_in_again in [false, true] {
        let (server, store) = (RotatingServer::new(), MemoryStore::new());
        let (source, revoked) = Mixing::new(&server);
        let manager = TokenManager::builder(store, sealer()).source(source).build().unwrap();
        sign_in_expired(&manager, &server).await;
        let mut firsts = Vec::new();
        for key in keys() {
            for _ in 0..2 {
                let error = manager.get_token(&key).await.unwrap_err();
                let reason = &error.dead_grant().unwrap().reason;
                assert!(matches!(reason, DeadReason::NotAccepted { .. }), "{reason}");
            }
            let stored = stored(&manager, &key).await;
            assert!(stored.dead.is_some(), "it is to be seen");
            firsts.push(stored.token.unwrap().refresh_token().unwrap().to_owned());
        }
        assert_eq!(server.token_requests(), KEYS, "nothing that is spent is redeemed again");

        let mut logins = Vec::new();
        for key in keys() {
            if signs_in_again {
                let login = server.sign_in().unwrap();
                manager.put(&key, &login).await.unwrap();
                logins.push(login.refresh_token().unwrap().to_owned());
            }
            manager.revoke(&key).await.unwrap();
        }
        let revoked = revoked.lock().unwrap().clone();
        assert_eq!(revoked.len(), KEYS + logins.len(), "those that were set aside, and the logins");
        assert!(logins.iter().all(|login| revoked.contains(login)));
        assert!(!firsts.iter().any(|first| revoked.contains(first)), "those were spent");
    }
}

#[tokio::test]
async fn all_tokens_that_are_not_accepted_are_kept_though_the_user_signs_in_again() {
    let (server, store) = (RotatingServer::new(), MemoryStore::new());
    let (source, revoked) = Mixing::new(&server);
    let manager = TokenManager::builder(store, sealer()).source(source).build().unwrap();
    for _ in 0..3 {
        manager.put(&key(), &server.sign_in_expired().unwrap()).await.unwrap();
        manager.get_token(&key()).await.unwrap_err();
    }
    manager.revoke(&key()).await.unwrap();
    assert_eq!(revoked.lock().unwrap().len(), 3);
    assert_eq!(server.ended_grants(), 3);
}

#[tokio::test]
async fn tokens_that_are_not_accepted_are_kept_though_the_store_goes_back() {
    for what in ["revoked", "ended first", "replaced first"] {
        let (server, clock, store) = (RotatingServer::new(), Hands::new(), Lagging::default());
        let (source, revoked) = Mixing::new(&server);
        let manager = TokenManager::builder(store.clone(), sealer())
            .source(source)
            .clock(clock.clone())
            .recover_every(Duration::MAX)
            .build()
            .unwrap();
        manager.put(&key(), &server.sign_in_expired().unwrap()).await.unwrap();
        manager.get_token(&key()).await.unwrap_err();
        let mut newest = server.sign_in().unwrap();
        manager.put(&key(), &newest).await.unwrap();
        clock.forward(SECOND);
        newest = server.sign_in().unwrap();
        manager.put(&key(), &newest).await.unwrap();
        // The last login is lost, and the process knows it.
        store.lose(1);
        match what {
            "ended first" => {
                assert!(manager.mark_dead(&key(), &DeadMark::new("consent_revoked")).await.unwrap())
            }
            "replaced first" => {
                newest = server.sign_in().unwrap();
                manager.put(&key(), &newest).await.unwrap();
            }
            _ => {}
        }
        manager.revoke(&key()).await.unwrap();
        let revoked = revoked.lock().unwrap().clone();
        assert_eq!(revoked.len(), 2, "{what}: those that were set aside, and the newest login");
        assert_eq!(Some(revoked[1].as_str()), newest.refresh_token(), "{what}");
        assert_eq!(server.ended_grants(), 2, "{what}");
    }
}
