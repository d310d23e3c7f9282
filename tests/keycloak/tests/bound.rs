//! Bound tokens, and clients that Keycloak holds to FAPI 2.0.

use oauth_core::{ErrorClass, LoginOptions, Provider};
use oauth_fapi::{
    CertificateBoundTokens, Dpop, DpopProvider, Profile, PushedRequests, SignedRequests, SignedResponses,
    TlsClientAuth,
};
use oauth_openid::{Algorithm, IdToken};

use crate::{
    browser::Arrival,
    server::{REDIRECT_URI, SECRET, World, login},
};

#[tokio::test]
#[ignore = "needs Keycloak: cargo xtask nightly"]
async fn a_public_client_has_its_refresh_tokens_bound_to_its_key() {
    let world = World::get();
    let public = || world.client("public", oauth_core::Credentials::NONE);
    let client = public().with_dpop(Dpop::generate().unwrap());
    let login = login(&client, &world.browser(), LoginOptions::new()).await.unwrap();
    assert_eq!(login.token.token_type(), Some("DPoP"));
    client.get_profile_of(&login.token).await.unwrap();
    let refreshed = client.refresh(&login.token, None).await.unwrap();
    client.get_profile_of(&refreshed).await.unwrap();
    // Whoever steals the refresh token has another key.
    let stolen = oauth_core::OAuth2Token::new("").with_refresh_token(refreshed.refresh_token().unwrap());
    let error = public().with_dpop(Dpop::generate().unwrap()).refresh(&stolen, None).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Reauthorize, "{error}");
}

#[tokio::test]
#[ignore = "needs Keycloak: cargo xtask nightly"]
async fn a_certificate_authenticates_the_client_and_binds_its_tokens() {
    let world = World::get();
    let client = world
        .client("mtls", TlsClientAuth::new(world.certificate()))
        .with_participant(CertificateBoundTokens::new(world.certificate()));
    let login = login(&client, &world.browser(), LoginOptions::new()).await.unwrap();
    client.get_profile_of(&login.token).await.unwrap();
    let refreshed = client.refresh(&login.token, None).await.unwrap();
    let shown = world.certificate().current().thumbprint().to_owned();
    assert_eq!(refreshed.confirmation().unwrap()["x5t#S256"], shown);
    // Without the certificate, the token is good for nothing.
    let thief = world.client("web", SECRET);
    assert!(thief.get_profile(refreshed.access_token()).await.is_err());
}

#[tokio::test]
#[ignore = "needs Keycloak: cargo xtask nightly"]
async fn fa_01_keycloak_holds_a_client_with_dpop_to_the_security_profile() {
    let world = World::get();
    let client = world.by_key("fapi-dpop").with_dpop(Dpop::generate().unwrap());
    let client = Profile::Fapi2Security.apply(client).unwrap();
    let done = login(&client, &world.browser(), LoginOptions::new()).await.unwrap();
    assert_eq!(done.token.token_type(), Some("DPoP"));
    client.get_profile_of(&done.token).await.unwrap();
    client.refresh(&done.token, None).await.unwrap();
    refuses_unpushed_requests(world, "fapi-dpop").await;
}

#[tokio::test]
#[ignore = "needs Keycloak: cargo xtask nightly"]
async fn fa_06_keycloak_holds_a_client_to_message_signing() {
    let world = World::get();
    let client = world
        .by_key("fapi-signing")
        .with_dpop(Dpop::generate().unwrap())
        .with_participant(SignedRequests::new(world.key()))
        .with_participant(SignedResponses::new().algorithms([Algorithm::PS256]));
    let client = Profile::Fapi2MessageSigning.apply(client).unwrap();
    let login = login(&client, &world.browser(), LoginOptions::new()).await.unwrap();
    assert_eq!(IdToken::of(&login).unwrap().issuer(), world.issuer);
    client.get_profile_of(&login.token).await.unwrap();
    client.refresh(&login.token, None).await.unwrap();
    // The policy is in force: an unsigned request is refused, if only when the browser brings it.
    let unsigned = world
        .by_key("fapi-signing")
        .with_dpop(Dpop::generate().unwrap())
        .with_participant(PushedRequests::new().required());
    let started = unsigned.start_login(REDIRECT_URI, LoginOptions::new()).await.unwrap();
    let refused = world.browser().go(&started.url, Some(REDIRECT_URI)).await.unwrap();
    let refusal = format!("{REDIRECT_URI}?error=invalid_request&");
    assert!(matches!(&refused, Arrival::Redirect(url) if url.starts_with(&refusal)), "{refused:?}");
}

#[tokio::test]
#[ignore = "needs Keycloak: cargo xtask nightly"]
async fn fa_17_keycloak_holds_a_client_with_a_certificate_to_the_security_profile() {
    let world = World::get();
    let client = world.by_key("fapi-mtls").with_participant(CertificateBoundTokens::new(world.certificate()));
    let client = Profile::Fapi2Security.apply(client).unwrap();
    let login = login(&client, &world.browser(), LoginOptions::new()).await.unwrap();
    client.get_profile_of(&login.token).await.unwrap();
    client.refresh(&login.token, None).await.unwrap();
    refuses_unpushed_requests(world, "fapi-mtls").await;
}

/// Keycloak's policy is in force: the client is refused if it does less than the profile asks for.
async fn refuses_unpushed_requests(world: &World, id: &str) {
    let plain = world.by_key(id);
    let started = plain.start_login(REDIRECT_URI, LoginOptions::new()).await.unwrap();
    let refused = world.browser().go(&started.url, Some(REDIRECT_URI)).await.unwrap();
    assert!(
        matches!(&refused, Arrival::Page { status: 400, text } if text.contains("PAR request_uri")),
        "{refused:?}"
    );
}
