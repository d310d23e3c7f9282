//! Peers in other languages, installed by their own package managers into the target folder, and left out where that fails.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Result, ensure};

pub struct Peer {
    pub name: String,
    pub program: PathBuf,
    pub arguments: Vec<PathBuf>,
    pub folder: PathBuf,
}

const HTTPX_OAUTH: &str = "0.17.0";
const OPENID_CLIENT: &str = "6";

/// Those that could be installed.
pub fn ready(repository: &Path, scratch: &Path) -> Vec<Peer> {
    let scripts = repository.join("xtask/bench/peers");
    let mut ready = Vec::new();
    for (name, peer) in [
        ("httpx-oauth", httpx_oauth(&scripts, &scratch.join("python"))),
        ("openid-client", openid_client(&scripts, &scratch.join("node"))),
    ] {
        match peer {
            Ok(peer) => ready.push(peer),
            Err(error) => eprintln!("  {name} is left out: {error:#}"),
        }
    }
    ready
}

fn httpx_oauth(scripts: &Path, folder: &Path) -> Result<Peer> {
    let python = folder.join("bin/python");
    if !python.exists() {
        run(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
    }
    if run(Command::new(&python).args(["-c", "import httpx_oauth"])).is_err() {
        let package = format!("httpx-oauth=={HTTPX_OAUTH}");
        run(Command::new(&python).args(["-m", "pip", "install", "--quiet", &package]))?;
    }
    let version =
        run(Command::new(&python).args(["-c", "import platform; print(platform.python_version())"]))?;
    Ok(Peer {
        name: format!("httpx-oauth {HTTPX_OAUTH} (Python {})", version.trim()),
        program: python,
        arguments: vec![scripts.join("httpx_oauth_exchange.py")],
        folder: folder.to_owned(),
    })
}

fn openid_client(scripts: &Path, folder: &Path) -> Result<Peer> {
    fs::create_dir_all(folder)?;
    let package = folder.join("node_modules/openid-client/package.json");
    if !package.exists() {
        let wanted = format!("openid-client@{OPENID_CLIENT}");
        run(Command::new("npm")
            .args(["install", "--no-audit", "--no-fund", "--loglevel=error", "--prefix"])
            .arg(folder)
            .arg(wanted))?;
    }
    let package: serde_json::Value = serde_json::from_slice(&fs::read(package)?)?;
    let node = run(Command::new("node").arg("--version"))?;
    // Node.js looks for packages beside the script.
    let script = folder.join("openid_client_exchange.mjs");
    fs::copy(scripts.join("openid_client_exchange.mjs"), &script)?;
    fs::copy(scripts.join("openid_client_cold.mjs"), folder.join("openid_client_cold.mjs"))?;
    Ok(Peer {
        name: format!(
            "openid-client {} (Node.js {})",
            package["version"].as_str().unwrap_or("?"),
            node.trim().trim_start_matches('v')
        ),
        program: "node".into(),
        arguments: vec![script],
        folder: folder.to_owned(),
    })
}

fn run(command: &mut Command) -> Result<String> {
    let output = command.output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(
        output.status.success(),
        "{} failed: {}",
        command.get_program().to_string_lossy(),
        said.trim().lines().last().unwrap_or_default()
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
