//! Client-initiated backchannel authentication: the request, polling, and the ID token that it ends with.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use oauth_clients::{
    Error, ErrorClass, ErrorKind, HttpError, JwtCheck, LoginError, Polled, Provider, Timer, async_trait,
    openid::OpenID,
};
use oauth_fapi::{Ciba, CibaAttempt, CibaDelivery, CibaLogin, CibaRequest};
use serde_json::{Value, json};

use super::{decoded, es256};
use crate::{
    openid::op::{ACCESS_TOKEN, CLIENT_ID, Endpoint, ISSUER, Op, SetClock, State},
    support::{Sent, reply},
};

/// Moves the clock of a provider, and notes how long was waited.
#[derive(Debug)]
pub(super) struct Naps {
    clock: SetClock,
    naps: Mutex<Vec<u64>>,
}

#[async_trait]
impl Timer for Naps {
    async fn sleep(&self, duration: Duration) -> Result<(), HttpError> {
        self.naps.lock().unwrap().push(duration.as_secs());
        self.clock.advance(duration);
        tokio::task::yield_now().await;
        Ok(())
    }
}

/// A provider with CIBA, whose backchannel endpoint answers so.
pub(super) fn provider(acknowledgement: Value) -> Op {
    Op::bent(|state| {
        state.metadata["backchannel_authentication_endpoint"] = format!("{ISSUER}/bc-authorize").into();
        state.metadata["backchannel_token_delivery_modes_supported"] = json!(["poll", "ping", "push"]);
        answer_with(state, Endpoint::Other, 200, acknowledgement);
    })
}

pub(super) fn answer_with(state: &mut State, endpoint: Endpoint, status: u16, body: Value) {
    state.answer(endpoint, move |_| Some(reply(status, "application/json", body.to_string())));
}

pub(super) fn acknowledged() -> Value {
    json!({"auth_req_id": "REQ-1", "expires_in": 120})
}

fn request() -> CibaRequest {
    CibaRequest::for_login_hint("jane@example.com")
}

fn sent_to(op: &Op, path: &str) -> Vec<Sent> {
    op.requests().into_iter().filter(|sent| sent.url == format!("{ISSUER}/{path}")).collect()
}

fn field(sent: &Sent, name: &str) -> Option<String> {
    sent.form().into_iter().find(|(other, _)| other == name).map(|(_, value)| value)
}

/// Starts and finishes with these answers of the token endpoint, which then sends tokens.
async fn finished(op: &Op, answers: Vec<http::Response<Bytes>>) -> (Result<CibaLogin, Error>, Vec<u64>) {
    let client = op.client();
    let timer = Arc::new(Naps { clock: op.clock.clone(), naps: Mutex::default() });
    let ciba = Ciba::new(&client).with_timer(timer.clone());
    let attempt = ciba.start(&request()).await.unwrap();
    let mut answers = answers.into_iter();
    op.bend(|state| state.answer(Endpoint::Token, move |_| answers.next()));
    let login = ciba.finish(&attempt).await;
    let naps = timer.naps.lock().unwrap().clone();
    (login, naps)
}

fn error(status: u16, code: &str) -> http::Response<Bytes> {
    reply(status, "application/json", json!({"error": code}).to_string())
}

#[tokio::test]
async fn ci_01_a_request_has_one_hint_and_the_scope_openid() {
    for (request, name, value) in [
        (request(), "login_hint", "jane@example.com"),
        (CibaRequest::for_id_token_hint("ID"), "id_token_hint", "ID"),
        (CibaRequest::for_login_hint_token("LHT").with_scopes(["pay"]), "login_hint_token", "LHT"),
    ] {
        let op = provider(acknowledged());
        Ciba::new(&op.client()).start(&request).await.unwrap();
        let sent = &sent_to(&op, "bc-authorize")[0];
        assert_eq!(field(sent, name).as_deref(), Some(value));
        let hints = ["login_hint", "id_token_hint", "login_hint_token"];
        assert_eq!(sent.form().iter().filter(|(name, _)| hints.contains(&&**name)).count(), 1);
        let scope = field(sent, "scope").unwrap();
        assert!(scope.split(' ').any(|scope| scope == "openid"), "{scope}");
        // CI-11: in poll mode there is nothing to notify by.
        assert_eq!(field(sent, "client_notification_token"), None);
        assert!(!format!("{request:?}").contains(value), "{request:?}");
    }
}

