//! CA: client authentication by TLS certificate, and tokens that are bound to one (RFC 8705), at servers that speak TLS.

use std::sync::{Arc, Mutex};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use oauth_clients::{
    Credentials, Endpoint, Endpoints, ErrorClass, HttpClient, OAuth2, OAuth2Token, OffsetDateTime, Provider,
    fapi::{
        CertificateBoundTokens, ClientCertificate, ClientCertificates, PrivateKeyJwt, SignError, Signer,
        SigningKey, TlsClientAuth,
    },
    openid::Algorithm,
};
use oauth_hyper::HyperClient;
use oauth_reqwest::{
    ReqwestClient,
    rustls::{
        ClientConfig, RootCertStore, ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
        server::WebPkiClientVerifier,
    },
};
use rcgen::{CertificateParams, KeyPair};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

use super::keys::P256;

/// A client's certificate with its key.
pub(super) struct Identity {
    certificate: CertificateDer<'static>,
    key: Vec<u8>,
}

impl Identity {
    pub(super) fn new(until: i32) -> Self {
        Self::between(2020, until)
    }

    fn between(from: i32, until: i32) -> Self {
        let mut params = CertificateParams::new(["client.example".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(from, 1, 1);
        params.not_after = rcgen::date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().unwrap();
        Self { certificate: params.self_signed(&key).unwrap().der().clone(), key: key.serialize_der() }
    }

    fn thumbprint(&self) -> String {
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &self.certificate);
        URL_SAFE_NO_PAD.encode(hash)
    }
}

/// One request as the server saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// Method, path and body.
    request: String,
    body: String,
    /// What the client showed.
    certificate: Option<CertificateDer<'static>>,
}

/// A TLS server at localhost that asks for a client certificate and takes none for an answer too.
pub(super) struct Server {
    pub(super) url: String,
    certificate: CertificateDer<'static>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    pub(super) async fn new(clients: &[&Identity]) -> Self {
        Self::answering(
            clients,
            "200 OK",
            "",
            r#"{"access_token":"AT","refresh_token":"RT","active":true,"sub":"u"}"#,
        )
        .await
    }

    async fn answering(clients: &[&Identity], status: &str, headers: &str, body: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap().der().clone();
        let provider = Arc::new(ring::default_provider());
        let mut roots = RootCertStore::empty();
        clients.iter().for_each(|client| roots.add(client.certificate.clone()).unwrap());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier.allow_unauthenticated().build().unwrap())
            .with_single_cert(vec![certificate.clone()], PrivatePkcs8KeyDer::from(key.serialize_der()).into())
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let start = format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\n{headers}");
        let body = body.to_owned();
        let (acceptor, log) = (TlsAcceptor::from(Arc::new(config)), seen.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, log, start, answer) =
                    (acceptor.clone(), log.clone(), start.clone(), body.clone());
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else { return };
                    let certificate = stream.get_ref().1.peer_certificates();
                    let certificate = certificate.and_then(|chain| chain.first()).cloned();
                    let mut buffer = [0; 16384];
                    // Requests of these tests are small enough to come in one piece.
                    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                        let text = String::from_utf8_lossy(&buffer[..read]).into_owned();
                        let (head, body) = text.split_once("\r\n\r\n").unwrap();
                        let request: Vec<_> = head.split(' ').take(2).collect();
                        log.lock().unwrap().push(Seen {
                            request: request.join(" "),
                            body: body.to_owned(),
                            certificate: certificate.clone(),
                        });
                        // Each token is another one.
                        let number = log.lock().unwrap().len();
                        let body = answer.replace("\"AT\"", &format!("\"AT{number}\""));
                        let reply = format!("{start}content-length: {}\r\n\r\n{body}", body.len());
                        if stream.write_all(reply.as_bytes()).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Self { url, certificate, seen }
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// What was asked, and whether with this certificate.
    fn shown(&self, identity: &Identity) -> Vec<(String, bool)> {
        self.shown_since(0, identity)
    }

    /// What was asked after the first requests, and whether with this certificate.
    pub(super) fn shown_since(&self, first: usize, identity: &Identity) -> Vec<(String, bool)> {
        let is_own = |seen: &Seen| match &seen.certificate {
            None => false,
            Some(shown) => {
                assert_eq!(*shown, identity.certificate);
                true
            }
        };
        self.seen().iter().skip(first).map(|seen| (seen.request.clone(), is_own(seen))).collect()
    }
}

