//! What a proof says, and when none is made.

use std::collections::HashSet;

use oauth_clients::{
    ErrorClass, ErrorKind, OAuth2, OAuth2Token, Operation, Provider, async_trait,
    openid::{Algorithm, OpenID, ProviderMetadata},
};
use oauth_fapi::{Dpop, DpopKey, DpopProvider, Proof, SignError, Signer};
use serde_json::{Map, Value, json};

use super::server::{Nonces, Server};
use crate::support::{Script, reply};

/// The claims of a proof.
pub(super) fn claims(proof: &str) -> Value {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let claims = proof.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap()
}

const CALLBACK: &str = "https://app.example/cb";

#[tokio::test]
async fn dp_01_03_a_login_and_a_profile_are_proved_as_the_standard_says() {
    let server = Server::start().await;
    let client = server.client("").with_dpop(Dpop::generate().unwrap());
    let token = client.get_access_token("C", CALLBACK, None, &[]).await.unwrap();
    client.get_profile_of(&token).await.unwrap();
    let seen = server.seen();
    // The server has checked signature, typ, alg, jwk, htm, htu, iat, jti and ath.
    assert_eq!(seen.iter().map(|one| one.status).collect::<Vec<_>>(), [200, 200]);
    assert_eq!(seen[0].claims().get("ath"), None);
    assert_eq!(seen[1].authorization.as_deref(), Some("DPoP AT1"));
    assert_eq!(token.confirmation().unwrap()["jkt"], **seen[0].jkt.as_ref().unwrap());
}

#[tokio::test]
async fn dp_02_each_proof_has_a_jti_of_its_own() {
    let key = DpopKey::generate().unwrap();
    let proof = Proof::new("POST", "https://as.example/token").unwrap();
    let mut all = HashSet::new();
    for _ in 0..1000 {
        let claims = claims(&key.prove(&proof).await.unwrap());
        let jti = claims["jti"].as_str().unwrap();
        assert!(jti.len() >= 22, "128 bits in base64url: {jti}");
        assert!(all.insert(jti.to_owned()));
    }
}

#[tokio::test]
async fn dp_16_htu_is_the_url_that_is_asked() {
    let key = DpopKey::generate().unwrap();
    for (url, htu) in [
        ("https://rs/a?b#c", "https://rs/a"),
        ("https://rs:443/%7Ea?x", "https://rs/%7Ea"),
        ("HTTPS://RS.Example:443", "https://rs.example/"),
        ("https://rs:8443/A/b/../c", "https://rs:8443/A/b/../c"),
        ("http://[::1]:80/x", "http://[::1]/x"),
        ("http://[::1]/x", "http://[::1]/x"),
        ("https://rs:/", "https://rs/"),
        ("https://rs?x=/", "https://rs/"),
    ] {
        let proof = Proof::new("GET", url).unwrap();
        assert_eq!(claims(&key.prove(&proof).await.unwrap())["htu"], htu);
    }
    for bad in
        ["/a", "rs/a", "ftp://rs/", "https://u@rs/", "https:///a", "https://rs/a b", "https://rs/ä", ""]
    {
        assert!(Proof::new("GET", bad).is_err(), "{bad}");
    }
}

#[tokio::test]
async fn dp_16_a_proxy_that_changes_the_host_is_made_up_for() {
    let server = Server::start().await;
    let behind = server.origin.clone();
    let dpop = Dpop::generate().unwrap();
    let dpop = dpop.with_url_seen_as(move |url| url.replace(&behind, "https://as.example"));
    let client = server.client("").with_dpop(dpop);
    client.get_access_token("C", CALLBACK, None, &[]).await.unwrap_err();
    assert_eq!(server.seen()[0].claims()["htu"], "https://as.example/token");
}

/// Signs nothing.
#[derive(Debug)]
struct Broken {
    algorithm: Algorithm,
    is_down: bool,
}

#[async_trait]
impl Signer for Broken {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    fn public_jwk(&self) -> Map<String, Value> {
        json!({"kty": "EC", "crv": "P-256", "x": "eA", "y": "eQ", "d": "secret", "kid": "k"})
            .as_object()
            .unwrap()
            .clone()
    }

