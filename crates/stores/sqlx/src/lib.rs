//! Keeps the tokens of [`oauth_tokens`] in SQLite, PostgreSQL, MariaDB or MySQL, by the application's own [sqlx](https://docs.rs/sqlx)
//! pool.
//!
//! SQLite is the default where one machine is enough: one file, any number of processes, nothing to install. PostgreSQL (feature
//! `postgres`), MariaDB and MySQL (feature `mysql`) are for several machines.
//!
//! ```
//! use std::sync::Arc;
//!
//! use oauth_core::{OAuth2, OAuth2Token, Sealer, SealingKey};
//! use oauth_store_sqlx::SqliteStore;
//! use oauth_tokens::{TokenKey, TokenManager};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = std::env::temp_dir().join(format!("oauth-store-sqlx-{}", std::process::id()));
//! # std::fs::create_dir_all(&folder)?;
//! # let path = folder.join("tokens.db");
//! # let provider = OAuth2::new("CLIENT_ID", "CLIENT_SECRET", "https://as.example/authorize", "https://as.example/token");
//! # let token_of_a_login = OAuth2Token::new("AT");
//! // What the store sees is sealed with this key, which every process needs.
//! let sealer = Sealer::new(SealingKey::from_base64("5RqPqvrbSrF4AsdeKiDfTmdKtF6HNrXAcGhIKqQZXxM=")?);
//! let tokens = TokenManager::builder(SqliteStore::open(&path).await?, sealer).provider(Arc::new(provider)).build()?;
//!
//! let key = TokenKey::new("oauth2", "user-17");
//! tokens.put(&key, &token_of_a_login).await?;
//! assert_eq!(tokens.get(&key).await?.access_token(), "AT");
//! # std::fs::remove_dir_all(&folder)?;
//! # Ok(())
//! # }
//! ```
//!
//! With the application's own pool, `migrate` creates the tables:
//!
//! ```no_run
//! # #[cfg(feature = "postgres")]
//! # async fn f() -> Result<(), Box<dyn std::error::Error>> {
//! use oauth_store_sqlx::PostgresStore;
//! use sqlx::postgres::PgPoolOptions;
//!
//! let pool = PgPoolOptions::new().connect("postgres://app@db.example/app").await?;
//! let store = PostgresStore::new(pool).with_table("app.oauth_tokens")?;
//! store.migrate().await?;
//! # Ok(())
//! # }
//! ```
//!
//! `MySqlStore` is used like that with a `MySqlPool`.
//!
//! # What is in the tables
//!
//! | table | holds |
//! | --- | --- |
//! | `oauth_tokens` | a row for each key: tenant, subject, provider, label; version and sealed token; fence, holder and end of the lease; status, due time and sealing key's id, and the version (`described`) that these three hold for |
//! | `oauth_tokens_cache` | values that expire, for [`SharedCache`](oauth_core::SharedCache): used login attempts, a provider's metadata and keys |
//! | `oauth_tokens_migrations` | which migrations were applied |
//!
//! The texts of a key are stored as they are, except that NUL and the backslash become `\0` and `\\`. Rows are found by a
//! SHA-256 of them (`id`, and `owner` for all rows of a subject), so that keys may be long, and no collation treats two as equal.
//! The token is encrypted before it reaches the store; its status (`alive`, `refreshing`, `dead`), its due time and the id of its
//! sealing key are plain, for whoever reads the database. A row outlives its token by a day, for its numbers; then a later `delete` removes
//! it, a hundred rows at a time.
//!
//! A migration adds tables, indexes and columns that can be NULL, and nothing else: programs of an earlier version that run meanwhile go
//! on working. They must not be started anew afterwards, because `migrate` refuses tables that are newer than it. What they save has no
//! status until [`TokenManager::recover`](oauth_tokens::TokenManager::recover) or the background sweep has looked at it.
//!
//! In MariaDB and MySQL, a row has hashes of its tenant, subject and provider too, which searches go by, and the time at which its token was
//! deleted; it has no `described`. The texts are in the collation `utf8mb4_bin`, and the tables in InnoDB, whatever the server's
//! defaults are.
//!
//! `schema()` returns the tables' SQL for administrators who do not let applications create tables. The application needs SELECT,
//! INSERT, UPDATE and DELETE on all three.
//!
//! # What is promised
//!
//! - Each operation is one statement: atomic without a transaction around it, under SQLite's one writer, PostgreSQL's
//!   `READ COMMITTED` and any isolation level of MariaDB and MySQL. (PostgreSQL's `SERIALIZABLE` works too, with transient errors where it
//!   asks for another attempt.) If a statement changed nothing, a second one finds out why; if the reason is gone by then, the first is
//!   tried again, and so is one that MariaDB or MySQL has rolled back because of a deadlock.
//! - Leases end by the database's clock, in milliseconds, at the time at which a statement gets hold of its row. If that clock is set
//!   back, leases last longer by as much; if it is set forward, they end early, and the fences keep the former holder from
//!   saving over the newer one.
//! - An operation that does not end within [a time limit](SqliteStore::with_time_limit) fails with a transient error. The database
//!   may still carry it out, but a save or delete only if nothing else was saved or deleted for the key meanwhile.
//! - sqlx's own features decide on TLS: without one of its `tls-*` features in the program, connections are not encrypted.
//!
//! # MariaDB and MySQL
//!
//! The tests run with MariaDB 10.11, in all their parts: kills, outages, many processes. MySQL 8 gets the same statements, of which none is
//! MariaDB's own, and the same tests run with it where `OAUTH_TEST_MYSQL_URL` names one; the project itself has not run it.
//!
//! - MySQL's usual way to sign in, `caching_sha2_password`, needs TLS (one of sqlx's `tls-*` features), a Unix socket, or sqlx's
//!   feature `mysql-rsa`.
//! - A record must fit into `max_allowed_packet`, 16 MiB or more by default. One that does not is refused with a permanent error.
//! - `binlog_format=STATEMENT` is not for these tables; `ROW` and `MIXED` are.
//! - In a cluster with several writable nodes (Galera, group replication), let all processes write to the same node: another one may not have
//!   seen yet what was saved and which lease was granted.
//!
//! This crate needs Rust 1.94, because sqlx does.

#![forbid(unsafe_code)]

// Without a database there is nothing here.
#[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
mod error;
#[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
mod key;
#[cfg(feature = "mysql")]
mod mysql;
#[cfg(feature = "mysql")]
mod mysql_statements;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
mod statements;
#[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
mod store;
#[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
mod table;

#[cfg(feature = "mysql")]
pub use mysql::MySqlStore;
#[cfg(feature = "postgres")]
pub use postgres::PostgresStore;
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteStore;
pub use sqlx;
