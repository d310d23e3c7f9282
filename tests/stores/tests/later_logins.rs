//! A later login without a refresh token keeps the stored one, on every store.

use oauth_core::{Identity, OAuth2Token, Sealer, SealingKey};
use oauth_tokens::{Put, PutOptions, TokenKey, TokenManager, TokenStore, testkit::RotatingServer};

use crate::fixture::Place;

#[tokio::test]
async fn a_later_login_keeps_the_refresh_token_in_sqlite() {
    check(Place::sqlite("later")).await;
}

#[tokio::test]
async fn a_later_login_keeps_the_refresh_token_in_postgres() {
    check(Place::postgres("later")).await;
}

#[tokio::test]
async fn a_later_login_keeps_the_refresh_token_in_mariadb() {
    check(Place::mysql("later")).await;
}

#[tokio::test]
async fn a_later_login_keeps_the_refresh_token_in_redis() {
    check(Place::redis("later")).await;
}

async fn check(place: Place) {
    let (server, store) = (RotatingServer::new(), place.open().await);
    // Each login comes to a process of its own.
    let manager = || {
        let store = std::sync::Arc::clone(&store) as std::sync::Arc<dyn TokenStore>;
        TokenManager::builder(store, Sealer::new(SealingKey::from_bytes([7; 32])))
            .provider(std::sync::Arc::new(server.client()))
            .build()
            .unwrap()
    };
    let key = TokenKey::new("testkit", "user-17");
    let ada = PutOptions::new().with_identity(&Identity::new(
        "testkit",
        "ada",
        oauth_core::serde_json::Value::Null,
    ));
    let first = server.sign_in_expired().unwrap();
    manager().put_with(&key, &first, ada.clone()).await.unwrap();
    for _ in 0..3 {
        // It never expires, until an API refuses it.
        let login = OAuth2Token::new("access token of a later login");
        let put = manager().put_with(&key, &login, ada.clone()).await.unwrap();
        assert_eq!(put, Put::WithStoredRefreshToken, "{}", place.name);
        let stored = manager().list("", key.subject()).await.unwrap().remove(0).unwrap();
        let token = stored.token.unwrap();
        assert_eq!(token.access_token(), login.access_token());
        assert!(server.accepts(token.refresh_token().unwrap()), "{}", place.name);
    }
    assert_eq!(server.ended_grants(), 0);
}
