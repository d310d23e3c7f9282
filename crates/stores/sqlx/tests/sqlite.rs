//! What is SQLite's own: the file, its tables, several pools on it.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{path::PathBuf, time::Duration};

use oauth_core::SharedCache;
use oauth_store_sqlx::SqliteStore;
use oauth_tokens::{Acquired, Bytes, Expected, Lease, Saved, TokenKey, TokenStore};
use sqlx::{SqlitePool, sqlite::SqliteConnectOptions};

/// A folder that is gone after the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("tokens.db")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn key() -> TokenKey {
    TokenKey::new("google", "user-17").with_tenant("acme")
}

fn sealed(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

async fn granted(store: &SqliteStore, holder: &str, lifetime: Duration) -> Lease {
    match store.acquire(&key(), holder, lifetime).await.unwrap() {
        Acquired::Granted(lease) => lease,
        held => panic!("{held:?}"),
    }
}

#[tokio::test]
async fn what_one_saved_another_finds_after_all_were_closed() {
    let folder = Folder::new("closed");
    let first = SqliteStore::open(folder.file()).await.unwrap();
    assert_eq!(first.save(&key(), sealed("one"), Expected::Absent, None).await.unwrap(), Saved::Version(1));
    let lease = granted(&first, "first", Duration::from_secs(60)).await;
    drop(first);
    let second = SqliteStore::open(folder.file()).await.unwrap();
    assert_eq!(second.load(&key()).await.unwrap().unwrap().sealed, "one");
    assert!(matches!(
        second.acquire(&key(), "second", Duration::from_secs(60)).await.unwrap(),
        Acquired::Held { retry_in } if retry_in > Duration::from_secs(30) && retry_in <= Duration::from_secs(60)
    ));
    second.release(&key(), &lease).await.unwrap();
    assert_eq!(granted(&second, "second", Duration::from_secs(60)).await.fence, lease.fence + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_open_a_new_file_at_once() {
    let folder = Folder::new("at-once");
    let tasks: Vec<_> = (0..16)
        .map(|_| {
            let file = folder.file();
            tokio::spawn(async move { SqliteStore::open(file).await })
        })
        .collect();
    for task in tasks {
        let store = task.await.unwrap().unwrap();
        store.save(&key(), sealed("x"), Expected::Any, None).await.unwrap();
    }
    let store = SqliteStore::open(folder.file()).await.unwrap();
    assert_eq!(store.load(&key()).await.unwrap().unwrap().version, 16);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_writers_of_many_pools_one_wins_each_version() {
    let folder = Folder::new("writers");
    let mut tasks = Vec::new();
    for writer in 0..8 {
        let store = SqliteStore::open(folder.file()).await.unwrap();
        tasks.push(tokio::spawn(async move {
            let mut wins = 0;
            for version in 0..20 {
                let expected = if version == 0 { Expected::Absent } else { Expected::Version(version) };
                let text = Bytes::from(format!("{writer}"));
                // Each waits until the version before is there.
                loop {
                    match store.save(&key(), text.clone(), expected, None).await.unwrap() {
                        Saved::Version(saved) => {
                            assert_eq!(saved, version + 1);
                            wins += 1;
                            break;
                        }
                        Saved::Conflict(Some(found)) if found.version > version => break,
                        Saved::Conflict(_) => tokio::task::yield_now().await,
                        Saved::Fenced => panic!("nobody asked for a lease"),
                    }
                }
            }
            wins
        }));
    }
    let mut wins = 0;
    for task in tasks {
        wins += task.await.unwrap();
    }
    assert_eq!(wins, 20);
}

#[tokio::test]
async fn two_tables_in_one_file_are_two_stores() {
    let folder = Folder::new("tables");
    let options = SqliteConnectOptions::new().filename(folder.file()).create_if_missing(true);
    let pool = SqlitePool::connect_with(options).await.unwrap();
    let one = SqliteStore::new(pool.clone());
    let other = SqliteStore::new(pool.clone()).with_table("order").unwrap();
    for store in [&one, &other] {
        store.migrate().await.unwrap();
        store.migrate().await.unwrap();
    }
    one.save(&key(), sealed("one"), Expected::Any, None).await.unwrap();
    assert_eq!(other.load(&key()).await.unwrap(), None);
    one.put("name", sealed("value"), Duration::from_secs(60)).await.unwrap();
    assert_eq!(other.get("name").await.unwrap(), None);
}

#[tokio::test]
async fn the_schema_as_text_is_the_one_that_migrate_makes() {
    let folder = Folder::new("schema");
    let options = SqliteConnectOptions::new().filename(folder.file()).create_if_missing(true);
    let pool = SqlitePool::connect_with(options).await.unwrap();
    let by_hand = SqliteStore::new(pool.clone());
    sqlx::raw_sql(sqlx::AssertSqlSafe(by_hand.schema())).execute(&pool).await.unwrap();
    // It finds nothing left to do.
    by_hand.migrate().await.unwrap();
    by_hand.save(&key(), sealed("one"), Expected::Any, None).await.unwrap();
    let tables = |prefix: &'static str| {
        let pool = pool.clone();
        async move {
            let all: Vec<(String, String)> =
                sqlx::query_as("SELECT name, sql FROM sqlite_master WHERE name LIKE $1 || '%' AND sql NOT NULL ORDER BY name")
                    .bind(prefix)
                    .fetch_all(&pool)
                    .await
                    .unwrap();
            all.into_iter().map(|(name, sql)| (name + &sql).replace(prefix, "")).collect::<Vec<_>>()
        }
    };
    SqliteStore::new(pool.clone()).with_table("other").unwrap().migrate().await.unwrap();
    assert_eq!(tables("oauth_tokens").await, tables("other").await);
}

#[tokio::test]
async fn what_was_deleted_a_day_ago_goes_and_nothing_else_does() {
    let folder = Folder::new("forget");
    let store = SqliteStore::open(folder.file()).await.unwrap();
    let pool = SqlitePool::connect_with(SqliteConnectOptions::new().filename(folder.file())).await.unwrap();
    for label in ["kept", "old", "leased", "new", "last"] {
        let key = key().with_label(label);
        store.save(&key, sealed("x"), Expected::Absent, None).await.unwrap();
        if label != "kept" {
            store.delete(&key).await.unwrap();
        }
    }
    store.acquire(&key().with_label("leased"), "me", Duration::from_secs(60)).await.unwrap();
    store.put("short", sealed("x"), Duration::ZERO).await.unwrap();
    store.put("long", sealed("x"), Duration::from_secs(60)).await.unwrap();
    let labels = || async {
        let rows: Vec<String> = sqlx::query_scalar("SELECT label FROM oauth_tokens ORDER BY label")
            .fetch_all(&pool)
            .await
            .unwrap();
        rows
    };
    assert_eq!(labels().await, ["kept", "last", "leased", "new", "old"]);
    let day = 24 * 60 * 60 * 1000;
    sqlx::query(
        "UPDATE oauth_tokens SET changed_at = changed_at - $1 WHERE label IN ('kept', 'old', 'leased')",
    )
    .bind(day + 1000)
    .execute(&pool)
    .await
    .unwrap();
    store.save(&key().with_label("last"), sealed("x"), Expected::Absent, None).await.unwrap();
    store.delete(&key().with_label("last")).await.unwrap();
    assert_eq!(labels().await, ["kept", "last", "leased", "new"]);
    let values: i64 =
        sqlx::query_scalar("SELECT count(*) FROM oauth_tokens_cache").fetch_one(&pool).await.unwrap();
    assert_eq!(values, 1);
}

#[tokio::test]
async fn what_cannot_work_says_what_to_do() {
    let folder = Folder::new("errors");
    let store = SqliteStore::open(folder.file()).await.unwrap();
    let error = store.clone().with_table("app.tokens").unwrap_err().to_string();
    assert!(error.contains("SQLite has none"), "{error}");

    let pool = SqlitePool::connect_with(SqliteConnectOptions::new().filename(folder.file())).await.unwrap();
    sqlx::query("INSERT INTO oauth_tokens_migrations (version) VALUES (99)").execute(&pool).await.unwrap();
    let error = store.migrate().await.unwrap_err();
    assert!(!error.is_transient() && error.to_string().contains("update the program"), "{error}");

    // Nobody called `migrate`.
    let error = store.with_table("missing").unwrap().load(&key()).await.unwrap_err();
    assert!(!error.is_transient() && error.to_string().contains("no such table"), "{error}");

    std::fs::write(folder.0.join("text"), "This is not a database, but a text of some length.".repeat(50))
        .unwrap();
    let error = SqliteStore::open(folder.0.join("text")).await.unwrap_err();
    assert!(!error.is_transient(), "{error}");
    let error = SqliteStore::open(folder.0.join("missing/tokens.db")).await.unwrap_err();
    assert!(!error.is_transient(), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_another_program_locks_is_waited_for_and_then_reported_as_busy() {
    let folder = Folder::new("locked");
    let store = SqliteStore::open(folder.file()).await.unwrap();
    let store = store.with_time_limit(Duration::from_secs(60));
    let impatient = store.clone().with_time_limit(Duration::from_millis(300));
    let pool = SqlitePool::connect_with(SqliteConnectOptions::new().filename(folder.file())).await.unwrap();
    let lock = pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let error = impatient.save(&key(), sealed("one"), Expected::Any, None).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    // Readers do not wait for writers.
    store.load(&key()).await.unwrap();
    lock.rollback().await.unwrap();
    // The save that was given up may be carried out before this one or after it, which it must not undo.
    assert!(matches!(
        store.save(&key(), sealed("two"), Expected::Any, None).await.unwrap(),
        Saved::Version(1 | 2)
    ));
    for _ in 0..50 {
        assert_eq!(store.load(&key()).await.unwrap().unwrap().sealed, "two");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delete_that_was_given_up_does_not_delete_what_came_after_it() {
    let folder = Folder::new("late-delete");
    let store = SqliteStore::open(folder.file()).await.unwrap().with_time_limit(Duration::from_secs(60));
    let impatient = store.clone().with_time_limit(Duration::from_millis(300));
    store.save(&key(), sealed("one"), Expected::Absent, None).await.unwrap();
    let pool = SqlitePool::connect_with(SqliteConnectOptions::new().filename(folder.file())).await.unwrap();
    let mut lock = pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let error = impatient.delete(&key()).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    // A new login, by a program that holds the lock.
    sqlx::query("UPDATE oauth_tokens SET version = version + 1, sealed = $1")
        .bind(&b"two"[..])
        .execute(&mut *lock)
        .await
        .unwrap();
    lock.commit().await.unwrap();
    // A writer of this store comes after the one that was given up, or before; either is well.
    store.save(&key().with_label("other"), sealed("x"), Expected::Any, None).await.unwrap();
    for _ in 0..50 {
        assert_eq!(store.load(&key()).await.unwrap().unwrap().sealed, "two");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_new_file_and_its_log_are_their_owners_alone() {
    use std::os::unix::fs::PermissionsExt;

    let folder = Folder::new("rights");
    let store = SqliteStore::open(folder.file()).await.unwrap();
    store.save(&key(), sealed("one"), Expected::Any, None).await.unwrap();
    let mut files = 0;
    for entry in std::fs::read_dir(&folder.0).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o077, 0, "{:?}", entry.path());
        files += 1;
    }
    assert!(files >= 2, "the write-ahead log is a file too");
}

#[tokio::test]
async fn keys_of_any_text_are_rows_of_their_own() {
    let folder = Folder::new("keys");
    let store = SqliteStore::open(folder.file()).await.unwrap();
    let long = "x".repeat(100_000);
    let texts = ["", "\0", "\\0", "a", "A", "a ", "株式会社", "e\u{301}", "é", "🗓️", "'; --", &long];
    for text in texts {
        let key = TokenKey::from_parts(text, "s", text, text);
        store.save(&key, Bytes::from(text.to_owned()), Expected::Absent, None).await.unwrap();
    }
    for text in texts {
        let key = TokenKey::from_parts(text, "s", text, text);
        let found = store.list(text, "s").await.unwrap();
        assert_eq!(found.len(), 1, "{text:?}");
        assert_eq!(found[0].0, key);
        assert_eq!(found[0].1.sealed, text.as_bytes());
    }
}

#[tokio::test]
async fn an_error_names_the_file_that_cannot_be_opened() {
    let folder = Folder::new("errors");
    let missing = folder.0.join("missing/tokens.db");
    let error = SqliteStore::open(&missing).await.unwrap_err();
    assert!(error.to_string().contains(&*missing.to_string_lossy()), "{error}");

    std::fs::write(folder.file(), "this is not a database, however long it may be".repeat(100)).unwrap();
    let error = SqliteStore::open(folder.file()).await.unwrap_err();
    assert!(error.to_string().contains(&*folder.file().to_string_lossy()), "{error}");
    assert!(!error.is_transient(), "{error}");

    let newer = folder.0.join("newer.db");
    SqliteStore::open(&newer).await.unwrap();
    let pool = SqlitePool::connect_with(SqliteConnectOptions::new().filename(&newer)).await.unwrap();
    sqlx::raw_sql("INSERT INTO oauth_tokens_migrations (version) VALUES (99)").execute(&pool).await.unwrap();
    let error = SqliteStore::open(&newer).await.unwrap_err();
    assert!(error.to_string().contains("newer.db: the table"), "{error}");
}
