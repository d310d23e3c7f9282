//! The grants and the checks of a resource server against the emulator, which was written from the same specifications by others.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use oauth_clients::{
    ErrorClass, HttpClient, JwtCheck, LoginOptions, MemoryCache, OffsetDateTime, Polled, Provider,
    openid::{Algorithm, OpenID},
};
use oauth_emulator::{
    App, ClientAuthMethod, Consent, DeliveryMode, Demands, EmulatedEndpoint, Emulator, Fault, SigningAlg,
};
use oauth_fapi::{
    AccessTokenVerifier, ApiRefusal, Ciba, CibaDelivery, CibaEndpoint, CibaNotification, CibaRequest,
    Introspector, JwtAssertion, JwtBearerGrant, PresentedToken, PrivateKeyJwt, Signer, SigningKey,
    TokenExchange, TokenType,
};
use serde_json::json;

const ISSUER: &str = "https://openid.example";
const CLIENT: &str = "openid-client-id";
const API: &str = "https://api.openid.example";
const USER: &str = "ada@example.com";

/// A client with a key at a server with these demands.
async fn bank(demands: Demands, change: impl FnOnce(&mut App)) -> (Emulator, OpenID, Arc<dyn Signer>) {
    let key = SigningKey::generate(Algorithm::ES256).unwrap().with_key_id("one");
    let mut jwk = key.public_jwk();
    jwk.insert("kid".to_owned(), "one".into());
    let mut app = App::default_of("openid")
        .with_client_secret(None)
        .with_client_auth([ClientAuthMethod::PrivateKeyJwt])
        .with_jwks(json!({"keys": [jwk]}));
    change(&mut app);
    let emulator = Emulator::builder().demands("openid", demands).app("openid", app).start().await.unwrap();
    let client = OpenID::lazy(CLIENT, PrivateKeyJwt::new(key.clone()), ISSUER).unwrap();
    let client = client.with_http_client(emulator.http_client().unwrap());
    (emulator, client, Arc::new(key))
}

/// An access token about the user, by an assertion (RFC 7523).
async fn token_of_the_user(client: &OpenID, signer: Arc<dyn Signer>) -> String {
    let assertion = JwtAssertion::new(signer, CLIENT, ISSUER).sign(USER).await.unwrap();
    let token = JwtBearerGrant::new(assertion).with_parameter("resource", API).send(client).await.unwrap();
    assert_eq!(token.refresh_token(), None);
    token.access_token().to_owned()
}

#[tokio::test]
async fn tx_03_a_token_of_the_emulator_is_exchanged_and_introspected() {
    let (_emulator, client, signer) = bank(Demands::none().resources([API]), |_| ()).await;
    let subject = token_of_the_user(&client, signer).await;
    let exchange = TokenExchange::new(subject.as_str(), TokenType::AccessToken)
        .with_actor(subject.as_str(), TokenType::AccessToken)
        .with_resource(API);
    let token = exchange.send(&client).await.unwrap().into_access_token().unwrap();
    let introspector = Introspector::new(Arc::new(client.clone()));
    let claims = introspector.introspect(token.access_token()).await.unwrap().unwrap();
    assert_eq!((claims.audiences(), claims.client_id()), (vec![API], Some(CLIENT)));
    assert!(claims.actor().is_some());
    assert_eq!(introspector.introspect("unknown").await.unwrap(), None);
    let elsewhere =
        TokenExchange::new(subject.as_str(), TokenType::AccessToken).with_resource("https://other.example");
    let error = elsewhere.send(&client).await.unwrap_err();
    assert_eq!(error.oauth_error().unwrap().code, "invalid_target");
}

#[tokio::test]
async fn rv_07_a_signed_answer_of_the_emulator_is_verified() {
    let (emulator, client, signer) =
        bank(Demands::none(), |app| app.introspection_signed_response_alg = Some(SigningAlg::ES256)).await;
    let token = token_of_the_user(&client, signer).await;
    let introspector = Introspector::new(Arc::new(client)).with_answers_signed_by([Algorithm::ES256]);
    assert!(introspector.introspect(&token).await.unwrap().is_some());
    assert_eq!(introspector.introspect("unknown").await.unwrap(), None);
    for (fault, check) in [
        (Fault::claim("aud", "somebody-else"), JwtCheck::Audience),
        (Fault::claim("iss", "https://evil.example"), JwtCheck::Issuer),
        (Fault::no_claim("iat"), JwtCheck::IssuedAt),
        (Fault::jose_header("typ", "JWT"), JwtCheck::Type),
    ] {
        emulator.fault_at("openid", EmulatedEndpoint::Introspect, fault).unwrap();
        let error = introspector.introspect(&token).await.unwrap_err();
        assert_eq!(error.jwt_check(), Some(check), "{error}");
        emulator.clear_faults();
    }
}

