//! The device grant (RFC 8628) against servers that do what they like: rows DV and DG.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use oauth_clients::{
    ClientAuth, ClientSecret, DeviceLogin, DeviceState, Endpoint, Error, ErrorClass, ErrorKind, HttpError,
    LoginError, LoginOptions, OAuth2, OAuth2Token, Provider, Spec, Timer, async_trait,
    provider_kit::{DeviceSpec, NativeSpec},
};
use oauth_native::{Environment, Method, NativeSignInError, qr_code, sign_in};
use serde_json::{Value, json};

use super::program::{Browser, Talk, options};
use crate::support::{Script, reply};

/// Waits for nothing, and notes how long it should have.
#[derive(Clone, Debug, Default)]
pub(super) struct Naps(Arc<Mutex<Vec<u64>>>);

#[async_trait]
impl Timer for Naps {
    async fn sleep(&self, duration: Duration) -> Result<(), HttpError> {
        self.0.lock().unwrap().push(duration.as_millis().div_ceil(1000) as u64);
        Ok(())
    }
}

const SPEC: Spec = Spec {
    name: "acme",
    endpoints: &[
        (Endpoint::Authorization, "https://as.example/authorize"),
        (Endpoint::Token, "https://as.example/token"),
        (Endpoint::DeviceAuthorization, "https://as.example/device"),
    ],
    scopes: &["read", "write"],
    ..Spec::RFC6749
};

fn code() -> Value {
    json!({
        "device_code": "DEVICE-CODE", "user_code": "WDJB-MJHT", "verification_uri": "https://as.example/activate",
        "verification_uri_complete": "https://as.example/activate?user_code=WDJB-MJHT", "expires_in": 1800, "interval": 5,
    })
}

type Reply = http::Response<bytes::Bytes>;

fn answer(status: u16, body: &Value) -> Reply {
    reply(status, "application/json", body.to_string())
}

fn error(status: u16, code: &str) -> Reply {
    answer(status, &json!({"error": code}))
}

fn token() -> Reply {
    answer(200, &json!({"access_token": "AT", "token_type": "Bearer", "scope": "read write"}))
}

fn client(spec: &Spec, replies: impl IntoIterator<Item = Reply>) -> (OAuth2, Script) {
    let http = Script::new(std::iter::once(answer(200, &code())).chain(replies));
    (OAuth2::from_spec(spec, "id", ClientSecret::NONE).with_http_client(http.clone()), http)
}

async fn begun(client: &OAuth2) -> (DeviceLogin, Naps) {
    let naps = Naps::default();
    let login = client.start_device_login(LoginOptions::new()).await.unwrap();
    let timer = Arc::new(naps.clone());
    (login.with_polling(|polling| polling.with_timer(timer)), naps)
}

/// How a login ends with these answers, how long it was waited before each, and what was sent.
async fn ended(spec: &Spec, replies: Vec<Reply>) -> (Result<OAuth2Token, Error>, Vec<u64>, Script) {
    let (client, http) = client(spec, replies);
    let (login, naps) = begun(&client).await;
    let outcome = client.finish_device_login(login).await.map(|login| login.token);
    let naps = naps.0.lock().unwrap().clone();
    (outcome, naps, http)
}

#[tokio::test]
async fn dv_07_a_public_client_sends_its_id_to_both_endpoints() {
    let (outcome, _, http) = ended(&SPEC, vec![error(400, "authorization_pending"), token()]).await;
    assert_eq!(outcome.unwrap().access_token(), "AT");
    let sent = http.requests();
    let forms: Vec<_> = sent.iter().map(|sent| (&*sent.url, sent.form())).collect();
    let own = |pairs: &[(&str, &str)]| crate::support::owned(pairs);
    assert_eq!(forms[0], ("https://as.example/device", own(&[("scope", "read write"), ("client_id", "id")])));
    let poll = own(&[
        ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
        ("device_code", "DEVICE-CODE"),
        ("client_id", "id"),
    ]);
    assert_eq!(forms[1], ("https://as.example/token", poll.clone()));
    assert_eq!(forms[2], ("https://as.example/token", poll));
}

