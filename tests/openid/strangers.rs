//! MD-09: issuers and addresses that come from strangers reach public hosts only, and what one client was told is not another's truth.

use std::{
    collections::HashMap,
    io::{self, BufRead, BufReader},
    net::{IpAddr, TcpListener},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use oauth_clients::{
    ErrorClass, ErrorKind, HttpClient, HttpErrorKind, JwtCheck, LoginOptions, MemoryCache, Provider,
    PublicHosts, Resolver, SharedCache, async_trait,
    http::Request,
    openid::{ClientMetadata, Discovery, Expectations, OpenID, OpenIDConnect, OpenIDProvider, webfinger},
};
use serde_json::json;

use crate::support::Script;

use super::op::{CLIENT_ID, CLIENT_SECRET, Endpoint, ISSUER, Key, Op, REDIRECT_URI};

/// Resolves as it is told, and counts.
#[derive(Clone, Debug, Default)]
struct Names {
    addresses: HashMap<&'static str, Vec<IpAddr>>,
    asked: Arc<AtomicUsize>,
}

impl Names {
    fn of(names: &[(&'static str, &[&str])]) -> Self {
        let parsed = |addresses: &[&str]| addresses.iter().map(|address| address.parse().unwrap()).collect();
        let addresses = names.iter().map(|(name, addresses)| (*name, parsed(addresses))).collect();
        Self { addresses, asked: Arc::default() }
    }
}

#[async_trait]
impl Resolver for Names {
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.addresses.get(host).cloned().ok_or_else(|| io::Error::other("no such name"))
    }
}

fn get(url: &str) -> Request<Bytes> {
    Request::get(url).body(Bytes::new()).unwrap()
}

/// A server on this machine that answers every connection, and counts them.
fn server() -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, connections) = (listener.local_addr().unwrap().port(), Arc::new(AtomicUsize::new(0)));
    let count = connections.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            count.fetch_add(1, Ordering::SeqCst);
            let mut stream = stream.unwrap();
            let mut line = String::new();
            let _ = BufReader::new(&stream).read_line(&mut line);
            let _ = io::Write::write_all(
                &mut stream,
                b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}",
            );
        }
    });
    (port, connections)
}

#[tokio::test]
async fn md_09_a_name_that_resolves_to_a_private_address_is_not_connected_to() {
    let (port, connections) = server();
    let names = Names::of(&[
        ("evil.example", &["127.0.0.1"]),
        ("mapped.example", &["::ffff:127.0.0.1"]),
        ("several.example", &["10.0.0.1", "127.0.0.1", "169.254.169.254", "fec0::1"]),
    ]);
    let http = PublicHosts::new().resolved_by(names.clone());
    for host in ["evil.example", "mapped.example", "several.example", "EVIL.example"] {
        let error = http.send(get(&format!("http://{host}:{port}/"))).await.unwrap_err();
        assert_eq!(error.kind(), HttpErrorKind::NotPublic, "{host}: {error}");
    }
    assert_eq!(connections.load(Ordering::SeqCst), 0);
    // A name is resolved for the connection alone: there is no second answer that could be another.
    assert_eq!(names.asked.load(Ordering::SeqCst), 4);
    let told = http.allowing(["Evil.example"]);
    assert_eq!(told.send(get(&format!("http://evil.example:{port}/"))).await.unwrap().status(), 200);
    assert_eq!((connections.load(Ordering::SeqCst), names.asked.load(Ordering::SeqCst)), (1, 5));
    // The others are refused as before.
    let error = told.send(get(&format!("http://mapped.example:{port}/"))).await.unwrap_err();
    assert_eq!(error.kind(), HttpErrorKind::NotPublic);
}

