//! The checks that every store must pass, with the real servers.

use std::sync::Arc;

use oauth_store_redis::RedisStore;
use oauth_store_sqlx::SqliteStore;
use oauth_store_tests::{Store, redis};
use oauth_test_servers::Redis;
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

/// Keys of two slots would be refused.
#[tokio::test(flavor = "multi_thread")]
async fn redis_cluster() {
    let server = Redis::start_cluster(&folder().join("servers")).unwrap();
    let client = ::redis::cluster::ClusterClient::new([server.url()]).unwrap();
    check(RedisStore::new(client.get_async_connection().await.unwrap())).await;
}

async fn check(store: impl Store + Clone + 'static) {
    let _turn = TURN.lock().await;
    testkit::check_shared_cache(&store).await.unwrap();
    testkit::check_store(Arc::new(store)).await.unwrap();
}
