//! Keycloak for its tests: its distribution, which Maven brings, and the Java that it runs on.

use std::{env, fs, path::PathBuf, process::Command};

use anyhow::{Context, Result};

use crate::{
    steps::Steps,
    system,
    workspace::{self, Metadata},
};

/// What the tests were written for. A newer one is tried by [`HOME`].
const VERSION: &str = "26.7.3";

/// By which the tests know where the distribution is. If it is set already, that one is used, and none is downloaded.
const HOME: &str = "OAUTH_TEST_KEYCLOAK_HOME";

/// Unpacks an artifact from the repository that Maven is set up for, which is Maven Central unless its settings say otherwise.
const UNPACK: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:unpack";

/// Runs the tests against Keycloak, where it can be had.
pub(crate) fn test(steps: &mut Steps) -> Result<()> {
    let Some(home) = home()? else {
        steps.skip(
            "Keycloak, because Java or Maven is missing (Debian: apt-get install openjdk-17-jre-headless maven); or name an unpacked \
             distribution by OAUTH_TEST_KEYCLOAK_HOME",
        );
        return Ok(());
    };
    let mut tests = workspace::cargo();
    tests.args(["test", "--package", "oauth-keycloak-tests", "--", "--ignored"]).env(HOME, home);
    steps.run(tests)
}

/// Where the distribution is, after it was downloaded if need be.
fn home() -> Result<Option<PathBuf>> {
    let has = |program: &str, argument: &str| workspace::output(Command::new(program).arg(argument)).is_ok();
    let has_java = || has("java", "-version");
    let has_maven = || has("mvn", "--version");
    let named = env::var_os(HOME).map(PathBuf::from);
    let tools = Metadata::target_directory()?.join("tools");
    let home = named.clone().unwrap_or_else(|| tools.join(format!("keycloak-{VERSION}")));
    let is_there = home.join("bin/kc.sh").is_file();
    if (!has_java() || !(is_there || has_maven())) && system::can_install() {
        system::install(&["openjdk-17-jre-headless", "maven"])?;
    }
    if !has_java() || !(is_there || has_maven()) {
        return Ok(None);
    }
    if is_there || named.is_some() {
        return Ok(Some(home));
    }
    println!("Keycloak {VERSION} is missing");
    fs::create_dir_all(&tools).with_context(|| format!("cannot make {}", tools.display()))?;
    let mut maven = Command::new("mvn");
    maven.args(["--batch-mode", "--quiet", UNPACK]).current_dir(&tools);
    maven.arg(format!("-Dartifact=org.keycloak:keycloak-quarkus-dist:{VERSION}:zip"));
    maven.arg(format!("-DoutputDirectory={}", tools.display()));
    system::step(&mut maven)?;
    Ok(Some(home))
}
