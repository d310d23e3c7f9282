//! The tool among other programs: signals, closed pipes, machines that lack things, and issuers that have no page to sign in at.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Command, Output, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

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
        .env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent/bus")
        .stdin(Stdio::null());
    command
}

fn run(home: &Path, arguments: &[&str]) -> Output {
    tool(home, arguments).output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A server that answers each path with what it was told, and keeps what it was sent.
struct Server {
    origin: String,
    pages: Arc<Mutex<HashMap<String, (u16, Value)>>>,
    requests: Arc<Mutex<Vec<(String, String)>>>,
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let (pages, requests) = (Arc::<Mutex<HashMap<_, _>>>::default(), Arc::<Mutex<Vec<_>>>::default());
        let server = Self { origin, pages: Arc::clone(&pages), requests: Arc::clone(&requests) };
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (pages, requests) = (Arc::clone(&pages), Arc::clone(&requests));
                std::thread::spawn(move || answer(stream, &pages, &requests));
            }
        });
        server
    }

    fn page(&self, path: &str, status: u16, body: Value) -> &Self {
        self.pages.lock().unwrap().insert(path.to_owned(), (status, body));
        self
    }

    /// An issuer with a token endpoint and nothing else.
    fn issuer() -> Self {
        let server = Self::start();
        let origin = server.origin.clone();
        let document = json!({
            "issuer": origin, "token_endpoint": format!("{origin}/token"), "grant_types_supported": ["client_credentials"],
            "token_endpoint_auth_methods_supported": ["client_secret_post"],
        });
        server.page("/.well-known/oauth-authorization-server", 200, document);
        let token = json!({
            "access_token": "AT", "token_type": "Bearer", "expires_in": 3600,
            "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
        });
        server.page("/token", 200, token);
        server
    }

    fn forms(&self) -> Vec<HashMap<String, String>> {
        let requests = self.requests.lock().unwrap();
        let tokens = requests.iter().filter(|(path, _)| path == "/token");
        tokens.map(|(_, body)| url::form_urlencoded::parse(body.as_bytes()).into_owned().collect()).collect()
    }
}

type Pages = Mutex<HashMap<String, (u16, Value)>>;

fn answer(stream: TcpStream, pages: &Pages, requests: &Mutex<Vec<(String, String)>>) {
    let mut reader = BufReader::new(&stream);
    let mut lines = Vec::new();
    let mut line = String::new();
    while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
        lines.push(std::mem::take(&mut line));
    }
    let Some(first) = lines.first() else { return };
    let path = first.split(' ').nth(1).unwrap_or_default().split('?').next().unwrap_or_default().to_owned();
    let length = lines
        .iter()
        .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).unwrap();
    let (status, page) = pages.lock().unwrap().get(&path).cloned().unwrap_or((404, json!({})));
    requests.lock().unwrap().push((path, String::from_utf8(body).unwrap()));
    if status == 0 {
        // It never answers.
        std::thread::sleep(Duration::from_secs(60));
        return;
    }
    let page = page.to_string();
    let reply = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{page}",
        page.len()
    );
    let _ = (&stream).write_all(reply.as_bytes());
}

fn secret(home: &Path) -> String {
    let file = home.join("secret");
    std::fs::write(&file, "s3cret").unwrap();
    #[cfg(unix)]
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    file.display().to_string()
}

fn config(home: &Path, text: &str) -> String {
    let file = home.join("config.toml");
    std::fs::write(&file, text).unwrap();
    file.display().to_string()
}

#[test]
fn a_client_signs_in_as_itself_at_an_issuer_that_has_no_page_for_users() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let server = Server::issuer();
    let secret = secret(home);
    let arguments = [
        "login",
        &server.origin,
        "--account",
        "job",
        "--method",
        "client-credentials",
        "--client-id",
        "id",
        "--client-secret-file",
        &secret,
        "--scope",
        "read",
    ];
    let login = run(home, &arguments);
    assert!(login.status.success(), "{}", err(&login));
    let token = run(home, &["token", "job"]);
    assert_eq!(out(&token), "AT\n", "{}", err(&token));
    let form = &server.forms()[0];
    for (name, value) in [
        ("grant_type", "client_credentials"),
        ("client_id", "id"),
        ("client_secret", "s3cret"),
        ("scope", "read"),
    ] {
        assert_eq!(form.get(name).map(String::as_str), Some(value), "{form:?}");
    }
}

