//! One worker process lists, seals anew and refreshes all grants of a store, within bounds of memory.
//!
//! A thousand grants, or as many as `OAUTH_TEST_GRANTS` says; `cargo xtask nightly` takes a hundred thousand in SQLite and PostgreSQL.

use std::{sync::Arc, time::Duration};

use oauth_core::{
    Sealer,
    serde_json::{self, json},
};
use oauth_store_tests::worker::{Order, Report, Settings, key, old_key, provider};
use oauth_tokens::{PlainGrant, TokenManager, TokenStore};
use tokio::task::JoinSet;

use crate::{
    fixture::Place,
    processes::{TURN, Worker},
};

/// How much memory the work may take beside what the process has when it begins. It does not grow with the number of grants.
const MEMORY: u64 = 64 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn one_worker_maintains_all_grants_in_sqlite() {
    maintain(&Place::sqlite("maintenance")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_worker_maintains_all_grants_in_postgres() {
    maintain(&Place::postgres("maintenance")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_worker_maintains_all_grants_in_mariadb() {
    maintain(&Place::mysql("maintenance")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_worker_maintains_all_grants_in_redis() {
    maintain(&Place::redis("maintenance")).await;
}

async fn maintain(place: &Place) {
    let _turn = TURN.lock().await;
    let grants: u64 = std::env::var("OAUTH_TEST_GRANTS").map_or(1000, |grants| grants.parse().unwrap());
    let store: Arc<dyn TokenStore> = place.open().await;
    let manager = TokenManager::builder(store, Sealer::new(old_key()))
        .provider(Arc::new(provider("https://oauth2.example/token")))
        .build()
        .unwrap();
    let mut imports = JoinSet::new();
    for index in 0..grants {
        let (manager, key) = (manager.clone(), key(&index.to_string()));
        if imports.len() >= 16 {
            imports.join_next().await.unwrap().unwrap();
        }
        imports.spawn(async move {
            // Obtained when it was good, and long expired.
            let grant: PlainGrant = serde_json::from_value(json!({
                "tenant": key.tenant(),
                "subject": key.subject(),
                "provider": key.provider(),
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
            assert!(manager.import(&grant).await.unwrap());
        });
    }
    imports.join_all().await;
    let settings = Settings {
        store: place.url.clone(),
        table: place.table.clone(),
        token_endpoint: "https://oauth2.example/token".to_owned(),
        reply_takes: 0,
    };
    let mut worker = Worker::start(&settings).await;
    worker.order(&Order::Maintain { at_once: 32 }).await;
    let report = worker.next_within(Duration::from_secs(2 * 3600)).await.unwrap();
    let Report::Maintained { listed, resealed, refreshed, failed, requests, took, memory } = report else {
        panic!("{report:?}");
    };
    assert_eq!(listed, grants);
    assert_eq!(resealed, (grants, 0));
    assert_eq!(refreshed, (grants, 0), "failed: {failed:?}; {requests} requests");
    assert_eq!(requests, grants);
    let grown = memory.1 - memory.0;
    println!(
        "{}: {grants} grants listed in {} ms, sealed anew in {} ms, refreshed in {} ms; {grown} KiB of memory beside {} KiB",
        place.name, took[0], took[1], took[2], memory.0
    );
    assert!(grown < MEMORY, "the work took {grown} KiB");
}
