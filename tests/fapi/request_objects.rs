//! Signed authorization requests (RFC 9101), by the ids of the conformance list.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use oauth_clients::{
    AfterReply, AuthenticationError, ErrorClass, ErrorKind, LoginOptions, MemoryCache, OAuth2, Participant,
    Provider, RequestContext, RequestDraft, async_trait, bytes::Bytes, openid::OpenID,
};
use oauth_fapi::{
    Encrypter, HostedRequests, PushedRequests, SIGN_AUTHORIZATION_REQUEST, SignError, SignedRequests, Signer,
    oauth_openid::Algorithm,
};
use serde_json::{Map, Value, json};

use super::{decoded, es256, names, par_op, pushed, signer, value};
use crate::{
    openid::op::{CLIENT_ID, CLIENT_SECRET, Endpoint, ISSUER, Key, Op, REDIRECT_URI},
    support::{query_of, reply},
};

fn client(op: &Op) -> OpenID {
    op.client().with_participant(SignedRequests::new(es256()))
}

async fn url(client: &OpenID, options: LoginOptions) -> String {
    client.start_login(REDIRECT_URI, options).await.unwrap().url
}

async fn problem(client: &OpenID) -> String {
    let error = client.start_login(REDIRECT_URI, LoginOptions::new()).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Configuration, "{error}");
    error.to_string()
}

fn object_in(url: &str) -> String {
    value(&query_of(url), "request").unwrap()
}

#[tokio::test]
async fn jr_01_the_object_is_by_the_client_for_the_issuer_and_holds_everything() {
    let op = Op::new();
    let started = client(&op).start_login(REDIRECT_URI, LoginOptions::new().prompt("login")).await.unwrap();
    let (_, claims) = decoded(&object_in(&started.url));
    let now = op.clock.seconds();
    for (name, expected) in [
        ("iss", json!(CLIENT_ID)),
        ("client_id", json!(CLIENT_ID)),
        ("aud", json!(ISSUER)),
        ("iat", json!(now)),
        ("exp", json!(now + 60)),
        ("response_type", json!("code")),
        ("redirect_uri", json!(REDIRECT_URI)),
        ("state", json!(started.attempt.state())),
        ("nonce", json!(started.attempt.nonce().unwrap())),
        ("code_challenge_method", json!("S256")),
        ("prompt", json!("login")),
    ] {
        assert_eq!(claims[name], expected, "{name}");
    }
    assert!(claims["nbf"].as_i64().unwrap() <= now && claims["jti"].as_str().unwrap().len() >= 16);
    for absent in ["request", "request_uri", "sub"] {
        assert!(claims.get(absent).is_none(), "{absent}");
    }
    let elsewhere =
        op.client().with_participant(SignedRequests::new(es256()).audience("https://other.example"));
    let (_, claims) = decoded(&object_in(&url(&elsewhere, LoginOptions::new()).await));
    assert_eq!(claims["aud"], "https://other.example");
}

#[tokio::test]
async fn jr_02_the_type_is_its_own_and_the_key_a_private_one() {
    let op = Op::new();
    for (algorithm, key) in
        [(Algorithm::ES256, Key::P256), (Algorithm::PS256, Key::Rsa), (Algorithm::EdDSA, Key::Ed25519)]
    {
        let client = op.client().with_participant(SignedRequests::new(signer(algorithm, key)));
        let (header, _) = decoded(&object_in(&url(&client, LoginOptions::new()).await));
        let expected = json!({"alg": algorithm.as_str(), "kid": "client-key", "typ": "oauth-authz-req+jwt"});
        assert_eq!(header, expected);
    }
    let symmetric = op.client().with_participant(SignedRequests::new(signer(Algorithm::HS256, Key::P256)));
    assert!(problem(&symmetric).await.contains("HS256"));
    // Unsigned only when it is said aloud.
    let unsigned = op.client().with_participant(SignedRequests::dangerously_unsigned());
    let object = object_in(&url(&unsigned, LoginOptions::new()).await);
    assert!(object.ends_with('.'));
    assert_eq!(decoded(&object).0["alg"], "none");
    // Another algorithm than the provider takes.
    op.bend(|state| state.metadata["request_object_signing_alg_values_supported"] = json!(["none", "PS256"]));
    let refused = problem(&client(&Op::bent(|state| {
        state.metadata["request_object_signing_alg_values_supported"] = json!(["none", "PS256"]);
    })))
    .await;
    assert!(refused.contains("PS256") && refused.contains("ES256"), "{refused}");
}

