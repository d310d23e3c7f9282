//! Introspection by a resource server (RFC 7662), also by signed answers (RFC 9701).

use std::{sync::Arc, time::Duration};

use oauth_clients::{ErrorClass, ErrorKind, JwtCheck, Provider};
use oauth_fapi::{Introspector, PresentedToken, SenderError};
use serde_json::{Value, json};

use super::ciba::answer_with;
use crate::{
    openid::op::{CLIENT_ID, Endpoint, ISSUER, Key, Op, Signing, State, merge},
    support::{Sent, reply},
};

const MEDIA_TYPE: &str = "application/token-introspection+jwt";

/// A provider whose introspection endpoint answers so.
fn provider(bend: impl FnOnce(&mut State)) -> Op {
    Op::bent(|state| {
        state.metadata["introspection_endpoint"] = format!("{ISSUER}/introspect").into();
        bend(state);
    })
}

fn answering(answer: Value) -> Op {
    provider(|state| answer_with(state, Endpoint::Other, 200, answer))
}

fn introspector(op: &Op) -> Introspector {
    Introspector::new(Arc::new(op.client()))
}

fn asked(op: &Op) -> Vec<Sent> {
    op.requests().into_iter().filter(|sent| sent.url.ends_with("/introspect")).collect()
}

#[tokio::test]
async fn rv_04_active_is_a_boolean_and_false_means_nothing_else() {
    for no_answer in
        [json!({}), json!({"active": "true"}), json!({"active": 1}), json!({"active": null}), json!([])]
    {
        let error = introspector(&answering(no_answer.clone())).introspect("AT").await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::MalformedReply { .. }), "{no_answer}: {error}");
    }
    let op = answering(json!({"active": false, "sub": "x", "scope": "all"}));
    assert_eq!(introspector(&op).introspect("AT").await.unwrap(), None);
    let op = answering(json!({"active": true, "sub": "x", "scope": "read write", "client_id": "c"}));
    let claims = introspector(&op).introspect("AT").await.unwrap().unwrap();
    assert_eq!(
        (claims.subject(), claims.client_id(), claims.scopes()),
        (Some("x"), Some("c"), vec!["read", "write"])
    );
    let sent = asked(&op).pop().unwrap();
    assert_eq!(sent.form()[0], ("token".to_owned(), "AT".to_owned()));
    assert!(sent.header("authorization").unwrap().starts_with("Basic "));
    assert!(!format!("{claims:?}").contains("\"x\""));
}

#[tokio::test]
async fn rv_05_times_are_read_as_servers_write_them() {
    let now = Op::new().clock.seconds();
    for (patch, is_active) in [
        (json!({"exp": now + 300}), true),
        (json!({"exp": now as f64 + 300.5, "iat": now as f64 - 0.5, "nbf": now as f64 - 0.5}), true),
        (json!({"exp": 0}), true),
        (json!({"exp": 1e30}), true),
        (json!({"exp": null, "nbf": null}), true),
        (json!({"exp": now - 300}), false),
        (json!({"exp": (now - 300).to_string()}), false),
        (json!({"exp": "soon"}), false),
        (json!({"nbf": now + 300}), false),
        (json!({"nbf": "soon"}), false),
    ] {
        let mut answer = json!({"active": true});
        answer.as_object_mut().unwrap().extend(patch.as_object().unwrap().clone());
        let op = answering(answer);
        let found = introspector(&op).introspect("AT").await.unwrap();
        assert_eq!(found.is_some(), is_active, "{patch}");
    }
    let op = answering(json!({"active": true, "aud": ["a", "b"], "exp": now as f64 + 300.5}));
    let claims = introspector(&op).introspect("AT").await.unwrap().unwrap();
    assert_eq!(claims.audiences(), ["a", "b"]);
    assert_eq!(claims.expires_at().unwrap().unix_timestamp(), now + 300);
}

