//! Metadata and keys that are kept, where the network, the provider or a shared cache is slow: who waits, how long, and for what.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use oauth_clients::{
    Error, ErrorClass, HttpClient, HttpError, JwtCheck, LoginOptions, Operation, Provider, SharedCache,
    async_trait,
    openid::{CachePolicy, Discovery, Expectations, OpenID, OpenIDProvider},
};
use oauth_core::SharedCacheError;
use serde_json::{Value, json};

use super::op::{CLIENT_ID, CLIENT_SECRET, Endpoint, ISSUER, Key, Op, REDIRECT_URI, Signing, settle};
use crate::support::reply;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);

/// Which endpoint is late, and by how much; `None` for one that never answers.
type Delay = (Endpoint, Option<Duration>);

/// The provider behind a network on which some endpoints take their time, or never answer.
#[derive(Clone, Debug)]
struct Network {
    op: Op,
    delay: Arc<Mutex<Option<Delay>>>,
    begun: Arc<AtomicUsize>,
}

impl Network {
    fn of(op: &Op) -> Self {
        Self { op: op.clone(), delay: Arc::default(), begun: Arc::default() }
    }

    fn client(&self) -> OpenID {
        let client = Discovery::new(ISSUER).with_http_client(self.clone());
        let client = client.client(CLIENT_ID, CLIENT_SECRET).unwrap();
        client.with_policy(|policy| policy.clock(self.op.clock.clone()))
    }

    fn delay(&self, endpoint: Endpoint, by: Option<Duration>) {
        *self.delay.lock().unwrap() = Some((endpoint, by));
    }

