//! Rows of the checklists about programs without a web server that no other test holds: NA-04, NT-11, NT-15, NT-19, ST-04.

#![cfg(all(feature = "browser", feature = "tokens"))]
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::HashMap,
    io,
    process::Command,
    sync::{Arc, Mutex},
    time::Duration,
};

use fs4::FileExt;
use oauth_core::{
    ClientSecret, HttpClient, HttpError, OAuth2, Provider as _, async_trait,
    bytes::Bytes,
    http::{Request, Response},
    serde_json::json,
};
use oauth_native::{
    Environment, FileStore, Method, Notice, OpenError, Opener, Prompt, SignInOptions, SystemBrowser, sign_in,
};
use oauth_tokens::{TokenKey, TokenStore};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tracing_subscriber::{Layer, filter::filter_fn, layer::SubscriberExt};

/// A token endpoint that gives this answer, and keeps what it was sent.
#[derive(Clone, Debug, Default)]
struct Provider(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    refuses: bool,
    sent: Vec<Request<Bytes>>,
}

#[async_trait]
impl HttpClient for Provider {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let mut state = self.0.lock().unwrap();
        let form = String::from_utf8(request.body().to_vec()).unwrap();
        state.sent.push(request);
        let (status, body) = match state.refuses {
            // It repeats what it was sent.
            true => (400, json!({ "error": "invalid_grant", "error_description": form })),
            false => (
                200,
                json!({ "access_token": "the-access-token", "token_type": "Bearer", "refresh_token": "the-refresh-token" }),
            ),
        };
        Ok(Response::builder().status(status).body(Bytes::from(body.to_string())).unwrap())
    }
}

impl Provider {
    fn client(&self, secret: impl Into<ClientSecret>) -> OAuth2 {
        OAuth2::new("id", secret.into(), "https://as.example/authorize", "https://as.example/token")
            .with_name("acme")
            .with_http_client(self.clone())
    }

    fn last_form(&self) -> HashMap<String, String> {
        let state = self.0.lock().unwrap();
        url::form_urlencoded::parse(state.sent.last().unwrap().body()).into_owned().collect()
    }
}

/// A browser whose user says yes: it goes back at once, and reads the page that it gets.
#[derive(Clone, Debug, Default)]
struct Yes {
    shown: Arc<Mutex<Vec<String>>>,
    /// What is sent before the callback.
    preflight: Arc<Mutex<Option<String>>>,
}

async fn exchange(address: &str, request: String) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer).await;
    answer
}

#[async_trait]
impl Opener for Yes {
    async fn open(&self, url: &str) -> Result<(), OpenError> {
        self.shown.lock().unwrap().push(url.to_owned());
        let url = url::Url::parse(url).unwrap();
        let query: HashMap<_, _> = url.query_pairs().into_owned().collect();
        let redirect = url::Url::parse(&query["redirect_uri"]).unwrap();
        let address = format!("{}:{}", redirect.host_str().unwrap(), redirect.port().unwrap());
        let preflight = format!(
            "OPTIONS {} HTTP/1.1\r\nHost: {address}\r\nOrigin: https://evil.example\r\nAccess-Control-Request-Method: GET\r\n\
             Access-Control-Request-Private-Network: true\r\n\r\n",
            redirect.path()
        );
        *self.preflight.lock().unwrap() = Some(exchange(&address, preflight).await);
        let path = redirect.path();
        let state = &query["state"];
        exchange(
            &address,
            format!("GET {path}?code=the-code&state={state} HTTP/1.1\r\nHost: {address}\r\n\r\n"),
        )
        .await;
        Ok(())
    }
}

/// A user who is told things.
#[derive(Clone, Debug, Default)]
struct Told;

