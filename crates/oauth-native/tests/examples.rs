//! The examples, against the emulator.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Mutex, PoisonError},
};

use oauth_emulator::{App, Consent, Emulator};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    process::Command,
};

/// Cargo puts the examples beside the folder with this test, and builds them with all tests of the package, but not with this one alone.
fn example(name: &str) -> PathBuf {
    let here = std::env::current_exe().unwrap();
    let profile = here.parent().and_then(Path::parent).unwrap();
    let program = profile.join("examples").join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    if !program.exists() {
        // One at a time, because Cargo would have them wait for each other anyway.
        static BUILDING: Mutex<()> = Mutex::new(());
        let _alone = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = std::process::Command::new(cargo);
        build.args(["build", "--quiet", "--package", env!("CARGO_PKG_NAME"), "--example", name]);
        build.arg("--target-dir").arg(profile.parent().unwrap());
        // What Cargo tells a test of its package is not for other packages, some of which would be built anew because of it.
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_CRATE_"].iter().any(|start| text.starts_with(start)) {
                build.env_remove(&name);
            }
        }
        assert!(build.status().unwrap().success() && program.exists(), "cargo build --example {name} failed");
    }
    program
}

#[tokio::test(flavor = "multi_thread")]
async fn nt_15_the_command_line_prints_a_token_and_nothing_else() {
    let app = App::default_of("github").with_client_auth([]).with_refresh_tokens(true);
    let emulator = Emulator::builder().app("github", app).start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let program = || {
        let mut program = Command::new(example("command-line"));
        program
            .env("CLIENT_ID", "github-client-id")
            .env("CLIENT_SECRET", "github-client-secret")
            .env("AUTHORIZE_URL", emulator.local("https://github.com/login/oauth/authorize"))
            .env("TOKEN_URL", emulator.local("https://github.com/login/oauth/access_token"))
            .env("TOKENS", folder.path().join("tokens"))
            .env("NO_BROWSER", "1")
            // No keyring.
            .env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent/bus")
            .env_remove("DISPLAY");
        program
    };
    let mut login = program()
        .arg("login")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut said = BufReader::new(login.stderr.take().unwrap()).lines();
    let mut all = String::new();
    let url = loop {
        let line = said.next_line().await.unwrap().unwrap_or_else(|| panic!("no address: {all}"));
        all.push_str(&line);
        if line.trim().starts_with("http://") {
            break line.trim().to_owned();
        }
    };
    let callback = emulator.browse(&url, Consent::Allow).await.unwrap().into_url();
    let (address, target) = callback.trim_start_matches("http://").split_once('/').unwrap();
    let mut browser = TcpStream::connect(address).await.unwrap();
    let request = format!("GET /{target} HTTP/1.1\r\nHost: {address}\r\n\r\n");
    browser.write_all(request.as_bytes()).await.unwrap();
    let mut page = String::new();
    browser.read_to_string(&mut page).await.unwrap();
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    let output = login.wait_with_output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    let token = String::from_utf8(output.stdout).unwrap();
    assert!(token.starts_with("gho_") && token.lines().count() == 1, "{token}");
    // Another process has the token.
    let again = program().output().await.unwrap();
    assert_eq!(
        String::from_utf8(again.stdout).unwrap(),
        token,
        "{:?}",
        String::from_utf8_lossy(&again.stderr)
    );
}

#[tokio::test]
async fn the_examples_against_the_emulator_sign_in() {
    for (name, said) in [("sign_in", "signed in; the token is for"), ("device", "signed in, with")] {
        let output = Command::new(example(name)).output().await.unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && text.contains(said), "{name}: {output:?}");
    }
}
