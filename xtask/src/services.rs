//! The servers of the stores' tests: PostgreSQL, MariaDB and Redis, started for the tests alone and ended with them.

use std::{env, process::Command};

use anyhow::{Context, Result, bail};
use oauth_test_servers::{MariaDb, Persistence, PgBouncer, Postgres, Redis};

use crate::{system, workspace::Metadata};

/// By which the tests know where the servers are. If they are set already, those servers are used, and none is started.
const POSTGRES_URL: &str = "OAUTH_TEST_POSTGRES_URL";
/// MariaDB, or a MySQL that runs already.
const MYSQL_URL: &str = "OAUTH_TEST_MYSQL_URL";
const REDIS_URL: &str = "OAUTH_TEST_REDIS_URL";

/// Servers that run until this is dropped.
pub(crate) struct Services {
    postgres: Option<Postgres>,
    mariadb: Option<MariaDb>,
    redis: Option<Redis>,
}

/// Installs what is missing, says so, and starts the servers.
pub(crate) fn start() -> Result<Services> {
    let wanted = |variable: &str| env::var_os(variable).is_none();
    install(wanted(POSTGRES_URL), wanted(MYSQL_URL), wanted(REDIS_URL))?;
    let folder = Metadata::target_directory()?.join("test-servers");
    let mut services = Services { postgres: None, mariadb: None, redis: None };
    if wanted(POSTGRES_URL) {
        let server = Postgres::start(&folder).context("cannot start PostgreSQL for the tests")?;
        println!("PostgreSQL for the tests: {}", server.url());
        services.postgres = Some(server);
    }
    if wanted(MYSQL_URL) {
        let server = MariaDb::start(&folder).context("cannot start MariaDB for the tests")?;
        println!("MariaDB for the tests: {}", server.url());
        services.mariadb = Some(server);
    }
    if wanted(REDIS_URL) {
        let server = Redis::start(&folder, Persistence::None).context("cannot start Redis for the tests")?;
        println!("Redis for the tests: {}", server.url());
        services.redis = Some(server);
    }
    Ok(services)
}

impl Services {
    /// Tells the tests where the servers are.
    pub(crate) fn announce(&self, command: &mut Command) {
        if let Some(server) = &self.postgres {
            command.env(POSTGRES_URL, server.url());
        }
        if let Some(server) = &self.mariadb {
            command.env(MYSQL_URL, server.url());
        }
        if let Some(server) = &self.redis {
            command.env(REDIS_URL, server.url());
        }
    }
}

fn install(postgres: bool, mysql: bool, redis: bool) -> Result<()> {
    let missing = || {
        let server = (postgres && Postgres::programs().is_none()).then_some("postgresql");
        // A test starts it in front of a PostgreSQL of its own.
        let pgbouncer = (postgres && PgBouncer::program().is_none()).then_some("pgbouncer");
        let mariadb = (mysql && MariaDb::program().is_none()).then_some("mariadb-server");
        let redis = (redis && Redis::program().is_none()).then_some("redis-server");
        server.into_iter().chain(pgbouncer).chain(mariadb).chain(redis).collect::<Vec<_>>()
    };
    let packages = missing();
    if packages.is_empty() {
        return Ok(());
    }
    println!("missing: {}. The tests of the stores start servers of their own.", packages.join(", "));
    let installed = system::can_install() && system::install(&packages).is_ok();
    if installed && missing().is_empty() {
        return Ok(());
    }
    bail!("{HOW_TO_INSTALL}");
}

const HOW_TO_INSTALL: &str = "\
the tests of the stores need the servers of PostgreSQL, MariaDB and Redis, and PgBouncer. Install them, then run the command again; they need not run:
  Debian, Ubuntu:  sudo apt-get install postgresql pgbouncer mariadb-server redis-server
  Fedora:          sudo dnf install postgresql-server pgbouncer mariadb-server valkey
  macOS:           brew install postgresql pgbouncer mariadb redis
or name running ones: OAUTH_TEST_POSTGRES_URL=postgres://… OAUTH_TEST_MYSQL_URL=mysql://… OAUTH_TEST_REDIS_URL=redis://… (the tests
make tables and keys there)";