#[tokio::test]
async fn rv_06_an_answer_is_kept_for_a_while_and_never_beyond_the_tokens_end() {
    let op = answering(json!({"active": true, "exp": Op::new().clock.seconds() + 100}));
    let cached = introspector(&op).with_cache(2, Duration::from_secs(30));
    let ask = async |token: &str| {
        assert!(cached.introspect(token).await.unwrap().is_some());
        asked(&op).len()
    };
    assert_eq!((ask("A").await, ask("A").await), (1, 1));
    op.clock.advance(Duration::from_secs(29));
    assert_eq!(ask("A").await, 1);
    op.clock.advance(Duration::from_secs(2));
    assert_eq!(ask("A").await, 2);
    // 31 s are over: near its end the answer lives no longer than the token.
    op.clock.advance(Duration::from_secs(60));
    assert_eq!(ask("A").await, 3);
    op.clock.advance(Duration::from_secs(10));
    // The server says active for a while longer, and clocks differ; but nothing of it is kept.
    let after = ask("A").await;
    assert_eq!((after, ask("A").await), (4, 5));

    // There are no more than two, and none about tokens that are not active.
    let op = answering(json!({"active": true}));
    let cached = introspector(&op).with_cache(2, Duration::from_secs(30));
    for token in ["A", "B", "C", "B", "C"] {
        cached.introspect(token).await.unwrap();
        op.clock.advance(Duration::from_secs(1));
    }
    assert_eq!(asked(&op).len(), 3);
    cached.introspect("A").await.unwrap();
    assert_eq!(asked(&op).len(), 4);
    let op = answering(json!({"active": false}));
    let cached = introspector(&op).with_cache(2, Duration::from_secs(30));
    cached.introspect("A").await.unwrap();
    cached.introspect("A").await.unwrap();
    assert_eq!(asked(&op).len(), 2);
    assert!(!format!("{cached:?}").contains("\"A\""));
}

/// What the provider signs as an answer, with patches of header and claims.
fn signed(op: &Op, header: &Value, claims: &Value) -> String {
    let mut all_headers = json!({"alg": "RS256", "kid": "rsa", "typ": "token-introspection+jwt"});
    merge(&mut all_headers, header);
    let mut all_claims = json!({
        "iss": ISSUER, "aud": CLIENT_ID, "iat": op.clock.seconds(),
        "token_introspection": {"active": true, "sub": "user-1"},
    });
    merge(&mut all_claims, claims);
    op.state().signing.token(&all_headers, &all_claims)
}

fn answer_signed(op: &Op, jwt: String) {
    op.bend(|state| state.answer(Endpoint::Other, move |_| Some(reply(200, MEDIA_TYPE, jwt.clone()))));
}

#[tokio::test]
async fn rv_07_a_signed_answer_is_verified_in_full() {
    let op = provider(|_| {});
    answer_signed(&op, signed(&op, &json!({}), &json!({})));
    let claims = introspector(&op).with_signed_answers().introspect("AT").await.unwrap().unwrap();
    assert_eq!(claims.subject(), Some("user-1"));
    assert_eq!(asked(&op)[0].header("accept"), Some(MEDIA_TYPE));

    let refused: [(Value, Value, JwtCheck); 11] = [
        (json!({"typ": "JWT"}), json!({}), JwtCheck::Type),
        (json!({"typ": null}), json!({}), JwtCheck::Type),
        (json!({"typ": "at+jwt"}), json!({}), JwtCheck::Type),
        (json!({"alg": "none"}), json!({}), JwtCheck::Algorithm),
        (json!({}), json!({"iss": "https://evil.example"}), JwtCheck::Issuer),
        (json!({}), json!({"aud": "other"}), JwtCheck::Audience),
        (json!({}), json!({"aud": null}), JwtCheck::Audience),
        (json!({}), json!({"iat": null}), JwtCheck::IssuedAt),
        (json!({}), json!({"token_introspection": "{\"active\":true}"}), JwtCheck::Form),
        (json!({}), json!({"token_introspection": {"sub": "x"}, "active": true}), JwtCheck::Form),
        (json!({}), json!({"token_introspection": null, "active": true}), JwtCheck::Form),
    ];
    for (header, claims, check) in refused {
        let op = provider(|_| {});
        answer_signed(&op, signed(&op, &header, &claims));
        let error = introspector(&op).with_signed_answers().introspect("AT").await.unwrap_err();
        assert_eq!(error.jwt_check(), Some(check), "{header} {claims}: {error}");
    }
    let op = provider(|state| state.signing = Signing::With("RS256", Key::OtherRsa));
    answer_signed(&op, signed(&op, &json!({}), &json!({})));
    let error = introspector(&op).with_signed_answers().introspect("AT").await.unwrap_err();
    assert_eq!(error.jwt_check(), Some(JwtCheck::Signature));

    let op = provider(|_| {});
    answer_signed(
        &op,
        signed(&op, &json!({}), &json!({"token_introspection": {"active": false, "sub": "x"}})),
    );
    assert_eq!(introspector(&op).with_signed_answers().introspect("AT").await.unwrap(), None);
    // The answer says in its own claims when the token ends.
    let ended = json!({"token_introspection": {"active": true, "exp": op.clock.seconds() - 300}});
    answer_signed(&op, signed(&op, &json!({}), &ended));
    assert_eq!(introspector(&op).with_signed_answers().introspect("AT").await.unwrap(), None);
}