    async fn sign(&self, _message: &[u8]) -> Result<Vec<u8>, SignError> {
        Err(match self.is_down {
            true => SignError::Unavailable("the KMS does not answer".into()),
            false => SignError::Key("the key was disabled".to_owned()),
        })
    }
}

#[tokio::test]
async fn dp_11_a_signer_that_fails_sends_nothing_and_keeps_its_class() {
    let transient = ErrorClass::Transient { retry_after: None };
    for (is_down, class, text) in [
        (true, transient, "the KMS does not answer"),
        (false, ErrorClass::Configuration, "the key was disabled"),
    ] {
        let key = DpopKey::new(Broken { algorithm: Algorithm::ES256, is_down }).unwrap();
        assert_eq!(key.public_jwk().keys().collect::<Vec<_>>(), ["crv", "kty", "x", "y"]);
        let server = Server::start().await;
        let client = server.client("").with_dpop(Dpop::new(key));
        let error = client.get_access_token("C", CALLBACK, None, &[]).await.unwrap_err();
        assert_eq!(error.class(), class, "{error}");
        let shown = std::error::Error::source(&error)
            .map_or(error.to_string(), |cause| format!("{error} {:?}", cause.source()));
        assert!(shown.contains(text), "{shown}");
        assert!(server.seen().is_empty());
    }
}

#[tokio::test]
async fn dp_01_a_shared_secret_is_no_key() {
    let error = DpopKey::new(Broken { algorithm: Algorithm::HS256, is_down: false }).unwrap_err();
    assert_eq!(error.class(), ErrorClass::Configuration);
}

#[tokio::test]
async fn dp_01_an_algorithm_that_the_server_does_not_take_is_an_error_before_anything_is_sent() {
    let metadata = |algorithms: &[&str]| {
        ProviderMetadata::new(json!({
            "issuer": "https://as.example",
            "authorization_endpoint": "https://as.example/authorize",
            "token_endpoint": "https://as.example/token",
            "jwks_uri": "https://as.example/keys",
            "dpop_signing_alg_values_supported": algorithms,
        }))
        .unwrap()
    };
    for (algorithms, fits) in [(&["PS256", "EdDSA"][..], false), (&["RS256", "ES256"], true)] {
        let http = Script::default();
        let client = OpenID::new("id", "", metadata(algorithms)).unwrap();
        let client = client.with_http_client(http.clone()).with_dpop(Dpop::generate().unwrap());
        let started = client.start_login(CALLBACK, oauth_clients::LoginOptions::new()).await;
        match started {
            Ok(_) => assert!(fits),
            Err(error) => {
                assert!(!fits);
                assert_eq!(error.class(), ErrorClass::Configuration);
                assert!(error.to_string().contains("PS256, EdDSA"), "{error}");
            }
        }
        assert!(http.requests().is_empty());
    }
}

#[tokio::test]
async fn dp_19_a_refused_proof_is_not_repeated_and_says_what_was_signed() {
    let server = Server::with(|switches| {
        switches.error = Some("invalid_dpop_proof");
        switches.date = Some("Sun, 06 Nov 1994 08:49:37 GMT");
    })
    .await;
    let client = server.client("").with_dpop(Dpop::generate().unwrap());
    let error = client.get_access_token("C", CALLBACK, None, &[]).await.unwrap_err();
    assert_eq!(server.seen().len(), 1);
    assert_eq!(error.oauth_error().unwrap().code, "invalid_dpop_proof");
    assert_eq!(error.class(), ErrorClass::Configuration);
    let text = error.to_string();
    for part in ["ES256", "POST", &server.url("/token"), "s behind"] {
        assert!(text.contains(part), "{text}");
    }
    assert!(!text.contains("eyJ"), "{text}");
}

#[tokio::test]
async fn dp_19_a_resource_that_refuses_the_proof_or_the_token_is_asked_once() {
    for (error, class) in
        [("invalid_dpop_proof", ErrorClass::Configuration), ("invalid_token", ErrorClass::Reauthorize)]
    {
        let server = Server::start().await;
        let client = server.client("").with_dpop(Dpop::generate().unwrap());
        let token = client.get_access_token("C", CALLBACK, None, &[]).await.unwrap();
        server.switch(|switches| switches.api_challenge = Some(error));
        server.seen();
        let refused = client.get_profile_of(&token).await.unwrap_err();
        assert_eq!(server.seen().len(), 1);
        assert_eq!(refused.oauth_error().unwrap().code, error);
        assert_eq!(refused.class(), class);
    }
}

