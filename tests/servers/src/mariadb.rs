use std::{
    env, fs,
    io::Read,
    net::TcpStream,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, bail};

use crate::{
    process::{Process, SystemUser, as_user, give, is_root, reachable, user},
    system::{free_port, in_path, own_folder},
};

/// A MariaDB server with one empty database. Its user `root` has no password on the loopback interface.
#[derive(Debug)]
pub struct MariaDb {
    program: PathBuf,
    folder: PathBuf,
    user: Option<SystemUser>,
    port: u16,
    /// `None` while it is stopped.
    process: Option<Process>,
}

/// Nothing is forced to the disk: the tests ask what survives a process, not what survives the machine.
const SETTINGS: &[&str] = &[
    "bind-address=127.0.0.1",
    // In the folder of the data, because the name of a socket must be short.
    "socket=socket",
    "pid-file=process-id",
    "skip-name-resolve",
    "skip-log-bin",
    "innodb-flush-log-at-trx-commit=2",
    "innodb-doublewrite=OFF",
    "innodb-buffer-pool-size=64M",
    "innodb-log-file-size=32M",
    "max-connections=300",
];

impl MariaDb {
    /// The server's program, if it is installed together with the one that makes a database.
    #[must_use]
    pub fn program() -> Option<PathBuf> {
        install_program()?;
        let in_system =
            ["/usr/sbin", "/usr/libexec", "/usr/local/sbin"].map(|folder| Path::new(folder).join("mariadbd"));
        in_path("mariadbd").or_else(|| in_system.into_iter().find(|path| path.is_file()))
    }

    /// Makes a database in a folder of its own in `parent`, and starts its server.
    ///
    /// # Errors
    ///
    /// When the programs are not installed or fail; the error holds what they said.
    pub fn start(parent: &Path) -> Result<Self> {
        let program = Self::program().context("MariaDB is not installed")?;
        let install = install_program().context("MariaDB is not installed")?;
        // MariaDB refuses to be run by root.
        let user = match is_root() {
            true => Some(user("mysql").or_else(|| user("nobody")).context("there is no user but root")?),
            false => None,
        };
        let folder = own_folder(reachable(parent, user).as_deref().unwrap_or(&env::temp_dir()), "mariadb")?;
        if let Some(user) = user {
            give(&folder, user)?;
        }
        let mut install = Command::new(install);
        install.args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-name-resolve"]);
        install.arg(format!("--datadir={}", folder.join("data").display())).current_dir(&folder);
        as_user(&mut install, user);
        let output = install.output().context("cannot start `mariadb-install-db`")?;
        if !output.status.success() {
            let said = [output.stdout, output.stderr].concat();
            bail!("`mariadb-install-db` failed:\n{}", String::from_utf8_lossy(&said));
        }
        let mut server = Self { program, folder, user, port: 0, process: None };
        let mut last = None;
        // Between finding a free port and taking it, another process may take it.
        for _ in 0..3 {
            server.port = free_port()?;
            match server.start_again() {
                Ok(()) => return Ok(server),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| anyhow::anyhow!("MariaDB does not start")))
    }

    /// Where clients connect.
    #[must_use]
    pub fn url(&self) -> String {
        format!("mysql://root@127.0.0.1:{}/test", self.port)
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
        let mut arguments = vec![
            "--no-defaults".to_owned(),
            format!("--datadir={}", self.folder.join("data").display()),
            format!("--port={}", self.port),
        ];
        arguments.extend(SETTINGS.iter().map(|setting| format!("--{setting}")));
        let mut process = Process::start(&self.program, &arguments, &self.folder, self.user, "KILL")?;
        process.wait_until("take connections", |_| self.greets().unwrap_or(false))?;
        self.process = Some(process);
        Ok(())
    }

    /// Whether the server greets a client: the first packet has its length, its number, and the version of the protocol.
    fn greets(&self) -> std::io::Result<bool> {
        let mut connection = TcpStream::connect(("127.0.0.1", self.port))?;
        connection.set_read_timeout(Some(Duration::from_secs(5)))?;
        let mut packet = [0; 5];
        connection.read_exact(&mut packet)?;
        Ok(packet[4] == 10)
    }

    /// Stops the server without ending it: connections stay, and nothing answers.
    ///
    /// # Errors
    ///
    /// When it is not running.
    pub fn freeze(&self) -> Result<()> {
        self.process.as_ref().context("the server is not running")?.signal("STOP")
    }

    /// Lets it go on after [`freeze`](Self::freeze).
    ///
    /// # Errors
    ///
    /// When it is not running.
    pub fn thaw(&self) -> Result<()> {
        self.process.as_ref().context("the server is not running")?.signal("CONT")
    }
}

impl Drop for MariaDb {
    fn drop(&mut self) {
        self.stop();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn install_program() -> Option<PathBuf> {
    in_path("mariadb-install-db")
}
