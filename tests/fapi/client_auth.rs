//! CA: client authentication by JWT (RFC 7523, OpenID Connect Core section 9).

use std::{
    collections::HashSet,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use oauth_clients::{
    AfterReply, Clock, Credentials, Endpoint, Endpoints, Error, ErrorClass, ErrorKind, HttpError,
    HttpErrorKind, OAuth2, OffsetDateTime, Operation, Participant, Provider, RequestContext, RequestDraft,
    Secret, SigningError, async_trait,
    fapi::{
        AssertionAudience, ClientSecretJwt, FederatedAssertion, KeyError, PrivateKeyJwt, SignError, Signer,
        SigningKey, SigningKeys,
    },
    openid::Algorithm,
};
use serde_json::{Map, Value, json};

use super::{
    keys::{CERTIFICATE, P256, RSA},
    sent_jwt::{parts, verified},
};
use crate::support::{Script, Sent, reply};

const ISSUER: &str = "https://as.example";
const TOKEN: &str = "https://as.example/token";
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// 2026-11-30, at noon.
const NOON: i64 = 1_796_040_000;

#[derive(Debug)]
struct Noon;

impl Clock for Noon {
    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(NOON).unwrap()
    }
}

fn client(credentials: impl Into<Credentials>, http: &Script) -> OAuth2 {
    OAuth2::new("client-1", credentials, "https://as.example/authorize", TOKEN)
        .with_refresh_endpoint(TOKEN)
        .with_revoke_endpoint("https://as.example/revoke")
        .with_introspection_endpoint("https://as.example/introspect")
        .with_http_client(http.clone())
        .with_issuer(ISSUER)
        .with_clock(Noon)
}

fn key() -> SigningKey {
    SigningKey::from_pem(P256, Algorithm::ES256).unwrap()
}

fn json(status: u16, body: &Value) -> http::Response<bytes::Bytes> {
    reply(status, "application/json", body.to_string())
}

fn token() -> http::Response<bytes::Bytes> {
    json(200, &json!({"access_token": "AT", "refresh_token": "RT"}))
}

async fn exchange(client: &OAuth2) -> Result<(), Error> {
    client.get_access_token("C", "https://app.example/cb", None, &[]).await.map(drop)
}

fn field(sent: &Sent, name: &str) -> String {
    let all: Vec<_> = sent.form().into_iter().filter(|(other, _)| other == name).collect();
    assert_eq!(all.len(), 1, "{name}: {all:?}");
    all.into_iter().next().unwrap().1
}

/// Header and claims of the assertion that a client sends with a code.
async fn assertion_of(authentication: impl Into<Credentials>) -> (Value, Value) {
    let http = Script::new([token()]);
    exchange(&client(authentication, &http)).await.unwrap();
    parts(&field(&http.request(), "client_assertion"))
}

/// What each endpoint was sent.
async fn at_every_endpoint(client: &OAuth2, http: &Script) -> Vec<Sent> {
    exchange(client).await.unwrap();
    client.refresh_token("RT", None).await.unwrap();
    client.revoke_token("AT", None).await.unwrap();
    client.introspect_token("AT", None).await.unwrap();
    http.requests()
}

fn answers() -> Script {
    Script::new([token(), token(), json(200, &json!({})), json(200, &json!({"active": true}))])
}

