//! Vendors' ways to bind tokens, each one line away from its client.

use oauth_clients::{Provider, google::GoogleOAuth2, okta::OktaOAuth2};
use oauth_fapi::{Dpop, DpopKey, DpopProvider};
use serde_json::json;

use super::server::Server;
use crate::support::{Script, reply};

const CALLBACK: &str = "https://app.example/cb";

/// Google binds the refresh token alone, and wants the client secret beside the proof.
#[tokio::test]
async fn googles_refresh_token_is_bound_beside_the_secret() {
    let server = Server::with(|switches| switches.token_type = "Bearer").await;
    let key = DpopKey::generate().unwrap();
    let google = || {
        GoogleOAuth2::new("id", "secret")
            .with_endpoints(|all| all.at(&server.origin))
            .with_dpop(Dpop::new(key.clone()).allow_bearer_tokens())
    };
    let token = google().get_access_token("C", CALLBACK, None, &[]).await.unwrap();
    let token = google().refresh(&token, None).await.unwrap();
    google().get_profile_of(&token).await.unwrap();
    let seen = server.seen();
    let proved: Vec<_> = seen.iter().map(|one| (one.status, one.jkt.as_deref())).collect();
    assert_eq!(proved, [(200, Some(key.thumbprint())), (200, Some(key.thumbprint())), (200, None)]);
    assert!(seen[..2].iter().all(|one| one.field("client_secret") == Some("secret")));
    assert_eq!(seen[2].authorization.as_deref(), Some("Bearer AT2"));
}

/// An application of Okta's that requires DPoP wants a nonce at its token endpoint.
#[tokio::test]
async fn oktas_nonce_at_the_token_endpoint_is_sent_without_a_word() {
    let metadata = json!({
        "issuer": "https://dev.okta.example",
        "authorization_endpoint": "https://dev.okta.example/oauth2/v1/authorize",
        "token_endpoint": "https://dev.okta.example/oauth2/v1/token",
        "jwks_uri": "https://dev.okta.example/oauth2/v1/keys",
        "dpop_signing_alg_values_supported": ["RS256", "RS384", "RS512", "ES256", "ES384", "ES512"],
    });
    let mut wants_nonce = reply(
        400,
        "application/json",
        r#"{"error": "use_dpop_nonce", "error_description": "Authorization server requires nonce in DPoP proof."}"#,
    );
    wants_nonce.headers_mut().insert("dpop-nonce", "cX5gmcmb9kkjBJBFzUYVBA3FlzVe8lrB".parse().unwrap());
    let http = Script::new([
        reply(200, "application/json", metadata.to_string()),
        wants_nonce,
        reply(200, "application/json", r#"{"access_token": "AT", "token_type": "DPoP", "expires_in": 3600}"#),
    ]);
    let okta = OktaOAuth2::new("id", "secret", "dev.okta.example").unwrap();
    let okta = okta.with_http_client(http.clone()).with_dpop(Dpop::generate().unwrap());
    let token = okta.get_access_token("C", CALLBACK, None, &[]).await.unwrap();
    assert_eq!(token.token_type(), Some("DPoP"));
    let sent = http.requests();
    let nonces: Vec<_> = sent[1..]
        .iter()
        .map(|sent| super::proofs::claims(sent.header("dpop").unwrap()).get("nonce").cloned())
        .collect();
    assert_eq!(nonces, [None, Some("cX5gmcmb9kkjBJBFzUYVBA3FlzVe8lrB".into())]);
}
