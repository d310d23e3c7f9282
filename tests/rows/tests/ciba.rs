//! Client-initiated backchannel authentication.

use oauth_core::{ErrorClass, Provider};
use oauth_fapi::{Ciba, CibaDelivery, CibaRequest, Dpop, DpopProvider, PrivateKeyJwt, Profile, SigningKey};
use oauth_openid::Algorithm;
use serde_json::json;

use crate::server::{Server, claims, reply, wants_nonce};

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
