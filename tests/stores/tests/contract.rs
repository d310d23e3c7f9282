//! The checks that every store must pass, with the real servers.

use std::sync::Arc;

use oauth_store_redis::RedisStore;
use oauth_store_sqlx::SqliteStore;
use oauth_store_tests::{Store, redis};
use oauth_test_servers::{PgBouncer, PoolMode, Postgres, RedisCluster};
use oauth_tokens::testkit;

use crate::{
    fixture::{Place, folder},
    processes::TURN,
};

#[tokio::test(flavor = "multi_thread")]
async fn sqlite() {
    let place = Place::sqlite("contract");
    check(SqliteStore::open(place.url.trim_start_matches("sqlite:")).await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres() {
    let place = Place::postgres("contract");
    check(oauth_store_tests::postgres(&place.url, &place.table).await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb() {
    let place = Place::mysql("contract");
    check(oauth_store_tests::mysql(&place.url, &place.table).await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_alone() {
    let place = Place::redis("contract");
    check(redis(&place.url, &place.table).await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_cluster_of_three_nodes() {
    let cluster = RedisCluster::start(&folder().join("servers"), 3).unwrap();
    let client = ::redis::cluster::ClusterClient::new(cluster.urls()).unwrap();
    check(RedisStore::new(client.get_async_connection().await.unwrap())).await;
    // Keys are in all of them.
    for url in cluster.urls() {
        let node = ::redis::Client::open(url).unwrap();
        let mut node = node.get_multiplexed_async_connection().await.unwrap();
        let keys: usize = ::redis::cmd("DBSIZE").query_async(&mut node).await.unwrap();
        assert!(keys > 1000, "{keys}");
    }
}

/// A connection of the server belongs to one client until that disconnects.
#[tokio::test(flavor = "multi_thread")]
async fn postgres_behind_pgbouncer_in_session_mode() {
    behind_pgbouncer(PoolMode::Session).await;
}

/// Two connections of the server for four of the store, which take turns after each statement. Statements are prepared on both.
#[tokio::test(flavor = "multi_thread")]
async fn postgres_behind_pgbouncer_in_transaction_mode() {
    match PgBouncer::tracks_prepared_statements() {
        true => behind_pgbouncer(PoolMode::Transaction).await,
        false => {
            println!("skipped: this PgBouncer is older than 1.21 (OAUTH_TEST_PGBOUNCER names another one)")
        }
    }
}

async fn behind_pgbouncer(mode: PoolMode) {
    let folder = folder().join("servers");
    let server = Postgres::start(&folder).unwrap();
    let bouncer = PgBouncer::start(&folder, &server, mode).unwrap();
    check(oauth_store_tests::postgres(&bouncer.url(), "tokens").await.unwrap()).await;
}

async fn check(store: impl Store + Clone + 'static) {
    let _turn = TURN.lock().await;
    testkit::check_shared_cache(&store).await.unwrap();
    testkit::check_store(Arc::new(store)).await.unwrap();
}
