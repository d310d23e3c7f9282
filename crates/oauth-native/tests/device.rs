//! Device logins (RFC 8628) at the public API: as a stream, through outages, and bound to a key.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use oauth_core::{
    ClientSecret, DeviceLogin, DeviceState, Endpoint, Error, ErrorKind, HttpClient, HttpError, HttpErrorKind,
    Login, LoginAttempt, LoginOptions, OAuth2, Operation, Provider, Sealer, SealingKey, Spec, Timer,
    accessors, async_trait,
    bytes::Bytes,
    http::{Request, Response},
    serde_json::{Value, json},
};
use oauth_fapi::{Dpop, DpopKey, DpopProvider, SealedDpopKeys};
use oauth_native::{DeviceProgress, DeviceStates};

const SPEC: Spec = Spec {
    name: "acme",
    endpoints: &[
        (Endpoint::Authorization, "https://as.example/authorize"),
        (Endpoint::Token, "https://as.example/token"),
        (Endpoint::DeviceAuthorization, "https://as.example/device"),
    ],
    scopes: &["read"],
    ..Spec::RFC6749
};

/// Waits for nothing, and notes how long it should have.
#[derive(Clone, Debug, Default)]
struct Naps(Arc<Mutex<Vec<u64>>>);

#[async_trait]
impl Timer for Naps {
    async fn sleep(&self, duration: Duration) -> Result<(), HttpError> {
        self.0.lock().unwrap().push(duration.as_millis().div_ceil(1000) as u64);
        Ok(())
    }
}

type Reply = (u16, Option<&'static str>, Value);

/// Answers one after another, and keeps what was sent.
#[derive(Clone, Debug, Default)]
struct Script {
    replies: Arc<Mutex<VecDeque<Reply>>>,
    sent: Arc<Mutex<Vec<Request<Bytes>>>>,
}

#[async_trait]
impl HttpClient for Script {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        self.sent.lock().unwrap().push(request);
        let Some((status, nonce, body)) = self.replies.lock().unwrap().pop_front() else {
            return Err(HttpError::new(HttpErrorKind::Other));
        };
        let mut reply = Response::builder().status(status).header("content-type", "application/json");
        if let Some(nonce) = nonce {
            reply = reply.header("dpop-nonce", nonce);
        }
        Ok(reply.body(Bytes::from(body.to_string())).unwrap())
    }
}

fn code() -> Reply {
    code_of("DEVICE-CODE")
}

fn code_of(device_code: &str) -> Reply {
    let code = json!({
        "device_code": device_code, "user_code": "WDJB-MJHT", "verification_uri": "https://as.example/activate",
        "expires_in": 1800, "interval": 5,
    });
    (200, None, code)
}

fn error(code: &str) -> Reply {
    (400, None, json!({ "error": code }))
}

fn token() -> Reply {
    (200, None, json!({ "access_token": "AT", "token_type": "Bearer" }))
}

fn script(replies: impl IntoIterator<Item = Reply>) -> Script {
    let script = Script::default();
    script.replies.lock().unwrap().extend(std::iter::once(code()).chain(replies));
    script
}

fn client(http: &Script) -> OAuth2 {
    OAuth2::from_spec(&SPEC, "id", ClientSecret::NONE).with_http_client(http.clone())
}

async fn begun(provider: &dyn Provider) -> (DeviceLogin, Naps) {
    let naps = Naps::default();
    let login = provider.start_device_login(LoginOptions::new()).await.unwrap();
    let timer = Arc::new(naps.clone());
    (login.with_polling(|polling| polling.with_timer(timer)), naps)
}