#[tokio::test]
async fn dv_07_a_confidential_client_authenticates_at_both() {
    let (client, http) = client(&SPEC, [token()]);
    let client = OAuth2::from_spec(&SPEC, "id", "secret")
        .with_client_auth(ClientAuth::Basic)
        .with_http_client(client.chosen_http_client().unwrap().clone());
    let (login, _) = begun(&client).await;
    client.finish_device_login(login).await.unwrap();
    for sent in http.requests() {
        assert_eq!(sent.header("authorization"), Some("Basic aWQ6c2VjcmV0"));
    }
}

#[tokio::test]
async fn dv_02_slow_down_adds_five_seconds_for_good() {
    let pending = || error(400, "authorization_pending");
    let slow = || error(400, "slow_down");
    let (outcome, naps, _) =
        ended(&SPEC, vec![pending(), slow(), pending(), slow(), pending(), token()]).await;
    outcome.unwrap();
    assert_eq!(naps, [5, 5, 10, 10, 15, 15]);
}

#[tokio::test]
async fn dg_03_the_interval_that_slow_down_names_counts_if_it_is_longer() {
    let slow = |interval: Value| answer(400, &json!({"error": "slow_down", "interval": interval}));
    let (outcome, naps, _) = ended(&SPEC, vec![slow(json!(20)), slow(json!("3")), token()]).await;
    outcome.unwrap();
    assert_eq!(naps, [5, 20, 25]);
}

#[tokio::test]
async fn dg_02_each_spelling_at_each_status_means_the_same() {
    for status in [200, 400, 403, 428, 429] {
        let (outcome, _, http) = ended(&SPEC, vec![error(status, "authorization_pending"), token()]).await;
        assert!(outcome.is_ok(), "{status}: {outcome:?}");
        assert_eq!(http.requests().len(), 3);
        for (said, meant) in [
            ("access_denied", "access_denied"),
            ("authorization_declined", "access_denied"),
            ("expired_token", "expired_token"),
            ("token_expired", "expired_token"),
            ("bad_verification_code", "invalid_grant"),
            ("incorrect_device_code", "invalid_grant"),
        ] {
            let (outcome, _, http) = ended(&SPEC, vec![error(status, said)]).await;
            let error = outcome.unwrap_err();
            assert_eq!(error.oauth_error().map(|error| &*error.code), Some(meant), "{status} {said}");
            // Nothing more is asked after it (DV-03).
            assert_eq!(http.requests().len(), 2);
        }
    }
    for (status, said, class) in [
        (400, "access_denied", ErrorClass::Reauthorize),
        (400, "expired_token", ErrorClass::Reauthorize),
        (400, "device_flow_disabled", ErrorClass::Protocol),
        (400, "unsupported_grant_type", ErrorClass::Configuration),
        (401, "invalid_client", ErrorClass::Configuration),
    ] {
        let (outcome, _, http) = ended(&SPEC, vec![error(status, said)]).await;
        assert_eq!(outcome.unwrap_err().class(), class, "{said}");
        assert_eq!(http.requests().len(), 2, "{said}");
    }
}

#[tokio::test]
async fn dv_03_an_end_is_the_end() {
    let (client, http) = client(&SPEC, [error(400, "access_denied")]);
    let (mut login, _) = begun(&client).await;
    client.poll_device_login(&mut login).await.unwrap_err();
    assert!(login.is_over());
    let again = client.poll_device_login(&mut login).await.unwrap_err();
    assert_eq!(again.class(), ErrorClass::Configuration);
    assert_eq!(http.requests().len(), 2);
}

#[tokio::test]
async fn dv_04_it_ends_when_the_code_has_expired() {
    let pending = (0..1000).map(|_| error(400, "authorization_pending")).collect();
    let (outcome, naps, http) = ended(&SPEC, pending).await;
    let error = outcome.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Login(LoginError::Expired)), "{error:?}");
    assert!(naps.iter().sum::<u64>() <= 1805, "{naps:?}");
    assert!(http.requests().len() <= 1 + 1800 / 5);
}