#[tokio::test]
async fn ca_01_each_request_carries_an_assertion_of_its_own_that_lives_for_a_minute() {
    let http = answers();
    let client = client(PrivateKeyJwt::new(key()), &http);
    let mut seen = HashSet::new();
    for sent in at_every_endpoint(&client, &http).await {
        assert_eq!(field(&sent, "client_assertion_type"), JWT_BEARER);
        assert_eq!(field(&sent, "client_id"), "client-1");
        assert!(!sent.form().iter().any(|(name, _)| name == "client_secret"), "{sent:?}");
        assert_eq!(sent.header("authorization"), None);
        let (header, claims) = verified(&field(&sent, "client_assertion"), &key().public_jwk());
        assert_eq!(header["kid"], key().key_id().unwrap());
        assert_eq!((&claims["iss"], &claims["sub"]), (&json!("client-1"), &json!("client-1")));
        assert_eq!((&claims["iat"], &claims["exp"]), (&json!(NOON), &json!(NOON + 60)));
        assert!(claims.get("nbf").is_none());
        assert!(seen.insert(claims["jti"].as_str().unwrap().to_owned()));
    }
    assert_eq!(seen.len(), 4);
    let longer = PrivateKeyJwt::new(key()).lifetime(Duration::from_secs(300)).with_not_before();
    let (_, claims) = assertion_of(longer).await;
    assert_eq!((&claims["exp"], &claims["nbf"]), (&json!(NOON + 300), &json!(NOON)));
}

#[tokio::test]
async fn ca_02_the_audience_is_the_issuer_as_one_text_at_every_endpoint() {
    let http = answers();
    let client = client(PrivateKeyJwt::new(key()), &http);
    for sent in at_every_endpoint(&client, &http).await {
        let (_, claims) = parts(&field(&sent, "client_assertion"));
        assert_eq!(claims["aud"], ISSUER, "{}", sent.url);
    }
}

#[tokio::test]
async fn ca_02_another_audience_is_chosen_for_servers_that_want_it_and_is_one_text_too() {
    for (audience, expected) in [
        (AssertionAudience::TokenEndpoint, [TOKEN, TOKEN, TOKEN, TOKEN]),
        (
            AssertionAudience::UrlCalled,
            [TOKEN, TOKEN, "https://as.example/revoke", "https://as.example/introspect"],
        ),
        (AssertionAudience::Fixed("urn:as".to_owned()), ["urn:as"; 4]),
    ] {
        let http = answers();
        let client = client(PrivateKeyJwt::new(key()).audience(audience), &http);
        let sent = at_every_endpoint(&client, &http).await;
        let found: Vec<_> =
            sent.iter().map(|sent| parts(&field(sent, "client_assertion")).1["aud"].clone()).collect();
        assert_eq!(found, expected);
    }
}

#[tokio::test]
async fn ca_02_without_an_issuer_nothing_is_sent() {
    let http = Script::default();
    let client = OAuth2::new("client-1", PrivateKeyJwt::new(key()), "https://as.example/authorize", TOKEN)
        .with_http_client(http.clone());
    let error = exchange(&client).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Configuration);
    assert!(error.to_string().contains("with_issuer"), "{error}");
    assert!(http.requests().is_empty());
}

#[tokio::test]
async fn ca_03_the_type_is_that_of_a_client_assertion_unless_another_or_none_was_chosen() {
    let typ = |(header, _): (Value, Value)| header.get("typ").cloned();
    assert_eq!(typ(assertion_of(PrivateKeyJwt::new(key())).await), Some(json!("client-authentication+jwt")));
    assert_eq!(typ(assertion_of(PrivateKeyJwt::new(key()).header_type("JWT")).await), Some(json!("JWT")));
    assert_eq!(typ(assertion_of(PrivateKeyJwt::new(key()).without_header_type()).await), None);
}

/// As long as the hash of HS512.
const SECRET: &str = "a-client-secret-that-is-long-enough-to-be-a-key-for-HS512-tokens";

#[tokio::test]
async fn ca_05_a_client_secret_signs_and_is_never_sent() {
    for (algorithm, by) in [
        (Algorithm::HS256, hmac::HMAC_SHA256),
        (Algorithm::HS384, hmac::HMAC_SHA384),
        (Algorithm::HS512, hmac::HMAC_SHA512),
    ] {
        let http = Script::new([token()]);
        let authentication = ClientSecretJwt::new(SECRET, algorithm).unwrap();
        assert!(!format!("{authentication:?}").contains(SECRET));
        exchange(&client(authentication, &http)).await.unwrap();
        let sent = http.request();
        assert!(!sent.body.contains(SECRET));
        assert_eq!(field(&sent, "client_id"), "client-1");
        let jwt = field(&sent, "client_assertion");
        let (signed, signature) = jwt.rsplit_once('.').unwrap();
        let secret = hmac::Key::new(by, SECRET.as_bytes());
        hmac::verify(&secret, signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap()).unwrap();
        let (header, claims) = parts(&jwt);
        assert_eq!((&header["alg"], &claims["aud"]), (&json!(algorithm.as_str()), &json!(ISSUER)));
    }
}

