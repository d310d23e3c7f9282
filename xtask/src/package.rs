//! `cargo xtask package`: each published crate must build from what would be uploaded.
//!
//! Cargo's own verification unpacks internal dependencies where it keeps those of the registry, and does not look again
//! when they have changed under the same version. So the packages are unpacked and checked here.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use crate::workspace::{self, Metadata, Package, cargo};

/// A sign-in whose tokens are kept in a database.
const SET_UP: &str = include_str!("../templates/set_up.rs.in");

/// The providers' packages that are built on each change, by features of the facade.
const VENDORS: [&str; 2] = ["github", "google"];

/// Builds all of them.
pub(crate) fn run() -> Result<()> {
    build(&["all"], |_| true)
}

/// Builds those that are not of one provider alone, and a few of these, which are all packaged alike.
pub(crate) fn without_most_vendors() -> Result<()> {
    let is_one = |package: &Package| VENDORS.iter().any(|vendor| package.name == format!("oauth-{vendor}"));
    build(&VENDORS, |package| !package.is_vendor() || is_one(package))
}

fn build(features: &[&str], is_built: impl Fn(&Package) -> bool) -> Result<()> {
    let target = Metadata::target_directory()?;
    let members = Metadata::members()?;
    let published = published(&members);
    let folder = unpacked(&members, &target)?;
    let patches = patches(&published, "");
    let built: Vec<_> = published.iter().filter(|package| is_built(package)).collect();
    let folders: String = built.iter().map(|package| format!("    \"{}\",\n", versioned(package))).collect();
    let manifest = format!("[workspace]\nresolver = \"3\"\nmembers = [\n{folders}]\n\n{patches}");
    fs::write(folder.join("Cargo.toml"), manifest)?;
    // The same versions of everything else.
    fs::copy(workspace::root().join("Cargo.lock"), folder.join("Cargo.lock"))?;
    check(&folder, &target, features)?;
    println!("{} packages build from what would be uploaded.", built.len());
    Ok(())
}

/// Builds an application that knows the packages alone, from the one command that the documentation promises to be enough.
pub(crate) fn set_up() -> Result<()> {
    let target = Metadata::target_directory()?;
    let members = Metadata::members()?;
    let folder = unpacked(&members, &target)?;
    let site = folder.join("my-site");
    fs::create_dir_all(site.join("src"))?;
    let patches = patches(&published(&members), "../");
    let manifest = format!(
        "[package]\nname = \"my-site\"\nedition = \"2024\"\n\n[workspace]\n\n{patches}\n[dependencies]\n"
    );
    fs::write(site.join("Cargo.toml"), manifest)?;
    fs::write(site.join("src/main.rs"), SET_UP)?;
    fs::copy(workspace::root().join("Cargo.lock"), site.join("Cargo.lock"))?;
    let facade =
        members.iter().find(|package| package.name == "oauth-clients").context("there is no facade")?;
    let path = format!("../{}", versioned(facade));
    for line in [
        vec!["add", "--quiet", "--path", &path, "--features", "google,axum,sqlite"],
        vec!["add", "--quiet", "axum"],
        vec!["add", "--quiet", "tokio", "--features", "macros,net,rt-multi-thread"],
        vec!["check", "--quiet"],
    ] {
        let mut command = cargo();
        command.args(line).current_dir(&site).env("CARGO_TARGET_DIR", &target);
        workspace::run(&mut command)?;
    }
    println!("An application builds after `cargo add oauth-clients --features google,axum,sqlite`.");
    Ok(())
}

fn published(members: &[Package]) -> Vec<&Package> {
    members.iter().filter(|package| package.is_published()).collect()
}

/// A folder with everything that would be uploaded.
fn unpacked(members: &[Package], target: &Path) -> Result<PathBuf> {
    write(members, target)?;
    let folder = target.join("package-check");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    for package in published(members) {
        unpack(&target.join("package").join(archive_of(package)), &folder)?;
    }
    Ok(folder)
}

/// Packages each published crate, into the folder `package` of a target directory.
pub(crate) fn write(members: &[Package], target: &Path) -> Result<()> {
    let mut package = cargo();
    package.args(["package", "--quiet", "--workspace", "--allow-dirty", "--no-verify", "--exclude-lockfile"]);
    package.arg("--target-dir").arg(target);
    let unpublished = members.iter().filter(|package| !package.is_published());
    package.args(unpublished.flat_map(|package| ["--exclude", &package.name]));
    workspace::run(&mut package)
}

/// The name of what would be uploaded.
pub(crate) fn archive_of(package: &Package) -> String {
    format!("{}.crate", versioned(package))
}

fn unpack(archive: &Path, folder: &Path) -> Result<()> {
    // `m`: Cargo gives all files of a package the same date of long ago, by which it would later take them for unchanged.
    let mut tar = Command::new("tar");
    tar.arg("-xzmf").arg(archive).arg("-C").arg(folder);
    workspace::run(&mut tar).context("a package cannot be unpacked")
}

/// With these lines, the packages find each other instead of the registry's.
fn patches(packages: &[&Package], folder: &str) -> String {
    let patch =
        |package: &&Package| format!("{} = {{ path = \"{folder}{}\" }}\n", package.name, versioned(package));
    let patches: String = packages.iter().map(patch).collect();
    format!("[patch.crates-io]\n{patches}")
}

fn check(folder: &Path, target: &PathBuf, features: &[&str]) -> Result<()> {
    let mut check = cargo();
    let features: Vec<_> = features.iter().map(|feature| format!("oauth-clients/{feature}")).collect();
    check.args(["check", "--quiet", "--workspace", "--features", &features.join(","), "--manifest-path"]);
    check.arg(folder.join("Cargo.toml")).arg("--target-dir").arg(target);
    workspace::run(&mut check)
}

fn versioned(package: &Package) -> String {
    format!("{}-{}", package.name, package.version)
}
