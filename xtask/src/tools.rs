//! The kept tools of `tools.txt`: where they are, and how they get there.

use std::{env, ffi::OsString, fs, path::PathBuf, process::Command};

use anyhow::{Context, Result, ensure};

use crate::{
    system,
    workspace::{self, Metadata, cargo},
};

/// The tools and their versions, as pip reads them.
const REQUIREMENTS: &str = "xtask/tools.txt";

/// The tools, installed.
pub(crate) struct Tools {
    /// The `PATH` that has them first.
    path: OsString,
}

/// Installs what is missing, and says so. An error says that the tools cannot be had here, and why.
pub(crate) fn ready() -> Result<Tools> {
    let folder = Metadata::target_directory()?.join("tools/python");
    let requirements = workspace::read(&workspace::root().join(REQUIREMENTS))?;
    // Written at the end of an installation.
    let installed = folder.join("installed.txt");
    if fs::read_to_string(&installed).ok().as_ref() != Some(&requirements) {
        println!("installing the tools of {REQUIREMENTS}");
        install(&folder).context(HOW_TO_INSTALL)?;
        fs::write(&installed, &requirements)?;
    }
    let mut folders = vec![programs(&folder)];
    folders.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
    Ok(Tools { path: env::join_paths(folders)? })
}

fn install(folder: &PathBuf) -> Result<()> {
    let environment = || {
        let python = if cfg!(windows) { "python" } else { "python3" };
        let mut command = Command::new(python);
        command.args(["-m", "venv", "--clear"]).arg(folder);
        workspace::output(&mut command)
    };
    if environment().is_err() {
        ensure!(system::can_install(), "Python 3 with its module venv is missing");
        system::install(&["python3", "python3-venv"])?;
        environment()?;
    }
    let mut pip = Command::new(programs(folder).join("pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check", "--only-binary=:all:", "--requirement"]);
    pip.arg(workspace::root().join(REQUIREMENTS));
    system::step(&mut pip)
}

/// Where an environment of Python's keeps its programs.
fn programs(folder: &std::path::Path) -> PathBuf {
    folder.join(if cfg!(windows) { "Scripts" } else { "bin" })
}

const HOW_TO_INSTALL: &str = "\
the tools of xtask/tools.txt cannot be installed; they need Python 3.9 or newer with its module venv, and pip a network:
  Debian, Ubuntu:  sudo apt-get install python3 python3-venv
  all others:      their Python has it";

impl Tools {
    /// One of the tools, in the repository's folder.
    pub(crate) fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(workspace::root()).env("PATH", &self.path);
        command
    }

    /// Cargo with the tools as its subcommands.
    pub(crate) fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = cargo();
        command.args(arguments).env("PATH", &self.path);
        command
    }
}

/// The `PATH` with a tool that Cargo has built, now or before.
pub(crate) fn built((package, version): (&str, &str)) -> Result<OsString> {
    let folder = Metadata::target_directory()?.join("tools/cargo");
    let program: PathBuf = folder.join("bin").join(package);
    // Some tell it only where they are called as Cargo does it.
    let subcommand = package.trim_start_matches("cargo-");
    let is_there = [&["--version"][..], &[subcommand, "--version"]].iter().any(|arguments| {
        workspace::output(Command::new(&program).args(*arguments))
            .is_ok_and(|said| said.split_whitespace().any(|word| word == version))
    });
    if !is_there {
        println!("installing {package} {version}, which takes minutes");
        let mut install = cargo();
        install.args(["install", "--quiet", "--locked", "--force", package, "--version", version, "--root"]);
        install.arg(&folder);
        system::step(&mut install)?;
    }
    let mut folders = vec![folder.join("bin")];
    folders.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
    Ok(env::join_paths(folders)?)
}
