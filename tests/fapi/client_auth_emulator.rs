//! CA: client authentication at servers that verify it.

use oauth_clients::{
    Credentials, ErrorClass, LoginOptions, Provider,
    fapi::{
        AssertionAudience, CertificateBoundTokens, ClientCertificate, ClientCertificates, ClientSecretJwt,
        PrivateKeyJwt, SigningKey, SigningKeys, TlsClientAuth,
    },
    login_gov::LoginGovOAuth2,
    microsoft::MicrosoftGraphOAuth2,
    openid::{Algorithm, Discovery, OpenID},
};
use oauth_emulator::{App, ClientAuthMethod, Consent, Demands, Emulator};
use serde_json::Value;

use super::{
    keys::{CERTIFICATE, P256, RSA},
    sent_jwt::parts,
};

const REDIRECT_URI: &str = "http://localhost:3000/callback";
const SECRET: &str = "a-client-secret-that-is-long-enough-to-be-a-key-for-HS512-tokens";

fn app(id: &str, keys: Option<&SigningKeys>) -> App {
    let app = App::default().with_client_id(id);
    match keys {
        Some(keys) => app.with_jwks(serde_json::from_str(keys.public_jwks().json()).unwrap()),
        None => app,
    }
}

async fn sign_in(emulator: &Emulator, client: &impl Provider) -> oauth_clients::Result<oauth_clients::Login> {
    let started = client.start_login(REDIRECT_URI, LoginOptions::new()).await?;
    let callback = emulator.browse(&started.url, Consent::Allow).await.unwrap().callback();
    client.finish_login(started.attempt, callback).await
}

/// The claims of the assertion that the token endpoint was sent last.
fn assertion(emulator: &Emulator) -> (Value, Value) {
    let mut forms = emulator.requests().into_iter().rev().filter_map(|request| request.form);
    parts(&forms.find_map(|form| form.get("client_assertion").map(str::to_owned)).unwrap())
}

#[tokio::test]
async fn login_gov_takes_an_assertion_for_its_token_endpoint() {
    let key = SigningKey::from_pem(RSA, Algorithm::RS256).unwrap();
    let keys = SigningKeys::from(key);
    let mut app = app("urn:gov:gsa:openidconnect:sp:example", Some(&keys));
    app.client_auth = vec![ClientAuthMethod::PrivateKeyJwt];
    let emulator = Emulator::builder().app("login-gov", app.clone()).start().await.unwrap();
    let client = |credentials: Credentials| {
        LoginGovOAuth2::new(app.client_id.clone(), credentials)
            .with_http_client(emulator.http_client().unwrap())
    };
    let authentication = PrivateKeyJwt::new(keys.clone()).audience(AssertionAudience::TokenEndpoint);
    let login_gov = client(authentication.into());
    let login = sign_in(&emulator, &login_gov).await.unwrap();
    login_gov.get_identity(&login.token).await.unwrap();
    let (header, claims) = assertion(&emulator);
    assert_eq!(header["alg"], "RS256");
    assert_eq!(claims["aud"], "https://secure.login.gov/api/openid_connect/token");

    let strangers = SigningKey::generate(Algorithm::RS256).unwrap();
    let stranger = PrivateKeyJwt::new(strangers).audience(AssertionAudience::TokenEndpoint);
    for refused in [stranger.into(), Credentials::NONE] {
        let error = sign_in(&emulator, &client(refused)).await.unwrap_err();
        assert_eq!(error.oauth_error().unwrap().code, "invalid_client");
        assert_eq!(error.class(), ErrorClass::Configuration);
    }
}

