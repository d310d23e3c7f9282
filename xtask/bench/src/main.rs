//! Measures this library beside its peers and beside the floor. `cargo xtask bench` runs it.

mod jwt;
mod measure;
mod peers;
mod report;
mod rows;
mod server;
mod world;

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::{Result, bail};

use crate::{server::Server, world::World};

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", folder] => server::serve(Path::new(folder)),
        ["measure", repository, scratch, ref rest @ ..] => measure(repository.into(), scratch.into(), rest),
        _ => bail!("`cargo xtask bench` runs this"),
    }
}

fn measure(repository: PathBuf, scratch: PathBuf, arguments: &[&str]) -> Result<()> {
    let quick = arguments.contains(&"--quick");
    let wanted: Vec<&str> =
        arguments.iter().copied().filter(|argument| !argument.starts_with("--")).collect();
    if let Some(unknown) = wanted.iter().find(|name| !rows::ALL.iter().any(|(row, _)| row == *name)) {
        let known: Vec<_> = rows::ALL.iter().map(|(name, _)| *name).collect();
        bail!("there is no row {unknown}; there are {}", known.join(", "));
    }
    fs::create_dir_all(&scratch)?;
    let server = Server::start(&scratch)?;
    // SAFETY: no other thread runs yet. All clients, whatever they verify with, trust the authority of this run by it.
    unsafe { env::set_var("SSL_CERT_FILE", &server.hello.ca) };
    // `jsonwebtoken` and the clients that are not given a provider look for one of the process.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut world = World { server, quick, repository, scratch, left_out: BTreeMap::new() };

    let mut measured = Vec::new();
    for (name, row) in rows::ALL {
        if wanted.is_empty() || wanted.contains(name) {
            eprintln!("{name} …");
            measured.push(row(&mut world)?);
        }
    }
    // The page of the documentation is of one whole run; others must not overwrite parts of it.
    let whole = wanted.is_empty() && !quick;
    let folder = if whole { world.repository.join("docs") } else { world.scratch.clone() };
    let page = folder.join("benchmarks.md");
    report::write(&page, &folder.join("benchmarks"), &preface(&world, arguments)?, &measured)?;
    println!("{}", fs::read_to_string(&page)?);
    eprintln!("written to {}", page.display());
    Ok(())
}

/// What was measured where, with what, when and how.
fn preface(world: &World, arguments: &[&str]) -> Result<String> {
    let date = time::OffsetDateTime::now_utc().date();
    let mut command = String::from("cargo xtask bench");
    for argument in arguments {
        command.push(' ');
        command.push_str(argument);
    }
    let lock = fs::read_to_string(world.repository.join("xtask/bench/Cargo.lock"))?;
    let versions: Vec<String> =
        PACKAGES.iter().map(|name| format!("{name} {}", versions(&lock, name).join(" and "))).collect();
    let rustc = std::process::Command::new("rustc").arg("--version").output()?;
    let rustc = String::from_utf8_lossy(&rustc.stdout);
    let rustc = rustc.split(' ').nth(1).unwrap_or("?").to_owned();
    Ok(format!(
        "# Benchmarks\n\n\
         Written by `{command}` on {date}. Do not edit; run it again.\n\n\
         Each time is shown beside its ratio, because the time is this machine's and the ratio is nearly everybody's. All contenders \
         of a table run in one process (unless it says otherwise), by turns: one round of the first, one of the second, and so on, then \
         the next round begins with another. There are {rounds} rounds after one to warm up. What is shown is the median; behind a ratio \
         stand the quartiles. A ratio is taken round by round, so that what slows a whole round down cancels out. CPU is user and kernel \
         time of the process (`getrusage`). Release profile with Cargo's defaults.\n\n\
         | | |\n| --- | --- |\n\
         | machine | {cpu}, {cores} cores, {memory} of memory, {os} |\n\
         | load average at the end | {load} |\n\
         | Rust | {rustc} |\n\
         | packages | {packages} |\n\
         {left_out}\n\
         Blue is this library, grey a floor (the same work by hand), ochre a peer.\n",
        rounds = world.plan(1).rounds,
        cpu = cpu(),
        cores = std::thread::available_parallelism().map_or(0, usize::from),
        memory = memory(),
        os = os(),
        load = load(),
        packages = versions.join(", "),
        left_out = world
            .left_out
            .iter()
            .map(|(name, why)| format!("| left out | {name}: {why} |\n"))
            .collect::<String>(),
    ))
}

const PACKAGES: &[&str] = &[
    "oauth2",
    "openidconnect",
    "yup-oauth2",
    "jsonwebtoken",
    "cookie",
    "moka",
    "dashmap",
    "reqwest",
    "hyper",
    "hyper-util",
    "rustls",
    "ring",
    "aws-lc-rs",
    "serde_json",
    "tokio",
];

/// All versions of a package in a lock file.
fn versions<'l>(lock: &'l str, package: &str) -> Vec<&'l str> {
    let name = format!("name = \"{package}\"");
    let mut lines = lock.lines();
    let mut found = Vec::new();
    while lines.by_ref().any(|line| line == name) {
        found.extend(
            lines
                .next()
                .and_then(|line| line.strip_prefix("version = "))
                .map(|version| version.trim_matches('"')),
        );
    }
    found
}

fn line_of(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split([':', '=']).nth(1)?.trim().trim_matches('"').to_owned())
}

fn cpu() -> String {
    line_of("/proc/cpuinfo", "model name").unwrap_or_else(|| env::consts::ARCH.to_owned())
}

fn memory() -> String {
    let kilobytes =
        line_of("/proc/meminfo", "MemTotal").and_then(|text| text.split(' ').next()?.parse::<f64>().ok());
    kilobytes.map_or_else(|| "?".to_owned(), |kilobytes| format!("{:.0} GiB", kilobytes / 1024.0 / 1024.0))
}

fn os() -> String {
    line_of("/etc/os-release", "PRETTY_NAME").unwrap_or_else(|| env::consts::OS.to_owned())
}

fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or("?").to_owned()
}
