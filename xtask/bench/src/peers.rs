//! Peers that run as processes of their own, installed by their own package managers into the target folder, and left out where that
//! fails. The page says so.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};

use crate::world::World;

pub struct Peer {
    pub name: String,
    pub program: PathBuf,
    pub arguments: Vec<PathBuf>,
    pub folder: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    HttpxOauth,
    OpenidClient,
    RullstConnect,
}

const HTTPX_OAUTH: &str = "0.17.0";
const OPENID_CLIENT: &str = "6";

/// The peer, if it could be installed.
pub fn ready(which: Which, world: &mut World) -> Option<Peer> {
    let (peers, scratch) = (world.repository.join("xtask/bench/peers"), &world.scratch);
    let (name, peer) = match which {
        Which::HttpxOauth => ("httpx-oauth", httpx_oauth(&peers, &scratch.join("python"))),
        Which::OpenidClient => ("openid-client", openid_client(&peers, &scratch.join("node"))),
        Which::RullstConnect => {
            ("rullst-connect", rullst_connect(&peers.join("rullst-connect"), &scratch.join("rullst-connect")))
        }
    };
    match peer {
        Ok(peer) => Some(peer),
        Err(error) => {
            eprintln!("  {name} is left out: {error:#}");
            world.left_out.insert(name.to_owned(), format!("{error:#}"));
            None
        }
    }
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

/// One of Rust, which is a process of its own because its dependencies switch features on that all others would get too.
fn rullst_connect(package: &Path, folder: &Path) -> Result<Peer> {
    run(Command::new("cargo")
        .args(["build", "--quiet", "--release", "--locked", "--manifest-path"])
        .arg(package.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(folder))?;
    let lock = fs::read_to_string(package.join("Cargo.lock"))?;
    Ok(Peer {
        name: format!("rullst-connect {}", crate::versions(&lock, "rullst-connect").join(" and ")),
        program: folder.join("release/peer-rullst-connect"),
        arguments: Vec::new(),
        folder: folder.to_owned(),
    })
}

fn run(command: &mut Command) -> Result<String> {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default().display().to_string();
    let output = command.output().with_context(|| format!("cannot start {program}"))?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let last = said.trim().lines().last().unwrap_or_default();
    ensure!(output.status.success(), "{program} failed: {last}");
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
