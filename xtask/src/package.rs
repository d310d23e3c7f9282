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

pub(crate) fn run() -> Result<()> {
    let target = Metadata::target_directory()?;
    let members = Metadata::members()?;
    let published: Vec<_> = members.iter().filter(|package| package.is_published()).collect();
    write(&members, &target)?;

    let folder = target.join("package-check");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    for package in &published {
        unpack(&target.join("package").join(archive_of(package)), &folder)?;
    }
    fs::write(folder.join("Cargo.toml"), manifest(&published))?;
    // The same versions of everything else.
    fs::copy(workspace::root().join("Cargo.lock"), folder.join("Cargo.lock"))?;
    check(&folder, &target)?;
    println!("{} packages build from what would be uploaded.", published.len());
    Ok(())
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

/// A workspace in which the packages find each other instead of the registry's.
fn manifest(packages: &[&Package]) -> String {
    let members: String =
        packages.iter().map(|package| format!("    \"{}\",\n", versioned(package))).collect();
    let patch = |package: &&Package| format!("{} = {{ path = \"{}\" }}\n", package.name, versioned(package));
    let patches: String = packages.iter().map(patch).collect();
    format!("[workspace]\nresolver = \"3\"\nmembers = [\n{members}]\n\n[patch.crates-io]\n{patches}")
}

fn check(folder: &Path, target: &PathBuf) -> Result<()> {
    let mut check = cargo();
    check.args(["check", "--quiet", "--workspace", "--features=oauth-clients/all", "--manifest-path"]);
    check.arg(folder.join("Cargo.toml")).arg("--target-dir").arg(target);
    workspace::run(&mut check)
}

fn versioned(package: &Package) -> String {
    format!("{}-{}", package.name, package.version)
}
