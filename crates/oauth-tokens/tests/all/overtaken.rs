//! Two processes at one refresh token, because one of them was cut off from the store: what the model in `tests/model` found.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use oauth_core::{
    HttpClient, HttpError, OAuth2Token, Provider, async_trait,
    bytes::Bytes,
    http::{Request, Response},
    serde_json::{self, json},
};
use oauth_tokens::{
    DeadMark, DeadReason, Expected, MemoryStore, Put, StoreError, StoreOperation, TokenError, TokenKey,
    TokenManager, TokenSource, TokenStore,
    testkit::{HookedStore, RotatingServer, ServerFault, StoreCall, StoreHook},
};
use tokio::{sync::Semaphore, task::JoinHandle, time::sleep};

use crate::{
    later_logins::{again, of_ada},
    losses::Lagging,
    support::{Hands, builder, expired, key, sealer, stored},
};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

/// One process's way to a store, which can be cut, or be too bad for leases to be extended.
#[derive(Default)]
struct Way {
    is_cut: AtomicBool,
    extends_nothing: AtomicBool,
    looks: AtomicUsize,
}

impl Way {
    fn to(store: MemoryStore) -> HookedStore<Self> {
        HookedStore::new(store, Self::default())
    }

    fn cut(&self, is_cut: bool) {
        self.is_cut.store(is_cut, Ordering::SeqCst);
    }
}

#[async_trait]
impl StoreHook for Way {
    async fn before(&self, call: &StoreCall<'_>) -> Result<(), StoreError> {
        if call.operation == StoreOperation::Load {
            self.looks.fetch_add(1, Ordering::SeqCst);
        }
        let is_bad = call.operation == StoreOperation::Extend && self.extends_nothing.load(Ordering::SeqCst);
        match is_bad || self.is_cut.load(Ordering::SeqCst) {
            true => Err(StoreError::transient(call.operation, "the way to the store is cut")),
            false => Ok(()),
        }
    }
}

/// The way to a server whose replies arrive when the gate is opened.
#[derive(Clone, Debug)]
struct Gated {
    server: RotatingServer,
    gate: Arc<Semaphore>,
}

#[async_trait]
impl HttpClient for Gated {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let reply = self.server.send(request).await;
        let _permit = self.gate.acquire().await.unwrap();
        reply
    }
}

async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_head_start_is_given_again_if_the_store_fails_meanwhile() {
    let server = RotatingServer::with(Duration::ZERO, SECOND / 5, HOUR);
    let store = MemoryStore::new();
    let [of_holder, of_other] = [Way::to(store.clone()), Way::to(store.clone())];
    let short = Duration::from_millis(300);
    let holder =
        builder(of_holder.clone(), &server).lease_lifetime(short).save_patience(short).build().unwrap();
    let other = builder(of_other.clone(), &server).lease_lifetime(short).build().unwrap();
    holder.put(&key(), &server.sign_in_expired().unwrap()).await.unwrap();
    let first = tokio::spawn({
        let holder = holder.clone();
        async move { holder.get_token(&key()).await }
    });
    until(|| server.token_requests() == 1).await;
    of_holder.hook().cut(true);
    of_other.hook().cut(true);
    let unsaved = first.await.unwrap();
    assert!(matches!(unsaved, Err(TokenError::NotSaved { .. })), "{unsaved:?}");
    // The other process notes the trouble, finds the mark under an expired lease, and waits for somewhat more than four seconds.
    assert!(matches!(other.get_token(&key()).await, Err(TokenError::Store { .. })));
    sleep(SECOND).await;
    of_other.hook().cut(false);
    let looks = of_other.hook().looks.load(Ordering::SeqCst);
    let asking = tokio::spawn({
        let other = other.clone();
        async move {
            loop {
                match other.get_token(&key()).await {
                    Ok(token) => return token,
                    Err(TokenError::Store { .. }) => sleep(SECOND / 20).await,
                    Err(error) => panic!("{error}"),
                }
            }
        }
    });
    // Most of its head start is over when the store fails for a moment.
    until(|| of_other.hook().looks.load(Ordering::SeqCst) > looks + 10).await;
    sleep(2 * SECOND).await;
    of_other.hook().cut(true);
    sleep(SECOND / 2).await;
    of_other.hook().cut(false);
    sleep(2 * SECOND).await;
    of_holder.hook().cut(false);
    let token = asking.await.unwrap();
    assert!(server.knows(token.access_token()));
    assert_eq!((server.token_requests(), server.ended_grants()), (1, 0));
    assert!(holder.close().await.is_empty());
}

