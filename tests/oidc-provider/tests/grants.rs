//! Grants without a browser of the application's, and introspection, at a server that the OpenID Foundation has certified.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use clap::Parser;
use oauth_core::{Callback, ErrorClass, LoginOptions, Provider, serde_json::Value};
use oauth_fapi::{
    Ciba, CibaRequest, Dpop, DpopProvider, Introspector, PrivateKeyJwt, Profile, SigningKey, SigningKeys,
};
use oauth_openid::{Algorithm, ClientMetadata, Discovery, IdToken, OpenID};
use oauth_reqwest::reqwest_client;

/// The driver for the OpenID Foundation's suite.
#[path = "../../../crates/oauth-fapi/examples/rp-conformance/driver/mod.rs"]
mod driver;

use driver::{
    Outcome, Report, Settings,
    browser::{Arrival, Browser},
};

const INITIAL_ACCESS_TOKEN: &str = "may-register";
const REDIRECT_URI: &str = "http://127.0.0.1:8080/callback";
const CIBA: &str = "urn:openid:params:grant-type:ciba";
const DEVICE: &str = "urn:ietf:params:oauth:grant-type:device_code";

struct Server {
    issuer: String,
    process: Child,
    /// The server ends when this does, also with the process of the tests.
    _input: Option<ChildStdin>,
}

impl Server {
    fn start() -> Self {
        Self::trusting(None)
    }

    /// One that trusts this authority, where it calls the application.
    fn trusting(authority: Option<&Path>) -> Self {
        let mut command = Command::new("node");
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/server.mjs"));
        if let Some(file) = authority {
            command.env("NODE_EXTRA_CA_CERTS", file);
        }
        let mut process = command
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
        let ready: Value = oauth_core::serde_json::from_str(&line)
            .expect("the server starts; `cargo xtask test` installs its packages");
        Self { issuer: ready["issuer"].as_str().unwrap().to_owned(), process, _input: input }
    }

    async fn control(&self, what: &str) {
        let url = format!("{}/control/{what}", self.issuer);
        reqwest_client(|defaults| defaults).unwrap().post(url).send().await.unwrap();
    }