#[tokio::test]
async fn jr_03_what_is_outside_says_the_same_as_what_is_inside() {
    let op = Op::bent(|state| {
        state.metadata["authorization_endpoint"] = "https://op.example/auth?tenant=1".into()
    });
    let query = query_of(&url(&client(&op), LoginOptions::new().scopes(["openid", "email"])).await);
    assert_eq!(names(&query), ["client_id", "request", "response_type", "scope", "tenant"]);
    let (_, claims) = decoded(&value(&query, "request").unwrap());
    for name in ["client_id", "response_type", "scope", "tenant"] {
        assert_eq!(claims[name], value(&query, name).unwrap(), "{name}");
    }
    // Without OpenID Connect the client id is enough.
    let plain = OAuth2::new("id", "secret", "https://as.example/authorize", "https://as.example/token")
        .with_issuer("https://as.example")
        .with_participant(SignedRequests::new(es256()));
    let started = plain.start_login(REDIRECT_URI, LoginOptions::new().scopes(["accounts"])).await.unwrap();
    assert_eq!(names(&query_of(&started.url)), ["client_id", "request"]);
}

#[tokio::test]
async fn jr_04_an_object_can_be_fetched_from_the_application() {
    let op = Op::new();
    let hosted = HostedRequests::new("https://app.example/objects/", Arc::new(MemoryCache::new())).unwrap();
    let client = op.client().with_participant(SignedRequests::new(es256()).hosted(hosted.clone()));
    let mut seen = HashSet::new();
    for _ in 0..3 {
        let started = client.start_login(REDIRECT_URI, LoginOptions::new()).await.unwrap();
        let query = query_of(&started.url);
        assert_eq!(names(&query), ["client_id", "request_uri", "response_type", "scope"]);
        let request_uri = value(&query, "request_uri").unwrap();
        let id = request_uri.strip_prefix("https://app.example/objects/").unwrap();
        assert!(id.len() >= 43 && request_uri.len() <= 512);
        let (_, claims) = decoded(&hosted.get(id).await.unwrap().unwrap());
        assert_eq!(claims["state"], started.attempt.state());
        assert_eq!(started.url_expires_at.unwrap().unix_timestamp(), op.clock.seconds() + 60);
        assert!(seen.insert(request_uri));
    }
    assert_eq!(hosted.get("unknown").await.unwrap(), None);
    assert_eq!(HostedRequests::CONTENT_TYPE, "application/oauth-authz-req+jwt");
    let long = format!("https://app.example/{}/", "x".repeat(512 - 43 - 21 + 1));
    for bad in [
        "http://app.example/objects/",
        "https://app.example/objects",
        "https://app.example/objects/#",
        "https://",
        "/objects/",
        "https://app.example/a b/",
        &long,
    ] {
        assert!(HostedRequests::new(bad, Arc::new(MemoryCache::new())).is_err(), "{bad}");
    }
    // Both at once cannot be asked for.
    for name in ["request", "request_uri"] {
        let options = LoginOptions::new().extras_params(&json!({name: "x"}));
        assert!(client.start_login(REDIRECT_URI, options).await.is_err());
    }
}

#[tokio::test]
async fn jr_05_where_a_signature_is_demanded_nothing_else_is_built() {
    let op = par_op();
    op.bend(|state| state.metadata["require_signed_request_object"] = true.into());
    for unsigned in [
        op.client(),
        op.client().with_participant(PushedRequests::new()),
        op.client().with_participant(SignedRequests::dangerously_unsigned()),
    ] {
        assert!(problem(&unsigned).await.contains("RFC 9101"));
    }
    assert_eq!(pushed(&op).len(), 0);
    url(&client(&op), LoginOptions::new()).await;
}

