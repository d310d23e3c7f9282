//! Vendors' own ways to prove who asks and to bind tokens, one line each, against the emulator, which is as strict as they are.

use std::sync::{Arc, LazyLock};

use oauth_box::{BoxOAuth2, server::BoxServer};
use oauth_clients::{
    auth0::Auth0OAuth2, keycloak::KeycloakOAuth2, okta::OktaOAuth2, openid::IdToken, zoom::ZoomOAuth2,
};
use oauth_core::{ErrorClass, Login, LoginOptions, OAuth2, Provider, Result};
use oauth_docusign::DocuSignOAuth2;
use oauth_emulator::{App, ClientAuthMethod, Consent, Demands, EmulatedEndpoint, Emulator, Fault, User};
use oauth_fapi::{
    AssertionAudience, Dpop, DpopKey, DpopProvider, PrivateKeyJwt, PushedRequests, SignedRequests,
    SignedResponses, Signer, SigningKey, SigningKeys,
};
use oauth_github::{
    GitHubOAuth2,
    app::{GitHubApp, InstallationTokenRequest},
};
use oauth_google::{GoogleOAuth2, service_account::ServiceAccount};
use oauth_openid::Algorithm;
use oauth_salesforce::SalesforceOAuth2;
use serde_json::{Value, json};

const REDIRECT_URI: &str = "https://app.example/cb";

/// The program's key, made once: RSA keys take a while.
fn rs256() -> SigningKey {
    static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate(Algorithm::RS256).unwrap());
    KEY.clone()
}

/// Somebody else's.
fn strangers() -> SigningKey {
    static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate(Algorithm::RS256).unwrap());
    KEY.clone()
}

fn jwks(key: &SigningKey) -> Value {
    serde_json::from_str(SigningKeys::from(key.clone()).public_jwks().json()).unwrap()
}

/// A provider at which a program of this id has registered the key.
async fn with_key(provider: &str, id: &str, secret: Option<&str>, key: &SigningKey) -> Emulator {
    let app =
        App::default().with_client_id(id).with_client_secret(secret.map(str::to_owned)).with_jwks(jwks(key));
    Emulator::builder().app(provider, app).start().await.unwrap()
}

fn at(emulator: &Emulator, client: OAuth2) -> OAuth2 {
    client.with_http_client(emulator.http_client().unwrap())
}

async fn sign_in(emulator: &Emulator, client: &impl Provider) -> Result<Login> {
    let started = client.start_login(REDIRECT_URI, LoginOptions::new()).await?;
    let callback = emulator.browse(&started.url, Consent::Allow).await.unwrap().callback();
    client.finish_login(started.attempt, callback).await
}

#[tokio::test]
async fn tx_05_googles_service_account_gets_tokens_of_its_own_and_of_users() {
    let key = rs256();
    let address = "robot@p.iam.gserviceaccount.com";
    let emulator = with_key("google", address, None, &key).await;
    let robot = |key: SigningKey| {
        let robot = ServiceAccount::new(address, Arc::new(key)).with_client(|client| at(&emulator, client));
        robot.with_scopes(["https://www.googleapis.com/auth/drive"])
    };
    let token = robot(key.clone()).get_token().await.unwrap();
    assert_eq!((token.token_type(), token.refresh_token()), (Some("Bearer"), None));
    let of_user = robot(key.clone()).get_token_as(&User::default().email.unwrap()).await.unwrap();
    assert_ne!(of_user.access_token(), token.access_token());
    let error = robot(key.clone()).get_token_as("nobody@example.com").await.unwrap_err();
    assert_eq!(
        (error.class(), &*error.oauth_error().unwrap().code),
        (ErrorClass::Reauthorize, "invalid_grant")
    );
    let stranger = robot(strangers().with_key_id(key.key_id().unwrap())).get_token().await.unwrap_err();
    assert_eq!(stranger.oauth_error().unwrap().code, "invalid_grant");
    let unknown = robot(key).with_scopes(["drive"]).get_token().await.unwrap_err();
    assert_eq!(unknown.oauth_error().unwrap().code, "invalid_scope");
}

#[tokio::test]
async fn tx_05_salesforce_gives_the_token_of_a_user_for_three_minutes_of_trust() {
    let key = rs256();
    let emulator = with_key("salesforce", "CONSUMER_KEY", None, &key).await;
    let user = User::default().email.unwrap();
    for domain in ["login.salesforce.com", "test.salesforce.com", "acme.my.salesforce.com"] {
        let client = SalesforceOAuth2::new("CONSUMER_KEY", "").with_domain(domain).unwrap();
        let client = client.with_oauth2(|client| at(&emulator, client));
        let token = client.get_token_as(&user, Arc::new(key.clone())).await.unwrap();
        assert_eq!((token.expires_at(), token.refresh_token()), (None, None));
        let error = client.get_token_as(&user, Arc::new(strangers())).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Reauthorize, "{error}");
    }
}

