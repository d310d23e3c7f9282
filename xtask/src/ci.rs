//! `cargo xtask ci`: everything that must hold on each change, what fails soonest first.

use std::{env, process::Command};

use anyhow::Result;

use crate::{
    budgets, generate, package, release_check, site,
    steps::Steps,
    system, test, tidy,
    tools::{self, Tools},
    wasm,
    workspace::{self, Metadata, Package, cargo},
};

pub(crate) fn run() -> Result<()> {
    let mut steps = Steps::new();
    components()?;

    steps.cargo(&["fmt", "--all", "--check"])?;
    let tools = match tools::ready() {
        Ok(tools) => Some(tools),
        // Where nobody reads what was left out, it must not be left out.
        Err(error) if env::var_os("CI").is_some() => return Err(error),
        Err(error) => {
            steps.skip(format!(
                "spelling, the form of TOML files, licences, and each feature alone: {error:#}"
            ));
            None
        }
    };
    if let Some(tools) = &tools {
        steps.run(tools.command("typos", &["--format=brief"]))?;
        steps.run(tools.command("taplo", &["fmt", "--check"]))?;
    }
    steps.xtask("generate --check", generate::check)?;
    steps.xtask("tidy", tidy::run)?;
    steps.xtask("site", site::check)?;
    steps.xtask("release-check --offline", release_check::without_registry)?;
    if let Some(tools) = &tools {
        steps.run(tools.cargo(&["deny", "check", "bans", "licenses", "sources"]))?;
    }

    let members = Metadata::members()?;
    let everything = everything(&members);
    let clippy = ["clippy", "--workspace", "--all-targets", "--features", &everything];
    steps.cargo(&[&clippy[..], DENY_WARNINGS].concat())?;
    features(&mut steps, tools.as_ref(), &members)?;
    wasm::check(&mut steps)?;
    let mut doc = vec!["doc", "--workspace", "--no-deps", "--features", &everything];
    // Nobody reads the pages of what is not published.
    doc.extend(members.iter().filter(|of| !of.is_published()).flat_map(|of| ["--exclude", &*of.name]));
    steps.cargo_denying_warnings(&doc)?;

    steps.xtask("test", || test::run(&[]))?;
    // The rest of `cargo xtask budgets` is among the tests.
    steps.step("cargo xtask budgets, packages", budgets::count_packages)?;
    steps.xtask("package", package::without_most_vendors)?;

    steps.finish();
    Ok(())
}

const DENY_WARNINGS: &[&str] = &["--", "--deny=warnings"];

/// The features that need a library of the system: that of oauth-core and oauth-reqwest, and oauth-openid's.
pub(crate) const NATIVE_TLS: &str = "native-tls";
pub(crate) const ENCRYPTION: &str = "encryption";
/// The feature that needs Go and CMake, and minutes; `cargo xtask nightly` tests it.
pub(crate) const FIPS: &str = "fips";
/// Chooses the library that does the cryptography, where the default features do not.
pub(crate) const CRYPTOGRAPHY: &str = "oauth-core/ring";

/// Each feature must compile without the others: in the steps before, those of all packages are on together.
fn features(steps: &mut Steps, tools: Option<&Tools>, members: &[Package]) -> Result<()> {
    let has_tls_library = system::has_tls_library()?;
    let has_openssl = system::has_openssl()?;
    if !has_tls_library {
        steps.skip(without_headers("oauth-core and oauth-reqwest", NATIVE_TLS));
    }
    if !has_openssl {
        steps.skip(without_headers("oauth-openid", ENCRYPTION));
    }
    if let Some(tools) = tools {
        let packages = members.iter().filter(|package| OF_MANY_FEATURES.contains(&&*package.name));
        steps.run(each_feature(tools, packages)?)?;
    }
    let sets = [
        "",
        "github",
        "tokens",
        "fetch",
        "hyper",
        "reqwest",
        "all",
        "google axum sqlite",
        "native mcp",
        // Each alone: in the sets above, one brings the others.
        "native-sign-in",
        "native-browser",
        "native-tokens",
        "native-keyring",
        "native-qr",
        "web web-openid web-signals",
    ];
    for feature in sets {
        let features = format!("{CRYPTOGRAPHY} {feature}");
        let clippy =
            ["clippy", "--package", "oauth-clients", "--no-default-features", "--features", &features];
        steps.cargo(&[&clippy, DENY_WARNINGS].concat())?;
    }
    // The other library, with the golden files that both must open.
    steps.cargo(&[
        "test",
        "--package=oauth-core",
        "--lib",
        "--no-default-features",
        "--features=aws-lc-rs",
        "--",
        "crypto",
        "sealer",
    ])?;
    // The third, which is the only one on WebAssembly. Its debug build is slow, and what is mutated at length above is not the library.
    steps.cargo(&[
        "test",
        "--package=oauth-core",
        "--lib",
        "--no-default-features",
        "--features=rust-crypto",
        "--",
        "crypto",
        "sealer::tests::aes",
        "sealer::tests::what",
    ])?;
    if has_openssl {
        let of_encryption =
            ["--package", "oauth-openid", "--package", "oauth-fapi", "--features", ENCRYPTION];
        steps.cargo(&[&["clippy", "--all-targets"], &of_encryption[..], DENY_WARNINGS].concat())?;
        steps.cargo_denying_warnings(&[&["doc", "--no-deps"], &of_encryption[..]].concat())?;
    }
    Ok(())
}

