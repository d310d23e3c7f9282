use std::{path::Path, time::Duration};

use oauth_tokens::{StoreError, StoreOperation};
use sqlx::{
    Sqlite, SqlitePool, Transaction,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use crate::{
    error::store_error,
    statements::{ReturningStatements, SQLITE, sql},
    store::{StoreSettings, implement, implement_returning},
    table::TableName,
};

/// A store in a SQLite file, which any number of processes on one machine may share.
///
/// A clone is the same store.
#[derive(Clone)]
pub struct SqliteStore {
    pool: SqlitePool,
    settings: StoreSettings<ReturningStatements>,
}

/// How long a writer waits for another one. Below the time limit of an operation, so that the error tells which it was.
const BUSY_TIMEOUT: Duration = Duration::from_secs(8);

impl SqliteStore {
    /// Opens a file with suitable settings, and creates the file and its tables if they are missing.
    ///
    /// The settings are: a write-ahead log, so that readers do not wait for the writer; each save forced to the disk before it
    /// is reported (`synchronous=FULL`); up to eight seconds of waiting for other writers. On Unix, a new file can be read by
    /// its owner alone. The file must be on a disk of this machine: over a network, file locks are not to be relied on
    /// (sqlite.org/howtocorrupt.html).
    ///
    /// # Errors
    ///
    /// When the file cannot be created or opened, or is not a SQLite database; the error names the file.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let path = path.as_ref();
        Self::open_file(path).await.map_err(|error| error.at(path.display()))
    }

    async fn open_file(path: &Path) -> Result<Self, StoreError> {
        private(path).map_err(|error| StoreError::permanent(StoreOperation::Open, error))?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_TIMEOUT);
        let pool = SqlitePoolOptions::new()
            .max_connections(4)
            .connect_with(options)
            .await
            .map_err(|error| store_error(StoreOperation::Open, error))?;
        let store = Self::new(pool);
        store.migrate().await?;
        Ok(store)
    }

    /// A store that uses the application's own pool, with the options that the application chose. Call [`migrate`](Self::migrate) before
    /// the first use.
    ///
    /// With `:memory:`, each connection has a database of its own: give the pool a single connection that never closes.
    #[must_use]
    pub fn new(pool: SqlitePool) -> Self {
        Self { pool, settings: Self::settings(TableName::default()) }
    }

    fn table(name: &str) -> Result<TableName, StoreError> {
        let table = TableName::parse(name)?;
        match table.has_schema() {
            false => Ok(table),
            true => Err(StoreError::permanent(
                StoreOperation::Open,
                format!("{name:?} names a schema, and SQLite has none; leave out the part before the dot"),
            )),
        }
    }

    /// How many migrations were applied.
    async fn steps_taken(&self) -> Result<i64, sqlx::Error> {
        let journal = self.settings.table.with("_migrations");
        let tables: i64 =
            sqlx::query_scalar("SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = $1")
                .bind(journal.trim_matches('"'))
                .fetch_one(&self.pool)
                .await?;
        match tables {
            0 => Ok(0),
            _ => {
                let taken = format!("SELECT coalesce(max(version), 0) FROM {journal}");
                sqlx::query_scalar(sql(taken)).fetch_one(&self.pool).await
            }
        }
    }

    /// Begins a transaction that nobody else can have at the same time.
    async fn begin_alone(&self) -> Result<Transaction<'_, Sqlite>, sqlx::Error> {
        self.pool.begin_with("BEGIN IMMEDIATE").await
    }
}

implement!(SqliteStore);
implement_returning!(SqliteStore, sqlx::Sqlite, SQLITE);

/// Creates a missing file that only its owner can read; SQLite gives its log the same permissions.
fn private(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}
