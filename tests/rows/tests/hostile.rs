//! Bad input at a server that keeps to FAPI 2.0 otherwise: each has an error of its own, with the class that tells what to do; nothing
//! is sent after it, and no grant is lost by it.

use std::time::Duration;

use oauth_core::{
    BindingError, Callback, Error, ErrorClass, ErrorKind, JwtCheck, LoginOptions, Provider, Result,
    SigningError, async_trait,
};
use oauth_emulator::{
    App, ClientAuthMethod, Consent, Demands, EmulatedEndpoint, Emulator, Fault, NonceFault,
};
use oauth_fapi::{
    AssertionAudience, Dpop, DpopProvider, PrivateKeyJwt, Profile, SignError, SignedRequests,
    SignedResponses, Signer, SigningKey, SigningKeys,
};
use oauth_openid::{Algorithm, OpenID};
use serde_json::{Map, Value, json};

use crate::server::{REDIRECT_URI, Server, encoded};

fn key() -> SigningKey {
    SigningKey::generate(Algorithm::ES256).unwrap()
}

/// A bank that keeps to Message Signing, and its client.
async fn bank() -> (Emulator, OpenID) {
    let key = key();
    let app = App::default_of("openid")
        .with_client_secret(None)
        .with_client_auth([ClientAuthMethod::PrivateKeyJwt])
        .with_jwks(serde_json::from_str(SigningKeys::from(key.clone()).public_jwks().json()).unwrap());
    let demands = Demands::fapi2_message_signing();
    let emulator = Emulator::builder().demands("openid", demands).app("openid", app).start().await.unwrap();
    let client = OpenID::lazy("openid-client-id", PrivateKeyJwt::new(key.clone()), "https://openid.example");
    let client = client.unwrap().with_dpop(Dpop::generate().unwrap());
    let client = client.with_participant(SignedRequests::new(key));
    let client = emulator.connect(Profile::Fapi2MessageSigning.apply(client).unwrap()).await.unwrap();
    (emulator, client)
}

async fn sign_in(emulator: &Emulator, client: &OpenID) -> Result<oauth_core::Login> {
    let started = client.start_login(REDIRECT_URI, LoginOptions::new()).await?;
    let callback = emulator.browse(&started.url, Consent::Allow).await.unwrap().callback();
    client.finish_login(started.attempt, callback).await
}

fn is_binding(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Binding(BindingError::NotBound { .. } | BindingError::BoundElsewhere { .. })
    )
}

#[tokio::test]
async fn fa_11_each_bad_answer_has_its_error_and_class_and_is_the_last_thing_that_is_asked() {
    use EmulatedEndpoint::{Authorize, Token};
    type Is = fn(&Error) -> bool;
    let audience: Is = |error| error.jwt_check() == Some(JwtCheck::Audience);
    let expiry: Is = |error| error.jwt_check() == Some(JwtCheck::Expiry);
    let algorithm: Is = |error| error.jwt_check() == Some(JwtCheck::Algorithm);
    let nonce: Is = |error| error.oauth_error().is_some_and(|error| error.code == "use_dpop_nonce");
    let proof: Is = |error| error.oauth_error().is_some_and(|error| error.code == "invalid_dpop_proof");
    let client: Is = |error| error.oauth_error().is_some_and(|error| error.code == "invalid_client");
    let plain: Is = |error| matches!(error.kind(), ErrorKind::Login(_));
    let refuse = |code: &str| Fault::Refuse(code.to_owned());
    let past = 1_000_000_000;
    for (at, fault, is_expected, class, asked) in [
        // A nonce that is demanded for ever: once more, and no more.
        (Token, Fault::DpopNonce(NonceFault::ForEver), nonce, ErrorClass::Protocol, 2),
        (Token, Fault::DpopNonce(NonceFault::NotGiven), nonce, ErrorClass::Protocol, 1),
        (Token, refuse("invalid_dpop_proof"), proof, ErrorClass::Configuration, 1),
        (Token, refuse("invalid_client"), client, ErrorClass::Configuration, 1),
        // A signed answer for somebody else, of former days, unsigned, or not asked for in this form.
        (Authorize, Fault::claim("aud", "another"), audience, ErrorClass::Protocol, 0),
        (
            Authorize,
            Fault::claim("aud", json!(["openid-client-id", "another"])),
            audience,
            ErrorClass::Protocol,
            0,
        ),
        (Authorize, Fault::claim("exp", past), expiry, ErrorClass::Protocol, 0),
        (Authorize, Fault::jose_header("alg", "none"), algorithm, ErrorClass::Protocol, 0),
        (Authorize, Fault::PlainResponse, plain, ErrorClass::Protocol, 0),
        // A token that is bound to nothing, or not to this client's key.
        (Token, Fault::UnboundToken, is_binding, ErrorClass::Protocol, 1),
    ] {
        let (emulator, client) = bank().await;
        let everywhere = matches!(fault, Fault::PlainResponse | Fault::UnboundToken);
        match everywhere {
            true => emulator.fault("openid", fault.clone()).unwrap(),
            false => emulator.fault_at("openid", at, fault.clone()).unwrap(),
        }
        let error = sign_in(&emulator, &client).await.unwrap_err();
        assert!(is_expected(&error), "{fault:?}: {error}");
        assert_eq!(error.class(), class, "{fault:?}: {error}");
        assert_eq!(emulator.count_requests("openid", Token), Ok(asked), "{fault:?}");
        assert_eq!(emulator.count_requests("openid", EmulatedEndpoint::Profile), Ok(0), "{fault:?}");
    }
}

