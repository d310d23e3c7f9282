//! The examples without a web page.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use oauth_clients::{
    Clock, OffsetDateTime, Provider, SealingKey,
    emulator::EmulatedEndpoint,
    github::GitHubOAuth2,
    tokens::{MemoryStore, TokenKey},
};
use oauth_examples::Providers;

use crate::{call_apis, client_credentials, refresh_worker, token_exchange};

fn key() -> SealingKey {
    SealingKey::from_bytes([7; 32])
}

/// A clock that the test sets forward.
#[derive(Clone, Debug, Default)]
struct TestClock(Arc<AtomicU64>);

impl Clock for TestClock {
    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::now_utc() + Duration::from_secs(self.0.load(Ordering::Relaxed))
    }
}

#[tokio::test]
async fn a_machine_keeps_its_token_for_the_next_run() {
    let providers = Providers::emulated().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens.db");
    let api = providers.emulator().local("https://api.openid.example/accounts");
    for _ in 0..2 {
        let client = client_credentials::emulated(&providers).unwrap();
        let answer = client_credentials::run(client, "accounts", &api, &file, key()).await.unwrap();
        assert!(answer.starts_with("200 OK") && answer.contains(r#""sub":"openid-client-id""#), "{answer}");
    }
    assert_eq!(providers.emulator().count_requests("openid", EmulatedEndpoint::Token).unwrap(), 1);
}

#[tokio::test]
async fn a_service_calls_another_one_on_behalf_of_a_user() {
    let providers = Providers::emulated().await.unwrap();
    let answer = token_exchange::run(&providers, key()).await.unwrap();
    assert!(answer.starts_with("200 OK") && answer.contains("1815121018521127"), "{answer}");
}

#[tokio::test]
async fn a_worker_refreshes_the_tokens_of_all_users_ahead() {
    let emulator = refresh_worker::emulator().await.unwrap();
    let github = GitHubOAuth2::new("github-client-id", "github-client-secret");
    let clock = TestClock::default();
    let github = emulator.connect(github).await.unwrap().with_clock(clock.clone());
    let manager = refresh_worker::manager(github, MemoryStore::new(), key());
    let tokens = manager.clock(clock.clone()).build().unwrap();
    refresh_worker::sign_in(&emulator, &tokens, 20).await.unwrap();
    clock.0.store(20, Ordering::Relaxed);
    let batch = refresh_worker::refresh(&tokens).await.unwrap();
    assert_eq!((batch.found, batch.done, batch.dead, batch.failed), (20, 20, 0, 0));
    // What has just been refreshed is for a later round.
    assert_eq!(batch.left, 0);
    assert_eq!(emulator.count_requests("github", EmulatedEndpoint::Refresh).unwrap(), 20);
}

#[tokio::test]
async fn apis_are_called_with_tokens_that_are_refreshed() {
    let emulator = call_apis::emulator().await.unwrap();
    let clock = TestClock::default();
    let tokens = call_apis::tokens(&emulator, key()).await.unwrap().clock(clock.clone()).build().unwrap();
    for (provider, api) in call_apis::APIS {
        tokens.put(&TokenKey::new(provider, "user-17"), &emulator.sign_in(provider).unwrap()).await.unwrap();
        let user = call_apis::call(&emulator, &tokens, provider, api).await.unwrap();
        assert!(user.to_string().contains("Ada Lovelace"), "{provider}: {user}");
    }
    // The shortest of the three lives for an hour, the longest for eight.
    clock.0.store(9 * 3600, Ordering::Relaxed);
    for (provider, api) in call_apis::APIS {
        let before = emulator.count_requests(provider, EmulatedEndpoint::Refresh).unwrap();
        call_apis::call(&emulator, &tokens, provider, api).await.unwrap();
        let after = emulator.count_requests(provider, EmulatedEndpoint::Refresh).unwrap();
        assert_eq!(after, before + 1, "{provider}");
    }
}