#[tokio::test]
async fn a_grant_that_two_processes_have_ended_is_reported_as_lost() {
    let (server, store, clock) = (RotatingServer::new(), MemoryStore::new(), Hands::new());
    let gate = Arc::new(Semaphore::new(0));
    let way = Way::to(store.clone());
    let client = server.client().with_http_client(Gated { server: server.clone(), gate: Arc::clone(&gate) });
    let slow = TokenManager::builder(way.clone(), sealer())
        .provider(Arc::new(client))
        .recover_every(Duration::MAX)
        .lease_lifetime(Duration::from_millis(300))
        .clock(clock.clone())
        .build()
        .unwrap();
    let other = builder(store.clone(), &server).clock(clock.clone()).build().unwrap();
    slow.put(&key(), &server.sign_in_expired().unwrap()).await.unwrap();
    // Its reply takes its time, and its lease expires.
    way.hook().extends_nothing.store(true, Ordering::SeqCst);
    let refresh = tokio::spawn({
        let slow = slow.clone();
        async move { slow.get_token(&key()).await }
    });
    until(|| server.token_requests() == 1).await;
    let is_lost = |error: &TokenError| match error {
        TokenError::Dead { grant, .. } => matches!(grant.reason, DeadReason::LostInRefresh { .. }),
        _ => false,
    };
    let error = other.get_token(&key()).await.unwrap_err();
    assert!(is_lost(&error), "{error}");
    assert_eq!(server.ended_grants(), 1, "the provider ends a grant whose refresh token comes twice");
    // The new token comes after all, and nobody knows that it is worth nothing.
    gate.add_permits(100);
    refresh.await.unwrap().unwrap();
    assert!(stored(&other, &key()).await.dead.is_none());
    clock.forward(2 * HOUR);
    let error = slow.get_token(&key()).await.unwrap_err();
    assert!(is_lost(&error), "{error}");
}

/// A provider that gives another user's tokens in each refresh, when the gate is open.
#[derive(Debug)]
struct Foreign {
    gives: &'static str,
    gate: Semaphore,
    requests: AtomicUsize,
    revoked: Mutex<Vec<String>>,
}

impl Foreign {
    fn new(gives: &'static str, permits: usize) -> Arc<Self> {
        let (gate, requests, revoked) = (Semaphore::new(permits), AtomicUsize::new(0), Mutex::default());
        Arc::new(Self { gives, gate, requests, revoked })
    }
}

#[derive(Debug)]
struct ForeignSource(Arc<Foreign>);

#[async_trait]
impl TokenSource for ForeignSource {
    fn name(&self) -> &str {
        "testkit"
    }

    fn needs_login(&self, _: &TokenKey) -> bool {
        true
    }

    async fn obtain(&self, _: &TokenKey, _: Option<&OAuth2Token>) -> oauth_core::Result<OAuth2Token> {
        self.0.requests.fetch_add(1, Ordering::SeqCst);
        let _permit = self.0.gate.acquire().await.unwrap();
        let tokens = json!({ "access_token": self.0.gives, "refresh_token": self.0.gives });
        let tokens = serde_json::from_value(tokens).unwrap();
        Err(oauth_core::Error::configuration("testkit", "the tokens are another user's").with_tokens(tokens))
    }

    async fn revoke(&self, _: &TokenKey, token: &OAuth2Token) -> oauth_core::Result<()> {
        self.0.revoked.lock().unwrap().push(token.refresh_token().unwrap().to_owned());
        Ok(())
    }
}