#[test]
fn ca_05_a_secret_that_is_shorter_than_the_hash_is_refused() {
    for (algorithm, least) in [(Algorithm::HS256, 32), (Algorithm::HS384, 48), (Algorithm::HS512, 64)] {
        assert!(ClientSecretJwt::new(&SECRET[..least], algorithm).is_ok());
        let error = ClientSecretJwt::new(&SECRET[..least - 1], algorithm).unwrap_err().to_string();
        assert!(error.contains(&least.to_string()) && !error.contains("a-client"), "{error}");
    }
    assert!(matches!(
        ClientSecretJwt::new(SECRET, Algorithm::ES256),
        Err(KeyError::Algorithm { algorithm: Algorithm::ES256, .. })
    ));
}

/// Has each request sent once more, as DPoP does for a nonce.
#[derive(Debug)]
struct Nonce;

#[async_trait]
impl Participant for Nonce {
    async fn after_reply(
        &self,
        _: &RequestContext<'_>,
        _: &RequestDraft,
        reply: &http::Response<bytes::Bytes>,
    ) -> AfterReply {
        match reply.status().as_u16() {
            400 => AfterReply::SendAgain,
            _ => AfterReply::Done,
        }
    }
}

#[tokio::test]
async fn ca_11_a_repetition_carries_a_new_assertion_and_the_same_grant() {
    let http = Script::new([json(400, &json!({"error": "use_dpop_nonce"})), token()]);
    let client = client(PrivateKeyJwt::new(key()), &http).with_participant(Nonce);
    exchange(&client).await.unwrap();
    let sent = http.requests();
    let jti = |sent: &Sent| parts(&field(sent, "client_assertion")).1["jti"].clone();
    assert_ne!(jti(&sent[0]), jti(&sent[1]));
    assert_eq!((field(&sent[0], "code"), field(&sent[1], "code")), ("C".to_owned(), "C".to_owned()));
}

#[tokio::test]
async fn ca_12_at_an_alias_the_audience_is_still_the_issuer_and_the_token_endpoint_the_usual_one() {
    for (audience, expected) in
        [(AssertionAudience::Issuer, ISSUER), (AssertionAudience::TokenEndpoint, TOKEN)]
    {
        /// Sends everything by itself to the alias.
        #[derive(Debug)]
        struct Bound(Script);

        #[async_trait]
        impl Participant for Bound {
            fn connection(
                &self,
                _: &RequestContext<'_>,
                _: &RequestDraft,
            ) -> Option<oauth_clients::Connection> {
                let http = Arc::new(self.0.clone());
                Some(oauth_clients::Connection::new(http, oauth_clients::EndpointAlias::MutualTls))
            }
        }

        let (usual, secured) = (Script::default(), Script::new([token()]));
        let client = client(PrivateKeyJwt::new(key()).audience(audience), &usual)
            .with_participant(Bound(secured.clone()))
            .with_mtls_endpoints(Endpoints::from_iter([(Endpoint::Token, "https://mtls.as.example/token")]));
        exchange(&client).await.unwrap();
        let sent = secured.request();
        assert_eq!(sent.url, "https://mtls.as.example/token");
        assert_eq!(parts(&field(&sent, "client_assertion")).1["aud"], expected);
    }
}

/// What a key in a vault can do.
#[derive(Debug)]
enum Vault {
    Fails,
    IsSealed,
    Sleeps,
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
        match self {
            Self::Fails => Err(SignError::Unavailable("HTTP 503".into())),
            Self::IsSealed => Err(SignError::Key("it was disabled".to_owned())),
            Self::Sleeps => {
                tokio::time::sleep(Duration::from_secs(60)).await;
                Ok(Vec::new())
            }
        }
    }
}

