//! Keys: what is read, what is refused when it is read, and how one replaces another.

use base64::{Engine, engine::general_purpose::STANDARD};
use oauth_clients::{
    fapi::{KeyError, PublicJwks, Signer, SigningKey, SigningKeys, sign_jwt, thumbprint},
    openid::Algorithm,
};
use serde_json::{Map, Value, json};

use super::sent_jwt::verified;

pub(crate) const RSA: &str = include_str!("keys/rsa-pkcs8.pem");
pub(crate) const P256: &str = include_str!("keys/p256-pkcs8.pem");
pub(crate) const P384: &str = include_str!("keys/p384-pkcs8.pem");
pub(crate) const CERTIFICATE: &str = include_str!("keys/certificate.pem");
const ED25519: &str = include_str!("keys/ed25519.pem");
const PUBLIC: &str = include_str!("keys/public.pem");
const ENCRYPTED: &str = include_str!("keys/encrypted-aes.pem");
const PASSPHRASE: &str = "correct";

fn claims() -> Map<String, Value> {
    Map::from_iter([("iss".to_owned(), json!("me"))])
}

/// The bytes in a PEM.
fn der(pem: &str) -> Vec<u8> {
    let base64: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    STANDARD.decode(base64).unwrap()
}

#[tokio::test]
async fn ca_01_every_algorithm_signs_and_its_public_key_verifies() {
    use Algorithm::{ES256, ES384, ES512, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
    for (pem, algorithms) in [
        (RSA, &[RS256, RS384, RS512, PS256, PS384, PS512][..]),
        (include_str!("keys/rsa-pkcs1.pem"), &[PS256]),
        (include_str!("keys/rsa-pss.pem"), &[PS256, PS384]),
        (P256, &[ES256]),
        (include_str!("keys/p256-sec1.pem"), &[ES256]),
        (P384, &[ES384]),
        (include_str!("keys/p521-pkcs8.pem"), &[ES512]),
        (ED25519, &[EdDSA]),
    ] {
        for &algorithm in algorithms {
            let key = SigningKey::from_pem(pem, algorithm).unwrap();
            let jwt = sign_jwt(&key, Map::new(), &claims()).await.unwrap();
            let (header, signed) = verified(&jwt, &key.public_jwk());
            assert_eq!(header["alg"], algorithm.as_str());
            assert_eq!(header["kid"], thumbprint(&key.public_jwk()).unwrap());
            assert_eq!(signed["iss"], "me");
        }
    }
}

#[tokio::test]
async fn fa_02_ed25519_can_be_called_by_its_full_name() {
    let key = SigningKey::from_pem(ED25519, Algorithm::EdDSA).unwrap();
    let name = thumbprint(&key.public_jwk()).unwrap();
    let key = key.with_full_algorithm_name();
    let jwt = sign_jwt(&key, Map::new(), &claims()).await.unwrap();
    assert_eq!(super::sent_jwt::parts(&jwt).0, json!({"alg": "Ed25519", "kid": name}));
    assert_eq!(key.public_jwk()["alg"], "Ed25519");
    let other = SigningKey::from_pem(P256, Algorithm::ES256).unwrap().with_full_algorithm_name();
    assert_eq!(other.public_jwk()["alg"], "ES256");
}

#[tokio::test]
async fn one_key_is_the_same_from_every_form() {
    let pem = SigningKey::from_pem(P256, Algorithm::ES256).unwrap();
    let sec1 = SigningKey::from_pem(include_str!("keys/p256-sec1.pem"), Algorithm::ES256).unwrap();
    let from_der = SigningKey::from_pkcs8_der(&der(P256), Algorithm::ES256).unwrap();
    let encrypted = SigningKey::from_encrypted_pem(ENCRYPTED, PASSPHRASE, Algorithm::ES256).unwrap();
    let written = SigningKey::from_pem(pem.to_pem().unwrap().expose(), Algorithm::ES256).unwrap();
    for key in [sec1, from_der, encrypted, written] {
        assert_eq!(key.public_jwk(), pem.public_jwk());
    }
    let rsa = SigningKey::from_pem(RSA, Algorithm::PS256).unwrap();
    let other = include_str!("keys/encrypted-3des.pem");
    let encrypted = SigningKey::from_encrypted_pem(other, PASSPHRASE, Algorithm::PS256).unwrap();
    let written = SigningKey::from_pem(rsa.to_pem().unwrap().expose(), Algorithm::PS256).unwrap();
    // Whatever else is in the file.
    let all = format!("{CERTIFICATE}{RSA}");
    let beside = SigningKey::from_pem(&all.replace('\n', "\r\n"), Algorithm::PS256).unwrap();
    for key in [encrypted, written, beside] {
        assert_eq!(key.public_jwk(), rsa.public_jwk());
    }
    let ed25519 = SigningKey::from_pem(ED25519, Algorithm::EdDSA).unwrap();
    let written = SigningKey::from_pem(ed25519.to_pem().unwrap().expose(), Algorithm::EdDSA).unwrap();
    assert_eq!(written.public_jwk(), ed25519.public_jwk());
}

/// The key of RFC 8037 appendix A.1, whose thumbprint is in appendix A.3.
fn okp() -> Value {
    json!({
        "kty": "OKP", "crv": "Ed25519",
        "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
    })
}

/// The key of RFC 7515 appendix A.3.
fn ec() -> Value {
    json!({
        "kty": "EC", "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        "d": "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI",
    })
}

/// The key of RFC 7515 appendix A.2.
fn rsa() -> Value {
    serde_json::from_str(include_str!("keys/rfc7515-a2.json")).unwrap()
}

#[tokio::test]
async fn jwks_of_all_kinds_are_read_with_their_names() {
    for (mut jwk, algorithm) in
        [(okp(), Algorithm::EdDSA), (ec(), Algorithm::ES256), (rsa(), Algorithm::PS384)]
    {
        let unnamed = SigningKey::from_jwk(&jwk.to_string(), algorithm).unwrap();
        assert_eq!(unnamed.key_id(), Some(&*thumbprint(jwk.as_object().unwrap()).unwrap()));
        jwk["kid"] = "mine".into();
        jwk["alg"] = algorithm.as_str().into();
        jwk["use"] = "sig".into();
        jwk["key_ops"] = json!(["sign"]);
        let key = SigningKey::from_jwk(&jwk.to_string(), algorithm).unwrap();
        assert_eq!(key.key_id(), Some("mine"));
        let jwt = sign_jwt(&key, Map::new(), &claims()).await.unwrap();
        assert_eq!(verified(&jwt, jwk.as_object().unwrap()).0["kid"], "mine");
        for private in ["d", "p", "q", "dp", "dq", "qi"] {
            assert!(!key.public_jwk().contains_key(private));
        }
    }
    assert_eq!(
        thumbprint(okp().as_object().unwrap()).unwrap(),
        "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
    );
    // RFC 7638 section 3.1.
    let public = json!({
        "kty": "RSA", "e": "AQAB", "alg": "RS256", "kid": "2011-04-29",
        "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
    });
    assert_eq!(
        thumbprint(public.as_object().unwrap()).unwrap(),
        "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
    );
}

#[test]
fn ca_16_a_key_that_cannot_be_used_is_refused_when_it_is_read_and_the_error_says_why() {
    for (pem, algorithm, reason) in [
        (include_str!("keys/rsa-1024.pem"), Algorithm::PS256, "1024 bits"),
        (PUBLIC, Algorithm::PS256, "a public key"),
        (CERTIFICATE, Algorithm::PS256, "a certificate"),
        (ENCRYPTED, Algorithm::ES256, "encrypted"),
        (include_str!("keys/encrypted-old.pem"), Algorithm::PS256, "openssl pkcs8"),
        (include_str!("keys/secp256k1.pem"), Algorithm::ES256, "secp256k1"),
        (include_str!("keys/p224.pem"), Algorithm::ES256, "P-224"),
        (include_str!("keys/ed448.pem"), Algorithm::EdDSA, "Ed448"),
        (include_str!("keys/x25519.pem"), Algorithm::EdDSA, "X25519"),
        (P384, Algorithm::ES256, "ES256 does not fit a key on P-384, which signs by ES384"),
        (P256, Algorithm::PS256, "PS256 does not fit"),
        (RSA, Algorithm::ES256, "ES256 does not fit an RSA key"),
        (RSA, Algorithm::EdDSA, "EdDSA does not fit"),
        (ED25519, Algorithm::ES256, "ES256 does not fit an Ed25519 key"),
        (RSA, Algorithm::HS256, "HS256 does not fit"),
        (include_str!("keys/rsa-pss.pem"), Algorithm::RS256, "by PSS only"),
        ("", Algorithm::ES256, "not PEM"),
        ("-----BEGIN PRIVATE KEY-----\n!!\n-----END PRIVATE KEY-----\n", Algorithm::ES256, "base64"),
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", Algorithm::ES256, "PKCS#8"),
        (
            concat!(include_str!("keys/ed25519.pem"), include_str!("keys/ed25519.pem")),
            Algorithm::EdDSA,
            "more than one",
        ),
    ] {
        let error = SigningKey::from_pem(pem, algorithm).unwrap_err().to_string();
        assert!(error.contains(reason), "{reason}: {error}");
    }
    let wrong = SigningKey::from_encrypted_pem(ENCRYPTED, "not-the-one", Algorithm::ES256).unwrap_err();
    assert!(matches!(wrong, KeyError::Passphrase(_)), "{wrong}");
    assert!(!wrong.to_string().contains("not-the-one"), "{wrong}");
    assert!(SigningKey::generate(Algorithm::HS256).is_err());
    for (bytes, reason) in [
        (der(PUBLIC), "a public key"),
        (der(CERTIFICATE), "a certificate"),
        (der(ENCRYPTED), "encrypted"),
        (RSA.as_bytes().to_vec(), "from_pem"),
        (vec![0x30, 0x80], "PKCS#8"),
    ] {
        let error = SigningKey::from_pkcs8_der(&bytes, Algorithm::PS256).unwrap_err().to_string();
        assert!(error.contains(reason), "{reason}: {error}");
    }
}

#[test]
fn ca_16_a_jwk_that_cannot_be_used_is_refused_when_it_is_read() {
    let with = |mut jwk: Value, name: &str, value: Value| {
        jwk[name] = value;
        jwk
    };
    let without = |mut jwk: Value, name: &str| {
        jwk.as_object_mut().unwrap().remove(name);
        jwk
    };
    for (jwk, algorithm, reason) in [
        (without(ec(), "d"), Algorithm::ES256, "a public JWK"),
        (without(rsa(), "d"), Algorithm::PS256, "a public JWK"),
        (without(okp(), "d"), Algorithm::EdDSA, "a public JWK"),
        (without(rsa(), "p"), Algorithm::PS256, "no p"),
        (with(rsa(), "oth", json!([{}])), Algorithm::PS256, "two primes"),
        (with(rsa(), "n", json!("AQAB")), Algorithm::PS256, "17 bits"),
        (with(rsa(), "q", rsa()["p"].clone()), Algorithm::PS256, "belong together"),
        (with(ec(), "x", json!("AA")), Algorithm::ES256, "belong together"),
        (with(ec(), "crv", json!("secp256k1")), Algorithm::ES256, "secp256k1"),
        (with(ec(), "alg", json!("ES384")), Algorithm::ES256, "ES384"),
        (with(rsa(), "alg", json!("RSA-OAEP")), Algorithm::PS256, "RSA-OAEP"),
        (with(rsa(), "use", json!("enc")), Algorithm::PS256, "use"),
        (with(rsa(), "key_ops", json!(["decrypt"])), Algorithm::PS256, "key_ops"),
        (ec(), Algorithm::ES384, "P-256"),
        (okp(), Algorithm::ES256, "Ed25519"),
        (rsa(), Algorithm::ES256, "an RSA key"),
        (with(okp(), "crv", json!("X25519")), Algorithm::EdDSA, "X25519"),
        (with(okp(), "x", ec()["x"].clone()), Algorithm::EdDSA, "belong together"),
        (with(okp(), "d", json!("AAAA")), Algorithm::EdDSA, "32 bytes"),
        (json!({"kty": "oct", "k": "c2VjcmV0"}), Algorithm::ES256, "symmetric"),
        (json!({"kty": "AKP"}), Algorithm::ES256, "kty"),
        (json!([]), Algorithm::ES256, "not a JWK"),
        (json!("SECRET"), Algorithm::ES256, "not a JWK"),
    ] {
        let error = SigningKey::from_jwk(&jwk.to_string(), algorithm).unwrap_err().to_string();
        assert!(error.contains(reason), "{reason}: {error}");
        assert!(!error.contains("SECRET"), "{error}");
    }
    let twice = ec().to_string().replacen('{', r#"{"d":"AA","#, 1);
    assert!(SigningKey::from_jwk(&twice, Algorithm::ES256).is_err());
}

#[test]
fn lb_01_no_debug_shows_a_key() {
    let key = SigningKey::from_jwk(&ec().to_string(), Algorithm::ES256).unwrap().with_key_id("mine");
    let keys = SigningKeys::from(key.clone());
    for shown in [format!("{key:?}"), format!("{keys:?}"), format!("{:?}", key.to_pem().unwrap())] {
        assert!(!shown.contains("jpsQnnGQ") && !shown.contains("BEGIN"), "{shown}");
    }
    assert!(format!("{key:?}").contains("mine"));
}

fn named(name: &str) -> SigningKey {
    SigningKey::generate(Algorithm::ES256).unwrap().with_key_id(name)
}

fn published(keys: &SigningKeys) -> Vec<String> {
    let set: Value = serde_json::from_str(keys.public_jwks().json()).unwrap();
    let keys = set["keys"].as_array().unwrap();
    keys.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn ca_09_keys_rotate_without_a_restart_and_the_next_one_is_published_before_it_signs() {
    let keys = SigningKeys::from(named("first"));
    let elsewhere = keys.clone();
    let signs = || async {
        let jwt = elsewhere.sign_jwt(Map::new(), &claims()).await.unwrap();
        let key = elsewhere.current();
        verified(&jwt, &key.public_jwk()).0["kid"].as_str().unwrap().to_owned()
    };
    assert!(keys.rotate().is_err(), "nothing was announced");
    keys.announce(named("second")).unwrap();
    assert_eq!(
        (signs().await, published(&elsewhere)),
        ("first".into(), vec!["first".into(), "second".to_owned()])
    );
    keys.rotate().unwrap();
    assert_eq!(
        (signs().await, published(&elsewhere)),
        ("second".into(), vec!["second".into(), "first".to_owned()])
    );
    keys.withdraw_former();
    assert_eq!((signs().await, published(&elsewhere)), ("second".into(), vec!["second".to_owned()]));
}

#[test]
fn fa_21_two_keys_of_one_name_are_refused() {
    let keys = SigningKeys::from(named("first"));
    let error = keys.announce(named("first")).unwrap_err();
    assert!(matches!(&error, KeyError::Name(text) if text.contains("first")), "{error}");
    assert!(keys.announce(named("x").without_key_id()).is_err());
    assert_eq!(published(&keys), ["first"]);
}

#[test]
fn fa_21_a_published_set_has_public_members_only_and_is_ready_to_serve() {
    /// A signer that does not know what is public.
    #[derive(Debug)]
    struct Careless;

    #[oauth_clients::async_trait]
    impl Signer for Careless {
        fn algorithm(&self) -> Algorithm {
            Algorithm::ES256
        }

        fn public_jwk(&self) -> Map<String, Value> {
            let mut jwk = ec();
            jwk["x5u"] = "https://evil.example/".into();
            jwk.as_object().unwrap().clone()
        }

        async fn sign(&self, _: &[u8]) -> Result<Vec<u8>, oauth_clients::fapi::SignError> {
            Ok(Vec::new())
        }
    }

    let response = SigningKeys::from(Careless).public_jwks().into_response();
    assert_eq!(response.headers()["content-type"], PublicJwks::CONTENT_TYPE);
    let set: Value = serde_json::from_str(response.body()).unwrap();
    let names: Vec<_> = set["keys"][0].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        names.into_iter().collect::<std::collections::BTreeSet<_>>(),
        ["alg", "crv", "kty", "use", "x", "y"].into()
    );
}
