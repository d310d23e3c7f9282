//! `cargo xtask soak`: tokens under load and faults for as long as asked.

use anyhow::Result;

use crate::workspace::{self, Metadata, cargo};

/// Runs it in a release build; the report and the plot go to `target/soak`.
pub(crate) fn run(minutes: u64) -> Result<()> {
    program(&["run", &minutes.to_string()])
}

/// Measures what the stores take, and simulates what a provider is asked.
pub(crate) fn scale() -> Result<()> {
    program(&["measure"])?;
    let mut simulate = cargo();
    simulate.args(["run", "--quiet", "--release", "--package", "oauth-soak", "--", "simulate"]);
    workspace::run(&mut simulate)
}

fn program(arguments: &[&str]) -> Result<()> {
    let _services = crate::services::start()?;
    let mut soak = cargo();
    soak.args(["run", "--quiet", "--release", "--package", "oauth-soak", "--"]).args(arguments);
    soak.arg(Metadata::target_directory()?.join("soak"));
    workspace::run(&mut soak)
}
