//! What earlier versions have stored is found by this one: `golden` holds the databases of one version each, as text.
//!
//! A file that was published is never written again. When the form of what is stored changes, `write_golden_files` writes the
//! next ones, and `VERSIONS` grows:
//!
//! ```text
//! cargo xtask test -p oauth-store-tests -- --ignored write_golden_files
//! ```

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use oauth_core::{OAuth2, Provider, Sealer, SealingKey};
use oauth_store_tests::{Store, open};
use oauth_tokens::{Acquired, Bytes, Expected, Filter, Saved, Status, TokenKey, TokenManager, TokenStore};
use sqlx::{MySqlPool, PgPool, SqlitePool, sqlite::SqliteConnectOptions};

use crate::fixture::Place;

/// The versions of the files, oldest first.
const VERSIONS: &[u32] = &[1, 2];

/// The version with which MariaDB and MySQL came.
const FIRST_OF_MYSQL: u32 = 2;

/// What the files call the table, and what the keys of Redis begin with.
const TABLE: &str = "oauth_tokens";

fn file(name: &str, version: u32, extension: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("golden/{name}-{version}.{extension}"))
}

fn text(place: &Place, version: u32) -> String {
    let (name, extension) = match place.name {
        "Redis" => ("redis", "txt"),
        "SQLite" => ("sqlite", "sql"),
        "MariaDB" => ("mysql", "sql"),
        _ => ("postgres", "sql"),
    };
    std::fs::read_to_string(file(name, version, extension)).unwrap().replace(TABLE, &place.table)
}

fn live() -> TokenKey {
    TokenKey::new("oauth2", "user-17").with_tenant("acme").with_label("calendar")
}

fn deleted() -> TokenKey {
    live().with_label("deleted")
}

fn leased() -> TokenKey {
    live().with_label("leased")
}

/// A key of texts that a store must escape.
fn odd() -> TokenKey {
    TokenKey::from_parts("株式会社", "a\0b\\c{d}/e f", "p:1", "100%")
}

fn manager(store: impl TokenStore + 'static) -> TokenManager {
    let client =
        OAuth2::new("CLIENT_ID", "CLIENT_SECRET", "https://as.example/authorize", "https://as.example/token");
    // It protects nothing.
    let sealer = Sealer::new(SealingKey::from_bytes([42; 32]));
    TokenManager::builder(store, sealer)
        .provider(std::sync::Arc::new(client.with_name("oauth2")))
        .build()
        .unwrap()
}

/// What is in the files.
async fn fill(store: &dyn Store, manager: &TokenManager) {
    let token = oauth_core::OAuth2Token::new("golden access token");
    manager.put(&live(), &token).await.unwrap();
    manager.put(&live(), &token).await.unwrap();
    for key in [odd(), deleted()] {
        store.save(&key, Bytes::from_static(b"\x00\x01any bytes\xff"), Expected::Absent, None).await.unwrap();
    }
    assert!(store.delete(&deleted()).await.unwrap());
    for _ in 0..2 {
        let Acquired::Granted(lease) = store.acquire(&leased(), "before", Duration::MAX).await.unwrap()
        else {
            panic!("nobody else asks");
        };
        store.release(&leased(), &lease).await.unwrap();
    }
    store.acquire(&leased(), "holder", Duration::MAX).await.unwrap();
    store
        .put("metadata https://as.example/", Bytes::from_static(b"{\"issuer\":\"x\"}"), Duration::MAX)
        .await
        .unwrap();
    assert!(store.put_new("login_attempt:state", Bytes::new(), Duration::MAX).await.unwrap());
}

/// That all of it is found, and goes on from where it was.
async fn check(place: &Place, version: u32) {
    let store = place.open().await;
    let manager = manager(std::sync::Arc::clone(&store) as std::sync::Arc<dyn TokenStore>);
    assert_eq!(manager.get(&live()).await.unwrap().access_token(), "golden access token");
    let record = store.load(&live()).await.unwrap().unwrap();
    assert_eq!(record.version, 2);
    let saved = store.save(&live(), record.sealed, Expected::Version(2), None).await.unwrap();
    assert_eq!(saved, Saved::Version(3));

    let found = store.list(odd().tenant(), odd().subject()).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!((&found[0].0, &found[0].1.sealed[..]), (&odd(), &b"\x00\x01any bytes\xff"[..]));
    assert_eq!(store.list("acme", "user-17").await.unwrap().len(), 1, "the others have no token");

    assert_eq!(store.load(&deleted()).await.unwrap(), None);
    let saved = store.save(&deleted(), Bytes::from_static(b"x"), Expected::Absent, None).await.unwrap();
    // Redis forgets the numbers of a deleted key after a day, and the file has none that were to expire.
    assert_eq!(saved, Saved::Version(if place.name == "Redis" { 1 } else { 2 }));

    let held = store.acquire(&leased(), "another", Duration::from_secs(9)).await.unwrap();
    assert!(matches!(held, Acquired::Held { .. }), "{held:?}");
    let lease = oauth_tokens::Lease::new(3, "holder");
    assert!(store.extend(&leased(), &lease, Duration::from_secs(9)).await.unwrap());
    store.release(&leased(), &lease).await.unwrap();
    let granted = store.acquire(&leased(), "another", Duration::from_secs(9)).await.unwrap();
    assert!(matches!(&granted, Acquired::Granted(lease) if lease.fence > 3), "{granted:?}");

    let cached = store.get("metadata https://as.example/").await.unwrap();
    assert_eq!(cached.as_deref(), Some(&b"{\"issuer\":\"x\"}"[..]));
    assert!(!store.put_new("login_attempt:state", Bytes::new(), Duration::MAX).await.unwrap());
    assert!(store.take("login_attempt:state").await.unwrap().is_some());

    // What was told about records by the versions that tell anything, and what is told once they were looked into.
    if place.name == "Redis" {
        let client = redis::Client::open(&*place.url).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let store = oauth_store_tests::redis(&place.url, &place.table).await.unwrap();
        let entered = store.index_existing(&mut connection).await.unwrap();
        // The two that this test saved have entered themselves.
        assert_eq!(entered, if version == 1 { 1 } else { 0 });
    }
    manager.recover().await.unwrap();
    let found = store.find(&Filter::all().with_status(Status::Alive), None, 10).await.unwrap();
    assert_eq!(found.iter().map(|found| &found.key).collect::<Vec<_>>(), [&live()]);
    // Those of which this test has no key.
    assert_eq!(store.count(&Filter::all().with_status(Status::Unknown)).await.unwrap(), 2);
}

