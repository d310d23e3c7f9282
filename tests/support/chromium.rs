//! Chromium, driven through WebDriver.

use std::process::Stdio;

use serde_json::json;
use thirtyfour::{By, Capabilities, Cookie, WebDriver, WebElement, error::WebDriverResult};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

/// A browser without a window, with a profile of its own. It ends when dropped, also when a test fails.
pub(crate) struct Chromium {
    // Dropped first: it asks the driver to end the browser.
    pub(crate) driver: WebDriver,
    _chromedriver: Child,
}

impl Chromium {
    pub(crate) async fn start() -> Self {
        let mut chromedriver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("chromedriver drives the browser; `cargo xtask test` installs both");
        let mut lines = BufReader::new(chromedriver.stdout.take().unwrap()).lines();
        let port: u16 = loop {
            let line = lines.next_line().await.unwrap().expect("chromedriver says on which port it listens");
            if let Some((_, port)) = line.split_once("started successfully on port ") {
                break port.trim_end_matches('.').parse().unwrap();
            }
        };
        // Without a reader, the driver would end at the next line that it writes.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });

        // The driver adds `--user-data-dir` with a new folder and removes it at the end.
        let arguments = [
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
        let capabilities = json!({
            "browserName": "chrome",
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL" },
        });
        let capabilities = Capabilities::from(capabilities.as_object().unwrap().clone());
        let driver =
            WebDriver::new(format!("http://127.0.0.1:{port}"), capabilities).await.unwrap_or_else(|error| {
                panic!("Chromium does not start; `cargo xtask test` installs it: {error}")
            });
        Self { driver, _chromedriver: chromedriver }
    }

    pub(crate) async fn goto(&self, url: &str) {
        self.driver.goto(url).await.unwrap();
    }

    pub(crate) async fn url(&self) -> String {
        self.driver.current_url().await.unwrap().into()
    }

    pub(crate) async fn click(&self, css: &str) {
        self.find(css).await.click().await.unwrap();
    }

    pub(crate) async fn text(&self, css: &str) -> String {
        self.find(css).await.text().await.unwrap()
    }

    pub(crate) async fn has(&self, css: &str) -> bool {
        !self.driver.find_all(By::Css(css)).await.unwrap().is_empty()
    }

    /// Chooses an option of a list by its value.
    pub(crate) async fn select(&self, name: &str, value: &str) {
        self.click(&format!("select[name={name}] option[value={value}]")).await;
    }

    /// The cookies of the page's site whose names begin like this.
    pub(crate) async fn cookies(&self, prefix: &str) -> Vec<Cookie> {
        let all = self.driver.get_all_cookies().await.unwrap();
        all.into_iter().filter(|cookie| cookie.name.starts_with(prefix)).collect()
    }

    /// What the browser complained about so far: blocked files, failed loads, broken pages.
    pub(crate) async fn complaints(&self) -> Vec<String> {
        let log = self.driver.browser_log().await.unwrap();
        log.into_iter().map(|entry| format!("{entry:?}")).collect()
    }

    async fn find(&self, css: &str) -> WebElement {
        let found: WebDriverResult<WebElement> = self.driver.find(By::Css(css)).await;
        match found {
            Ok(element) => element,
            Err(error) => {
                let page = self.driver.source().await.unwrap_or_default();
                panic!("no {css} at {}: {error}\n{page}", self.url().await)
            }
        }
    }
}