fn trusting(servers: &[&Server]) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    servers.iter().for_each(|server| roots.add(server.certificate.clone()).unwrap());
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

pub(super) fn with_certificate(identity: &Identity, servers: &[&Server]) -> ClientConfig {
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(identity.key.clone()));
    oauth_reqwest::with_client_certificate(trusting(servers), vec![identity.certificate.clone()], key)
        .unwrap()
}

/// Both HTTP clients with the certificate.
fn both(identity: &Identity, servers: &[&Server]) -> [ClientCertificate; 2] {
    let config = with_certificate(identity, servers);
    let reqwest = ReqwestClient::with_tls(config.clone()).unwrap();
    [
        ClientCertificate::new(&identity.certificate, reqwest).unwrap(),
        ClientCertificate::new(&identity.certificate, HyperClient::with_tls(config)).unwrap(),
    ]
}

pub(super) fn certificate(identity: &Identity, servers: &[&Server]) -> ClientCertificate {
    both(identity, servers).into_iter().next().unwrap()
}

pub(super) fn client(
    server: &Server,
    credentials: impl Into<Credentials>,
    http: impl HttpClient + 'static,
) -> OAuth2 {
    let at = |path: &str| format!("{}{path}", server.url);
    OAuth2::new("client-1", credentials, at("/authorize"), at("/token"))
        .with_refresh_endpoint(at("/token"))
        .with_revoke_endpoint(at("/revoke"))
        .with_introspection_endpoint(at("/introspect"))
        .with_profile_endpoint(at("/me"))
        .with_http_client(http)
        .with_issuer("https://as.example")
}

pub(super) fn plain(servers: &[&Server]) -> ReqwestClient {
    ReqwestClient::with_tls(trusting(servers)).unwrap()
}

pub(super) async fn exchange(client: &OAuth2) -> oauth_clients::Result<OAuth2Token> {
    client.get_access_token("C", "https://app.example/cb", None, &[]).await
}

fn key() -> SigningKey {
    SigningKey::from_pem(P256, Algorithm::ES256).unwrap()
}

#[tokio::test]
async fn ca_06_the_certificate_is_shown_with_the_client_id_and_nothing_beside_it() {
    let identity = Identity::new(2099);
    let server = Server::new(&[&identity]).await;
    for certificate in both(&identity, &[&server]) {
        let client = client(&server, TlsClientAuth::new(certificate), plain(&[&server]));
        exchange(&client).await.unwrap();
        client.revoke_token("AT", None).await.unwrap();
        client.introspect_token("AT", None).await.unwrap();
    }
    let seen = server.seen();
    assert_eq!(seen.len(), 6);
    for seen in seen {
        assert_eq!(seen.certificate.as_ref(), Some(&identity.certificate));
        assert!(seen.body.contains("client_id=client-1"), "{seen:?}");
        assert!(!seen.body.contains("client_secret") && !seen.body.contains("assertion"), "{seen:?}");
    }
}

#[test]
fn ca_06_the_method_is_the_one_that_was_registered() {
    use oauth_clients::ClientAuthentication;

    let identity = Identity::new(2099);
    let http = || HyperClient::with_tls(trusting(&[]));
    let certificate = || ClientCertificate::new(&identity.certificate, http()).unwrap();
    assert_eq!(TlsClientAuth::new(certificate()).method(), "tls_client_auth");
    assert_eq!(TlsClientAuth::self_signed(certificate()).method(), "self_signed_tls_client_auth");
    assert!(ClientCertificate::new("no certificate", http()).is_err());
    assert_eq!(certificate().thumbprint(), identity.thumbprint());
    assert_eq!(certificate().not_after().map(OffsetDateTime::year), Some(2099));
}

/// Has another certificate put in place while it signs.
#[derive(Debug)]
struct Rotating {
    key: SigningKey,
    certificates: ClientCertificates,
    next: Mutex<Option<ClientCertificate>>,
}

