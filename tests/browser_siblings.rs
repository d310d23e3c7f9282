//! A site and its sibling in a real browser: two hosts under one domain, of which one is the attacker's.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    extract::Request,
    middleware::{self, Next},
    response::Html,
    routing::get,
};
use oauth_clients::{Sealer, SealingKey, reqwest_client};
use oauth_emulator::{Consent, Emulator};
use oauth_reqwest::rustls::{ServerConfig, crypto::ring, pki_types::PrivatePkcs8KeyDer};
use oauth_web_axum::{SignIn, SignInRoutes, SignedIn};
use rcgen::{CertificateParams, KeyPair};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::support::chromium::Chromium;

/// Connections whose handshake is over. Each is made in a task, because browsers open some that they never use.
struct Https {
    address: SocketAddr,
    ready: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
}

impl Https {
    async fn bind(names: &[&str]) -> Self {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key.into())
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, ready) = mpsc::channel(16);
        tokio::spawn(async move {
            while let Ok((stream, peer)) = listener.accept().await {
                let (acceptor, sender) = (acceptor.clone(), sender.clone());
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        let _ = sender.send((stream, peer)).await;
                    }
                });
            }
        });
        Self { address, ready }
    }
}

impl axum::serve::Listener for Https {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        self.ready.recv().await.expect("the listener lives as long as the test")
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        Ok(self.address)
    }
}

/// The attacker's own sign-in: its cookie, and the callback that ends it.
async fn attackers_attempt(emulator: &Emulator, login: &str) -> (String, String, String) {
    let reply = reqwest_client(|defaults| defaults).unwrap().get(login).send().await.unwrap();
    let cookie = reply.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let (name, sealed) = cookie.split_once('=').unwrap();
    let location = reply.headers()["location"].to_str().unwrap();
    let callback = emulator.browse(location, Consent::Allow).await.unwrap().into_url();
    (name.to_owned(), sealed.to_owned(), callback)
}

#[tokio::test]
async fn az_16_a_sibling_site_cannot_put_its_own_sign_in_into_the_browser() {
    let emulator = Emulator::start().await.unwrap();
    let github = oauth_demo::connected(&emulator, "github").await.unwrap();
    let https = Https::bind(&["app.bank.localhost", "evil.bank.localhost"]).await;
    let port = https.address.port();
    let (app, evil) =
        (format!("https://app.bank.localhost:{port}"), format!("https://evil.bank.localhost:{port}"));

    let (signed_in, planted, seen) = (
        Arc::new(Mutex::new(0)),
        Arc::new(Mutex::new(String::new())),
        Arc::new(Mutex::new(Vec::<Vec<u8>>::new())),
    );
    let sign_in = SignIn::new(Sealer::new(SealingKey::from_bytes([1; 32])))
        .at(&*app)
        .unwrap()
        .providers([github])
        .unwrap();
    let (count, script, lines) = (signed_in.clone(), planted.clone(), seen.clone());
    let routes = SignInRoutes::new(sign_in).router(move |_: SignedIn| {
        *count.lock().unwrap() += 1;
        async { Html("<h1>Hello</h1>") }
    });
    let site = Router::new()
        .nest("/auth", routes)
        // To read the cookies back waits until they are set.
        .route(
            "/",
            get(async move || Html(format!("<script>{}; document.cookie</script>", script.lock().unwrap()))),
        )
        .layer(middleware::from_fn(move |request: Request, next: Next| {
            let cookies = request.headers().get_all("cookie").iter().map(|line| line.as_bytes().to_vec());
            lines.lock().unwrap().extend(cookies);
            next.run(request)
        }));
    // The attacker has an HTTP client of their own, which needs no certificate.
    let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let login = format!("http://{}/auth/github/login", plain.local_addr().unwrap());
    let also = site.clone();
    tokio::spawn(async move { axum::serve(plain, also).await });
    tokio::spawn(async move { axum::serve(https, site).await });

    // Names below localhost are this machine, and to a browser's cookies a domain as any other.
    let browser = Chromium::start_with(&["--ignore-certificate-errors"]).await;
    let mut arrived = String::new();
    for space in ["\u{2000}", "\u{a0}", "\u{85}", "\u{3000}", "\u{2028}", ""] {
        let (name, sealed, callback) = attackers_attempt(&emulator, &login).await;
        // Without white space, it is the name that plain http has.
        let name = if space.is_empty() { name.replace("__Host-", "") } else { format!("{space}{name}") };
        let cookie = serde_json::json!(format!("{name}={sealed}; domain=bank.localhost; path=/; secure"));
        *planted.lock().unwrap() = format!("document.cookie = {cookie}");
        browser.goto(&format!("{evil}/")).await;
        seen.lock().unwrap().clear();
        browser.goto(&callback).await;
        assert_eq!(browser.text("h1").await, "You are not signed in", "{space:?}");
        assert_eq!(*signed_in.lock().unwrap(), 0, "{space:?}");
        let seen = String::from_utf8(seen.lock().unwrap().concat()).unwrap();
        if seen.contains(&format!("{name}={sealed}")) {
            arrived.push_str(if space.is_empty() { "-" } else { space });
        }
    }
    // Else this would be a test of the browser.
    assert!(
        arrived.contains('\u{2000}') && arrived.contains('\u{3000}') && arrived.contains('-'),
        "{arrived:?}"
    );

    // A browser guards the prefix itself.
    let (name, sealed, callback) = attackers_attempt(&emulator, &login).await;
    let cookie = serde_json::json!(format!("{name}={sealed}; domain=bank.localhost; path=/; secure"));
    *planted.lock().unwrap() = format!("document.cookie = {cookie}");
    browser.goto(&format!("{evil}/")).await;
    browser.goto(&callback).await;
    assert_eq!(browser.text("h1").await, "You are not signed in");

    // And among all these cookies, the user signs in.
    browser.goto(&format!("{app}/auth/github/login")).await;
    browser.click("button[value=allow]").await;
    assert_eq!((browser.text("h1").await, *signed_in.lock().unwrap()), ("Hello".to_owned(), 1));
    assert!(browser.url().await.starts_with(&app));
    assert!(browser.cookies("__Host-oauth-").await.is_empty(), "its own cookie is cleared");
}