#[test]
fn tx_01_a_token_is_exchanged_at_any_issuer_and_anew_when_it_is_needed() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let server = Server::issuer();
    let secret = secret(home);
    let subject = home.join("subject");
    std::fs::write(&subject, "SUBJECT-1\n").unwrap();
    let subject = subject.display().to_string();
    let client = ["--client-id", "id", "--client-secret-file", &secret];
    let exchange = ["--subject-token-file", &subject, "--subject-token-type", "jwt", "--audience", "orders"];
    // Printed, and not kept.
    let printed = run(home, &[&["exchange", &server.origin][..], &client, &exchange].concat());
    assert_eq!(out(&printed), "AT\n", "{}", err(&printed));
    assert_eq!(run(home, &["token"]).status.code(), Some(3));
    let form = &server.forms()[0];
    for (name, value) in [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("subject_token", "SUBJECT-1"),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:jwt"),
        ("audience", "orders"),
    ] {
        assert_eq!(form.get(name).map(String::as_str), Some(value), "{form:?}");
    }
    // Kept as an account, which exchanges what is in the file by then.
    server.page(
        "/token",
        200,
        json!({
            "access_token": "SHORT", "token_type": "Bearer", "expires_in": 1,
            "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
        }),
    );
    let login =
        run(home, &[&["login", &server.origin, "--account", "orders"][..], &client, &exchange].concat());
    assert!(login.status.success(), "{}", err(&login));
    std::fs::write(home.join("subject"), "SUBJECT-2").unwrap();
    std::thread::sleep(Duration::from_millis(1100));
    assert_eq!(out(&run(home, &["token", "orders"])), "SHORT\n");
    assert_eq!(server.forms().last().unwrap()["subject_token"], "SUBJECT-2");
    // From another account, which a login that goes in a circle is not.
    let from = ["--subject-account", "orders", "--method", "token-exchange", "--account"];
    let of_account = run(home, &[&["login", &server.origin][..], &client, &from, &["derived"]].concat());
    assert!(of_account.status.success(), "{}", err(&of_account));
    assert_eq!(server.forms().last().unwrap()["subject_token"], "SHORT");
    let nobody = ["--subject-account", "nobody"];
    let nobody = run(home, &[&["exchange", &server.origin][..], &client, &nobody].concat());
    assert_eq!(nobody.status.code(), Some(3), "{}", err(&nobody));
    let nothing =
        run(home, &[&["login", &server.origin, "--method", "token-exchange"][..], &client].concat());
    assert_eq!(nothing.status.code(), Some(2));
    assert!(err(&nothing).contains("--subject-account"), "{}", err(&nothing));
}

#[test]
fn plain_http_is_allowed_for_one_run_or_by_the_configuration_where_it_shows() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let secret = secret(home);
    // A name that is not of this machine, so that nothing is sent to anybody.
    let table = "provider = \"oauth2\"\nclient_id = \"id\"\ntoken_endpoint = \"http://as.invalid/token\"\n";
    let text = format!(
        "[once]\n{table}client_secret_file = {secret:?}\n[always]\n{table}client_secret_file = {secret:?}\n\
         dangerously_allow_plain_http = true\n"
    );
    let config = config(home, &text);
    let login = |name: &str, more: &[&str]| {
        run(home, &[&["--config", &config, "login", name, "--method", "client-credentials"], more].concat())
    };
    let refused = login("once", &[]);
    assert!(err(&refused).contains("--dangerously-allow-plain-http"), "{}", err(&refused));
    // The switch lets it try, and the name leads nowhere.
    let allowed = login("once", &["--dangerously-allow-plain-http"]);
    assert_eq!(allowed.status.code(), Some(4), "{}", err(&allowed));
    let configured = login("always", &[]);
    assert_eq!(configured.status.code(), Some(4), "{}", err(&configured));
    assert!(
        err(&configured).contains("warning:") && err(&configured).contains("plain http"),
        "{}",
        err(&configured)
    );
    // An account that was kept with it says so.
    std::fs::create_dir_all(home.join("data")).unwrap();
    let account = |name: &str, allows: bool| {
        json!({
            "name": name, "signed_in_at": "2026-01-01T00:00:00Z",
            "settings": { "provider": "oauth2", "dangerously_allow_plain_http": allows },
        })
    };
    let accounts = json!({ "accounts": [account("loud", true), account("quiet", false)] });
    std::fs::write(home.join("data/accounts.json"), accounts.to_string()).unwrap();
    let list = out(&run(home, &["list"]));
    let lines: Vec<&str> = list.lines().collect();
    assert!(lines[0].contains("plain http") && !lines[1].contains("plain http"), "{list}");
}