#[async_trait]
impl Prompt for Told {
    fn tell(&self, _: &Notice<'_>) {}

    async fn read_line(&self) -> io::Result<Option<String>> {
        Ok(None)
    }
}

fn options(browser: &Yes) -> SignInOptions {
    SignInOptions::new()
        .environment(Environment::default())
        .method(Method::Loopback)
        .linger(Duration::ZERO)
        .prompt(Told)
        .opener(browser.clone())
}

fn parameter(url: &str, name: &str) -> String {
    let url = url::Url::parse(url).unwrap();
    let mut pairs = url.query_pairs().into_owned();
    pairs.find(|(other, _)| other == name).map(|(_, value)| value).unwrap_or_default()
}

#[tokio::test]
async fn na_04_pkce_is_always_there_whether_or_not_there_is_a_secret() {
    for (secret, has_secret) in [(ClientSecret::NONE, false), ("not-secret".into(), true)] {
        let provider = Provider::default();
        let browser = Yes::default();
        sign_in(&provider.client(secret), options(&browser)).await.unwrap();
        let shown = browser.shown.lock().unwrap()[0].clone();
        assert_eq!(parameter(&shown, "code_challenge_method"), "S256");
        assert_eq!(parameter(&shown, "code_challenge").len(), 43);
        assert!(!shown.contains("not-secret"));
        let form = provider.last_form();
        assert!(form["code_verifier"].len() >= 43);
        let state = provider.0.lock().unwrap();
        let authorization = state.sent.last().unwrap().headers().contains_key("authorization");
        assert_eq!(authorization || form.contains_key("client_secret"), has_secret);
        // A public client says who it is all the same.
        assert!(has_secret || form["client_id"] == "id");
    }
}

#[tokio::test]
async fn nt_19_a_web_page_cannot_ask_the_listener() {
    let browser = Yes::default();
    sign_in(&Provider::default().client(ClientSecret::NONE), options(&browser)).await.unwrap();
    let preflight = browser.preflight.lock().unwrap().clone().unwrap();
    assert!(preflight.starts_with("HTTP/1.1 404"), "{preflight}");
    assert!(!preflight.to_ascii_lowercase().contains("access-control-"), "{preflight}");
}

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn nt_15_no_code_state_verifier_or_token_is_in_the_log_or_in_an_error() {
    let log = Log::default();
    let writer = log.clone();
    let ours = filter_fn(|metadata| metadata.target().starts_with("oauth"));
    let layer = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(move || writer.clone());
    let subscriber = tracing_subscriber::registry().with(layer.with_filter(ours));
    let _guard = tracing::subscriber::set_default(subscriber);
    let mut secrets =
        vec!["the-code".to_owned(), "the-access-token".to_owned(), "the-refresh-token".to_owned()];
    let mut told = String::new();
    for refuses in [false, true] {
        let provider = Provider::default();
        provider.0.lock().unwrap().refuses = refuses;
        let browser = Yes::default();
        let outcome = sign_in(&provider.client(ClientSecret::NONE), options(&browser)).await;
        assert_eq!(outcome.is_err(), refuses);
        if let Err(error) = outcome {
            told += &format!("{error} {error:?}");
        }
        secrets.push(parameter(&browser.shown.lock().unwrap()[0], "state"));
        secrets.push(provider.last_form()["code_verifier"].clone());
    }
    told += &String::from_utf8_lossy(&log.0.lock().unwrap());
    assert!(told.contains("invalid_grant") && told.contains("oauth."), "{told}");
    for secret in secrets {
        assert!(!secret.is_empty() && !told.contains(&secret), "{secret} is in {told}");
    }
}

const OUT: &str = "OAUTH_NATIVE_TEST_OUT";
/// What a shell would make much of.
const URL: &str = "https://as.example/authorize?state=a&calc.exe;$(touch%20x)|`id`";

/// The browser of this machine, in a process that has the variables of a test.
#[tokio::test]
#[ignore = "it runs in a process that another test starts"]
async fn opens() {
    let Ok(out) = std::env::var(OUT) else { return };
    for other in ["file:///etc/passwd", "javascript:alert(1)", "mailto:ada@mail.example"] {
        assert!(SystemBrowser.open(other).await.is_err(), "{other}");
        assert!(!std::path::Path::new(&out).exists(), "{other}");
    }
    let opened = SystemBrowser.open(URL).await;
    println!("OPENED {opened:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn nt_11_the_browser_variable_names_a_program_that_gets_the_address_as_one_argument() {
    let folder = tempfile::tempdir().unwrap();
    let (out, browser) = (folder.path().join("out"), folder.path().join("browser"));
    std::fs::write(
        &browser,
        format!("#!/bin/sh\nprintf '%s\\n' \"$@\" > {0}.new && mv {0}.new {0}\n", out.display()),
    )
    .unwrap();
    std::fs::set_permissions(&browser, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let run = |variable: &str, path: &str| {
        let mut test = Command::new(std::env::current_exe().unwrap());
        test.args(["--ignored", "--exact", "opens", "--nocapture"])
            .env_clear()
            .env("PATH", path)
            .env(OUT, &out);
        let output = test.env("BROWSER", variable).current_dir(folder.path()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
        said
    };
    let said = run(&format!("{} --new %s", browser.display()), "/usr/bin:/bin");
    assert!(said.contains("OPENED Ok"), "{said}");
    for _ in 0..100 {
        if out.exists() {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let arguments = std::fs::read_to_string(&out).unwrap();
    let lines: Vec<&str> = arguments.lines().collect();
    assert_eq!(lines.len(), 2, "{arguments}");
    assert_eq!(lines[0], "--new");
    assert!(
        lines[1].starts_with("https://as.example/authorize?state=a&calc.exe;$(touch%20x)|"),
        "{arguments}"
    );
    assert!(!folder.path().join("x").exists(), "no shell saw it");
    // A browser that is not there is told of, and the address is not.
    std::fs::remove_file(&out).unwrap();
    let said = run("/nowhere/browser", "/nowhere");
    assert!(said.contains("OPENED Err") && said.contains("no browser could be opened"), "{said}");
    assert!(!said.contains("state=a"), "{said}");
}

#[tokio::test]
async fn st_04_a_lock_that_is_held_is_waited_for_and_its_holder_named() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("tokens");
    let store = FileStore::open(&directory).await.unwrap();
    let key = TokenKey::new("acme", "ada");
    // Another process that has the lock, and then lets it go.
    let lock = || {
        let file = std::fs::OpenOptions::new().write(true).open(directory.join("lock")).unwrap();
        FileExt::lock(&file).unwrap();
        std::fs::write(directory.join("lock"), "4242").unwrap();
        file
    };
    let held = lock();
    let waiting = tokio::spawn({
        let (store, key) = (store.clone(), key.clone());
        async move { store.acquire(&key, "me", Duration::from_secs(5)).await }
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!waiting.is_finished());
    drop(held);
    waiting.await.unwrap().unwrap();
    // One that never does.
    let _held = lock();
    let error = store.acquire(&key, "me", Duration::from_secs(5)).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    let text = format!("{error} {error:?}");
    assert!(text.contains("4242") && text.contains("lock"), "{text}");
}
