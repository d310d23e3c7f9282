//! What each database must do for its store, beyond what all stores have in common.

use std::time::Duration;

use oauth_store_redis::RedisStore;
use oauth_store_sqlx::PostgresStore;
use oauth_store_tests::{mysql, postgres, redis};
use oauth_test_servers::{MariaDb, Persistence, Postgres, Redis, RedisCluster};
use oauth_tokens::{
    Acquired, Bytes, Expected, Filter, Saved, Status, StoreError, Summary, TokenKey, TokenStore,
};
use sqlx::{
    MySqlPool, PgPool, SqlitePool,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use crate::fixture::{Place, folder};

fn key() -> TokenKey {
    TokenKey::new("google", "user-17").with_tenant("acme")
}

fn sealed(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

/// Cross-slot keys are refused by a cluster of one node as by any other.
#[tokio::test]
async fn every_operation_stays_within_a_slot_of_a_redis_cluster() {
    let server = RedisCluster::start(&folder().join("servers"), 1).unwrap();
    let store = redis(&server.urls()[0], "cluster").await.unwrap();
    let labels = ["", "one", "two", "three", "{other}"];
    for label in labels {
        let key = key().with_label(label);
        store.save(&key, sealed("x"), Expected::Absent, None).await.unwrap();
        let Acquired::Granted(lease) = store.acquire(&key, "me", Duration::from_secs(9)).await.unwrap()
        else {
            panic!("nobody else asks");
        };
        assert!(store.extend(&key, &lease, Duration::from_secs(9)).await.unwrap());
        let saved = store.save(&key, sealed("y"), Expected::Version(1), Some(&lease)).await.unwrap();
        assert_eq!(saved, Saved::Version(2));
        store.release(&key, &lease).await.unwrap();
    }
    assert_eq!(store.list("acme", "user-17").await.unwrap().len(), labels.len());
    assert!(store.delete(&key()).await.unwrap());
    assert_eq!(store.list("acme", "user-17").await.unwrap().len(), labels.len() - 1);
    cache(&store).await;
}

/// What is in the other nodes goes on meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_of_a_redis_cluster_that_comes_back_has_what_it_acknowledged() {
    let mut cluster = RedisCluster::start(&folder().join("servers"), 3).unwrap();
    let client = ::redis::cluster::ClusterClientBuilder::new(cluster.urls())
        .response_timeout(Duration::from_secs(2))
        .retries(1)
        .build()
        .unwrap();
    let store = RedisStore::new(client.get_async_connection().await.unwrap());
    let subject = |number: usize| TokenKey::new("google", number.to_string());
    for number in 0..30 {
        store.save(&subject(number), sealed("x"), Expected::Absent, None).await.unwrap();
    }
    cluster.stop(2);
    let mut failed = 0;
    for number in 0..30 {
        match store.load(&subject(number)).await {
            Ok(found) => assert_eq!(found.unwrap().sealed, "x"),
            Err(error) => {
                assert!(error.is_transient(), "{error}");
                failed += 1;
            }
        }
    }
    assert!(failed > 0, "no token was in the node that is gone");
    cluster.start_again(2).unwrap();
    for number in 0..30 {
        let found = patiently(async || store.load(&subject(number)).await).await;
        assert_eq!(found.unwrap().sealed, "x");
        let saved =
            patiently(async || store.save(&subject(number), sealed("y"), Expected::Any, None).await).await;
        assert!(matches!(saved, Saved::Version(2..)), "{saved:?}");
    }
    assert_eq!(patiently(async || store.count(&Filter::all()).await).await, 30);
}

/// Every node is scanned by itself.
#[tokio::test]
async fn what_an_earlier_version_saved_in_a_redis_cluster_is_entered_node_by_node() {
    let cluster = RedisCluster::start(&folder().join("servers"), 3).unwrap();
    let client = ::redis::cluster::ClusterClient::new(cluster.urls()).unwrap();
    let mut connection = client.get_async_connection().await.unwrap();
    let store = RedisStore::new(connection.clone());
    for number in 0..30 {
        let key = TokenKey::new("google", number.to_string());
        store.save(&key, sealed("x"), Expected::Absent, None).await.unwrap();
    }
    for name in ["all", "begun", "noted"] {
        ::redis::cmd("DEL").arg(format!("oauth:{{index}}:{name}")).exec_async(&mut connection).await.unwrap();
    }
    let mut entered = 0;
    for url in cluster.urls() {
        let node = ::redis::Client::open(url).unwrap();
        entered +=
            store.index_existing(&mut node.get_multiplexed_async_connection().await.unwrap()).await.unwrap();
    }
    assert_eq!(entered, 30);
    assert_eq!(store.count(&Filter::all()).await.unwrap(), 30);
}

async fn cache<C>(store: &RedisStore<C>)
where
    RedisStore<C>: oauth_core::SharedCache,
{
    use oauth_core::SharedCache;

    assert!(store.put_new("attempt", sealed("once"), Duration::from_secs(60)).await.unwrap());
    assert!(!store.put_new("attempt", sealed("twice"), Duration::from_secs(60)).await.unwrap());
    assert_eq!(store.take("attempt").await.unwrap().unwrap(), "once");
    assert_eq!(store.take("attempt").await.unwrap(), None);
}

#[tokio::test]
async fn what_redis_keeps_of_a_deleted_token_goes_by_itself() {
    let place = Place::redis("forget");
    let store = redis(&place.url, &place.table).await.unwrap();
    let client = ::redis::Client::open(&*place.url).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let name = format!("{}:{{acme/user-17}}:google/", place.table);
    let mut time_left = async || -> i64 {
        ::redis::cmd("PTTL").arg(&name).query_async::<i64>(&mut connection).await.unwrap()
    };

    store.save(&key(), sealed("x"), Expected::Absent, None).await.unwrap();
    assert_eq!(time_left().await, -1, "a token stays");
    store.delete(&key()).await.unwrap();
    let day = 24 * 60 * 60 * 1000;
    assert!((day - 60_000..=day).contains(&time_left().await));
    store.save(&key(), sealed("y"), Expected::Absent, None).await.unwrap();
    assert_eq!(time_left().await, -1, "a token stays");
    // A lease without a token goes too, but not before it has expired.
    store.delete(&key()).await.unwrap();
    store.acquire(&key(), "me", Duration::from_secs(60 * 60)).await.unwrap();
    assert!(time_left().await > day);
}

/// A server's own persistence decides what survives it. What it acknowledged must, with an append-only file.
#[tokio::test]
async fn redis_with_an_append_only_file_keeps_what_it_acknowledged_when_it_is_killed() {
    let mut server = Redis::start(&folder().join("servers"), Persistence::AppendOnlyFile).unwrap();
    let store = redis(&server.url(), "append").await.unwrap();
    for number in 0..100 {
        let key = key().with_label(number.to_string());
        store.save(&key, sealed("x"), Expected::Absent, None).await.unwrap();
        store.acquire(&key, "me", Duration::from_secs(600)).await.unwrap();
    }
    server.stop();
    let error = store.load(&key().with_label("0")).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    server.start_again().unwrap();
    let found = patiently(async || store.list("acme", "user-17").await).await;
    assert_eq!(found.len(), 100);
    let again = store.acquire(&key().with_label("0"), "me", Duration::from_secs(1)).await.unwrap();
    assert!(matches!(again, Acquired::Held { .. }), "{again:?}");
}

#[tokio::test]
async fn postgres_keeps_what_it_acknowledged_when_it_is_killed() {
    let mut server = Postgres::start(&folder().join("servers")).unwrap();
    let store = postgres(&server.url(), "tokens").await.unwrap();
    for number in 0..100 {
        let key = key().with_label(number.to_string());
        store.save(&key, sealed("x"), Expected::Absent, None).await.unwrap();
        store.acquire(&key, "me", Duration::from_secs(600)).await.unwrap();
    }
    server.stop();
    let error = store.load(&key().with_label("0")).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    server.start_again().unwrap();
    let found = patiently(async || store.list("acme", "user-17").await).await;
    assert_eq!(found.len(), 100);
    let again = store.acquire(&key().with_label("0"), "me", Duration::from_secs(1)).await.unwrap();
    assert!(matches!(again, Acquired::Held { .. }), "{again:?}");
}

#[tokio::test]
async fn mariadb_keeps_what_it_acknowledged_when_it_is_killed() {
    let mut server = MariaDb::start(&folder().join("servers")).unwrap();
    let store = mysql(&server.url(), "tokens").await.unwrap();
    for number in 0..100 {
        let key = key().with_label(number.to_string());
        store.save(&key, sealed("x"), Expected::Absent, None).await.unwrap();
        store.acquire(&key, "me", Duration::from_secs(600)).await.unwrap();
    }
    server.stop();
    let error = store.load(&key().with_label("0")).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    server.start_again().unwrap();
    let found = patiently(async || store.list("acme", "user-17").await).await;
    assert_eq!(found.len(), 100);
    let again = store.acquire(&key().with_label("0"), "me", Duration::from_secs(1)).await.unwrap();
    assert!(matches!(again, Acquired::Held { .. }), "{again:?}");
}

/// A server that is frozen, or a network that swallows packets, must not hold anybody for longer than the time limit.
#[tokio::test]
async fn a_store_that_does_not_answer_is_given_up() {
    let postgres_server = Postgres::start(&folder().join("servers")).unwrap();
    let mariadb_server = MariaDb::start(&folder().join("servers")).unwrap();
    let redis_server = Redis::start(&folder().join("servers"), Persistence::None).unwrap();
    let limit = Duration::from_millis(300);
    let postgres = postgres(&postgres_server.url(), "tokens").await.unwrap().with_time_limit(limit);
    let mariadb = mysql(&mariadb_server.url(), "tokens").await.unwrap().with_time_limit(limit);
    let redis = redis(&redis_server.url(), "tokens").await.unwrap().with_time_limit(limit);
    let stores: [&dyn TokenStore; 3] = [&postgres, &mariadb, &redis];
    for store in stores {
        store.save(&key(), sealed("x"), Expected::Absent, None).await.unwrap();
    }
    postgres_server.freeze().unwrap();
    mariadb_server.freeze().unwrap();
    redis_server.freeze().unwrap();
    for store in stores {
        // The second one meets what the first one left behind.
        for _ in 0..2 {
            let error = store.load(&key()).await.unwrap_err();
            assert!(error.is_transient(), "{error}");
            let error = store.acquire(&key(), "me", Duration::from_secs(9)).await.unwrap_err();
            assert!(error.is_transient(), "{error}");
        }
    }
    postgres_server.thaw().unwrap();
    mariadb_server.thaw().unwrap();
    redis_server.thaw().unwrap();
    for store in stores {
        let found = patiently(async || store.load(&key()).await).await;
        assert_eq!(found.unwrap().sealed, "x");
    }
}

/// Tries again while the reason may pass: the store is starting up, and its clients are finding out.
async fn patiently<T>(mut operation: impl AsyncFnMut() -> Result<T, StoreError>) -> T {
    for _ in 0..600 {
        match operation().await {
            Ok(found) => return found,
            Err(error) => assert!(error.is_transient(), "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("it does not recover");
}

#[tokio::test]
async fn a_postgres_table_may_stand_in_a_schema() {
    let place = Place::postgres("schema");
    let pool = PgPool::connect(&place.url).await.unwrap();
    let name = &place.table[..place.table.len().min(40)];
    let error = postgres(&place.url, &format!("{name}.order")).await.unwrap_err();
    assert!(error.to_string().contains("schema"), "{error}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("CREATE SCHEMA {name}"))).execute(&pool).await.unwrap();
    let store = postgres(&place.url, &format!("{name}.order")).await.unwrap();
    store.save(&key(), sealed("x"), Expected::Absent, None).await.unwrap();
    let count: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(format!(
        "SELECT count(*) FROM {name}.\"order\" WHERE tenant = 'acme'"
    )))
    .fetch_one(&pool)
    .await
    .unwrap();
    assert_eq!(count, 1);
}

#[tokio::test]
async fn what_was_deleted_a_day_ago_goes_from_postgres() {
    let place = Place::postgres("forget");
    let store = postgres(&place.url, &place.table).await.unwrap();
    let pool = PgPool::connect(&place.url).await.unwrap();
    for label in ["kept", "old", "last"] {
        store.save(&key().with_label(label), sealed("x"), Expected::Absent, None).await.unwrap();
    }
    store.delete(&key().with_label("old")).await.unwrap();
    let age = format!("UPDATE {} SET changed_at = changed_at - 24 * 60 * 60 * 1000 - 1", place.table);
    sqlx::raw_sql(sqlx::AssertSqlSafe(age)).execute(&pool).await.unwrap();
    store.delete(&key().with_label("last")).await.unwrap();
    let labels: Vec<String> =
        sqlx::query_scalar(sqlx::AssertSqlSafe(format!("SELECT label FROM {} ORDER BY label", place.table)))
            .fetch_all(&pool)
            .await
            .unwrap();
    assert_eq!(labels, ["kept", "last"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_migrate_a_new_postgres_table_at_once() {
    let place = Place::postgres("migrate");
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let (url, table) = (place.url.clone(), place.table.clone());
            tokio::spawn(async move { postgres(&url, &table).await })
        })
        .collect();
    for task in tasks {
        let store = task.await.unwrap().unwrap();
        store.save(&key(), sealed("x"), Expected::Any, None).await.unwrap();
    }
}

/// What a transaction sees is then what there was when it began, which is before it waited for the others.
#[tokio::test(flavor = "multi_thread")]
async fn many_migrate_at_once_whatever_the_default_isolation_of_their_transactions() {
    for level in ["repeatable read", "serializable"] {
        let place = Place::postgres("isolation");
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                let options = place.url.parse::<PgConnectOptions>().unwrap();
                let options = options.options([("default_transaction_isolation", level)]);
                let table = place.table.clone();
                tokio::spawn(async move {
                    let pool = PgPoolOptions::new().max_connections(1).connect_with(options).await.unwrap();
                    let set: String =
                        sqlx::query_scalar("SHOW transaction_isolation").fetch_one(&pool).await.unwrap();
                    assert_eq!(set, level);
                    PostgresStore::new(pool).with_table(&table).unwrap().migrate().await
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap().unwrap();
        }
    }
}

/// Somebody else's statements hold the row, so that the store's wait for them: it must judge by the time at which it goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_was_waited_for_counts_from_when_it_is_granted() {
    let place = Place::postgres("waited");
    let pool = PgPool::connect(&place.url).await.unwrap();
    let all = format!("SELECT id FROM {} FOR UPDATE", place.table);
    waited_for(postgres(&place.url, &place.table).await.unwrap(), async || {
        let mut lock = pool.begin().await.unwrap();
        sqlx::raw_sql(sqlx::AssertSqlSafe(all.clone())).execute(&mut *lock).await.unwrap();
        lock
    })
    .await;

    let place = Place::mysql("waited");
    let pool = MySqlPool::connect(&place.url).await.unwrap();
    let all = format!("SELECT id FROM {} FOR UPDATE", place.table);
    waited_for(mysql(&place.url, &place.table).await.unwrap(), async || {
        let mut lock = pool.begin().await.unwrap();
        sqlx::raw_sql(sqlx::AssertSqlSafe(all.clone())).execute(&mut *lock).await.unwrap();
        lock
    })
    .await;
}

/// What the lock returns holds it until it is dropped.
async fn waited_for<L>(store: impl TokenStore + Clone + 'static, lock: impl AsyncFn() -> L) {
    let Acquired::Granted(_) = store.acquire(&key(), "first", Duration::from_millis(1)).await.unwrap() else {
        panic!("nobody else asks");
    };
    let lock = lock().await;
    let waiting = tokio::spawn({
        let store = store.clone();
        async move { store.acquire(&key(), "second", Duration::from_secs(2)).await }
    });
    tokio::time::sleep(Duration::from_millis(1500)).await;
    drop(lock);
    let granted = waiting.await.unwrap().unwrap();
    assert!(matches!(granted, Acquired::Granted(_)), "{granted:?}");
    let Acquired::Held { retry_in } = store.acquire(&key(), "third", Duration::from_secs(1)).await.unwrap()
    else {
        panic!("it was granted a moment ago, for two seconds");
    };
    assert!(retry_in > Duration::from_secs(1), "{retry_in:?}");
}

/// Something else wrote into the table. A login replaces what it left, and nothing else does.
#[tokio::test]
async fn a_login_replaces_a_row_whose_version_is_no_number_or_the_last_one() {
    for (place, versions) in [
        (Place::sqlite("corrupt"), &["'abc'", "1.5", "9223372036854775807"][..]),
        (Place::postgres("corrupt"), &["9223372036854775807"]),
        (Place::mysql("corrupt"), &["9223372036854775807"]),
    ] {
        let store = place.open().await;
        let corrupt = async |version: &str| {
            match place.name {
                // A file of its own has the usual table.
                "SQLite" => {
                    let change = format!("UPDATE oauth_tokens SET version = {version}");
                    let pool = SqlitePool::connect(&place.url).await.unwrap();
                    sqlx::raw_sql(sqlx::AssertSqlSafe(change)).execute(&pool).await.unwrap();
                }
                "MariaDB" => {
                    let change = format!("UPDATE {} SET version = {version}", place.table);
                    let pool = MySqlPool::connect(&place.url).await.unwrap();
                    sqlx::raw_sql(sqlx::AssertSqlSafe(change)).execute(&pool).await.unwrap();
                }
                _ => {
                    let change = format!("UPDATE {} SET version = {version}", place.table);
                    let pool = PgPool::connect(&place.url).await.unwrap();
                    sqlx::raw_sql(sqlx::AssertSqlSafe(change)).execute(&pool).await.unwrap();
                }
            }
        };
        for version in versions {
            store.save(&key(), sealed("x"), Expected::Any, None).await.unwrap();
            corrupt(version).await;
            let refreshed = store.save(&key(), sealed("y"), Expected::Version(1), None).await;
            assert!(!matches!(refreshed, Ok(Saved::Version(_))), "{} {version}: {refreshed:?}", place.name);
            let saved = store.save(&key(), sealed("z"), Expected::Any, None).await;
            assert!(matches!(saved, Ok(Saved::Version(_))), "{} {version}: {saved:?}", place.name);
            assert_eq!(store.load(&key()).await.unwrap().unwrap().sealed, "z");
        }
    }
}

#[tokio::test]
async fn a_login_replaces_what_is_no_record_of_this_store_in_redis() {
    let place = Place::redis("corrupt");
    let store = redis(&place.url, &place.table).await.unwrap();
    let client = ::redis::Client::open(&*place.url).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let name = format!("{}:{{acme/user-17}}:google/", place.table);
    for change in [&["HSET", "v", "abc"][..], &["HSET", "v", "9223372036854775807"], &["SET", "other"]] {
        store.save(&key(), sealed("x"), Expected::Any, None).await.unwrap();
        ::redis::cmd(change[0]).arg(&name).arg(&change[1..]).exec_async(&mut connection).await.unwrap();
        let saved = store.save(&key(), sealed("z"), Expected::Any, None).await;
        assert!(matches!(saved, Ok(Saved::Version(_))), "{change:?}: {saved:?}");
        assert_eq!(store.load(&key()).await.unwrap().unwrap().sealed, "z");
    }
}

/// Many collations take texts for equal that differ in spaces at their end, or in their case.
#[tokio::test]
async fn a_search_tells_texts_apart_that_a_collation_does_not() {
    for place in
        [Place::sqlite("texts"), Place::postgres("texts"), Place::mysql("texts"), Place::redis("texts")]
    {
        let store = place.open().await;
        let key = |text: &str| TokenKey::from_parts(text, text, text, text);
        let texts = ["a", "a ", "A", "ä", "a\u{308}", "", " "];
        for text in texts {
            let summary = Summary::new(Status::Alive).with_sealing_key(text);
            store.save_described(&key(text), sealed("x"), &summary, Expected::Absent, None).await.unwrap();
        }
        for text in texts {
            for filter in [
                Filter::all().with_tenant(text),
                Filter::all().with_subject(text),
                Filter::all().with_provider(text),
            ] {
                let found = store.find(&filter, None, 10).await.unwrap();
                let found: Vec<_> = found.into_iter().map(|found| found.key).collect();
                assert_eq!(found, [key(text)], "{}: {filter:?}", place.name);
            }
            if text.is_empty() {
                // No key has this id.
                continue;
            }
            let others = store.count(&Filter::all().without_sealing_key(text)).await.unwrap();
            assert_eq!(others, texts.len() as u64 - 1, "{}: {text:?}", place.name);
        }
    }
}

/// A failover loses what the replica had not received yet, a lease among it.
#[tokio::test]
async fn a_lease_that_redis_lost_in_a_failover_is_not_taken_for_the_next_one() {
    let place = Place::redis("failover");
    let store = redis(&place.url, &place.table).await.unwrap();
    let client = ::redis::Client::open(&*place.url).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let name = format!("{}:{{acme/user-17}}:google/", place.table);
    let minute = Duration::from_secs(60);
    let Acquired::Granted(lost) = store.acquire(&key(), "lost", minute).await.unwrap() else {
        panic!("nobody else asks");
    };
    ::redis::cmd("DEL").arg(&name).exec_async(&mut connection).await.unwrap();
    tokio::time::sleep(Duration::from_millis(20)).await;
    let Acquired::Granted(next) = store.acquire(&key(), "next", minute).await.unwrap() else {
        panic!("the lease was lost");
    };
    assert!(next.fence > lost.fence, "{next:?} came after {lost:?}");
    // And where the clock of the new server is behind, so that the number comes again.
    for fence in [next.fence, lost.fence] {
        ::redis::cmd("HSET").arg(&name).arg("f").arg(fence).exec_async(&mut connection).await.unwrap();
        assert!(!store.extend(&key(), &lost, minute).await.unwrap());
        store.release(&key(), &lost).await.unwrap();
        let held = store.acquire(&key(), "another", minute).await.unwrap();
        assert!(matches!(held, Acquired::Held { .. }), "{held:?}");
        let saved = store.save(&key(), sealed("stale"), Expected::Any, Some(&lost)).await.unwrap();
        assert_eq!(saved, Saved::Fenced);
    }
    let next = oauth_tokens::Lease::new(lost.fence, "next");
    assert!(store.extend(&key(), &next, minute).await.unwrap());
    let saved = store.save(&key(), sealed("new"), Expected::Absent, Some(&next)).await.unwrap();
    assert_eq!(saved, Saved::Version(1));
}