#[test]
fn the_advice_to_sign_in_again_is_what_was_typed() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let server = Server::issuer();
    let secret = secret(home);
    let text = format!(
        "[work]\nprovider = \"oauth2\"\nclient_id = \"id\"\nclient_secret_file = {secret:?}\ntoken_endpoint = \"{}/token\"\n",
        server.origin
    );
    let config = config(home, &text);
    let login = run(
        home,
        &["--config", &config, "login", "work", "--account", "me", "--method", "client-credentials"],
    );
    assert!(login.status.success(), "{}", err(&login));
    let accounts: Value =
        serde_json::from_slice(&std::fs::read(home.join("data/accounts.json")).unwrap()).unwrap();
    let again = accounts["accounts"][0]["again"].as_str().unwrap();
    assert_eq!(
        again,
        format!("oauth-clients --config {config} login work --account me --method client-credentials")
    );
}

#[cfg(unix)]
fn signal(child: &std::process::Child, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

/// Ends within the time, with an exit code of its own and not by the signal.
#[cfg(unix)]
#[track_caller]
fn ends(mut child: std::process::Child, within: Duration) -> Output {
    let began = Instant::now();
    while child.try_wait().unwrap().is_none() {
        assert!(began.elapsed() < within, "it does not end");
        std::thread::sleep(Duration::from_millis(20));
    }
    child.wait_with_output().unwrap()
}

#[cfg(unix)]
#[test]
fn dg_07_ctrl_c_ends_each_command_at_once_wherever_it_waits() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let server = Server::issuer();
    server.page("/slow/.well-known/openid-configuration", 0, json!({}));
    let slow = format!("{}/slow", server.origin);
    let text = format!(
        "[command]\nprovider = \"oauth2\"\nclient_id = \"id\"\nclient_secret_cmd = \"sleep 6\"\ntoken_endpoint = \"{}/token\"\n\
         [pasted]\nprovider = \"oauth2\"\nclient_id = \"id\"\nauthorize_endpoint = \"{0}/authorize\"\ntoken_endpoint = \"{0}/token\"\n",
        server.origin
    );
    let config = config(home, &text);
    for (arguments, name, code) in [
        // Standard input.
        (&["decode"][..], "INT", 130),
        (&["verify", "--issuer", &server.origin, "--audience", "a"], "INT", 130),
        (&["exchange", &server.origin, "--client-id", "a", "--subject-token-file", "-"], "INT", 130),
        // A server that does not answer.
        (&["discover", &slow], "INT", 130),
        (&["doctor", &slow], "TERM", 143),
        // A program that prints a secret.
        (&["--config", &config, "login", "command", "--method", "client-credentials"], "INT", 130),
        // A person.
        (&["--config", &config, "login", "pasted", "--method", "paste"], "INT", 130),
        (&["--config", &config, "login", "pasted", "--method", "browser"], "HUP", 129),
        (&["serve-emulator", "--port", "0"], "INT", 130),
    ] {
        let mut child = tool(home, arguments);
        // Somebody who does not type.
        child.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = child.spawn().unwrap();
        std::thread::sleep(Duration::from_millis(1500));
        signal(&child, name);
        let output = ends(child, Duration::from_secs(8));
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {:?} {}", output.status, err(&output));
        assert!(err(&output).contains("interrupted"), "{arguments:?}: {}", err(&output));
    }
    // Nothing is half written.
    let files = |folder: &str| std::fs::read_dir(home.join("data").join(folder)).map_or(0, Iterator::count);
    assert!(!home.join("data/accounts.json").exists() || files("") <= 3);
    let leftovers = std::fs::read_dir(home.join("data/tokens/tokens")).into_iter().flatten().flatten();
    let leftovers: Vec<_> =
        leftovers.filter(|entry| entry.path().extension().is_some_and(|end| end == "tmp")).collect();
    assert!(leftovers.is_empty(), "{leftovers:?}");
}

