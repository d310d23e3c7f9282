//! How clients authenticate, and tokens that are bound to a key: what is sent, and what is made of the answers.

use std::{sync::Arc, time::Duration};

use oauth_core::{
    BindingError, ClientSecret, DatedSecret, ErrorClass, ErrorKind, LoginOptions, Provider, async_trait,
};
use oauth_fapi::{
    AuthorizationDetail, AuthorizationDetails, Dpop, DpopProvider, Introspector, PrivateKeyJwt,
    PushedRequests, SignError, Signer, SigningKey,
};
use oauth_openid::{Algorithm, Discovery, RegisteredClient};
use serde_json::{Map, Value, json};

use crate::server::{CLIENT_ID, ISSUER, REDIRECT_URI, Sent, Server, SetClock, claims, reply};

fn key() -> SigningKey {
    SigningKey::generate(Algorithm::ES256).unwrap()
}

/// The header of a JWT, unverified.
fn header(jwt: &str) -> Value {
    let (header, rest) = jwt.split_once('.').unwrap();
    claims(&format!("x.{header}.{rest}"))
}

#[tokio::test]
async fn rv_11_revocation_and_introspection_authenticate_as_the_token_endpoint_does() {
    let server = Server::new();
    let client = server.client(PrivateKeyJwt::new(key()));
    let login = server.login(&client).await.unwrap();
    client.revoke_token(login.token.access_token(), None).await.unwrap();
    Introspector::new(Arc::new(client.clone())).introspect("AT").await.unwrap().unwrap();
    let sent: Vec<_> = ["/token", "/revoke", "/introspect"]
        .into_iter()
        .map(|end| server.requests(end).pop().unwrap())
        .map(|sent| claims(sent.field("client_assertion").unwrap()))
        .collect();
    for claims in &sent {
        assert_eq!(
            (&claims["aud"], &claims["iss"], &claims["sub"]),
            (&json!(ISSUER), &json!(CLIENT_ID), &json!(CLIENT_ID))
        );
    }
    assert!(sent[0]["jti"] != sent[1]["jti"] && sent[1]["jti"] != sent[2]["jti"]);
}

#[tokio::test]
async fn ca_04_each_server_has_a_key_pair_of_its_own() {
    let mut names = Vec::new();
    for name in ["of-one", "of-another"] {
        let server = Server::new();
        server.login(&server.client(PrivateKeyJwt::new(key().with_key_id(name)))).await.unwrap();
        let sent = server.requests("/token").pop().unwrap();
        names.push(header(sent.field("client_assertion").unwrap())["kid"].clone());
    }
    assert_eq!(names, ["of-one", "of-another"]);
}

#[tokio::test]
async fn ca_10_the_client_id_goes_beside_the_assertion_and_is_its_subject() {
    let server = Server::new();
    let client = server.client(PrivateKeyJwt::new(key())).with_participant(PushedRequests::new());
    let login = server.login(&client).await.unwrap();
    client.refresh(&login.token, None).await.unwrap();
    client.revoke(&login.token).await.unwrap();
    let sent: Vec<Sent> =
        server.requests("").into_iter().filter(|sent| sent.field("client_assertion").is_some()).collect();
    assert_eq!(sent.len(), 4, "a push, an exchange, a refresh and a revocation");
    for sent in sent {
        assert_eq!(sent.fields("client_id"), [CLIENT_ID], "{}", sent.url);
        let claims = claims(sent.field("client_assertion").unwrap());
        assert_eq!((&claims["iss"], &claims["sub"]), (&json!(CLIENT_ID), &json!(CLIENT_ID)));
    }
}

/// Takes a while: by the clock of a test.
#[derive(Debug)]
struct Slow(SigningKey, SetClock);

#[async_trait]
impl Signer for Slow {
    fn algorithm(&self) -> Algorithm {
        self.0.algorithm()
    }

    fn public_jwk(&self) -> Map<String, Value> {
        self.0.public_jwk()
    }

    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        self.1.advance(Duration::from_secs(40));
        self.0.sign(message).await
    }
}

#[tokio::test]
async fn ca_15_the_time_in_an_error_is_that_which_was_signed() {
    let server = Server::new();
    let slow = Slow(key(), server.clock.clone());
    let client = server.client(PrivateKeyJwt::new(oauth_fapi::SigningKeys::new(slow)));
    let made_at = server.clock.seconds();
    server
        .answer(|sent| sent.url.ends_with("/token").then(|| reply(401, &json!({"error": "invalid_client"}))));
    let error = client.refresh_token("RT", None).await.unwrap_err();
    let sent = server.requests("/token").pop().unwrap();
    assert_eq!(claims(sent.field("client_assertion").unwrap())["iat"], made_at);
    assert!(error.to_string().contains(&format!("made at {made_at} (iat)")), "{error}");
}

#[tokio::test]
async fn dp_04_a_nonce_in_the_challenge_is_no_refusal_of_the_secret() {
    let secrets = || ClientSecret::rotating([DatedSecret::new("NEW"), DatedSecret::new("OLD")]);
    for is_in_body in [true, false] {
        let server = Server::new();
        let client = server.client(secrets()).with_dpop(Dpop::generate().unwrap());
        server.answer(move |sent| {
            if !sent.url.ends_with("/token") || claims(sent.header("dpop")?)["nonce"] == "N" {
                return None;
            }
            let mut reply = match is_in_body {
                true => reply(401, &json!({"error": "use_dpop_nonce"})),
                false => reply(401, &json!({})),
            };
            let challenge = r#"DPoP error="use_dpop_nonce", algs="ES256""#;
            reply.headers_mut().insert("www-authenticate", challenge.parse().unwrap());
            reply.headers_mut().insert("dpop-nonce", "N".parse().unwrap());
            Some(reply)
        });
        client.refresh_token("RT", None).await.unwrap();
        let sent = server.requests("/token");
        assert_eq!(sent.len(), 2);
        // The first secret was as good as before.
        assert_eq!(sent[0].header("authorization"), sent[1].header("authorization"), "{is_in_body}");
    }
}

