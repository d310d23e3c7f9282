//! Signing in by code: by a secret, by a key, pushed.

use oauth_core::{LoginOptions, Provider};
use oauth_fapi::PushedRequests;
use oauth_openid::IdToken;

use crate::server::{SECRET, World, login};

#[tokio::test]
#[ignore = "needs Keycloak: cargo xtask nightly"]
async fn a_user_signs_in_and_the_tokens_are_refreshed_and_revoked() {
    let world = World::get();
    let client = world.client("web", SECRET);
    let login = login(&client, &world.browser(), LoginOptions::new()).await.unwrap();
    let id_token = IdToken::of(&login).unwrap();
    assert_eq!(id_token.issuer(), world.issuer);
    let identity = client.get_identity(&login.token).await.unwrap();
    assert_eq!(identity.subject, id_token.subject());
    let refreshed = client.refresh(&login.token, None).await.unwrap();
    client.revoke(&refreshed).await.unwrap();
    assert!(client.refresh(&refreshed, None).await.is_err());
}

#[tokio::test]
#[ignore = "needs Keycloak: cargo xtask nightly"]
async fn requests_are_pushed_by_a_client_with_a_key() {
    let world = World::get();
    let client = world.by_key("by-key").with_participant(PushedRequests::new().required());
    let started = client.start_login(crate::server::REDIRECT_URI, LoginOptions::new()).await.unwrap();
    assert!(started.url.contains("request_uri=urn") && !started.url.contains("scope"), "{}", started.url);
    let login = login(&client, &world.browser(), LoginOptions::new()).await.unwrap();
    client.refresh(&login.token, None).await.unwrap();
    // What cannot be is told before the browser leaves.
    let error = client.start_login("https://other.example/callback", LoginOptions::new()).await.unwrap_err();
    assert!(error.is_before_the_browser(), "{error}");
}
