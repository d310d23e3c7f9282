//! RT: ID tokens that come with a refresh (OpenID Connect Core section 12.2).

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use oauth_clients::{
    ErrorClass, JwtCheck, LoginOptions, OAuth2Token, Operation, Provider, Sealer, SealingKey,
};
use oauth_tokens::{DeadReason, Event, MemoryStore, Put, Revoked, TokenKey, TokenManager};
use serde_json::{Value, json};

use crate::support::reply;

use super::op::{ACCESS_TOKEN, CLIENT_ID, Endpoint, Key, Op, Signing, State, left_half};

/// A login, and a refresh an hour later at the provider that was bent meanwhile.
async fn refreshed(
    first: Value,
    bend: impl FnOnce(&mut State, &OAuth2Token),
) -> oauth_clients::Result<OAuth2Token> {
    let op = Op::bent(|state| state.claims = first);
    let client = op.client();
    let token = op.login(&client, LoginOptions::new()).await.unwrap().token;
    op.clock.advance(Duration::from_secs(3600));
    op.bend(|state| {
        state.nonce = None;
        bend(state, &token);
    });
    let outcome = client.refresh(&token, None).await;
    assert_eq!((op.count(Endpoint::Token), op.count(Endpoint::UserInfo)), (2, 0));
    outcome
}

/// What becomes of a refresh whose ID token has these claims: nothing is wrong; or the ID token is left out, for this reason; or the
/// tokens are another user's.
#[derive(Debug, PartialEq)]
enum Outcome {
    Accepted,
    LeftOut(String),
    OtherUser(JwtCheck),
}

/// The tokens of the refresh are not lost, whatever becomes of the ID token.
fn outcome_of(result: oauth_clients::Result<OAuth2Token>, first_id_token: &str) -> Outcome {
    let token = match result {
        Ok(token) => token,
        Err(error) => {
            assert_eq!(error.operation(), Operation::REFRESH_TOKEN);
            let tokens = error.tokens().unwrap_or_else(|| panic!("{error:?}"));
            assert_eq!((tokens.access_token(), tokens.refresh_token()), ("AT2", Some("RT2")));
            assert!(!format!("{error} {error:?}").contains("RT2"), "{error:?}");
            return Outcome::OtherUser(error.jwt_check().unwrap_or_else(|| panic!("{error:?}")));
        }
    };
    assert_eq!((token.access_token(), token.refresh_token()), ("AT2", Some("RT2")));
    match token.rejected_id_token() {
        None => Outcome::Accepted,
        Some(rejected) => {
            assert_eq!(token.id_token(), Some(first_id_token), "the first one is kept");
            assert!(!format!("{token:?}").contains("RT2"));
            Outcome::LeftOut(rejected.reason.clone())
        }
    }
}

async fn outcome(first: Value, bend: impl FnOnce(&mut State)) -> Outcome {
    let mut first_id_token = String::new();
    let result = refreshed(first, |state, token| {
        first_id_token = token.id_token().unwrap().to_owned();
        state.token_reply = json!({"access_token": "AT2", "refresh_token": "RT2"});
        bend(state);
    });
    let result = result.await;
    outcome_of(result, &first_id_token)
}

async fn check(first: Value, second: Value) -> Outcome {
    outcome(first, |state| state.claims = second).await
}

#[tokio::test]
async fn rt_05_an_id_token_that_is_not_accepted_costs_no_refresh_token() {
    let now = Op::new().clock.seconds();
    let later = now + 3600;
    assert_eq!(check(json!({}), json!({})).await, Outcome::Accepted);
    for claims in [
        json!({"iss": null}),
        json!({"aud": "other"}),
        json!({"aud": [CLIENT_ID, "other"]}),
        json!({"azp": "other"}),
        json!({"sub": null}),
        json!({"exp": later - 100}),
        json!({"exp": null}),
        json!({"iat": null}),
        json!({"iat": later + 100}),
        // The time of the first one: section 12.2 wants that of the new one.
        json!({"iat": now}),
        json!({"nbf": later + 600}),
        json!({"at_hash": left_half("RS256", "other")}),
    ] {
        let outcome = check(json!({}), claims.clone()).await;
        assert!(matches!(outcome, Outcome::LeftOut(_)), "{claims}: {outcome:?}");
    }
    // The reason names the clock where that may be wrong.
    let Outcome::LeftOut(reason) = check(json!({}), json!({"iat": later + 90})).await else { panic!() };
    assert!(reason.contains("clock"), "{reason}");
    for (signing, header) in [
        (Signing::With("RS256", Key::OtherRsa), json!({"alg": "RS256", "kid": "rsa"})),
        (Signing::Bytes(Vec::new()), json!({"alg": "none"})),
        (Signing::With("RS256", Key::Rsa), json!({"alg": "RS256", "kid": "rsa", "typ": "at+jwt"})),
        (Signing::With("RS256", Key::Rsa), json!({"alg": "RS256", "kid": "unknown"})),
    ] {
        let outcome = outcome(json!({}), |state| (state.signing, state.header) = (signing, header)).await;
        assert!(matches!(outcome, Outcome::LeftOut(_)), "{outcome:?}");
    }
    for not_a_token in [json!("none"), json!("a.b.c"), json!({"a": "b"}), json!(["x"]), json!(7), json!(true)]
    {
        let shown = not_a_token.to_string();
        let outcome = outcome(json!({}), |state| state.id_token = Some(not_a_token)).await;
        assert!(matches!(outcome, Outcome::LeftOut(_)), "{shown}: {outcome:?}");
    }
}