#[tokio::test]
async fn ci_01_a_request_that_cannot_be_one_is_not_sent() {
    for bad in [
        CibaRequest::for_login_hint(""),
        CibaRequest::for_login_hint_token(" "),
        request().with_parameter("id_token_hint", "ID"),
        request().with_parameter("Request", "JWT"),
        request().with_parameter("iss", "me"),
    ] {
        let op = provider(acknowledged());
        let error = Ciba::new(&op.client()).start(&bad).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Configuration, "{bad:?}");
        assert!(op.requests().is_empty());
    }
}

#[tokio::test]
async fn ci_02_an_acknowledgement_without_its_members_is_refused() {
    for patch in [
        json!({"auth_req_id": null}),
        json!({"auth_req_id": ""}),
        json!({"auth_req_id": 7}),
        json!({"expires_in": null}),
        json!({"expires_in": 0}),
        json!({"expires_in": -1}),
        json!({"expires_in": "x"}),
        json!({"interval": "x"}),
        json!({"interval": -5}),
    ] {
        let mut body = acknowledged();
        crate::openid::op::merge(&mut body, &patch);
        let op = provider(body);
        let error = Ciba::new(&op.client()).start(&request()).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::MalformedReply { .. }), "{patch}: {error}");
        assert_eq!(error.operation().as_str(), "start_ciba");
        assert!(!error.to_string().contains("REQ-1"));
    }
}

#[tokio::test]
async fn ci_03_polls_keep_the_interval_and_slow_down_for_good() {
    let op = provider(acknowledged());
    let pending = || error(400, "authorization_pending");
    let answers = vec![pending(), error(400, "slow_down"), pending(), error(400, "slow_down"), pending()];
    let (login, naps) = finished(&op, answers).await;
    assert_eq!(login.unwrap().id_token.subject(), crate::openid::op::SUBJECT);
    assert_eq!(naps, [5, 5, 10, 10, 15, 15]);
    for sent in sent_to(&op, "token") {
        assert_eq!(field(&sent, "grant_type").as_deref(), Some("urn:openid:params:grant-type:ciba"));
        assert_eq!(field(&sent, "auth_req_id").as_deref(), Some("REQ-1"));
    }
    let mut slow = acknowledged();
    slow["interval"] = 31.into();
    let (login, naps) = finished(&provider(slow), vec![pending()]).await;
    assert!(login.is_ok());
    assert_eq!(naps, [31, 31]);
}

#[tokio::test]
async fn ci_03_every_final_answer_ends_the_polling() {
    let classes = [
        ("access_denied", ErrorClass::Reauthorize),
        ("expired_token", ErrorClass::Reauthorize),
        ("invalid_grant", ErrorClass::Reauthorize),
        ("transaction_failed", ErrorClass::Reauthorize),
        ("invalid_request", ErrorClass::Configuration),
        ("unauthorized_client", ErrorClass::Configuration),
        ("who_knows", ErrorClass::Protocol),
    ];
    for (code, class) in classes {
        let op = provider(acknowledged());
        let pending = || error(400, "authorization_pending");
        let (login, _) = finished(&op, vec![pending(), pending(), error(400, code)]).await;
        let refused = login.unwrap_err();
        assert_eq!((&*refused.oauth_error().unwrap().code, refused.class()), (code, class));
        assert_eq!(op.count(Endpoint::Token), 3, "{code}");
    }
}