/// The packages whose features change most of their own code. `cargo xtask nightly` compiles each feature of the others.
const OF_MANY_FEATURES: [&str; 9] = [
    "oauth-bff",
    "oauth-fapi",
    "oauth-mcp",
    "oauth-native",
    "oauth-openid",
    "oauth-reqwest",
    "oauth-store-sqlx",
    "oauth-tokens",
    "oauth-web",
];

/// What compiles each feature of packages without the others.
pub(crate) fn each_feature<'p>(
    tools: &Tools,
    packages: impl Iterator<Item = &'p Package>,
) -> Result<Command> {
    let mut excluded = vec!["default", FIPS];
    excluded.extend((!system::has_tls_library()?).then_some(NATIVE_TLS));
    excluded.extend((!system::has_openssl()?).then_some(ENCRYPTION));
    let excluded = excluded.join(",");
    let mut each = vec![
        "hack",
        "clippy",
        "--each-feature",
        "--exclude-all-features",
        "--exclude-features",
        &excluded,
        "--features",
        CRYPTOGRAPHY,
    ];
    each.extend(packages.flat_map(|package| ["--package", &*package.name]));
    Ok(tools.cargo(&[&each, DENY_WARNINGS].concat()))
}

/// Whether it has features of its own, and takes those of oauth-core. A provider crate has none, and the tool's cryptography is the facade's.
pub(crate) fn has_features(package: &Package) -> bool {
    let has_core = package.dependencies.iter().any(|of| of.name == "oauth-core");
    package.is_published() && !package.is_vendor() && has_core
}

fn without_headers(package: &str, feature: &str) -> String {
    format!(
        "the feature {feature} of {package}, because the headers of OpenSSL are missing \
         (Debian: apt-get install libssl-dev pkg-config)"
    )
}

/// All features that need nothing of the system, which is what users and documentation see.
fn everything(members: &[Package]) -> String {
    let with_tls = members.iter().filter(|package| package.features.contains_key(NATIVE_TLS));
    let of_tls = with_tls.flat_map(|package| {
        let features = package.features.keys();
        let features = features.filter(|&feature| !["default", NATIVE_TLS, FIPS].contains(&&**feature));
        features.map(|feature| format!("{}/{feature}", package.name))
    });
    let others = [
        "oauth-web-axum/metrics",
        "oauth-web-axum/openid",
        "oauth-clients/actix-web",
        "oauth-clients/all",
        "oauth-clients/axum",
        "oauth-clients/emulator",
        "oauth-clients/fetch",
        "oauth-clients/mcp",
        "oauth-clients/mysql",
        "oauth-clients/native",
        "oauth-clients/poem",
        "oauth-clients/postgres",
        "oauth-clients/redis",
        "oauth-clients/rocket",
        "oauth-clients/salvo",
        "oauth-clients/sqlite",
        "oauth-clients/tower",
        "oauth-clients/web-openid",
        "oauth-clients/web-signals",
        "oauth-clients/hyper",
        "oauth-clients/reqwest-middleware",
        "oauth-core/metrics",
        "oauth-tokens/metrics",
        "oauth-tokens/tracing",
    ];
    others.map(str::to_owned).into_iter().chain(of_tls).collect::<Vec<_>>().join(",")
}

/// The components of the toolchain that a minimal one lacks.
fn components() -> Result<()> {
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