#[tokio::test]
async fn entra_takes_an_assertion_that_names_its_certificate() {
    let key = SigningKey::from_pem(RSA, Algorithm::PS256).unwrap();
    let keys = SigningKeys::from(key.clone().without_key_id());
    let mut app = app("00000000-1111-2222-3333-444444444444", Some(&keys));
    app.client_auth = vec![ClientAuthMethod::PrivateKeyJwt];
    let emulator = Emulator::builder().app("microsoft", app.clone()).start().await.unwrap();
    let client = MicrosoftGraphOAuth2::new(app.client_id, PrivateKeyJwt::entra(key, CERTIFICATE).unwrap())
        .with_any_tenant()
        .with_http_client(emulator.http_client().unwrap());
    sign_in(&emulator, &client).await.unwrap();
    let (header, claims) = assertion(&emulator);
    assert!(header["x5t#S256"].is_string() && header.get("kid").is_none(), "{header}");
    assert_eq!(claims["aud"], "https://login.microsoftonline.com/common/oauth2/v2.0/token");
}

/// A client of the generic provider, which demands this of everybody.
async fn generic(demands: Demands, app: App, credentials: impl Into<Credentials>) -> (Emulator, OpenID) {
    let id = app.client_id.clone();
    let emulator = Emulator::builder().app("openid", app).demands("openid", demands).start().await.unwrap();
    let client = Discovery::new("https://openid.example")
        .with_http_client(emulator.http_client().unwrap())
        .client(id, credentials)
        .unwrap();
    (emulator, client)
}

#[tokio::test]
async fn ca_02_a_server_that_wants_its_issuer_as_one_text_takes_each_assertion_once() {
    let keys = SigningKeys::from(SigningKey::from_pem(P256, Algorithm::ES256).unwrap());
    let demands = Demands::none().issuer_as_audience();
    let (emulator, client) =
        generic(demands, app("client-1", Some(&keys)), PrivateKeyJwt::new(keys.clone())).await;
    let login = sign_in(&emulator, &client).await.unwrap();
    // The server knows the `jti` of each assertion that it was sent.
    for _ in 0..3 {
        client.refresh(&login.token, None).await.ok();
        client.revoke_token(login.token.access_token(), None).await.unwrap();
    }
    let wrong = PrivateKeyJwt::new(keys).audience(AssertionAudience::TokenEndpoint);
    let other = client.clone().with_oauth2(|oauth2| oauth2.with_credentials(wrong));
    let error = sign_in(&emulator, &other).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Configuration);
    assert!(error.to_string().contains("https://openid.example/token (aud)"), "{error}");
}

#[tokio::test]
async fn ca_05_a_server_verifies_what_the_secret_signed() {
    let mut app = app("client-1", None);
    app.client_secret = Some(SECRET.to_owned());
    app.client_auth = vec![ClientAuthMethod::ClientSecretJwt];
    let authentication = ClientSecretJwt::new(SECRET, Algorithm::HS512).unwrap();
    let (emulator, client) = generic(Demands::none(), app, authentication).await;
    sign_in(&emulator, &client).await.unwrap();
}

#[tokio::test]
async fn ca_06_a_server_knows_the_client_by_its_certificate_and_binds_its_tokens() {
    let der = {
        let base64: String = CERTIFICATE.lines().filter(|line| !line.starts_with("-----")).collect();
        base64::Engine::decode(&base64::engine::general_purpose::STANDARD, base64).unwrap()
    };
    let mut app = app("client-1", None);
    app.client_auth = vec![ClientAuthMethod::TlsClientAuth];
    app.certificates = vec![der.clone()];
    app.tls_client_certificate_bound_access_tokens = true;
    let emulator = Emulator::builder().app("openid", app).start().await.unwrap();
    let with_certificate = emulator.http_client().unwrap().with_certificate(&der).unwrap();
    let certificates = ClientCertificates::new(ClientCertificate::new(&der, with_certificate).unwrap());
    let client = Discovery::new("https://openid.example")
        .with_http_client(emulator.http_client().unwrap())
        .client("client-1", TlsClientAuth::new(certificates.clone()))
        .unwrap()
        .with_participant(CertificateBoundTokens::new(certificates.clone()));
    let login = sign_in(&emulator, &client).await.unwrap();
    assert_eq!(login.token.confirmation().unwrap()["x5t#S256"], certificates.current().thumbprint());
    client.get_identity(&login.token).await.unwrap();
    let stored = serde_json::to_string(&login.token).unwrap();
    client.get_profile_of(&serde_json::from_str(&stored).unwrap()).await.unwrap();
}
