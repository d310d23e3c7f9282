//! Tokens without a user, as vendors want them asked for: one JWT for each, claim by claim.

use std::sync::Arc;

use oauth_box::server::BoxServer;
use oauth_clients::box_::BoxOAuth2;
use oauth_clients::{
    Clock, ErrorClass, OAuth2, OffsetDateTime, Provider,
    docusign::DocuSignOAuth2,
    github::GitHubOAuth2,
    openid::{Algorithm, OpenID, ProviderMetadata},
    salesforce::SalesforceOAuth2,
    zoom::ZoomOAuth2,
};
use oauth_fapi::{AssertionAudience, PrivateKeyJwt, Signer, SigningKey};
use oauth_github::app::{GitHubApp, InstallationTokenRequest};
use oauth_google::service_account::ServiceAccount;
use serde_json::{Value, json};

use super::{decoded, signer};
use crate::{
    openid::op::Key,
    support::{Script, Sent, owned},
};

const NOW: i64 = 1_700_000_000;

#[derive(Debug)]
struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(NOW).unwrap()
    }
}

fn rs256() -> Arc<dyn Signer> {
    signer(Algorithm::RS256, Key::Rsa)
}

/// A client whose clock stands still and whose requests this answers.
fn set(client: OAuth2, http: &Script) -> OAuth2 {
    client.with_clock(Stopped).with_http_client(http.clone())
}

fn token() -> Script {
    Script::json(200, &json!({"access_token": "AT", "token_type": "Bearer"}))
}

/// What was sent besides the assertion, whose header and claims are decoded.
fn assertion(sent: &Sent) -> (Vec<(String, String)>, Value, Value) {
    let mut form = sent.form();
    let at = form.iter().position(|(name, _)| name == "assertion").unwrap();
    let (_, jwt) = form.remove(at);
    let (header, claims) = decoded(&jwt);
    assert_eq!(form.remove(0), owned(&[("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer")])[0]);
    (form, header, claims)
}

fn has_a_fresh_id(claims: &mut Value) {
    let id = claims.as_object_mut().unwrap().remove("jti").unwrap();
    assert!((16..=128).contains(&id.as_str().unwrap().len()));
}

#[tokio::test]
async fn tx_05_google_takes_the_scope_in_the_assertion_and_no_client_authentication() {
    let pem = SigningKey::generate(Algorithm::RS256).unwrap().to_pem().unwrap();
    let file = json!({
        "type": "service_account", "project_id": "p", "private_key_id": "key-7", "private_key": pem.expose(),
        "client_email": "robot@p.iam.gserviceaccount.com", "client_id": "1", "token_uri": "https://evil.example/token",
    });
    let http = token();
    let robot = ServiceAccount::from_key_file(&file.to_string()).unwrap().with_scopes(["a", "b"]);
    let robot = robot.with_client(|client| set(client, &http));
    robot.get_token().await.unwrap();
    let sent = http.request();
    assert_eq!(sent.url, "https://oauth2.googleapis.com/token");
    assert_eq!(sent.header("authorization"), None);
    let (form, header, mut claims) = assertion(&sent);
    assert!(form.is_empty(), "{form:?}");
    assert_eq!(header, json!({"alg": "RS256", "kid": "key-7", "typ": "JWT"}));
    has_a_fresh_id(&mut claims);
    let mut expected = json!({
        "iss": "robot@p.iam.gserviceaccount.com", "aud": "https://oauth2.googleapis.com/token", "scope": "a b",
        "iat": NOW, "exp": NOW + 3600,
    });
    assert_eq!(claims, expected);
    // On behalf of a user.
    let (_, mut claims) = decoded(robot.assertion("jane@example.com").await.unwrap().expose());
    has_a_fresh_id(&mut claims);
    expected["sub"] = "jane@example.com".into();
    assert_eq!(claims, expected);

    let without_scopes = robot.clone().with_scopes::<String>([]).get_token().await.unwrap_err();
    assert_eq!(without_scopes.class(), ErrorClass::Configuration);
    assert!(!format!("{robot:?}").contains("PRIVATE KEY"));
}

#[test]
fn tx_05_a_key_file_that_is_none_is_refused_without_quoting_it() {
    for bad in [
        "SECRET".to_owned(),
        json!({"type": "authorized_user", "private_key": "SECRET"}).to_string(),
        json!({"type": "service_account", "private_key": "SECRET", "private_key_id": "k", "client_email": "a@b"})
            .to_string(),
        json!({"type": "service_account", "private_key_id": "k", "client_email": "a@b"}).to_string(),
    ] {
        let error = ServiceAccount::from_key_file(&bad).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Configuration);
        assert!(!format!("{error} {error:?}").contains("SECRET"), "{error}");
        let error = BoxServer::from_config(&bad).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("SECRET"), "{error}");
    }
}

