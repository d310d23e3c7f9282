//! Two processes at one refresh token, because one of them was cut off from the store: what the model in `tests/model` found.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use oauth_core::{
    HttpClient, HttpError, Provider, async_trait,
    bytes::Bytes,
    http::{Request, Response},
};
use oauth_tokens::{
    DeadReason, Error, Expected, MemoryStore, StoreError, StoreOperation, TokenManager, TokenStore,
    testkit::{HookedStore, RotatingServer, ServerFault, StoreCall, StoreHook},
};
use tokio::{sync::Semaphore, time::sleep};

use crate::{
    losses::Lagging,
    support::{Hands, builder, key, sealer, stored},
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
    assert!(matches!(unsaved, Err(Error::NotSaved { .. })), "{unsaved:?}");
    // The other process notes the trouble, finds the mark under an expired lease, and waits for somewhat more than four seconds.
    assert!(matches!(other.get_token(&key()).await, Err(Error::Store { .. })));
    sleep(SECOND).await;
    of_other.hook().cut(false);
    let looks = of_other.hook().looks.load(Ordering::SeqCst);
    let asking = tokio::spawn({
        let other = other.clone();
        async move {
            loop {
                match other.get_token(&key()).await {
                    Ok(token) => return token,
                    Err(Error::Store { .. }) => sleep(SECOND / 20).await,
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
    let is_lost = |error: &Error| match error {
        Error::Dead { grant, .. } => matches!(grant.reason, DeadReason::LostInRefresh { .. }),
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
