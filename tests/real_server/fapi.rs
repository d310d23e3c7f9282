//! Signed, pushed and bound requests at a server that is certified for FAPI 2.0.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use oauth_core::{
    ErrorClass, LoginOptions, Provider, ResponseMode, ResponseType,
    http::Method,
    serde_json::{Value, json},
};
use oauth_fapi::{
    AuthorizationDetail, AuthorizationDetails, CertificateBoundTokens, ClientCertificate, ClientCertificates,
    Dpop, DpopProvider, GrantedDetails, PrivateKeyJwt, Profile, PushedRequests, SignedRequests,
    SignedResponses, SigningKey, SigningKeys, TlsClientAuth,
};
use oauth_openid::{Algorithm, ClientMetadata, OpenID, OpenIDProvider};
use oauth_reqwest::{
    ReqwestClient, reqwest_client,
    rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
    tls_trusting, with_client_certificate,
};
use rcgen::{CertificateParams, KeyPair};

use super::server::{INITIAL_ACCESS_TOKEN, REDIRECT_URI, Server, browse, browser, id_token, login, metadata};

/// A server that also speaks TLS, and its certificate.
fn with_tls() -> (Server, CertificateDer<'static>) {
    let unique = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    let folder = std::env::temp_dir().join(format!("oauth-tests-{}-{unique}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap().self_signed(&key).unwrap();
    let shown = pem("CERTIFICATE", certificate.der());
    for (name, text) in [
        ("key.pem", pem("PRIVATE KEY", &key.serialize_der())),
        ("cert.pem", shown.clone()),
        ("ca.pem", shown),
    ] {
        std::fs::write(folder.join(name), text).unwrap();
    }
    let server = Server::start_in(Some(&folder));
    std::fs::remove_dir_all(folder).unwrap();
    (server, certificate.der().clone())
}

fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
}

/// Where a client with a certificate reads UserInfo.
async fn userinfo_alias(server: &Server) -> String {
    let url = format!("{}/.well-known/openid-configuration", server.issuer);
    let reply = reqwest_client(|defaults| defaults).unwrap().get(url).send().await.unwrap();
    let metadata: Value = serde_json::from_str(&reply.text().await.unwrap()).unwrap();
    metadata["mtls_endpoint_aliases"]["userinfo_endpoint"].as_str().unwrap().to_owned()
}

/// A client that was registered with its public key.
async fn by_key(
    server: &Server,
    key: &SigningKey,
    change: impl FnOnce(ClientMetadata) -> ClientMetadata,
) -> OpenID {
    let keys = SigningKeys::from(key.clone());
    let jwks: Value = serde_json::from_str(keys.public_jwks().json()).unwrap();
    let metadata = metadata()
        .set("token_endpoint_auth_method", "private_key_jwt")
        .set("token_endpoint_auth_signing_alg", key_algorithm(key))
        .set("id_token_signed_response_alg", "ES256")
        .set("jwks", jwks);
    let discovery = server.discovery();
    let registered =
        OpenID::register(&discovery, &change(metadata), Some(INITIAL_ACCESS_TOKEN)).await.unwrap();
    discovery.client(registered.client_id(), PrivateKeyJwt::new(keys)).unwrap()
}

fn key_algorithm(key: &SigningKey) -> &'static str {
    use oauth_fapi::Signer;
    key.algorithm().as_str()
}

#[tokio::test]
async fn a_client_signs_who_it_is_with_every_algorithm() {
    for algorithm in
        [Algorithm::ES256, Algorithm::PS256, Algorithm::RS256, Algorithm::ES384, Algorithm::EdDSA]
    {
        let key = SigningKey::generate(algorithm).unwrap();
        let client = by_key(Server::shared(), &key, |metadata| metadata).await;
        let login = login(&client, &browser(), LoginOptions::new()).await.unwrap();
        // Each request has an assertion of its own: the server takes none twice.
        client.refresh(&login.token, None).await.unwrap();
        client.revoke(&login.token).await.unwrap();
    }
}

