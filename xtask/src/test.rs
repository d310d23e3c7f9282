//! `cargo xtask test`: every test, after what they need is there.

use anyhow::Result;

use crate::{browser, node, services, workspace};

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    browser::ready()?;
    let node = node::ready()?;
    // They end with this function, whatever comes of the tests.
    let services = services::start()?;
    let mut cargo = workspace::cargo();
    services.announce(&mut cargo);
    cargo.arg("test");
    // `--workspace` would win over the packages that somebody names.
    if !arguments.iter().any(|argument| argument.starts_with("-p") || argument.starts_with("--package")) {
        cargo.arg("--workspace");
    }
    cargo.args(arguments);
    if let Some(path) = node.path {
        cargo.env("PATH", path);
    }
    println!("$ {}", workspace::shown(&cargo));
    workspace::run(&mut cargo)
}