#[tokio::test]
async fn ca_14_a_signer_that_fails_or_takes_a_minute_has_an_error_of_its_own_and_nothing_is_sent() {
    let transient = ErrorClass::Transient { retry_after: None };
    let limit = Duration::from_millis(50);
    for (vault, expected, class) in [
        (Vault::Fails, SigningError::Unavailable("HTTP 503".to_owned()), transient),
        (Vault::Sleeps, SigningError::Timeout(limit), transient),
        (Vault::IsSealed, SigningError::Key("it was disabled".to_owned()), ErrorClass::Configuration),
    ] {
        let http = Script::default();
        let keys = SigningKeys::from(vault).with_time_limit(limit);
        let client = client(PrivateKeyJwt::new(keys), &http);
        for operation in [Operation::GET_ACCESS_TOKEN, Operation::REFRESH_TOKEN] {
            let error = match operation {
                Operation::REFRESH_TOKEN => client.refresh_token("RT", None).await.map(drop),
                _ => exchange(&client).await,
            };
            let error = error.unwrap_err();
            let ErrorKind::Signing(found) = error.kind() else { panic!("{error}") };
            assert_eq!((found, error.class(), error.operation()), (&expected, class, operation));
        }
        assert!(http.requests().is_empty());
    }
}

#[tokio::test]
async fn ca_14_header_and_claims_can_be_changed_last() {
    let changed = PrivateKeyJwt::new(key()).dangerously_modify_assertion(|header, claims| {
        header.insert("x".to_owned(), json!(1));
        header.remove("typ");
        claims.insert("aud".to_owned(), json!(["a", "b"]));
    });
    let (header, claims) = assertion_of(changed).await;
    assert_eq!((&header["x"], header.get("typ"), &claims["aud"]), (&json!(1), None, &json!(["a", "b"])));
}

#[tokio::test]
async fn ca_15_what_is_signed_has_a_clock_setting_of_its_own() {
    let (_, claims) = assertion_of(PrivateKeyJwt::new(key()).with_clock_offset(-300)).await;
    assert_eq!((&claims["iat"], &claims["exp"]), (&json!(NOON - 300), &json!(NOON - 240)));
}

#[tokio::test]
async fn ca_15_a_refusal_is_told_with_the_servers_date_beside_ours_and_with_the_audience() {
    let refused = |date: Option<&'static str>| {
        let mut reply = json(401, &json!({"error": "invalid_client", "error_description": "bad JWT"}));
        if let Some(date) = date {
            reply.headers_mut().insert("date", http::HeaderValue::from_static(date));
        }
        reply
    };
    for (date, expected) in [
        (Some("Mon, 30 Nov 2026 12:05:00 GMT"), vec!["300 s ahead", "clock right?", "with_clock_offset"]),
        (Some("Mon, 30 Nov 2026 11:55:00 GMT"), vec!["300 s behind", "clock right?"]),
        (Some("Mon, 30 Nov 2026 12:00:01 GMT"), vec!["1796040001"]),
        (Some("yesterday"), vec![]),
        (None, vec![]),
    ] {
        let http = Script::new([refused(date)]);
        let error = exchange(&client(PrivateKeyJwt::new(key()), &http)).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Configuration);
        assert_eq!(error.oauth_error().unwrap().code, "invalid_client");
        let text = error.to_string();
        for part in expected.into_iter().chain(["bad JWT", ISSUER, "1796040000"]) {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert_eq!(http.requests().len(), 1);
    }
    // It is nothing that other refusals are about.
    let http = Script::new([json(400, &json!({"error": "invalid_grant"}))]);
    let error = exchange(&client(PrivateKeyJwt::new(key()), &http)).await.unwrap_err();
    assert!(!error.to_string().contains("iat"), "{error}");
}

