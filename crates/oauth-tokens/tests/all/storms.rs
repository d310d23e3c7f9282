//! Many tasks, many keys; requests are counted at the provider.

use std::{sync::Arc, time::Duration};

use oauth_core::OAuth2;
use oauth_emulator::{EmulatedEndpoint, Emulator, Fault};
use oauth_tokens::{MemoryStore, TokenKey, TokenManager};
use tokio::task::JoinSet;

use crate::support::{expired, sealer};

async fn emulator() -> Emulator {
    Emulator::builder().rotate_refresh_tokens(true).start().await.unwrap()
}

async fn manager(emulator: &Emulator, store: &MemoryStore) -> TokenManager {
    let at = |path: &str| format!("https://oauth2.example/{path}");
    let client = OAuth2::new("oauth2-client-id", "oauth2-client-secret", at("authorize"), at("token"))
        .with_refresh_endpoint(at("token"));
    let provider = Arc::new(emulator.connect(client).await.unwrap());
    TokenManager::builder(store.clone(), sealer()).provider(provider).build().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rt_02_a_thousand_tasks_on_one_expired_token_send_one_request() {
    let emulator = emulator().await;
    emulator.fault("oauth2", Fault::Slow(Duration::from_millis(100))).unwrap();
    let manager = manager(&emulator, &MemoryStore::new()).await;
    let key = TokenKey::new("oauth2", "user-17");
    for round in 1..=3 {
        manager.put(&key, &expired(&emulator.sign_in("oauth2").unwrap())).await.unwrap();
        let mut tasks = JoinSet::new();
        for _ in 0..1000 {
            let (manager, key) = (manager.clone(), key.clone());
            tasks.spawn(async move { manager.get(&key).await.unwrap().access_token().to_owned() });
        }
        let tokens = tasks.join_all().await;
        assert_eq!(emulator.count_requests("oauth2", EmulatedEndpoint::Refresh).unwrap(), round);
        assert_eq!(tokens.len(), 1000);
        assert!(tokens.iter().all(|token| *token == tokens[0]));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_keys_send_ten_thousand_requests() {
    const KEYS: usize = 10_000;
    let emulator = emulator().await;
    let manager = manager(&emulator, &MemoryStore::new()).await;
    let key = |index: usize| TokenKey::new("oauth2", format!("user-{index}"));
    for index in 0..KEYS {
        manager.put(&key(index), &expired(&emulator.sign_in("oauth2").unwrap())).await.unwrap();
    }
    let mut tasks = JoinSet::new();
    for index in 0..KEYS {
        // Two tasks for each key.
        for _ in 0..2 {
            let manager = manager.clone();
            tasks.spawn(async move { manager.get(&key(index)).await.unwrap().access_token().to_owned() });
        }
    }
    let mut tokens = tasks.join_all().await;
    assert_eq!(emulator.count_requests("oauth2", EmulatedEndpoint::Refresh).unwrap(), KEYS);
    tokens.sort();
    tokens.dedup();
    assert_eq!(tokens.len(), KEYS);
}
