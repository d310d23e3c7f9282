//! Opens the stores by their addresses, for the tests and for the processes that they start.

pub mod worker;

use std::{sync::Arc, time::Duration};

use anyhow::{Result, bail};
use oauth_core::SharedCache;
use oauth_store_redis::RedisStore;
use oauth_store_sqlx::{MySqlStore, PostgresStore, SqliteStore};
use oauth_tokens::TokenStore;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use sqlx::{mysql::MySqlPoolOptions, postgres::PgPoolOptions};

/// Any of the stores.
pub trait Store: TokenStore + SharedCache {}

impl<S: TokenStore + SharedCache> Store for S {}

/// How long a store may take for one operation. A test machine with many processes is slow, and an outage is to be noticed.
pub const TIME_LIMIT: Duration = Duration::from_secs(5);

/// Opens `sqlite:PATH`, `postgres://…`, `mysql://…` or `redis://…`. Tests that share a server have a table or a prefix of their own there.
///
/// # Errors
///
/// When the store cannot be reached or set up.
pub async fn open(url: &str, table: &str) -> Result<Arc<dyn Store>> {
    Ok(match url.split_once(':').map_or("", |(scheme, _)| scheme) {
        "sqlite" => Arc::new(SqliteStore::open(&url["sqlite:".len()..]).await?),
        "postgres" => Arc::new(postgres(url, table).await?),
        "mysql" => Arc::new(mysql(url, table).await?),
        "redis" => Arc::new(redis(url, table).await?),
        _ => bail!("{url} is not an address of a store"),
    })
}

/// A store in PostgreSQL, migrated.
///
/// # Errors
///
/// When the server cannot be reached or refuses.
pub async fn postgres(url: &str, table: &str) -> Result<PostgresStore> {
    let pool = PgPoolOptions::new().max_connections(4).acquire_timeout(TIME_LIMIT).connect(url).await?;
    let store = PostgresStore::new(pool).with_table(table)?.with_time_limit(TIME_LIMIT);
    store.migrate().await?;
    Ok(store)
}

/// A store in MariaDB or MySQL, migrated.
///
/// # Errors
///
/// When the server cannot be reached or refuses.
pub async fn mysql(url: &str, table: &str) -> Result<MySqlStore> {
    let pool = MySqlPoolOptions::new().max_connections(4).acquire_timeout(TIME_LIMIT).connect(url).await?;
    let store = MySqlStore::new(pool).with_table(table)?.with_time_limit(TIME_LIMIT);
    store.migrate().await?;
    Ok(store)
}

/// A store in Redis.
///
/// # Errors
///
/// When the server cannot be reached or refuses.
pub async fn redis(url: &str, prefix: &str) -> Result<RedisStore<ConnectionManager>> {
    // The library's own limit is half a second, which a busy test machine exceeds.
    let settings = ConnectionManagerConfig::new()
        .set_response_timeout(Some(TIME_LIMIT))
        .set_connection_timeout(Some(TIME_LIMIT))
        .set_max_delay(Duration::from_millis(500));
    let connection = ConnectionManager::new_with_config(redis::Client::open(url)?, settings).await?;
    Ok(RedisStore::new(connection).with_prefix(prefix)?.with_time_limit(TIME_LIMIT))
}