#[tokio::test]
async fn md_09_an_address_in_a_url_is_refused_however_it_is_written() {
    let (port, connections) = server();
    for host in [
        "127.0.0.1",
        "127.1",
        "0x7f.1",
        "2130706433",
        "localhost",
        "app.localhost",
        "[::1]",
        "[::ffff:7f00:1]",
    ] {
        for http in
            [PublicHosts::new(), PublicHosts::on(oauth_clients::reqwest_client(|builder| builder).unwrap())]
        {
            let error = http.send(get(&format!("http://{host}:{port}/"))).await.unwrap_err();
            assert_eq!(error.kind(), HttpErrorKind::NotPublic, "{host}: {error}");
        }
    }
    assert_eq!(connections.load(Ordering::SeqCst), 0);
    let http = PublicHosts::new().allowing(["127.0.0.1"]);
    http.send(get(&format!("http://127.0.0.1:{port}/"))).await.unwrap();
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

/// The environment belongs to the whole process, so this runs itself once more in another.
#[test]
fn md_09_behind_a_proxy_nothing_is_sent_unless_told() {
    const CHILD: &str = "OAUTH_TESTS_BEHIND_A_PROXY";
    if std::env::var_os(CHILD).is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let error = PublicHosts::new().send(get("https://login.example/")).await.unwrap_err();
            assert!(error.to_string().contains("behind_proxy"), "{error}");
            let error =
                Discovery::new("https://login.example").public_hosts_only().fetch().await.unwrap_err();
            assert_eq!(error.class(), ErrorClass::Configuration, "{error}");
            let error = webfinger("ada@mail.example", None).await.unwrap_err();
            assert_eq!(error.class(), ErrorClass::Configuration, "{error}");
            let told = PublicHosts::new().behind_proxy();
            // An address in a URL is checked all the same, and the proxy is not a provider.
            for inside in ["http://10.0.0.1/", "http://proxy.localhost/", "http://127.0.0.1/"] {
                let error = told.send(get(inside)).await.unwrap_err();
                assert_eq!(error.kind(), HttpErrorKind::NotPublic, "{inside}");
            }
            let _ = told.send(get("https://login.example/")).await;
        });
        return;
    }
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = proxy.local_addr().unwrap().port();
    let asked = std::thread::spawn(move || {
        let (stream, _) = proxy.accept().unwrap();
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        line
    });
    let child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "openid::strangers::md_09_behind_a_proxy_nothing_is_sent_unless_told",
            "--nocapture",
        ])
        .env(CHILD, "1")
        .env("HTTPS_PROXY", format!("http://localhost:{port}"))
        .env_remove("NO_PROXY")
        .env_remove("no_proxy")
        .output()
        .unwrap();
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
    assert!(asked.join().unwrap().starts_with("CONNECT login.example:443 "));
}

#[tokio::test]
async fn md_09_the_addresses_for_client_certificates_are_public_too() {
    let document = |alias: &str| {
        json!({
            "issuer": "https://op.example", "authorization_endpoint": "https://op.example/authorize",
            "token_endpoint": "https://op.example/token", "jwks_uri": "https://op.example/jwks",
            "mtls_endpoint_aliases": {"token_endpoint": alias},
        })
    };
    for (alias, is_public) in [
        ("https://mtls.op.example/token", true),
        ("https://10.0.0.1/token", false),
        ("https://[::ffff:a00:1]/token", false),
        ("https://vault.internal/token", false),
    ] {
        let http = Script::json(200, &document(alias));
        let discovery = Discovery::new("https://op.example").with_http_client(http).public_hosts_only();
        assert_eq!(discovery.connect("id", "secret").await.is_ok(), is_public, "{alias}");
    }
}

#[tokio::test]
async fn md_09_an_issuer_of_a_tenant_that_is_inside_is_refused_before_anything_is_sent() {
    for issuer in [
        "https://127.0.0.1",
        "https://localhost:8443/realms/x",
        "http://127.0.0.1:8080",
        "https://10.0.0.1",
        "https://169.254.169.254/latest",
        "https://0xa9fea9fe",
        "https://[::ffff:169.254.169.254]",
        "https://user:pw@op.example",
        "https://keycloak/realms/x",
        "https://keycloak.default.svc",
        "https://sso.corp",
        "https://168.63.129.16",
        "op.example",
    ] {
        let op = Op::new();
        let discovery = Discovery::new(issuer).with_http_client(op.clone()).public_hosts_only();
        let error = discovery.fetch().await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Configuration, "{issuer}");
        let error = discovery.clone().client(CLIENT_ID, CLIENT_SECRET).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Configuration, "{issuer}");
        let error =
            OpenID::register(&discovery, &ClientMetadata::new([REDIRECT_URI]), None).await.unwrap_err();
        assert_eq!((error.class(), op.requests().len()), (ErrorClass::Configuration, 0), "{issuer}");
    }
    let elsewhere = Discovery::new(ISSUER).with_document_url("https://10.0.0.1/x").public_hosts_only();
    assert!(elsewhere.client(CLIENT_ID, CLIENT_SECRET).is_err());
    // A public one is as before.
    let op = Op::new();
    let client = op.discovery().public_hosts_only().client(CLIENT_ID, CLIENT_SECRET).unwrap();
    op.login(&client, LoginOptions::new()).await.unwrap();
}

#[tokio::test]
async fn md_09_metadata_of_a_tenant_that_points_inside_is_refused() {
    for endpoint in [
        "jwks_uri",
        "token_endpoint",
        "userinfo_endpoint",
        "registration_endpoint",
        "revocation_endpoint",
        "introspection_endpoint",
        "end_session_endpoint",
        "authorization_endpoint",
    ] {
        for inside in ["https://10.0.0.1/x", "https://metadata.google.internal/x", "https://[fd00::1]/x"] {
            let op = Op::bent(|state| state.metadata[endpoint] = inside.into());
            let client = op.discovery().public_hosts_only().client(CLIENT_ID, CLIENT_SECRET).unwrap();
            let error = client.start_login(REDIRECT_URI, LoginOptions::new()).await.unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::MalformedReply { .. }), "{endpoint} {inside}: {error}");
            assert_eq!(op.requests().len(), 1);
        }
    }
    // What a request names by itself goes by way of the rule too.
    let op = Op::bent(|state| {
        let answer = json!({"client_id": CLIENT_ID, "registration_access_token": "t",
                            "registration_client_uri": "https://op.example/register/1"});
        state.answer(Endpoint::Registration, move |_| {
            Some(crate::support::reply(201, "application/json", answer.to_string()))
        });
    });
    let discovery = op.discovery().public_hosts_only();
    let registered = OpenID::register(&discovery, &ClientMetadata::new([REDIRECT_URI]), None).await.unwrap();
    let mut moved = serde_json::to_value(&registered).unwrap();
    moved["registration_client_uri"] = "https://10.0.0.1/register/1".into();
    let moved: oauth_clients::openid::RegisteredClient = serde_json::from_value(moved).unwrap();
    let before = op.requests().len();
    let error = moved.read_again(&discovery).await.unwrap_err();
    assert_eq!((error.class(), op.requests().len()), (ErrorClass::Configuration, before), "{error}");
}

