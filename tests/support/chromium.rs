//! Chromium, driven through WebDriver (<https://www.w3.org/TR/webdriver2/>): the dozen commands that the tests need.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, TcpStream},
    path::{Path, PathBuf},
    process::Stdio,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use oauth_clients::{ReqwestClient, reqwest::Method, reqwest_client};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

/// A browser without a window, with a profile of its own. It ends when dropped, also when a test fails.
pub(crate) struct Chromium {
    http: ReqwestClient,
    port: u16,
    session: String,
    chromedriver: Child,
    /// What browser and driver leave behind.
    folder: PathBuf,
}

/// The key of an element's reference (section 12.1).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// How long a page may take, with time to spare on a machine that does other work.
const PATIENCE: Duration = Duration::from_secs(30);

const HOW_TO_INSTALL: &str = "`cargo xtask test` installs Chromium and its driver";

/// The driver and its port; `None` if it ended before it listened.
async fn start_driver(folder: &Path) -> Option<(Child, u16)> {
    let mut chromedriver = Command::new("chromedriver")
        .arg("--port=0")
        .env("TMPDIR", folder)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap_or_else(|cause| panic!("chromedriver does not start: {cause}; {HOW_TO_INSTALL}"));
    let mut lines = BufReader::new(chromedriver.stdout.take().unwrap()).lines();
    let port = loop {
        let line = lines.next_line().await.unwrap()?;
        if let Some((_, port)) = line.split_once("started successfully on port ") {
            break port.trim_end_matches('.').parse().unwrap();
        }
    };
    // Without a reader, the driver would end at the next line that it writes.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    Some((chromedriver, port))
}

