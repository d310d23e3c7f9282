//! The official conformance suite, in its stable version and in the newest, against the example `mcp-conformance`.
//!
//! `cargo xtask test` installs the suite and builds the example. Both are looked for where it puts them.

use std::{
    collections::BTreeMap,
    env,
    path::{Path, PathBuf},
};

use tokio::process::Command;

/// Where the suite's packages are.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/mcp-conformance");

/// The client, which Cargo builds with the tests of its package or by name.
fn client() -> PathBuf {
    let tests = env::current_exe().unwrap();
    let folder = tests.parent().and_then(Path::parent).unwrap();
    let built = folder.join("examples").join(format!("mcp-conformance{}", env::consts::EXE_SUFFIX));
    assert!(
        built.exists(),
        "{} is missing: cargo build -p oauth-mcp --example mcp-conformance",
        built.display()
    );
    built
}

/// Runs the suite, and returns all that it says.
async fn output_of(package: &str, arguments: &[&str]) -> String {
    let own = Path::new(FOLDER).join("node_modules/.bin");
    let mut path = vec![own];
    path.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
    let output = Command::new("node")
        .arg(Path::new(FOLDER).join("node_modules").join(package).join("dist/index.js"))
        .arg("client")
        .arg("--command")
        .arg(client())
        .args(arguments)
        .env("PATH", env::join_paths(path).unwrap())
        .env("NO_PROXY", "localhost,127.0.0.1")
        .current_dir(env::temp_dir())
        .output()
        .await
        .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Runs many scenarios, and says of each whether it passed.
async fn run(package: &str, arguments: &[&str]) -> BTreeMap<String, bool> {
    let text = output_of(package, arguments).await;
    let summary =
        text.split("=== SUITE SUMMARY ===").nth(1).unwrap_or_else(|| panic!("no summary; npm ci?\n{text}"));
    let summary = summary.split("Total:").next().unwrap();
    let results = summary.lines().filter_map(|line| {
        let line = line.trim();
        let (mark, rest) = line.split_at_checked(line.chars().next()?.len_utf8())?;
        // A warning is a SHOULD that was not done.
        Some((rest.trim().split(':').next()?.to_owned(), mark == "✓"))
    });
    let results: BTreeMap<_, _> = results.filter(|(name, _)| name.starts_with("auth/")).collect();
    assert!(results.len() > 10, "{text}");
    results
}

fn failing(results: &BTreeMap<String, bool>) -> Vec<&str> {
    results.iter().filter(|(_, passed)| !**passed).map(|(name, _)| &**name).collect()
}

/// What is beside the required scenarios of a revision: the extensions.
const EXTENSIONS: [&str; 6] = [
    "auth/client-credentials-basic",
    "auth/client-credentials-jwt",
    "auth/dpop",
    "auth/dpop-nonce",
    "auth/enterprise-managed-authorization",
    "auth/wif-jwt-bearer",
];

#[tokio::test]
async fn the_suite_of_2026_07_28_is_passed() {
    let results = run("conformance", &["--requirements", "2026-07-28"]).await;
    assert_eq!(results.len(), 31, "{results:?}");
    assert!(EXTENSIONS.iter().all(|scenario| results.contains_key(*scenario)), "{results:?}");
    assert_eq!(failing(&results), [""; 0]);
}

#[tokio::test]
async fn the_suite_of_2025_11_25_is_passed() {
    let results = run("conformance", &["--requirements", "2025-11-25"]).await;
    assert_eq!(results.len(), 20, "{results:?}");
    assert!(EXTENSIONS.iter().all(|scenario| results.contains_key(*scenario)), "{results:?}");
    assert_eq!(failing(&results), [""; 0]);
}

#[tokio::test]
async fn the_stable_suite_is_passed() {
    let results = run("conformance-stable", &["--suite", "auth"]).await;
    assert_eq!(results.len(), 14, "{results:?}");
    assert_eq!(failing(&results), [""; 0]);
}

#[tokio::test]
async fn the_scenarios_outside_the_lists_are_passed() {
    for (package, scenario) in [
        ("conformance", "auth/2025-03-26-oauth-metadata-backcompat"),
        ("conformance", "auth/2025-03-26-oauth-endpoint-fallback"),
        ("conformance-stable", "auth/2025-03-26-oauth-endpoint-fallback"),
        ("conformance-stable", "auth/resource-mismatch"),
        ("conformance-stable", "auth/offline-access-scope"),
        ("conformance-stable", "auth/offline-access-not-supported"),
        ("conformance-stable", "auth/client-credentials-jwt"),
        ("conformance-stable", "auth/client-credentials-basic"),
        ("conformance-stable", "auth/cross-app-access-complete-flow"),
    ] {
        let text = output_of(package, &["--scenario", scenario]).await;
        assert!(text.contains("OVERALL: PASSED"), "{package} {scenario}:\n{text}");
    }
}

/// The stable suite puts metadata at the root whose issuer has a path (mended in the newest): RFC 8414 section 3.3 has a client refuse it.
#[tokio::test]
async fn the_known_defect_of_the_stable_suite_is_there() {
    let scenario = "auth/2025-03-26-oauth-metadata-backcompat";
    let text = output_of("conformance-stable", &["--scenario", scenario]).await;
    assert!(text.contains("OVERALL: FAILED") && text.contains("is that of"), "{text}");
}
