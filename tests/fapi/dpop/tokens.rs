//! Bound tokens in the token manager and its stores.

use std::{sync::Arc, time::Duration};

use oauth_clients::{ErrorClass, OAuth2, OAuth2Token, Provider};
use oauth_fapi::{Dpop, DpopKey, DpopProvider};
use oauth_tokens::{AccessTokenRequest, ClientCredentials, MemoryStore, TokenError, TokenKey, TokenManager};
use serde_json::json;

use super::{
    keys::{login, process, sealer},
    resources::key,
    server::{Nonces, Server},
};

const CALLBACK: &str = "https://app.example/cb";

fn manager(store: &MemoryStore, client: OAuth2) -> TokenManager {
    TokenManager::builder(store.clone(), sealer()).provider(Arc::new(client)).build().unwrap()
}

/// A token that is about to expire.
fn due(token: &OAuth2Token) -> OAuth2Token {
    let mut stored = serde_json::to_value(token).unwrap();
    stored["expires_at"] = json!(1);
    stored.as_object_mut().unwrap().remove("expires_in");
    serde_json::from_value(stored).unwrap()
}

#[tokio::test]
async fn dp_17_two_processes_that_share_a_grant_share_its_key() {
    let server = Server::with(|switches| switches.nonces = Nonces::Rotating).await;
    let token = login(&server, "C").await.token;
    let store = MemoryStore::new();
    let (one, other) = (manager(&store, process(&server, "")), manager(&store, process(&server, "")));
    one.put(&key(), &due(&token)).await.unwrap();
    // The other one never saw the login.
    let refreshed = other.get_token(&key()).await.unwrap();
    process(&server, "").get_profile_of(&refreshed).await.unwrap();
    // And what it has saved is good for the first one, which refreshes it in turn.
    let mail = AccessTokenRequest::new().with_scopes(["mail"]);
    one.get_for(&key(), &mail).await.unwrap();
    let seen = server.seen();
    let jkts: Vec<_> = seen.iter().filter(|one| one.path == "/token").map(|one| one.jkt.clone()).collect();
    assert!(jkts.windows(2).all(|pair| pair[0] == pair[1]), "{jkts:?}");
    assert!(seen.iter().filter(|one| one.status == 200).count() >= 4, "{seen:?}");
}

#[tokio::test]
async fn dp_17_a_lost_key_is_told_and_ends_nothing_for_others() {
    let server = Server::start().await;
    let (kept, another) = (DpopKey::generate().unwrap(), DpopKey::generate().unwrap());
    let client = |key: &DpopKey| server.client("").with_dpop(Dpop::new(key.clone()));
    let token = client(&kept).get_access_token("C", CALLBACK, None, &[]).await.unwrap();
    let store = MemoryStore::new();
    let (with, without) = (manager(&store, client(&kept)), manager(&store, client(&another)));
    // Live or due, it is of no use to the process without the key.
    for token in [token.clone(), due(&token)] {
        with.put(&key(), &token).await.unwrap();
        server.seen();
        let error = without.get(&key()).await.unwrap_err();
        assert!(matches!(error, TokenError::BoundElsewhere { .. }), "{error}");
        assert_eq!(error.class(), ErrorClass::Reauthorize);
        assert!(error.to_string().contains("sign in again"), "{error}");
        assert!(server.seen().is_empty());
        let stored = with.list("", "user-17").await.unwrap().remove(0).unwrap();
        assert!(stored.dead.is_none() && stored.failures == 0);
    }
    let token = with.get_token(&key()).await.unwrap();
    client(&kept).get_profile_of(&token).await.unwrap();
}

#[tokio::test]
async fn dp_17_with_sealed_keys_a_process_without_the_sealer_is_told_too() {
    let server = Server::start().await;
    let token = login(&server, "C").await.token;
    let store = MemoryStore::new();
    let stranger =
        oauth_clients::SealingKey::from_base64("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap();
    let stranger = oauth_fapi::SealedDpopKeys::new(oauth_clients::Sealer::new(stranger));
    let without = manager(&store, server.client("").with_dpop(Dpop::new(stranger)));
    manager(&store, process(&server, "")).put(&key(), &due(&token)).await.unwrap();
    server.seen();
    let error = without.get(&key()).await.unwrap_err();
    assert!(matches!(error, TokenError::BoundElsewhere { .. }), "{error}");
    assert!(server.seen().is_empty());
    manager(&store, process(&server, "")).get(&key()).await.unwrap();
}

#[tokio::test]
async fn dp_08_after_a_change_of_keys_a_confidential_client_gets_a_new_token() {
    let server = Server::with(|switches| switches.binds_refresh_tokens = false).await;
    let (first, second) = (DpopKey::generate().unwrap(), DpopKey::generate().unwrap());
    let client = |key: &DpopKey| server.client("secret").with_dpop(Dpop::new(key.clone()));
    let token = client(&first).get_access_token("C", CALLBACK, None, &[]).await.unwrap();
    let store = MemoryStore::new();
    manager(&store, client(&first)).put(&key(), &token).await.unwrap();
    let token = manager(&store, client(&second)).get_token(&key()).await.unwrap();
    assert_eq!(token.confirmation().unwrap()["jkt"], *second.thumbprint());
}

#[tokio::test]
async fn a_downgrade_in_a_refresh_is_not_served_and_not_lost() {
    let server = Server::start().await;
    let client = server.client("").with_dpop(Dpop::generate().unwrap());
    let token = client.get_access_token("C", CALLBACK, None, &[]).await.unwrap();
    let manager = manager(&MemoryStore::new(), client);
    manager.put(&key(), &due(&token)).await.unwrap();
    server.switch(|switches| switches.token_type = "Bearer");
    let error = manager.get(&key()).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Reauthorize);
    assert!(error.to_string().contains("not bound"), "{error}");
}

#[tokio::test]
async fn dp_15_client_credentials_are_bound_too() {
    let server = Server::with(|switches| switches.nonces = Nonces::Rotating).await;
    let client = server.client("secret").with_dpop(Dpop::generate().unwrap());
    let source = ClientCredentials::new(client.clone()).with_scopes(["reports"]);
    let manager = TokenManager::builder(MemoryStore::new(), sealer()).source(source).build().unwrap();
    let machine = TokenKey::new("oauth2", "machine");
    let token = manager.get_token(&machine).await.unwrap();
    assert_eq!(token.token_type(), Some("DPoP"));
    client.get_profile_of(&token).await.unwrap();
    let token = manager.get_valid_for(&machine, Duration::from_secs(60)).await.unwrap();
    assert!(token.bearer().is_err());
}
