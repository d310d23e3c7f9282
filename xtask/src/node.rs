//! Node.js and the packages of tests/oidc-provider, tests/mcp-conformance and tests/token-replies, which the tests need.

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Result, bail};

use crate::{
    system,
    workspace::{self, Metadata},
};

/// What the `oidc-provider` package asks for.
const OLDEST: u32 = 20;

/// How the tests find Node.js.
pub(crate) struct Node {
    /// The `PATH` to run them with, where it must differ from this process's.
    pub(crate) path: Option<OsString>,
}

/// Installs what is missing, and says so.
pub(crate) fn ready() -> Result<Node> {
    let node = found_or_installed()?;
    packages(&node)?;
    Ok(node)
}

pub(crate) fn found_or_installed() -> Result<Node> {
    let of_system = Node { path: None };
    let tools = Node { path: Some(with_tools()?) };
    let before = of_system.version();
    if before.is_some_and(|version| version >= OLDEST) && of_system.has_npm() {
        return Ok(of_system);
    }
    if tools.version().is_some_and(|version| version >= OLDEST) && tools.has_npm() {
        return Ok(tools);
    }
    match before {
        None => println!("Node.js is missing: the tests run an OpenID Provider with it."),
        Some(version) if version >= OLDEST => {
            println!("npm is missing: the tests install an OpenID Provider with it.")
        }
        Some(version) => println!("Node.js {version} is too old: the tests need {OLDEST} or newer."),
    }
    if !of_system.has_npm() {
        if !system::can_install() {
            bail!("{}", how_to_install());
        }
        system::install(&["nodejs", "npm"])?;
    }
    if of_system.version().is_some_and(|version| version >= OLDEST) {
        return Ok(of_system);
    }
    // The npm package `node` holds Node.js itself, so that the system's own can stay as old as it is.
    let tools_folder = tools_folder()?;
    fs::create_dir_all(&tools_folder)?;
    let mut npm = of_system.command("npm");
    npm.args(["install", "--no-audit", "--no-fund", "--no-save", "--prefix"])
        .arg(&tools_folder)
        .arg("node@22");
    system::step(&mut npm)?;
    match tools.version() {
        Some(version) if version >= OLDEST => Ok(tools),
        _ => bail!("{}", how_to_install()),
    }
}

/// Runs `npm ci` where the packages are not those of the lock file.
fn packages(node: &Node) -> Result<()> {
    for folder in ["tests/oidc-provider", "tests/mcp-conformance", "tests/token-replies/node"] {
        packages_of(node, &workspace::root().join(folder))?;
    }
    Ok(())
}

fn packages_of(node: &Node, folder: &Path) -> Result<()> {
    // npm writes this file at the end of an installation.
    let installed = modified(&folder.join("node_modules/.package-lock.json"));
    if installed.is_some() && installed >= modified(&folder.join("package-lock.json")) {
        return Ok(());
    }
    println!("installing the packages of {}", workspace::short(folder));
    let mut npm = node.command("npm");
    npm.args(["ci", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(folder);
    system::step(&mut npm)
}

fn modified(path: &Path) -> Option<std::time::SystemTime> {
    fs::metadata(path).ok()?.modified().ok()
}

impl Node {
    /// The major version, if there is one.
    fn version(&self) -> Option<u32> {
        major(&workspace::output(self.command("node").arg("--version")).ok()?)
    }

    fn has_npm(&self) -> bool {
        workspace::output(self.command("npm").arg("--version")).is_ok()
    }

    pub(crate) fn command(&self, program: &str) -> Command {
        // On Windows npm is a script, which the shell finds.
        let mut command = match cfg!(windows) && program == "npm" {
            true => Command::new("npm.cmd"),
            false => Command::new(program),
        };
        if let Some(path) = &self.path {
            command.env("PATH", path);
        }
        command
    }
}

/// `v20.11.1` is 20.
fn major(version: &str) -> Option<u32> {
    version.trim().strip_prefix('v')?.split('.').next()?.parse().ok()
}

fn tools_folder() -> Result<PathBuf> {
    Ok(Metadata::target_directory()?.join("tools"))
}

fn with_tools() -> Result<OsString> {
    let mut folders = vec![tools_folder()?.join("node_modules/.bin")];
    folders.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
    Ok(env::join_paths(folders)?)
}

fn how_to_install() -> String {
    format!(
        "the tests need Node.js {OLDEST} or newer, with npm. Install them, then run the command again:
  Debian, Ubuntu:  sudo apt-get install nodejs npm   (if that is too old, npm fetches a newer Node.js by itself)
  Fedora:          sudo dnf install nodejs npm
  macOS:           brew install node
  all others:      https://nodejs.org/en/download"
    )
}

#[cfg(test)]
mod tests {
    use super::major;

    #[test]
    fn versions() {
        assert_eq!(major("v20.11.1\n"), Some(20));
        assert_eq!(major("v8.0.0"), Some(8));
        assert_eq!(major("20"), None);
        assert_eq!(major(""), None);
    }
}