#[tokio::test]
async fn a_device_login_is_a_stream_that_begins_with_the_code_and_ends_with_the_login() {
    let http = script([error("authorization_pending"), error("slow_down"), (503, None, json!({})), token()]);
    let client = client(&http);
    let (login, _) = begun(&client).await;
    let mut states = DeviceStates::of(&client, login);
    let mut seen = Vec::new();
    while let Some(state) = states.next().await {
        seen.push(match state.unwrap() {
            DeviceProgress::Asked(code) => {
                assert!(!format!("{code:?}").contains("WDJB"), "{code:?}");
                format!("{} at {}", code.user_code, code.verification_uri)
            }
            DeviceProgress::Waiting => "waiting".to_owned(),
            DeviceProgress::SlowedDown(interval) => format!("every {} s", interval.as_secs()),
            DeviceProgress::Unreachable(_) => "unreachable".to_owned(),
            DeviceProgress::Approved(login) => login.token.access_token().to_owned(),
            other => panic!("{other:?}"),
        });
    }
    assert_eq!(
        seen,
        ["WDJB-MJHT at https://as.example/activate", "waiting", "every 10 s", "unreachable", "AT"]
    );
}

#[tokio::test]
async fn a_device_login_that_is_denied_ends_the_stream_with_the_error() {
    let http = script([error("access_denied")]);
    let client = client(&http);
    let (login, _) = begun(&client).await;
    let mut states = DeviceStates::of(&client, login);
    assert!(matches!(states.next().await, Some(Ok(DeviceProgress::Asked(_)))));
    let refusal = states.next().await.unwrap().unwrap_err();
    assert_eq!(refusal.oauth_error().unwrap().code, "access_denied");
    assert!(states.next().await.is_none());
}

/// A provider whose check of the login asks a server that is down now and then.
#[derive(Debug)]
struct Checking {
    oauth2: OAuth2,
    outages: Mutex<u32>,
    is_hostile: bool,
}

#[async_trait]
impl Provider for Checking {
    accessors!();

    async fn check_login(&self, _: &LoginAttempt, _: &Login) -> Result<(), Error> {
        let mut outages = self.outages.lock().unwrap();
        let failed = |kind| Err(self.oauth2.error(Operation::FINISH_LOGIN, kind));
        match (*outages, self.is_hostile) {
            (0, false) => Ok(()),
            (0, true) => failed(ErrorKind::Configuration("another user".to_owned())),
            _ => {
                *outages -= 1;
                failed(ErrorKind::Transport(HttpError::new(HttpErrorKind::Other)))
            }
        }
    }
}

fn checking(http: &Script, outages: u32) -> Checking {
    Checking { oauth2: client(http), outages: Mutex::new(outages), is_hostile: false }
}

#[tokio::test]
async fn dv_05_an_outage_after_the_tokens_came_loses_nothing() {
    let http = script([error("authorization_pending"), token()]);
    let provider = checking(&http, 2);
    let (mut login, naps) = begun(&provider).await;
    assert!(matches!(provider.poll_device_login(&mut login).await.unwrap(), DeviceState::Pending));
    for _ in 0..2 {
        assert!(matches!(provider.poll_device_login(&mut login).await.unwrap(), DeviceState::Failed(_)));
        assert!(!login.is_over());
    }
    let DeviceState::Done(done) = provider.poll_device_login(&mut login).await.unwrap() else { panic!() };
    assert_eq!(done.token.access_token(), "AT");
    assert!(login.is_over());
    // The code was redeemed once, and the checks were repeated at growing intervals.
    assert_eq!(http.sent.lock().unwrap().len(), 3);
    let naps = naps.0.lock().unwrap().clone();
    assert!(naps[2] > 5 && naps[3] > naps[2], "{naps:?}");
    assert!(provider.poll_device_login(&mut login).await.is_err());
}

#[tokio::test]
async fn dv_05_an_outage_without_an_end_gives_the_tokens_back_with_the_error() {
    let http = script([token()]);
    let provider = checking(&http, u32::MAX);
    let (login, naps) = begun(&provider).await;
    let error = provider.finish_device_login(login).await.unwrap_err();
    assert_eq!(error.tokens().unwrap().access_token(), "AT");
    let waited: u64 = naps.0.lock().unwrap().iter().sum();
    assert!((300..1200).contains(&waited), "{waited}");
}

