//! Where the stores of the tests are.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
};

use oauth_store_tests::{Store, open};
use oauth_tokens::{Expected, Filter, MemoryStore, Record, TokenKey, TokenStore};
use sqlx::{Connection, MySqlConnection, PgConnection, SqliteConnection};

/// A store that a test has to itself, in a server that it may share.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) name: &'static str,
    pub(crate) url: String,
    /// Its table, or what its keys begin with.
    pub(crate) table: String,
    folder: Option<PathBuf>,
    /// Where it is no server and no file.
    memory: Option<MemoryStore>,
    backup: Mutex<Vec<(TokenKey, Record)>>,
}

impl Place {
    /// The memory of this process.
    pub(crate) fn memory(test: &str) -> Self {
        let mut place = Self::at("memory", "memory:", test);
        place.memory = Some(MemoryStore::new());
        place
    }

    /// A new file.
    pub(crate) fn sqlite(test: &str) -> Self {
        let table = unique(test);
        let folder = folder().join(&table);
        std::fs::create_dir_all(&folder).unwrap();
        let url = format!("sqlite:{}", folder.join("tokens.db").display());
        let mut place = Self::at("SQLite", &url, test);
        place.folder = Some(folder);
        place
    }

    pub(crate) fn postgres(test: &str) -> Self {
        Self::at("PostgreSQL", &server("OAUTH_TEST_POSTGRES_URL"), test)
    }

    /// MariaDB, or the MySQL that the variable names.
    pub(crate) fn mysql(test: &str) -> Self {
        Self::at("MariaDB", &server("OAUTH_TEST_MYSQL_URL"), test)
    }

    pub(crate) fn redis(test: &str) -> Self {
        Self::at("Redis", &server("OAUTH_TEST_REDIS_URL"), test)
    }

    /// In a server that the test started itself.
    pub(crate) fn at(name: &'static str, url: &str, test: &str) -> Self {
        Self {
            name,
            url: url.to_owned(),
            table: unique(test),
            folder: None,
            memory: None,
            backup: Mutex::default(),
        }
    }

    pub(crate) async fn open(&self) -> Arc<dyn Store> {
        if let Some(store) = &self.memory {
            return Arc::new(store.clone());
        }
        match open(&self.url, &self.table).await {
            Ok(store) => store,
            Err(error) => panic!("{} cannot be opened: {error:#}", self.name),
        }
    }
}

/// What a failover does that loses the last writes, or a backup that is restored.
impl Place {
    /// Keeps a copy of all that is stored.
    pub(crate) async fn back_up(&self) {
        let table = self.sql_table();
        match self.scheme() {
            "memory" => {
                let store = self.open().await;
                let found = store.find(&Filter::all(), None, usize::MAX).await.unwrap();
                let mut backup = Vec::new();
                for key in found.into_iter().map(|found| found.key) {
                    let record = store.load(&key).await.unwrap().unwrap();
                    backup.push((key, record));
                }
                *self.backup.lock().unwrap() = backup;
            }
            "redis" => self.copy_keys(&self.table, &self.backup_name()).await,
            _ => {
                let backup = self.backup_name();
                self.run(format!("CREATE TABLE {backup} AS SELECT * FROM {table}")).await;
            }
        }
    }

    /// Has everything be as it was in the copy, the numbers of versions and leases too.
    pub(crate) async fn go_back(&self) {
        let (table, backup) = (self.sql_table(), self.backup_name());
        match self.scheme() {
            // What is in memory cannot be lost without the process; other records of the same grants must do.
            "memory" => {
                let (store, backup) = (self.open().await, self.backup.lock().unwrap().clone());
                for (key, record) in backup {
                    store.save(&key, record.sealed, Expected::Any, None).await.unwrap();
                }
            }
            "redis" => self.copy_keys(&backup, &self.table).await,
            _ => {
                self.run(format!("DELETE FROM {table}")).await;
                self.run(format!("INSERT INTO {table} SELECT * FROM {backup}")).await;
            }
        }
    }

    fn scheme(&self) -> &str {
        self.url.split(':').next().unwrap()
    }

    fn sql_table(&self) -> &str {
        if self.scheme() == "sqlite" { "oauth_tokens" } else { &self.table }
    }

    fn backup_name(&self) -> String {
        format!("backup_{}", self.table)
    }

    async fn run(&self, statement: String) {
        let statement = sqlx::raw_sql(sqlx::AssertSqlSafe(statement));
        match self.scheme() {
            "sqlite" => {
                let mut connection = SqliteConnection::connect(&self.url).await.unwrap();
                statement.execute(&mut connection).await.unwrap();
            }
            "postgres" => {
                let mut connection = PgConnection::connect(&self.url).await.unwrap();
                statement.execute(&mut connection).await.unwrap();
            }
            _ => {
                let mut connection = MySqlConnection::connect(&self.url).await.unwrap();
                statement.execute(&mut connection).await.unwrap();
            }
        }
    }

    async fn copy_keys(&self, from: &str, to: &str) {
        let client = redis::Client::open(&*self.url).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let names: Vec<String> =
            redis::cmd("KEYS").arg(format!("{from}:*")).query_async(&mut connection).await.unwrap();
        assert!(!names.is_empty());
        for name in names {
            let copy = format!("{to}{}", &name[from.len()..]);
            let copied: bool = redis::cmd("COPY")
                .arg(name)
                .arg(copy)
                .arg("REPLACE")
                .query_async(&mut connection)
                .await
                .unwrap();
            assert!(copied);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(folder) = &self.folder {
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}

/// Where tests may write.
pub(crate) fn folder() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}

fn server(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| {
        panic!(
            "{variable} is not set: this test needs a server. `cargo xtask test -p oauth-store-tests` installs and starts one; \
             or set the variable to the address of one that may be written to"
        )
    })
}

/// A name for a table that no other test has, of no run.
fn unique(test: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{test}_{:x}_{number}", now.as_millis())
}