async fn sqlite_file(place: &Place) -> SqlitePool {
    let path = place.url.trim_start_matches("sqlite:");
    SqlitePool::connect_with(SqliteConnectOptions::new().filename(path).create_if_missing(true))
        .await
        .unwrap()
}

#[tokio::test]
async fn what_every_version_left_in_sqlite_is_found() {
    for &version in VERSIONS {
        let mut place = Place::sqlite("golden");
        // A file of its own has the table's usual name.
        place.table = TABLE.to_owned();
        let pool = sqlite_file(&place).await;
        sqlx::raw_sql(sqlx::AssertSqlSafe(text(&place, version))).execute(&pool).await.unwrap();
        pool.close().await;
        check(&place, version).await;
    }
}

#[tokio::test]
async fn what_every_version_left_in_postgres_is_found() {
    for &version in VERSIONS {
        let place = Place::postgres("golden");
        let pool = PgPool::connect(&place.url).await.unwrap();
        sqlx::raw_sql(sqlx::AssertSqlSafe(text(&place, version))).execute(&pool).await.unwrap();
        check(&place, version).await;
    }
}

#[tokio::test]
async fn what_every_version_left_in_mariadb_is_found() {
    for &version in VERSIONS.iter().filter(|&&version| version >= FIRST_OF_MYSQL) {
        let place = Place::mysql("golden");
        let pool = MySqlPool::connect(&place.url).await.unwrap();
        sqlx::raw_sql(sqlx::AssertSqlSafe(text(&place, version))).execute(&pool).await.unwrap();
        check(&place, version).await;
    }
}