#[tokio::test]
async fn what_two_processes_set_aside_is_kept_until_it_is_revoked() {
    for is_cut in [false, true] {
        let (server, store) = (RotatingServer::new(), MemoryStore::new());
        let way = Way::to(store.clone());
        let [of_slow, of_other] = [Foreign::new("one", 0), Foreign::new("two", 1)];
        let short = Duration::from_millis(300);
        let manager = |store: Arc<dyn TokenStore>, source: &Arc<Foreign>| {
            TokenManager::builder(store, sealer())
                .source(ForeignSource(Arc::clone(source)))
                .recover_every(Duration::MAX)
                .lease_lifetime(short)
                .save_patience(short)
                .build()
                .unwrap()
        };
        let slow = manager(Arc::new(way.clone()), &of_slow);
        let other = manager(Arc::new(store), &of_other);
        slow.put(&key(), &server.sign_in_expired().unwrap()).await.unwrap();
        // Its reply takes its time, and its lease expires.
        way.hook().extends_nothing.store(true, Ordering::SeqCst);
        let refresh = tokio::spawn({
            let slow = slow.clone();
            async move { slow.get_token(&key()).await }
        });
        until(|| of_slow.requests.load(Ordering::SeqCst) == 1).await;
        let is_not_accepted =
            |error: TokenError| matches!(error.dead_grant().unwrap().reason, DeadReason::NotAccepted { .. });
        assert!(is_not_accepted(other.get_token(&key()).await.unwrap_err()));
        way.hook().cut(is_cut);
        of_slow.gate.add_permits(1);
        assert!(is_not_accepted(refresh.await.unwrap().unwrap_err()));
        way.hook().cut(false);
        // Where the store did not take it, it is not there yet.
        let login = server.sign_in().unwrap();
        slow.put(&key(), &login).await.unwrap();
        other.revoke(&key()).await.unwrap();
        let revoked = of_other.revoked.lock().unwrap().clone();
        assert_eq!(revoked, ["two", "one", login.refresh_token().unwrap()], "{is_cut}");
    }
}

/// Has a store lose its last write right after a certain look, and give its number to another record.
struct GoingBack {
    store: Lagging,
    /// After so many looks.
    looks: AtomicUsize,
    instead: Bytes,
}

#[async_trait]
impl StoreHook for GoingBack {
    async fn after(&self, call: &StoreCall<'_>) -> Result<(), StoreError> {
        if let (StoreOperation::Load, Some(key)) = (call.operation, call.key)
            && self.looks.fetch_sub(1, Ordering::SeqCst) == 1
        {
            self.store.lose(1);
            self.store.save(key, self.instead.clone(), Expected::Any, None).await?;
        }
        Ok(())
    }
}

