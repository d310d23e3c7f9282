//! A private key that a table of the registry names.

use std::{fs, sync::Arc};

use oauth_clients::{Registry, RegistryEntry};
use oauth_core::{ErrorClass, Provider, Result, parse_json};
use oauth_fapi::SigningKey;
use oauth_openid::Algorithm;
use serde_json::{Value, json};

use crate::server::{CLIENT_ID, ISSUER, REDIRECT_URI, Server, encoded};

async fn built(server: &Server, settings: Value) -> Result<Arc<dyn Provider>> {
    let mut table = json!({"provider": "openid", "issuer": ISSUER, "client_id": CLIENT_ID});
    table.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
    let mut entry: RegistryEntry = serde_json::from_value(table).unwrap();
    entry.config.http_client = Some(Arc::new(server.clone()));
    Registry::build("bank", &entry).await
}

/// The header of the assertion that a token request brings.
async fn header(server: &Server, settings: Value) -> Value {
    let client = built(server, settings).await.unwrap();
    let started = client.start_login(REDIRECT_URI, oauth_core::LoginOptions::new()).await.unwrap();
    let callback = encoded(&[("code", "C"), ("state", started.attempt.state()), ("iss", ISSUER)]);
    // The ID token is for another login; what counts is what was sent.
    let _ = client.finish_login(started.attempt, oauth_core::Callback::from_query(&callback)).await;
    let sent = server.requests("/token").pop().unwrap();
    assert_eq!((sent.field("client_secret"), sent.header("authorization")), (None, None));
    let assertion = sent.field("client_assertion").unwrap();
    let (header, rest) = assertion.split_once('.').unwrap();
    crate::server::claims(&format!("x.{header}.{rest}"))
}

#[tokio::test]
async fn ca_01_a_table_names_the_private_key_of_a_client() {
    let server = Server::new();
    let folder = tempfile::tempdir().unwrap();
    let key = SigningKey::generate(Algorithm::ES256).unwrap();
    let pem = folder.path().join("key.pem");
    fs::write(&pem, key.to_pem().unwrap().expose()).unwrap();
    let sent = header(
        &server,
        json!({"private_key_file": pem, "private_key_alg": "ES256", "private_key_id": "2026-11"}),
    )
    .await;
    assert_eq!((&sent["alg"], &sent["kid"]), (&"ES256".into(), &"2026-11".into()));

    // A JWK says by itself what it is.
    let jwk = folder.path().join("key.json");
    let private = json!({"kty": "EC", "crv": "P-256", "alg": "ES256", "kid": "of-the-jwk",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        "d": "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"});
    fs::write(&jwk, private.to_string()).unwrap();
    let sent = header(&server, json!({"private_key_file": jwk})).await;
    assert_eq!((&sent["alg"], &sent["kid"]), (&"ES256".into(), &"of-the-jwk".into()));
    assert!(parse_json(private.to_string().as_bytes()).is_ok());
}

#[tokio::test]
async fn ca_01_a_private_key_that_cannot_be_used_is_told_when_the_client_is_made() {
    let server = Server::new();
    let folder = tempfile::tempdir().unwrap();
    let pem = folder.path().join("key.pem");
    fs::write(&pem, SigningKey::generate(Algorithm::ES256).unwrap().to_pem().unwrap().expose()).unwrap();
    let garbage = folder.path().join("garbage.pem");
    fs::write(&garbage, "SECRET").unwrap();
    let json_garbage = folder.path().join("garbage.json");
    fs::write(&json_garbage, "{SECRET").unwrap();
    for (settings, names) in [
        (json!({"private_key_file": pem}), "private_key_alg"),
        (json!({"private_key_file": pem, "private_key_alg": "none"}), "private_key_alg"),
        (json!({"private_key_file": pem, "private_key_alg": "RS256"}), "key.pem"),
        (json!({"private_key_file": garbage, "private_key_alg": "ES256"}), "garbage.pem"),
        (json!({"private_key_file": json_garbage}), "garbage.json"),
        (
            json!({"private_key_file": folder.path().join("missing.pem"), "private_key_alg": "ES256"}),
            "missing.pem",
        ),
        (json!({"private_key_alg": "ES256"}), "private_key_file"),
        (json!({"private_key_file": pem, "private_key_alg": "ES256", "client_secret": "S"}), "client secret"),
    ] {
        let error = built(&server, settings.clone()).await.unwrap_err();
        let text = error.to_string();
        assert_eq!(error.class(), ErrorClass::Configuration, "{settings}");
        assert!(text.starts_with("configure at bank") && text.contains(names), "{settings}: {text}");
        assert!(!text.contains("SECRET"), "{text}");
    }
    assert!(server.requests("").is_empty());
}