#[tokio::test]
async fn rv_08_plain_json_in_place_of_a_signed_answer_is_refused() {
    let op = answering(json!({"active": true}));
    let error = introspector(&op).with_signed_answers().introspect("AT").await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::MalformedReply { .. }), "{error}");
    assert_eq!(error.class(), ErrorClass::Protocol);
    // Also where the JSON is called a JWT.
    answer_signed(&op, json!({"active": true}).to_string());
    let error = introspector(&op).with_signed_answers().introspect("AT").await.unwrap_err();
    assert_eq!(error.jwt_check(), Some(JwtCheck::Form));
}

#[tokio::test]
async fn rv_09_the_algorithm_is_the_registered_one() {
    let op = provider(|state| state.sign_with("ES256", Key::P256, "ec"));
    let jwt = signed(&op, &json!({"alg": "ES256", "kid": "ec"}), &json!({}));
    answer_signed(&op, jwt);
    let error = introspector(&op).with_signed_answers().introspect("AT").await.unwrap_err();
    assert_eq!(error.jwt_check(), Some(JwtCheck::Algorithm));
    let by_es256 = introspector(&op).with_answers_signed_by([oauth_clients::openid::Algorithm::ES256]);
    assert!(by_es256.introspect("AT").await.unwrap().is_some());
    // Whoever registered encryption takes nothing else.
    let error = by_es256.with_encrypted_answers().introspect("AT").await.unwrap_err();
    assert_eq!(error.jwt_check(), Some(JwtCheck::Encryption));
}

#[tokio::test]
async fn rv_10_what_a_token_is_bound_to_is_compared_with_what_was_shown() {
    let thumbprint = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
    let certificate = b"a certificate in DER";
    let hash = "cDF5IDIWmbXNEPJtRo92kwIMlyStRZJR7JUGqfXFkVo";
    let bearer = PresentedToken::as_bearer;
    let dpop = || PresentedToken::by_dpop(thumbprint);
    let shown_hash = {
        use base64::Engine;
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, certificate);
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(digest)
    };
    let tls = || bearer().with_certificate(certificate);
    for (patch, presented, expected) in [
        (json!({}), bearer(), Ok(())),
        (json!({}), tls(), Ok(())),
        (json!({}), dpop(), Err(SenderError::NotBound)),
        (json!({"cnf": {"jkt": thumbprint}}), dpop(), Ok(())),
        (json!({"cnf": {"jkt": thumbprint}, "token_type": "DPoP"}), dpop(), Ok(())),
        (json!({"cnf": {"jkt": thumbprint}, "token_type": "Bearer"}), dpop(), Err(SenderError::WrongType)),
        (json!({"cnf": {"jkt": thumbprint}}), bearer(), Err(SenderError::NoProof)),
        (json!({"cnf": {"jkt": "other"}}), dpop(), Err(SenderError::OtherKey)),
        (json!({"cnf": {"jkt": null}}), dpop(), Err(SenderError::OtherKey)),
        (json!({"cnf": {"x5t#S256": shown_hash}}), tls(), Ok(())),
        (json!({"cnf": {"x5t#S256": shown_hash}}), bearer(), Err(SenderError::NoCertificate)),
        (json!({"cnf": {"x5t#S256": hash}}), tls(), Err(SenderError::OtherCertificate)),
        (json!({"cnf": {"x5t#S256": shown_hash, "jkt": thumbprint}}), tls(), Err(SenderError::NoProof)),
        (json!({"cnf": {"jwk": {}}}), bearer(), Err(SenderError::UnknownMethod("jwk".to_owned()))),
    ] {
        let mut answer = json!({"active": true});
        merge(&mut answer, &patch);
        let claims = introspector(&answering(answer)).introspect("AT").await.unwrap().unwrap();
        assert_eq!(claims.check_sender(&presented), expected, "{patch}");
    }
    let op = answering(json!({
        "active": true, "acr": "high", "auth_time": 1_700_000_000, "act": {"sub": "robot"}, "may_act": {"sub": "r2"},
        "authorization_details": [{"type": "payment"}], "username": "jane", "jti": "1",
    }));
    let claims = introspector(&op).introspect("AT").await.unwrap().unwrap();
    assert_eq!((claims.acr(), claims.username(), claims.id()), (Some("high"), Some("jane"), Some("1")));
    assert_eq!(claims.authenticated_at().unwrap().unix_timestamp(), 1_700_000_000);
    assert_eq!(claims.actor(), Some(&json!({"sub": "robot"})));
    assert_eq!(claims.may_act(), Some(&json!({"sub": "r2"})));
    assert_eq!(claims.authorization_details(), Some(&json!([{"type": "payment"}])));
}

#[tokio::test]
async fn a_provider_without_introspection_is_said_to_have_none() {
    let op = Op::new();
    for one in [introspector(&op), introspector(&op).with_signed_answers()] {
        let error = one.introspect("AT").await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Unsupported(_)), "{error}");
    }
    assert_eq!(op.client().name(), "openid");
}