#[tokio::test]
async fn ri_04_an_access_token_of_the_emulator_is_verified() {
    let (_emulator, client, signer) =
        bank(Demands::none().resources([API]).jwt_access_tokens(), |_| ()).await;
    let token = token_of_the_user(&client, signer).await;
    let verifier = AccessTokenVerifier::new(Arc::new(client.clone()), [API]);
    let claims = verifier.verify(&token).await.unwrap();
    assert_eq!((claims.issuer(), claims.client_id()), (Some(ISSUER), Some(CLIENT)));
    assert_eq!(claims.check_sender(&PresentedToken::as_bearer()), Ok(()));
    let elsewhere = AccessTokenVerifier::new(Arc::new(client), ["https://other.example"]);
    assert_eq!(elsewhere.verify(&token).await.unwrap_err().jwt_check(), Some(JwtCheck::Audience));
}

#[tokio::test]
async fn ci_03_a_user_of_the_emulator_agrees_on_another_device() {
    let (emulator, client, signer) = bank(Demands::none().poll_interval(1), |_| ()).await;
    for is_signed in [false, true] {
        let mut ciba = Ciba::new(&client);
        if is_signed {
            ciba = ciba.signed_by(signer.clone());
        }
        let request = CibaRequest::for_login_hint(USER).with_binding_message("W4SCT");
        let attempt = ciba.start(&request).await.unwrap();
        let waiting = emulator.backchannel_requests().pop().unwrap();
        assert_eq!(waiting.binding_message.as_deref(), Some("W4SCT"));
        let mut polling = ciba.polling(&attempt).unwrap();
        assert!(matches!(polling.step(ciba.redeem(&attempt)).await.unwrap(), Polled::Pending));
        emulator.answer_backchannel(&waiting.auth_req_id, Consent::Allow).unwrap();
        let Polled::Done(login) = polling.step(ciba.redeem(&attempt)).await.unwrap() else { panic!() };
        assert_eq!(login.id_token.subject(), waiting.user);
    }
    let ciba = Ciba::new(&client);
    let attempt = ciba.start(&CibaRequest::for_login_hint(USER)).await.unwrap();
    emulator.answer_backchannel(attempt.auth_req_id().expose(), Consent::Deny).unwrap();
    let denied = ciba.finish(&attempt).await.unwrap_err();
    assert_eq!(
        (&*denied.oauth_error().unwrap().code, denied.class()),
        ("access_denied", ErrorClass::Reauthorize)
    );
    let unknown = ciba.start(&CibaRequest::for_login_hint("nobody")).await.unwrap_err();
    assert_eq!(unknown.oauth_error().unwrap().code, "unknown_user_id");
}

#[tokio::test]
async fn ci_05_the_emulator_notifies_by_ping_and_push() {
    for mode in [DeliveryMode::Ping, DeliveryMode::Push] {
        let (emulator, client, _) =
            bank(Demands::none(), |app| app.backchannel_token_delivery_mode = mode).await;
        let delivery = if mode == DeliveryMode::Ping { CibaDelivery::Ping } else { CibaDelivery::Push };
        let ciba = Ciba::new(&client).with_delivery(delivery);
        let endpoint = CibaEndpoint::new(Arc::new(MemoryCache::new()));
        let attempt = ciba.start(&CibaRequest::for_login_hint(USER)).await.unwrap();
        endpoint.expect(&attempt).await.unwrap();
        let posted =
            emulator.answer_backchannel(attempt.auth_req_id().expose(), Consent::Allow).unwrap().unwrap();
        let headers: HeaderMap = posted
            .headers
            .iter()
            .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse::<HeaderValue>().unwrap()))
            .collect();
        let answer = endpoint.receive(&headers, posted.body.as_bytes()).await;
        assert_eq!(answer.status, 204);
        let login = match answer.notification {
            Some(CibaNotification::Ping(attempt)) => ciba.redeem(&attempt).await.unwrap(),
            Some(CibaNotification::Push(attempt, tokens)) => ciba.accept(&attempt, tokens).await.unwrap(),
            other => panic!("{other:?}"),
        };
        assert!(!login.id_token.subject().is_empty());
        assert!(endpoint.receive(&headers, posted.body.as_bytes()).await.notification.is_none());
    }
}

#[tokio::test]
async fn su_01_the_emulators_api_asks_for_more_and_a_login_answers() {
    let (emulator, client, signer) = bank(Demands::none().resources([API]), |_| ()).await;
    let token = token_of_the_user(&client, signer).await;
    let request = http::Request::get(format!("{API}/transfers"))
        .header("authorization", format!("Bearer {token}"))
        .body(Bytes::new())
        .unwrap();
    let reply = emulator.http_client().unwrap().send(request).await.unwrap();
    let Some(ApiRefusal::InsufficientUserAuthentication(challenge)) =
        ApiRefusal::of(reply.status(), reply.headers())
    else {
        panic!("{:?}", reply.headers())
    };
    assert!(!challenge.acr_values.is_empty());
    let answer = challenge.answer(LoginOptions::new(), None, OffsetDateTime::now_utc()).unwrap();
    let started = client.start_login("https://app.example/callback", answer.options).await.unwrap();
    assert!(started.url.contains("acr_values="), "{}", started.url);
    let later = OffsetDateTime::now_utc() + Duration::from_secs(1);
    assert!(challenge.answer(LoginOptions::new(), Some(&answer.answered), later).is_err());
}
