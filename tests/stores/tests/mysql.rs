//! What is MariaDB's and MySQL's own.

use std::time::Duration;

use oauth_store_sqlx::MySqlStore;
use oauth_store_tests::mysql;
use oauth_tokens::{Acquired, Bytes, Expected, Filter, Saved, Status, Summary, TokenKey, TokenStore};
use sqlx::{
    MySqlPool, Row,
    mysql::{MySqlConnectOptions, MySqlPoolOptions},
};

use crate::fixture::Place;

fn key() -> TokenKey {
    TokenKey::new("google", "user-17").with_tenant("acme")
}

fn sealed(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

async fn run(pool: &MySqlPool, statement: String) {
    sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(pool).await.unwrap();
}

#[tokio::test]
async fn a_mariadb_table_may_be_in_another_database() {
    let place = Place::mysql("database");
    let pool = MySqlPool::connect(&place.url).await.unwrap();
    let name = &place.table[..place.table.len().min(40)];
    let error = mysql(&place.url, &format!("{name}.order")).await.unwrap_err();
    assert!(error.to_string().contains(name), "{error}");
    run(&pool, format!("CREATE DATABASE {name}")).await;
    let store = mysql(&place.url, &format!("{name}.order")).await.unwrap();
    store.save(&key(), sealed("x"), Expected::Absent, None).await.unwrap();
    let count = format!("SELECT COUNT(*) FROM {name}.`order` WHERE tenant = 'acme'");
    let count: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(count)).fetch_one(&pool).await.unwrap();
    assert_eq!(count, 1);
    run(&pool, format!("DROP DATABASE {name}")).await;
}

#[tokio::test]
async fn connections_that_commit_nothing_are_refused() {
    let place = Place::mysql("autocommit");
    let store = mysql(&place.url, &place.table).await.unwrap();
    let silent = MySqlPoolOptions::new()
        .after_connect(|connection, _| {
            Box::pin(async move { sqlx::raw_sql("SET autocommit = 0").execute(connection).await.map(drop) })
        })
        .connect(&place.url)
        .await
        .unwrap();
    let refused = MySqlStore::new(silent).with_table(&place.table).unwrap();
    for outcome in [
        refused.migrate().await.err(),
        refused.save(&key(), sealed("x"), Expected::Absent, None).await.err(),
        refused.acquire(&key(), "me", Duration::from_secs(60)).await.err(),
    ] {
        // Tables that are up to date need no write.
        let Some(error) = outcome else { continue };
        assert!(!error.is_transient() && error.to_string().contains("autocommit"), "{error}");
    }
    assert!(refused.save(&key(), sealed("x"), Expected::Absent, None).await.is_err());
    assert!(store.load(&key()).await.unwrap().is_none());
}

#[tokio::test]
async fn what_was_deleted_a_day_ago_goes_from_mariadb() {
    let place = Place::mysql("forget");
    let store = mysql(&place.url, &place.table).await.unwrap();
    let pool = MySqlPool::connect(&place.url).await.unwrap();
    for label in ["kept", "old", "held", "last"] {
        store.save(&key().with_label(label), sealed("x"), Expected::Absent, None).await.unwrap();
    }
    store.acquire(&key().with_label("held"), "me", Duration::from_secs(60)).await.unwrap();
    store.acquire(&key().with_label("lease alone"), "me", Duration::from_millis(1)).await.unwrap();
    for label in ["old", "held"] {
        store.delete(&key().with_label(label)).await.unwrap();
    }
    let day = "(24 * 60 * 60 * 1000 + 1)";
    let age = format!(
        "UPDATE {} SET changed_at = changed_at - {day}, deleted_at = deleted_at - {day}, \
         held_until = IF(label = 'held', held_until, held_until - {day})",
        place.table
    );
    run(&pool, age).await;
    store.delete(&key().with_label("last")).await.unwrap();
    let labels = format!("SELECT label FROM {} ORDER BY label", place.table);
    let labels: Vec<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(labels)).fetch_all(&pool).await.unwrap();
    assert_eq!(labels, ["held", "kept", "last"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_migrate_a_new_mariadb_table_at_once() {
    let place = Place::mysql("migrate");
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let (url, table) = (place.url.clone(), place.table.clone());
            tokio::spawn(async move { mysql(&url, &table).await })
        })
        .collect();
    for task in tasks {
        let store = task.await.unwrap().unwrap();
        store.save(&key(), sealed("x"), Expected::Any, None).await.unwrap();
    }
}

/// The server commits each table by itself.
#[tokio::test]
async fn a_migration_that_was_interrupted_goes_on_in_mariadb() {
    let place = Place::mysql("interrupted");
    let pool = MySqlPool::connect(&place.url).await.unwrap();
    let store = MySqlStore::new(pool.clone()).with_table(&place.table).unwrap();
    for done in store.schema().split_inclusive(";\n").take(2) {
        run(&pool, done.to_owned()).await;
    }
    store.migrate().await.unwrap();
    store.save(&key(), sealed("x"), Expected::Any, None).await.unwrap();
    run(&pool, format!("INSERT INTO {}_migrations (version) VALUES (99)", place.table)).await;
    let error = store.migrate().await.unwrap_err();
    assert!(!error.is_transient() && error.to_string().contains("newer version"), "{error}");
}