#[tokio::test]
async fn requests_are_pushed_signed_and_answered_with_a_signature() {
    let key = SigningKey::generate(Algorithm::PS256).unwrap();
    let client = by_key(Server::shared(), &key, |metadata| {
        metadata
            .set("require_pushed_authorization_requests", true)
            .set("require_signed_request_object", true)
            .set("request_object_signing_alg", "PS256")
            .set("authorization_signed_response_alg", "PS256")
    })
    .await
    .with_participant(PushedRequests::new())
    .with_participant(SignedRequests::new(key))
    .with_participant(SignedResponses::new().algorithms([Algorithm::PS256]));
    for mode in
        [None, Some(ResponseMode::QueryJwt), Some(ResponseMode::FormPostJwt), Some(ResponseMode::FormPost)]
    {
        let mut options = LoginOptions::new();
        if let Some(mode) = mode {
            options = options.response_mode(mode);
        }
        let started = client.start_login(REDIRECT_URI, options).await.unwrap();
        assert!(
            started.url.contains("request_uri=urn%3A") && !started.url.contains("scope"),
            "{}",
            started.url
        );
        let callback = browse(&browser(), &started.url).await;
        assert!(callback.get("code").is_none() && callback.get("response").is_some());
        let login = client.finish_login(started.attempt, callback).await.unwrap();
        assert_eq!(id_token(&login).subject(), "ada");
    }
}

#[tokio::test]
async fn a_mistake_is_told_before_the_browser() {
    let key = SigningKey::generate(Algorithm::ES256).unwrap();
    let client =
        by_key(Server::shared(), &key, |metadata| metadata).await.with_participant(PushedRequests::new());
    let options = LoginOptions::new().scopes(["openid", "nothing-known"]);
    let started = client.start_login("https://other.example/callback", options).await;
    let error = started.unwrap_err();
    assert!(error.is_before_the_browser(), "{error}");
    assert_eq!(error.class(), ErrorClass::Configuration, "{error}");
}

#[tokio::test]
async fn details_and_resources_come_back_as_they_were_granted() {
    let key = SigningKey::generate(Algorithm::ES256).unwrap();
    let client = by_key(Server::shared(), &key, |metadata| {
        metadata.set("authorization_details_types", ["payment_initiation"])
    })
    .await
    .with_participant(PushedRequests::new());
    let payment = AuthorizationDetail::new("payment_initiation")
        .set("instructedAmount", json!({"currency": "EUR", "amount": "123.50"}));
    let options = LoginOptions::new()
        .resources(["https://api.example/opaque"])
        .authorization_details(&AuthorizationDetails::from_iter([payment]));
    let login = login(&client, &browser(), options).await.unwrap();
    let GrantedDetails::Stated(granted) = AuthorizationDetails::granted(&login.token).unwrap() else {
        panic!("the server states what it granted")
    };
    let granted: Vec<_> = granted.iter().collect();
    assert!(granted[0].get("debtorAccount").is_some(), "the server has added the account: {granted:?}");
}

#[tokio::test]
async fn tokens_are_bound_to_a_key_with_nonces() {
    let server = Server::start();
    server.control(Method::POST, "nonces").await;
    let key = SigningKey::generate(Algorithm::ES256).unwrap();
    let client = by_key(&server, &key, |metadata| metadata.set("dpop_bound_access_tokens", true))
        .await
        .with_participant(PushedRequests::new())
        .with_dpop(Dpop::generate().unwrap());
    let login = login(&client, &browser(), LoginOptions::new()).await.unwrap();
    assert_eq!(login.token.token_type(), Some("DPoP"));
    let token = client.refresh(&login.token, None).await.unwrap();
    client.get_profile_of(&token).await.unwrap();
}

