//! Where the stores of the tests are.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use oauth_store_tests::{Store, open};

/// A store that a test has to itself, in a server that it may share.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) name: &'static str,
    pub(crate) url: String,
    /// Its table, or what its keys begin with.
    pub(crate) table: String,
    folder: Option<PathBuf>,
}

impl Place {
    /// A new file.
    pub(crate) fn sqlite(test: &str) -> Self {
        let table = unique(test);
        let folder = folder().join(&table);
        std::fs::create_dir_all(&folder).unwrap();
        Self {
            name: "SQLite",
            url: format!("sqlite:{}", folder.join("tokens.db").display()),
            table,
            folder: Some(folder),
        }
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
        Self { name, url: url.to_owned(), table: unique(test), folder: None }
    }

    pub(crate) async fn open(&self) -> Arc<dyn Store> {
        match open(&self.url, &self.table).await {
            Ok(store) => store,
            Err(error) => panic!("{} cannot be opened: {error:#}", self.name),
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
