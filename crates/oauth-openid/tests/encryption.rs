//! ID tokens and UserInfo that a real server encrypts for the client: `oidc-provider`, which `cargo xtask test` installs.

#![cfg(feature = "encryption")]
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../oauth-fapi/examples/rp-conformance/driver/browser.rs"]
mod browser;
#[path = "../../../tests/real_server/server.rs"]
#[allow(dead_code, reason = "the other tests of the real server need the rest")]
mod server;

use oauth_openid::{
    JoseDecrypter, LogoutRequest, OpenIDProvider,
    oauth_core::{JwtCheck, LoginOptions, Provider, http::Method, serde_json::json},
};

use browser::Arrival;
use server::{REDIRECT_URI, Server, browser, header, id_token, login, metadata};

/// What Node.js runs.
const SERVER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/oidc-provider/server.mjs");

#[tokio::test]
async fn what_the_server_encrypts_is_decrypted_and_verified() {
    let server = Server::shared();
    let decrypter = JoseDecrypter::new(&server.control(Method::POST, "client-keys").await).unwrap();
    for (algorithm, encryption) in [
        ("RSA-OAEP", "A128CBC-HS256"),
        ("RSA-OAEP-256", "A256GCM"),
        ("ECDH-ES", "A128GCM"),
        ("ECDH-ES+A128KW", "A128CBC-HS256"),
        ("ECDH-ES+A256KW", "A256CBC-HS512"),
    ] {
        let metadata = metadata()
            .set("jwks", decrypter.public_keys())
            .set("id_token_signed_response_alg", "ES256")
            .set("id_token_encrypted_response_alg", algorithm)
            .set("id_token_encrypted_response_enc", encryption)
            .set("userinfo_signed_response_alg", "PS256")
            .set("userinfo_encrypted_response_alg", algorithm)
            .set("userinfo_encrypted_response_enc", encryption);
        let (client, _) = server.registered(&metadata).await;
        let browser = browser();

        // Without keys nothing can be read, and the error says what is missing.
        let error = login(&client, &browser, LoginOptions::new()).await.unwrap_err();
        assert_eq!(error.jwt_check(), Some(JwtCheck::Encryption));
        assert!(error.to_string().contains("VerificationPolicy::decrypter"), "{error}");

        let client = client.with_policy(|policy| policy.decrypter(decrypter.clone()));
        let ended = login(&client, &browser, LoginOptions::new()).await.unwrap();
        let sealed = header(ended.token.id_token().unwrap());
        assert_eq!((&sealed["alg"], &sealed["enc"]), (&json!(algorithm), &json!(encryption)));
        let id_token = id_token(&ended);
        assert_eq!((header(id_token.raw())["alg"].as_str(), id_token.subject()), (Some("ES256"), "ada"));
        assert_eq!(client.get_identity(&ended.token).await.unwrap().key(), (&*server.issuer, "ada"));
        let refreshed = client.refresh(&ended.token, None).await.unwrap();
        assert_ne!(refreshed.id_token(), ended.token.id_token());
        assert_eq!(client.get_identity(&refreshed).await.unwrap().key(), (&*server.issuer, "ada"));

        // The server reads the hint, however the application kept the ID token.
        let hint = refreshed.id_token().unwrap();
        let started = client
            .start_logout(LogoutRequest::new().id_token_hint(hint).return_to(REDIRECT_URI))
            .await
            .unwrap();
        let Arrival::Redirect(url) = browser.go(&started.url, Some(REDIRECT_URI)).await.unwrap() else {
            panic!("the server does not send the browser back")
        };
        started.attempt.check_return(url.split_once('?').unwrap().1).unwrap();
    }
}

#[tokio::test]
async fn what_the_server_does_not_encrypt_is_refused_where_it_was_registered() {
    let server = Server::shared();
    let (client, _) = server.registered(&metadata()).await;
    let strict = client.clone().with_policy(|policy| policy.encrypted_id_tokens());
    let error = login(&strict, &browser(), LoginOptions::new()).await.unwrap_err();
    assert_eq!(error.jwt_check(), Some(JwtCheck::Encryption), "{error}");
    let token = login(&client, &browser(), LoginOptions::new()).await.unwrap().token;
    let strict = client.with_policy(|policy| policy.encrypted_userinfo());
    let error = strict.get_profile(token.access_token()).await.unwrap_err();
    assert_eq!(error.jwt_check(), Some(JwtCheck::Encryption), "{error}");
}
