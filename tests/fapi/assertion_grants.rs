//! Assertions as grants (RFC 7521, 7522, 7523).

use std::{collections::HashSet, sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use oauth_clients::{
    Clock, Credentials, ErrorClass, OAuth2, OffsetDateTime, Provider, async_trait, openid::Algorithm,
};
use oauth_fapi::{JwtAssertion, JwtBearerGrant, NoClientAuthentication, SamlBearerGrant, SignError, Signer};
use serde_json::{Map, Value, json};

use super::{decoded, es256};
use crate::support::{Script, owned};

#[derive(Debug)]
struct Stopped;

const NOW: i64 = 1_700_000_000;

impl Clock for Stopped {
    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(NOW).unwrap()
    }
}

fn assertion() -> JwtAssertion {
    JwtAssertion::new(es256(), "client", "https://as.example").with_clock(Arc::new(Stopped))
}

#[tokio::test]
async fn tx_04_an_assertion_has_all_that_the_standard_wants_and_one_audience() {
    let jwt = assertion().sign("user-17").await.unwrap();
    let (header, claims) = decoded(jwt.expose());
    assert_eq!(header, json!({"alg": "ES256", "kid": "client-key", "typ": "JWT"}));
    let expected = json!({
        "iss": "client", "sub": "user-17", "aud": "https://as.example", "iat": NOW, "exp": NOW + 60,
        "jti": claims["jti"],
    });
    assert_eq!(claims, expected);
    assert!(claims["jti"].as_str().unwrap().len() >= 43);
    let mut ids = HashSet::new();
    for _ in 0..20 {
        let (_, claims) = decoded(assertion().sign("user-17").await.unwrap().expose());
        ids.insert(claims["jti"].to_string());
    }
    assert_eq!(ids.len(), 20);
}

#[tokio::test]
async fn tx_04_what_is_missing_is_said_before_anything_is_signed() {
    let of = |issuer: &str, audience: &str| JwtAssertion::new(es256(), issuer, audience);
    for bad in [
        of("", "https://as.example"),
        of("client", ""),
        assertion().with_claim("aud", json!(["a", "b"])),
        assertion().with_claim("exp", 1),
        assertion().with_header("alg", "none"),
        assertion().with_lifetime(Duration::ZERO),
    ] {
        let error = bad.sign("user").await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Configuration, "{error}");
    }
}

#[tokio::test]
async fn tx_05_an_assertion_takes_each_servers_shape_and_no_longer_life_than_it_allows() {
    let vendor = assertion()
        .with_claim("scope", "signature impersonation")
        .with_claim("box_sub_type", "enterprise")
        .with_header("x5t#S256", "THUMBPRINT")
        .with_backdating(Duration::from_secs(60))
        .with_lifetime(Duration::from_secs(300))
        .without_id()
        .without_subject();
    let (header, claims) = decoded(vendor.sign("").await.unwrap().expose());
    assert_eq!(header["x5t#S256"], "THUMBPRINT");
    let expected = json!({
        "iss": "client", "aud": "https://as.example", "iat": NOW - 60, "exp": NOW + 240,
        "scope": "signature impersonation", "box_sub_type": "enterprise",
    });
    assert_eq!(claims, expected);
    // Whom it is about, if nobody is named: the issuer.
    let (_, claims) = decoded(assertion().sign("").await.unwrap().expose());
    assert_eq!(claims["sub"], "client");

    let capped = assertion().with_longest_lifetime(Duration::from_secs(60));
    assert!(capped.sign("user").await.is_ok());
    let error = capped.with_lifetime(Duration::from_secs(61)).sign("user").await.unwrap_err();
    assert!(error.to_string().contains("61 s, and the server allows 60 s"), "{error}");
}

#[derive(Debug)]
struct Vault {
    is_down: bool,
}

#[async_trait]
impl Signer for Vault {
    fn algorithm(&self) -> Algorithm {
        Algorithm::ES256
    }

    fn public_jwk(&self) -> Map<String, Value> {
        Map::new()
    }

    async fn sign(&self, _: &[u8]) -> Result<Vec<u8>, SignError> {
        match self.is_down {
            true => Err(SignError::Unavailable("the vault does not answer".into())),
            false => Err(SignError::Key("the key was deleted".to_owned())),
        }
    }
}

#[tokio::test]
async fn ca_14_a_signer_that_fails_keeps_its_class() {
    for (is_down, class) in
        [(true, ErrorClass::Transient { retry_after: None }), (false, ErrorClass::Configuration)]
    {
        let assertion = JwtAssertion::new(Arc::new(Vault { is_down }), "client", "https://as.example");
        assert_eq!(assertion.sign("user").await.unwrap_err().class(), class);
    }
}

fn client(http: &Script, credentials: impl Into<Credentials>) -> OAuth2 {
    OAuth2::new("id", credentials, "https://as.example/authorize", "https://as.example/token")
        .with_http_client(http.clone())
}

#[tokio::test]
async fn tx_07_an_assertion_is_sent_with_client_authentication_and_without() {
    let token = json!({"access_token": "AT", "token_type": "Bearer"});
    let http = Script::json(200, &token);
    let grant = JwtBearerGrant::new("A.B.C").with_scopes(["a", "b"]).with_parameter("resource", "urn:x");
    let token_there = grant.send(&client(&http, "secret")).await.unwrap();
    // TX-06: neither a refresh token nor an expiry is expected.
    assert_eq!((token_there.refresh_token(), token_there.expires_at()), (None, None));
    let expected = owned(&[
        ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
        ("assertion", "A.B.C"),
        ("scope", "a b"),
        ("resource", "urn:x"),
        ("client_id", "id"),
        ("client_secret", "secret"),
    ]);
    assert_eq!(http.request().form(), expected);

    let http = Script::json(200, &token);
    let none = Credentials::authentication(NoClientAuthentication);
    grant.send(&client(&http, none)).await.unwrap();
    assert_eq!(http.request().form(), expected[..4]);
}

#[tokio::test]
async fn a_saml_assertion_is_sent_as_base64url() {
    let http = Script::json(200, &json!({"access_token": "AT", "token_type": "Bearer"}));
    SamlBearerGrant::new("<Assertion>?</Assertion>").send(&client(&http, "secret")).await.unwrap();
    let form = http.request().form();
    assert_eq!(form[0].1, "urn:ietf:params:oauth:grant-type:saml2-bearer");
    assert_eq!(URL_SAFE_NO_PAD.decode(&form[1].1).unwrap(), b"<Assertion>?</Assertion>");
}

#[tokio::test]
async fn an_assertion_is_shown_nowhere() {
    let http = Script::json(400, &json!({"error": "invalid_grant", "error_description": "bad A.B.C"}));
    let grant = JwtBearerGrant::new("A.B.C");
    let error = grant.send(&client(&http, "secret")).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Reauthorize);
    assert!(!format!("{error} {error:?} {grant:?}").contains("A.B.C"), "{error}");
    let empty = JwtBearerGrant::new("").send(&client(&http, "secret")).await.unwrap_err();
    assert_eq!(empty.class(), ErrorClass::Configuration);
}