#[tokio::test]
async fn rt_05_tokens_of_another_user_are_handed_out_with_an_error_only() {
    for (claims, expected) in [
        (json!({"iss": "https://evil.example"}), JwtCheck::Issuer),
        (json!({"sub": "user-2"}), JwtCheck::Agreement),
        // Whatever else is wrong with the ID token, it names another user.
        (json!({"sub": "user-2", "iat": 1}), JwtCheck::Agreement),
        (json!({"sub": "user-2", "aud": "other"}), JwtCheck::Agreement),
        (json!({"sub": 1, "aud": "other"}), JwtCheck::Agreement),
    ] {
        assert_eq!(check(json!({}), claims.clone()).await, Outcome::OtherUser(expected), "{claims}");
    }
    let forged = outcome(json!({}), |state| {
        state.claims = json!({"sub": "user-2"});
        state.signing = Signing::With("RS256", Key::OtherRsa);
    });
    assert_eq!(forged.await, Outcome::OtherUser(JwtCheck::Agreement));
}

#[tokio::test]
async fn rt_05_an_id_token_that_comes_with_a_refresh_is_of_the_same_login() {
    let first = || json!({"auth_time": 1_700_000_000, "azp": CLIENT_ID});
    let with = |patch: Value| {
        let mut claims = first();
        super::op::merge(&mut claims, &patch);
        claims
    };
    // Single sign-on renews the time, and some write it with a fraction, or as a text, which is not a date to compare with.
    for patch in [
        json!({}),
        json!({"auth_time": 1_700_003_600}),
        json!({"auth_time": 1_700_000_000.25}),
        json!({"auth_time": "1700000000"}),
        json!({"auth_time": null}),
    ] {
        assert_eq!(check(first(), with(patch.clone())).await, Outcome::Accepted, "{patch}");
    }
    assert_eq!(
        check(json!({"auth_time": 1_700_000_000.75}), json!({"auth_time": 1_700_000_000})).await,
        Outcome::Accepted
    );
    for (patch, named) in [
        (json!({"auth_time": 1_699_999_999}), "auth_time"),
        (json!({"azp": null}), "azp"),
        (json!({"nonce": "another"}), "nonce"),
    ] {
        let Outcome::LeftOut(reason) = check(first(), with(patch.clone())).await else { panic!("{patch}") };
        assert!(reason.contains(named), "{reason}");
    }
    // No azp before, none now (section 12.2).
    let Outcome::LeftOut(reason) = check(json!({}), json!({"azp": CLIENT_ID})).await else { panic!() };
    assert!(reason.contains("azp"), "{reason}");
    // The first one's nonce may be there.
    let mut nonce = Value::Null;
    let outcome = refreshed(json!({}), |state, token| {
        let claims = base64::Engine::decode(
            &base64::engine::general_purpose::URL_SAFE_NO_PAD,
            token.id_token().unwrap().split('.').nth(1).unwrap(),
        );
        let claims: Value = serde_json::from_slice(&claims.unwrap()).unwrap();
        nonce = claims["nonce"].clone();
        state.claims = json!({"nonce": nonce});
    });
    assert!(outcome.await.unwrap().rejected_id_token().is_none());
    assert!(nonce.is_string());
}

