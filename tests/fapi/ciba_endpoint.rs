//! The endpoint at which a provider notifies a client (CIBA sections 10.2, 10.3 and 12).

use std::{sync::Arc, time::Duration};

use oauth_clients::{ErrorKind, JwtCheck, MemoryCache, Result, openid::OpenID};
use oauth_fapi::{Ciba, CibaAttempt, CibaDelivery, CibaEndpoint, CibaLogin, CibaNotification, CibaRequest};
use serde_json::{Value, json};

use super::ciba::{acknowledged, provider};
use crate::openid::op::{ACCESS_TOKEN, Endpoint, Op, left_half, merge};

/// A client with an attempt that a notification is expected for.
struct Waiting {
    op: Op,
    client: OpenID,
    endpoint: CibaEndpoint,
    attempt: CibaAttempt,
    token: String,
}

impl Waiting {
    async fn new(delivery: CibaDelivery) -> Self {
        let op = provider(acknowledged());
        let client = op.client();
        let request = CibaRequest::for_login_hint("jane@example.com");
        let attempt = Ciba::new(&client).with_delivery(delivery).start(&request).await.unwrap();
        let sent = op.last_request().form();
        let token = sent.iter().find(|(name, _)| name == "client_notification_token").unwrap().1.clone();
        let endpoint = CibaEndpoint::new(Arc::new(MemoryCache::new())).with_clock(Arc::new(op.clock.clone()));
        endpoint.expect(&attempt).await.unwrap();
        Self { op, client, endpoint, attempt, token }
    }

    async fn post(&self, authorization: &[&str], kind: &str, body: &str) -> (u16, Option<CibaNotification>) {
        let mut headers = http::HeaderMap::new();
        headers.insert("content-type", kind.parse().unwrap());
        for value in authorization {
            headers.append("authorization", value.parse().unwrap());
        }
        let answer = self.endpoint.receive(&headers, body.as_bytes()).await;
        (answer.status.as_u16(), answer.notification)
    }

    async fn notify(&self, body: &Value) -> (u16, Option<CibaNotification>) {
        let bearer = format!("Bearer {}", self.token);
        self.post(&[&bearer], "application/json", &body.to_string()).await
    }

    async fn accept(&self, id_token: Value, patch: &Value) -> Result<CibaLogin> {
        let mut body = json!({
            "auth_req_id": "REQ-1", "access_token": ACCESS_TOKEN, "token_type": "Bearer",
            "refresh_token": "RT", "expires_in": 60, "id_token": self.op.id_token(id_token),
        });
        merge(&mut body, patch);
        let (status, notification) = self.notify(&body).await;
        assert_eq!(status, 204);
        let Some(CibaNotification::Push(attempt, tokens)) = notification else { panic!("{notification:?}") };
        assert!(!format!("{tokens:?}").contains(ACCESS_TOKEN));
        Ciba::new(&self.client).accept(&attempt, tokens).await
    }
}

#[tokio::test]
async fn ci_04_a_ping_counts_by_its_token_alone() {
    let waiting = Waiting::new(CibaDelivery::Ping).await;
    let bearer = format!("Bearer {}", waiting.token);
    let body = json!({"auth_req_id": "REQ-1"}).to_string();
    let basic = format!("Basic {}", waiting.token);
    let cut = bearer[..bearer.len() - 1].to_owned();
    for wrong in [&[][..], &["Bearer x"], &["Bearer"], &["Bearer "], &[&basic], &[&cut], &[&bearer, &bearer]]
    {
        let (status, notification) = waiting.post(wrong, "application/json", &body).await;
        assert_eq!((status, notification.is_none()), (401, true), "{wrong:?}");
    }
    // The scheme's case does not matter (RFC 9110 section 11.1).
    let lower = format!("bearer {}", waiting.token);
    let (status, notification) = waiting.post(&[&lower], "application/json; charset=utf-8", &body).await;
    assert_eq!(status, 204);
    let Some(CibaNotification::Ping(attempt)) = notification else { panic!("{notification:?}") };
    assert_eq!(attempt.auth_req_id(), waiting.attempt.auth_req_id());
    Ciba::new(&waiting.client).redeem(&attempt).await.unwrap();
    assert_eq!(waiting.op.count(Endpoint::Token), 1);
}

#[tokio::test]
async fn ci_05_a_replayed_ping_causes_nothing() {
    let waiting = Waiting::new(CibaDelivery::Ping).await;
    let body = json!({"auth_req_id": "REQ-1"});
    assert!(waiting.notify(&body).await.1.is_some());
    for _ in 0..3 {
        let (status, notification) = waiting.notify(&body).await;
        assert_eq!((status, notification.is_none()), (204, true));
    }
    // Nor does one that comes when the time is up.
    let late = Waiting::new(CibaDelivery::Ping).await;
    late.op.clock.advance(Duration::from_secs(121));
    let (status, notification) = late.notify(&body).await;
    assert_eq!((status, notification.is_none()), (204, true));
}