#[tokio::test]
async fn jm_05_an_answer_that_is_encrypted_to_nobody_is_refused_unread() {
    for response in [
        "a.b.c.d.e",
        "e30.e30.e30.e30.e30",
        "....",
        "eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ.AA.AA.AA.AA",
    ] {
        let server = Server::new();
        let client =
            server.client("secret").with_participant(SignedResponses::new().algorithms([Algorithm::ES256]));
        let started = client.start_login(REDIRECT_URI, LoginOptions::new()).await.unwrap();
        let callback = Callback::from_query(&encoded(&[("response", response)]));
        let error = client.finish_login(started.attempt, callback).await.unwrap_err();
        assert_eq!((error.jwt_check(), error.class()), (Some(JwtCheck::Encryption), ErrorClass::Protocol));
        assert!(error.to_string().contains("decrypter"), "{error}");
        assert!(server.requests("/token").is_empty() && server.requests("/jwks").is_empty());
    }
}

#[tokio::test]
async fn ca_02_an_assertion_that_is_refused_for_its_audience_costs_no_grant() {
    let key = key();
    let app = App::default_of("openid")
        .with_client_secret(None)
        .with_client_auth([ClientAuthMethod::PrivateKeyJwt])
        .with_jwks(serde_json::from_str(SigningKeys::from(key.clone()).public_jwks().json()).unwrap());
    let demands = Demands::none().issuer_as_audience();
    let emulator = Emulator::builder().demands("openid", demands).app("openid", app).start().await.unwrap();
    let client = async |audience: AssertionAudience| {
        let credentials = PrivateKeyJwt::new(key.clone()).audience(audience);
        let client = OpenID::lazy("openid-client-id", credentials, "https://openid.example").unwrap();
        emulator.connect(client).await.unwrap()
    };
    let right = client(AssertionAudience::Issuer).await;
    let login = sign_in(&emulator, &right).await.unwrap();
    for wrong in [
        AssertionAudience::TokenEndpoint,
        AssertionAudience::UrlCalled,
        AssertionAudience::Fixed("https://another.example".to_owned()),
    ] {
        let asked = emulator.count_requests("openid", EmulatedEndpoint::Refresh).unwrap();
        let error = client(wrong.clone()).await.refresh(&login.token, None).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Configuration, "{wrong:?}: {error}");
        assert!(error.to_string().contains("(aud)"), "{wrong:?}: {error}");
        assert_eq!(emulator.count_requests("openid", EmulatedEndpoint::Refresh), Ok(asked + 1));
    }
    // The refresh token is as good as before.
    right.refresh(&login.token, None).await.unwrap();
}

/// Does not answer within anybody's patience, or cannot.
#[derive(Debug)]
struct Troubled(SigningKey, bool);

#[async_trait]
impl Signer for Troubled {
    fn algorithm(&self) -> Algorithm {
        self.0.algorithm()
    }

    fn public_jwk(&self) -> Map<String, Value> {
        self.0.public_jwk()
    }

    async fn sign(&self, _: &[u8]) -> Result<Vec<u8>, SignError> {
        if self.1 {
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
        Err(SignError::Unavailable("the vault is sealed".into()))
    }
}

#[tokio::test]
async fn ca_14_a_signer_in_trouble_costs_no_grant_and_sends_nothing() {
    let server = Server::new();
    let login = server.login(&server.client("secret")).await.unwrap();
    let before = server.requests("/token").len();
    for is_slow in [true, false] {
        let keys = SigningKeys::new(Troubled(key(), is_slow)).with_time_limit(Duration::from_millis(50));
        let client = server.client(PrivateKeyJwt::new(keys));
        let error = client.refresh(&login.token, None).await.unwrap_err();
        let ErrorKind::Signing(found) = error.kind() else { panic!("{error}") };
        assert_eq!(matches!(found, SigningError::Timeout(_)), is_slow, "{error}");
        assert!(matches!(error.class(), ErrorClass::Transient { .. }), "{error}");
        assert_eq!(server.requests("/token").len(), before);
    }
    server.client("secret").refresh(&login.token, None).await.unwrap();
}