/// Whatever the application has chosen for its connections.
#[tokio::test]
async fn mariadb_counts_the_time_in_any_zone_and_at_any_isolation() {
    let place = Place::mysql("settings");
    let store = mysql(&place.url, &place.table).await.unwrap();
    for (zone, isolation) in [
        ("+13:00", "SERIALIZABLE"),
        ("-12:00", "READ COMMITTED"),
        ("SYSTEM", "READ UNCOMMITTED"),
        ("+00:00", "REPEATABLE READ"),
    ] {
        let options = place.url.parse::<MySqlConnectOptions>().unwrap().timezone(Some(zone.to_owned()));
        let pool = MySqlPoolOptions::new().max_connections(1).connect_with(options).await.unwrap();
        run(&pool, "SET SESSION sql_mode = ''".to_owned()).await;
        run(&pool, format!("SET SESSION TRANSACTION ISOLATION LEVEL {isolation}")).await;
        let other = MySqlStore::new(pool).with_table(&place.table).unwrap();
        let (here, there) = (store.now().await.unwrap().unwrap(), other.now().await.unwrap().unwrap());
        assert!((there - here).abs() < Duration::from_secs(60), "{zone}: {here} and {there}");
        let key = key().with_label(zone);
        let minute = Duration::from_secs(60);
        let Acquired::Granted(lease) = store.acquire(&key, "me", minute).await.unwrap() else {
            panic!("nobody else asks");
        };
        let held = other.acquire(&key, "another", minute).await.unwrap();
        assert!(matches!(held, Acquired::Held { retry_in } if retry_in <= minute), "{zone}: {held:?}");
        let saved = other.save(&key, sealed("x"), Expected::Absent, Some(&lease)).await.unwrap();
        assert_eq!(saved, Saved::Version(1));
        assert!(other.extend(&key, &lease, minute).await.unwrap());
    }
}

/// The server says so and closes the connection; trying again would not help.
#[tokio::test]
async fn a_record_that_is_too_large_for_mariadb_is_refused_for_good() {
    let place = Place::mysql("large");
    let store = mysql(&place.url, &place.table).await.unwrap();
    let pool = MySqlPool::connect(&place.url).await.unwrap();
    let limit: u64 = sqlx::query_scalar("SELECT @@max_allowed_packet").fetch_one(&pool).await.unwrap();
    let large = Bytes::from(vec![1; usize::try_from(limit).unwrap()]);
    let error = store.save(&key(), large, Expected::Any, None).await.unwrap_err();
    assert!(!error.is_transient(), "{error}");
    store.save(&key(), sealed("x"), Expected::Any, None).await.unwrap();
}

/// Searches that run every two seconds, or over a whole tenant, must not read the whole table.
#[tokio::test]
async fn searches_use_their_indexes_in_mariadb() {
    let place = Place::mysql("indexes");
    let store = mysql(&place.url, &place.table).await.unwrap();
    for index in 0..500 {
        let summary = match index {
            0 => Summary::new(Status::Refreshing),
            1 => Summary::new(Status::Dead),
            2 => Summary::default(),
            _ => Summary::new(Status::Alive),
        };
        let tenant = if index < 10 { "small" } else { "big" };
        let key = TokenKey::new("google", index.to_string()).with_tenant(tenant);
        store.save_described(&key, sealed("x"), &summary, Expected::Absent, None).await.unwrap();
    }
    let pool = MySqlPool::connect(&place.url).await.unwrap();
    run(&pool, format!("ANALYZE TABLE {}", place.table)).await;
    let hash = |column: &str, text: &str| {
        let hash =
            format!("SELECT HEX({column}_hash) FROM {} WHERE {column} = '{text}' LIMIT 1", place.table);
        let pool = pool.clone();
        async move {
            let hash: String = sqlx::query_scalar(sqlx::AssertSqlSafe(hash)).fetch_one(&pool).await.unwrap();
            hash
        }
    };
    let tenant = format!("tenant_hash = X'{}'", hash("tenant", "small").await);
    let subject = format!("subject_hash = X'{}'", hash("subject", "7").await);
    for (condition, index) in [
        ("status = 'refreshing' AND (held_until IS NULL OR held_until <= 1)", "by_status"),
        ("status = 'dead'", "by_status"),
        ("status IS NULL", "by_status"),
        (&tenant, "by_tenant"),
        (&subject, "by_subject"),
    ] {
        let text = format!(
            "EXPLAIN SELECT id FROM {} WHERE sealed IS NOT NULL AND {condition} AND id > X'00' ORDER BY id LIMIT 100",
            place.table
        );
        let plan = sqlx::query(sqlx::AssertSqlSafe(text)).fetch_all(&pool).await.unwrap();
        let used: Option<String> = plan[0].get("key");
        assert_eq!(used.as_deref(), Some(index), "{condition}");
    }
    assert_eq!(store.count(&Filter::all().with_tenant("small")).await.unwrap(), 10);
}