#[tokio::test]
async fn ci_13_what_is_no_notification_is_refused() {
    let waiting = Waiting::new(CibaDelivery::Ping).await;
    let bearer = format!("Bearer {}", waiting.token);
    let huge = json!({"auth_req_id": "REQ-1", "padding": "x".repeat(2_000_000)}).to_string();
    for (kind, body, expected) in [
        ("application/json", "{", 400),
        ("application/json", "[]", 400),
        ("application/json", "{}", 400),
        ("application/json", r#"{"auth_req_id":7}"#, 400),
        ("application/json", r#"{"auth_req_id":"REQ-1","auth_req_id":"REQ-2"}"#, 400),
        ("application/json", r#"{"auth_req_id":"REQ-2"}"#, 401),
        ("application/x-www-form-urlencoded", "auth_req_id=REQ-1", 415),
        ("application/json", &*huge, 413),
    ] {
        let (status, notification) = waiting.post(&[&bearer], kind, body).await;
        assert_eq!((status, notification.is_none()), (expected, true), "{}", &body[..body.len().min(60)]);
    }
    let (status, notification) = waiting.notify(&json!({"auth_req_id": "REQ-1", "more": [1]})).await;
    assert_eq!((status, notification.is_some()), (204, true), "further members do not matter");
    assert_eq!(waiting.op.count(Endpoint::Token), 0);
}

#[tokio::test]
async fn ci_06_pushed_tokens_belong_to_the_request_and_to_each_other() {
    let good = json!({
        "urn:openid:params:jwt:claim:auth_req_id": "REQ-1",
        "urn:openid:params:jwt:claim:rt_hash": left_half("RS256", "RT"),
        "at_hash": left_half("RS256", ACCESS_TOKEN),
    });
    let login = Waiting::new(CibaDelivery::Push).await.accept(good.clone(), &json!({})).await.unwrap();
    assert_eq!((login.token.access_token(), login.token.refresh_token()), (ACCESS_TOKEN, Some("RT")));
    assert!(login.token.expires_at().is_some());

    // What only a stored token has is not the provider's to say.
    let stored = json!({
        "cnf": {"jkt": "other"}, "refresh_cnf": {"jkt": "other"}, "expires_at": 1, "expires_at_of_provider": "soon",
    });
    let login = Waiting::new(CibaDelivery::Push).await.accept(good.clone(), &stored).await.unwrap();
    assert_eq!((login.token.confirmation(), login.token.refresh_confirmation()), (None, None));
    assert!(!login.token.is_expired());
    assert!(stored.as_object().unwrap().keys().all(|name| !login.token.others().contains_key(name)));

    let without_refresh_token = json!({"urn:openid:params:jwt:claim:rt_hash": null});
    let mut claims = good.clone();
    merge(&mut claims, &without_refresh_token);
    let waiting = Waiting::new(CibaDelivery::Push).await;
    assert!(waiting.accept(claims, &json!({"refresh_token": null})).await.is_ok());

    let id = "urn:openid:params:jwt:claim:auth_req_id";
    let hash = "urn:openid:params:jwt:claim:rt_hash";
    for (patch, check) in [
        (json!({id: null}), JwtCheck::Agreement),
        (json!({id: "REQ-2"}), JwtCheck::Agreement),
        (json!({hash: null}), JwtCheck::Agreement),
        (json!({hash: left_half("RS256", "OTHER")}), JwtCheck::Agreement),
        (json!({"at_hash": null}), JwtCheck::AccessTokenHash),
        (json!({"at_hash": left_half("RS256", "OTHER")}), JwtCheck::AccessTokenHash),
        (json!({"aud": "other"}), JwtCheck::Audience),
    ] {
        let mut claims = good.clone();
        merge(&mut claims, &patch);
        let error = Waiting::new(CibaDelivery::Push).await.accept(claims, &json!({})).await.unwrap_err();
        assert_eq!(error.jwt_check(), Some(check), "{patch}: {error}");
        assert_eq!(error.operation().as_str(), "accept_ciba_push");
    }
}

#[tokio::test]
async fn ci_06_a_push_is_read_in_push_mode_only() {
    let pushed =
        json!({"auth_req_id": "REQ-1", "access_token": "AT", "token_type": "Bearer", "id_token": "a.b.c"});
    let waiting = Waiting::new(CibaDelivery::Ping).await;
    let (_, notification) = waiting.notify(&pushed).await;
    assert!(matches!(notification, Some(CibaNotification::Ping(_))), "the tokens in it are not looked at");
    let waiting = Waiting::new(CibaDelivery::Push).await;
    let (status, notification) = waiting.notify(&json!({"auth_req_id": "REQ-1"})).await;
    assert_eq!((status, notification.is_none()), (400, true));
    // It may still send what it should.
    assert!(waiting.notify(&pushed).await.1.is_some());
    // And is not asked.
    let client = &waiting.client;
    for error in [
        Ciba::new(client).redeem(&waiting.attempt).await.unwrap_err(),
        Ciba::new(client).finish(&waiting.attempt).await.unwrap_err(),
    ] {
        assert!(matches!(error.kind(), ErrorKind::Unsupported(_)), "{error}");
    }
    assert_eq!(waiting.op.count(Endpoint::Token), 0);
}

#[tokio::test]
async fn ci_06_a_pushed_error_is_typed() {
    let waiting = Waiting::new(CibaDelivery::Push).await;
    let body = json!({"auth_req_id": "REQ-1", "error": "access_denied", "error_description": "no"});
    let (status, notification) = waiting.notify(&body).await;
    let Some(CibaNotification::Refused(_, error)) = notification else { panic!("{notification:?}") };
    assert_eq!((status, &*error.code, error.description.as_deref()), (204, "access_denied", Some("no")));
}

#[tokio::test]
async fn ci_13_an_attempt_of_poll_mode_expects_no_notification() {
    let op = provider(acknowledged());
    let client = op.client();
    let attempt = Ciba::new(&client).start(&CibaRequest::for_login_hint("jane")).await.unwrap();
    let endpoint = CibaEndpoint::new(Arc::new(MemoryCache::new()));
    endpoint.expect(&attempt).await.unwrap_err();
    // What is kept by an application shows nothing by itself.
    assert!(!format!("{attempt:?}").contains("REQ-1"));
}
