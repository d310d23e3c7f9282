//! Client-initiated backchannel authentication.

use std::{sync::Arc, time::Duration};

use http::HeaderMap;
use oauth_core::{ErrorClass, ErrorKind, JwtCheck, MemoryCache, OAuth2Token, Polled, Provider};
use oauth_fapi::{
    Ciba, CibaAttempt, CibaDelivery, CibaEndpoint, CibaNotification, CibaRequest, Dpop, DpopProvider,
    PrivateKeyJwt, Profile, PushedTokens, SigningKey,
};
use oauth_openid::{Algorithm, OpenID};
use serde_json::{Value, json};

use crate::server::{CLIENT_ID, ISSUER, Server, claims, reply, wants_nonce};

fn request() -> CibaRequest {
    CibaRequest::for_login_hint("jane@example.com")
}

/// Says that the user has not decided, so many times.
fn pending(server: &Server, mut times: u32) {
    server.answer(move |sent| {
        let is_pending = sent.url.ends_with("/token") && times > 0;
        times -= u32::from(is_pending);
        is_pending.then(|| reply(400, &json!({"error": "authorization_pending"})))
    });
}

#[tokio::test]
async fn ci_07_an_attempt_of_a_minute_is_asked_about_though_no_ping_comes() {
    let server = Server::new();
    let mut times = 1;
    server.answer(move |sent| match &*sent.url {
        url if url.ends_with("/bc-authorize") => {
            Some(reply(200, &json!({"auth_req_id": "REQ-1", "expires_in": 60, "interval": 5})))
        }
        url if url.ends_with("/token") && times > 0 => {
            times -= 1;
            Some(reply(400, &json!({"error": "authorization_pending"})))
        }
        _ => None,
    });
    let client = server.client("secret");
    let naps = server.naps();
    let ciba = Ciba::new(&client).with_delivery(CibaDelivery::Ping).with_timer(naps.clone());
    let attempt = ciba.start(&request()).await.unwrap();
    ciba.finish(&attempt).await.unwrap();
    assert_eq!(naps.all(), [15, 15]);
}

#[tokio::test]
async fn ci_07_a_long_attempt_without_a_ping_is_asked_about_once_a_minute() {
    let server = Server::new();
    pending(&server, 2);
    let client = server.client("secret");
    let naps = server.naps();
    let ciba = Ciba::new(&client).with_delivery(CibaDelivery::Ping).with_timer(naps.clone());
    let attempt = ciba.start(&request()).await.unwrap();
    ciba.finish(&attempt).await.unwrap();
    assert_eq!(naps.all(), [60, 60, 60]);
}

#[tokio::test]
async fn ci_07_after_a_ping_the_providers_own_interval_counts() {
    let server = Server::new();
    pending(&server, 2);
    let client = server.client("secret");
    let naps = server.naps();
    let ciba = Ciba::new(&client).with_delivery(CibaDelivery::Ping).with_timer(naps.clone());
    let attempt = ciba.start(&request()).await.unwrap();
    // The ping is there already: the first question is asked at once.
    ciba.finish_when_pinged(&attempt, std::future::ready(())).await.unwrap();
    assert_eq!(naps.all(), [5, 5]);
}

#[tokio::test]
async fn ci_14_the_preset_holds_for_ciba_and_nonces_are_answered() {
    let server = Server::new();
    let bound = |client: oauth_openid::OpenID| client.with_dpop(Dpop::generate().unwrap());
    let by_secret = Profile::Fapi2Security.apply(bound(server.client("secret"))).unwrap_err();
    assert!(by_secret.to_string().contains("5.3.3.1 item 2"), "{by_secret}");
    assert!(server.requests("").is_empty());

    let key = SigningKey::generate(Algorithm::ES256).unwrap();
    let client = Profile::Fapi2Security.apply(bound(server.client(PrivateKeyJwt::new(key)))).unwrap();
    let mut asked = 0;
    server.answer(move |sent| {
        // Another nonce at each poll, and then the user has not decided yet.
        if !sent.url.ends_with("/token") {
            return None;
        }
        asked += 1;
        match asked {
            1 | 3 => Some(wants_nonce(&format!("nonce-{asked}"))),
            2 => Some(reply(400, &json!({"error": "authorization_pending"}))),
            _ => None,
        }
    });
    let naps = server.naps();
    let ciba = Ciba::new(&client).with_timer(naps.clone());
    let attempt = ciba.start(&request()).await.unwrap();
    let login = ciba.finish(&attempt).await.unwrap();
    assert_eq!(login.token.token_type(), Some("DPoP"));
    // A nonce is answered at once, and is no reason to wait longer.
    assert_eq!(naps.all(), [5, 5]);
    let polls = server.requests("/token");
    let nonces: Vec<_> =
        polls.iter().map(|sent| claims(sent.header("dpop").unwrap())["nonce"].clone()).collect();
    assert_eq!(nonces, [json!(null), json!("nonce-1"), json!("nonce-1"), json!("nonce-3")]);
    assert!(
        polls
            .iter()
            .all(|sent| sent.field("client_secret").is_none() && sent.field("client_assertion").is_some())
    );
    client.get_profile_of(&login.token).await.unwrap();
}