#[tokio::test]
async fn ci_12_failures_are_waited_out_until_the_time_is_up() {
    let op = provider(acknowledged());
    let mut busy = error(503, "temporarily_unavailable");
    busy.headers_mut().insert("retry-after", "17".parse().unwrap());
    let (login, naps) = finished(&op, vec![busy, reply(502, "text/html", "<p>")]).await;
    assert!(login.is_ok());
    assert_eq!(naps, [5, 17, 20]);

    let op = provider(acknowledged());
    let (login, naps) = finished(&op, vec![error(400, "authorization_pending"); 100]).await;
    let expired = login.unwrap_err();
    assert!(matches!(expired.kind(), ErrorKind::Login(LoginError::Expired)), "{expired}");
    assert_eq!(naps.iter().sum::<u64>(), 120);
    assert_eq!(op.count(Endpoint::Token), 23);
}

#[tokio::test]
async fn ci_03_a_program_can_show_how_things_stand() {
    let op = provider(acknowledged());
    let client = op.client();
    let timer = Arc::new(Naps { clock: op.clock.clone(), naps: Mutex::default() });
    let ciba = Ciba::new(&client).with_timer(timer);
    let attempt = ciba.start(&request()).await.unwrap();
    let mut answers = [error(400, "authorization_pending"), error(400, "slow_down")].into_iter();
    op.bend(|state| state.answer(Endpoint::Token, move |_| answers.next()));
    let mut polling = ciba.polling(&attempt).unwrap();
    assert!(matches!(polling.step(ciba.redeem(&attempt)).await.unwrap(), Polled::Pending));
    assert!(matches!(polling.step(ciba.redeem(&attempt)).await.unwrap(), Polled::SlowedDown(_)));
    assert!(matches!(polling.step(ciba.redeem(&attempt)).await.unwrap(), Polled::Done(_)));
    assert!(polling.step(ciba.redeem(&attempt)).await.is_err());
    assert_eq!(op.count(Endpoint::Token), 3);
}

#[tokio::test]
async fn ci_05_in_ping_mode_the_tokens_are_asked_for_when_the_ping_has_come() {
    let op = provider(acknowledged());
    let client = op.client();
    let timer = Arc::new(Naps { clock: op.clock.clone(), naps: Mutex::default() });
    let ciba = Ciba::new(&client).with_delivery(CibaDelivery::Ping).with_timer(timer.clone());
    let attempt = ciba.start(&request()).await.unwrap();
    ciba.finish_when_pinged(&attempt, std::future::ready(())).await.unwrap();
    assert_eq!(op.count(Endpoint::Token), 1);
    assert!(timer.naps.lock().unwrap().is_empty());
    // Without a ping it asks seldom.
    ciba.finish(&attempt).await.unwrap();
    assert_eq!(*timer.naps.lock().unwrap(), [30]);
}

#[tokio::test]
async fn ci_07_a_signed_request_holds_everything() {
    let op = provider(acknowledged());
    let client = op.client();
    let ciba = Ciba::new(&client).with_delivery(CibaDelivery::Ping).signed_by(es256());
    let context = json!({"device": "till 4"}).as_object().unwrap().clone();
    let request = request()
        .with_scopes(["openid", "pay"])
        .with_binding_message("W4SCT")
        .with_requested_expiry(Duration::from_secs(90))
        .with_request_context(context.clone())
        .with_parameter("resource", "urn:a")
        .with_parameter("resource", "urn:b")
        .with_parameter("authorization_details", r#"[{"type":"payment"}]"#);
    ciba.start(&request).await.unwrap();
    let sent = &sent_to(&op, "bc-authorize")[0];
    let names: Vec<_> = sent.form().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["request"], "the client authenticates in the header");
    let (header, claims) = decoded(&field(sent, "request").unwrap());
    assert_eq!((&header["alg"], &header["kid"]), (&json!("ES256"), &json!("client-key")));
    let now = op.clock.seconds();
    let expected = json!({
        "iss": CLIENT_ID, "aud": ISSUER, "iat": now, "nbf": now, "exp": now + 60, "jti": claims["jti"],
        "scope": "openid pay", "login_hint": "jane@example.com", "binding_message": "W4SCT",
        "requested_expiry": 90, "request_context": context, "resource": ["urn:a", "urn:b"],
        "authorization_details": [{"type": "payment"}],
        "client_notification_token": claims["client_notification_token"],
    });
    assert_eq!(claims, expected);
    assert!(claims["jti"].as_str().unwrap().len() >= 22);
    // CI-11
    let token = claims["client_notification_token"].as_str().unwrap();
    assert!((22..=1024).contains(&token.len()));
    assert!(token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte)));
}