    /// Answers for the user, again and again, as soon as something is asked.
    async fn keep_answering(&self, decision: &str) {
        loop {
            self.control(decision).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// A client with a key, that may use these grants.
    async fn registered(
        &self,
        key: &SigningKey,
        grants: &[&str],
        change: impl FnOnce(ClientMetadata) -> ClientMetadata,
    ) -> OpenID {
        let keys = SigningKeys::from(key.clone());
        let jwks: Value = oauth_core::serde_json::from_str(keys.public_jwks().json()).unwrap();
        let metadata = ClientMetadata::new([REDIRECT_URI])
            .set("application_type", "native")
            .set("grant_types", grants)
            .set("token_endpoint_auth_method", "private_key_jwt")
            .set("token_endpoint_auth_signing_alg", "ES256")
            .set("id_token_signed_response_alg", "ES256")
            .set("jwks", jwks);
        let discovery = Discovery::new(&*self.issuer);
        let registered =
            OpenID::register(&discovery, &change(metadata), Some(INITIAL_ACCESS_TOKEN)).await.unwrap();
        discovery.client(registered.client_id(), PrivateKeyJwt::new(keys)).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn key() -> SigningKey {
    SigningKey::generate(Algorithm::ES256).unwrap()
}

fn browser() -> Browser {
    Browser::new(|defaults| defaults).unwrap()
}

#[tokio::test]
async fn ci_03_a_user_agrees_on_another_device_and_the_client_polls() {
    let server = Server::start();
    let client = server
        .registered(&key(), &[CIBA, "refresh_token"], |metadata| {
            metadata.set("backchannel_token_delivery_mode", "poll")
        })
        .await;
    let ciba = Ciba::new(&client);
    let request = CibaRequest::for_login_hint("ada@example.com").with_binding_message("W4SCT");
    let attempt = ciba.start(&request).await.unwrap();
    let login = tokio::select! {
        login = ciba.finish(&attempt) => login.unwrap(),
        () = server.keep_answering("allow") => unreachable!(),
    };
    assert_eq!((login.id_token.issuer(), login.id_token.subject()), (&*server.issuer, "ada"));
    client.refresh(&login.token, None).await.unwrap();

    let attempt = ciba.start(&request).await.unwrap();
    let error = tokio::select! {
        login = ciba.finish(&attempt) => login.unwrap_err(),
        () = server.keep_answering("deny") => unreachable!(),
    };
    assert_eq!(
        (error.class(), &*error.oauth_error().unwrap().code),
        (ErrorClass::Reauthorize, "access_denied")
    );
    // Whom the server does not know is told at once.
    let error = ciba.start(&CibaRequest::for_login_hint("nobody")).await.unwrap_err();
    assert_eq!(error.oauth_error().unwrap().code, "unknown_user_id");
}

#[tokio::test]
async fn ci_14_a_client_of_fapi_has_signed_requests_and_bound_tokens_with_nonces() {
    let server = Server::start();
    server.control("nonces").await;
    let key = key();
    let client = server
        .registered(&key, &[CIBA, "refresh_token"], |metadata| {
            metadata
                .set("client_name", "fapi 2")
                .set("dpop_bound_access_tokens", true)
                .set("backchannel_token_delivery_mode", "poll")
                .set("backchannel_authentication_request_signing_alg", "ES256")
        })
        .await
        .with_dpop(Dpop::generate().unwrap());
    let client = Profile::Fapi2Security.apply(client).unwrap();
    let ciba = Ciba::new(&client).signed_by(Arc::new(key));
    let request = CibaRequest::for_login_hint("ada").with_binding_message("W4SCT");
    let attempt = ciba.start(&request).await.unwrap();
    let login = tokio::select! {
        login = ciba.finish(&attempt) => login.unwrap(),
        () = server.keep_answering("allow") => unreachable!(),
    };
    assert_eq!(login.token.token_type(), Some("DPoP"));
    client.get_profile_of(&login.token).await.unwrap();
    // What is registered as signed is refused unsigned.
    assert!(Ciba::new(&client).start(&request).await.is_err());
}

#[tokio::test]
async fn dv_01_a_device_is_signed_in_by_a_browser_elsewhere() {
    let server = Server::start();
    let client = server.registered(&key(), &[DEVICE, "refresh_token"], |metadata| metadata).await;
    let device = client.start_device_login(LoginOptions::new()).await.unwrap();
    let url = device.verification_uri_complete.clone().unwrap();
    let Arrival::Page { status, text } = browser().go(&url, None).await.unwrap() else {
        panic!("it ends at a page")
    };
    assert_eq!(status, 200, "{text}");
    let login = client.finish_device_login(device).await.unwrap();
    assert_eq!(IdToken::of(&login).unwrap().subject(), "ada");
    client.refresh(&login.token, None).await.unwrap();
}

#[tokio::test]
async fn rv_07_the_server_signs_what_it_says_of_a_token() {
    let server = Server::start();
    let client = server
        .registered(&key(), &["authorization_code", "refresh_token"], |metadata| {
            metadata.set("introspection_signed_response_alg", "ES256")
        })
        .await;
    let started = client.start_login(REDIRECT_URI, LoginOptions::new()).await.unwrap();
    let Arrival::Redirect(url) = browser().go(&started.url, Some(REDIRECT_URI)).await.unwrap() else {
        panic!("the browser comes back")
    };
    let login = client.finish_login(started.attempt, Callback::from_url(&url)).await.unwrap();
    let signed = Introspector::new(Arc::new(client.clone())).with_answers_signed_by([Algorithm::ES256]);
    let claims = signed.introspect(login.token.access_token()).await.unwrap().unwrap();
    assert_eq!(claims.subject(), Some("ada"));
    // Another algorithm than the one that was registered is not accepted.
    let other = Introspector::new(Arc::new(client.clone())).with_answers_signed_by([Algorithm::PS256]);
    assert!(other.introspect(login.token.access_token()).await.is_err());
    client.revoke(&login.token).await.unwrap();
    assert!(signed.introspect(login.token.access_token()).await.unwrap().is_none());
}

/// Runs the driver while the user answers so.
async fn driven(server: &Server, decision: &str, arguments: &[&str]) -> (Settings, Report) {
    let own = ["rp-conformance", "--issuer", &server.issuer, "--initial-access-token", INITIAL_ACCESS_TOKEN];
    let ciba = ["--login-hint", "ada", "--binding-message", "W4SCT", "--wait", "20", "--key-alg", "ES256"];
    let method = ["--token-endpoint-auth-method", "private_key_jwt", "--id-token-alg", "ES256"];
    let all = own.iter().chain(&ciba).chain(&method).chain(arguments);
    let settings = Settings::try_parse_from(all).unwrap();
    let mut report = Report::default();
    tokio::select! {
        () = driver::run(&settings, &mut report) => {}
        () = server.keep_answering(decision) => unreachable!(),
    }
    (settings, report)
}

fn steps(report: &Report) -> Vec<&str> {
    report.lines().map(|line| line["step"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn the_driver_polls_with_signed_requests_and_bound_tokens() {
    let server = Server::start();
    let arguments =
        ["--ciba", "poll", "--request-type", "request_object", "--sender-constraint", "dpop", "--delete"];
    let (settings, report) = driven(&server, "allow", &arguments).await;
    let expected = [
        "discover",
        "listen",
        "register",
        "keys",
        "start_ciba",
        "ciba",
        "userinfo",
        "refresh",
        "userinfo",
        "delete",
    ];
    assert_eq!(steps(&report), expected, "{report:?}");
    assert!(report.is_as_expected(&settings));

    let refused = ["--ciba", "poll", "--expect", "refused", "--expect-check", "Refused"];
    let (settings, report) = driven(&server, "deny", &refused).await;
    assert_eq!((report.outcome(), steps(&report).last()), (Outcome::Refused, Some(&"ciba")), "{report:?}");
    assert!(report.is_as_expected(&settings));
}

#[tokio::test]
async fn the_driver_asks_when_it_is_pinged() {
    let folder = tempfile::tempdir().unwrap();
    let own = rcgen::KeyPair::generate().unwrap();
    let certificate =
        rcgen::CertificateParams::new(["127.0.0.1".to_owned()]).unwrap().self_signed(&own).unwrap();
    let pem = |label: &str, der: &[u8]| {
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
    };
    let at = |name: &str| folder.path().join(name);
    fs::write(at("cert.pem"), pem("CERTIFICATE", certificate.der())).unwrap();
    fs::write(at("key.pem"), pem("PRIVATE KEY", &own.serialize_der())).unwrap();
    let server = Server::trusting(Some(&at("cert.pem")));
    let (shown, private) = (at("cert.pem").display().to_string(), at("key.pem").display().to_string());
    let arguments = ["--ciba", "ping", "--tls-certificate", &shown, "--tls-key", &private];
    let (settings, report) = driven(&server, "allow", &arguments).await;
    let expected = [
        "discover",
        "listen",
        "register",
        "keys",
        "start_ciba",
        "ping",
        "ciba",
        "userinfo",
        "refresh",
        "userinfo",
    ];
    assert_eq!(steps(&report), expected, "{report:?}");
    assert!(report.is_as_expected(&settings));
}