impl Chromium {
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// A browser with further switches on its command line.
    pub(crate) async fn start_with(switches: &[&str]) -> Self {
        // A short path, because a socket is made in it.
        static STARTED: AtomicUsize = AtomicUsize::new(0);
        let folder = format!("oauth-{}-{}", std::process::id(), STARTED.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(folder);
        std::fs::create_dir(&folder).unwrap();
        // The driver takes a free port of IPv4 and wants the same of IPv6. If another program has that one, it ends.
        let mut driver = None;
        for _ in 0..5 {
            if driver.is_none() {
                driver = start_driver(&folder).await;
            }
        }
        let (chromedriver, port) = driver.expect("chromedriver says on which port it listens");

        let profile = format!("--user-data-dir={}", folder.join("profile").display());
        let mut arguments = vec![
            &*profile,
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ];
        arguments.extend(switches);
        let capabilities = json!({
            "browserName": "chrome",
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL" },
        });
        let http = reqwest_client(|defaults| defaults).unwrap();
        let mut browser = Self { http, port, session: String::new(), chromedriver, folder };
        let session = browser
            .send(Method::POST, "", &json!({ "capabilities": { "alwaysMatch": capabilities } }))
            .await
            .unwrap_or_else(|error| panic!("Chromium does not start; {HOW_TO_INSTALL}: {error}"));
        browser.session = format!("/{}", session["sessionId"].as_str().unwrap());
        browser
    }

    pub(crate) async fn goto(&self, url: &str) {
        self.post("/url", &json!({ "url": url })).await;
    }

    pub(crate) async fn back(&self) {
        self.post("/back", &json!({})).await;
    }

    pub(crate) async fn reload(&self) {
        self.post("/refresh", &json!({})).await;
    }

    pub(crate) async fn url(&self) -> String {
        text_of(&self.get("/url").await)
    }

    /// Clicks a link or a button that leads to another page, and waits for that page.
    pub(crate) async fn click(&self, css: &str) {
        let element = self.click_here(css).await;
        // A form is sent after the click was answered, so the old page may still be there for a while.
        let is_old = async || self.try_get(&format!("/element/{element}/name")).await.is_ok();
        let is_ready = json!({ "script": "return document.readyState === 'complete'", "args": [] });
        let deadline = Instant::now() + PATIENCE;
        while is_old().await || self.post("/execute/sync", &is_ready).await != json!(true) {
            assert!(Instant::now() < deadline, "{css} leads nowhere from {}", self.url().await);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The text of an element, as the user sees it.
    pub(crate) async fn text(&self, css: &str) -> String {
        let element = self.find(css).await;
        text_of(&self.get(&format!("/element/{element}/text")).await)
    }

    pub(crate) async fn has(&self, css: &str) -> bool {
        self.find_all(css).await != json!([])
    }

    /// Puts a text in place of the one in a field, key by key.
    pub(crate) async fn type_into(&self, css: &str, text: &str) {
        let element = self.find(css).await;
        self.post(&format!("/element/{element}/clear"), &json!({})).await;
        self.post(&format!("/element/{element}/value"), &json!({ "text": text })).await;
    }

    /// The texts of the elements that the user sees.
    pub(crate) async fn shown(&self, css: &str) -> Vec<String> {
        let mut shown = Vec::new();
        for found in self.find_all(css).await.as_array().unwrap() {
            let element = text_of(&found[ELEMENT]);
            if self.get(&format!("/element/{element}/displayed")).await == json!(true) {
                shown.push(text_of(&self.get(&format!("/element/{element}/text")).await));
            }
        }
        shown
    }

    /// Chooses an option of a list by its value.
    pub(crate) async fn select(&self, name: &str, value: &str) {
        self.click_here(&format!("select[name={name}] option[value={value}]")).await;
    }

    /// The cookies of the page's site whose names begin like this, as WebDriver describes cookies.
    pub(crate) async fn cookies(&self, prefix: &str) -> Vec<Value> {
        let all = self.get("/cookie").await;
        let begins = |cookie: &&Value| text_of(&cookie["name"]).starts_with(prefix);
        all.as_array().unwrap().iter().filter(begins).cloned().collect()
    }

    pub(crate) async fn set_cookie(&self, cookie: &Value) {
        self.post("/cookie", &json!({ "cookie": cookie })).await;
    }

    /// The tab that the commands go to.
    pub(crate) async fn tab(&self) -> String {
        text_of(&self.get("/window").await)
    }

    pub(crate) async fn open_tab(&self) -> String {
        text_of(&self.post("/window/new", &json!({ "type": "tab" })).await["handle"])
    }

    pub(crate) async fn switch_to(&self, tab: &str) {
        self.post("/window", &json!({ "handle": tab })).await;
    }

    /// What the browser complained about since the last call: blocked files, failed loads, broken pages.
    pub(crate) async fn complaints(&self) -> Vec<String> {
        let log = self.post("/se/log", &json!({ "type": "browser" })).await;
        log.as_array().unwrap().iter().map(|entry| text_of(&entry["message"])).collect()
    }

    async fn click_here(&self, css: &str) -> String {
        let element = self.find(css).await;
        self.post(&format!("/element/{element}/click"), &json!({})).await;
        element
    }

    async fn find(&self, css: &str) -> String {
        let found = self.find_all(css).await;
        match found[0][ELEMENT].as_str() {
            Some(element) => element.to_owned(),
            None => panic!("no {css} at {}:\n{}", self.url().await, text_of(&self.get("/source").await)),
        }
    }

    async fn find_all(&self, css: &str) -> Value {
        self.post("/elements", &json!({ "using": "css selector", "value": css })).await
    }

    async fn get(&self, command: &str) -> Value {
        self.try_get(command).await.unwrap()
    }

    async fn try_get(&self, command: &str) -> Result<Value, String> {
        self.send(Method::GET, command, &Value::Null).await
    }

    async fn post(&self, command: &str, parameters: &Value) -> Value {
        self.send(Method::POST, command, parameters).await.unwrap()
    }

    /// Sends a command; gives the reply's value, or what the driver says against it (section 6.3).
    async fn send(&self, method: Method, command: &str, parameters: &Value) -> Result<Value, String> {
        let url = format!("http://127.0.0.1:{}/session{}{command}", self.port, self.session);
        let request = self.http.request(method, url);
        let request = if parameters.is_null() {
            request
        } else {
            request.header("content-type", "application/json").body(parameters.to_string())
        };
        let reply = request.send().await.map_err(|cause| cause.to_string())?;
        let is_success = reply.status().is_success();
        let mut body: Value =
            serde_json::from_slice(&reply.bytes().await.map_err(|cause| cause.to_string())?)
                .map_err(|cause| cause.to_string())?;
        if is_success { Ok(body["value"].take()) } else { Err(format!("{command}: {}", body["value"])) }
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // Only the driver knows the browser's processes, so it must be asked before it ends; and `drop` cannot await.
        if let Ok(mut driver) = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)) {
            let quit = format!(
                "DELETE /session{} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
                self.session
            );
            let _ = driver.write_all(quit.as_bytes());
            // The reply comes when the browser has ended.
            let _ = driver.read(&mut [0; 64]);
        }
        let _ = self.chromedriver.start_kill();
        // The last of its processes may still be writing.
        for _ in 0..20 {
            if std::fs::remove_dir_all(&self.folder).is_ok() {
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

fn text_of(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("not a text: {value}")).to_owned()
}