#[oauth_clients::async_trait]
impl Signer for Rotating {
    fn algorithm(&self) -> Algorithm {
        self.key.algorithm()
    }

    fn public_jwk(&self) -> serde_json::Map<String, serde_json::Value> {
        self.key.public_jwk()
    }

    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        if let Some(next) = self.next.lock().unwrap().take() {
            self.certificates.replace(next);
        }
        self.key.sign(message).await
    }
}

#[tokio::test]
async fn ca_09_a_token_notes_the_certificate_that_was_shown_for_it_though_another_took_its_place() {
    let (old, new) = (Identity::new(2098), Identity::new(2099));
    let server = Server::new(&[&old, &new]).await;
    let certificates = ClientCertificates::new(certificate(&old, &[&server]));
    let next = Mutex::new(Some(certificate(&new, &[&server])));
    let signer = Rotating { key: key(), certificates: certificates.clone(), next };
    let client = client(&server, PrivateKeyJwt::new(signer), plain(&[&server]))
        .with_participant(CertificateBoundTokens::new(certificates));
    let token = exchange(&client).await.unwrap();
    assert_eq!(token.confirmation().unwrap()["x5t#S256"], new.thumbprint());
    assert_eq!(server.seen()[0].certificate.as_ref(), Some(&new.certificate));
    client.get_profile_of(&token).await.unwrap();
}

/// A client with a second host for mutual TLS, which has these endpoints.
fn aliased(client: OAuth2, mtls: &Server, aliases: &[(Endpoint, &str)]) -> OAuth2 {
    let aliases = aliases.iter().map(|&(endpoint, path)| (endpoint, format!("{}{path}", mtls.url)));
    client.with_mtls_endpoints(Endpoints::from_iter(aliases))
}

const BOTH_TOKEN: [(Endpoint, &str); 2] =
    [(Endpoint::Token, "/mtls/token"), (Endpoint::Refresh, "/mtls/token")];

pub(super) fn calls(expected: &[(&str, bool)]) -> Vec<(String, bool)> {
    expected.iter().map(|&(request, shown)| (request.to_owned(), shown)).collect()
}

#[tokio::test]
async fn ca_07_aliases_are_used_endpoint_by_endpoint_where_the_certificate_authenticates() {
    let identity = Identity::new(2099);
    let (usual, mtls) = (Server::new(&[&identity]).await, Server::new(&[&identity]).await);
    let servers = [&usual, &mtls];
    let client = client(&usual, TlsClientAuth::new(certificate(&identity, &servers)), plain(&servers));
    let client = aliased(client, &mtls, &BOTH_TOKEN);
    let token = exchange(&client).await.unwrap();
    client.refresh_token("RT", None).await.unwrap();
    client.revoke_token("AT", None).await.unwrap();
    // Nothing says that the token is bound.
    client.get_profile_of(&token).await.unwrap();
    assert_eq!(mtls.shown(&identity), calls(&[("POST /mtls/token", true), ("POST /mtls/token", true)]));
    assert_eq!(usual.shown(&identity), calls(&[("POST /revoke", true), ("GET /me", false)]));
}

#[tokio::test]
async fn ca_07_a_pushed_request_goes_to_its_alias_where_the_certificate_authenticates() {
    let identity = Identity::new(2099);
    let (usual, mtls) = (Server::new(&[&identity]).await, Server::new(&[&identity]).await);
    let servers = [&usual, &mtls];
    let client = client(&usual, TlsClientAuth::new(certificate(&identity, &servers)), plain(&servers));
    let client = aliased(client, &mtls, &[(Endpoint::PushedAuthorization, "/mtls/par")]);
    let pushed = format!("{}/par", usual.url);
    let push = client.request(oauth_clients::Operation::new("push"), http::Method::POST, pushed);
    let push = push.endpoint(Endpoint::PushedAuthorization).client_auth(client.client_auth());
    push.form([("a", "b")]).send().await.unwrap();
    assert_eq!(mtls.shown(&identity), calls(&[("POST /mtls/par", true)]));
}

