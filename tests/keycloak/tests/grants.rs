//! Token exchange, the device grant, introspection.

use std::sync::Arc;

use oauth_core::{LoginOptions, Provider};
use oauth_fapi::{Introspector, TokenExchange, TokenType};
use oauth_openid::IdToken;

use crate::{
    browser::Arrival,
    server::{SECRET, World, login},
};

#[tokio::test]
#[ignore = "needs Keycloak: cargo xtask nightly"]
async fn a_token_is_exchanged_for_one_of_another_audience() {
    let world = World::get();
    let client = world.client("web", SECRET);
    let login = login(&client, &world.browser(), LoginOptions::new()).await.unwrap();
    let exchange = |audience: &str| {
        TokenExchange::new(login.token.access_token(), TokenType::AccessToken)
            .with_requested_type(TokenType::AccessToken)
            .with_audience(audience)
    };
    let exchanged = exchange("orders").send(&client).await.unwrap();
    assert!(exchanged.is_as_requested());
    let token = exchanged.into_access_token().unwrap();
    let orders = Introspector::new(Arc::new(world.client("orders", SECRET)));
    let claims = orders.introspect(token.access_token()).await.unwrap().unwrap();
    assert_eq!(claims.subject(), Some(IdToken::of(&login).unwrap().subject()));
    let error = exchange("unknown").send(&client).await.unwrap_err();
    assert!(error.oauth_error().is_some(), "{error}");
}

#[tokio::test]
#[ignore = "needs Keycloak: cargo xtask nightly"]
async fn introspection_tells_a_live_token_from_a_revoked_one() {
    let world = World::get();
    let client = world.client("web", SECRET);
    let login = login(&client, &world.browser(), LoginOptions::new()).await.unwrap();
    let orders = Introspector::new(Arc::new(world.client("orders", SECRET)));
    assert!(orders.introspect(login.token.access_token()).await.unwrap().is_some());
    client.revoke(&login.token).await.unwrap();
    assert!(orders.introspect(login.token.access_token()).await.unwrap().is_none());
    assert!(orders.introspect("no-token-of-this-realm").await.unwrap().is_none());
}

#[tokio::test]
#[ignore = "needs Keycloak: cargo xtask nightly"]
async fn a_device_is_signed_in_by_another_one() {
    let world = World::get();
    let client = world.client("web", SECRET);
    let device = client.start_device_login(LoginOptions::new()).await.unwrap();
    let url = device.verification_uri_complete.clone().unwrap();
    let Arrival::Page { status, text } = world.browser().go(&url, None).await.unwrap() else {
        panic!("it ends at a page")
    };
    assert_eq!(status, 200, "{text}");
    let login = client.finish_device_login(device).await.unwrap();
    assert_eq!(IdToken::of(&login).unwrap().issuer(), world.issuer);
}
