//! `cargo xtask test`: every test, after what they need is there.

use std::{env, process::Command, thread};

use anyhow::Result;

use crate::{
    browser,
    node::{self, Node},
    services, system, workspace,
};

/// How many tests run at once, as the test harness reads it.
const THREADS: &str = "RUST_TEST_THREADS";

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    run_with(arguments, &[])
}

/// Runs the tests with variables that they read.
pub(crate) fn run_with(arguments: &[String], variables: &[(&str, &str)]) -> Result<()> {
    browser::ready()?;
    let node = node::ready()?;
    // They end with this function, whatever comes of the tests.
    let services = services::start()?;
    if !arguments.is_empty() {
        // Cargo builds the examples of the packages that it tests, and this one is what the tests of another package run.
        let mut example = workspace::cargo();
        system::step(example.args(["build", "--package", "oauth-mcp", "--example", "mcp-conformance"]))?;
    }
    let mut cargo = workspace::cargo();
    services.announce(&mut cargo);
    cargo.envs(variables.iter().copied());
    if env::var_os(THREADS).is_none() {
        cargo.env(THREADS, threads()?.to_string());
    }
    cargo.arg("test");
    // `--workspace` would win over the packages that somebody names.
    if !arguments.iter().any(|argument| argument.starts_with("-p") || argument.starts_with("--package")) {
        cargo.arg("--workspace");
    }
    cargo.args(arguments);
    if let Some(path) = &node.path {
        cargo.env("PATH", path);
    }
    system::step(&mut cargo)?;
    match arguments.is_empty() {
        true if system::has_openssl()? => system::step(&mut of_encryption(&node)),
        true => {
            println!(
                "Not tested: the feature encryption of oauth-openid, because the headers of OpenSSL are missing"
            );
            Ok(())
        }
        false => Ok(()),
    }
}

/// Twice the harness's own number, because many tests wait: for a lease to run out, a lock, or a server that is down.
fn threads() -> Result<usize> {
    Ok(2 * thread::available_parallelism()?.get())
}

/// By itself, because with josekit in the build the members of all JSON objects keep another order.
fn of_encryption(node: &Node) -> Command {
    let mut cargo = workspace::cargo();
    cargo.args(["test", "--package", "oauth-openid", "--package", "oauth-fapi", "--features", "encryption"]);
    if let Some(path) = &node.path {
        cargo.env("PATH", path);
    }
    cargo
}