#[tokio::test]
async fn ci_01_a_request_that_insists_on_an_empty_list_is_not_sent() {
    let server = Server::new();
    let client = server.client("secret");
    let none: [&str; 0] = [];
    for request in [request().require_acr(none), request().require_acr([" "])] {
        let error = Ciba::new(&client).start(&request).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Configuration);
        assert!(error.to_string().contains("require_acr"), "{error}");
    }
    assert!(server.requests("/bc-authorize").is_empty());
}

/// Lets requests whose URL ends so fail, so many times or for ever, after the tokens have come.
fn outage_after_tokens(server: &Server, end: &'static str, mut times: u32) {
    let mut has_come = false;
    server.answer(move |sent| {
        has_come |= sent.url.ends_with("/token");
        let fails = has_come && sent.url.ends_with(end) && times > 0;
        times -= u32::from(fails);
        fails.then(|| reply(503, &json!({})))
    });
}

fn is_transient(error: &oauth_core::Error) -> bool {
    matches!(error.class(), ErrorClass::Transient { .. })
}

#[tokio::test]
async fn ci_12_an_outage_after_the_tokens_came_loses_nothing() {
    for delivery in [CibaDelivery::Poll, CibaDelivery::Ping] {
        for way in ["finish", "finish_when_pinged", "redeem", "states"] {
            let server = Server::new();
            let client = server.client("secret");
            let naps = server.naps();
            let ciba = Ciba::new(&client).with_delivery(delivery).with_timer(naps.clone());
            let attempt = ciba.start(&request()).await.unwrap();
            outage_after_tokens(&server, "/jwks", 4);
            let login = match way {
                "finish" => ciba.finish(&attempt).await.unwrap(),
                "finish_when_pinged" => {
                    ciba.finish_when_pinged(&attempt, std::future::ready(())).await.unwrap()
                }
                "redeem" => ciba.redeem(&attempt).await.unwrap(),
                _ => {
                    let mut states = ciba.states(&attempt).unwrap();
                    let mut failures = 0;
                    let login = loop {
                        match states.next().await.unwrap().unwrap() {
                            Polled::Done(login) => break login,
                            Polled::Failed(error) if is_transient(&error) => failures += 1,
                            other => panic!("{other:?}"),
                        }
                    };
                    assert!(failures > 0);
                    assert!(states.next().await.is_none());
                    login
                }
            };
            assert_eq!(login.id_token.subject(), "user-1", "{way}");
            // What was redeemed for the tokens is spent, and is not sent again.
            assert_eq!(server.requests("/token").len(), 1, "{way}");
            assert!(server.requests("/jwks").len() > 1, "{way}");
            assert!(!naps.all().is_empty(), "{way}");
        }
    }
}

#[tokio::test]
async fn ci_12_tokens_that_an_outage_outlived_are_checked_later_and_elsewhere() {
    let server = Server::new();
    let client = server.client("secret");
    let ciba = Ciba::new(&client).with_timer(server.naps());
    let attempt = ciba.start(&request()).await.unwrap();
    outage_after_tokens(&server, "/jwks", u32::MAX);
    let error = ciba.finish(&attempt).await.unwrap_err();
    assert!(is_transient(&error), "{error}");
    assert_eq!(error.operation().as_str(), "get_keys");
    let kept = serde_json::to_string(&(&attempt, error.tokens().unwrap())).unwrap();

    // In another process, once the keys can be read.
    server.answer(|_| None);
    let (attempt, token): (CibaAttempt, OAuth2Token) = serde_json::from_str(&kept).unwrap();
    server.clock.advance(Duration::from_secs(1));
    let client = server.client("secret");
    // The clock of this test has run for ten minutes, and the ID token lives for five.
    let error = Ciba::new(&client).check_tokens(&attempt, token.clone()).await.unwrap_err();
    assert_eq!((error.jwt_check(), error.class()), (Some(JwtCheck::Expiry), ErrorClass::Protocol));
    assert_eq!(error.tokens().unwrap().access_token(), "AT");
    server.clock.set_back(Duration::from_secs(605));
    let login = Ciba::new(&client).check_tokens(&attempt, token).await.unwrap();
    assert_eq!((login.id_token.subject(), login.token.refresh_token()), ("user-1", Some("RT")));
    assert_eq!(server.requests("/token").len(), 1);
}