#[cfg(unix)]
#[test]
fn a_child_of_exec_gets_the_signals_and_gives_the_exit_code() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let server = Server::issuer();
    let secret = secret(home);
    let login = [
        "login",
        &server.origin,
        "--account",
        "job",
        "--method",
        "client-credentials",
        "--client-id",
        "id",
        "--client-secret-file",
        &secret,
    ];
    assert!(run(home, &login).status.success());
    let script = "trap 'echo caught; exit 9' INT; echo ready; while :; do sleep 0.1; done";
    let mut child =
        tool(home, &["exec", "job", "--", "sh", "-c", script]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "ready");
    signal(&child, "INT");
    assert_eq!(lines.next().unwrap().unwrap(), "caught");
    assert_eq!(child.wait().unwrap().code(), Some(9));
}

#[test]
fn a_closed_output_ends_each_command_quietly() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let server = Server::issuer();
    for arguments in [
        &["man"][..],
        &["completions", "bash"],
        &["list"],
        &["list", "--json"],
        &["discover", &server.origin],
        &["doctor", &server.origin],
        &["doctor", &server.origin, "--json"],
    ] {
        let mut child = tool(home, arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", err(&output));
        assert!(!err(&output).contains("error") && !err(&output).contains("panicked"), "{}", err(&output));
    }
    // Nor does it matter where nobody reads the progress.
    let mut child = tool(home, &["discover", &server.origin])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stderr.take());
    assert!(child.wait_with_output().unwrap().status.success());
}

#[test]
fn st_02_a_machine_that_lacks_something_is_told_what_to_do() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let server = Server::issuer();
    let secret = secret(home);
    let login = [
        "login",
        &server.origin,
        "--account",
        "job",
        "--method",
        "client-credentials",
        "--client-id",
        "id",
        "--client-secret-file",
        &secret,
    ];
    // No home directory.
    let homeless = |arguments: &[&str]| {
        let mut command = tool(home, arguments);
        command.env_remove("OAUTH_CLIENTS_HOME").env("HOME", "nowhere");
        command.output().unwrap()
    };
    for arguments in [&login[..], &["list"], &["token"], &["doctor"]] {
        let output = homeless(arguments);
        assert!(matches!(output.status.code(), Some(1 | 2)), "{arguments:?}: {:?}", output.status);
        let text = out(&output) + &err(&output);
        assert!(text.contains("--home") || text.contains("--config"), "{arguments:?}: {text}");
    }
    // No keyring, and nobody allowed a file.
    let mut keyless = tool(home, &login);
    keyless.env_remove("OAUTH_CLIENTS_KEY_FILE_ALLOWED");
    let keyless = keyless.output().unwrap();
    assert_eq!(keyless.status.code(), Some(1));
    assert!(err(&keyless).contains("--allow-key-file"), "{}", err(&keyless));
    assert_eq!(server.forms().len(), 0, "nothing is obtained that cannot be kept");
    // A folder that cannot be made.
    let mut full = tool(home, &login);
    full.env("OAUTH_CLIENTS_HOME", "/proc/nothing");
    let full = full.output().unwrap();
    assert_eq!(full.status.code(), Some(1));
    assert!(err(&full).contains("/proc/nothing"), "{}", err(&full));
}

#[test]
fn colors_are_for_the_terminal_that_they_go_to() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::issuer();
    let plain = run(home.path(), &["discover", &server.origin]);
    assert!(!err(&plain).contains('\u{1b}') && !out(&plain).contains('\u{1b}'));
    let always = run(home.path(), &["--color", "always", "discover", &server.origin]);
    assert!(err(&always).contains("\u{1b}[32m"), "{}", err(&always));
    let Ok(script) = Command::new("script").arg("--version").output() else {
        eprintln!("skipped: there is no `script` to make a terminal");
        return;
    };
    assert!(script.status.success());
    // Standard output is a terminal, and standard error a file.
    let errors = home.path().join("errors");
    let tool = env!("CARGO_BIN_EXE_oauth-clients");
    let line = format!("{tool} discover {} 2>{}", server.origin, errors.display());
    let terminal =
        Command::new("script").args(["-qec", &line, "/dev/null"]).env("TERM", "xterm").output().unwrap();
    assert!(terminal.status.success(), "{terminal:?}");
    assert!(!std::fs::read_to_string(&errors).unwrap().contains('\u{1b}'));
}
