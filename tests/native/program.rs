//! A program that signs its user in, and the parts of it that a test plays.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use oauth_clients::{ClientSecret, HttpClient, OAuth2, Provider, async_trait};
use oauth_native::{Environment, Notice, OpenError, Opener, Prompt, SignInOptions};
use serde_json::json;
use tokio::sync::mpsc;

use crate::support::{Script, query_of, reply};

/// A public client whose token endpoint answers this often.
pub(super) fn client(answers: usize) -> (OAuth2, Script) {
    let tokens = (0..answers).map(|number| {
        let token = json!({"access_token": format!("AT{number}"), "token_type": "Bearer"});
        reply(200, "application/json", token.to_string())
    });
    let http = Script::new(tokens);
    (with(http.clone()), http)
}

pub(super) fn with(http: impl HttpClient + 'static) -> OAuth2 {
    OAuth2::new("id", ClientSecret::NONE, "https://as.example/authorize", "https://as.example/token")
        .with_name("acme")
        .with_http_client(http)
}

/// A desktop, without the wait after the last page.
pub(super) fn options(browser: &Browser) -> SignInOptions {
    SignInOptions::new()
        .environment(Environment::default())
        .linger(Duration::ZERO)
        .prompt(Talk::default())
        .opener(browser.clone())
}

/// A browser that hands over what it was told to open.
#[derive(Clone, Debug)]
pub(super) struct Browser(mpsc::UnboundedSender<String>);

impl Browser {
    pub(super) fn new() -> (Self, mpsc::UnboundedReceiver<String>) {
        let (sender, opened) = mpsc::unbounded_channel();
        (Self(sender), opened)
    }
}

#[async_trait]
impl Opener for Browser {
    async fn open(&self, url: &str) -> Result<(), OpenError> {
        self.0.send(url.to_owned()).map_err(|_| OpenError::new("the test is over"))
    }
}

/// A user who remembers what they were told, and pastes what they were given.
#[derive(Clone, Debug, Default)]
pub(super) struct Talk(Arc<Mutex<Said>>);

#[derive(Debug, Default)]
struct Said {
    notices: Vec<String>,
    pastes: VecDeque<String>,
    is_at_end: bool,
    shows_qr: bool,
}

impl Talk {
    /// A user with something to paste. `STATE` in it is that of the address that was shown.
    pub(super) fn pasting<'t>(lines: impl IntoIterator<Item = &'t str>) -> Self {
        let talk = Self::default();
        talk.0.lock().unwrap().pastes = lines.into_iter().map(str::to_owned).collect();
        talk
    }

    /// The input ends after what is pasted.
    pub(super) fn at_end(self) -> Self {
        self.0.lock().unwrap().is_at_end = true;
        self
    }

    pub(super) fn with_qr(self) -> Self {
        self.0.lock().unwrap().shows_qr = true;
        self
    }

    pub(super) fn notices(&self) -> Vec<String> {
        self.0.lock().unwrap().notices.clone()
    }

    fn state(&self) -> String {
        let notices = self.notices();
        let url =
            notices.iter().flat_map(|notice| notice.split_whitespace()).find(|word| word.contains("state="));
        let query = query_of(url.unwrap_or_default());
        query.into_iter().find(|(name, _)| name == "state").map(|(_, value)| value).unwrap_or_default()
    }
}

#[async_trait]
impl Prompt for Talk {
    fn tell(&self, notice: &Notice<'_>) {
        self.0.lock().unwrap().notices.push(notice.to_string());
    }

    async fn read_line(&self) -> io::Result<Option<String>> {
        let (line, is_at_end) = {
            let mut said = self.0.lock().unwrap();
            (said.pastes.pop_front(), said.is_at_end)
        };
        match line {
            Some(line) => Ok(Some(line.replace("STATE", &self.state()))),
            None if is_at_end => Ok(None),
            None => std::future::pending().await,
        }
    }

    fn can_read(&self) -> bool {
        true
    }

    fn shows_qr(&self) -> bool {
        self.0.lock().unwrap().shows_qr
    }
}

/// The redirect URI and the state of an authorization URL.
pub(super) fn parts(url: &str) -> (String, String) {
    let query = query_of(url);
    let value = |wanted: &str| {
        let found = query.iter().find(|(name, _)| name == wanted);
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    };
    (value("redirect_uri"), value("state"))
}

/// What a browser gets: the status and the page.
pub(super) async fn get(url: &str) -> (u16, String) {
    let url = url::Url::parse(url).unwrap();
    let (host, port) = (url.host_str().unwrap(), url.port().unwrap());
    let target = &url[url::Position::BeforePath..];
    let answer =
        exchange((host, port), &format!("GET {target} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n")).await;
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
    let (_, page) = answer.split_once("\r\n\r\n").unwrap_or_default();
    (status, page.to_owned())
}

/// Sends these bytes to a port of this machine, and reads all of the answer.
pub(super) async fn raw(port: u16, request: &str) -> String {
    exchange(("127.0.0.1", port), request).await
}

async fn exchange(address: (&str, u16), request: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// The port of a redirect URI.
pub(super) fn port_of(redirect_uri: &str) -> u16 {
    url::Url::parse(redirect_uri).unwrap().port().unwrap()
}

/// An HTTP client that never answers.
#[derive(Debug)]
pub(super) struct Silence;

#[async_trait]
impl HttpClient for Silence {
    async fn send(&self, _: http::Request<Bytes>) -> Result<http::Response<Bytes>, oauth_clients::HttpError> {
        std::future::pending().await
    }
}
