//! Keycloak behind two addresses: the emulator, and in front of it a server with a certificate of a private authority.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::Request,
    http::header,
    response::Response,
    serve::Listener,
};
use oauth_clients::{
    SealingKey,
    emulator::Emulator,
    oauth_reqwest::rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivatePkcs8KeyDer},
    },
    reqwest_client,
};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::keycloak_private_ca;

const PUBLIC: &str = "https://keycloak.example";

struct TlsListener {
    tcp: TcpListener,
    tls: TlsAcceptor,
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, address) = self.tcp.accept().await.unwrap();
            // A client that does not trust the certificate hangs up.
            if let Ok(stream) = self.tls.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.tcp.local_addr()
    }
}

/// A server's TLS settings, and the authority that its certificate is from.
fn certificate() -> (ServerConfig, CertificateDer<'static>) {
    let mut params = CertificateParams::new([]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let authority = params.self_signed(&key).unwrap().der().clone();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(["localhost".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], PrivatePkcs8KeyDer::from(key.serialize_der()).into())
        .unwrap();
    (config, authority)
}

/// Keycloak's internal address, and how often it was asked.
async fn internal(emulator: &Emulator, config: ServerConfig) -> (String, Arc<AtomicUsize>) {
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("https://localhost:{}", tcp.local_addr().unwrap().port());
    let requests = Arc::new(AtomicUsize::new(0));
    let (counted, emulator, own) = (requests.clone(), emulator.clone(), address.clone());
    let app = Router::new().fallback(async move |request: Request| {
        counted.fetch_add(1, Ordering::Relaxed);
        answer(&emulator, &own, request).await
    });
    let tls = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move { axum::serve(TlsListener { tcp, tls }, app).await });
    (address, requests)
}

async fn answer(emulator: &Emulator, own: &str, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let url = emulator.local(&format!("{PUBLIC}{}", parts.uri));
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let http = reqwest_client(|defaults| defaults).unwrap();
    let mut forwarded = http.request(parts.method, url).body(body);
    for name in [header::AUTHORIZATION, header::CONTENT_TYPE] {
        if let Some(value) = parts.headers.get(&name) {
            forwarded = forwarded.header(name, value);
        }
    }
    let reply = forwarded.send().await.unwrap();
    let response = Response::builder().status(reply.status());
    let response = response.header(header::CONTENT_TYPE, reply.headers()[header::CONTENT_TYPE].clone());
    let mut text = reply.text().await.unwrap();
    if parts.uri.path().ends_with("/openid-configuration") {
        // As with `hostname-backchannel-dynamic`: what browsers and tokens name stays public.
        let mut document: Value = serde_json::from_str(&text).unwrap();
        for (name, value) in document.as_object_mut().unwrap() {
            if let Value::String(url) = value
                && !["issuer", "authorization_endpoint", "end_session_endpoint"].contains(&&**name)
            {
                *url = url.replace(PUBLIC, own);
            }
        }
        text = document.to_string();
    }
    response.body(Body::from(text)).unwrap()
}

#[tokio::test]
async fn a_back_channel_has_its_own_address_and_private_authority() {
    let emulator = Emulator::start().await.unwrap();
    let (config, authority) = certificate();
    let (address, requests) = internal(&emulator, config).await;
    let (public, own) = (format!("{PUBLIC}/realms/demo"), format!("{address}/realms/demo"));
    let credentials = ("keycloak-client-id".to_owned(), "keycloak-client-secret".to_owned());
    let browser = |trusted: Vec<CertificateDer<'static>>| {
        let client = keycloak_private_ca::client(&public, &own, trusted, credentials.clone()).unwrap();
        let app = keycloak_private_ca::app(client, "https://app.example", SealingKey::from_bytes([7; 32]));
        emulator.browser().unwrap().in_process("https://app.example", app.unwrap()).unwrap()
    };

    let page = browser(vec![]).get("/auth/openid/login").await.unwrap();
    assert!(page.status.is_server_error(), "{page:?}");
    assert_eq!(requests.load(Ordering::Relaxed), 0);

    let page = browser(vec![authority]).get("/auth/openid/login").await.unwrap();
    assert_eq!(page.text, "1815121018521127 of https://keycloak.example/realms/demo");
    // Metadata, tokens, keys and UserInfo.
    assert_eq!(requests.load(Ordering::Relaxed), 4);
}