#[tokio::test]
async fn tx_05_docusign_gives_the_token_of_a_user_who_has_consented() {
    let key = rs256();
    let emulator = with_key("docusign", "INTEGRATION_KEY", None, &key).await;
    let user = User::default().id;
    for is_for_developers in [false, true] {
        let mut client = DocuSignOAuth2::new("INTEGRATION_KEY", "");
        if is_for_developers {
            client = client.with_developer_environment().unwrap();
        }
        let client = client.with_oauth2(|client| at(&emulator, client));
        let token = client.get_token_as(&user, Arc::new(key.clone())).await.unwrap();
        assert!(token.expires_at().is_some() && token.refresh_token().is_none());
        emulator
            .fault_at("docusign", EmulatedEndpoint::Token, Fault::Refuse("consent_required".to_owned()))
            .unwrap();
        let error = client.get_token_as(&user, Arc::new(key.clone())).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Reauthorize, "{error}");
        emulator.clear_faults();
    }
}

#[tokio::test]
async fn tx_05_box_gives_tokens_of_the_enterprise_and_of_its_users() {
    let key = rs256();
    let emulator = with_key("box", "id", Some("secret"), &key).await;
    let server = |secret: &str, key: SigningKey| {
        let client = BoxOAuth2::new("id", secret);
        let client = client.with_oauth2(|client| at(&emulator, client));
        BoxServer::new(client, "E-1", Arc::new(key))
    };
    server("secret", key.clone()).get_enterprise_token().await.unwrap();
    let token = server("secret", key.clone()).get_user_token("17").await.unwrap();
    assert_eq!(token.refresh_token(), None);
    // Neither is enough without the other.
    let error = server("another", key).get_enterprise_token().await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Configuration, "{error}");
    let error = server("secret", strangers()).get_enterprise_token().await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Reauthorize, "{error}");
}

#[tokio::test]
async fn tx_05_a_github_app_gets_tokens_of_its_installations() {
    let key = rs256().without_key_id();
    let emulator = with_key("github", "Iv1.app", None, &key).await;
    let app = |key: SigningKey| {
        let client = GitHubOAuth2::new("Iv1.app", "");
        let client = client.with_oauth2(|client| at(&emulator, client));
        GitHubApp::at(&client, Arc::new(key))
    };
    let request =
        InstallationTokenRequest::new().with_repositories(["docs"]).with_permission("contents", "read");
    let token = app(key).get_installation_token(4711, &request).await.unwrap();
    assert!(token.access_token().starts_with("ghs_"));
    assert_eq!(token.get("permissions"), Some(json!({"contents": "read"})));
    assert_eq!(token.get("repository_selection"), Some(json!("selected")));
    let left = token.expires_at().unwrap() - oauth_core::OffsetDateTime::now_utc();
    assert!((55..=60).contains(&left.whole_minutes()), "{left}");
    let error = app(strangers()).get_installation_token(4711, &request).await.unwrap_err();
    assert_eq!(error.status().unwrap(), 401);
}

#[tokio::test]
async fn tx_05_zooms_server_to_server_application_gets_its_accounts_token() {
    let emulator = Emulator::builder().start().await.unwrap();
    let app = App::default_of("zoom");
    let client = |secret: &str| {
        let client = ZoomOAuth2::new(&*app.client_id, secret);
        client.with_oauth2(|client| at(&emulator, client))
    };
    let token = client(app.client_secret.as_deref().unwrap()).get_account_token("ACCOUNT").await.unwrap();
    assert!(token.expires_at().is_some() && token.refresh_token().is_none());
    let error = client("another").get_account_token("ACCOUNT").await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Configuration, "{error}");
}

#[tokio::test]
async fn ca_01_auth0_keycloak_and_okta_know_a_client_by_its_key() {
    let key = rs256();
    let credentials = || PrivateKeyJwt::new(key.clone());
    let app = |provider: &str| {
        App::default_of(provider)
            .with_client_secret(None)
            .with_client_auth([ClientAuthMethod::PrivateKeyJwt])
            .with_jwks(jwks(&key))
    };
    let mut emulator = Emulator::builder();
    for provider in ["auth0", "keycloak", "okta"] {
        emulator = emulator.app(provider, app(provider));
    }
    // Keycloak takes no other audience than the realm's issuer.
    let emulator = emulator.demands("keycloak", Demands::none().issuer_as_audience()).start().await.unwrap();
    let auth0 = Auth0OAuth2::new("auth0-client-id", credentials(), "my-tenant.eu.auth0.com").unwrap();
    let keycloak =
        KeycloakOAuth2::new("keycloak-client-id", credentials(), "https://keycloak.example/realms/demo")
            .unwrap();
    let okta = OktaOAuth2::custom(
        "okta-client-id",
        credentials().audience(AssertionAudience::UrlCalled),
        "example.okta.com",
        "default",
    )
    .unwrap();
    let login = sign_in(&emulator, &auth0.with_http_client(emulator.http_client().unwrap())).await.unwrap();
    assert!(IdToken::of(&login).is_some());
    sign_in(&emulator, &keycloak.with_http_client(emulator.http_client().unwrap())).await.unwrap();
    sign_in(&emulator, &okta.with_http_client(emulator.http_client().unwrap())).await.unwrap();
    let assertions = emulator
        .requests()
        .iter()
        .filter(|sent| sent.form.as_ref().is_some_and(|form| form.get("client_assertion").is_some()))
        .count();
    assert_eq!(assertions, 3);
}

