//! Mutation testing: small changes that break the code, each of which some test should notice.

use std::{
    fs,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Result, bail};

use crate::{
    steps::Steps,
    tools,
    workspace::{self, Metadata, cargo},
};

const PROGRAM: (&str, &str) = ("cargo-mutants", "27.1.0");

/// The crates in which a fault costs most.
const PACKAGES: [&str; 4] = ["oauth-core", "oauth-openid", "oauth-tokens", "oauth-web"];

/// Of so many parts, one is taken each day: each change takes a build of the tests, and all of them would take days.
const PARTS: u64 = 250;

/// The longest that the tests may take; a change that makes them hang is noticed too.
const TIMEOUT_SECONDS: &str = "1200";

/// Tries today's part. What no test notices is told, and fails nothing: not every change makes a fault.
pub(crate) fn run(steps: &mut Steps) -> Result<()> {
    let path = tools::built(PROGRAM)?;
    let today = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() / (24 * 60 * 60);
    let output = Metadata::target_directory()?.join("mutants");
    fs::create_dir_all(&output)?;
    let mut mutants = cargo();
    mutants.env("PATH", path).args(["mutants", "--colors=never", "--no-times", "--timeout", TIMEOUT_SECONDS]);
    mutants.args(["--shard", &format!("{}/{PARTS}", today % PARTS), "--output"]).arg(&output);
    for package in PACKAGES {
        mutants.args(["--package", package]);
    }
    // Most of what the core does is tested from outside.
    mutants.args(["--test-package", &format!("{},oauth-tests", PACKAGES.join(","))]);
    let name = workspace::shown(&mutants);
    let mut missed = Vec::new();
    steps.step(&name, || {
        match mutants.status()?.code() {
            // 2: some were missed; 3: some made the tests hang.
            Some(0 | 2 | 3) => {}
            code => bail!("cargo mutants ended with {code:?}"),
        }
        let text = fs::read_to_string(output.join("mutants.out/missed.txt")).unwrap_or_default();
        missed = text.lines().map(str::to_owned).collect();
        Ok(())
    })?;
    for change in missed {
        steps.skip(format!("what no test notices: {change}"));
    }
    Ok(())
}