#[tokio::test]
async fn ci_12_a_program_that_stops_waiting_for_the_checks_goes_on_with_them() {
    let server = Server::new();
    let client = server.client("secret");
    let ciba = Ciba::new(&client).with_timer(server.naps());
    let attempt = ciba.start(&request()).await.unwrap();
    outage_after_tokens(&server, "/jwks", 4);
    let mut states = ciba.states(&attempt).unwrap();
    assert!(matches!(states.next().await, Some(Ok(Polled::Failed(_)))));
    for _ in 0..3 {
        // Polled once, and dropped in the middle of it.
        let mut next = Box::pin(states.next());
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let _ = std::future::Future::poll(next.as_mut(), &mut context);
    }
    let login = loop {
        match states.next().await.unwrap().unwrap() {
            Polled::Done(login) => break login,
            Polled::Failed(_) => {}
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(login.token.access_token(), "AT");
    assert_eq!(server.requests("/token").len(), 1);
}

/// What the provider pushes for an attempt of push mode.
async fn notified(server: &Server, client: &OpenID, change: &Value, error: Option<&str>) -> CibaNotification {
    server.bend(|state| state.metadata["backchannel_token_delivery_modes_supported"] = json!(["push"]));
    let ciba = Ciba::new(client).with_delivery(CibaDelivery::Push);
    let attempt = ciba.start(&request()).await.unwrap();
    let sent = server.requests("/bc-authorize").pop().unwrap();
    let endpoint = CibaEndpoint::new(Arc::new(MemoryCache::new())).with_clock(Arc::new(server.clock.clone()));
    endpoint.expect(&attempt).await.unwrap();
    let now = server.clock.seconds();
    let mut id_token = json!({
        "iss": ISSUER, "sub": "user-1", "aud": CLIENT_ID, "iat": now, "exp": now + 300,
        "at_hash": half_hash("AT"),
        "urn:openid:params:jwt:claim:rt_hash": half_hash("RT"),
        "urn:openid:params:jwt:claim:auth_req_id": "REQ-1",
    });
    id_token.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    let body = json!({"auth_req_id": "REQ-1", "access_token": "AT", "token_type": "Bearer", "expires_in": 300,
        "refresh_token": "RT", "id_token": server.signed(id_token).await});
    let body = match error {
        Some(code) => json!({"auth_req_id": "REQ-1", "error": code, "error_description": "said the bank"}),
        None => body,
    };
    let bearer = format!("Bearer {}", sent.field("client_notification_token").unwrap());
    let headers = HeaderMap::from_iter([
        (http::header::AUTHORIZATION, bearer.parse().unwrap()),
        (http::header::CONTENT_TYPE, "application/json".parse().unwrap()),
    ]);
    let answer = endpoint.receive(&headers, body.to_string().as_bytes()).await;
    answer.notification.unwrap_or_else(|| panic!("{}", answer.status))
}

/// Tokens that the provider pushes for an attempt of push mode.
async fn pushed(server: &Server, client: &OpenID, change: Value) -> (CibaAttempt, PushedTokens) {
    match notified(server, client, &change, None).await {
        CibaNotification::Push(attempt, tokens) => (attempt, tokens),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn ci_06_a_pushed_refusal_has_the_class_that_says_what_to_do() {
    for (code, class) in [
        ("access_denied", ErrorClass::Reauthorize),
        ("expired_token", ErrorClass::Reauthorize),
        ("transaction_failed", ErrorClass::Reauthorize),
        ("server_error", ErrorClass::Transient { retry_after: None }),
        ("invalid_request", ErrorClass::Configuration),
    ] {
        let server = Server::new();
        let notification = notified(&server, &server.client("secret"), &json!({}), Some(code)).await;
        let error = notification.refusal().unwrap();
        assert_eq!((error.class(), &*error.oauth_error().unwrap().code), (class, code), "{error}");
        assert_eq!(error.operation().as_str(), "accept_ciba_push");
        assert!(server.requests("/token").is_empty());
    }
    let server = Server::new();
    assert!(notified(&server, &server.client("secret"), &json!({}), None).await.refusal().is_none());
}

fn half_hash(text: &str) -> String {
    Algorithm::ES256.left_half_hash(text)
}

#[tokio::test]
async fn ci_06_an_outage_while_a_push_is_checked_loses_nothing() {
    for end in ["/jwks", "/openid-configuration"] {
        let server = Server::new();
        let (attempt, tokens) = pushed(&server, &server.client("secret"), json!({})).await;
        // The process that is told has read neither metadata nor keys.
        let client = server.client("secret");
        let mut times = 3;
        server.answer(move |sent| {
            let fails = sent.url.ends_with(end) && times > 0;
            times -= u32::from(fails);
            fails.then(|| reply(503, &json!({})))
        });
        let naps = server.naps();
        let ciba = Ciba::new(&client).with_delivery(CibaDelivery::Push).with_timer(naps.clone());
        let login = ciba.accept(&attempt, tokens).await.unwrap();
        assert_eq!((login.token.access_token(), login.id_token.subject()), ("AT", "user-1"), "{end}");
        assert!(!naps.all().is_empty(), "{end}");
        assert!(server.requests("/token").is_empty());
    }
    // Longer than anybody waits: the tokens are in the error, and can be checked later.
    let server = Server::new();
    let (attempt, tokens) =
        pushed(&server, &server.client("secret"), json!({"exp": i64::from(u32::MAX)})).await;
    let client = server.client("secret");
    let ciba = Ciba::new(&client).with_delivery(CibaDelivery::Push).with_timer(server.naps());
    server.answer(|sent| sent.url.ends_with("/jwks").then(|| reply(502, &json!({}))));
    let error = ciba.accept(&attempt, tokens).await.unwrap_err();
    assert!(is_transient(&error), "{error}");
    let tokens = error.tokens().unwrap().clone();
    server.answer(|_| None);
    server.clock.set_back(Duration::from_secs(600));
    let login = ciba.check_tokens(&attempt, tokens.clone()).await.unwrap();
    assert_eq!(login.token.refresh_token(), Some("RT"));
    // And no others can.
    let other = OAuth2Token::new("OTHER").with_refresh_token("RT").with_id_token(tokens.id_token().unwrap());
    let error = ciba.check_tokens(&attempt, other).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Jwt(_)), "{error}");
}

#[tokio::test]
async fn ci_09_a_fault_of_the_tokens_is_not_waited_out() {
    let server = Server::new();
    let client = server.client("secret");
    let naps = server.naps();
    let ciba = Ciba::new(&client).with_timer(naps.clone());
    let attempt = ciba.start(&request()).await.unwrap();
    server.bend(|state| state.claims = json!({"aud": "another"}));
    let error = ciba.redeem(&attempt).await.unwrap_err();
    assert_eq!((error.jwt_check(), error.operation().as_str()), (Some(JwtCheck::Audience), "finish_ciba"));
    assert_eq!(error.tokens().unwrap().access_token(), "AT");
    assert!(naps.all().is_empty());
    let mut states = ciba.states(&attempt).unwrap();
    assert!(states.next().await.unwrap().is_err());
    assert!(states.next().await.is_none());
    assert!(ciba.with_delivery(CibaDelivery::Push).start(&request()).await.is_err());
}

#[tokio::test]
async fn ci_11_the_notification_token_is_the_librarys_and_is_sent_where_the_provider_notifies() {
    let server = Server::new();
    server.bend(|state| {
        state.metadata["backchannel_token_delivery_modes_supported"] = json!(["poll", "ping", "push"]);
    });
    let client = server.client("secret");
    for delivery in [CibaDelivery::Poll, CibaDelivery::Ping, CibaDelivery::Ping, CibaDelivery::Push] {
        Ciba::new(&client).with_delivery(delivery).start(&request()).await.unwrap();
    }
    let given = request().with_parameter("client_notification_token", "short");
    let error = Ciba::new(&client).with_delivery(CibaDelivery::Ping).start(&given).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Configuration, "{error}");
    let sent = server.requests("/bc-authorize");
    assert_eq!(sent.len(), 4);
    let tokens: Vec<_> = sent.iter().map(|sent| sent.field("client_notification_token")).collect();
    assert_eq!(tokens[0], None);
    let made: Vec<_> = tokens.into_iter().flatten().collect();
    assert_eq!(made.len(), 3);
    assert!(made[0] != made[1] && made[1] != made[2]);
    for token in made {
        // 128 bits in base64url are 22 characters; the syntax is that of RFC 6750 section 2.1.
        assert!((22..=1024).contains(&token.len()), "{token}");
        assert!(
            token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte)),
            "{token}"
        );
    }
}
