use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use crate::{
    postgres::Postgres,
    process::{Process, give, is_root, reachable, user},
    system::{free_port, in_path, own_folder},
};

/// PgBouncer in front of a PostgreSQL server.
#[derive(Debug)]
pub struct PgBouncer {
    folder: PathBuf,
    port: u16,
    process: Option<Process>,
}

/// When PgBouncer gives a connection of the server to another client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolMode {
    /// When the client disconnects.
    Session,
    /// After each transaction. Prepared statements follow their client, which versions before 1.21 do not do.
    Transaction,
}

impl PgBouncer {
    /// The program, if it is installed: where `OAUTH_TEST_PGBOUNCER` says, in the `PATH`, or where Debian puts it.
    #[must_use]
    pub fn program() -> Option<PathBuf> {
        let named = env::var_os("OAUTH_TEST_PGBOUNCER").map(PathBuf::from);
        named.or_else(|| in_path("pgbouncer")).or_else(|| {
            let of_debian = PathBuf::from("/usr/sbin/pgbouncer");
            of_debian.is_file().then_some(of_debian)
        })
    }

    /// Whether prepared statements follow their client from one connection of the server to the next, as they do from version 1.21 on.
    #[must_use]
    pub fn tracks_prepared_statements() -> bool {
        let output = Self::program().and_then(|program| Command::new(program).arg("--version").output().ok());
        let said =
            output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
        let version = said.split_whitespace().nth(1).unwrap_or_default();
        let mut numbers = version.split('.').map(|number| number.parse::<u32>().unwrap_or(0));
        (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= (1, 21)
    }

    /// Starts it with a folder of its own in `parent`.
    ///
    /// # Errors
    ///
    /// When it is not installed or does not come up; the error holds what it said.
    pub fn start(parent: &Path, server: &Postgres, mode: PoolMode) -> Result<Self> {
        let program = Self::program().context("PgBouncer is not installed")?;
        // PgBouncer refuses to be run by root.
        let user = match is_root() {
            true => Some(user("postgres").or_else(|| user("nobody")).context("there is no user but root")?),
            false => None,
        };
        let folder = own_folder(reachable(parent, user).as_deref().unwrap_or(&env::temp_dir()), "pgbouncer")?;
        if let Some(user) = user {
            give(&folder, user)?;
        }
        let mut bouncer = Self { folder, port: 0, process: None };
        let settings = bouncer.folder.join("settings.ini");
        let arguments = [settings.display().to_string()];
        let mut last = None;
        // Between finding a free port and taking it, another process may take it.
        for _ in 0..3 {
            bouncer.port = free_port()?;
            fs::write(&settings, bouncer.settings(server, mode))?;
            let started = Process::start(&program, &arguments, &bouncer.folder, user, "KILL");
            let ready = started.and_then(|mut process| {
                process.wait_until("take connections", |_| {
                    std::net::TcpStream::connect(("127.0.0.1", bouncer.port)).is_ok()
                })?;
                Ok(process)
            });
            match ready {
                Ok(process) => {
                    bouncer.process = Some(process);
                    return Ok(bouncer);
                }
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| anyhow::anyhow!("PgBouncer does not start")))
    }

    /// Fewer connections to the server than clients have to it, so that they take turns.
    fn settings(&self, server: &Postgres, mode: PoolMode) -> String {
        let (mode, prepared) = match mode {
            PoolMode::Session => ("session", ""),
            PoolMode::Transaction if Self::tracks_prepared_statements() => {
                ("transaction", "max_prepared_statements = 200\ndefault_pool_size = 2\n")
            }
            PoolMode::Transaction => ("transaction", ""),
        };
        format!(
            "[databases]\n\
             postgres = host=127.0.0.1 port={} dbname=postgres user=postgres\n\
             [pgbouncer]\n\
             listen_addr = 127.0.0.1\n\
             listen_port = {}\n\
             unix_socket_dir =\n\
             auth_type = any\n\
             pool_mode = {mode}\n\
             {prepared}\
             max_client_conn = 500\n\
             ignore_startup_parameters = extra_float_digits\n",
            server.port(),
            self.port
        )
    }

    /// Where clients connect.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        self.process = None;
        let _ = fs::remove_dir_all(&self.folder);
    }
}