#[tokio::test]
async fn jr_06_what_is_json_stays_json() {
    let claims = json!({"userinfo": {"email": {"essential": true}, "name": null}});
    let details = json!([{"type": "payment", "amount": 1.5}]);
    let options = || {
        LoginOptions::new()
            .max_age(Duration::ZERO)
            .claims(&claims)
            .authorization_details(&details)
            .resources(["https://a.example", "https://b.example"])
    };
    let op = par_op();
    let by_value = object_in(&url(&client(&Op::new()), options()).await);
    url(&client(&op).with_participant(PushedRequests::new()), options()).await;
    let by_push = value(&pushed(&op)[0].form(), "request").unwrap();
    for object in [by_value, by_push] {
        let (_, object) = decoded(&object);
        assert_eq!(object["max_age"], json!(0));
        assert_eq!(object["claims"], claims);
        assert_eq!(object["authorization_details"], details);
        assert_eq!(object["resource"], json!(["https://a.example", "https://b.example"]));
    }
    let one = LoginOptions::new().resources(["https://a.example"]);
    let (_, object) = decoded(&object_in(&url(&client(&Op::new()), one).await));
    assert_eq!(object["resource"], "https://a.example");
}

#[derive(Debug)]
struct Wrapper;

#[async_trait]
impl Encrypter for Wrapper {
    async fn encrypt(&self, jwt: &str) -> Result<String, AuthenticationError> {
        match decoded(jwt).0["typ"] == "oauth-authz-req+jwt" && jwt.split('.').count() == 3 {
            true => Ok(format!("encrypted.{}", jwt.replace('.', "_"))),
            false => Err("it is not signed".into()),
        }
    }
}

#[tokio::test]
async fn jr_07_an_object_is_encrypted_when_it_is_signed() {
    let op = par_op();
    let encrypting = || SignedRequests::new(es256()).encrypted(Arc::new(Wrapper));
    let by_value =
        object_in(&url(&Op::new().client().with_participant(encrypting()), LoginOptions::new()).await);
    let client = op.client().with_participant(encrypting()).with_participant(PushedRequests::new());
    url(&client, LoginOptions::new()).await;
    let by_push = value(&pushed(&op)[0].form(), "request").unwrap();
    assert!(by_value.starts_with("encrypted.") && by_push.starts_with("encrypted."));
}

#[tokio::test]
async fn jr_08_a_push_holds_the_object_and_who_the_client_is() {
    // In whichever order the two are added.
    for signed_first in [true, false] {
        let op = par_op();
        let (signed, pushing) = (SignedRequests::new(es256()), PushedRequests::new());
        let client = match signed_first {
            true => op.client().with_participant(signed).with_participant(pushing),
            false => op.client().with_participant(pushing).with_participant(signed),
        };
        let started = client.start_login(REDIRECT_URI, LoginOptions::new()).await.unwrap();
        assert_eq!(names(&query_of(&started.url)), ["client_id", "request_uri"]);
        let form = pushed(&op)[0].form();
        assert_eq!(names(&form), ["client_id", "request"]);
        let (_, claims) = decoded(&value(&form, "request").unwrap());
        assert_eq!(claims["state"], started.attempt.state());
        let posting = client.with_client_auth(oauth_clients::ClientAuth::Post);
        posting.start_login(REDIRECT_URI, LoginOptions::new()).await.unwrap();
        let form = pushed(&op)[1].form();
        assert_eq!(names(&form), ["client_id", "client_secret", "request"]);
        assert_eq!(value(&form, "client_secret").as_deref(), Some(CLIENT_SECRET));
    }
}

/// Has a push sent once more, as DPoP does for a nonce.
#[derive(Debug)]
struct OnceMore;

#[async_trait]
impl Participant for OnceMore {
    async fn after_reply(
        &self,
        _: &RequestContext<'_>,
        _: &RequestDraft,
        reply: &http::Response<Bytes>,
    ) -> AfterReply {
        if reply.status() == 400 { AfterReply::SendAgain } else { AfterReply::Done }
    }
}

#[tokio::test]
async fn jr_09_each_try_has_an_object_of_its_own() {
    let op = par_op();
    let tries = AtomicUsize::new(0);
    op.bend(|state| {
        state.answer(Endpoint::Other, move |_| {
            let status = match tries.fetch_add(1, Ordering::Relaxed) {
                0 => 500,
                1 => 400,
                _ => 201,
            };
            let body = json!({"request_uri": "urn:x", "expires_in": 60}).to_string();
            Some(reply(status, "application/json", if status == 201 { body } else { "{}".to_owned() }))
        });
    });
    let client = client(&op).with_participant(PushedRequests::new()).with_participant(OnceMore);
    client.start_login(REDIRECT_URI, LoginOptions::new()).await.unwrap_err();
    client.start_login(REDIRECT_URI, LoginOptions::new()).await.unwrap();
    let objects: Vec<_> =
        pushed(&op).iter().map(|sent| decoded(&value(&sent.form(), "request").unwrap()).1).collect();
    let [failed, refused, accepted] = &objects[..] else { panic!("{objects:?}") };
    assert_ne!(failed["jti"], refused["jti"]);
    assert_ne!(failed["state"], refused["state"]);
    // The repetition of one request.
    assert_ne!(refused["jti"], accepted["jti"]);
    assert_eq!(refused["state"], accepted["state"]);
}