/// A manager that holds the token of a login, at a provider that rotates refresh tokens.
async fn managed(op: &Op) -> (TokenManager, TokenKey, Arc<Mutex<Vec<String>>>) {
    let client = op.client();
    let token = op.login(&client, LoginOptions::new()).await.unwrap().token;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let events = seen.clone();
    let manager = TokenManager::builder(MemoryStore::new(), Sealer::new(SealingKey::from_bytes([7; 32])))
        .provider(Arc::new(client))
        .clock(op.clock.clone())
        .observer(move |event: &Event| events.lock().unwrap().push(format!("{:?}", event.outcome)))
        .build()
        .unwrap();
    let key = TokenKey::new("openid", "user-1");
    manager.put(&key, &token).await.unwrap();
    op.clock.advance(Duration::from_secs(3600));
    op.bend(|state| {
        state.nonce = None;
        state.metadata["revocation_endpoint"] = "https://op.example/revoke".into();
        state.token_reply = json!({"access_token": "AT2", "refresh_token": "RT2"});
    });
    (manager, key, seen)
}

#[tokio::test]
async fn rt_05_a_manager_goes_on_with_the_new_refresh_token_whatever_is_wrong_with_the_id_token() {
    for claims in
        [json!({"iat": 1}), json!({"azp": CLIENT_ID}), json!({"at_hash": "x"}), json!({"aud": "other"})]
    {
        let op = Op::new();
        let (manager, key, events) = managed(&op).await;
        op.bend(|state| state.claims = claims.clone());
        assert_eq!(manager.get_token(&key).await.unwrap().access_token(), "AT2", "{claims}");
        op.clock.advance(Duration::from_secs(3600));
        op.bend(|state| state.token_reply = json!({"access_token": "AT3", "refresh_token": "RT3"}));
        assert_eq!(manager.get_token(&key).await.unwrap().access_token(), "AT3");
        let requests = op.requests();
        let redeemed = requests.iter().rfind(|sent| sent.url.ends_with("/token")).unwrap();
        assert!(redeemed.body.contains("refresh_token=RT2"), "{}", redeemed.body);
        let told = events.lock().unwrap().join("\n");
        assert!(told.contains("rejected_id_token: Some("), "{told}");
    }
}

#[tokio::test]
async fn a_refresh_token_that_a_later_login_kept_is_judged_by_the_login_it_came_from() {
    let of_first = json!({"auth_time": 1_700_000_000});
    let op = Op::bent(|state| state.claims = of_first.clone());
    let client = op.client();
    let first = op.login(&client, LoginOptions::new()).await.unwrap().token;
    op.bend(|state| {
        state.claims = json!({"auth_time": 1_700_000_500});
        state.token_reply = json!({"access_token": "AT of the second login", "refresh_token": null});
    });
    let second = op.login(&client, LoginOptions::new()).await.unwrap().token;
    let manager = TokenManager::builder(MemoryStore::new(), Sealer::new(SealingKey::from_bytes([7; 32])))
        .provider(Arc::new(client))
        .clock(op.clock.clone())
        .build()
        .unwrap();
    let key = TokenKey::new("openid", "user-1");
    manager.put(&key, &first).await.unwrap();
    assert_eq!(manager.put(&key, &second).await.unwrap(), Put::WithStoredRefreshToken);

    // A reply without an ID token leaves that of the last login, for `id_token_hint`.
    op.clock.advance(Duration::from_secs(3600));
    op.bend(|state| {
        (state.nonce, state.claims) = (None, of_first);
        state.token_reply = json!({"access_token": "AT2", "refresh_token": "RT2", "id_token": null});
    });
    let token = manager.get_token(&key).await.unwrap();
    assert_eq!((token.access_token(), token.id_token()), ("AT2", second.id_token()));

    op.clock.advance(Duration::from_secs(3600));
    op.bend(|state| state.token_reply = json!({"access_token": "AT3", "refresh_token": "RT3"}));
    let token = manager.get_token(&key).await.unwrap();
    assert_eq!(token.access_token(), "AT3");
    assert!(token.rejected_id_token().is_none(), "{:?}", token.rejected_id_token());
    assert_ne!(token.id_token(), second.id_token());
}

