//! What the system has, and how this installs what it lacks. Each step is printed.

use std::{env, process::Command};

use anyhow::Result;

use crate::workspace;

/// Whether packages of the system can be installed: by root, where there is `apt-get`.
pub(crate) fn can_install() -> bool {
    let is_root = workspace::output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    is_root && workspace::output(Command::new("apt-get").arg("--version")).is_ok()
}

/// Installs packages of the system.
pub(crate) fn install(packages: &[&str]) -> Result<()> {
    apt(&["update"])?;
    apt(&[&["install", "--yes", "--no-install-recommends"], packages].concat())
}

/// Whether programs can be built with the system's TLS library.
pub(crate) fn has_tls_library() -> Result<bool> {
    // On Linux that is OpenSSL; other systems have one of their own.
    Ok(!cfg!(target_os = "linux") || has_openssl()?)
}

/// Whether programs can be built with OpenSSL. It is installed if that can be done.
pub(crate) fn has_openssl() -> Result<bool> {
    let found = || {
        let by_pkg_config = workspace::output(Command::new("pkg-config").args(["--exists", "openssl"]));
        by_pkg_config.is_ok() || env::var_os("OPENSSL_DIR").is_some()
    };
    if found() {
        return Ok(true);
    }
    if can_install() {
        println!("the headers of OpenSSL are missing");
        install(&["libssl-dev", "pkg-config"])?;
    }
    Ok(found())
}

/// Runs a command after printing it.
pub(crate) fn step(command: &mut Command) -> Result<()> {
    println!("$ {}", workspace::shown(command));
    workspace::run(command)
}

fn apt(arguments: &[&str]) -> Result<()> {
    step(Command::new("apt-get").arg("--quiet").args(arguments).env("DEBIAN_FRONTEND", "noninteractive"))
}