#[tokio::test]
async fn what_every_version_left_in_redis_is_found() {
    for &version in VERSIONS {
        let place = Place::redis("golden");
        let client = redis::Client::open(&*place.url).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        for line in text(&place, version).lines() {
            let mut words = line.split(' ');
            let mut command = redis::cmd(words.next().unwrap());
            for word in words {
                match word.strip_prefix("0x") {
                    Some(hex) => command.arg(bytes(hex)),
                    None => command.arg(word),
                };
            }
            command.exec_async(&mut connection).await.unwrap();
        }
        check(&place, version).await;
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

/// The two tables' columns, to make statements of their rows.
const COLUMNS: [(&str, &str); 2] = [
    (
        "",
        "id, owner, tenant, subject, provider, label, version, sealed, fence, holder, held_until, changed_at, status, due_at, \
         sealing_key, described",
    ),
    ("_cache", "id, value, expires_at"),
];

/// Columns of one kind.
type Columns = (&'static str, &'static [&'static str]);

/// The tables and columns in MariaDB and MySQL.
const MYSQL_COLUMNS: [(&str, &[Columns]); 2] = [
    (
        "",
        &[
            ("bytes", &["id", "owner", "tenant_hash", "subject_hash", "provider_hash", "sealed"]),
            ("texts", &["tenant", "subject", "provider", "label", "holder", "status", "sealing_key"]),
            ("numbers", &["version", "fence", "held_until", "changed_at", "deleted_at", "due_at"]),
        ],
    ),
    ("_cache", &[("bytes", &["id", "value"]), ("numbers", &["expires_at"])]),
];

#[tokio::test]
#[ignore = "writes the next golden files, when the form of what is stored has changed"]
async fn write_golden_files() {
    let next = VERSIONS.len() as u32 + 1;

    let mut place = Place::sqlite("golden");
    place.table = TABLE.to_owned();
    let store = oauth_store_sqlx::SqliteStore::open(place.url.trim_start_matches("sqlite:")).await.unwrap();
    fill(&store, &manager(store.clone())).await;
    let pool = sqlite_file(&place).await;
    let mut dump = store.schema();
    for (table, columns) in COLUMNS {
        let quoted = columns
            .split(", ")
            .map(|column| format!("quote({column})"))
            .collect::<Vec<_>>()
            .join(" || ', ' || ");
        let rows = format!(
            "SELECT 'INSERT INTO \"{TABLE}{table}\" VALUES (' || {quoted} || ');' FROM {TABLE}{table} ORDER BY 1"
        );
        let rows: Vec<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(rows)).fetch_all(&pool).await.unwrap();
        rows.into_iter().for_each(|row| dump += &(row + "\n"));
    }
    std::fs::write(file("sqlite", next, "sql"), dump).unwrap();

    let place = Place::postgres("golden");
    let store = oauth_store_tests::postgres(&place.url, &place.table).await.unwrap();
    fill(&store, &manager(store.clone())).await;
    let pool = PgPool::connect(&place.url).await.unwrap();
    let mut dump = store.schema();
    for (table, columns) in COLUMNS {
        let places = columns.split(", ").map(|_| "%L").collect::<Vec<_>>().join(", ");
        let (name, usual) = (format!("{}{table}", place.table), format!("{TABLE}{table}"));
        let rows = format!(
            "SELECT format('INSERT INTO \"{usual}\" VALUES ({places});', {columns}) FROM {name} ORDER BY 1"
        );
        let rows: Vec<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(rows)).fetch_all(&pool).await.unwrap();
        rows.into_iter().for_each(|row| dump += &(row + "\n"));
    }
    std::fs::write(file("postgres", next, "sql"), dump.replace(&place.table, TABLE)).unwrap();

    let place = Place::mysql("golden");
    let store = oauth_store_tests::mysql(&place.url, &place.table).await.unwrap();
    fill(&store, &manager(store.clone())).await;
    let pool = MySqlPool::connect(&place.url).await.unwrap();
    let mut dump = store.schema();
    for (table, kinds) in MYSQL_COLUMNS {
        let (mut names, mut literals) = (Vec::new(), Vec::new());
        for (kind, columns) in kinds {
            for name in *columns {
                names.push(*name);
                literals.push(match *kind {
                    "bytes" => format!("IF({name} IS NULL, 'NULL', CONCAT('X''', HEX({name}), ''''))"),
                    "texts" => format!("QUOTE({name})"),
                    _ => format!("IFNULL({name}, 'NULL')"),
                });
            }
        }
        let (names, literals) = (names.join(", "), literals.join(", ', ', "));
        let rows = format!("SELECT CONCAT({literals}) FROM {}{table} ORDER BY 1", place.table);
        let rows: Vec<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(rows)).fetch_all(&pool).await.unwrap();
        for row in rows {
            dump += &format!("INSERT INTO `{TABLE}{table}` ({names}) VALUES ({row});\n");
        }
    }
    std::fs::write(file("mysql", next, "sql"), dump.replace(&place.table, TABLE)).unwrap();

    let place = Place::redis("golden");
    let store = open(&place.url, &place.table).await.unwrap();
    fill(&*store, &manager(std::sync::Arc::clone(&store) as std::sync::Arc<dyn TokenStore>)).await;
    let client = redis::Client::open(&*place.url).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut names: Vec<String> =
        redis::cmd("KEYS").arg(format!("{}:*", place.table)).query_async(&mut connection).await.unwrap();
    names.sort();
    let mut dump = String::new();
    for name in names {
        let kind: String = redis::cmd("TYPE").arg(&name).query_async(&mut connection).await.unwrap();
        match &*kind {
            "hash" => {
                let fields: BTreeMap<String, Vec<u8>> =
                    redis::cmd("HGETALL").arg(&name).query_async(&mut connection).await.unwrap();
                // A key without a token and a lease is only there to be forgotten.
                let is_record = !name.contains("{index}");
                if is_record && !fields.contains_key("s") && !fields.contains_key("u") {
                    continue;
                }
                dump += &format!("HSET {name}");
                for (field, value) in fields {
                    dump += &format!(" {field} 0x{}", hex(&value));
                }
            }
            "zset" => {
                let members: Vec<String> = redis::cmd("ZRANGE")
                    .arg(&name)
                    .arg(0)
                    .arg(-1)
                    .query_async(&mut connection)
                    .await
                    .unwrap();
                dump += &format!("ZADD {name}");
                members.iter().for_each(|member| dump += &format!(" 0 {member}"));
            }
            "set" => {
                let members: Vec<String> =
                    redis::cmd("SMEMBERS").arg(&name).query_async(&mut connection).await.unwrap();
                dump += &format!("SADD {name} {}", members.join(" "));
            }
            _ => {
                let value: Vec<u8> = redis::cmd("GET").arg(&name).query_async(&mut connection).await.unwrap();
                dump += &format!("SET {name} 0x{}", hex(&value));
            }
        }
        dump += "\n";
    }
    std::fs::write(file("redis", next, "txt"), dump.replace(&place.table, TABLE)).unwrap();
}
