//! `cargo xtask wasm`: the library in Node.js, and what compiles for WebAssembly.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{
    node,
    steps::Steps,
    system,
    workspace::{self, Metadata, cargo},
};

/// The targets without threads and without a C compiler.
const TARGETS: [&str; 2] = ["wasm32-unknown-unknown", "wasm32-wasip2"];

/// One of each kind: the provider crates differ in nothing else that matters here.
const PACKAGES: &[&str] = &[
    "oauth-apple",
    "oauth-clients",
    "oauth-fetch",
    "oauth-github",
    "oauth-google",
    "oauth-openid",
    "oauth-web",
];

/// Compiles for each target that can be installed.
pub(crate) fn check(steps: &mut Steps) -> Result<()> {
    for target in TARGETS {
        if let Err(error) = installed(target) {
            steps.skip(format!(
                "what compiles for {target}, because the target cannot be installed: {error:#}"
            ));
            continue;
        }
        let features = "oauth-clients/fetch,oauth-clients/github,oauth-clients/google,oauth-clients/tower,oauth-clients/web-openid,\
                        oauth-clients/web-signals";
        let mut arguments =
            vec!["check", "--no-default-features", "--target", target, "--features", features];
        arguments.extend(PACKAGES.iter().flat_map(|package| ["--package", package]));
        steps.cargo(&arguments)?;
    }
    Ok(())
}

/// Runs tests/wasm in Node.js.
pub(crate) fn run() -> Result<()> {
    let target = TARGETS[0];
    installed(target).with_context(|| format!("the target {target} is missing"))?;
    let node = node::found_or_installed()?;
    let folder = workspace::root().join("tests/wasm");
    let built = Metadata::target_directory()?.join("wasm");
    let tests = || {
        let mut command = cargo();
        command.current_dir(&folder).env("CARGO_TARGET_DIR", &built);
        command
    };
    system::step(cargo().args(["build", "--package", "oauth-clients-cli"]))?;
    system::step(tests().args(["build", "--locked", "--target", target]))?;
    let module = built.join("module");
    let file = built.join(target).join("debug/oauth_wasm_tests.wasm");
    system::step(
        tests().args(["run", "--locked", "--package", "oauth-wasm-bindgen", "--"]).arg(file).arg(&module),
    )?;
    let mut run = node.command("node");
    run.arg("--test").arg(folder.join("run.mjs"));
    run.env("OAUTH_WASM_MODULE", module.join("oauth_wasm_tests.js"));
    let tool = format!("oauth-clients{}", std::env::consts::EXE_SUFFIX);
    run.env("OAUTH_TOOL", Metadata::target_directory()?.join("debug").join(tool));
    system::step(&mut run)
}

/// Sees to it that a target is there.
fn installed(target: &str) -> Result<()> {
    let mut rustup = Command::new("rustup");
    // In the repository's folder, so that it is that of the toolchain which the checks use.
    rustup.args(["target", "add", target]).current_dir(workspace::root());
    match workspace::output(&mut rustup) {
        Ok(_) => Ok(()),
        Err(error) => {
            // A toolchain without rustup can have it all the same.
            let mut libraries = Command::new("rustc");
            libraries.args(["--print", "target-libdir", "--target", target]);
            let folder = workspace::output(&mut libraries)?;
            if std::path::Path::new(folder.trim()).is_dir() { Ok(()) } else { bail!("{error:#}") }
        }
    }
}
