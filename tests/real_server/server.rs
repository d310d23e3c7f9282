//! The server's process, and the browser of whoever signs in there. The tests of oauth-openid use it too.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::OnceLock,
};

use oauth_openid::{
    ClientMetadata, Discovery, IdToken, OpenID, RegisteredClient,
    oauth_core::{
        self, Callback, Login, LoginOptions, Provider,
        http::Method,
        serde_json::{self, Value},
    },
};
use oauth_reqwest::reqwest_client;

use super::{
    SERVER,
    browser::{Arrival, Browser},
};

/// Where the browser is caught before it arrives: nothing listens there.
pub(crate) const REDIRECT_URI: &str = "http://127.0.0.1:8080/callback";
/// The secret of the client `basic`.
pub(crate) const SECRET: &str = "s3cret+/=:%~ &?";
/// What registers a client.
pub(crate) const INITIAL_ACCESS_TOKEN: &str = "may-register";

/// The server.
pub(crate) struct Server {
    pub(crate) issuer: String,
    process: Child,
    /// The server ends when this does, also with the process of the tests.
    _input: Option<ChildStdin>,
}

impl Server {
    /// The one that the tests share which change nothing for the others.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Server> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    pub(crate) fn start() -> Self {
        Self::start_in(None)
    }

    /// One that also speaks TLS with the certificates in this folder.
    pub(crate) fn start_in(folder: Option<&Path>) -> Self {
        let mut process = Command::new("node")
            .arg(SERVER)
            .arg("0")
            .args(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Node.js runs the server; `cargo xtask test` installs both");
        let input = process.stdin.take();
        let mut line = String::new();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        output.read_line(&mut line).unwrap();
        // Whatever else it says is read too: it ends when nobody listens.
        std::thread::spawn(move || output.lines().for_each(drop));
        let ready: Value =
            serde_json::from_str(&line).expect("the server starts; `cargo xtask test` installs its packages");
        Self { issuer: ready["issuer"].as_str().unwrap().to_owned(), process, _input: input }
    }

    pub(crate) fn discovery(&self) -> Discovery {
        Discovery::new(&*self.issuer)
    }

    /// The client `basic`.
    pub(crate) fn client(&self) -> OpenID {
        self.discovery().client("basic", SECRET).unwrap()
    }

    /// A client of its own, with its registration.
    pub(crate) async fn registered(&self, metadata: &ClientMetadata) -> (OpenID, RegisteredClient) {
        let discovery = self.discovery();
        let registered = OpenID::register(&discovery, metadata, Some(INITIAL_ACCESS_TOKEN)).await.unwrap();
        (registered.client(&discovery).unwrap(), registered)
    }

    /// Signs with other keys from now on.
    pub(crate) async fn rotate_keys(&self) {
        self.control(Method::POST, "rotate").await;
    }

    /// How often something has happened: a request such as `GET /jwks`, a prompt such as `login`.
    pub(crate) async fn count(&self, kind: &str, name: &str) -> u64 {
        self.control(Method::GET, "counts").await[kind][name].as_u64().unwrap_or(0)
    }

    /// What the server itself has no endpoint for.
    pub(crate) async fn control(&self, method: Method, what: &str) -> Value {
        let url = format!("{}/control/{what}", self.issuer);
        let reply = reqwest_client(|defaults| defaults).unwrap().request(method, url).send().await.unwrap();
        assert_eq!(reply.status(), 200);
        serde_json::from_str(&reply.text().await.unwrap()).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What a client tells the server of itself in these tests.
pub(crate) fn metadata() -> ClientMetadata {
    ClientMetadata::new([REDIRECT_URI])
        .set("application_type", "native")
        .set("post_logout_redirect_uris", [REDIRECT_URI])
}

/// Somebody's browser.
pub(crate) fn browser() -> Browser {
    Browser::new(|defaults| defaults).unwrap()
}

/// Opens an authorization URL, and brings back what the server sends to the redirect URI.
pub(crate) async fn browse(browser: &Browser, url: &str) -> Callback {
    match browser.go(url, Some(REDIRECT_URI)).await.unwrap() {
        Arrival::Redirect(url) => Callback::from_url(&url),
        Arrival::Form(body) => Callback::from_form(&body),
        Arrival::Page { status, text } => panic!("{status}: {text}"),
    }
}

/// A whole login.
pub(crate) async fn login(
    client: &impl Provider,
    browser: &Browser,
    options: LoginOptions,
) -> oauth_core::Result<Login> {
    let started = client.start_login(REDIRECT_URI, options).await?;
    let callback = browse(browser, &started.url).await;
    client.finish_login(started.attempt, callback).await
}

/// The ID token of a login.
pub(crate) fn id_token(login: &Login) -> &IdToken {
    IdToken::of(login).expect("a login with OpenID Connect has an ID token")
}

/// What a token says of its own signature.
pub(crate) fn header(token: &str) -> Value {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap()).unwrap()
}
