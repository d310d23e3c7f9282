//! Users who sign in by pasting, at MCP servers and at providers: what is stored, what the doctor says of it, and what is left at the end.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Command, Output, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
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

/// A page: its status, its challenge, and its body.
type Page = (u16, Option<String>, Value);

/// A server that answers each path with what it was told, and keeps what it was sent.
#[derive(Clone)]
struct Server {
    origin: String,
    pages: Arc<Mutex<HashMap<String, Page>>>,
    requests: Arc<Mutex<Vec<(String, String)>>>,
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let server = Self { origin, pages: Arc::default(), requests: Arc::default() };
        let serving = server.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let serving = serving.clone();
                std::thread::spawn(move || serving.answer(stream));
            }
        });
        server
    }

    fn answer(&self, stream: TcpStream) {
        let mut reader = BufReader::new(&stream);
        let mut lines = Vec::new();
        let mut line = String::new();
        while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
            lines.push(std::mem::take(&mut line));
        }
        let Some(first) = lines.first() else { return };
        let path =
            first.split(' ').nth(1).unwrap_or_default().split('?').next().unwrap_or_default().to_owned();
        let has_token =
            lines.iter().any(|line| line.to_ascii_lowercase().starts_with("authorization: bearer"));
        let length = lines
            .iter()
            .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        reader.read_exact(&mut body).unwrap();
        self.requests.lock().unwrap().push((path.clone(), String::from_utf8(body).unwrap()));
        let known = self.pages.lock().unwrap().get(&path).cloned();
        let (status, challenge, page) = match known {
            // A token is what opens the door.
            Some((401, ..)) if has_token => (200, None, json!({})),
            Some(page) => page,
            None => (404, None, json!({})),
        };
        let page = page.to_string();
        let challenge = challenge.map(|text| format!("www-authenticate: {text}\r\n")).unwrap_or_default();
        let reply = format!(
            "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\nconnection: close\r\n{challenge}content-length: {}\r\n\r\n{page}",
            page.len()
        );
        let _ = (&stream).write_all(reply.as_bytes());
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    fn page(&self, path: &str, status: u16, body: Value) -> &Self {
        self.pages.lock().unwrap().insert(path.to_owned(), (status, None, body));
        self
    }

    /// The path of an MCP server that demands a token, with what its challenge says.
    fn challenge(&self, path: &str, text: &str) -> &Self {
        self.pages.lock().unwrap().insert(path.to_owned(), (401, Some(text.to_owned()), json!({})));
        self
    }

    fn forms(&self, path: &str) -> Vec<HashMap<String, String>> {
        let requests = self.requests.lock().unwrap();
        let bodies = requests.iter().filter(|(asked, _)| asked == path);
        bodies.map(|(_, body)| url::form_urlencoded::parse(body.as_bytes()).into_owned().collect()).collect()
    }

    /// An authorization server under a path of this server, which registers clients.
    fn authorization_server(&self, path: &str, members: Value) -> &Self {
        let issuer = self.url(path);
        let mut document = json!({
            "issuer": issuer, "authorization_endpoint": format!("{issuer}/authorize"),
            "token_endpoint": format!("{issuer}/token"), "registration_endpoint": format!("{issuer}/register"),
            "code_challenge_methods_supported": ["S256"], "response_types_supported": ["code"],
            "client_id_metadata_document_supported": true, "authorization_response_iss_parameter_supported": true,
        });
        for (name, value) in members.as_object().unwrap() {
            match value {
                Value::Null => drop(document.as_object_mut().unwrap().remove(name)),
                value => document[name] = value.clone(),
            }
        }
        let place = format!("/.well-known/oauth-authorization-server{path}");
        self.page(&place, 200, document);
        self.page(&format!("{path}/register"), 201, json!({ "client_id": "registered" }));
        self.page(&format!("{path}/token"), 200, token(3600))
    }

    /// An MCP server whose metadata names an authorization server.
    fn mcp_server(&self, path: &str, issuer: &str) -> &Self {
        let metadata = format!("/.well-known/oauth-protected-resource{path}");
        self.challenge(path, &format!("Bearer resource_metadata=\"{}\"", self.url(&metadata)));
        self.page(&metadata, 200, json!({ "resource": self.url(path), "authorization_servers": [issuer] }))
    }
}

fn token(lifetime: u32) -> Value {
    json!({ "access_token": "AT", "token_type": "Bearer", "refresh_token": "RT", "expires_in": lifetime })
}