    /// How many delayed requests were begun.
    fn begun(&self) -> usize {
        self.begun.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl HttpClient for Network {
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, HttpError> {
        let delay = *self.delay.lock().unwrap();
        let asked = Endpoint::of(&request.uri().to_string());
        if let Some((_, by)) = delay.filter(|(endpoint, _)| *endpoint == asked) {
            self.begun.fetch_add(1, Ordering::SeqCst);
            match by {
                Some(by) => tokio::time::sleep(by).await,
                None => std::future::pending().await,
            }
        }
        self.op.send(request).await
    }
}

async fn verify(op: &Op, client: &OpenID) -> Result<(), Error> {
    let token = op.id_token(json!({}));
    client.verify_id_token(&token, &Expectations::new().without_nonce()).await.map(drop)
}

fn made_up(op: &Op, kid: &str) -> String {
    Signing::Bytes(vec![1; 256]).token(&json!({"alg": "RS256", "kid": kid}), &op.claims())
}

#[tokio::test]
async fn jk_07_stale_keys_are_served_at_once_while_the_endpoint_hangs() {
    let op = Op::new();
    let network = Network::of(&op);
    let client = network.client();
    client.warm_up().await.unwrap();
    network.delay(Endpoint::Keys, None);
    op.clock.advance(3 * HOUR);
    let began = Instant::now();
    for _ in 0..20 {
        verify(&op, &client).await.unwrap();
    }
    assert!(began.elapsed() < SECOND, "{:?}", began.elapsed());
    assert_eq!(network.begun(), 1, "one request, in the background");
}

#[tokio::test]
async fn md_08_stale_metadata_is_served_at_once_while_the_endpoint_hangs() {
    let op = Op::new();
    let network = Network::of(&op);
    let client = network.client();
    client.metadata().await.unwrap();
    network.delay(Endpoint::Discovery, None);
    op.clock.advance(20 * HOUR);
    let began = Instant::now();
    for _ in 0..20 {
        client.start_login(REDIRECT_URI, LoginOptions::new()).await.unwrap();
    }
    assert!(began.elapsed() < SECOND, "{:?}", began.elapsed());
    assert_eq!(network.begun(), 1);
}

#[tokio::test]
async fn jk_07_keys_beyond_their_bound_are_not_used_and_hold_nobody_up_for_long() {
    let op = Op::new();
    let network = Network::of(&op);
    let client = network.client();
    client.warm_up().await.unwrap();
    network.delay(Endpoint::Keys, None);
    // Ten minutes fresh, and four hours stale.
    op.clock.advance(4 * HOUR + 11 * MINUTE);
    let began = Instant::now();
    let error = verify(&op, &client).await.unwrap_err();
    assert_eq!(error.operation(), Operation::GET_KEYS);
    assert!(matches!(error.class(), ErrorClass::Transient { .. }), "{error}");
    assert!(began.elapsed() < 7 * SECOND, "{:?}", began.elapsed());
    // The request goes on, and those who come later are not held up again.
    let began = Instant::now();
    verify(&op, &client).await.unwrap_err();
    assert!(began.elapsed() < SECOND, "{:?}", began.elapsed());
    assert_eq!(network.begun(), 1);
}

#[tokio::test]
async fn jk_07_a_key_that_was_taken_out_is_not_trusted_again_where_the_provider_answers() {
    let op = Op::new();
    let client = op.client();
    client.warm_up().await.unwrap();
    let token = op.id_token(json!({}));
    op.bend(|state| state.jwks = json!({"keys": [Key::P256.jwk("ec", "ES256")]}));
    op.clock.advance(11 * MINUTE);
    let error = client.verify_id_token(&token, &Expectations::new().without_nonce()).await.unwrap_err();
    assert!(matches!(error.jwt_check(), Some(JwtCheck::Key | JwtCheck::Expiry)), "{error}");
}

#[tokio::test]
async fn jk_04_senders_who_hang_up_neither_repeat_a_request_nor_stall_a_login() {
    let op = Op::new();
    let network = Network::of(&op);
    let client = network.client();
    client.metadata().await.unwrap();
    network.delay(Endpoint::Keys, Some(Duration::from_millis(200)));
    let began = Instant::now();
    for number in 0..40 {
        let token = made_up(&op, &format!("made-up-{number}"));
        let expected = Expectations::new().without_nonce();
        let sent = client.verify_id_token(&token, &expected);
        // Each gives up before the provider answers.
        let _ = tokio::time::timeout(Duration::from_millis(5), sent).await;
    }
    verify(&op, &client).await.unwrap();
    assert!(began.elapsed() < SECOND, "{:?}", began.elapsed());
    assert!(network.begun() <= 2, "{}", network.begun());
}

#[tokio::test]
async fn jk_04_servers_that_know_different_keys_do_not_cancel_the_pause() {
    let op = Op::new();
    let mut number = 0;
    op.bend(|state| {
        state.answer(Endpoint::Keys, move |_| {
            number += 1;
            let keys = json!({"keys": [Key::Rsa.jwk("rsa", "RS256"), Key::P256.jwk(&format!("k-{number}"), "ES256")]});
            Some(reply(200, "application/json", keys.to_string()))
        });
    });
    let client = op.client();
    client.warm_up().await.unwrap();
    for number in 0..50 {
        let token = made_up(&op, &format!("made-up-{number}"));
        let error = client.verify_id_token(&token, &Expectations::new().without_nonce()).await.unwrap_err();
        assert_eq!(error.jwt_check(), Some(JwtCheck::Key));
    }
    assert_eq!(op.count(Endpoint::Keys), 2, "once for the store, and once for an unknown key");
    verify(&op, &client).await.unwrap();
}

#[tokio::test]
async fn those_who_wait_for_keys_are_bounded() {
    let op = Op::new();
    let network = Network::of(&op);
    let client = network.client();
    client.metadata().await.unwrap();
    network.delay(Endpoint::Keys, None);
    let (sender, mut outcomes) = tokio::sync::mpsc::unbounded_channel();
    for _ in 0..1500 {
        let (op, client, sender) = (op.clone(), client.clone(), sender.clone());
        tokio::spawn(async move { sender.send(verify(&op, &client).await) });
    }
    settle().await;
    let mut refused = 0;
    while let Ok(outcome) = outcomes.try_recv() {
        let error = outcome.unwrap_err();
        assert!(matches!(error.class(), ErrorClass::Transient { .. }), "{error}");
        refused += 1;
    }
    assert!((400..=600).contains(&refused), "{refused} were told at once");
    assert_eq!(network.begun(), 1);
}

/// A cache that never answers.
#[derive(Debug)]
struct Hangs;

#[async_trait]
impl SharedCache for Hangs {
    async fn get(&self, _: &str) -> Result<Option<Bytes>, SharedCacheError> {
        std::future::pending().await
    }

    async fn put(&self, _: &str, _: Bytes, _: Duration) -> Result<(), SharedCacheError> {
        std::future::pending().await
    }

    async fn put_new(&self, _: &str, _: Bytes, _: Duration) -> Result<bool, SharedCacheError> {
        std::future::pending().await
    }

    async fn take(&self, _: &str) -> Result<Option<Bytes>, SharedCacheError> {
        std::future::pending().await
    }
}

#[tokio::test]
async fn a_shared_cache_that_hangs_costs_a_login_less_than_a_second() {
    let op = Op::new();
    let client = op.client_with(|policy| policy.shared_cache(Arc::new(Hangs)).trust_domain("tests"));
    let began = Instant::now();
    op.login(&client, LoginOptions::new()).await.unwrap();
    assert!(began.elapsed() < SECOND, "{:?}", began.elapsed());
    assert_eq!(op.counts(), [1, 1, 1, 0]);
}

/// An HTTP client with a bug.
#[derive(Debug)]
struct Panics(Arc<AtomicUsize>);

#[async_trait]
impl HttpClient for Panics {
    async fn send(&self, _: http::Request<Bytes>) -> Result<http::Response<Bytes>, HttpError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        panic!("a bug of the application's")
    }
}

#[tokio::test]
async fn an_http_client_that_panics_leaves_nobody_waiting() {
    let count = Arc::new(AtomicUsize::new(0));
    let client = Discovery::new(ISSUER).with_http_client(Panics(count.clone()));
    let client = client.client(CLIENT_ID, CLIENT_SECRET).unwrap();
    for _ in 0..2 {
        let error = client.metadata().await.unwrap_err();
        assert!(matches!(error.class(), ErrorClass::Transient { .. }), "{error}");
    }
    assert!(count.load(Ordering::SeqCst) <= 6);
}

#[test]
fn without_a_runtime_a_client_reads_what_it_needs_by_itself() {
    // An executor of a few lines: nothing here waits for a timer or a socket.
    fn run<T>(future: impl Future<Output = T>) -> T {
        let mut future = std::pin::pin!(future);
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        loop {
            if let std::task::Poll::Ready(value) = future.as_mut().poll(&mut context) {
                return value;
            }
        }
    }
    #[derive(Debug)]
    struct Direct(Value, Value);
    #[async_trait]
    impl HttpClient for Direct {
        async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, HttpError> {
            let is_keys = Endpoint::of(&request.uri().to_string()) == Endpoint::Keys;
            let body = if is_keys { &self.1 } else { &self.0 };
            Ok(reply(200, "application/json", body.to_string()))
        }
    }
    let op = Op::new();
    let metadata = op.state().metadata.clone();
    let jwks = op.state().jwks.clone();
    let client = Discovery::new(ISSUER).with_http_client(Direct(metadata, jwks));
    let client = client.client(CLIENT_ID, CLIENT_SECRET).unwrap();
    let client = client.with_policy(|policy| policy.clock(op.clock.clone()));
    run(async {
        for age in [0, 11, 60, 600] {
            op.clock.advance(age * MINUTE);
            verify(&op, &client).await.unwrap();
        }
        let error = client
            .verify_id_token(&made_up(&op, "made-up"), &Expectations::new().without_nonce())
            .await
            .unwrap_err();
        assert_eq!(error.jwt_check(), Some(JwtCheck::Key));
    });
}

#[test]
fn a_runtime_that_ends_leaves_nobody_waiting() {
    let op = Op::new();
    let network = Network::of(&op);
    let client = network.client();
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let first = runtime();
    first.block_on(client.metadata()).unwrap();
    network.delay(Endpoint::Keys, None);
    first.block_on(async {
        let _ = tokio::time::timeout(Duration::from_millis(50), verify(&op, &client)).await;
    });
    // The task ends with its runtime, in the middle of the request.
    drop(first);
    *network.delay.lock().unwrap() = None;
    runtime().block_on(verify(&op, &client)).unwrap();
}

#[tokio::test]
async fn a_policy_may_keep_nothing_stale() {
    let op = Op::new();
    let network = Network::of(&op);
    let fresh_only = CachePolicy { stale: Duration::ZERO, ..CachePolicy::KEYS };
    let client = network.client().with_policy(|policy| policy.key_cache(fresh_only));
    client.warm_up().await.unwrap();
    op.bend(|state| state.down = vec![Endpoint::Keys]);
    op.clock.advance(11 * MINUTE);
    assert_eq!(verify(&op, &client).await.unwrap_err().operation(), Operation::GET_KEYS);
}

#[tokio::test]
async fn large_metadata_serves_as_any_other() {
    // 700 KB of what nobody needs, before and after what is needed.
    let op = Op::new();
    op.bend(|state| {
        for name in ["a_list", "z_list"] {
            state.metadata[name] = json!(vec![1; 175_000]);
        }
        for number in 0..5_000 {
            state.metadata[format!("member_{number}")] = "x".into();
        }
    });
    let client = op.client();
    op.login(&client, LoginOptions::new()).await.unwrap();
    client.start_logout(oauth_clients::openid::LogoutRequest::new()).await.unwrap();
    let metadata = client.metadata().await.unwrap().unwrap();
    assert_eq!(metadata.text("token_endpoint"), Some("https://op.example/token"));
    assert_eq!(metadata.members()["z_list"].as_array().unwrap().len(), 175_000);
    assert_eq!(metadata.members(), *op.state().metadata.as_object().unwrap());
}