#[tokio::test]
async fn ca_07_bound_tokens_are_got_and_used_at_the_aliases_and_all_else_stays_where_it_was() {
    let identity = Identity::new(2099);
    let (usual, mtls) = (Server::new(&[&identity]).await, Server::new(&[&identity]).await);
    let servers = [&usual, &mtls];
    let client = client(&usual, PrivateKeyJwt::new(key()), plain(&servers))
        .with_participant(CertificateBoundTokens::new(certificate(&identity, &servers)));
    let aliases =
        [&BOTH_TOKEN[..], &[(Endpoint::Profile, "/mtls/me"), (Endpoint::Revocation, "/mtls/revoke")]];
    let client = aliased(client, &mtls, &aliases.concat());
    let token = exchange(&client).await.unwrap();
    client.refresh(&token, None).await.unwrap();
    client.get_profile_of(&token).await.unwrap();
    client.revoke_token("AT", None).await.unwrap();
    // A grant of another specification.
    let endpoint = client.endpoints().token().to_owned();
    let form = [("grant_type", "client_credentials")];
    client.request_token(oauth_clients::Operation::new("obtain"), &endpoint, form).await.unwrap();
    let pushed = format!("{}/par", usual.url);
    let push = client.request(oauth_clients::Operation::new("push"), http::Method::POST, pushed);
    push.client_auth(client.client_auth()).form([("a", "b")]).send().await.unwrap();
    let expected = [
        ("POST /mtls/token", true),
        ("POST /mtls/token", true),
        ("GET /mtls/me", true),
        ("POST /mtls/token", true),
    ];
    assert_eq!(mtls.shown(&identity), calls(&expected));
    assert_eq!(usual.shown(&identity), calls(&[("POST /revoke", false), ("POST /par", false)]));
    assert!(mtls.seen()[0].body.contains("client_assertion="));
}

#[tokio::test]
async fn ca_07_an_endpoint_without_an_alias_is_asked_where_it_is_with_the_certificate() {
    let identity = Identity::new(2099);
    let (usual, mtls) = (Server::new(&[&identity]).await, Server::new(&[&identity]).await);
    let servers = [&usual, &mtls];
    let client = client(&usual, PrivateKeyJwt::new(key()), plain(&servers))
        .with_participant(CertificateBoundTokens::new(certificate(&identity, &servers)));
    let client = aliased(client, &mtls, &BOTH_TOKEN);
    let token = exchange(&client).await.unwrap();
    client.get_profile_of(&token).await.unwrap();
    assert_eq!(usual.shown(&identity), calls(&[("GET /me", true)]));
}

#[tokio::test]
async fn ca_08_two_certificates_in_one_process_are_never_mixed() {
    let identities = [Identity::new(2099), Identity::new(2098)];
    let server = Server::new(&[&identities[0], &identities[1]]).await;
    let clients: Vec<_> = identities
        .iter()
        .flat_map(|identity| both(identity, &[&server]).map(|certificate| (identity, certificate)))
        .map(|(identity, certificate)| {
            // A public client, each instance of which has a certificate of its own.
            let client = client(&server, Credentials::NONE, plain(&[&server]))
                .with_participant(CertificateBoundTokens::new(certificate));
            (identity, client)
        })
        .collect();
    for _ in 0..3 {
        for (identity, client) in &clients {
            let token = exchange(client).await.unwrap();
            assert_eq!(token.confirmation().unwrap()["x5t#S256"], identity.thumbprint());
            client.get_profile_of(&token).await.unwrap();
            let seen = server.seen();
            for seen in &seen[seen.len() - 2..] {
                assert_eq!(seen.certificate.as_ref(), Some(&identity.certificate));
            }
        }
    }
}