/// Runs a login by pasting, and pastes what the provider would send the browser to. Returns the address that was shown.
fn log_in(home: &Path, arguments: &[&str]) -> (Output, url::Url) {
    let mut child = tool(home, &[arguments, &["--method", "paste"]].concat())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut said = String::new();
    let shown = loop {
        let line = lines.next().unwrap_or_else(|| panic!("no address was shown: {said}")).unwrap();
        said += &line;
        if let Ok(url) = url::Url::parse(line.trim())
            && url.query().is_some()
        {
            break url;
        }
    };
    let parameter = |name: &str| {
        let mut pairs = shown.query_pairs().into_owned();
        pairs.find(|(other, _)| other == name).map(|(_, value)| value).unwrap_or_default()
    };
    // One that was pushed shows nothing of this.
    let (redirect_uri, state) = (parameter("redirect_uri"), parameter("state"));
    let mut issuer = shown.clone();
    issuer.set_query(None);
    let issuer = issuer.as_str().trim_end_matches("/authorize").to_owned();
    let issuer: String = url::form_urlencoded::byte_serialize(issuer.as_bytes()).collect();
    let mut input = child.stdin.take().unwrap();
    writeln!(input, "{redirect_uri}?code=c&state={state}&iss={issuer}").unwrap();
    drop(input);
    for line in lines.map_while(Result::ok) {
        said += &line;
        said.push('\n');
    }
    let mut output = child.wait_with_output().unwrap();
    output.stderr = said.into_bytes();
    (output, shown)
}

fn doctor(home: &Path, arguments: &[&str]) -> (Option<i32>, Value) {
    let output = run(home, &[&["doctor", "--json"], arguments].concat());
    let report =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", err(&output)));
    (output.status.code(), report)
}

fn finds(report: &Value, check: &str, level: &str, text: &str) -> bool {
    let mut all =
        report["findings"].as_object().unwrap().values().flat_map(|found| found.as_array().unwrap());
    all.any(|finding| {
        finding["check"] == check
            && finding["level"] == level
            && finding["message"].as_str().unwrap().contains(text)
    })
}

#[track_caller]
fn assert_finds(report: &Value, check: &str, level: &str, text: &str) {
    assert!(finds(report, check, level, text), "no {check} ({level}) about {text:?} in {report:#}");
}

#[test]
fn do_24_a_server_that_lets_nobody_in_is_told_with_the_reason() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start();
    server.authorization_server("/as", json!({}));
    let as_ = server.url("/as");
    server.challenge("/basic", "Basic realm=\"x\"");
    server.page("/down", 503, json!({})).page("/moved", 307, json!({})).page("/open", 200, json!({}));
    server.challenge("/private", "Bearer resource_metadata=\"http://169.254.169.254/x\"");
    let described = |path: &str, document: Value| {
        server.mcp_server(path, &as_);
        server.page(&format!("/.well-known/oauth-protected-resource{path}"), 200, document);
    };
    let url = |path: &str| server.url(path);
    described("/other", json!({ "resource": "https://evil.example/mcp", "authorization_servers": [as_] }));
    described("/nobody", json!({ "resource": url("/nobody") }));
    described("/dead", json!({ "resource": url("/dead"), "authorization_servers": ["http://127.0.0.1:9"] }));
    described("/absent", json!({ "resource": url("/absent"), "authorization_servers": [url("/absent-as")] }));
    server.page("/.well-known/oauth-authorization-server/ill", 503, json!({}));
    described("/ill-as", json!({ "resource": url("/ill-as"), "authorization_servers": [url("/ill")] }));
    for (path, text) in [
        ("/basic", "answers 401 without a Bearer challenge"),
        ("/basic", "no protected resource metadata at"),
        ("/down", "answers 503: the server is in trouble"),
        ("/moved", "redirects (307)"),
        ("/nowhere", "takes no message of MCP (404)"),
        ("/open", "no protected resource metadata at"),
        ("/private", "is plain http"),
        ("/other", "is about \"https://evil.example/mcp\""),
        ("/nobody", "names no authorization server"),
        ("/dead", "authorization server http://127.0.0.1:9 unreachable"),
        ("/absent", "has no metadata"),
        ("/ill-as", "unreachable"),
    ] {
        let (code, report) = doctor(home.path(), &["--mcp", &url(path)]);
        assert_eq!(code, Some(1), "{path}: {report:#}");
        assert_finds(&report, "DO-24", "fail", text);
        // The words of the library are not those of the tool.
        assert!(!report.to_string().contains("Authorizer::"), "{report:#}");
    }
    let (code, report) = doctor(home.path(), &["--mcp", "http://127.0.0.1:9/mcp"]);
    assert_eq!(code, Some(1));
    assert_finds(&report, "DO-01", "fail", "cannot reach http://127.0.0.1:9/mcp");
    // One that lets clients in.
    server.mcp_server("/good", &as_);
    let (code, report) = doctor(home.path(), &["--mcp", &url("/good")]);
    assert_eq!(code, Some(0), "{report:#}");
    assert_finds(&report, "DO-00", "ok", "lets clients in");
    // And one whose authorization server says more than it keeps.
    let dead = "http://127.0.0.1:9/token";
    server.authorization_server("/half", json!({ "token_endpoint": dead }));
    server.mcp_server("/half-mcp", &url("/half"));
    let (code, report) = doctor(home.path(), &["--mcp", &url("/half-mcp")]);
    assert_eq!(code, Some(1));
    assert_finds(&report, "DO-01", "fail", "cannot reach token_endpoint (http://127.0.0.1:9/token)");
}