/// A provider that answers for the same URLs with keys of its own, as whoever runs a tenant's network can.
fn impostor() -> Op {
    Op::bent(|state| state.sign_with("RS256", Key::OtherRsa, "rsa"))
}

/// The check that refuses the impostor's tokens; `None` for a client that believes them.
async fn refuses(client: &OpenID) -> Option<JwtCheck> {
    let forged = impostor().id_token(json!({}));
    let outcome = client.verify_id_token(&forged, &Expectations::new().without_nonce()).await;
    outcome.err().map(|error| error.jwt_check().unwrap_or_else(|| panic!("{error:?}")))
}

#[tokio::test]
async fn jk_07_a_client_with_its_own_http_client_shares_nothing_unless_told() {
    let shared: Arc<dyn SharedCache> = Arc::new(MemoryCache::new());
    let (evil, op) = (impostor(), Op::new());
    let of_tenant = evil.client_with(|policy| policy.shared_cache(shared.clone()));
    of_tenant.warm_up().await.unwrap();
    let client = op.client_with(|policy| policy.shared_cache(shared.clone()));
    assert_eq!(refuses(&client).await, Some(JwtCheck::Signature));
    assert_eq!(op.counts(), [1, 1, 0, 0], "it has asked for itself");
    // Another trust domain is another cache.
    let one = evil.client_with(|policy| policy.shared_cache(shared.clone()).trust_domain("one"));
    one.warm_up().await.unwrap();
    let two = op.client_with(|policy| policy.shared_cache(shared.clone()).trust_domain("two"));
    assert_eq!(refuses(&two).await, Some(JwtCheck::Signature));
    // Whoever is told to share believes.
    let told = op.client_with(|policy| policy.shared_cache(shared.clone()).trust_domain("one"));
    assert_eq!(refuses(&told).await, None);
}

#[tokio::test]
async fn jk_07_a_shared_cache_holds_each_issuers_keys_apart() {
    // A tenant's metadata names another issuer's keys as its own, and its own server answers for them.
    let shared: Arc<dyn SharedCache> = Arc::new(MemoryCache::new());
    let evil = Op::at("https://evil.example");
    evil.bend(|state| {
        state.sign_with("RS256", Key::OtherRsa, "rsa");
        state.metadata["jwks_uri"] = "https://op.example/jwks".into();
    });
    let of_tenant = evil.client_with(|policy| policy.shared_cache(shared.clone()).trust_domain("all"));
    of_tenant.warm_up().await.unwrap();
    let op = Op::new();
    let client = op.client_with(|policy| policy.shared_cache(shared.clone()).trust_domain("all"));
    assert_eq!(refuses(&client).await, Some(JwtCheck::Signature));
    // Nor does an export of one go into the other.
    let importing = op.client();
    OpenIDConnect::of(&importing)
        .unwrap()
        .import_cache(OpenIDConnect::of(&of_tenant).unwrap().export_cache())
        .await
        .unwrap();
    assert_eq!(refuses(&importing).await, Some(JwtCheck::Signature));
}

#[tokio::test]
async fn jk_07_a_clone_with_another_http_client_believes_nothing_that_the_first_was_told() {
    let (evil, op) = (impostor(), Op::new());
    let client = op.client();
    // Whoever is first.
    let of_tenant = client.clone().with_http_client(evil.clone());
    assert_eq!(refuses(&of_tenant).await, None);
    assert_eq!(refuses(&client).await, Some(JwtCheck::Signature));
    assert_eq!(refuses(&of_tenant).await, None);
    assert_eq!((evil.counts(), op.counts()), ([1, 1, 0, 0], [1, 1, 0, 0]));
    // An export is that of the client which is asked for it.
    let importing = op.client();
    OpenIDConnect::of(&importing)
        .unwrap()
        .import_cache(OpenIDConnect::of(&client).unwrap().export_cache())
        .await
        .unwrap();
    assert_eq!(refuses(&importing).await, Some(JwtCheck::Signature));
    // A clone that keeps the HTTP client shares all that was read.
    client.clone().warm_up().await.unwrap();
    assert_eq!(op.counts(), [1, 1, 0, 0]);
}
