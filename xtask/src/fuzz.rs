//! `cargo xtask fuzz`: the fuzz targets of `tests/fuzz`, by cargo-fuzz and the nightly toolchain.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};
use toml::{Table, Value};

use crate::{
    steps::Steps,
    system, tools,
    workspace::{self, Metadata},
};

const PROGRAM: (&str, &str) = ("cargo-fuzz", "0.13.2");

/// What each target has on each night.
const NIGHTLY_SECONDS: u64 = 20;

/// The longest input; libFuzzer begins with short ones.
const MOST_BYTES: &str = "-max_len=16384";
/// An input that takes longer is a finding.
const TIMEOUT: &str = "-timeout=20";

/// Runs each target, or those that are named, for so many minutes.
pub(crate) fn run(minutes: u64, names: &[String]) -> Result<()> {
    ensure!(has_toolchain(), "fuzzing takes the nightly toolchain: rustup toolchain install nightly");
    let targets = targets()?;
    if let Some(unknown) = names.iter().find(|name| !targets.contains(name)) {
        bail!("there is no fuzz target {unknown}; there are {}", targets.join(", "));
    }
    let folder = Metadata::target_directory()?.join("fuzz");
    for target in targets.iter().filter(|target| names.is_empty() || names.contains(target)) {
        println!("\n=== {target}");
        match may_be_built(target)? {
            true => search(&folder, target, minutes.saturating_mul(60))?,
            false => println!("left out: {NEEDS_OPENSSL}"),
        }
    }
    Ok(())
}

/// Runs each target for seconds, where there is a nightly toolchain.
pub(crate) fn nightly(steps: &mut Steps) -> Result<()> {
    if !has_toolchain() {
        steps.skip(
            "the fuzz targets, because there is no nightly toolchain (rustup toolchain install nightly)",
        );
        return Ok(());
    }
    let folder = Metadata::target_directory()?.join("fuzz");
    for target in targets()? {
        if !may_be_built(&target)? {
            steps.skip(format!("the fuzz target {target}: {NEEDS_OPENSSL}"));
            continue;
        }
        steps.step(&format!("cargo xtask fuzz {target}"), || search(&folder, &target, NIGHTLY_SECONDS))?;
    }
    Ok(())
}

/// The target that is built with the feature `encryption`.
const OF_ENCRYPTION: &str = "decrypter";

const NEEDS_OPENSSL: &str = "the headers of OpenSSL are missing (Debian: libssl-dev and pkg-config)";

fn may_be_built(target: &str) -> Result<bool> {
    Ok(target != OF_ENCRYPTION || system::has_openssl()?)
}

pub(crate) fn has_toolchain() -> bool {
    workspace::output(Command::new("rustc").args(["+nightly", "--version"])).is_ok()
}

/// The names of the targets, as the manifest lists them.
fn targets() -> Result<Vec<String>> {
    let manifest: Table = workspace::read(&workspace::root().join("tests/fuzz/Cargo.toml"))?.parse()?;
    let bins =
        manifest.get("bin").and_then(Value::as_array).context("tests/fuzz/Cargo.toml has no [[bin]]")?;
    let name = |bin: &Value| bin.get("name")?.as_str().map(str::to_owned);
    Ok(bins.iter().filter_map(name).collect())
}

fn search(folder: &Path, target: &str, seconds: u64) -> Result<()> {
    let corpus = folder.join("corpus").join(target);
    let found = folder.join("found").join(target);
    let seeds = write_seeds(folder, target)?;
    for folder in [&corpus, &found] {
        fs::create_dir_all(folder)?;
    }
    let mut fuzz = Command::new("cargo");
    fuzz.current_dir(workspace::root()).env("PATH", tools::built(PROGRAM)?);
    // Its rustc is that of another toolchain.
    fuzz.env_remove("RUSTUP_TOOLCHAIN").env_remove("CARGO");
    // No crate of this repository has unsafe code, and without a sanitizer there are several times as many inputs in the same time.
    fuzz.args(["+nightly", "fuzz", "run", "--fuzz-dir=tests/fuzz", "--sanitizer=none", "--target-dir"]);
    fuzz.arg(folder.join("build"));
    if target == OF_ENCRYPTION {
        fuzz.arg("--features=encryption");
    }
    fuzz.arg(target).arg(corpus).args(seeds);
    let artifacts = format!("-artifact_prefix={}/", found.display());
    let time = format!("-max_total_time={seconds}");
    fuzz.args(["--", &*time, MOST_BYTES, TIMEOUT, "-verbosity=0", "-print_final_stats=1", &*artifacts]);
    workspace::run(&mut fuzz).with_context(|| {
        format!(
            "the input is in {}; once it is mended, keep it in tests/properties/crashes/{target}, which the tests replay",
            workspace::short(&found)
        )
    })
}

/// One file for each line of the seeds, and the folder of what once failed.
fn write_seeds(folder: &Path, target: &str) -> Result<Vec<PathBuf>> {
    let properties = workspace::root().join("tests/properties");
    let seeds = folder.join("seeds").join(target);
    fs::create_dir_all(&seeds)?;
    let lines = workspace::read(&properties.join(format!("corpus/{target}.txt")))?;
    for (number, line) in lines.lines().enumerate() {
        fs::write(seeds.join(number.to_string()), line)?;
    }
    let crashes = properties.join("crashes").join(target);
    Ok([seeds, crashes].into_iter().filter(|folder| folder.exists()).collect())
}