#[tokio::test]
async fn a_refusal_is_not_noted_over_what_got_the_number_of_a_lost_write() {
    let server = RotatingServer::new();
    let (elsewhere, login) = (Lagging::default(), server.sign_in().unwrap());
    builder(elsewhere.clone(), &server).build().unwrap().put(&key(), &login).await.unwrap();
    let instead = elsewhere.found(&key()).unwrap().sealed;
    let store = Lagging::default();
    builder(store.clone(), &server)
        .build()
        .unwrap()
        .put(&key(), &server.sign_in_expired().unwrap())
        .await
        .unwrap();
    server.fail_next(ServerFault::Reply(400, r#"{"error": "invalid_grant"}"#, None));
    // The first look, the one under the lease, and the one after the refusal.
    let going_back = GoingBack { store: store.clone(), looks: AtomicUsize::new(3), instead };
    let going_back = HookedStore::new(store, going_back);
    let manager = builder(going_back.clone(), &server).build().unwrap();
    assert_eq!(*manager.get_token(&key()).await.unwrap(), login);
    assert_eq!(
        going_back.hook().looks.load(Ordering::SeqCst).cast_signed().signum(),
        -1,
        "the store went back"
    );
    let stored = stored(&manager, &key()).await;
    assert!(stored.dead.is_none() && stored.token.as_ref() == Some(&login));
}

/// A server that does not rotate refresh tokens, and whose replies arrive when this client's gate is opened.
#[derive(Clone, Debug)]
struct Unrotating {
    issued: Arc<AtomicUsize>,
    gate: Arc<Semaphore>,
}

#[async_trait]
impl HttpClient for Unrotating {
    async fn send(&self, _: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let number = self.issued.fetch_add(1, Ordering::SeqCst) + 1;
        let _permit = self.gate.acquire().await.unwrap();
        let reply = format!(r#"{{"access_token":"AT-{number}","token_type":"Bearer","expires_in":3600}}"#);
        Ok(Response::builder().header("content-type", "application/json").body(reply.into()).unwrap())
    }
}

#[tokio::test]
async fn a_late_token_does_not_replace_a_newer_one_with_the_same_refresh_token() {
    let (server, clock, issued) = (RotatingServer::new(), Hands::new(), Arc::new(AtomicUsize::new(0)));
    let store = MemoryStore::new();
    let ways = [Way::to(store.clone()), Way::to(store.clone())];
    let gates = [0, 1].map(|open| Arc::new(Semaphore::new(open)));
    let [one, other] = [0, 1].map(|process| {
        let http = Unrotating { issued: Arc::clone(&issued), gate: Arc::clone(&gates[process]) };
        TokenManager::builder(ways[process].clone(), sealer())
            .provider(Arc::new(server.client().with_http_client(http)))
            .recover_every(Duration::MAX)
            .clock(clock.clone())
            .lease_lifetime(SECOND / 3)
            .build()
            .unwrap()
    });
    one.put(&key(), &server.sign_in_expired().unwrap()).await.unwrap();
    // The lease of the first process expires while the reply to it is under way.
    ways[0].hook().extends_nothing.store(true, Ordering::SeqCst);
    let late = getting(&one);
    until(|| issued.load(Ordering::SeqCst) == 1).await;
    assert_eq!(other.get_token(&key()).await.unwrap().access_token(), "AT-2");
    // The newer token is due, and marked, when the older one is saved at last.
    clock.forward(HOUR);
    let _ = gates[1].acquire().await.map(tokio::sync::SemaphorePermit::forget);
    let newest = getting(&other);
    until(|| issued.load(Ordering::SeqCst) == 3).await;
    gates[0].add_permits(1);
    sleep(SECOND / 5).await;
    assert_eq!(stored(&other, &key()).await.token.unwrap().access_token(), "AT-2");
    gates[1].add_permits(1);
    assert_eq!(newest.await.unwrap().unwrap().access_token(), "AT-3");
    assert_eq!(late.await.unwrap().unwrap().access_token(), "AT-3");
}

/// Has another process change the record when a login is about to be saved, and then fails.
#[derive(Default)]
struct Meddling {
    refreshes: std::sync::Mutex<Option<(TokenManager, Hands)>>,
}

#[async_trait]
impl StoreHook for Meddling {
    async fn before(&self, call: &StoreCall<'_>) -> Result<(), StoreError> {
        if call.operation != StoreOperation::Save {
            return Ok(());
        }
        let meddling = self.refreshes.lock().unwrap().take();
        let Some((other, clock)) = meddling else { return Ok(()) };
        for _ in 0..2 {
            assert!(matches!(other.get_token(&key()).await, Err(TokenError::RefreshFailed { .. })));
            clock.forward(HOUR);
        }
        Err(StoreError::transient(call.operation, "the way to the store is cut"))
    }
}

#[tokio::test]
async fn a_login_that_was_not_saved_is_saved_however_often_others_have_saved() {
    let (server, clock, store) = (RotatingServer::new(), Hands::new(), MemoryStore::new());
    let other = builder(store.clone(), &server).clock(clock.clone()).build().unwrap();
    other.put(&key(), &server.sign_in_expired().unwrap()).await.unwrap();
    server.fail_next(ServerFault::Reply(500, "", None));
    server.fail_next(ServerFault::Reply(500, "", None));
    let way = HookedStore::new(store, Meddling::default());
    let one = builder(way.clone(), &server).build().unwrap();
    // A mark and a note, and once more: four saves, none of which is the login's.
    *way.hook().refreshes.lock().unwrap() = Some((other, clock));
    let new = server.sign_in().unwrap();
    one.put(&key(), &new).await.unwrap();
    assert_eq!(server.token_requests(), 2);
    assert_eq!(stored(&one, &key()).await.token.as_ref(), Some(&new));
}

#[tokio::test]
async fn a_grant_that_was_ended_stays_ended_though_a_new_token_comes_late() {
    for is_refused in [false, true] {
        let (server, store) = (RotatingServer::new(), MemoryStore::new());
        let way = Way::to(store.clone());
        let (one, gate) = gated(way.clone(), &server, &Hands::new());
        let other = builder(store, &server).build().unwrap();
        other.put(&key(), &server.sign_in_expired().unwrap()).await.unwrap();
        if is_refused {
            server.fail_next(ServerFault::Reply(400, r#"{"error":"invalid_grant"}"#, None));
        }
        // Its lease expires while the reply is under way, and so nobody waits for it.
        way.hook().extends_nothing.store(true, Ordering::SeqCst);
        let late = getting(&one);
        until(|| server.token_requests() == 1).await;
        assert!(other.mark_dead(&key(), &DeadMark::new("consent_revoked")).await.unwrap());
        gate.add_permits(1);
        for outcome in [late.await.unwrap(), one.get_token(&key()).await, other.get_token(&key()).await] {
            let Err(TokenError::Dead { grant, .. }) = outcome else { panic!("{outcome:?}") };
            assert!(
                matches!(grant.reason, DeadReason::MarkedDead { .. }),
                "{is_refused}: {:?}",
                grant.reason
            );
        }
        if !is_refused {
            // The new token is not lost: it is the one to revoke.
            let kept = stored(&other, &key()).await.token.unwrap();
            assert!(server.accepts(kept.refresh_token().unwrap()));
        }
    }
}

/// One process's manager, whose replies from the server arrive when the gate is opened.
fn gated(
    store: impl TokenStore + 'static,
    server: &RotatingServer,
    clock: &Hands,
) -> (TokenManager, Arc<Semaphore>) {
    let gate = Arc::new(Semaphore::new(0));
    let http = Gated { server: server.clone(), gate: Arc::clone(&gate) };
    let manager = TokenManager::builder(store, sealer())
        .provider(Arc::new(server.client().with_http_client(http)))
        .recover_every(Duration::MAX)
        .clock(clock.clone())
        .lease_lifetime(SECOND / 3)
        .build()
        .unwrap();
    (manager, gate)
}

type Getting = JoinHandle<Result<Arc<OAuth2Token>, TokenError>>;

fn getting(manager: &TokenManager) -> Getting {
    let manager = manager.clone();
    tokio::spawn(async move { manager.get_token(&key()).await })
}

#[tokio::test]
async fn a_login_that_was_noted_as_dead_gets_the_late_refresh_token_and_keeps_its_access_token() {
    let (server, clock, store) = (RotatingServer::new(), Hands::new(), MemoryStore::new());
    let way = Way::to(store.clone());
    let (one, gate) = gated(way.clone(), &server, &clock);
    let other = builder(store, &server).clock(clock.clone()).build().unwrap();
    one.put(&key(), &expired(&of_ada(&server.sign_in().unwrap()))).await.unwrap();
    way.hook().extends_nothing.store(true, Ordering::SeqCst);
    let late = getting(&one);
    until(|| server.token_requests() == 1).await;
    let later = again(&server);
    assert_eq!(other.put(&key(), &later).await.unwrap(), Put::WithStoredRefreshToken);
    // The lease expires, and another process learns that the refresh token is spent.
    server.fail_next(ServerFault::Reply(400, r#"{"error":"invalid_grant"}"#, None));
    sleep(SECOND / 2).await;
    assert_eq!(other.recover().await.unwrap().dead, 1);
    gate.add_permits(1);
    late.await.unwrap().unwrap();
    let token = stored(&other, &key()).await.token.unwrap();
    assert_eq!(token.access_token(), later.access_token(), "it has what the user granted last");
    assert!(server.accepts(token.refresh_token().unwrap()));
    // Two processes had the predecessor.
    clock.forward(HOUR);
    server.fail_next(ServerFault::Reply(400, r#"{"error":"invalid_grant"}"#, None));
    let Err(TokenError::Dead { grant, .. }) = other.get_token(&key()).await else { panic!("it was refused") };
    assert!(matches!(grant.reason, DeadReason::LostInRefresh { .. }), "{:?}", grant.reason);
}

/// Loses the reply to a save, and does not say so before a refresh has ended.
#[derive(Default)]
struct Forgetful(std::sync::Mutex<Option<(Arc<Semaphore>, Getting)>>);

#[async_trait]
impl StoreHook for Forgetful {
    async fn after(&self, call: &StoreCall<'_>) -> Result<(), StoreError> {
        if call.operation != StoreOperation::Save {
            return Ok(());
        }
        let forgets = self.0.lock().unwrap().take();
        let Some((gate, refresh)) = forgets else { return Ok(()) };
        gate.add_permits(1);
        refresh.await.unwrap().unwrap();
        Err(StoreError::transient(call.operation, "the reply was lost"))
    }
}

#[tokio::test]
async fn a_login_is_not_saved_once_more_over_the_refresh_token_that_came_for_it() {
    let (server, clock, store) = (RotatingServer::new(), Hands::new(), MemoryStore::new());
    let (one, gate) = gated(store.clone(), &server, &clock);
    let way = HookedStore::new(store.clone(), Forgetful::default());
    let other = builder(way.clone(), &server).build().unwrap();
    one.put(&key(), &expired(&of_ada(&server.sign_in().unwrap()))).await.unwrap();
    let refresh = getting(&one);
    until(|| server.token_requests() == 1).await;
    *way.hook().0.lock().unwrap() = Some((gate, refresh));
    let later = again(&server);
    assert_eq!(other.put(&key(), &later).await.unwrap(), Put::WithStoredRefreshToken);
    // The first login, the mark, the second login, and that with the new refresh token. Once more would be older than what others have seen.
    assert_eq!(store.load(&key()).await.unwrap().unwrap().version, 4);
    let token = stored(&one, &key()).await.token.unwrap();
    assert_eq!(token.access_token(), later.access_token());
    assert!(server.accepts(token.refresh_token().unwrap()));
}
