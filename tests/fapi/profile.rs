//! The preset for FAPI 2.0, against the emulator that demands it, and the settings that it refuses.

use oauth_core::{
    ErrorClass, LoginOptions, Provider, ResponseType,
    serde_json::{Value, json},
};
use oauth_emulator::{
    App, ClientAuthMethod, Consent, Demands, EmulatedEndpoint, Emulator, Fault, NonceFault,
};
use oauth_fapi::{
    AssertionAudience, CertificateBoundTokens, ClientCertificate, ClientCertificates, Dpop, DpopKey,
    DpopProvider, PrivateKeyJwt, Profile, PushedRequests, SignedRequests, SignedResponses, SigningKey,
    SigningKeys,
};
use oauth_openid::{Algorithm, IdToken, OpenID, OpenIDProvider};

const ISSUER: &str = "https://openid.example";
const CLIENT: &str = "openid-client-id";
const REDIRECT_URI: &str = "https://app.example/callback";

fn key() -> SigningKey {
    SigningKey::generate(Algorithm::ES256).unwrap()
}

fn client(key: SigningKey) -> OpenID {
    OpenID::lazy(CLIENT, PrivateKeyJwt::new(key), ISSUER).unwrap()
}

/// A server that keeps to a profile, and knows this key.
async fn bank(demands: Demands, key: &SigningKey) -> Emulator {
    let jwks: Value = serde_json::from_str(SigningKeys::from(key.clone()).public_jwks().json()).unwrap();
    let app = App::default_of("openid")
        .with_client_secret(None)
        .with_client_auth([ClientAuthMethod::PrivateKeyJwt])
        .with_jwks(jwks);
    Emulator::builder().demands("openid", demands).app("openid", app).start().await.unwrap()
}

async fn login(emulator: &Emulator, client: &OpenID) -> oauth_core::Result<oauth_core::Login> {
    let started = client.start_login(REDIRECT_URI, LoginOptions::new()).await?;
    let arrival = emulator.browse(&started.url, Consent::Allow).await.unwrap();
    client.finish_login(started.attempt, arrival.callback()).await
}

#[tokio::test]
async fn fa_01_one_switch_is_enough_for_a_server_that_keeps_to_fapi() {
    let key = key();
    let emulator = bank(Demands::fapi2_security().dpop_nonces(), &key).await;
    let client = client(key).with_dpop(Dpop::generate().unwrap());
    let client = emulator.connect(Profile::Fapi2Security.apply(client).unwrap()).await.unwrap();
    let login = login(&emulator, &client).await.unwrap();
    assert_eq!(
        (login.token.token_type(), IdToken::of(&login).unwrap().subject()),
        (Some("DPoP"), "1815121018521127")
    );
    client.get_profile_of(&login.token).await.unwrap();
    let token = client.refresh(&login.token, None).await.unwrap();
    client.get_profile_of(&token).await.unwrap();
    let authorization =
        emulator.requests().into_iter().find(|sent| sent.endpoint().ends_with("/authorize")).unwrap();
    let names: Vec<_> = authorization.query.iter().map(|(name, _)| name.to_owned()).collect();
    assert_eq!(names, ["client_id", "request_uri"]);
}

#[tokio::test]
async fn fa_06_requests_and_answers_are_signed() {
    let key = key();
    let emulator = bank(Demands::fapi2_message_signing().new_dpop_nonce_each_time(), &key).await;
    let client =
        client(key.clone()).with_dpop(Dpop::generate().unwrap()).with_participant(SignedRequests::new(key));
    let client = emulator.connect(Profile::Fapi2MessageSigning.apply(client).unwrap()).await.unwrap();
    let login = login(&emulator, &client).await.unwrap();
    client.get_profile_of(&login.token).await.unwrap();
}

