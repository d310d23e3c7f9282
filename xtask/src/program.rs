//! Commands that are programs of their own: `cargo xtask demo` and `cargo xtask verify-providers`.

use std::process::ExitCode;

use anyhow::Result;

use crate::workspace;

/// Runs a program of the workspace. What it prints and how it exits is its own affair.
pub(crate) fn run(package: &str, arguments: &[String]) -> Result<ExitCode> {
    // A development build is ready sooner, and neither waits for anything but the network and its user.
    let status = workspace::cargo()
        .args(["run", "--quiet", "--package", package, "--"])
        .args(arguments.iter().filter(|argument| *argument != "--"))
        .status()?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}
