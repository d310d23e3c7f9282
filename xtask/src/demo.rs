//! `cargo xtask demo`: the program `oauth-demo`.

use std::process::ExitCode;

use anyhow::Result;

use crate::workspace;

/// Runs the demo. What it prints and how it exits is its own affair.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    // A development build is ready sooner, and the demo waits for nothing but itself.
    let status = workspace::cargo()
        .args(["run", "--quiet", "--package", "oauth-demo", "--"])
        .args(arguments.iter().filter(|argument| *argument != "--"))
        .status()?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}
