//! RT: ID tokens that come with a refresh (OpenID Connect Core section 12.2).

use std::time::Duration;

use oauth_clients::{ErrorClass, ErrorKind, JwtCheck, LoginOptions, OAuth2Token, Operation, Provider};
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

async fn check(first: Value, second: Value) -> Option<JwtCheck> {
    let outcome = refreshed(first, |state, _| state.claims = second).await;
    outcome.err().map(|error| {
        assert_eq!(error.operation(), Operation::REFRESH_TOKEN);
        error.jwt_check().unwrap_or_else(|| panic!("{error:?}"))
    })
}

#[tokio::test]
async fn rt_05_an_id_token_that_comes_with_a_refresh_is_verified_in_full() {
    let now = Op::new().clock.seconds();
    let later = now + 3600;
    assert_eq!(check(json!({}), json!({})).await, None);
    for (claims, expected) in [
        (json!({"iss": "https://evil.example"}), JwtCheck::Issuer),
        (json!({"iss": null}), JwtCheck::Issuer),
        (json!({"aud": "other"}), JwtCheck::Audience),
        (json!({"aud": [CLIENT_ID, "other"]}), JwtCheck::Audience),
        (json!({"azp": "other"}), JwtCheck::AuthorizedParty),
        (json!({"sub": null}), JwtCheck::Subject),
        (json!({"exp": later - 100}), JwtCheck::Expiry),
        (json!({"exp": null}), JwtCheck::Expiry),
        (json!({"iat": null}), JwtCheck::IssuedAt),
        (json!({"iat": later + 100}), JwtCheck::IssuedAt),
        // The time of the first one: section 12.2 wants that of the new one.
        (json!({"iat": now}), JwtCheck::IssuedAt),
        (json!({"nbf": later + 600}), JwtCheck::NotBefore),
        (json!({"at_hash": left_half("RS256", "other")}), JwtCheck::AccessTokenHash),
    ] {
        assert_eq!(check(json!({}), claims.clone()).await, Some(expected), "{claims}");
    }
    for (signing, header, expected) in [
        (Signing::With("RS256", Key::OtherRsa), json!({"alg": "RS256", "kid": "rsa"}), JwtCheck::Signature),
        (Signing::Bytes(Vec::new()), json!({"alg": "none"}), JwtCheck::Algorithm),
        (
            Signing::With("RS256", Key::Rsa),
            json!({"alg": "RS256", "kid": "rsa", "typ": "at+jwt"}),
            JwtCheck::Type,
        ),
        (Signing::With("RS256", Key::Rsa), json!({"alg": "RS256", "kid": "unknown"}), JwtCheck::Key),
    ] {
        let outcome = refreshed(json!({}), |state, _| {
            state.signing = signing;
            state.header = header;
        });
        assert_eq!(outcome.await.unwrap_err().jwt_check(), Some(expected));
    }
}

#[tokio::test]
async fn rt_05_an_id_token_that_comes_with_a_refresh_is_of_the_same_user_and_login() {
    let first = || json!({"auth_time": 1_700_000_000, "azp": CLIENT_ID});
    let with = |patch: Value| {
        let mut claims = first();
        super::op::merge(&mut claims, &patch);
        claims
    };
    assert_eq!(check(first(), first()).await, None);
    for patch in [
        json!({"sub": "user-2"}),
        json!({"auth_time": 1_700_000_001}),
        json!({"auth_time": "1700000000"}),
        json!({"azp": null}),
        json!({"nonce": "another"}),
    ] {
        assert_eq!(check(first(), with(patch.clone())).await, Some(JwtCheck::Agreement), "{patch}");
    }
    // No azp before, none now.
    assert_eq!(check(json!({}), json!({"azp": CLIENT_ID})).await, Some(JwtCheck::Agreement));
    // What may be left out may be left out.
    assert_eq!(check(first(), with(json!({"auth_time": null}))).await, None);
    // The first one's nonce may be there.
    let outcome = refreshed(json!({}), |state, token| {
        let id_token = token.id_token().unwrap();
        let claims = base64::Engine::decode(
            &base64::engine::general_purpose::URL_SAFE_NO_PAD,
            id_token.split('.').nth(1).unwrap(),
        );
        let claims: Value = serde_json::from_slice(&claims.unwrap()).unwrap();
        state.claims = json!({"nonce": claims["nonce"]});
    });
    outcome.await.unwrap();
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
    let error = client.refresh_token("RT", None).await.unwrap_err();
    assert_eq!(error.jwt_check(), Some(JwtCheck::Audience));
    op.bend(|state| state.claims = json!({}));
    let token = client.refresh_token("RT", None).await.unwrap();
    assert_eq!(token.access_token(), ACCESS_TOKEN);
    assert!(!matches!(error.kind(), ErrorKind::Transport(_)));
}