#[test]
fn do_25_how_a_client_comes_by_its_id() {
    let home = tempfile::tempdir().unwrap();
    for (members, level, text) in [
        (json!({ "client_id_metadata_document_supported": null }), "ok", "dynamic registration alone"),
        (json!({ "registration_endpoint": null }), "warn", "give --client-id"),
        (
            json!({ "registration_endpoint": null, "client_id_metadata_document_supported": "true" }),
            "warn",
            "no way to register: give a client id for",
        ),
    ] {
        let server = Server::start();
        server.authorization_server("/as", members);
        server.mcp_server("/mcp", &server.url("/as"));
        let (code, report) = doctor(home.path(), &["--mcp", &server.url("/mcp")]);
        assert_eq!(code, Some(0), "{report:#}");
        assert_finds(&report, "DO-25", level, text);
    }
    let server = Server::start();
    server.authorization_server("/as", json!({ "code_challenge_methods_supported": ["plain"] }));
    server.mcp_server("/mcp", &server.url("/as"));
    let (code, report) = doctor(home.path(), &["--mcp", &server.url("/mcp")]);
    assert_eq!(code, Some(1));
    assert_finds(&report, "DO-07", "fail", "does not list S256 ([\"plain\"])");
}

#[test]
fn do_21_and_22_what_is_kept_of_an_mcp_server_is_looked_at() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let server = Server::start();
    server.authorization_server("/as", json!({}));
    server.mcp_server("/mcp", &server.url("/as"));
    let mcp = server.url("/mcp");
    let (login, _) = log_in(home, &["login", "--mcp", &mcp, "--account", "tools"]);
    assert!(login.status.success(), "{}", err(&login));
    assert_eq!(out(&run(home, &["token", "tools"])), "AT\n");
    // Without a configuration, this machine is what there is to look at.
    let (code, report) = doctor(home, &[]);
    assert_eq!(code, Some(0), "{report:#}");
    assert_finds(&report, "DO-22", "ok", "tools: expires in 59 min, and is refreshed");
    assert!(!finds(&report, "DO-21", "fail", ""), "{report:#}");
    // The server lets clients in by way of somebody else now.
    server.authorization_server("/second", json!({}));
    server.mcp_server("/mcp", &server.url("/second"));
    let (code, report) = doctor(home, &["--mcp", &mcp]);
    assert_eq!(code, Some(1));
    assert_finds(&report, "DO-21", "fail", "tools: its client registered belongs to");
    assert_finds(&report, "DO-21", "fail", &format!("the server now uses {}", server.url("/second")));
    // A registration that has expired.
    server.page(
        "/second/register",
        201,
        json!({ "client_id": "short", "client_secret": "s", "client_secret_expires_at": 1_700_000_000,
            "token_endpoint_auth_method": "client_secret_basic" }),
    );
    let (login, _) = log_in(home, &["login", "--mcp", &mcp, "--account", "tools"]);
    assert!(login.status.success(), "{}", err(&login));
    let (code, report) = doctor(home, &[]);
    assert_eq!(code, Some(1));
    assert_finds(&report, "DO-21", "fail", "tools: registration of short at");
    assert_finds(&report, "DO-21", "fail", "expired on 2023-11-14");
    assert_finds(&report, "DO-21", "fail", "--account tools");
    // Registrations that others can read.
    #[cfg(unix)]
    {
        let folder = home.join("data/registrations");
        std::fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let (_, report) = doctor(home, &[]);
        assert_finds(&report, "DO-23", "warn", "registrations is readable by others (mode 755): chmod 700");
    }
}

