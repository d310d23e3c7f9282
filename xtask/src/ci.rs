//! `cargo xtask ci`: everything that must hold on each change, what fails soonest first.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, bail};

use crate::{
    budgets, demo, generate, package, system, test, tidy,
    workspace::{self, Metadata, Package, cargo},
};

pub(crate) fn run() -> Result<()> {
    let begun = Instant::now();
    tools()?;
    let mut steps = Steps::default();

    steps.cargo(&["fmt", "--all", "--check"])?;
    steps.xtask("generate --check", generate::check)?;
    steps.xtask("tidy", tidy::run)?;

    let members = Metadata::members()?;
    let member =
        |name: &str| members.iter().find(|package| package.name == name).with_context(|| name.to_owned());
    let everything = everything(member("oauth-core")?);
    let clippy = ["clippy", "--workspace", "--all-targets", "--features", &everything];
    steps.cargo(&[&clippy[..], DENY_WARNINGS].concat())?;
    features(&mut steps, member("oauth-core")?)?;
    steps.cargo_denying_warnings(&["doc", "--workspace", "--no-deps", "--features", &everything])?;

    steps.xtask("test", || test::run(&[]))?;
    let mut not_compared = None;
    steps.xtask("budgets", || {
        not_compared = budgets::run(false, true)?;
        Ok(())
    })?;
    steps.skipped.extend(not_compared);
    steps.xtask("demo --headless", || match demo::run(&["--headless".to_owned()])? {
        code if code == std::process::ExitCode::SUCCESS => Ok(()),
        _ => bail!("the demo failed"),
    })?;
    steps.xtask("package", package::run)?;

    println!("\nAll {} steps passed in {}.", steps.passed, shown(begun.elapsed()));
    for skipped in &steps.skipped {
        println!("Not checked: {skipped}");
    }
    Ok(())
}

const DENY_WARNINGS: &[&str] = &["--", "--deny=warnings"];

/// The features that need a library of the system: oauth-core's and oauth-openid's.
const NATIVE_TLS: &str = "native-tls";
const ENCRYPTION: &str = "encryption";

/// Each feature must compile without the others: in the steps before, those of all packages are on together.
fn features(steps: &mut Steps, core: &Package) -> Result<()> {
    steps.cargo(&alone("oauth-core", ""))?;
    for feature in core.features.keys().filter(|&feature| feature != "default" && feature != NATIVE_TLS) {
        steps.cargo(&alone("oauth-core", feature))?;
    }
    match system::has_tls_library()? {
        true => steps.cargo(&alone("oauth-core", NATIVE_TLS))?,
        false => steps.skip("oauth-core", NATIVE_TLS),
    }
    match system::has_openssl()? {
        true => {
            let clippy = ["clippy", "--package", "oauth-openid", "--all-targets", "--features", ENCRYPTION];
            steps.cargo(&[&clippy[..], DENY_WARNINGS].concat())?;
            steps.cargo(&alone("oauth-openid", ENCRYPTION))?;
            let doc = ["doc", "--package", "oauth-openid", "--no-deps", "--features", ENCRYPTION];
            steps.cargo_denying_warnings(&doc)?;
        }
        false => steps.skip("oauth-openid", ENCRYPTION),
    }
    for feature in ["", "github", "all"] {
        steps.cargo(&alone("oauth-clients", feature))?;
    }
    for (package, feature) in [
        ("oauth-axum", ""),
        ("oauth-axum", "openid"),
        ("oauth-store-sqlx", "sqlite"),
        ("oauth-store-sqlx", "postgres"),
        ("oauth-tokens", ""),
        ("oauth-tokens", "testkit"),
        ("oauth-tokens", "tracing,metrics"),
    ] {
        steps.cargo(&alone(package, feature))?;
    }
    Ok(())
}

/// The check of a package with one feature, or with none.
fn alone<'a>(package: &'a str, feature: &'a str) -> Vec<&'a str> {
    let mut arguments = vec!["clippy", "--package", package, "--no-default-features"];
    if !feature.is_empty() {
        arguments.extend(["--features", feature]);
    }
    [&arguments, DENY_WARNINGS].concat()
}

/// All features that need nothing of the system, which is what users and documentation see.
fn everything(core: &Package) -> String {
    let of_core = core.features.keys().filter(|&feature| feature != "default" && feature != NATIVE_TLS);
    let of_core = of_core.map(|feature| format!("oauth-core/{feature}"));
    let others = ["oauth-axum/openid", "oauth-clients/all", "oauth-tokens/metrics", "oauth-tokens/tracing"];
    others.map(str::to_owned).into_iter().chain(of_core).collect::<Vec<_>>().join(",")
}

/// The components of the toolchain that a minimal one lacks.
fn tools() -> Result<()> {
    for (command, component) in [("fmt", "rustfmt"), ("clippy", "clippy")] {
        if workspace::output(cargo().args([command, "--version"])).is_err() {
            println!("{component} is missing");
            let mut rustup = Command::new("rustup");
            // In the repository's folder, so that it is the toolchain which the checks use.
            rustup.args(["component", "add", component]).current_dir(workspace::root());
            system::step(&mut rustup)?;
        }
    }
    Ok(())
}

#[derive(Default)]
struct Steps {
    passed: usize,
    skipped: Vec<String>,
}

impl Steps {
    fn skip(&mut self, package: &str, feature: &str) {
        self.skipped.push(format!(
            "the feature {feature} of {package}, because the headers of OpenSSL are missing \
             (Debian: apt-get install libssl-dev pkg-config)"
        ));
    }

    fn cargo(&mut self, arguments: &[&str]) -> Result<()> {
        let mut command = cargo();
        command.args(arguments);
        self.step(&workspace::shown(&command), || workspace::run(&mut command))
    }

    fn cargo_denying_warnings(&mut self, arguments: &[&str]) -> Result<()> {
        let mut command = cargo();
        command.args(arguments).env("RUSTDOCFLAGS", "--deny=warnings");
        let name = format!("RUSTDOCFLAGS=--deny=warnings {}", workspace::shown(&command));
        self.step(&name, || workspace::run(&mut command))
    }

    fn xtask(&mut self, name: &str, body: impl FnOnce() -> Result<()>) -> Result<()> {
        self.step(&format!("cargo xtask {name}"), body)
    }

    /// A step's name is the command that repeats it.
    fn step(&mut self, name: &str, body: impl FnOnce() -> Result<()>) -> Result<()> {
        println!("\n=== {name}");
        let begun = Instant::now();
        body().map_err(|error| {
            anyhow!("{error:#}\n\nA step failed after {} that passed. To repeat it:\n  {name}", self.passed)
        })?;
        println!("=== passed in {}", shown(begun.elapsed()));
        self.passed += 1;
        Ok(())
    }
}

fn shown(duration: Duration) -> String {
    let seconds = duration.as_secs_f32();
    match seconds < 60.0 {
        true => format!("{seconds:.1} s"),
        false => format!("{} min {:02} s", duration.as_secs() / 60, duration.as_secs() % 60),
    }
}
