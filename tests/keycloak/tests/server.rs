//! The server with its realm, what it calls back, and the browser of its one user.

use std::{
    collections::VecDeque,
    fs,
    path::Path,
    sync::{Arc, Mutex, OnceLock},
    thread,
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, header::AUTHORIZATION},
    routing::post,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use oauth_core::{Callback, Credentials, Login, LoginOptions, Provider};
use oauth_fapi::{ClientCertificate, ClientCertificates, PrivateKeyJwt, SigningKey, SigningKeys};
use oauth_openid::{Algorithm, Discovery, OpenID};
use oauth_reqwest::{
    ReqwestClient,
    rustls::{
        ClientConfig,
        pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    },
    tls_trusting, with_client_certificate,
};
use oauth_test_servers::Keycloak;
use rcgen::{CertificateParams, DnType, KeyPair};
use serde_json::{Value, json};

use crate::browser::{Arrival, Browser};

pub(crate) const REDIRECT_URI: &str = "https://app.example/callback";
pub(crate) const SIGNED_OUT: &str = "https://app.example/signed-out";
pub(crate) const SECRET: &str = "s3cret+/=:%~ &?";

/// The one user's name and password.
const USER: (&str, &str) = ("ada", "correct horse battery staple");

/// The server and all that belongs to it.
pub(crate) struct World {
    _server: Keycloak,
    pub(crate) issuer: String,
    tls: ClientConfig,
    key: SigningKey,
    certificate: ClientCertificates,
    pub(crate) calls: Arc<Calls>,
}

/// What the server has sent to the application.
#[derive(Default)]
pub(crate) struct Calls {
    /// Its pings of CIBA: headers and body.
    pub(crate) pings: Mutex<VecDeque<(HeaderMap, Bytes)>>,
    /// Its logouts: headers and body.
    pub(crate) logouts: Mutex<VecDeque<(HeaderMap, Bytes)>>,
    /// What the user answers on the other device, in Keycloak's words.
    pub(crate) decision: Mutex<&'static str>,
    /// The realm's address and how it is called, once they are known.
    realm: OnceLock<(String, reqwest::Client)>,
}

