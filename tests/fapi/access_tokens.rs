//! Access tokens and proofs as a resource server verifies them (RFC 9068, RFC 9449).

use std::{sync::Arc, time::Duration};

use oauth_clients::{ErrorClass, JwtCheck, MemoryCache, openid::Algorithm};
use oauth_fapi::{
    AccessTokenVerifier, DpopProofVerifier, PresentedToken, ProofError, Signer, sign_jwt, thumbprint,
};
use serde_json::{Map, Value, json};

use super::signer;
use crate::openid::op::{ISSUER, Key, Op, Signing, merge};

const API: &str = "https://api.example";

fn token(op: &Op, header: &Value, claims: &Value) -> String {
    let now = op.clock.seconds();
    let mut all_headers = json!({"alg": "RS256", "kid": "rsa", "typ": "at+jwt"});
    merge(&mut all_headers, header);
    let mut all_claims = json!({
        "iss": ISSUER, "aud": API, "sub": "user-1", "client_id": "app", "jti": "1", "iat": now, "exp": now + 60,
        "scope": "read write",
    });
    merge(&mut all_claims, claims);
    op.state().signing.token(&all_headers, &all_claims)
}

fn verifier(op: &Op) -> AccessTokenVerifier {
    AccessTokenVerifier::new(Arc::new(op.client()), [API])
}

#[tokio::test]
async fn ri_04_an_access_token_is_verified_by_the_resource_server_alone() {
    let op = Op::new();
    let claims = verifier(&op).verify(&token(&op, &json!({}), &json!({}))).await.unwrap();
    assert_eq!((claims.subject(), claims.client_id(), claims.id()), (Some("user-1"), Some("app"), Some("1")));
    assert!(claims.has_scope("write") && !claims.has_scope("admin") && !claims.has_scope(""));
    assert_eq!(claims.check_sender(&PresentedToken::as_bearer()), Ok(()));
    // The keys are read once.
    verifier(&op).verify(&token(&op, &json!({"typ": "application/at+jwt"}), &json!({}))).await.unwrap();
    let several = token(&op, &json!({}), &json!({"aud": ["https://other.example", API]}));
    verifier(&op).verify(&several).await.unwrap();
}

#[tokio::test]
async fn ri_04_whatever_is_wrong_with_an_access_token_is_said() {
    let now = Op::new().clock.seconds();
    let cases: [(Value, Value, JwtCheck); 16] = [
        (json!({"typ": "JWT"}), json!({}), JwtCheck::Type),
        (json!({"typ": null}), json!({}), JwtCheck::Type),
        (json!({"typ": "id_token"}), json!({}), JwtCheck::Type),
        (json!({"alg": "none"}), json!({}), JwtCheck::Algorithm),
        (json!({"alg": "HS256"}), json!({}), JwtCheck::Algorithm),
        (json!({"crit": ["x"]}), json!({}), JwtCheck::Critical),
        (json!({"kid": "other"}), json!({}), JwtCheck::Key),
        (json!({}), json!({"iss": "https://evil.example"}), JwtCheck::Issuer),
        (json!({}), json!({"aud": "https://other.example"}), JwtCheck::Audience),
        (json!({}), json!({"aud": null}), JwtCheck::Audience),
        (json!({}), json!({"exp": null}), JwtCheck::Expiry),
        (json!({}), json!({"exp": now - 600}), JwtCheck::Expiry),
        (json!({}), json!({"iat": now + 3600}), JwtCheck::IssuedAt),
        (json!({}), json!({"sub": null}), JwtCheck::Subject),
        (json!({}), json!({"client_id": ""}), JwtCheck::AuthorizedParty),
        (json!({}), json!({"jti": 1}), JwtCheck::Replay),
    ];
    for (header, claims, check) in cases {
        let op = Op::new();
        let error = verifier(&op).verify(&token(&op, &header, &claims)).await.unwrap_err();
        assert_eq!(error.jwt_check(), Some(check), "{header} {claims}: {error}");
        assert_eq!(error.operation().as_str(), "verify_access_token");
        if check == JwtCheck::Issuer {
            assert_eq!(op.counts()[1], 0, "no key is asked for on behalf of a stranger");
        }
    }
    let op = Op::new();
    let forged = Signing::With("RS256", Key::OtherRsa);
    op.bend(|state| state.signing = forged);
    let error = verifier(&op).verify(&token(&op, &json!({}), &json!({}))).await.unwrap_err();
    assert_eq!(error.jwt_check(), Some(JwtCheck::Signature));
    for opaque in ["", "opaque", "a.b", "a.b.c"] {
        assert_eq!(verifier(&op).verify(opaque).await.unwrap_err().jwt_check(), Some(JwtCheck::Form));
    }
}

#[tokio::test]
async fn ri_04_an_older_servers_tokens_are_taken_where_that_is_said() {
    let op = Op::new();
    let older = token(&op, &json!({"typ": "JWT"}), &json!({"client_id": null, "jti": null}));
    verifier(&op).verify(&older).await.unwrap_err();
    verifier(&op).dangerously_accept_other_tokens().verify(&older).await.unwrap();
    let own = token(&op, &json!({"typ": "vendor+jwt"}), &json!({}));
    verifier(&op).verify(&own).await.unwrap_err();
    verifier(&op).with_type("vendor+jwt").verify(&own).await.unwrap();
    let only_es = verifier(&op).with_algorithms([Algorithm::ES256, Algorithm::HS256]);
    let error = only_es.verify(&token(&op, &json!({}), &json!({}))).await.unwrap_err();
    assert_eq!(error.jwt_check(), Some(JwtCheck::Algorithm));
    let nobody = AccessTokenVerifier::new(Arc::new(op.client()), [""]);
    let error = nobody.verify(&token(&op, &json!({}), &json!({}))).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Configuration);
}

