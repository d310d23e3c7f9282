//! A save that its caller gave up reaches the store later, when something else has been saved or deleted.

use std::{sync::Arc, time::Duration};

use ::redis::AsyncCommands;
use oauth_store_redis::RedisStore;
use oauth_store_sqlx::{MySqlStore, PostgresStore, SqliteStore};
use oauth_store_tests::{Store, redis};
use oauth_tokens::{Bytes, Expected, Saved, TokenKey, TokenStore};
use sqlx::{
    MySqlPool, PgPool, SqlitePool, mysql::MySqlPoolOptions, postgres::PgPoolOptions,
    sqlite::SqlitePoolOptions,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};

use crate::{fixture::Place, processes::TURN};

/// What the impatient one waits. What it did before its save was held back fits into it.
const PATIENCE: Duration = Duration::from_millis(500);

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_carries_out_a_late_save_only_if_nothing_came_between() {
    let place = Place::sqlite("late");
    // The file is made with the settings that let readers pass the writer.
    SqliteStore::open(place.url.trim_start_matches("sqlite:")).await.unwrap();
    let pool = || async { SqlitePoolOptions::new().max_connections(1).connect(&place.url).await.unwrap() };
    let (patient, impatient) = (pool().await, pool().await);
    check(&Late {
        patient: Arc::new(SqliteStore::new(patient.clone())),
        impatient: Arc::new(SqliteStore::new(impatient).with_time_limit(PATIENCE)),
        brake: Brake::Sqlite(patient),
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_carries_out_a_late_save_only_if_nothing_came_between() {
    let place = Place::postgres("late");
    let pool = || async { PgPoolOptions::new().max_connections(1).connect(&place.url).await.unwrap() };
    let (patient, impatient) = (pool().await, pool().await);
    let store = |pool| PostgresStore::new(pool).with_table(&place.table).unwrap();
    store(patient.clone()).migrate().await.unwrap();
    check(&Late {
        patient: Arc::new(store(patient.clone())),
        impatient: Arc::new(store(impatient).with_time_limit(PATIENCE)),
        brake: Brake::Postgres(patient, place.table.clone()),
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_carries_out_a_late_save_only_if_nothing_came_between() {
    let place = Place::mysql("late");
    let pool = || async { MySqlPoolOptions::new().max_connections(1).connect(&place.url).await.unwrap() };
    let (patient, impatient) = (pool().await, pool().await);
    let store = |pool| MySqlStore::new(pool).with_table(&place.table).unwrap();
    store(patient.clone()).migrate().await.unwrap();
    check(&Late {
        patient: Arc::new(store(patient.clone())),
        impatient: Arc::new(store(impatient).with_time_limit(PATIENCE)),
        brake: Brake::MySql(patient, place.table.clone()),
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_carries_out_a_late_save_only_if_nothing_came_between() {
    let place = Place::redis("late");
    let (brake, url) = slow_way(&place.url).await;
    let client = ::redis::Client::open(url).unwrap();
    let connection = client.get_multiplexed_async_connection().await.unwrap();
    let impatient = RedisStore::new(connection).with_prefix(&place.table).unwrap();
    check(&Late {
        patient: Arc::new(redis(&place.url, &place.table).await.unwrap()),
        impatient: Arc::new(impatient.with_time_limit(PATIENCE)),
        brake: Brake::Redis(brake, ::redis::Client::open(&*place.url).unwrap(), place.table.clone()),
    })
    .await;
}

async fn check(late: &Late) {
    let _turn = TURN.lock().await;
    // Redis must know the script, because nobody would send it when the late call of it fails.
    let first = late.impatient.save(&late.new_key("first"), sealed("x"), Expected::Any, None).await.unwrap();
    assert_eq!(first, Saved::Version(1));
    // If it could not come late at all, the rest would prove nothing.
    for expected in [Expected::Any, Expected::Absent] {
        let key = late.new_key(&format!("nothing came between, {expected:?}"));
        late.given_up(&key, expected, async || {}).await;
        assert_eq!(late.found(&key).await.as_deref(), Some("late"), "{key}");
    }

    for expected in [Expected::Any, Expected::Absent] {
        let key = late.new_key(&format!("saved and deleted, {expected:?}"));
        late.given_up(&key, expected, async || {
            late.save(&key, "second attempt").await;
            assert!(late.patient.delete(&key).await.unwrap());
        })
        .await;
        assert_eq!(late.found(&key).await, None, "{key}");

        let key = late.new_key(&format!("saved and deleted, after an earlier one was, {expected:?}"));
        late.save(&key, "long ago").await;
        assert!(late.patient.delete(&key).await.unwrap());
        late.given_up(&key, expected, async || {
            late.save(&key, "second attempt").await;
            assert!(late.patient.delete(&key).await.unwrap());
        })
        .await;
        assert_eq!(late.found(&key).await, None, "{key}");

        let key = late.new_key(&format!("saved, {expected:?}"));
        late.given_up(&key, expected, async || late.save(&key, "second attempt").await).await;
        assert_eq!(late.found(&key).await.as_deref(), Some("second attempt"), "{key}");
    }

    let key = late.new_key("replaced");
    late.save(&key, "before").await;
    late.given_up(&key, Expected::Any, async || late.save(&key, "second attempt").await).await;
    assert_eq!(late.found(&key).await.as_deref(), Some("second attempt"), "{key}");

    let key = late.new_key("deleted");
    late.save(&key, "before").await;
    late.given_up(&key, Expected::Any, async || assert!(late.patient.delete(&key).await.unwrap())).await;
    assert_eq!(late.found(&key).await, None, "{key}");

    // What is no record of the store's making is deleted before another takes its place, and only while it is one. Here too Redis must
    // know the script, and it must be one that comes late.
    let key = late.new_key("spoilt");
    late.save(&key, "spoilt").await;
    late.brake.spoil().await;
    let saved = late.impatient.save(&key, sealed("in time"), Expected::Any, None).await.unwrap();
    assert_eq!(saved, Saved::Version(1), "{key}");
    let key = late.new_key("spoilt again");
    late.save(&key, "spoilt").await;
    late.brake.spoil().await;
    late.given_up(&key, Expected::Any, async || late.save(&key, "second attempt").await).await;
    assert_eq!(late.found(&key).await.as_deref(), Some("second attempt"), "{key}");

    // Who waits is not refused for what the numbers of deleted tokens are.
    for expected in [Expected::Any, Expected::Absent] {
        let saved = late.patient.save(&key, sealed("new"), expected, None).await.unwrap();
        assert!(matches!(saved, Saved::Version(_)), "{expected:?}: {saved:?}");
        assert!(late.patient.delete(&key).await.unwrap());
    }
}

/// Two processes that share a store; what one of them writes can be held back.
struct Late {
    patient: Arc<dyn Store>,
    /// Has one connection, on which one thing is done after another.
    impatient: Arc<dyn Store>,
    brake: Brake,
}

impl Late {
    fn new_key(&self, label: &str) -> TokenKey {
        TokenKey::new("google", "user-17").with_label(label)
    }

    async fn save(&self, key: &TokenKey, text: &'static str) {
        let saved = self.patient.save(key, sealed(text), Expected::Any, None).await.unwrap();
        assert!(matches!(saved, Saved::Version(_)), "{saved:?}");
    }

    /// A save that is held back until its caller has given up and something else has happened.
    async fn given_up(&self, key: &TokenKey, expected: Expected, meanwhile: impl AsyncFnOnce()) {
        self.brake.hold().await;
        let error = self.impatient.save(key, sealed("late"), expected, None).await.unwrap_err();
        assert!(error.is_transient(), "{error}");
        meanwhile().await;
        self.brake.release().await;
        // It waits for its turn behind the save.
        let mut loaded = self.impatient.load(key).await;
        for _ in 0..20 {
            if loaded.is_ok() {
                break;
            }
            loaded = self.impatient.load(key).await;
        }
        loaded.unwrap();
    }

    async fn found(&self, key: &TokenKey) -> Option<String> {
        let found = self.patient.load(key).await.unwrap()?;
        Some(String::from_utf8(found.sealed.to_vec()).unwrap())
    }
}

fn sealed(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

/// Holds back what the impatient one writes, and nothing that it reads.
enum Brake {
    /// The patient one's only connection has the write lock, and does in that transaction what comes between.
    Sqlite(SqlitePool),
    /// The patient one's connection has a lock on the table.
    Postgres(PgPool, String),
    /// The patient one's connection has locks on all rows and on the gaps between them.
    MySql(MySqlPool, String),
    /// Whether scripts and deletions are held back on the way to the server; the server, and what the names of the keys begin with.
    Redis(watch::Sender<bool>, ::redis::Client, String),
}

impl Brake {
    /// Gives the record that holds `spoilt` a version that the store never writes.
    async fn spoil(&self) {
        let update = |table: &str, what: &str| {
            sqlx::AssertSqlSafe(format!(
                "UPDATE {table} SET version = 9223372036854775807 WHERE sealed = {what}"
            ))
        };
        let spoilt = match self {
            Self::Sqlite(pool) => sqlx::raw_sql(update("oauth_tokens", "X'73706f696c74'"))
                .execute(pool)
                .await
                .unwrap()
                .rows_affected(),
            Self::Postgres(pool, table) => {
                sqlx::raw_sql(update(table, "'spoilt'")).execute(pool).await.unwrap().rows_affected()
            }
            Self::MySql(pool, table) => {
                sqlx::raw_sql(update(table, "'spoilt'")).execute(pool).await.unwrap().rows_affected()
            }
            Self::Redis(_, client, prefix) => {
                let mut connection = client.get_multiplexed_async_connection().await.unwrap();
                let keys: Vec<String> = connection.keys(format!("{prefix}*")).await.unwrap();
                let mut spoilt = 0;
                for key in keys {
                    // Not every key is that of a record.
                    let sealed: Result<Option<String>, _> = connection.hget(&key, "s").await;
                    if sealed.is_ok_and(|sealed| sealed.as_deref() == Some("spoilt")) {
                        let _: () = connection.hset(&key, "v", i64::MAX).await.unwrap();
                        spoilt += 1;
                    }
                }
                spoilt
            }
        };
        assert_eq!(spoilt, 1);
    }

    async fn hold(&self) {
        match self {
            Self::Sqlite(pool) => {
                sqlx::raw_sql("BEGIN IMMEDIATE").execute(pool).await.unwrap();
            }
            Self::Postgres(pool, table) => {
                let lock = format!("BEGIN; LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE");
                sqlx::raw_sql(sqlx::AssertSqlSafe(lock)).execute(pool).await.unwrap();
            }
            Self::MySql(pool, table) => {
                sqlx::raw_sql("BEGIN").execute(pool).await.unwrap();
                let lock = format!("SELECT id FROM {table} FOR UPDATE");
                sqlx::raw_sql(sqlx::AssertSqlSafe(lock)).execute(pool).await.unwrap();
            }
            Self::Redis(is_held, ..) => {
                is_held.send_replace(true);
            }
        }
    }

    async fn release(&self) {
        match self {
            Self::Sqlite(pool) => {
                sqlx::raw_sql("COMMIT").execute(pool).await.unwrap();
            }
            Self::Postgres(pool, _) => {
                sqlx::raw_sql("COMMIT").execute(pool).await.unwrap();
            }
            Self::MySql(pool, _) => {
                sqlx::raw_sql("COMMIT").execute(pool).await.unwrap();
            }
            Self::Redis(is_held, ..) => {
                is_held.send_replace(false);
            }
        }
    }
}

/// Another address of a server, from which scripts and deletions arrive late.
async fn slow_way(url: &str) -> (watch::Sender<bool>, String) {
    let (brake, is_held) = watch::channel(false);
    let (_, server) = url.trim_end_matches('/').split_once("://").unwrap();
    let server = server.split('/').next().unwrap().to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(&server).await.unwrap();
            let (mut from_client, mut to_client) = client.into_split();
            let (mut from_server, mut to_server) = server.into_split();
            tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
            let mut is_held = is_held.clone();
            tokio::spawn(async move {
                let mut buffer = vec![0; 1 << 16];
                while let Ok(length @ 1..) = from_client.read(&mut buffer).await {
                    let sent = &buffer[..length];
                    let has = |word: &[u8]| sent.windows(word.len()).any(|part| part == word);
                    if has(b"EVALSHA") || has(b"\r\nDEL\r\n") {
                        is_held.wait_for(|is_held| !is_held).await.unwrap();
                    }
                    to_server.write_all(sent).await.unwrap();
                }
            });
        }
    });
    (brake, format!("redis://{address}/"))
}