#[tokio::test]
async fn ci_08_what_the_provider_does_not_offer_is_not_asked_for() {
    let user_code = || request().with_user_code("1234");
    let refused =
        async |bend: fn(&mut State), delivery: CibaDelivery, request: CibaRequest, is_signed: bool| {
            let op = provider(acknowledged());
            op.bend(bend);
            let client = op.client();
            let mut ciba = Ciba::new(&client).with_delivery(delivery);
            if is_signed {
                ciba = ciba.signed_by(es256());
            }
            let outcome = ciba.start(&request).await;
            assert_eq!(op.count(Endpoint::Other), usize::from(outcome.is_ok()));
            outcome.is_err_and(|error| error.class() == ErrorClass::Configuration)
        };
    let nothing: fn(&mut State) = |_| {};
    let poll_only: fn(&mut State) =
        |state| state.metadata["backchannel_token_delivery_modes_supported"] = json!(["poll"]);
    let with_code: fn(&mut State) =
        |state| state.metadata["backchannel_user_code_parameter_supported"] = true.into();
    let ps256: fn(&mut State) = |state| {
        state.metadata["backchannel_authentication_request_signing_alg_values_supported"] = json!(["PS256"]);
    };
    let none: fn(&mut State) = |state| state.metadata["backchannel_authentication_endpoint"] = Value::Null;
    assert!(refused(poll_only, CibaDelivery::Ping, request(), false).await);
    assert!(refused(nothing, CibaDelivery::Poll, user_code(), false).await);
    assert!(refused(ps256, CibaDelivery::Poll, request(), true).await);
    assert!(refused(none, CibaDelivery::Poll, request(), false).await);
    assert!(!refused(with_code, CibaDelivery::Poll, user_code(), false).await);
    assert!(!refused(poll_only, CibaDelivery::Poll, request(), true).await);
}

#[tokio::test]
async fn ci_15_a_binding_message_is_short_and_of_characters_that_are_seen() {
    let long = "x".repeat(129);
    for bad in ["", " ", "a\nb", "a\u{202e}b", "a\u{200b}b", "\u{7f}", &*long] {
        let op = provider(acknowledged());
        let error = Ciba::new(&op.client()).start(&request().with_binding_message(bad)).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Configuration, "{bad:?}");
    }
    let op = provider(acknowledged());
    Ciba::new(&op.client()).start(&request().with_binding_message("Kauf № 17 – ä")).await.unwrap();
    let op = provider(acknowledged());
    let instant = request().with_requested_expiry(Duration::ZERO);
    Ciba::new(&op.client()).start(&instant).await.unwrap_err();
}

