//! Request objects that are encrypted for a server (RFC 9101 section 6.1).

#![cfg(feature = "encryption")]
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use josekit::jwk::{Jwk, alg::ec::EcCurve};
use oauth_fapi::{
    Encrypter, JoseEncrypter,
    oauth_openid::{Decrypter, JoseDecrypter},
};
use serde_json::{Map, Value, json};

/// A key of the server's, with its private half.
fn key(of: Jwk) -> Value {
    let mut jwk: Map<String, Value> = of.into();
    jwk.insert("kid".to_owned(), json!("server-key"));
    jwk.insert("use".to_owned(), json!("enc"));
    jwk.into()
}

fn rsa(bits: u32) -> Value {
    key(Jwk::generate_rsa_key(bits).unwrap())
}

fn p256() -> Value {
    key(Jwk::generate_ec_key(EcCurve::P256).unwrap())
}

#[tokio::test]
async fn jr_07_the_server_reads_what_was_encrypted_for_it() {
    for (private, algorithms) in [
        (rsa(2048), &["RSA-OAEP", "RSA-OAEP-256"][..]),
        (p256(), &["ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A256KW"]),
    ] {
        let server = JoseDecrypter::new(&private).unwrap();
        let public = server.public_keys()["keys"][0].clone();
        for algorithm in algorithms {
            for content in ["A128GCM", "A256GCM", "A128CBC-HS256", "A256CBC-HS512"] {
                let encrypter = JoseEncrypter::new(&public, algorithm, content).unwrap();
                let encrypted = encrypter.encrypt("a.b.c").await.unwrap();
                assert_eq!(server.decrypt(&encrypted).await.unwrap(), "a.b.c");
                let header = URL_SAFE_NO_PAD.decode(encrypted.split('.').next().unwrap()).unwrap();
                let header: Value = serde_json::from_slice(&header).unwrap();
                for (name, value) in
                    [("alg", *algorithm), ("enc", content), ("cty", "JWT"), ("kid", "server-key")]
                {
                    assert_eq!(header[name], value);
                }
            }
        }
    }
}

#[test]
fn jr_07_a_key_that_is_for_something_else_encrypts_nothing() {
    let with = |name: &str, value: Value| {
        let mut key = p256();
        key[name] = value;
        key
    };
    for (key, algorithm, content) in [
        (with("use", json!("sig")), "ECDH-ES", "A256GCM"),
        (with("alg", json!("ECDH-ES+A256KW")), "ECDH-ES", "A256GCM"),
        (with("x", json!("AA")), "ECDH-ES", "A256GCM"),
        (p256(), "RSA-OAEP-256", "A256GCM"),
        (p256(), "dir", "A256GCM"),
        (p256(), "ECDH-ES", "A192GCM"),
        (rsa(1024), "RSA-OAEP-256", "A256GCM"),
        (rsa(2048), "RSA1_5", "A256GCM"),
        (json!("key"), "ECDH-ES", "A256GCM"),
    ] {
        assert!(JoseEncrypter::new(&key, algorithm, content).is_err(), "{algorithm} {content}");
    }
}