#[tokio::test]
async fn fa_01_a_loose_setting_is_refused_with_its_rule() {
    let bound = |client: OpenID| client.with_dpop(Dpop::generate().unwrap());
    let rs256 = SigningKey::generate(Algorithm::RS256).unwrap();
    let by_secret = OpenID::lazy(CLIENT, "SECRET", ISSUER).unwrap();
    let by_another = PrivateKeyJwt::new(key()).audience(AssertionAudience::TokenEndpoint);
    let cases = [
        ("5.3.3.1 item 2", "client secret", bound(by_secret)),
        (
            "5.3.3.1 item 5",
            "PrivateKeyJwt::audience",
            bound(OpenID::lazy(CLIENT, by_another, ISSUER).unwrap()),
        ),
        ("5.4.1", "RS256", bound(client(rs256.clone()))),
        ("5.3.3.1 item 1", "give the client Dpop", client(key())),
        (
            "5.3.3.1 item 1",
            "allow_bearer_tokens",
            client(key()).with_dpop(Dpop::generate().unwrap().allow_bearer_tokens()),
        ),
        ("5.4.1", "RS256", client(key()).with_dpop(Dpop::new(DpopKey::new(rs256.clone()).unwrap()))),
        (
            "5.3.3.2 item 2",
            "only_on_demand",
            bound(client(key())).with_participant(PushedRequests::new().only_on_demand()),
        ),
        (
            "5.3.3.2 item 2",
            "accepting_200",
            bound(client(key())).with_participant(PushedRequests::new().accepting_200()),
        ),
        ("5.4.1", "RS256", bound(client(key())).with_policy(|policy| policy.algorithms([Algorithm::RS256]))),
        (
            "5.4.1",
            "UserInfo",
            bound(client(key())).with_policy(|policy| policy.userinfo_algorithms([Algorithm::RS256])),
        ),
        ("5.4.1", "SignedResponses", bound(client(key())).with_participant(SignedResponses::new())),
        (
            "5.4.1",
            "dangerously_unsigned",
            bound(client(key())).with_participant(SignedRequests::dangerously_unsigned()),
        ),
        ("5.4.1", "RS256", bound(client(key())).with_participant(SignedRequests::new(rs256))),
        (
            "5.3.3.1 item 9",
            "token_endpoint",
            bound(client(key()))
                .with_endpoints(|all| all.with(oauth_core::Endpoint::Token, "https://other.example/token")),
        ),
    ];
    for (rule, setting, client) in cases {
        let error = Profile::Fapi2Security.apply(client).unwrap_err();
        let text = error.to_string();
        assert_eq!(error.class(), ErrorClass::Configuration);
        assert!(text.contains(rule) && text.contains(setting), "{rule}, {setting}: {text}");
    }
    let unsigned = Profile::Fapi2MessageSigning.apply(bound(client(key()))).unwrap_err();
    assert!(unsigned.to_string().contains("FAPI 2.0 Message Signing section 5.3.2 item 1"), "{unsigned}");
}

#[tokio::test]
async fn fa_01_a_key_that_replaces_another_keeps_to_the_profile_as_well() {
    let first = key().with_key_id("first");
    let emulator = bank(Demands::fapi2_security(), &first).await;
    let keys = SigningKeys::from(first);
    let client = OpenID::lazy(CLIENT, PrivateKeyJwt::new(keys.clone()), ISSUER).unwrap();
    let client = client.with_dpop(Dpop::generate().unwrap());
    let client = emulator.connect(Profile::Fapi2Security.apply(client).unwrap()).await.unwrap();
    login(&emulator, &client).await.unwrap();
    keys.announce(SigningKey::generate(Algorithm::RS256).unwrap().with_key_id("second")).unwrap();
    keys.rotate().unwrap();
    let requests = emulator.requests().len();
    let error = client.start_login(REDIRECT_URI, LoginOptions::new()).await.unwrap_err();
    assert!(error.to_string().contains("5.4.1") && error.to_string().contains("RS256"), "{error}");
    assert_eq!(emulator.requests().len(), requests);
}

#[tokio::test]
async fn fa_01_a_server_without_pushed_requests_is_asked_for_nothing() {
    let key = key();
    let emulator = bank(Demands::none(), &key).await;
    let gone = Fault::no_member("pushed_authorization_request_endpoint");
    emulator.fault_at("openid", EmulatedEndpoint::Discovery, gone).unwrap();
    let client = client(key).with_dpop(Dpop::generate().unwrap()).with_participant(PushedRequests::new());
    let client = emulator.connect(Profile::Fapi2Security.apply(client).unwrap()).await.unwrap();
    let error = client.start_login(REDIRECT_URI, LoginOptions::new()).await.unwrap_err();
    assert!(error.to_string().contains("pushed_authorization_request_endpoint"), "{error}");
}