#[test]
fn pr_04_a_provider_that_demands_pushed_requests_is_pushed_to() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let server = Server::start();
    let pushed = json!({
        "require_pushed_authorization_requests": true,
        "pushed_authorization_request_endpoint": server.url("/as/par"),
        "jwks_uri": server.url("/as/keys"), "id_token_signing_alg_values_supported": ["ES256"],
        "subject_types_supported": ["public"],
    });
    server.authorization_server("/as", pushed);
    let document = server.pages.lock().unwrap()["/.well-known/oauth-authorization-server/as"].2.clone();
    server.page("/as/.well-known/openid-configuration", 200, document);
    server.page("/as/par", 201, json!({ "request_uri": "urn:example:1", "expires_in": 60 }));
    server.page("/as/keys", 200, json!({ "keys": [] }));
    // Nobody comes back: what is shown is what matters here.
    let (_, shown) = log_in(home, &["login", &server.url("/as"), "--client-id", "id", "--timeout", "2"]);
    assert!(shown.as_str().contains("request_uri=urn%3Aexample%3A1"), "{shown}");
    assert!(!shown.as_str().contains("redirect_uri"), "{shown}");
    assert_eq!(server.forms("/as/par")[0]["client_id"], "id");
    // What the doctor says of it is true of the tool.
    let (_, report) = doctor(home, &[&server.url("/as")]);
    assert_finds(&report, "DO-29", "ok", "PAR is used");
}

/// A provider of plain OAuth 2.0, with a table that names it.
fn provider(home: &Path) -> (Server, String) {
    let server = Server::start();
    server.page("/token", 200, token(1)).page("/me", 200, json!({ "id": "7" })).page(
        "/revoke",
        200,
        json!({}),
    );
    let file = home.join("config.toml");
    let table = format!(
        "[work]\nprovider = \"oauth2\"\nclient_id = \"id\"\nauthorize_endpoint = \"{0}/authorize\"\ntoken_endpoint = \"{0}/token\"\n\
         refresh_endpoint = \"{0}/token\"\nrevoke_endpoint = \"{0}/revoke\"\n",
        server.origin
    );
    std::fs::write(&file, table).unwrap();
    (server, file.display().to_string())
}

#[test]
fn st_04_twenty_processes_that_need_a_token_at_once_refresh_it_once() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let (server, config) = provider(home);
    let (login, _) = log_in(home, &["--config", &config, "login", "work"]);
    assert!(login.status.success(), "{}", err(&login));
    server.page(
        "/token",
        200,
        json!({
            "access_token": "NEW", "token_type": "Bearer", "refresh_token": "RT2", "expires_in": 3600,
        }),
    );
    std::thread::sleep(Duration::from_millis(1100));
    let start = || {
        let mut command = tool(home, &["--config", &config, "token", "work"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let processes: Vec<_> = (0..20).map(|_| start()).collect();
    for process in processes {
        let output = process.wait_with_output().unwrap();
        assert_eq!(out(&output), "NEW\n", "{}", err(&output));
    }
    let refreshes =
        server.forms("/token").iter().filter(|form| form["grant_type"] == "refresh_token").count();
    assert_eq!(refreshes, 1);
}

#[test]
fn st_06_the_last_logout_leaves_neither_record_nor_key_also_when_the_provider_is_down() {
    for status in [200, 503] {
        let home = tempfile::tempdir().unwrap();
        let home = home.path();
        let (server, config) = provider(home);
        let (login, _) = log_in(home, &["--config", &config, "login", "work"]);
        assert!(login.status.success(), "{}", err(&login));
        assert!(home.join("data/tokens/key").exists());
        server.page("/revoke", status, json!({}));
        let logout = run(home, &["--config", &config, "logout", "work"]);
        assert!(logout.status.success(), "{}", err(&logout));
        assert!(server.forms("/revoke").iter().any(|form| form["token"] == "RT"), "the refresh token");
        let says = err(&logout);
        assert_eq!(says.contains("not revoked at the provider"), status == 503, "{says}");
        assert!(!home.join("data/tokens/key").exists());
        let records = walk(&home.join("data/tokens"));
        let kept =
            records.iter().filter(|file| std::fs::read_to_string(file).unwrap().contains("\"sealed\""));
        assert_eq!(kept.count(), 0);
        assert_eq!(run(home, &["token", "work"]).status.code(), Some(3));
    }
}

fn walk(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}