/// A proof of a key for a request, bent.
async fn proof(key: &dyn Signer, op: &Op, header: Value, claims: Value) -> String {
    let ath = {
        use base64::Engine;
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, b"AT");
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(hash)
    };
    let mut all_headers = json!({"typ": "dpop+jwt", "jwk": key.public_jwk()});
    merge(&mut all_headers, &header);
    let mut all_claims = json!({"htm": "GET", "htu": "https://api.example/orders", "iat": op.clock.seconds(), "jti": "p-1", "ath": ath});
    merge(&mut all_claims, &claims);
    let object = |value: Value| value.as_object().unwrap().clone();
    sign_jwt(key, object(all_headers), &object(all_claims)).await.unwrap()
}

fn proofs(op: &Op) -> DpopProofVerifier {
    DpopProofVerifier::new(Arc::new(MemoryCache::new())).with_clock(Arc::new(op.clock.clone()))
}

#[tokio::test]
async fn ri_04_a_bound_token_needs_a_proof_of_its_key() {
    let op = Op::new();
    let key = signer(Algorithm::ES256, Key::P256);
    let good = proof(&*key, &op, json!({}), json!({})).await;
    let verified =
        proofs(&op).verify(&good, "GET", "https://API.example:443/orders?page=2", "AT").await.unwrap();
    assert_eq!(verified.thumbprint(), thumbprint(&key.public_jwk()).unwrap());
    let bound = token(&op, &json!({}), &json!({"cnf": {"jkt": verified.thumbprint()}}));
    let claims = verifier(&op).verify(&bound).await.unwrap();
    assert_eq!(claims.check_sender(&PresentedToken::by_dpop(verified.thumbprint())), Ok(()));
    assert!(claims.check_sender(&PresentedToken::as_bearer()).is_err());
    assert!(claims.check_sender(&PresentedToken::by_dpop("other")).is_err());
}

#[tokio::test]
async fn ri_04_a_proof_is_for_one_request() {
    let op = Op::new();
    let now = op.clock.seconds();
    let key = signer(Algorithm::ES256, Key::P256);
    let other = signer(Algorithm::ES256, Key::OtherP256);
    let mut private: Map<String, Value> = key.public_jwk();
    private.insert("d".to_owned(), "AAAA".into());
    for (header, claims) in [
        (json!({"typ": "JWT"}), json!({})),
        (json!({"jwk": null}), json!({})),
        (json!({"jwk": private}), json!({})),
        (json!({"jwk": {"kty": "oct", "k": "AAAA"}}), json!({})),
        (json!({"jwk": other.public_jwk()}), json!({})),
        (json!({"alg": "none"}), json!({})),
        (json!({"crit": ["exp"]}), json!({})),
        (json!({}), json!({"htm": "POST"})),
        (json!({}), json!({"htm": "get"})),
        (json!({}), json!({"htu": "https://api.example/other"})),
        (json!({}), json!({"htu": "http://api.example/orders"})),
        (json!({}), json!({"htu": null})),
        (json!({}), json!({"ath": null})),
        (json!({}), json!({"ath": "AAAA"})),
        (json!({}), json!({"iat": now - 61})),
        (json!({}), json!({"iat": now + 61})),
        (json!({}), json!({"iat": null})),
        (json!({}), json!({"jti": null})),
        (json!({}), json!({"jti": ""})),
    ] {
        let bad = proof(&*key, &op, header.clone(), claims.clone()).await;
        let error = proofs(&op).verify(&bad, "GET", "https://api.example/orders", "AT").await.unwrap_err();
        assert!(matches!(error, ProofError::Invalid(_)), "{header} {claims}: {error}");
        assert_eq!(error.code(), "invalid_dpop_proof");
    }
    for nonsense in ["", "a.b.c", &"x".repeat(100_000)] {
        assert!(proofs(&op).verify(nonsense, "GET", "https://api.example/orders", "AT").await.is_err());
    }
    let good = proof(&*key, &op, json!({}), json!({})).await;
    let proofs = proofs(&op);
    let verify = async || proofs.verify(&good, "GET", "https://api.example/orders", "AT").await;
    assert!(verify().await.is_ok());
    assert!(matches!(verify().await.unwrap_err(), ProofError::Replayed));
}

#[tokio::test]
async fn ri_04_a_nonce_that_is_demanded_must_be_in_the_proof() {
    let op = Op::new();
    let key = signer(Algorithm::ES256, Key::P256);
    let demanding = || proofs(&op).with_nonce("N-2").with_lifetime(Duration::from_secs(30));
    for (nonce, is_good) in [(json!(null), false), (json!("N-1"), false), (json!("N-2"), true)] {
        let proof = proof(&*key, &op, json!({}), json!({"nonce": nonce})).await;
        let outcome = demanding().verify(&proof, "GET", "https://api.example/orders", "AT").await;
        match is_good {
            true => assert!(outcome.is_ok()),
            false => assert_eq!(outcome.unwrap_err().code(), "use_dpop_nonce"),
        }
    }
    let only_ps = proofs(&op).with_algorithms([Algorithm::PS256]);
    let by_es = proof(&*key, &op, json!({}), json!({})).await;
    assert!(only_ps.verify(&by_es, "GET", "https://api.example/orders", "AT").await.is_err());
}