#[tokio::test]
async fn rt_05_a_manager_keeps_tokens_of_another_user_and_serves_none() {
    let op = Op::new();
    let (manager, key, events) = managed(&op).await;
    op.bend(|state| state.claims = json!({"sub": "user-2"}));
    let asked = op.count(Endpoint::Token);
    for _ in 0..3 {
        let error = manager.get_token(&key).await.unwrap_err();
        let grant = error.dead_grant().unwrap_or_else(|| panic!("{error:?}"));
        assert!(matches!(&grant.reason, DeadReason::NotAccepted { reason } if reason.contains("sub")));
        assert!(!format!("{error} {error:?}").contains("RT2"));
        assert_eq!(error.class(), ErrorClass::Reauthorize);
    }
    assert_eq!(op.count(Endpoint::Token), asked + 1, "the spent token is not redeemed again");
    assert!(events.lock().unwrap().join("\n").contains("NotAccepted"));
    // They are not lost: it is the new refresh token that is revoked.
    op.bend(|state| state.answer(Endpoint::Other, |_| Some(reply(200, "application/json", "{}"))));
    assert_eq!(manager.revoke(&key).await.unwrap(), Revoked::AtTheProvider);
    assert!(op.last_request().body.contains("token=RT2"), "{}", op.last_request().body);
}

#[tokio::test]
async fn rt_06_a_refresh_without_an_id_token_is_fine_and_keeps_the_first() {
    for absent in [json!(null), json!("")] {
        let mut first = None;
        let token = refreshed(json!({}), |state, token| {
            first = token.id_token().map(str::to_owned);
            state.token_reply = json!({"id_token": absent, "access_token": "AT2", "refresh_token": null});
        });
        let token = token.await.unwrap();
        assert_eq!((token.access_token(), token.id_token()), ("AT2", first.as_deref()));
        assert_eq!(token.refresh_token(), Some("the-refresh-token"));
    }
}

#[tokio::test]
async fn keys_that_cannot_be_had_lose_no_refresh_token() {
    for answer in [
        // Nothing is there.
        None,
        Some((404, "not here")),
        Some((403, r#"{"error":"access_denied"}"#)),
        Some((401, r#"{"error":"invalid_token"}"#)),
        Some((302, "")),
        Some((200, "<html>Maintenance</html>")),
        Some((200, r#"{"keys":17}"#)),
    ] {
        let op = Op::new();
        let client = op.client();
        let token = op.login(&client, LoginOptions::new()).await.unwrap().token;
        // Kept keys are too old, and the provider's cannot be read; its token endpoint works.
        op.clock.advance(Duration::from_secs(24 * 3600 - 1));
        op.bend(|state| {
            state.nonce = None;
            match answer {
                None => state.down = vec![Endpoint::Keys],
                Some((status, body)) => {
                    state.answer(Endpoint::Keys, move |_| Some(reply(status, "text/html", body)));
                }
            }
            state.token_reply = json!({"access_token": "AT2", "refresh_token": "RT2"});
        });
        let new = client.refresh_token(token.refresh_token().unwrap(), None).await.unwrap();
        assert_eq!((new.access_token(), new.refresh_token()), ("AT2", Some("RT2")), "{answer:?}");
        // What could not be verified is not handed out.
        assert_eq!(new.id_token(), None);
    }
}

#[tokio::test]
async fn who_refuses_to_tell_the_metadata_has_not_judged_the_grant() {
    for (status, body) in [(401, r#"{"error":"invalid_token"}"#), (403, r#"{"error":"access_denied"}"#)] {
        let op = Op::bent(|state| {
            state.answer(Endpoint::Discovery, move |_| Some(reply(status, "application/json", body)));
        });
        let error = op.client().refresh_token("RT", None).await.unwrap_err();
        assert_eq!((error.operation(), op.count(Endpoint::Token)), (Operation::DISCOVER, 0));
        assert_ne!(error.class(), ErrorClass::Reauthorize, "{error}");
    }
}

#[tokio::test]
async fn a_refresh_without_the_old_id_token_is_verified_as_far_as_it_can_be() {
    let op = Op::new();
    let client = op.client();
    op.bend(|state| state.claims = json!({"aud": "other"}));
    let token = client.refresh_token("RT", None).await.unwrap();
    assert_eq!((token.access_token(), token.id_token()), (ACCESS_TOKEN, None));
    assert!(token.rejected_id_token().unwrap().reason.contains("aud"));
    op.bend(|state| state.claims = json!({"iss": "https://evil.example"}));
    let error = client.refresh_token("RT", None).await.unwrap_err();
    assert_eq!(error.jwt_check(), Some(JwtCheck::Issuer));
    assert_eq!(error.tokens().unwrap().access_token(), ACCESS_TOKEN);
    op.bend(|state| state.claims = json!({}));
    let token = client.refresh_token("RT", None).await.unwrap();
    assert!(token.id_token().is_some() && token.rejected_id_token().is_none());
}