#[tokio::test]
async fn a_login_that_fails_its_checks_is_over_also_after_an_outage() {
    let http = script([token()]);
    let provider = Checking { is_hostile: true, ..checking(&http, 1) };
    let (mut login, _) = begun(&provider).await;
    assert!(matches!(provider.poll_device_login(&mut login).await.unwrap(), DeviceState::Failed(_)));
    let error = provider.poll_device_login(&mut login).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Configuration(_)), "{error:?}");
    assert!(login.is_over());
}

/// The claims of the proof of each request to the token endpoint, and the thumbprint of its key.
fn proofs(http: &Script) -> Vec<(Value, String)> {
    use oauth_core::serde_json::from_slice;

    let sent = http.sent.lock().unwrap();
    let polls = sent.iter().filter(|request| request.uri().path() == "/token");
    polls
        .map(|request| {
            let proof = request.headers()["dpop"].to_str().unwrap();
            let part = |at: usize| -> Value {
                let part = proof.split('.').nth(at).unwrap();
                from_slice(
                    &base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, part).unwrap(),
                )
                .unwrap()
            };
            (part(1), part(0)["jwk"].to_string())
        })
        .collect()
}

#[tokio::test]
async fn dv_09_a_nonce_is_answered_at_once_and_changes_no_interval() {
    let nonce = |nonce| (400, Some(nonce), json!({ "error": "use_dpop_nonce" }));
    let pending = |nonce| (400, Some(nonce), json!({ "error": "authorization_pending" }));
    let bound = (200, Some("n4"), json!({ "access_token": "AT", "token_type": "DPoP" }));
    let http = script([nonce("n1"), pending("n2"), nonce("n3"), pending("n3"), nonce("n4"), bound]);
    let client = client(&http).with_dpop(Dpop::new(DpopKey::generate().unwrap()));
    let (mut login, naps) = begun(&client).await;
    for _ in 0..2 {
        assert!(matches!(client.poll_device_login(&mut login).await.unwrap(), DeviceState::Pending));
        assert_eq!(login.interval(), Duration::from_secs(5));
    }
    assert!(matches!(client.poll_device_login(&mut login).await.unwrap(), DeviceState::Done(_)));
    // Three polls, each sent twice, and one wait before each.
    assert_eq!(*naps.0.lock().unwrap(), [5, 5, 5]);
    let nonces: Vec<_> =
        proofs(&http).iter().map(|(claims, _)| claims["nonce"].as_str().map(str::to_owned)).collect();
    let some = |nonce: &str| Some(nonce.to_owned());
    assert_eq!(nonces, [None, some("n1"), some("n2"), some("n3"), some("n3"), some("n4")]);
}

#[tokio::test]
async fn each_device_login_has_a_key_of_its_own_that_travels_with_its_tokens() {
    let bound = || (200, None, json!({ "access_token": "AT", "token_type": "DPoP", "refresh_token": "RT" }));
    let http = script([error("authorization_pending"), bound(), code_of("ANOTHER"), bound(), bound()]);
    let keys = SealedDpopKeys::new(Sealer::new(SealingKey::from_bytes([7; 32])));
    let client = client(&http).with_refresh_endpoint("https://as.example/token").with_dpop(Dpop::new(keys));
    let mut logins = Vec::new();
    for _ in 0..2 {
        let (login, _) = begun(&client).await;
        logins.push(client.finish_device_login(login).await.unwrap().token);
    }
    // Another process has nothing but what was stored.
    let stored = oauth_core::serde_json::to_string(&logins[0]).unwrap();
    let again = oauth_core::serde_json::from_str(&stored).unwrap();
    client.refresh(&again, None).await.unwrap();
    let keys: Vec<String> = proofs(&http).into_iter().map(|(_, key)| key).collect();
    // Two polls of the first login, one of the second, and the refresh of the first.
    assert_ne!(keys[1], keys[2]);
    assert_eq!(keys[1], keys[3]);
}
