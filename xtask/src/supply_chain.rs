//! What users build, beside the code of this repository: a bill of materials, the lowest versions of dependencies, the oldest Rust, and packages
//! that come out the same twice.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result, ensure};
use toml::Table;

use crate::{
    package,
    steps::Steps,
    tools,
    workspace::{self, Metadata, Package},
};

/// The tool that writes bills of materials, by those who made the format.
const CYCLONEDX: (&str, &str) = ("cargo-cyclonedx", "0.5.9");

/// What it appends to the name of a package.
const SUFFIX: &str = ".cdx.json";

/// Which need a newer Rust than the rest, because sqlx does.
const DATABASES: &[&str] = &["oauth-store-sqlx"];

/// Writes what each published package is made of, as CycloneDX documents in `target/sbom`.
pub(crate) fn sbom() -> Result<()> {
    let folder = Metadata::target_directory()?.join("sbom");
    fs::create_dir_all(&folder)?;
    let path = tools::built(CYCLONEDX)?;
    let mut write = workspace::cargo();
    write.args(["cyclonedx", "--format", "json", "--all-features", "--quiet"]).env("PATH", path);
    workspace::run(&mut write)?;
    let mut count = 0;
    // It writes each beside the manifest, of packages that nobody gets too.
    for package in Metadata::members()? {
        let written = package.folder().join(format!("{}{SUFFIX}", package.name));
        if !written.exists() {
            continue;
        }
        if package.is_published() {
            let named = format!("{}-{}{SUFFIX}", package.name, package.version);
            fs::copy(&written, folder.join(named))?;
            count += 1;
        }
        fs::remove_file(&written)?;
    }
    let published = Metadata::members()?.iter().filter(|package| package.is_published()).count();
    ensure!(count == published, "{count} documents were written for {published} packages");
    println!("{count} bills of materials are in {}.", workspace::short(&folder));
    Ok(())
}

/// What takes builds of its own.
pub(crate) fn nightly(steps: &mut Steps) -> Result<()> {
    steps.xtask("sbom", sbom)?;
    steps.step("cargo package, twice", reproducible)?;
    lock_files(steps)?;
    oldest_rust(steps)?;
    lowest_versions(steps)
}

/// The lock files of the workspaces beside this one, which no build of each change reads: they must have what the manifests ask for.
fn lock_files(steps: &mut Steps) -> Result<()> {
    let mut list = Command::new("git");
    let found = workspace::output(list.args(["ls-files", "*/Cargo.lock"]).current_dir(workspace::root()))?;
    for lock in found.lines() {
        let manifest = Path::new(lock).with_file_name("Cargo.toml");
        let mut update = workspace::cargo();
        // It fetches no sources.
        update.args(["update", "--workspace", "--locked", "--quiet", "--manifest-path"]).arg(manifest);
        steps.run(update)?;
    }
    Ok(())
}

/// Packages each published crate twice, in different folders, and compares the archives.
fn reproducible() -> Result<()> {
    let target = Metadata::target_directory()?;
    let folders = ["package-once", "package-twice"].map(|name| target.join(name));
    let members = Metadata::members()?;
    for folder in &folders {
        package::write(&members, folder)?;
    }
    for package in members.iter().filter(|package| package.is_published()) {
        let archive = package::archive_of(package);
        let [one, other] = folders.each_ref().map(|folder| fs::read(folder.join("package").join(&archive)));
        let same = one.with_context(|| archive.clone())? == other.with_context(|| archive.clone())?;
        ensure!(same, "{archive} differs from one packaging to the next");
    }
    Ok(())
}

/// The published packages with the oldest Rust that they promise.
fn oldest_rust(steps: &mut Steps) -> Result<()> {
    let version = rust_version()?;
    if workspace::output(Command::new("rustc").args([&format!("+{version}"), "--version"])).is_err() {
        steps.skip(format!(
            "Rust {version}, the oldest that is supported, because it is not installed (rustup toolchain install {version})"
        ));
        return Ok(());
    }
    let members = Metadata::members()?;
    let mut check = with_toolchain(&version);
    check.arg("check").args(packages(&members)).arg("--target-dir");
    check.arg(Metadata::target_directory()?.join("oldest-rust"));
    steps.run(check)
}

/// The published packages with the lowest versions that the manifests allow, of what they depend on themselves.
fn lowest_versions(steps: &mut Steps) -> Result<()> {
    if workspace::output(Command::new("rustc").args(["+nightly", "--version"])).is_err() {
        steps.skip("the lowest versions of dependencies, because there is no nightly toolchain");
        return Ok(());
    }
    let folder = Metadata::target_directory()?.join("lowest-versions");
    fs::create_dir_all(&folder)?;
    let with_lock_file = |arguments: &[&str]| {
        let mut cargo = with_toolchain("nightly");
        cargo.args(arguments).env("CARGO_RESOLVER_LOCKFILE_PATH", folder.join("Cargo.lock"));
        cargo
    };
    steps.run(with_lock_file(&["generate-lockfile", "-Zdirect-minimal-versions"]))?;
    let members = Metadata::members()?;
    let mut check = with_lock_file(&["check", "--locked"]);
    check.args(packages(&members)).arg("--target-dir").arg(&folder);
    steps.run(check)
}

/// The packages that are for the workspace's oldest Rust, as arguments of Cargo.
fn packages(members: &[Package]) -> impl Iterator<Item = String> {
    let all = members.iter().filter(|one| one.is_published() && !DATABASES.contains(&&*one.name));
    all.map(|package| format!("--package={}", package.name))
}

/// Cargo of another toolchain than the one that runs this.
fn with_toolchain(name: &str) -> Command {
    let mut cargo = Command::new("cargo");
    cargo.arg(format!("+{name}")).current_dir(workspace::root());
    for name in ["CARGO", "RUSTUP_TOOLCHAIN", "CARGO_MANIFEST_DIR"] {
        cargo.env_remove(name);
    }
    cargo
}

fn rust_version() -> Result<String> {
    let manifest: Table = workspace::read(Path::new(&workspace::root().join("Cargo.toml")))?.parse()?;
    let version = manifest["workspace"]["package"]["rust-version"].as_str();
    Ok(version.context("there is no rust-version")?.to_owned())
}