#[tokio::test]
async fn dv_05_an_outage_is_waited_out_at_growing_intervals() {
    let down = || answer(503, &json!({}));
    let busy = || {
        let mut busy = answer(503, &json!({}));
        busy.headers_mut().insert("retry-after", "17".parse().unwrap());
        busy
    };
    let (outcome, naps, _) = ended(&SPEC, vec![down(), down(), busy(), token()]).await;
    outcome.unwrap();
    assert_eq!(naps[0], 5);
    assert!(naps[1] > 5 && naps[2] > naps[1] && naps[3] >= 17, "{naps:?}");
}

#[tokio::test]
async fn dv_06_the_user_sees_an_address_that_is_one() {
    for (name, value) in [
        ("verification_uri", json!("javascript:alert(1)")),
        ("verification_uri", json!("http://as.example/activate")),
        ("verification_uri", Value::Null),
        ("verification_uri_complete", json!("data:text/html,x")),
        ("user_code", json!("\u{1b}]0;x\u{7}")),
        ("device_code", json!("")),
    ] {
        let mut bad = code();
        bad[name] = value.clone();
        let http = Script::json(200, &bad);
        let client = OAuth2::from_spec(&SPEC, "id", ClientSecret::NONE).with_http_client(http);
        let error = client.start_device_login(LoginOptions::new()).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::MalformedReply { .. }), "{name} {value}: {error:?}");
    }
}

#[tokio::test]
async fn dv_10_nothing_shows_the_device_code() {
    let echo = json!({"error": "invalid_request", "error_description": "no such code: DEVICE-CODE"});
    let (client, _) = client(&SPEC, [answer(400, &echo)]);
    let (mut login, _) = begun(&client).await;
    assert!(!format!("{login:?}").contains("DEVICE-CODE") && !format!("{login:?}").contains("WDJB"));
    let error = client.poll_device_login(&mut login).await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("DEVICE-CODE"), "{error:?}");
}

#[tokio::test]
async fn dg_04_a_providers_words_are_sent_and_understood() {
    const WORDED: Spec = Spec {
        native: NativeSpec {
            device: DeviceSpec {
                client_auth: Some(ClientAuth::None),
                params: &[("response_type", "device_code"), ("scopes", "{scope}")],
                poll_endpoint: Endpoint::Other("poll"),
                poll_client_auth: Some(ClientAuth::Post),
                poll_params: &[
                    ("code", "{device_code}"),
                    ("user_code", "{user_code}"),
                    ("key", "a{client_id}|b"),
                ],
                code_at: Some("/errors/0/code"),
                codes: &[("17", "authorization_pending"), ("410", "expired_token")],
                ..DeviceSpec::RFC8628
            },
            ..NativeSpec::RFC8252
        },
        endpoints: &[
            (Endpoint::Authorization, "https://as.example/authorize"),
            (Endpoint::Token, "https://as.example/token"),
            (Endpoint::DeviceAuthorization, "https://as.example/device"),
            (Endpoint::Other("poll"), "https://as.example/poll"),
        ],
        ..SPEC
    };
    let pending = answer(418, &json!({"errors": [{"code": 17}]}));
    let (outcome, _, http) = ended(&WORDED, vec![pending, reply(410, "text/plain", "")]).await;
    let error = outcome.unwrap_err();
    assert_eq!(error.oauth_error().map(|error| &*error.code), Some("expired_token"));
    let sent = http.requests();
    let own = |pairs: &[(&str, &str)]| crate::support::owned(pairs);
    assert_eq!(
        sent[0].form(),
        own(&[("response_type", "device_code"), ("scopes", "read write"), ("client_id", "id")])
    );
    assert_eq!(sent[1].url, "https://as.example/poll");
    let poll =
        own(&[("code", "DEVICE-CODE"), ("user_code", "WDJB-MJHT"), ("key", "aid|b"), ("client_id", "id")]);
    assert_eq!(sent[1].form(), poll);
}