impl World {
    /// The one that all tests share. If it does not start, each test says why, and none tries it again.
    pub(crate) fn get() -> &'static Self {
        static SHARED: OnceLock<Result<World, String>> = OnceLock::new();
        let shared = SHARED.get_or_init(|| {
            // A runtime of its own, because that of a test ends with it.
            let started = thread::spawn(|| {
                let runtime =
                    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
                let runtime = Box::leak(Box::new(runtime.unwrap()));
                runtime.block_on(Self::start())
            });
            started.join().map_err(|panic| match panic.downcast::<String>() {
                Ok(text) => *text,
                Err(panic) => panic.downcast_ref::<&str>().copied().unwrap_or("a panic").to_owned(),
            })
        });
        shared.as_ref().unwrap_or_else(|error| panic!("Keycloak did not start: {error}"))
    }

    async fn start() -> Self {
        let calls = Arc::new(Calls { decision: Mutex::new("SUCCEED"), ..Calls::default() });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let application = format!("http://{}", listener.local_addr().unwrap());
        let routes = Router::new()
            .route("/device", post(on_device))
            .route("/ping", post(on_ping))
            .route("/logout", post(on_logout))
            .with_state(calls.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });

        let folder = tempfile::tempdir().unwrap();
        let (own_key, own) = certificate("localhost");
        let (client_key, shown) = certificate("bank-client");
        write(folder.path(), "server.pem", &pem("CERTIFICATE", own.der()));
        write(folder.path(), "server-key.pem", &pem("PRIVATE KEY", &own_key.serialize_der()));
        write(folder.path(), "clients.pem", &pem("CERTIFICATE", shown.der()));
        let at = |name: &str| folder.path().join(name).display().to_string();
        let options = [
            format!("--https-certificate-file={}", at("server.pem")),
            format!("--https-certificate-key-file={}", at("server-key.pem")),
            "--https-client-auth=request".to_owned(),
            format!("--truststore-paths={}", at("clients.pem")),
            format!(
                "--spi-ciba-auth-channel--ciba-http-auth-channel--http-authentication-channel-uri={application}/device"
            ),
        ];
        let home = std::env::var_os("OAUTH_TEST_KEYCLOAK_HOME").expect(
            "OAUTH_TEST_KEYCLOAK_HOME is Keycloak's distribution; `cargo xtask nightly` downloads one",
        );
        let parent = Path::new(env!("CARGO_TARGET_TMPDIR")).to_owned();
        let server =
            tokio::task::spawn_blocking(move || Keycloak::start(Path::new(&home), &parent, &options))
                .await
                .unwrap();
        let server = server.unwrap();
        drop(folder);

        let tls = tls_trusting([own.der().clone()]).unwrap();
        let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(client_key.serialize_der()));
        let with_certificate =
            with_client_certificate(tls.clone(), vec![shown.der().clone()], private).unwrap();
        let http = ReqwestClient::with_tls(with_certificate).unwrap();
        let world = Self {
            issuer: format!("{}/realms/bank", server.origin()),
            key: SigningKey::generate(Algorithm::PS256).unwrap(),
            certificate: ClientCertificate::new(shown.der(), http).unwrap().into(),
            calls: calls.clone(),
            tls,
            _server: server,
        };
        let http = reqwest::Client::builder().tls_backend_preconfigured(world.tls.clone()).build().unwrap();
        assert!(calls.realm.set((world.issuer.clone(), http.clone())).is_ok());
        world.make_realm(&http, &application).await;
        world
    }

    /// Makes the realm with its user, its clients and the policies that hold some of them to FAPI.
    async fn make_realm(&self, http: &reqwest::Client, application: &str) {
        let origin = self.issuer.strip_suffix("/realms/bank").unwrap();
        let realm = realm(&SigningKeys::from(self.key.clone()), application);
        let request = http.post(format!("{origin}/admin/realms")).json(&realm);
        let reply = request.bearer_auth(administrator(http, origin).await).send().await.unwrap();
        assert_eq!(reply.status(), 201, "{}", reply.text().await.unwrap());
        let policies = json!({"policies": PROFILES.map(|profile| json!({
            "name": profile, "enabled": true, "profiles": [profile],
            "conditions": [{"condition": "client-roles", "configuration": {"roles": [profile]}}],
        }))});
        let request =
            http.put(format!("{origin}/admin/realms/bank/client-policies/policies")).json(&policies);
        let reply = request.bearer_auth(administrator(http, origin).await).send().await.unwrap();
        assert_eq!(reply.status(), 204, "{}", reply.text().await.unwrap());
    }

    /// A client that authenticates so.
    pub(crate) fn client(&self, id: &str, credentials: impl Into<Credentials>) -> OpenID {
        let http = ReqwestClient::with_tls(self.tls.clone()).unwrap();
        Discovery::new(&*self.issuer).with_http_client(http).client(id, credentials).unwrap()
    }

    /// A client that authenticates by the key that is registered for it.
    pub(crate) fn by_key(&self, id: &str) -> OpenID {
        self.client(id, PrivateKeyJwt::new(self.key()))
    }

    pub(crate) fn key(&self) -> SigningKey {
        self.key.clone()
    }

    /// The certificate that the server trusts.
    pub(crate) fn certificate(&self) -> ClientCertificates {
        self.certificate.clone()
    }

    /// The user's browser, with a session of its own.
    pub(crate) fn browser(&self) -> Browser {
        let tls = self.tls.clone();
        let fill = [("username", USER.0), ("password", USER.1)]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        Browser::new(|defaults| defaults.tls_backend_preconfigured(tls)).unwrap().filling(fill.to_vec())
    }
}