#[tokio::test]
async fn a_client_keeps_to_fapi_2() {
    let server = Server::start();
    server.control(Method::POST, "nonces").await;
    for profile in [Profile::Fapi2Security, Profile::Fapi2MessageSigning] {
        let key = SigningKey::generate(Algorithm::ES256).unwrap();
        let mut client = by_key(&server, &key, |metadata| {
            metadata
                .set("client_name", "fapi 2")
                .set("dpop_bound_access_tokens", true)
                .set("require_pushed_authorization_requests", true)
                .set("request_object_signing_alg", "ES256")
                .set("authorization_signed_response_alg", "ES256")
        })
        .await
        .with_dpop(Dpop::generate().unwrap());
        if profile == Profile::Fapi2MessageSigning {
            client = client.with_participant(SignedRequests::new(key));
        }
        let client = profile.apply(client).unwrap();
        let login = login(&client, &browser(), LoginOptions::new()).await.unwrap();
        client.get_profile_of(&login.token).await.unwrap();
        client.refresh(&login.token, None).await.unwrap();
        let hybrid = LoginOptions::new().response_type(ResponseType::CodeIdToken);
        let error = client.start_login(REDIRECT_URI, hybrid).await.unwrap_err();
        assert!(error.to_string().contains("5.3.3.2 item 1"), "{error}");
    }
}

#[tokio::test]
async fn a_certificate_authenticates_and_binds_at_the_aliases() {
    let (server, trusted) = with_tls();
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(["client.example".to_owned()]).unwrap().self_signed(&key).unwrap();
    let transport = |key: &KeyPair, certificate: &rcgen::Certificate| {
        let tls = tls_trusting([trusted.clone()]).unwrap();
        let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let tls = with_client_certificate(tls, vec![certificate.der().clone()], private).unwrap();
        ReqwestClient::with_tls(tls).unwrap()
    };
    let shown = ClientCertificates::new(
        ClientCertificate::new(certificate.der(), transport(&key, &certificate)).unwrap(),
    );
    let jwk = json!({"keys": [public_jwk(&key, certificate.der())]});
    let metadata = metadata()
        .set("token_endpoint_auth_method", "self_signed_tls_client_auth")
        .set("tls_client_certificate_bound_access_tokens", true)
        .set("id_token_signed_response_alg", "ES256")
        .set("jwks", jwk);
    let discovery = server.discovery();
    let registered = OpenID::register(&discovery, &metadata, Some(INITIAL_ACCESS_TOKEN)).await.unwrap();
    let client = discovery
        .client(registered.client_id(), TlsClientAuth::self_signed(shown.clone()))
        .unwrap()
        .with_participant(CertificateBoundTokens::new(shown))
        .with_participant(PushedRequests::new());
    let login = login(&client, &browser(), LoginOptions::new()).await.unwrap();
    client.get_profile_of(&login.token).await.unwrap();
    let token = client.refresh(&login.token, None).await.unwrap();
    client.warm_up().await.unwrap();
    assert!(token.confirmation().is_some_and(|confirmation| confirmation.get("x5t#S256").is_some()));

    // Whoever steals the token has another certificate.
    let (other_key, other) =
        (KeyPair::generate().unwrap(), CertificateParams::new(["thief.example".to_owned()]).unwrap());
    let other = other.self_signed(&other_key).unwrap();
    let thief = transport(&other_key, &other);
    let request = oauth_core::http::Request::get(userinfo_alias(&server).await)
        .header("authorization", format!("Bearer {}", token.access_token()))
        .body(oauth_core::bytes::Bytes::new())
        .unwrap();
    let reply = oauth_core::HttpClient::send(&thief, request).await.unwrap();
    assert_eq!(reply.status(), 401);
}

/// The public key of a certificate as a client registers it (RFC 8705 section 2.2.2).
fn public_jwk(key: &KeyPair, certificate: &[u8]) -> Value {
    use rcgen::PublicKeyData;
    // An uncompressed point: a 4, then both coordinates.
    let (x, y) = key.der_bytes()[1..].split_at(32);
    json!({
        "kty": "EC",
        "crv": "P-256",
        "kid": "certificate",
        "x": URL_SAFE_NO_PAD.encode(x),
        "y": URL_SAFE_NO_PAD.encode(y),
        "x5c": [STANDARD.encode(certificate)],
    })
}
