//! `cargo xtask nightly`: what takes too long for each change, or compares with what lies further back.

use std::{fs, process::Command};

use anyhow::{Context, Result, ensure};

use crate::{
    ci::{self, ENCRYPTION, FIPS, NATIVE_TLS},
    fuzz, guide, keycloak, mutants, package, soak,
    steps::Steps,
    supply_chain, system, test,
    tools::{self, Tools},
    wasm,
    workspace::{self, Metadata, Package, cargo},
};

/// The seconds for which processes are killed and databases are taken away. Each change has ten.
const STORM_SECONDS: &str = "60";

/// How often each case that could lose a grant is played through. Each change has one round.
const ROUNDS: &str = "10";

/// How many grants one worker maintains within its memory. Each change has a thousand.
const GRANTS: &str = "100000";

/// How many faults there may be in one run of the model of refreshes. Each change has two.
const FAULTS: &str = "3";

/// And how many where users, applications and providers act too. Each change has one or two.
const FAULTS_WITH_USERS: &str = "2";

/// For how long tokens are kept under load and faults.
const SOAK_MINUTES: u64 = 30;

/// The tools that are built from source, which takes minutes, with their versions.
const SEMVER_CHECKS: (&str, &str) = ("cargo-semver-checks", "0.51.0");
const PUBLIC_API: (&str, &str) = ("cargo-public-api", "0.52.0");

/// The examples that are workspaces of their own, because nobody else shall build what they need, with the features that they are tested with.
const EXAMPLES: [(&str, &str); 4] =
    [("dioxus", "server"), ("leptos", ""), ("loco", ""), ("opentelemetry", "")];

/// Runs everything; with `update`, it only writes the snapshots of the public API.
pub(crate) fn run(update: bool) -> Result<()> {
    let mut steps = Steps::new();
    if update {
        public_api(&mut steps, update)?;
        steps.finish();
        return Ok(());
    }
    let tools = tools::ready()?;
    advisories(&mut steps, &tools)?;
    let members = Metadata::members()?;
    steps.run(ci::each_feature(&tools, members.iter().filter(|package| ci::has_features(package)))?)?;
    steps.cargo(&[
        "test",
        "--package=oauth-openid",
        "--lib",
        "--features=rust-crypto",
        "--",
        "crypto",
        "jk_",
    ])?;
    fips(&mut steps)?;
    semver_checks(&mut steps)?;
    public_api(&mut steps, update)?;
    steps.xtask("guide", guide::run)?;
    examples(&mut steps)?;
    if system::has_openssl()? {
        let features = ["--features", ENCRYPTION];
        let tests = ["--", "decrypt", "josekit", "every_target"];
        steps.cargo(&[&["test", "--package=oauth-properties"], &features[..], &tests].concat())?;
    } else {
        steps.skip(
            "ID tokens beside josekit, and changed encrypted tokens, because the headers of OpenSSL are missing",
        );
    }
    steps.xtask("package", package::run)?;
    steps.xtask("package, set up", package::set_up)?;
    // The long storms once, and then what may lose nothing at all, again and again.
    let stores = ["-p", "oauth-store-tests"].map(str::to_owned);
    let storm = [("OAUTH_TEST_STORM_SECONDS", STORM_SECONDS)];
    let name = format!("OAUTH_TEST_STORM_SECONDS={STORM_SECONDS} cargo xtask test -p oauth-store-tests");
    steps.step(&name, || test::run_with(&stores, &storm))?;
    let lossless =
        ["-p", "oauth-store-tests", "--test", "stores", "--", "losses", "no_grant_is_lost", "nightly_job"];
    let lossless = lossless.map(str::to_owned);
    let name = format!("OAUTH_TEST_ROUNDS={ROUNDS} cargo xtask test {}", lossless.join(" "));
    steps.step(&name, || test::run_with(&lossless, &[("OAUTH_TEST_ROUNDS", ROUNDS)]))?;
    let mut losses = workspace::cargo();
    losses.args(["test", "--package", "oauth-tokens", "--test", "all", "losses"]);
    losses.env("OAUTH_TEST_ROUNDS", ROUNDS);
    steps.run(losses)?;
    let mut many = workspace::cargo();
    many.args(["test", "--package", "oauth-tokens", "--test", "many"]);
    many.env("OAUTH_TEST_GRANTS", GRANTS);
    steps.run(many)?;
    let mut model = workspace::cargo();
    model
        .args(["test", "--package", "oauth-model", "--", "--test-threads=1"])
        .env("OAUTH_TEST_FAULTS", FAULTS)
        .env("OAUTH_TEST_FAULTS_WITH_USERS", FAULTS_WITH_USERS);
    steps.run(model)?;
    for database in ["sqlite", "postgres"] {
        let test = format!("maintenance::one_worker_maintains_all_grants_in_{database}");
        let arguments =
            ["--release", "-p", "oauth-store-tests", "--test", "stores", &test].map(str::to_owned);
        let name = format!("OAUTH_TEST_GRANTS={GRANTS} cargo xtask test {}", arguments.join(" "));
        steps.step(&name, || test::run_with(&arguments, &[("OAUTH_TEST_GRANTS", GRANTS)]))?;
    }
    supply_chain::nightly(&mut steps)?;
    fuzz::nightly(&mut steps)?;
    steps.xtask("soak", || soak::run(SOAK_MINUTES))?;
    steps.xtask("wasm", wasm::run)?;
    keycloak::test(&mut steps)?;
    mutants::nightly(&mut steps)?;
    steps.finish();
    Ok(())
}