#[tokio::test]
async fn jr_10_an_object_lives_for_an_hour_at_most() {
    let op = Op::new();
    let of = |lifetime: u64| {
        op.client().with_participant(SignedRequests::new(es256()).lifetime(Duration::from_secs(lifetime)))
    };
    for too_long in [0, 61 * 60, 3591, u64::MAX] {
        let problem = problem(&of(too_long)).await;
        assert!(problem.contains("hour"), "{problem}");
    }
    let (_, claims) = decoded(&object_in(&url(&of(3590), LoginOptions::new()).await));
    assert!(claims["exp"].as_i64().unwrap() - claims["nbf"].as_i64().unwrap() <= 3600);
    let now = op.clock.seconds();
    let dated = op.client().with_participant(
        SignedRequests::new(es256()).lifetime(Duration::from_secs(600)).backdated_by(Duration::ZERO),
    );
    let (_, claims) = decoded(&object_in(&url(&dated, LoginOptions::new()).await));
    assert_eq!((&claims["nbf"], &claims["exp"]), (&json!(now), &json!(now + 600)));
}

#[tokio::test]
async fn jr_11_what_a_server_says_of_request_objects_is_told_apart() {
    let op = Op::new();
    let client = client(&op);
    for (code, class) in [
        ("invalid_request_object", ErrorClass::Configuration),
        ("request_not_supported", ErrorClass::Configuration),
        ("request_uri_not_supported", ErrorClass::Configuration),
        ("invalid_request_uri", ErrorClass::Reauthorize),
    ] {
        let attempt = op.start(&client, LoginOptions::new()).await.attempt;
        let callback = op.callback(&attempt, &[("code", ""), ("error", code)]);
        let error = client.finish_login(attempt, callback).await.unwrap_err();
        assert_eq!((&*error.oauth_error().unwrap().code, error.class()), (code, class));
        assert!(!error.is_before_the_browser());
    }
    // What the metadata rule out is not tried.
    for (member, hosted) in
        [("request_parameter_supported", false), ("request_uri_parameter_supported", true)]
    {
        let op = par_op();
        op.bend(|state| state.metadata[member] = false.into());
        let mut signed = SignedRequests::new(es256());
        if hosted {
            let url = "https://app.example/o/";
            signed = signed.hosted(HostedRequests::new(url, Arc::new(MemoryCache::new())).unwrap());
        }
        let client = op.client().with_participant(signed);
        assert!(problem(&client).await.contains(member));
        url(&client.with_participant(PushedRequests::new()), LoginOptions::new()).await;
    }
}

/// A key whose vault cannot be reached, or that is gone.
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
            true => Err(SignError::Unavailable("the vault is asleep".into())),
            false => Err(SignError::Key("the key was destroyed".to_owned())),
        }
    }
}

#[tokio::test]
async fn a_signer_that_fails_sends_nothing_and_says_why() {
    for (is_down, class) in
        [(true, ErrorClass::Transient { retry_after: None }), (false, ErrorClass::Configuration)]
    {
        let op = par_op();
        let client = op.client().with_participant(SignedRequests::new(Arc::new(Vault { is_down })));
        let error = client.start_login(REDIRECT_URI, LoginOptions::new()).await.unwrap_err();
        assert_eq!((error.class(), error.operation()), (class, SIGN_AUTHORIZATION_REQUEST), "{error}");
        let pushing = client.with_participant(PushedRequests::new());
        let error = pushing.start_login(REDIRECT_URI, LoginOptions::new()).await.unwrap_err();
        assert_eq!(error.class(), class, "{error}");
        assert!(!matches!(error.kind(), ErrorKind::MalformedReply { .. }));
        assert_eq!(pushed(&op).len(), 0);
    }
}