/// An access token of the administrator. It lives for a minute, which a busy machine needs for one request.
async fn administrator(http: &reqwest::Client, origin: &str) -> String {
    let (name, password) = Keycloak::ADMINISTRATOR;
    let form = format!("grant_type=password&client_id=admin-cli&username={name}&password={password}");
    let request = http
        .post(format!("{origin}/realms/master/protocol/openid-connect/token"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form);
    let reply = request.send().await.unwrap();
    assert_eq!(reply.status(), 200, "{}", reply.text().await.unwrap());
    let token: Value = reply.json().await.unwrap();
    token["access_token"].as_str().unwrap().to_owned()
}

/// A whole login.
pub(crate) async fn login(
    client: &impl Provider,
    browser: &Browser,
    options: LoginOptions,
) -> oauth_core::Result<Login> {
    let started = client.start_login(REDIRECT_URI, options).await?;
    let callback = match browser.go(&started.url, Some(REDIRECT_URI)).await.unwrap() {
        Arrival::Redirect(url) => Callback::from_url(&url),
        Arrival::Form(body) => Callback::from_form(&body),
        Arrival::Page { status, text } => panic!("{status}: {text}"),
    };
    client.finish_login(started.attempt, callback).await
}

/// Waits for something that the server sends by itself.
pub(crate) async fn next<T>(queue: &Mutex<VecDeque<T>>) -> T {
    for _ in 0..600 {
        let first = queue.lock().unwrap().pop_front();
        match first {
            Some(first) => return first,
            None => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
    panic!("nothing came within 30 seconds")
}

/// Keycloak's own profiles that clients with a role of the same name are held to.
const PROFILES: [&str; 4] =
    ["fapi-2-dpop-security-profile", "fapi-2-dpop-message-signing", "fapi-2-security-profile", "fapi-ciba"];

fn realm(keys: &SigningKeys, application: &str) -> Value {
    let jwks = keys.public_jwks().json().to_owned();
    let client = |id: &str, members: Value, attributes: Value| {
        let mut client = json!({
            "clientId": id, "enabled": true, "protocol": "openid-connect", "redirectUris": [REDIRECT_URI],
            "publicClient": false, "secret": SECRET, "standardFlowEnabled": true, "directAccessGrantsEnabled": false,
            "fullScopeAllowed": false, "consentRequired": false,
        });
        let mut all = json!({"post.logout.redirect.uris": SIGNED_OUT});
        extend(&mut all, &attributes);
        client["attributes"] = all;
        extend(&mut client, &members);
        client
    };
    let by_key = json!({"clientAuthenticatorType": "client-jwt", "secret": null, "consentRequired": true});
    let key = |more: Value| {
        let mut attributes = json!({
            "use.jwks.string": "true", "jwks.string": jwks, "token.endpoint.auth.signing.alg": "PS256",
            "id.token.signed.response.alg": "PS256", "access.token.signed.response.alg": "PS256",
            "request.object.signature.alg": "PS256", "authorization.signed.response.alg": "PS256",
        });
        extend(&mut attributes, &more);
        attributes
    };
    let bound_to_key =
        json!({"dpop.bound.access.tokens": "true", "require.pushed.authorization.requests": "true"});
    // Into a signed answer, Keycloak writes the same `iss` twice (https://github.com/keycloak/keycloak/issues/44563).
    let signed = bound_to_key.clone();
    let for_orders = json!([{"name": "for-orders", "protocol": "openid-connect", "protocolMapper": "oidc-audience-mapper",
        "config": {"included.client.audience": "orders", "access.token.claim": "true"}}]);
    json!({
        "realm": "bank", "enabled": true, "sslRequired": "none", "defaultSignatureAlgorithm": "PS256",
        "attributes": {"cibaBackchannelTokenDeliveryMode": "poll", "cibaExpiresIn": "120", "cibaInterval": "1",
            "cibaAuthRequestedUserHint": "login_hint"},
        "users": [{"username": USER.0, "enabled": true, "email": "ada@example.com", "emailVerified": true,
            "firstName": "Ada", "lastName": "Lovelace",
            "credentials": [{"type": "password", "value": USER.1, "temporary": false}]}],
        "roles": {"client": {
            "fapi-dpop": [{"name": PROFILES[0]}], "fapi-signing": [{"name": PROFILES[1]}],
            "fapi-mtls": [{"name": PROFILES[2]}], "fapi-ciba": [{"name": PROFILES[3]}],
        }},
        "clients": [
            client("web", json!({"serviceAccountsEnabled": true, "protocolMappers": for_orders}), json!({
                "standard.token.exchange.enabled": "true", "oauth2.device.authorization.grant.enabled": "true",
                "backchannel.logout.url": format!("{application}/logout"), "backchannel.logout.session.required": "true",
            })),
            client("orders", json!({"standardFlowEnabled": false}), json!({})),
            client("public", json!({"publicClient": true, "secret": null}), json!({"dpop.bound.access.tokens": "true"})),
            client("by-key", by_key.clone(), key(json!({}))),
            client("mtls", json!({"clientAuthenticatorType": "client-x509", "secret": null}), json!({
                "x509.subjectdn": "CN=bank-client", "x509.allow.regex.pattern.comparison": "false",
                "tls.client.certificate.bound.access.tokens": "true",
            })),
            client("ciba", by_key.clone(), key(json!({"oidc.ciba.grant.enabled": "true"}))),
            client("ciba-ping", by_key.clone(), key(json!({
                "oidc.ciba.grant.enabled": "true", "ciba.backchannel.token.delivery.mode": "ping",
                "ciba.backchannel.client.notification.endpoint": format!("{application}/ping"),
            }))),
            client("fapi-ciba", by_key.clone(), key(json!({
                "oidc.ciba.grant.enabled": "true", "ciba.backchannel.auth.request.signing.alg": "PS256",
                "dpop.bound.access.tokens": "true",
            }))),
            client("fapi-dpop", by_key.clone(), key(bound_to_key.clone())),
            client("fapi-signing", by_key.clone(), key(signed)),
            client("fapi-mtls", by_key, key(json!({
                "tls.client.certificate.bound.access.tokens": "true", "require.pushed.authorization.requests": "true",
            }))),
        ],
    })
}

fn extend(object: &mut Value, more: &Value) {
    for (name, value) in more.as_object().unwrap() {
        object[name] = value.clone();
    }
}

fn certificate(name: &str) -> (KeyPair, rcgen::Certificate) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    let certificate = params.self_signed(&key).unwrap();
    (key, certificate)
}

fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
}

fn write(folder: &Path, name: &str, text: &str) {
    fs::write(folder.join(name), text).unwrap();
}

/// The user's other device: it is asked, and answers as a test wants it to.
async fn on_device(State(calls): State<Arc<Calls>>, headers: HeaderMap) -> StatusCode {
    let authorization = headers[AUTHORIZATION].to_str().unwrap().to_owned();
    tokio::spawn(async move {
        let (realm, http) = calls.realm.get().unwrap();
        // A person takes a moment.
        tokio::time::sleep(Duration::from_millis(500)).await;
        let status = *calls.decision.lock().unwrap();
        let url = format!("{realm}/protocol/openid-connect/ext/ciba/auth/callback");
        let answer = json!({"status": status});
        http.post(url).header(AUTHORIZATION, authorization).json(&answer).send().await.unwrap();
    });
    StatusCode::CREATED
}

async fn on_ping(State(calls): State<Arc<Calls>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    calls.pings.lock().unwrap().push_back((headers, body));
    StatusCode::NO_CONTENT
}

async fn on_logout(State(calls): State<Arc<Calls>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    calls.logouts.lock().unwrap().push_back((headers, body));
    StatusCode::OK
}