/// Signs in to each of the examples.
fn examples(steps: &mut Steps) -> Result<()> {
    let target = Metadata::target_directory()?.join("examples");
    for (example, features) in EXAMPLES {
        let mut test = cargo();
        test.args(["test", "--locked", "--features", features]);
        // Cargo reads the settings in the folder where it starts.
        test.current_dir(workspace::root().join("crates/examples").join(example));
        test.env("CARGO_TARGET_DIR", &target);
        steps.run(test)?;
    }
    Ok(())
}

/// The cryptography in FIPS mode, where its module can be built.
fn fips(steps: &mut Steps) -> Result<()> {
    let has = |program: &str, argument: &str| workspace::output(Command::new(program).arg(argument)).is_ok();
    if !has("go", "version") || !has("cmake", "--version") {
        steps.skip(
            "the feature fips, because Go or CMake is missing (Debian: apt-get install golang-go cmake)",
        );
        return Ok(());
    }
    steps.cargo(&[
        "test",
        "--package=oauth-core",
        "--lib",
        "--no-default-features",
        "--features=fips",
        "--",
        "crypto",
        "sealer",
    ])?;
    for package in ["oauth-clients", "oauth-fapi"] {
        let features = if package == "oauth-clients" { "fips,all,hyper,reqwest,tokens" } else { FIPS };
        let clippy = ["clippy", "--package", package, "--no-default-features", "--features", features];
        steps.cargo(&[&clippy[..], &["--", "--deny=warnings"]].concat())?;
    }
    Ok(())
}

/// Known holes in dependencies, where the database of them can be reached.
fn advisories(steps: &mut Steps, tools: &Tools) -> Result<()> {
    let mut check = tools.cargo(&["deny", "check", "advisories"]);
    let output = check.output().context("cannot start cargo deny")?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() && said.contains("failed to fetch advisory database") {
        steps.skip("advisories about dependencies, because their database cannot be reached from here");
        return Ok(());
    }
    steps.step("cargo deny check advisories", || {
        ensure!(output.status.success(), "{said}");
        Ok(())
    })
}

/// Whether the API breaks users of the last release without saying so in its version.
fn semver_checks(steps: &mut Steps) -> Result<()> {
    let mut describe = Command::new("git");
    describe.args(["describe", "--tags", "--abbrev=0", "--match=v*"]).current_dir(workspace::root());
    let Ok(tag) = workspace::output(&mut describe) else {
        steps.skip("changes of the API since the last release, because there is no tag of one");
        return Ok(());
    };
    let path = tools::built(SEMVER_CHECKS)?;
    let mut check = cargo();
    check.args(["semver-checks", "--workspace", "--baseline-rev", tag.trim()]).env("PATH", path);
    steps.run(check)
}

/// The snapshots of the API: what a change adds or takes away is seen in its diff.
fn public_api(steps: &mut Steps, update: bool) -> Result<()> {
    let rustdoc = workspace::output(Command::new("rustdoc").args(["+nightly", "--version"]));
    if rustdoc.is_err() {
        steps.skip("the snapshots of the API in docs/api, because there is no nightly toolchain (rustup toolchain install nightly)");
        return Ok(());
    }
    let path = tools::built(PUBLIC_API)?;
    let members = Metadata::members()?;
    // A provider crate has the API that the macros give it.
    let packages = members.iter().filter(|package| package.is_published() && !package.is_vendor());
    for package in packages {
        let mut list = cargo();
        list.args(["public-api", "-sss", "--package", &package.name, "--features", &features(package)]);
        list.env("PATH", &path);
        let name = workspace::shown(&list);
        steps.step(&name, || compare(package, &workspace::output(&mut list)?, update))?;
    }
    Ok(())
}

fn compare(package: &Package, api: &str, update: bool) -> Result<()> {
    let file = workspace::root().join("docs/api").join(format!("{}.txt", package.name));
    if update {
        fs::create_dir_all(file.parent().unwrap_or(&file))?;
        return fs::write(&file, api).with_context(|| workspace::short(&file));
    }
    let known = workspace::read(&file).context("`cargo xtask nightly --update-api` writes the snapshots")?;
    let changes = changes(&known, api);
    ensure!(
        changes.is_empty(),
        "the API differs from {}:\n{}\nIf that is right, `cargo xtask nightly --update-api` writes the snapshots anew.",
        workspace::short(&file),
        changes.join("\n")
    );
    Ok(())
}

/// The lines that only one of two texts has, those of the old one first.
fn changes(old: &str, new: &str) -> Vec<String> {
    let only = |of: &str, not_in: &str, sign: char| -> Vec<String> {
        of.lines()
            .filter(|line| !not_in.lines().any(|other| other == *line))
            .map(|line| format!("{sign} {line}"))
            .collect()
    };
    [only(old, new, '-'), only(new, old, '+')].concat()
}

/// The features that need nothing of the system.
fn features(package: &Package) -> String {
    let features = package.features.keys().map(|feature| &**feature);
    features.filter(|feature| ![NATIVE_TLS, ENCRYPTION, FIPS].contains(feature)).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::changes;

    #[test]
    fn what_changed_in_an_api_is_named() {
        assert!(changes("a\nb\n", "b\na\n").is_empty());
        assert_eq!(changes("a\nb\n", "b\nc\n"), ["- a", "+ c"]);
    }
}