#[tokio::test]
async fn tx_05_salesforce_takes_three_minutes_and_names_no_expiry() {
    for (domain, audience) in [
        ("login.salesforce.com", "https://login.salesforce.com"),
        ("test.salesforce.com", "https://test.salesforce.com"),
        ("acme.my.salesforce.com", "https://login.salesforce.com"),
        ("acme--dev.sandbox.my.salesforce.com", "https://test.salesforce.com"),
        ("community.acme.example", "https://community.acme.example"),
    ] {
        let http = Script::json(
            200,
            &json!({"access_token": "AT", "token_type": "Bearer", "instance_url": "https://acme.my.salesforce.com"}),
        );
        let client = SalesforceOAuth2::new("CONSUMER_KEY", "").with_domain(domain).unwrap();
        let client = client.with_oauth2(|client| set(client, &http));
        let token = client.get_token_as("jane@acme.example", rs256()).await.unwrap();
        assert_eq!((token.expires_at(), token.refresh_token()), (None, None));
        let sent = http.request();
        assert_eq!(sent.url, format!("https://{domain}/services/oauth2/token"));
        let (_, _, mut claims) = assertion(&sent);
        has_a_fresh_id(&mut claims);
        let expected = json!({
            "iss": "CONSUMER_KEY", "sub": "jane@acme.example", "aud": audience, "iat": NOW, "exp": NOW + 180,
        });
        assert_eq!(claims, expected);
    }
}

#[tokio::test]
async fn tx_05_docusign_wants_the_host_alone_as_the_audience() {
    for (is_for_developers, host) in [(false, "account.docusign.com"), (true, "account-d.docusign.com")] {
        let http = token();
        let mut client = DocuSignOAuth2::new("INTEGRATION_KEY", "");
        if is_for_developers {
            client = client.with_developer_environment().unwrap();
        }
        let client = client.with_oauth2(|client| set(client, &http));
        client.get_token_as("GUID", rs256()).await.unwrap();
        let sent = http.request();
        assert_eq!(sent.url, format!("https://{host}/oauth/token"));
        let (_, _, mut claims) = assertion(&sent);
        has_a_fresh_id(&mut claims);
        let expected = json!({
            "iss": "INTEGRATION_KEY", "sub": "GUID", "aud": host, "scope": "signature impersonation",
            "iat": NOW, "exp": NOW + 3600,
        });
        assert_eq!(claims, expected);
    }
    let http = Script::json(400, &json!({"error": "consent_required"}));
    let client = DocuSignOAuth2::new("INTEGRATION_KEY", "");
    let client = client.with_oauth2(|client| set(client, &http));
    let error = client.get_token_as("GUID", rs256()).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Reauthorize, "{error}");
}

#[tokio::test]
async fn tx_05_box_wants_less_than_a_minute_the_kind_of_the_subject_and_the_secret_too() {
    for (kind, subject) in [("enterprise", "E-1"), ("user", "17")] {
        let http = Script::json(
            200,
            &json!({"access_token": "AT", "token_type": "bearer", "expires_in": 4169, "restricted_to": []}),
        );
        let client = BoxOAuth2::new("id", "secret");
        let client = client.with_oauth2(|client| set(client, &http));
        let server = BoxServer::new(client, "E-1", rs256());
        match kind {
            "user" => server.get_user_token("17").await.unwrap(),
            _ => server.get_enterprise_token().await.unwrap(),
        };
        let sent = http.request();
        assert_eq!(sent.url, "https://api.box.com/oauth2/token");
        let (form, header, mut claims) = assertion(&sent);
        assert_eq!(form, owned(&[("client_id", "id"), ("client_secret", "secret")]));
        assert_eq!(header["kid"], "client-key");
        has_a_fresh_id(&mut claims);
        let expected = json!({
            "iss": "id", "sub": subject, "box_sub_type": kind, "aud": "https://api.box.com/oauth2/token",
            "iat": NOW, "exp": NOW + 45,
        });
        assert_eq!(claims, expected);
    }
    let key = SigningKey::generate(Algorithm::RS256).unwrap().to_pem().unwrap();
    let config = json!({
        "boxAppSettings": {"clientID": "id", "clientSecret": "secret",
            "appAuth": {"publicKeyID": "pk-1", "privateKey": key.expose(), "passphrase": ""}},
        "enterpriseID": "E-1",
    });
    let server = BoxServer::from_config(&config.to_string()).unwrap();
    assert_eq!(server.client().oauth2().client_id(), "id");
    assert!(!format!("{server:?}").contains("secret"));
    assert_eq!(server.get_user_token("").await.unwrap_err().class(), ErrorClass::Configuration);
}