#[tokio::test]
async fn fa_14_a_request_that_the_profile_forbids_is_not_made() {
    let key = key();
    let emulator = bank(Demands::fapi2_security(), &key).await;
    let client = client(key).with_dpop(Dpop::generate().unwrap());
    let client = emulator.connect(Profile::Fapi2Security.apply(client).unwrap()).await.unwrap();
    emulator.clear_requests();
    let hybrid = LoginOptions::new().response_type(ResponseType::CodeIdToken);
    for (rule, redirect_uri, options) in [
        ("5.3.3.2 item 1", REDIRECT_URI, hybrid),
        ("5.3.2.2 item 8", "http://app.example/callback", LoginOptions::new()),
    ] {
        let error = client.start_login(redirect_uri, options).await.unwrap_err();
        assert!(error.to_string().contains(rule), "{error}");
    }
    let nonce = "n".repeat(65);
    let request = oauth_core::AuthorizationRequest::new(REDIRECT_URI)
        .nonce(nonce)
        .pkce(&oauth_core::CodeVerifier::random().unwrap());
    let error = client.get_authorization_url(request).await.unwrap_err();
    assert!(error.to_string().contains("5.3.3.2 item 7"), "{error}");
    assert_eq!(emulator.count_requests("openid", EmulatedEndpoint::PushedAuthorization), Ok(0));
}

#[tokio::test]
async fn fa_16_a_certificate_needs_a_provider_that_binds_to_it() {
    let key = key();
    let emulator = bank(Demands::none(), &key).await;
    let gone = Fault::no_member("tls_client_certificate_bound_access_tokens");
    emulator.fault_at("openid", EmulatedEndpoint::Discovery, gone).unwrap();
    let params = rcgen::CertificateParams::new(["client.example".to_owned()]).unwrap();
    let certificate = params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap();
    let http = emulator.http_client().unwrap().with_certificate(certificate.der()).unwrap();
    let shown = ClientCertificates::new(ClientCertificate::new(certificate.der(), http).unwrap());
    let client = client(key).with_participant(CertificateBoundTokens::new(shown));
    let error = emulator.connect(Profile::Fapi2Security.apply(client).unwrap()).await.unwrap_err();
    assert!(error.to_string().contains("tls_client_certificate_bound_access_tokens"), "{error}");
}

#[tokio::test]
async fn fa_17_a_certificate_is_shown_at_the_aliases() {
    let key = key();
    let emulator = bank(Demands::fapi2_security(), &key).await;
    let params = rcgen::CertificateParams::new(["client.example".to_owned()]).unwrap();
    let certificate = params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap();
    let http = emulator.http_client().unwrap().with_certificate(certificate.der()).unwrap();
    let shown = ClientCertificates::new(ClientCertificate::new(certificate.der(), http).unwrap());
    let client = client(key).with_participant(CertificateBoundTokens::new(shown));
    let client = emulator.connect(Profile::Fapi2Security.apply(client).unwrap()).await.unwrap();
    let login = login(&emulator, &client).await.unwrap();
    client.get_profile_of(&login.token).await.unwrap();
    let asked: Vec<_> = emulator.requests().iter().map(|sent| sent.endpoint().to_owned()).collect();
    let hosts = |path: &str| asked.iter().find(|url| url.ends_with(path)).unwrap().clone();
    assert_eq!(hosts("/par"), "https://openid.example/par", "a key authenticates there");
    assert_eq!(hosts("/token"), "https://mtls.openid.example/token");
    assert_eq!(hosts("/userinfo"), "https://mtls.openid.example/userinfo");
}