#[tokio::test]
async fn dp_04_okta_wants_a_nonce_and_keycloak_none() {
    for (provider, demands) in
        [("okta", Demands::none().dpop().dpop_nonces()), ("keycloak", Demands::none().dpop())]
    {
        let emulator = Emulator::builder().demands(provider, demands).start().await.unwrap();
        let app = App::default_of(provider);
        let secret = app.client_secret.unwrap();
        let dpop = Dpop::generate().unwrap();
        let http = emulator.http_client().unwrap();
        let login = match provider {
            "okta" => {
                let okta = OktaOAuth2::custom(app.client_id, secret, "example.okta.com", "default").unwrap();
                let okta = okta.with_http_client(http);
                sign_in(&emulator, &okta.with_dpop(dpop)).await.unwrap()
            }
            _ => {
                let realm = "https://keycloak.example/realms/demo";
                let keycloak =
                    KeycloakOAuth2::new(app.client_id, secret, realm).unwrap().with_http_client(http);
                sign_in(&emulator, &keycloak.with_dpop(dpop)).await.unwrap()
            }
        };
        assert_eq!(login.token.token_type(), Some("DPoP"), "{provider}");
    }
}

#[tokio::test]
async fn pr_07_keycloak_is_pushed_signed_requests_and_signs_its_answers() {
    let key = SigningKey::generate(Algorithm::ES256).unwrap();
    let app = App::default_of("keycloak").with_jwks(jwks(&key));
    let (id, secret) = (app.client_id.clone(), app.client_secret.clone().unwrap());
    let emulator = Emulator::builder().app("keycloak", app).start().await.unwrap();
    let keycloak = KeycloakOAuth2::new(id, secret, "https://keycloak.example/realms/demo").unwrap();
    let keycloak = keycloak
        .with_http_client(emulator.http_client().unwrap())
        .with_participant(PushedRequests::new().required())
        .with_participant(SignedRequests::new(key))
        .with_participant(SignedResponses::new());
    sign_in(&emulator, &keycloak).await.unwrap();
    assert_eq!(emulator.count_requests("keycloak", EmulatedEndpoint::PushedAuthorization), Ok(1));
}

#[tokio::test]
async fn dp_13_googles_refresh_token_is_bound_and_its_access_token_is_not() {
    let emulator = Emulator::builder().start().await.unwrap();
    let app = App::default_of("google");
    let client = |key: &DpopKey| {
        GoogleOAuth2::new(&*app.client_id, app.client_secret.clone().unwrap())
            .with_http_client(emulator.http_client().unwrap())
            .with_dpop(Dpop::new(key.clone()).allow_bearer_tokens())
    };
    let key = DpopKey::generate().unwrap();
    let login = sign_in(&emulator, &client(&key)).await.unwrap();
    assert_eq!(login.token.token_type(), Some("Bearer"));
    let token = client(&key).refresh(&login.token, None).await.unwrap();
    client(&key).get_profile_of(&token).await.unwrap();
    // Without the key it is worth nothing, though the secret is known.
    let refresh_token = login.token.refresh_token().unwrap();
    let thief = GoogleOAuth2::new(&*app.client_id, app.client_secret.clone().unwrap())
        .with_http_client(emulator.http_client().unwrap());
    let error = thief.refresh_token(refresh_token, None).await.unwrap_err();
    assert_eq!(error.oauth_error().unwrap().code, "invalid_grant");
}

#[tokio::test]
async fn dp_09_salesforce_is_told_the_key_by_the_authorization_request() {
    let emulator = Emulator::builder().start().await.unwrap();
    let app = App::default_of("salesforce");
    let client = |dpop: Dpop| {
        SalesforceOAuth2::new(&*app.client_id, app.client_secret.clone().unwrap())
            .with_any_organization()
            .with_http_client(emulator.http_client().unwrap())
            .with_dpop(dpop)
    };
    let login = sign_in(&emulator, &client(Dpop::generate().unwrap())).await.unwrap();
    assert_eq!(login.token.token_type(), Some("DPoP"));
    let error = sign_in(&emulator, &client(Dpop::generate().unwrap().without_dpop_jkt())).await.unwrap_err();
    assert_eq!(error.oauth_error().unwrap().code, "invalid_grant");
}