#[tokio::test]
async fn ci_09_the_id_token_is_verified_in_full() {
    let now = Op::new().clock.seconds();
    let cases: [(Value, Option<JwtCheck>); 12] = [
        (json!({}), None),
        (json!({"aud": [CLIENT_ID]}), None),
        (json!({"iss": "https://evil.example"}), Some(JwtCheck::Issuer)),
        (json!({"aud": "other"}), Some(JwtCheck::Audience)),
        (json!({"aud": [CLIENT_ID, "other"]}), Some(JwtCheck::Audience)),
        (json!({"aud": null}), Some(JwtCheck::Audience)),
        (json!({"exp": null}), Some(JwtCheck::Expiry)),
        (json!({"exp": now - 600}), Some(JwtCheck::Expiry)),
        (json!({"iat": now - 7 * 24 * 60 * 60}), Some(JwtCheck::IssuedAt)),
        (json!({"iat": null}), Some(JwtCheck::IssuedAt)),
        (json!({"sub": null}), Some(JwtCheck::Subject)),
        (json!({"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}), Some(JwtCheck::AccessTokenHash)),
    ];
    for (patch, check) in cases {
        let op = provider(acknowledged());
        op.bend(|state| {
            state.claims = patch.clone();
            // Neither is needed.
            state.token_reply = json!({"expires_in": null, "scope": null});
        });
        let (login, _) = finished(&op, vec![]).await;
        match check {
            None => assert_eq!(login.unwrap().token.access_token(), ACCESS_TOKEN),
            Some(check) => {
                let error = login.unwrap_err();
                assert_eq!(error.jwt_check(), Some(check), "{patch}: {error}");
                assert_eq!(error.tokens().unwrap().access_token(), ACCESS_TOKEN);
                assert_eq!(error.operation().as_str(), "finish_ciba");
                assert_eq!(op.count(Endpoint::Token), 1);
            }
        }
    }
    let op = provider(acknowledged());
    op.bend(|state| state.token_reply = json!({"id_token": null}));
    let (login, _) = finished(&op, vec![]).await;
    assert_eq!(login.unwrap_err().jwt_check(), Some(JwtCheck::Presence));
    let op = provider(acknowledged());
    op.bend(|state| state.header = json!({"alg": "none"}));
    let (login, _) = finished(&op, vec![]).await;
    assert_eq!(login.unwrap_err().jwt_check(), Some(JwtCheck::Algorithm));
}

#[tokio::test]
async fn ci_09_an_acr_that_is_insisted_on_is_checked() {
    for (acr, is_good) in [(json!("high"), true), (json!("low"), false), (json!(null), false)] {
        let op = provider(acknowledged());
        op.bend(|state| state.claims = json!({"acr": acr}));
        let client = op.client();
        let ciba = Ciba::new(&client);
        let attempt = ciba.start(&request().require_acr(["high"])).await.unwrap();
        assert_eq!(field(&sent_to(&op, "bc-authorize")[0], "acr_values").as_deref(), Some("high"));
        // Also in another process.
        let attempt: CibaAttempt = serde_json::from_str(&serde_json::to_string(&attempt).unwrap()).unwrap();
        let login = ciba.redeem(&attempt).await;
        match is_good {
            true => assert!(login.is_ok()),
            false => assert_eq!(login.unwrap_err().jwt_check(), Some(JwtCheck::Acr)),
        }
    }
}

#[tokio::test]
async fn ci_10_refusals_of_the_request_are_typed_and_nothing_is_polled() {
    let cases = [
        (400, "expired_login_hint_token", ErrorClass::Reauthorize),
        (400, "unknown_user_id", ErrorClass::Reauthorize),
        (400, "missing_user_code", ErrorClass::Reauthorize),
        (400, "invalid_user_code", ErrorClass::Reauthorize),
        (403, "access_denied", ErrorClass::Reauthorize),
        (400, "unauthorized_client", ErrorClass::Configuration),
        (400, "invalid_binding_message", ErrorClass::Configuration),
        (400, "invalid_request", ErrorClass::Configuration),
        (400, "invalid_scope", ErrorClass::Configuration),
        (401, "invalid_client", ErrorClass::Configuration),
        (503, "temporarily_unavailable", ErrorClass::Transient { retry_after: None }),
    ];
    for (status, code, class) in cases {
        let op = provider(acknowledged());
        op.bend(|state| answer_with(state, Endpoint::Other, status, json!({"error": code})));
        let error = Ciba::new(&op.client()).start(&request()).await.unwrap_err();
        assert_eq!((&*error.oauth_error().unwrap().code, error.class()), (code, class));
        assert_eq!(op.count(Endpoint::Token), 0);
    }
}

#[tokio::test]
async fn a_client_without_openid_connect_is_told_that_ciba_needs_it() {
    let client =
        oauth_clients::OAuth2::new("id", "", "https://as.example/authorize", "https://as.example/token");
    let error = Ciba::new(&client).start(&request()).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Unsupported(_)), "{error}");
    let client: OpenID = provider(acknowledged()).client();
    assert!(!format!("{:?}", Ciba::new(&client)).is_empty());
    assert_eq!(client.name(), "openid");
}
