//! The tool as a user runs it: arguments in, output and exit code out, against the emulator.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Output, Stdio},
};

use oauth_emulator::{App, Consent, Emulator, User};
use serde_json::{Value, json};

/// The tool in a folder of its own, without what the machine has.
fn tool(home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_oauth-clients"));
    command
        .args(arguments)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", home)
        .env("OAUTH_CLIENTS_HOME", home.join("data"))
        .env("OAUTH_CLIENTS_KEY_FILE_ALLOWED", "true")
        .stdin(Stdio::null());
    command
}

fn run(home: &Path, arguments: &[&str]) -> Output {
    tool(home, arguments).output().unwrap()
}

fn run_with_input(home: &Path, arguments: &[&str], input: &str) -> Output {
    let mut child = tool(home, arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may not read its input at all.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[track_caller]
fn succeeded(output: &Output) -> String {
    assert!(output.status.success(), "{:?}: {}", output.status, err(output));
    out(output)
}

const SECRET: &str = "the-client-secret";

async fn emulator() -> Emulator {
    emulator_of(User::default()).await
}

async fn emulator_of(user: User) -> Emulator {
    let app = App::default().with_client_id("cli").with_client_secret(Some(SECRET.to_owned()));
    Emulator::builder().app("github", app).user(user).any_redirect_uri().start().await.unwrap()
}

/// Writes the configuration of a client at the emulator's GitHub.
fn configure(home: &Path, emulator: &Emulator) -> String {
    let local = |url: &str| emulator.local(url);
    let path = home.join("config.toml");
    std::fs::write(home.join("secret"), SECRET).unwrap();
    let text = format!(
        "[work]\nprovider = \"oauth2\"\nclient_id = \"cli\"\nclient_secret_file = {:?}\nauthorize_endpoint = {:?}\n\
         token_endpoint = {:?}\nprofile_endpoint = {:?}\nclient_auth = \"client_secret_post\"\nscopes = [\"read:user\"]\n",
        home.join("secret"),
        local("https://github.com/login/oauth/authorize"),
        local("https://github.com/login/oauth/access_token"),
        local("https://api.github.com/user"),
    );
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

/// Signs in by pasting, with the emulator's browser as the user's.
async fn log_in(home: &Path, config: &str, emulator: &Emulator) -> (Value, String) {
    let arguments = ["--config", config, "--json", "login", "work", "--method", "paste"];
    let mut child = tool(home, &arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let errors = BufReader::new(child.stderr.take().unwrap());
    let mut input = child.stdin.take().unwrap();
    let (send, receive) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        let mut all = String::new();
        for line in errors.lines().map_while(Result::ok) {
            if let Some(at) = line.find("http://127.0.0.1").filter(|_| line.contains("authorize?")) {
                let _ = send.send(line[at..].split_whitespace().next().unwrap_or_default().to_owned());
            }
            all += &line;
            all.push('\n');
        }
        all
    });
    let url = receive.recv_timeout(std::time::Duration::from_secs(60)).expect("the tool shows the address");
    let arrival = emulator.browse(&url, Consent::Allow).await.unwrap();
    writeln!(input, "{}", arrival.into_url()).unwrap();
    let output = child.wait_with_output().unwrap();
    let errors = reader.join().unwrap();
    assert!(output.status.success(), "{errors}");
    (serde_json::from_slice(&output.stdout).unwrap(), errors)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_gives_tokens_until_the_logout() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let emulator = emulator().await;
    let config = configure(home, &emulator);
    let with_config = |rest: &[&'static str]| -> Vec<String> {
        ["--config", &config]
            .iter()
            .map(ToString::to_string)
            .chain(rest.iter().map(ToString::to_string))
            .collect()
    };
    let run = |rest: &[&'static str]| {
        let arguments = with_config(rest);
        run(home, &arguments.iter().map(String::as_str).collect::<Vec<_>>())
    };

    let (signed_in, errors) = log_in(home, &config, &emulator).await;
    assert_eq!(signed_in["account"], "work");
    assert!(!errors.contains(SECRET), "{errors}");

    // Nothing but the token and one line break.
    let token = succeeded(&run(&["token", "work"]));
    assert!(
        token.ends_with('\n') && token.trim().len() > 10 && !token.trim().contains(char::is_whitespace),
        "{token:?}"
    );
    let token = token.trim().to_owned();
    assert_eq!(succeeded(&run(&["token"])).trim(), token, "the only account needs no name");
    assert_eq!(
        succeeded(&run(&["token", "--format", "header"])).trim(),
        format!("Authorization: Bearer {token}")
    );
    assert_eq!(
        succeeded(&run(&["token", "--format", "curl"])).trim(),
        format!("header = \"Authorization: Bearer {token}\"")
    );
    assert_eq!(succeeded(&run(&["token", "--format", "env"])).trim(), format!("ACCESS_TOKEN='{token}'"));
    let json: Value = serde_json::from_str(&succeeded(&run(&["--json", "token"]))).unwrap();
    assert_eq!(json["access_token"], token);

    // Who it is, without any token.
    let who = succeeded(&run(&["whoami", "--json"]));
    assert!(!who.contains(&token), "{who}");
    let list: Value = serde_json::from_str(&succeeded(&run(&["list", "--json"]))).unwrap();
    assert_eq!((&list[0]["account"], &list[0]["in_use"]), (&json!("work"), &json!(true)));

    // A child alone gets it.
    let child = run(&["exec", "work", "--", "sh", "-c", "printf %s \"$ACCESS_TOKEN\"; exit 7"]);
    assert_eq!((out(&child), child.status.code()), (token.clone(), Some(7)));

    // A request with it.
    let user = emulator.local("https://api.github.com/user");
    let reply = super_run(home, &config, &["curl", "work", &user]);
    let profile: Value = serde_json::from_str(&succeeded(&reply)).unwrap();
    assert!(profile["id"].is_number(), "{profile}");
    let refused = super_run(home, &config, &["curl", "work", "http://example.com/"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(err(&refused).contains("not https") && !err(&refused).contains(&token));

    // Nothing of it is on the disk in plain text.
    for entry in files_of(home) {
        let content = std::fs::read(&entry).unwrap();
        assert!(
            !content.windows(token.len()).any(|window| window == token.as_bytes()),
            "{}",
            entry.display()
        );
    }

    let credential = super_run_with_input(
        home,
        &config,
        &["credential", "git", "--account", "work", "--host", "git.example", "get"],
        "protocol=https\nhost=git.example\n\n",
    );
    assert!(succeeded(&credential).contains(&format!("username=oauth2\npassword={token}\n")));
    let other = super_run_with_input(
        home,
        &config,
        &["credential", "git", "--account", "work", "--host", "git.example", "get"],
        "protocol=https\nhost=other.example\n\n",
    );
    assert_eq!(succeeded(&other), "");
    let docker = super_run_with_input(
        home,
        &config,
        &["credential", "docker", "--account", "work", "--host", "registry.example", "get"],
        "other.example",
    );
    assert_eq!(
        (docker.status.code(), out(&docker).trim()),
        (Some(1), "credentials not found in native keychain")
    );

    assert!(run(&["logout", "work"]).status.success());
    let gone = run(&["token", "work"]);
    assert_eq!(gone.status.code(), Some(3), "{}", err(&gone));
    assert!(err(&gone).contains("oauth-clients login work"), "{}", err(&gone));
    assert_eq!(out(&gone), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_user_under_the_same_name_leaves_no_tokens_of_the_first_one() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let kept = || {
        let files = files_of(&home.join("data").join("tokens"));
        files.iter().filter(|file| std::fs::read_to_string(file).unwrap().contains("\"sealed\"")).count()
    };
    let first = emulator().await;
    let config = configure(home, &first);
    let (_, errors) = log_in(home, &config, &first).await;
    assert!(kept() == 1 && !errors.contains(" before: "), "{errors}");
    // The same user again is nothing to tell of.
    let (_, errors) = log_in(home, &config, &first).await;
    assert!(kept() == 1 && !errors.contains(" before: "), "{errors}");
    let second = emulator_of(User::default().with_id("99")).await;
    let config = configure(home, &second);
    let (_, errors) = log_in(home, &config, &second).await;
    assert!(kept() == 1 && errors.contains(" before: "), "{errors}");
}

#[test]
fn a_server_over_plain_http_is_refused_unless_it_is_allowed() {
    let home = tempfile::tempdir().unwrap();
    for arguments in [
        &["login", "--mcp", "http://mcp.invalid/mcp", "--method", "paste"][..],
        &["doctor", "--mcp", "http://mcp.invalid/mcp"],
        &["discover", "--mcp", "http://mcp.invalid/mcp"],
    ] {
        let output = run(home.path(), arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", err(&output));
        assert!(err(&output).contains("--dangerously-allow-plain-http"), "{arguments:?}: {}", err(&output));
    }
}

fn super_run(home: &Path, config: &str, rest: &[&str]) -> Output {
    run(home, &[&["--config", config], rest].concat())
}

fn super_run_with_input(home: &Path, config: &str, rest: &[&str], input: &str) -> Output {
    run_with_input(home, &[&["--config", config], rest].concat(), input)
}

fn files_of(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_of(&path) } else { vec![path] }).collect()
}

#[test]
fn the_exit_code_says_what_to_do() {
    let home = tempfile::tempdir().unwrap();
    for (arguments, code, text) in [
        (&["token"][..], 3, "nobody is signed in"),
        (&["token", "work"], 3, "nobody is signed in as work"),
        (&["login", "github"], 2, "--client-id"),
        (&["login", "githb", "--client-id", "a"], 2, "did you mean \"github\""),
        (&["login", "github", "--client-id", "a", "--set", "client_secret=b"], 2, "other users can see"),
        (&["login", "github", "--client-id", "a", "--account", "a/b"], 2, "is not a name for an account"),
        (&["--config", "/nowhere/config.toml", "list"], 0, ""),
        (&["--config", "/nowhere/config.toml", "doctor"], 2, "/nowhere/config.toml"),
        (&["doctor", "work"], 2, "no table [work]"),
        (&["nonsense"], 2, "unrecognized subcommand"),
    ] {
        let output = run(home.path(), arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", err(&output));
        assert!(err(&output).contains(text), "{arguments:?}: {}", err(&output));
    }
    let json = run(home.path(), &["--json", "token"]);
    let error: Value = serde_json::from_slice(&json.stderr).unwrap();
    assert_eq!(error["error"], "sign_in_again");
}

#[test]
fn a_jwt_is_decoded_and_said_to_be_unverified() {
    let home = tempfile::tempdir().unwrap();
    let token = "eyJhbGciOiJSUzI1NiIsImtpZCI6ImEifQ.eyJzdWIiOiIxIiwiZXhwIjoxNzAwMDAwMDAwfQ.c2ln";
    let output = run_with_input(home.path(), &["decode"], token);
    let shown: Value = serde_json::from_str(&succeeded(&output)).unwrap();
    assert_eq!(shown["claims"]["sub"], "1");
    assert!(
        err(&output).contains("not verified") && err(&output).contains("exp is 2023-11-14T22:13:20Z"),
        "{}",
        err(&output)
    );
    let json: Value =
        serde_json::from_str(&out(&run_with_input(home.path(), &["decode", "--json"], token))).unwrap();
    assert_eq!(json["verified"], false);

    let long = format!("{token}{}", "x".repeat(100));
    let as_argument = run(home.path(), &["decode", &long]);
    assert_eq!(as_argument.status.code(), Some(2));
    assert!(!err(&as_argument).contains("eyJ"), "{}", err(&as_argument));
    assert_eq!(run_with_input(home.path(), &["decode"], "no token").status.code(), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_looks_at_a_live_issuer_and_fails_for_one_that_is_not() {
    let home = tempfile::tempdir().unwrap();
    let nowhere = run(home.path(), &["doctor", "http://127.0.0.1:9", "--json"]);
    assert_eq!(nowhere.status.code(), Some(1));
    let findings: Value = serde_json::from_str(&out(&nowhere)).unwrap();
    assert_eq!(findings["ok"], false);
    let text = findings.to_string();
    assert!(text.contains("DO-01") && text.contains("DO-02"), "{text}");

    let server = run(home.path(), &["doctor", "--mcp", "http://127.0.0.1:9/mcp", "--json"]);
    assert_eq!(server.status.code(), Some(1));
    assert!(out(&server).contains("DO-24"), "{}", out(&server));

    let emulator = emulator().await;
    let issuer = emulator.local("https://accounts.google.com");
    let output = run(home.path(), &["doctor", &issuer, "--json"]);
    // The document is the one of the service, which the address here is not.
    assert!(out(&output).contains("DO-03"), "{}", out(&output));
}

#[test]
fn completions_and_the_manual_are_printed() {
    let home = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        assert!(succeeded(&run(home.path(), &["completions", shell])).contains("serve-emulator"), "{shell}");
    }
    assert!(succeeded(&run(home.path(), &["man"])).contains(".TH oauth-clients 1"));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let home = tempfile::tempdir().unwrap();
    let mut child =
        tool(home.path(), &["man"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{}", err(&output));
}
