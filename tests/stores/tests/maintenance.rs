//! One worker process lists, seals anew and refreshes all grants of a store, within bounds of memory.
//!
//! A thousand grants; in Redis ten thousand where the storms last a minute, as in `cargo xtask nightly`.

use std::{sync::Arc, time::Duration};

use oauth_core::{Sealer, serde_json};
use oauth_store_tests::worker::{Order, Report, key, old_key, provider};
use oauth_tokens::{PlainGrant, TokenManager, TokenStore};
use tokio::task::JoinSet;

use crate::{
    fixture::Place,
    processes::{AuthorizationServer, TURN, Worker, storm_lasts},
};

/// How much memory the work may take beside what the process has when it begins. It does not grow with the number of grants.
const MEMORY: u64 = 64 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn one_worker_maintains_all_grants_in_sqlite() {
    maintain(&Place::sqlite("maintenance"), 1000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_worker_maintains_all_grants_in_postgres() {
    maintain(&Place::postgres("maintenance"), 1000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_worker_maintains_all_grants_in_mariadb() {
    maintain(&Place::mysql("maintenance"), 1000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_worker_maintains_all_grants_in_redis() {
    let is_long = storm_lasts() >= Duration::from_secs(60);
    maintain(&Place::redis("maintenance"), if is_long { 10_000 } else { 1000 }).await;
}

async fn maintain(place: &Place, grants: usize) {
    let _turn = TURN.lock().await;
    let server = AuthorizationServer::start(Duration::ZERO, Duration::from_secs(24 * 3600)).await;
    let store: Arc<dyn TokenStore> = place.open().await;
    let manager = TokenManager::builder(store, Sealer::new(old_key()))
        .provider(Arc::new(provider(&server.token_endpoint())))
        .build()
        .unwrap();
    let mut imports = JoinSet::new();
    for index in 0..grants {
        let (manager, token) = (manager.clone(), server.sign_in_expired());
        // Obtained when it was good, and long expired.
        let mut grant = serde_json::to_value(PlainGrant::new(&key(&index.to_string()), token)).unwrap();
        grant["obtained_at"] = 1.into();
        let grant: PlainGrant = serde_json::from_value(grant).unwrap();
        if imports.len() >= 16 {
            imports.join_next().await;
        }
        imports.spawn(async move { assert!(manager.import(&grant).await.unwrap()) });
    }
    imports.join_all().await;
    let mut worker = Worker::start(&server.settings(place)).await;
    worker.order(&Order::Maintain { at_once: 32 }).await;
    let report = worker.next_within(Duration::from_secs(3600)).await.unwrap();
    let Report::Maintained { listed, resealed, refreshed, took, memory } = report else {
        panic!("{report:?}");
    };
    let grants = grants as u64;
    assert_eq!(listed, grants);
    assert_eq!(resealed, (grants, 0));
    assert_eq!(refreshed, (grants, 0));
    let grown = memory.1 - memory.0;
    println!(
        "{}: {grants} grants listed in {} ms, sealed anew in {} ms, refreshed in {} ms; {grown} KiB of memory beside {} KiB",
        place.name, took[0], took[1], took[2], memory.0
    );
    assert!(grown < MEMORY, "the work took {grown} KiB");
}
