//! One worker lists, seals anew and refreshes all grants, within bounds of memory. A process of its own, so that nothing else is
//! measured.
//!
//! A thousand grants, or as many as `OAUTH_TEST_GRANTS` says; `cargo xtask nightly` takes a hundred thousand.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use oauth_core::{
    HttpClient, HttpError, OAuth2, Provider, Sealer, SealingKey, async_trait,
    bytes::Bytes,
    http::{Request, Response},
    serde_json::{self, json},
};
use oauth_tokens::{BatchOptions, Filter, MemoryStore, PlainGrant, Status, TokenKey, TokenManager};

/// How much memory the work may take, in KiB, beside the store with all grants, which is in the same memory and rewritten twice.
const MEMORY: u64 = 64 * 1024;

/// A token endpoint that remembers nothing but how often it was asked, so that its memory is not measured.
#[derive(Clone, Debug, Default)]
struct Answers(Arc<AtomicU64>);

#[async_trait]
impl HttpClient for Answers {
    async fn send(&self, _: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let number = self.0.fetch_add(1, Ordering::Relaxed);
        tokio::task::yield_now().await;
        let reply = json!({
            "access_token": format!("access token number {number:020}"),
            "refresh_token": format!("refresh token number {number:020}"),
            "token_type": "Bearer",
            "expires_in": 3600,
        });
        let mut response = Response::new(Bytes::from(reply.to_string()));
        response.headers_mut().insert("content-type", "application/json".parse().unwrap());
        Ok(response)
    }
}

// On one thread: the allocator keeps what another thread frees, and that would be measured.
#[tokio::test]
async fn one_worker_maintains_all_grants_within_its_memory() {
    let grants: u64 = std::env::var("OAUTH_TEST_GRANTS").map_or(1000, |grants| grants.parse().unwrap());
    let (answers, store) = (Answers::default(), MemoryStore::new());
    let client = OAuth2::new("id", "secret", "https://as.example/authorize", "https://as.example/token")
        .with_refresh_endpoint("https://as.example/token")
        .with_http_client(answers.clone());
    let manager = |sealer: Sealer| {
        TokenManager::builder(store.clone(), sealer)
            .provider(Arc::new(client.clone()))
            .cache_capacity(1000)
            .build()
            .unwrap()
    };
    let (old, new) = (SealingKey::from_bytes([1; 32]), SealingKey::from_bytes([2; 32]));
    let before = manager(Sealer::new(old.clone()));
    for index in 0..grants {
        let grant: PlainGrant = serde_json::from_value(json!({
            "tenant": format!("tenant-{}", index % 1000),
            "subject": format!("user-{index}"),
            "provider": "oauth2",
            "token": {
                "access_token": format!("access token number {index:020}"),
                "refresh_token": format!("refresh token number {index:020}"),
                "token_type": "Bearer",
                "scope": "a few scopes",
            },
            "obtained_at": 1_700_000_000,
            "expires_at": 1_700_003_600,
        }))
        .unwrap();
        assert!(before.import(&grant).await.unwrap());
    }

    let worker = manager(Sealer::new(new).with_old_key(old));
    let (memory, options) = (resident(), BatchOptions::new().at_once(32));
    let most = Arc::new(AtomicU64::new(0));
    let (watched, stop) = (Arc::clone(&most), Arc::new(()));
    let watch = Arc::downgrade(&stop);
    let watcher = std::thread::spawn(move || {
        while watch.upgrade().is_some() {
            watched.fetch_max(resident(), Ordering::Relaxed);
            std::thread::sleep(Duration::from_millis(10));
        }
    });
    let began = Instant::now();
    let (mut listed, mut after) = (0, None::<TokenKey>);
    loop {
        let page = worker.find(&Filter::all(), after.as_ref(), 500).await.unwrap();
        listed += page.len() as u64;
        match page.last() {
            Some(last) => after = Some(last.key.clone()),
            None => break,
        }
    }
    assert_eq!(listed, grants);
    let listing = began.elapsed();
    let resealed = worker.reseal_all(&options).await.unwrap();
    assert_eq!((resealed.done, resealed.left), (grants, 0), "{resealed}");
    let resealing = began.elapsed() - listing;
    let refreshed = worker.refresh_due(&Filter::all(), Duration::ZERO, &options).await.unwrap();
    assert_eq!((refreshed.done, refreshed.left), (grants, 0), "{refreshed}");
    let refreshing = began.elapsed() - resealing - listing;
    drop(stop);
    watcher.join().unwrap();
    assert_eq!(answers.0.load(Ordering::Relaxed), grants, "one request each");
    let alive = Filter::all().with_status(Status::Alive).with_tenant("tenant-7");
    assert_eq!(worker.count(&alive).await.unwrap(), grants / 1000);
    let grown = most.load(Ordering::Relaxed).saturating_sub(memory);
    println!(
        "{grants} grants: listed in {listing:?}, sealed anew in {resealing:?}, refreshed in {refreshing:?}; {grown} KiB beside \
         {memory} KiB"
    );
    assert!(grown < MEMORY, "the work took {grown} KiB");
}

/// The memory of this process in KiB, as Linux tells it; 0 elsewhere.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}
