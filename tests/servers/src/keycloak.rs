use std::{
    net::TcpStream,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, ensure};

use crate::{
    process::Process,
    system::{free_port, in_path, own_folder},
};

/// A Keycloak server that keeps everything in memory.
#[derive(Debug)]
pub struct Keycloak {
    port: u16,
    _process: Process,
}

/// Its first start builds it for its options, which takes minutes on a slow machine.
const PATIENCE: Duration = Duration::from_secs(600);

impl Keycloak {
    /// The name and the password of the administrator.
    pub const ADMINISTRATOR: (&str, &str) = ("admin", "admin-for-tests");

    /// Starts an empty server from an unpacked distribution, with a folder of its own in `parent` and these options besides. They name a
    /// certificate: it speaks TLS at the address that [`origin`](Self::origin) says.
    ///
    /// # Errors
    ///
    /// When it does not come up; the error holds what it said.
    pub fn start(distribution: &Path, parent: &Path, options: &[String]) -> Result<Self> {
        let program = in_path("bash").context("Keycloak is started by bash, which is not installed")?;
        let script = distribution.join("bin/kc.sh");
        ensure!(script.is_file(), "there is no Keycloak in {}", distribution.display());
        let folder = own_folder(parent, "keycloak")?;
        let (port, plain) = (free_port()?, free_port()?);
        let (name, password) = Self::ADMINISTRATOR;
        // The script wants a standard input.
        let mut arguments = ["-c", "exec \"$@\" </dev/null", "bash"].map(str::to_owned).to_vec();
        arguments.extend([absolute(&script)?.display().to_string(), "start-dev".to_owned()]);
        arguments.extend([
            format!("--https-port={port}"),
            format!("--http-port={plain}"),
            "--http-host=127.0.0.1".to_owned(),
            "--db=dev-mem".to_owned(),
            format!("--bootstrap-admin-username={name}"),
            format!("--bootstrap-admin-password={password}"),
        ]);
        arguments.extend_from_slice(options);
        // The script has Java as its child, and hands this signal on.
        let mut process = Process::start(&program, &arguments, &folder, None, "TERM")?;
        process.wait_for(PATIENCE, "listen", |_| TcpStream::connect(("127.0.0.1", port)).is_ok())?;
        Ok(Self { port, _process: process })
    }

    /// The beginning of its addresses.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("https://localhost:{}", self.port)
    }
}

fn absolute(path: &Path) -> Result<PathBuf> {
    path.canonicalize().with_context(|| format!("cannot find {}", path.display()))
}