/// One fault for each run; nothing may be sent after the request that brought it.
#[tokio::test]
async fn fa_11_and_12_a_faulty_answer_ends_the_login() {
    use EmulatedEndpoint::{Authorize, Token};
    let foreign = json!([CLIENT, "another"]);
    let past = 1_000_000_000;
    let cases = [
        (Authorize, Fault::claim("iss", "https://attacker.example"), 0),
        (Authorize, Fault::claim("aud", "another"), 0),
        (Authorize, Fault::claim("exp", past), 0),
        (Authorize, Fault::no_claim("exp"), 0),
        (Authorize, Fault::claim("state", "another"), 0),
        (Authorize, Fault::no_claim("state"), 0),
        (Authorize, Fault::jose_header("alg", "none"), 0),
        (Authorize, Fault::SignedBy(oauth_emulator::SigningAlg::RS256), 0),
        (Authorize, Fault::BadSignature(oauth_emulator::BadSignature::Broken), 0),
        (Authorize, Fault::PlainResponse, 0),
        (Token, Fault::claim("iss", "https://attacker.example"), 1),
        (Token, Fault::no_claim("iss"), 1),
        (Token, Fault::claim("aud", foreign), 1),
        (Token, Fault::no_claim("aud"), 1),
        (Token, Fault::claim("exp", past), 1),
        (Token, Fault::no_claim("exp"), 1),
        (Token, Fault::claim("nonce", "another"), 1),
        (Token, Fault::no_claim("nonce"), 1),
        (Token, Fault::SignedBy(oauth_emulator::SigningAlg::RS256), 1),
        (Token, Fault::BadSignature(oauth_emulator::BadSignature::Broken), 1),
        (Token, Fault::UnboundToken, 1),
    ];
    let key = key();
    for (at, fault, redeemed) in cases {
        let emulator = bank(Demands::fapi2_message_signing(), &key).await;
        let client = client(key.clone())
            .with_dpop(Dpop::generate().unwrap())
            .with_participant(SignedRequests::new(key.clone()));
        let client = emulator.connect(Profile::Fapi2MessageSigning.apply(client).unwrap()).await.unwrap();
        // Such a fault is about the provider as a whole.
        let everywhere = matches!(fault, Fault::PlainResponse | Fault::UnboundToken);
        match everywhere {
            true => emulator.fault("openid", fault.clone()).unwrap(),
            false => emulator.fault_at("openid", at, fault.clone()).unwrap(),
        }
        let outcome = login(&emulator, &client).await;
        assert!(outcome.is_err(), "{at:?} {fault:?}");
        assert_eq!(emulator.count_requests("openid", Token), Ok(redeemed), "{at:?} {fault:?}");
        assert_eq!(emulator.count_requests("openid", EmulatedEndpoint::Profile), Ok(0), "{at:?} {fault:?}");
    }
}

#[tokio::test]
async fn fa_13_what_is_no_fault_is_accepted() {
    use EmulatedEndpoint::{Jwks, Token};
    let cases = [
        (Token, Fault::no_member("expires_in")),
        (Token, Fault::member("token_type", "dPoP")),
        (Token, Fault::claim("aud", json!([CLIENT]))),
        (Token, Fault::no_claim("at_hash")),
        (Jwks, Fault::DecoyKeys),
    ];
    let key = key();
    for (at, fault) in cases {
        let emulator = bank(Demands::fapi2_security(), &key).await;
        let client = client(key.clone()).with_dpop(Dpop::generate().unwrap());
        let client = emulator.connect(Profile::Fapi2Security.apply(client).unwrap()).await.unwrap();
        emulator.fault_at("openid", at, fault.clone()).unwrap();
        let login = login(&emulator, &client).await;
        login.unwrap_or_else(|error| panic!("{at:?} {fault:?}: {error}"));
    }
}

#[tokio::test]
async fn a_nonce_that_is_never_good_ends_after_one_repetition() {
    let key = key();
    let emulator = bank(Demands::fapi2_security(), &key).await;
    let client = client(key).with_dpop(Dpop::generate().unwrap());
    let client = emulator.connect(Profile::Fapi2Security.apply(client).unwrap()).await.unwrap();
    emulator.fault("openid", Fault::DpopNonce(NonceFault::ForEver)).unwrap();
    assert!(client.start_login(REDIRECT_URI, LoginOptions::new()).await.is_err());
    assert_eq!(emulator.count_requests("openid", EmulatedEndpoint::PushedAuthorization), Ok(2));
}
