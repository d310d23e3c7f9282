//! Whom the HTTP clients believe (RFC 9325): both of them, at servers whose certificates are good, or not.

use std::sync::Arc;

use oauth_core::{ErrorClass, HttpClient, HttpErrorKind, OAuth2, Provider};
use oauth_hyper::HyperClient;
use oauth_reqwest::{
    ReqwestClient, reqwest_client,
    rustls::{
        ClientConfig, RootCertStore, ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
        server::WebPkiClientVerifier,
    },
};
use rcgen::{CertificateParams, KeyPair};

use crate::hyper_client::{Server, ok, transport};

/// A server that is asked for as localhost, and its certificate, for whose names and times it is to blame.
pub(crate) async fn server(
    name: &str,
    spoil: impl FnOnce(&mut CertificateParams),
) -> (Server, CertificateDer<'static>) {
    server_for(None, name, spoil).await
}

/// A server as [`server`] starts it, for clients that show this certificate, if it is given.
async fn server_for(
    client: Option<CertificateDer<'static>>,
    name: &str,
    spoil: impl FnOnce(&mut CertificateParams),
) -> (Server, CertificateDer<'static>) {
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    spoil(&mut params);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap().der().clone();
    let provider = Arc::new(ring::default_provider());
    let builder =
        ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions().unwrap();
    let builder = match client {
        None => builder.with_no_client_auth(),
        Some(client) => {
            let mut roots = RootCertStore::empty();
            roots.add(client).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    let config = builder
        .with_single_cert(vec![certificate.clone()], PrivatePkcs8KeyDer::from(key.serialize_der()).into())
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    (Server::start_with(ok(r#"{"access_token":"AT"}"#), Some(acceptor)).await, certificate)
}

/// Settings that trust this certificate and no other.
fn trusting(certificate: CertificateDer<'static>) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

/// Both clients with TLS like this.
fn both(config: &ClientConfig) -> [Arc<dyn HttpClient>; 2] {
    let reqwest = ReqwestClient::with_tls(config.clone()).unwrap();
    [Arc::new(reqwest), Arc::new(HyperClient::with_tls(config.clone()))]
}

async fn exchange(server: &Server, http: Option<Arc<dyn HttpClient>>) -> oauth_core::Result<String> {
    let endpoint = format!("https://{}/token", server.address.replace("127.0.0.1", "localhost"));
    let mut client = OAuth2::new("id", "CLIENT-SECRET", "https://as.example/authorize", endpoint);
    if let Some(http) = http {
        client = client.with_http_client(http);
    }
    let token = client.get_access_token("c", "https://app.example/cb", None, &[]).await?;
    Ok(token.access_token().to_owned())
}

/// That nothing reaches a server whose certificate is not good.
async fn refused(server: &Server, http: Option<Arc<dyn HttpClient>>, why: &str) {
    let error = exchange(server, http).await.unwrap_err();
    assert_eq!(transport(&error), HttpErrorKind::Certificate, "{error}");
    assert_eq!(error.class(), ErrorClass::Configuration, "{error}");
    let port = server.address.rsplit(':').next().unwrap();
    assert_eq!(error.host(), Some(&*format!("localhost:{port}")));
    assert!(error.to_string().contains(why), "{why}: {error}");
    assert_eq!(server.requests(), 0, "{why}");
}

#[tokio::test]
async fn tk_18_a_certificate_that_nobody_vouches_for_is_refused_before_anything_is_sent() {
    let (stranger, certificate) = server("localhost", |_| {}).await;
    refused(&stranger, None, "tls_trusting").await;
    refused(&stranger, Some(Arc::new(HyperClient::new().unwrap())), "SSL_CERT_FILE").await;
    // Who trusts it, for a private authority, speaks to it.
    for http in both(&trusting(certificate)) {
        assert_eq!(exchange(&stranger, Some(http)).await.unwrap(), "AT");
    }
}

#[tokio::test]
async fn tk_18_a_certificate_for_another_host_or_another_time_is_refused_by_who_trusts_its_issuer() {
    let (other_host, certificate) = server("other.example", |_| {}).await;
    for http in both(&trusting(certificate)) {
        refused(&other_host, Some(http), "not valid for name").await;
    }
    let (expired, certificate) = server("localhost", |params| {
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    })
    .await;
    for http in both(&trusting(certificate)) {
        refused(&expired, Some(http), "expired").await;
    }
    let (future, certificate) = server("localhost", |params| {
        params.not_before = rcgen::date_time_ymd(2099, 1, 1);
        params.not_after = rcgen::date_time_ymd(2100, 1, 1);
    })
    .await;
    for http in both(&trusting(certificate)) {
        refused(&future, Some(http), "is this machine's clock right?").await;
    }
}

#[tokio::test]
async fn a_servers_certificate_that_is_an_authoritys_is_told_with_what_to_do() {
    // What `openssl req -x509` makes unless told otherwise.
    let (server, certificate) = server("localhost", |params| {
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    })
    .await;
    let clients = both(&oauth_reqwest::tls_trusting([certificate.clone()]).unwrap());
    for http in clients.into_iter().chain(both(&trusting(certificate))) {
        refused(&server, Some(http), "basicConstraints=critical,CA:FALSE").await;
    }
}

#[tokio::test]
async fn plain_http_where_https_was_expected_is_told_as_such() {
    let plain = Server::start_with(ok(r#"{"access_token":"AT"}"#), None).await;
    for http in [
        None,
        Some(Arc::new(HyperClient::new().unwrap()) as Arc<dyn HttpClient>),
        Some(Arc::new(reqwest_client(|defaults| defaults).unwrap())),
    ] {
        let error = exchange(&plain, http).await.unwrap_err();
        assert_eq!(
            (transport(&error), error.class()),
            (HttpErrorKind::NotTls, ErrorClass::Configuration),
            "{error}"
        );
        assert!(error.to_string().contains("speaks no TLS"), "{error}");
    }
}

#[tokio::test]
async fn a_client_certificate_is_shown_to_a_server_that_asks_for_one() {
    let params = CertificateParams::new(["client.example".to_owned()]).unwrap();
    let key = KeyPair::generate().unwrap();
    let own = params.self_signed(&key).unwrap().der().clone();
    let (server, certificate) = server_for(Some(own.clone()), "localhost", |_| {}).await;
    let key_of = |key: &KeyPair| PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));

    let without = oauth_reqwest::tls_trusting([certificate.clone()]).unwrap();
    for http in both(&without) {
        let error = exchange(&server, Some(http)).await.unwrap_err();
        assert!(error.to_string().contains("with_client_certificate"), "{error}");
        assert_eq!(error.class(), ErrorClass::Configuration);
        assert_eq!(server.requests(), 0);
    }
    let chain = vec![own];
    let of_reqwest =
        oauth_reqwest::with_client_certificate(without.clone(), chain.clone(), key_of(&key)).unwrap();
    let of_hyper = oauth_hyper::with_client_certificate(without, chain.clone(), key_of(&key)).unwrap();
    for http in both(&of_reqwest).into_iter().chain(both(&of_hyper)) {
        assert_eq!(exchange(&server, Some(http)).await.unwrap(), "AT");
    }

    // A key that is not the certificate's is an error at once, and not at the first sign-in.
    let other = KeyPair::generate().unwrap();
    let defaults = oauth_reqwest::tls_defaults().unwrap();
    assert!(oauth_reqwest::with_client_certificate(defaults, chain.clone(), key_of(&other)).is_err());
    let defaults = oauth_hyper::tls_defaults().unwrap();
    assert!(oauth_hyper::with_client_certificate(defaults, chain, key_of(&other)).is_err());
}

#[tokio::test]
async fn a_private_authority_is_trusted_besides_the_platforms_and_for_its_own_names() {
    let (own, certificate) = server("localhost", |_| {}).await;
    let (stranger, _) = server("localhost", |_| {}).await;
    let (other_host, other) = server("other.example", |_| {}).await;
    let trusting = [certificate, other];
    let of_reqwest = oauth_reqwest::tls_trusting(trusting.clone()).unwrap();
    let of_hyper = oauth_hyper::tls_trusting(trusting).unwrap();
    for http in both(&of_reqwest).into_iter().chain(both(&of_hyper)) {
        assert_eq!(exchange(&own, Some(http.clone())).await.unwrap(), "AT");
        refused(&stranger, Some(http.clone()), "certificate").await;
        refused(&other_host, Some(http), "certificate").await;
    }
    assert!(oauth_reqwest::tls_trusting([CertificateDer::from(vec![1, 2, 3])]).is_err());
    assert!(oauth_hyper::tls_trusting([CertificateDer::from(vec![1, 2, 3])]).is_err());
    // What reqwest's own builder is told of TLS has no effect, least of all this.
    let careless = reqwest_client(|defaults| defaults.tls_danger_accept_invalid_certs(true)).unwrap();
    refused(&stranger, Some(Arc::new(careless)), "certificate").await;
}
