use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::{
    process::{Process, SystemUser, as_user, children, give, is_root, reachable, signal, user},
    system::{free_port, in_path, own_folder},
};

/// A PostgreSQL server with one empty database. Whoever reaches the loopback interface is let in without a password.
#[derive(Debug)]
pub struct Postgres {
    programs: PathBuf,
    folder: PathBuf,
    user: Option<SystemUser>,
    port: u16,
    /// `None` while it is stopped.
    process: Option<Process>,
}

/// Nothing is forced to the disk: the tests ask what survives a process, not what survives the machine.
const SETTINGS: &[&str] = &[
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "fsync=off",
    "full_page_writes=off",
    "max_connections=300",
    "shared_buffers=32MB",
];

impl Postgres {
    /// The folder of the server's programs, if they are installed: where Debian keeps each version, or in the `PATH`.
    #[must_use]
    pub fn programs() -> Option<PathBuf> {
        let has_all =
            |folder: &PathBuf| ["initdb", "postgres"].iter().all(|name| folder.join(name).is_file());
        let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
        let mut versions: Vec<_> = versions.map(|entry| entry.path()).collect();
        versions.sort_by_key(|path| version(path));
        let of_debian = versions.into_iter().rev().map(|path| path.join("bin")).find(has_all);
        of_debian.or_else(|| in_path("initdb")?.parent().map(Path::to_owned).filter(has_all))
    }

    /// Makes a database in a folder of its own in `parent`, and starts its server.
    ///
    /// # Errors
    ///
    /// When the programs are not installed or fail; the error holds what they said.
    pub fn start(parent: &Path) -> Result<Self> {
        let programs = Self::programs().context("PostgreSQL is not installed")?;
        // PostgreSQL refuses to be run by root.
        let user = match is_root() {
            true => Some(user("postgres").or_else(|| user("nobody")).context("there is no user but root")?),
            false => None,
        };
        let folder = own_folder(reachable(parent, user).as_deref().unwrap_or(&env::temp_dir()), "postgres")?;
        if let Some(user) = user {
            give(&folder, user)?;
        }
        let mut initdb = Command::new(programs.join("initdb"));
        initdb.args([
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
            "--username=postgres",
            "-D",
        ]);
        initdb.arg(folder.join("data")).current_dir(&folder);
        as_user(&mut initdb, user);
        let output = initdb.output().context("cannot start `initdb`")?;
        if !output.status.success() {
            bail!("`initdb` failed:\n{}", String::from_utf8_lossy(&output.stderr));
        }
        let mut server = Self { programs, folder, user, port: 0, process: None };
        let mut last = None;
        // Between finding a free port and taking it, another process may take it.
        for _ in 0..3 {
            server.port = free_port()?;
            match server.start_again() {
                Ok(()) => return Ok(server),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| anyhow::anyhow!("PostgreSQL does not start")))
    }

    /// Where clients connect.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Where all that it keeps is, its logs too.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Ends the server as a crash of it would, with what it stored kept.
    pub fn stop(&mut self) {
        self.process = None;
    }

    /// Starts it after [`stop`](Self::stop), at the same port.
    ///
    /// # Errors
    ///
    /// When it does not come up; the error holds what it said.
    pub fn start_again(&mut self) -> Result<()> {
        let data = self.folder.join("data");
        let mut arguments = vec![format!("-D{}", data.display()), format!("-p{}", self.port)];
        arguments.extend(SETTINGS.iter().map(|setting| format!("--{setting}")));
        let mut process =
            Process::start(&self.programs.join("postgres"), &arguments, &self.folder, self.user, "QUIT")?;
        let state = data.join("postmaster.pid");
        let id = process.id().to_string();
        process.wait_until("take connections", |_| {
            let state = fs::read_to_string(&state).unwrap_or_default();
            // Number of the process, folder, time, port, sockets, address, memory, and what it is doing.
            let mut lines = state.lines();
            lines.next() == Some(&id) && lines.nth(6).is_some_and(|doing| doing.trim() == "ready")
        })?;
        self.process = Some(process);
        Ok(())
    }

    /// Stops the server without ending it: connections stay, and nothing answers.
    ///
    /// # Errors
    ///
    /// When it is not running.
    pub fn freeze(&self) -> Result<()> {
        self.signal_all("STOP")
    }

    /// Lets it go on after [`freeze`](Self::freeze).
    ///
    /// # Errors
    ///
    /// When it is not running.
    pub fn thaw(&self) -> Result<()> {
        self.signal_all("CONT")
    }

    /// Each connection has a process of its own, whose parent is the server.
    fn signal_all(&self, name: &str) -> Result<()> {
        let process = self.process.as_ref().context("the server is not running")?;
        process.signal(name)?;
        for child in children(process.id()) {
            // It may have ended since.
            signal(name, child);
        }
        Ok(())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if self.process.is_some() {
            // A frozen one would not end.
            let _ = self.thaw();
        }
        self.stop();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// `/usr/lib/postgresql/15` is 15.
fn version(folder: &Path) -> Option<u32> {
    folder.file_name()?.to_str()?.parse().ok()
}