#[tokio::test]
async fn ca_09_a_new_certificate_opens_new_connections_and_tokens_of_the_old_one_are_not_sent() {
    let (old, new) = (Identity::new(2098), Identity::new(2099));
    let server = Server::new(&[&old, &new]).await;
    let certificates = ClientCertificates::new(certificate(&old, &[&server]));
    let made = |credentials: Credentials| {
        client(&server, credentials, plain(&[&server]))
            .with_participant(CertificateBoundTokens::new(certificates.clone()))
    };
    let confidential = made(TlsClientAuth::new(certificates.clone()).into());
    let public = made(Credentials::NONE);
    let token = exchange(&confidential).await.unwrap();
    let stored: OAuth2Token = serde_json::from_str(&serde_json::to_string(&token).unwrap()).unwrap();
    confidential.get_profile_of(&stored).await.unwrap();

    certificates.replace(certificate(&new, &[&server]));
    let sent = server.seen().len();
    let error = confidential.get_profile_of(&stored).await.unwrap_err();
    assert!(error.to_string().contains("the client has another one"), "{error}");
    // The refresh token of a public client is bound to the certificate too (RFC 8705 section 4).
    assert!(public.refresh(&stored, None).await.is_err());
    assert_eq!(server.seen().len(), sent);
    let renewed = confidential.refresh(&stored, None).await.unwrap();
    assert_eq!(renewed.confirmation().unwrap()["x5t#S256"], new.thumbprint());
    confidential.get_profile_of(&renewed).await.unwrap();
    for seen in &server.seen()[sent..] {
        assert_eq!(seen.certificate.as_ref(), Some(&new.certificate));
    }
}

#[tokio::test]
async fn a_certificate_that_expired_or_is_of_the_future_is_an_error_that_says_so_and_is_not_shown() {
    for (identity, problem) in [
        (Identity::new(2021), "expired on 2021-01-01"),
        (Identity::between(2098, 2099), "not good before 2098-01-01"),
    ] {
        let server = Server::new(&[&identity]).await;
        let shown = || certificate(&identity, &[&server]);
        let by_certificate = client(&server, TlsClientAuth::new(shown()), plain(&[&server]));
        let bound = client(&server, PrivateKeyJwt::new(key()), plain(&[&server]))
            .with_participant(CertificateBoundTokens::new(shown()));
        for client in [by_certificate, bound] {
            let error = exchange(&client).await.unwrap_err();
            assert_eq!(error.class(), ErrorClass::Configuration);
            assert!(error.to_string().contains(problem), "{error}");
        }
        assert_eq!(server.seen(), []);
    }
}

#[tokio::test]
async fn ca_18_a_redirect_shows_the_certificate_to_nobody_else() {
    let identity = Identity::new(2099);
    let other = Server::new(&[&identity]).await;
    for code in ["307 Temporary Redirect", "308 Permanent Redirect", "302 Found"] {
        let location = format!("location: {}/token\r\n", other.url);
        let server = Server::answering(&[&identity], code, &location, "").await;
        for certificate in both(&identity, &[&server, &other]) {
            let certificates = ClientCertificates::new(certificate);
            let client = client(&server, TlsClientAuth::new(certificates.clone()), plain(&[&server, &other]))
                .with_participant(CertificateBoundTokens::new(certificates));
            assert!(exchange(&client).await.is_err());
            assert!(client.get_profile("AT").await.is_err());
        }
        assert_eq!(server.seen().len(), 4);
    }
    assert_eq!(other.seen(), []);
}

#[tokio::test]
async fn fa_19_the_certificate_is_shown_on_every_connection_where_that_is_demanded() {
    let identity = Identity::new(2099);
    let (usual, mtls) = (Server::new(&[&identity]).await, Server::new(&[&identity]).await);
    let servers = [&usual, &mtls];
    let bound = CertificateBoundTokens::new(certificate(&identity, &servers)).on_every_connection();
    let client = client(&usual, PrivateKeyJwt::new(key()), plain(&servers)).with_participant(bound);
    let client = aliased(client, &mtls, &BOTH_TOKEN);
    exchange(&client).await.unwrap();
    client.revoke_token("AT", None).await.unwrap();
    let pushed = format!("{}/par", usual.url);
    let push = client.request(oauth_clients::Operation::new("push"), http::Method::POST, pushed);
    push.client_auth(client.client_auth()).form([("a", "b")]).send().await.unwrap();
    assert_eq!(mtls.shown(&identity), calls(&[("POST /mtls/token", true)]));
    assert_eq!(usual.shown(&identity), calls(&[("POST /revoke", true), ("POST /par", true)]));
}