#[tokio::test]
async fn a_setting_that_a_device_login_needs_is_missed_before_anything_is_sent() {
    let http = Script::default();
    let facebook =
        oauth_clients::facebook::FacebookOAuth2::new("id", "secret").with_http_client(http.clone());
    let error = facebook.start_device_login(LoginOptions::new()).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Configuration);
    assert!(error.to_string().contains("client_token"), "{error}");
    let none = OAuth2::new("id", "secret", "https://as.example/authorize", "https://as.example/token");
    let error = none.start_device_login(LoginOptions::new()).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Unsupported(_)), "{error:?}");
    assert_eq!(http.requests().len(), 0);
}

#[tokio::test]
async fn what_is_asked_for_besides_is_sent_but_no_secret() {
    let (client, http) = client(&SPEC, []);
    let options =
        LoginOptions::new().scopes(["one"]).extras_params(&json!({"audience": "https://api.example"}));
    client.start_device_login(options).await.unwrap();
    let form = http.requests().remove(0).form();
    assert!(form.contains(&("audience".to_owned(), "https://api.example".to_owned())), "{form:?}");
    assert!(form.contains(&("scope".to_owned(), "one".to_owned())), "{form:?}");
    let options = LoginOptions::new().extras_params(&json!({"client_secret": "x"}));
    let error = client.start_device_login(options).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Configuration);
}

#[tokio::test]
async fn dg_06_the_terminal_shows_page_code_and_qr() {
    let (client, _) = client(&SPEC, []);
    let talk = Talk::default().with_qr();
    let (browser, _opened) = Browser::new();
    let options =
        options(&browser).method(Method::Device).prompt(talk.clone()).time_limit(Duration::from_millis(50));
    let error = sign_in(&client, options).await.unwrap_err();
    assert!(matches!(error, NativeSignInError::TimedOut { .. }), "{error:?}");
    let notices = talk.notices();
    assert!(
        notices[0].contains("https://as.example/activate") && notices[0].contains("WDJB-MJHT"),
        "{notices:?}"
    );
    let qr = qr_code("https://as.example/activate?user_code=WDJB-MJHT").unwrap();
    assert!(notices[0].contains(&qr), "{notices:?}");
    assert!(qr.lines().all(|line| line.chars().count() <= 41), "{qr}");
    assert!(!notices.concat().contains("DEVICE-CODE"));
}

#[tokio::test]
async fn nt_13_a_machine_without_a_browser_gets_a_device_code_if_there_are_any() {
    let (client, http) = client(&SPEC, []);
    let (browser, mut opened) = Browser::new();
    let mut remote = Environment::default();
    remote.ssh = true;
    let options = options(&browser).environment(remote).time_limit(Duration::from_millis(50));
    sign_in(&client, options).await.unwrap_err();
    assert_eq!(http.requests()[0].url, "https://as.example/device");
    assert!(opened.try_recv().is_err());
}

#[tokio::test]
async fn a_program_can_show_how_it_stands() {
    let replies =
        [error(400, "authorization_pending"), error(400, "slow_down"), answer(500, &json!({})), token()];
    let (client, _) = client(&SPEC, replies);
    let (mut login, _) = begun(&client).await;
    assert!(matches!(client.poll_device_login(&mut login).await.unwrap(), DeviceState::Pending));
    let DeviceState::SlowedDown(interval) = client.poll_device_login(&mut login).await.unwrap() else {
        panic!()
    };
    assert_eq!((interval, login.interval()), (Duration::from_secs(10), Duration::from_secs(10)));
    assert!(matches!(client.poll_device_login(&mut login).await.unwrap(), DeviceState::Failed(_)));
    let DeviceState::Done(done) = client.poll_device_login(&mut login).await.unwrap() else { panic!() };
    assert_eq!(done.requested_scopes, ["read", "write"]);
    assert!(login.is_over());
}