#[tokio::test]
async fn tx_05_github_takes_the_jwt_itself_as_a_token() {
    let reply =
        json!({"token": "ghs_1", "expires_at": "2023-11-14T23:13:20Z", "permissions": {"contents": "read"}});
    let http = Script::json(201, &reply);
    let client = GitHubOAuth2::new("Iv1", "");
    let client = client.with_oauth2(|client| set(client, &http));
    let app = GitHubApp::at(&client, rs256());
    let request =
        InstallationTokenRequest::new().with_repositories(["docs"]).with_permission("contents", "read");
    let token = app.get_installation_token(4711, &request).await.unwrap();
    assert_eq!(token.bearer().unwrap(), "ghs_1");
    assert_eq!(token.expires_at().unwrap().unix_timestamp(), NOW + 3600);
    assert_eq!(token.get("permissions").unwrap(), json!({"contents": "read"}));
    assert_eq!(token.get("token"), None);
    let sent = http.request();
    assert_eq!(
        (&*sent.method, &*sent.url),
        ("POST", "https://api.github.com/app/installations/4711/access_tokens")
    );
    let body: Value = serde_json::from_str(&sent.body).unwrap();
    assert_eq!(body, json!({"repositories": ["docs"], "permissions": {"contents": "read"}}));
    let jwt = sent.header("authorization").unwrap().strip_prefix("Bearer ").unwrap();
    let (header, claims) = decoded(jwt);
    assert_eq!(header["alg"], "RS256");
    assert_eq!(claims, json!({"iss": "Iv1", "iat": NOW - 60, "exp": NOW + 540}));

    // A limit to nothing is not sent as no limit.
    let none = InstallationTokenRequest::new().with_repositories(Vec::<String>::new());
    let error = app.get_installation_token(4711, &none).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Configuration);

    for bad in
        [json!({}), json!({"token": "", "expires_at": "2023-11-14T23:13:20Z"}), json!({"token": "SECRET"})]
    {
        let http = Script::json(201, &bad);
        let client = GitHubOAuth2::new("Iv1", "").with_enterprise_server("https://ghe.example").unwrap();
        let client = client.with_oauth2(|client| set(client, &http));
        let app = GitHubApp::at(&client, rs256());
        let error = app.get_installation_token(1, &InstallationTokenRequest::new()).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Protocol);
        assert!(!error.to_string().contains("SECRET"));
        assert_eq!(http.request().url, "https://ghe.example/api/v3/app/installations/1/access_tokens");
        assert_eq!(http.request().body, "{}");
    }
}

#[tokio::test]
async fn tx_05_zooms_own_grant_needs_no_key() {
    let http = token();
    let client = ZoomOAuth2::new("id", "secret");
    let client = client.with_oauth2(|client| set(client, &http));
    client.get_account_token("ACCOUNT").await.unwrap();
    let sent = http.request();
    assert_eq!(sent.url, "https://zoom.us/oauth/token");
    assert_eq!(sent.form(), owned(&[("grant_type", "account_credentials"), ("account_id", "ACCOUNT")]));
    assert_eq!(sent.header("authorization"), Some("Basic aWQ6c2VjcmV0"));
}

/// The assertion that a provider's client authenticates by, and the provider's token endpoint.
async fn client_assertion(client: impl Provider) -> (Value, Value, String) {
    let http = token();
    let client = client.with_oauth2(|client| set(client, &http));
    client.oauth2().get_access_token("C", "https://app.example/cb", None, &[]).await.unwrap();
    let sent = http.request();
    assert_eq!(sent.header("authorization"), None);
    let form = sent.form();
    let value = |name: &str| form.iter().find(|(other, _)| other == name).map(|(_, value)| value.clone());
    assert_eq!(value("client_secret"), None);
    assert_eq!(value("client_id").as_deref(), Some("id"));
    let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    assert_eq!(value("client_assertion_type").as_deref(), Some(kind));
    let (header, mut claims) = decoded(&value("client_assertion").unwrap());
    has_a_fresh_id(&mut claims);
    assert_eq!((&claims["iss"], &claims["sub"]), (&json!("id"), &json!("id")));
    (header, claims, sent.url)
}

#[tokio::test]
async fn ca_01_a_key_authenticates_at_auth0_keycloak_and_okta() {
    let keys = || PrivateKeyJwt::new(SigningKey::generate(Algorithm::ES256).unwrap().with_key_id("one"));
    // The metadata of each, as far as a token request needs it.
    let metadata = |issuer: &str| {
        ProviderMetadata::new(json!({
            "issuer": issuer, "authorization_endpoint": format!("{issuer}/authorize"),
            "token_endpoint": format!("{issuer}/token"), "jwks_uri": format!("{issuer}/keys"),
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "private_key_jwt"],
            "token_endpoint_auth_signing_alg_values_supported": ["ES256", "RS256"],
        }))
        .unwrap()
    };
    for issuer in [
        "https://tenant.eu.auth0.com/",
        "https://sso.example/realms/acme",
        "https://dev-1.okta.com/oauth2/default",
    ] {
        let document = metadata(issuer.trim_end_matches('/')).members();
        let mut document = Value::Object(document);
        document["issuer"] = issuer.into();
        let metadata = ProviderMetadata::new(document).unwrap();
        let client = OpenID::new("id", keys(), metadata).unwrap();
        let (header, claims, _) = client_assertion(client).await;
        assert_eq!((&header["alg"], &header["kid"]), (&json!("ES256"), &json!("one")));
        // CA-02: the issuer, as one string.
        assert_eq!(claims["aud"], issuer);
    }
    // Okta's guide wants the URL that is called.
    let metadata = metadata("https://dev-1.okta.com/oauth2/default");
    let okta = keys().audience(AssertionAudience::UrlCalled);
    let client = OpenID::new("id", okta, metadata).unwrap();
    let (_, claims, url) = client_assertion(client).await;
    assert_eq!(claims["aud"], url);
}