#[tokio::test]
async fn dp_07_a_bearer_token_is_refused_where_a_bound_one_was_asked_for() {
    for token_type in [json!("Bearer"), json!("bearer"), json!(null)] {
        let server = Server::new();
        server.bend(|state| state.token_reply = json!({"token_type": token_type}));
        let client = server.client("secret").with_dpop(Dpop::generate().unwrap());
        let error = server.login(&client).await.unwrap_err();
        let is_unbound = matches!(error.kind(), ErrorKind::Binding(BindingError::NotBound { .. }));
        assert!(is_unbound, "{token_type}: {error}");
        assert_eq!(error.class(), ErrorClass::Protocol);
        assert!(server.requests("/me").is_empty());

        // It is the client's to say otherwise.
        let allowed = server.client("secret").with_dpop(Dpop::generate().unwrap().allow_bearer_tokens());
        if !token_type.is_null() {
            server.login(&allowed).await.unwrap();
        }
    }
}

#[tokio::test]
async fn dp_10_a_proof_that_is_refused_for_its_time_is_told_with_both_clocks() {
    for (date, says) in [(300, "300 s ahead"), (-300, "300 s behind"), (0, "the server's time too")] {
        let server = Server::new();
        let client = server.client("secret").with_dpop(Dpop::generate().unwrap());
        let at = server.clock.seconds() + date;
        server.answer(move |sent| {
            let mut reply = reply(400, &json!({"error": "invalid_dpop_proof"}));
            let at = std::time::UNIX_EPOCH + Duration::from_secs(u64::try_from(at).unwrap());
            reply.headers_mut().insert("date", httpdate::fmt_http_date(at).parse().unwrap());
            sent.url.ends_with("/token").then_some(reply)
        });
        let error = client.refresh_token("RT", None).await.unwrap_err();
        assert!(error.to_string().contains(says), "{says}: {error}");
        assert_eq!(error.class(), ErrorClass::Configuration);
        assert_eq!(server.requests("/token").len(), 1);
        // No clock is corrected by guess.
        let _ = client.refresh_token("RT", None).await;
        let proof = server.requests("/token").pop().unwrap();
        assert_eq!(claims(proof.header("dpop").unwrap())["iat"], server.clock.seconds());
    }
}

#[tokio::test]
async fn dp_20_a_registration_of_bound_tokens_makes_a_bearer_token_an_error() {
    for registered in [json!(true), json!(false), json!(null)] {
        let server = Server::new();
        server.bend(|state| state.token_reply = json!({"token_type": "Bearer"}));
        let registered: RegisteredClient = serde_json::from_value(json!({
            "client_id": CLIENT_ID, "client_secret": "secret", "dpop_bound_access_tokens": registered,
            "id_token_signed_response_alg": "ES256",
        }))
        .unwrap();
        let client = registered.client(&Discovery::new(ISSUER).with_http_client(server.clone())).unwrap();
        let client = client.with_dpop(Dpop::generate().unwrap());
        let error = server.login(&client).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Binding(_)), "{error}");
    }
}

#[tokio::test]
async fn ra_02_types_that_the_client_did_not_register_are_not_asked_for() {
    let details = |kind: &str| AuthorizationDetails::from_iter([AuthorizationDetail::new(kind)]);
    let begun = async |supported: Value, registered: Value, kind: &str| {
        let server = Server::new();
        server.bend(|state| state.metadata["authorization_details_types_supported"] = supported);
        let registered: RegisteredClient = serde_json::from_value(json!({
            "client_id": CLIENT_ID, "client_secret": "secret", "authorization_details_types": registered,
            "id_token_signed_response_alg": "ES256",
        }))
        .unwrap();
        let client = registered.client(&Discovery::new(ISSUER).with_http_client(server.clone())).unwrap();
        let client = client.with_participant(PushedRequests::new());
        let options = LoginOptions::new().authorization_details(&details(kind));
        let outcome = client.start_login(REDIRECT_URI, options).await;
        assert_eq!(server.requests("/par").len(), usize::from(outcome.is_ok()));
        outcome.map(drop).map_err(|error| {
            assert_eq!(error.class(), ErrorClass::Configuration);
            error.to_string()
        })
    };
    let both = json!(["payment", "account"]);
    assert!(begun(both.clone(), json!(["payment"]), "payment").await.is_ok());
    assert!(begun(json!(null), json!(["payment"]), "payment").await.is_ok());
    assert!(begun(both.clone(), json!(null), "account").await.is_ok());
    for supported in [both.clone(), json!(null)] {
        let error = begun(supported, json!(["payment"]), "account").await.unwrap_err();
        assert!(error.contains("the client registered") && error.contains("account"), "{error}");
    }
    let error = begun(json!(["account"]), both, "payment").await.unwrap_err();
    assert!(error.contains("the provider knows"), "{error}");
}