#[tokio::test]
async fn dp_21_a_header_of_ones_own_is_an_error() {
    let server = Server::with(|switches| switches.api_nonces = Nonces::Rotating).await;
    let client = server.client("").with_dpop(Dpop::generate().unwrap());
    let token = client.get_access_token("C", CALLBACK, None, &[]).await.unwrap();
    for name in ["dpop", "authorization"] {
        let mut headers = http::HeaderMap::new();
        headers.insert(name, "own".parse().unwrap());
        let url = server.url("/api");
        let outcome = client.authorize_api_request(&token, http::Method::GET, &url, headers, false).await;
        assert_eq!(outcome.unwrap_err().class(), ErrorClass::Configuration, "{name}");
        let request = client.request(Operation::API_REQUEST, http::Method::GET, &url);
        let request = request.header("dpop", "own").bearer(token.access_token());
        assert_eq!(request.send().await.map(drop).unwrap_err().class(), ErrorClass::Configuration);
    }
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn tk_12_a_bound_token_that_nobody_asked_for_and_an_unbound_one_are_errors() {
    let server = Server::start().await;
    let error = server.client("").get_access_token("C", CALLBACK, None, &[]).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Protocol);
    for token_type in ["Bearer", "bearer", "mac"] {
        server.switch(|switches| switches.token_type = token_type);
        let client = server.client("").with_dpop(Dpop::generate().unwrap());
        let error = client.get_access_token("C", CALLBACK, None, &[]).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Binding(_)), "{error}");
        assert_eq!(error.class(), ErrorClass::Protocol);
        // Nothing is lost: whoever wants to revoke it can.
        assert!(error.tokens().unwrap().access_token().starts_with("AT"));
        assert!(!error.to_string().contains("AT"), "{error}");
    }
}

#[tokio::test]
async fn a_token_that_the_server_bound_to_another_key_is_refused() {
    let server = Server::with(|switches| switches.extra = json!({"cnf": {"jkt": "other"}})).await;
    let client = server.client("").with_dpop(Dpop::generate().unwrap());
    let error = client.get_access_token("C", CALLBACK, None, &[]).await.unwrap_err();
    assert!(error.to_string().contains("the key other"), "{error}");
    assert_eq!(error.class(), ErrorClass::Protocol);
}

/// A client that was never asked for a proof sends none.
#[tokio::test]
async fn dp_12_bearer_tokens_stay_bearer_tokens() {
    let http = Script::new([reply(200, "application/json", r#"{"id": 1}"#)]);
    let client = OAuth2::new("id", "", "https://as.example/authorize", "https://as.example/token")
        .with_profile_endpoint("https://as.example/me")
        .with_http_client(http.clone())
        .with_dpop(Dpop::generate().unwrap());
    // It was issued before DPoP was switched on.
    let token: OAuth2Token =
        serde_json::from_value(json!({"access_token": "AT", "token_type": "bearer"})).unwrap();
    client.get_profile_of(&token).await.unwrap();
    let sent = http.request();
    assert_eq!(sent.header("authorization"), Some("Bearer AT"));
    assert_eq!(sent.header("dpop"), None);
}

#[tokio::test]
async fn dp_12_a_challenge_for_dpop_does_not_make_a_bearer_token_a_bound_one() {
    let server = Server::with(|switches| switches.token_type = "Bearer").await;
    let dpop = Dpop::generate().unwrap().allow_bearer_tokens();
    let client = server.client("").with_dpop(dpop);
    let token = client.get_access_token("C", CALLBACK, None, &[]).await.unwrap();
    server.switch(|switches| switches.api_challenge = Some("use_dpop_nonce"));
    server.seen();
    client.get_profile_of(&token).await.unwrap_err();
    let seen = server.seen();
    assert_eq!(seen.len(), 1);
    assert!(seen[0].proof.is_none() && seen[0].authorization.as_deref() == Some("Bearer AT1"));
}