#[tokio::test]
async fn ca_17_a_platforms_token_is_read_for_each_request() {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("assertion-{}", std::process::id()));
    std::fs::write(&path, "header.first.signature\n").unwrap();
    let http = answers();
    let client = client(FederatedAssertion::from_file(&path), &http);
    exchange(&client).await.unwrap();
    std::fs::write(&path, "header.second.signature\n").unwrap();
    client.refresh_token("RT", None).await.unwrap();
    let sent = http.requests();
    assert_eq!(field(&sent[0], "client_assertion"), "header.first.signature");
    assert_eq!(field(&sent[1], "client_assertion"), "header.second.signature");
    assert_eq!(field(&sent[1], "client_assertion_type"), JWT_BEARER);
    assert_eq!(field(&sent[1], "client_id"), "client-1");
    for spoilt in ["", " \n", "two words"] {
        std::fs::write(&path, spoilt).unwrap();
        assert_eq!(exchange(&client).await.unwrap_err().class(), ErrorClass::Configuration);
    }
    std::fs::remove_file(&path).unwrap();
    let error = exchange(&client).await.unwrap_err();
    assert!(error.to_string().contains("could not read the platform's assertion"), "{error}");
    assert_eq!(http.requests().len(), 2);
}

#[tokio::test]
async fn ca_17_a_source_is_asked_for_each_request_and_its_outage_may_pass() {
    let left = Arc::new(Mutex::new(vec![None, Some("h.second.s"), Some("h.first.s")]));
    let source = left.clone();
    let authentication = FederatedAssertion::from_source(move || {
        let next = source.lock().unwrap().pop().flatten();
        async move { next.map(Secret::new).ok_or_else(|| HttpError::new(HttpErrorKind::Timeout).into()) }
    })
    .assertion_type("urn:x");
    assert!(!format!("{authentication:?}").contains("first"));
    let http = answers();
    let client = client(authentication, &http);
    exchange(&client).await.unwrap();
    exchange(&client).await.unwrap();
    let sent = http.requests();
    assert_eq!(field(&sent[0], "client_assertion"), "h.first.s");
    assert_eq!(field(&sent[1], "client_assertion"), "h.second.s");
    assert_eq!(field(&sent[0], "client_assertion_type"), "urn:x");
    let error = exchange(&client).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Transient { retry_after: None });
}

#[tokio::test]
async fn entra_finds_the_key_by_its_certificate() {
    for (algorithm, member, thumbprint) in [
        (Algorithm::PS256, "x5t#S256", "rvvyz6MpC1m4gvwr9J-CPq5CU6Je9vckP0U3fk0MPlw"),
        (Algorithm::RS256, "x5t", "wj_-weNVeJzD16PaOGJYRYmYPQU"),
    ] {
        let key = SigningKey::from_pem(RSA, algorithm).unwrap();
        let (header, claims) = assertion_of(PrivateKeyJwt::entra(key, CERTIFICATE).unwrap()).await;
        assert_eq!(header, json!({"alg": algorithm.as_str(), "typ": "JWT", member: thumbprint}));
        assert_eq!(claims["aud"], TOKEN);
        assert_eq!((&claims["nbf"], &claims["exp"]), (&json!(NOON), &json!(NOON + 300)));
    }
    let other = SigningKey::generate(Algorithm::PS256).unwrap();
    let error = PrivateKeyJwt::entra(other, CERTIFICATE).unwrap_err().to_string();
    assert!(error.contains("another key"), "{error}");
    assert!(PrivateKeyJwt::entra(key(), CERTIFICATE).is_err());
    let key = SigningKey::from_pem(RSA, Algorithm::PS256).unwrap();
    assert!(PrivateKeyJwt::entra(key, "no certificate").is_err());
}

#[tokio::test]
async fn a_secret_beside_an_assertion_is_refused() {
    let http = Script::default();
    let client = client(PrivateKeyJwt::new(key()), &http);
    let form = [("grant_type", "x"), ("client_secret", "S")];
    let error = client.request_token(Operation::GET_ACCESS_TOKEN, TOKEN, form).await.unwrap_err();
    assert!(error.to_string().contains("client_secret"), "{error}");
    assert!(http.requests().is_empty());
}
