//! Constructors refuse what no provider issues, before anything is sent.

use oauth_clients::{
    AuthorizationRequest, ClientSecret, Configure, Error, ErrorClass, LoginOptions, OAuth2, Provider,
    ProviderConfig, Secret, SecretSource, SecretSourceError, amazon_cognito::AmazonCognitoOAuth2,
    apple::AppleSecret, async_trait, auth0::Auth0OAuth2, authentik::AuthentikOAuth2,
    franceconnect::FranceConnectOAuth2, github::GitHubOAuth2, gitlab::GitLabOAuth2, keycloak::KeycloakOAuth2,
    login_gov::LoginGovOAuth2, logto::LogtoOAuth2, okta::OktaOAuth2, onelogin::OneLoginOAuth2,
    openid::OpenID, ping_id::PingIdentityOAuth2, shopify::ShopifyOAuth2, zitadel::ZitadelOAuth2,
};
use serde_json::json;

use crate::support::Script;

fn assert_configuration(error: &Error) {
    assert_eq!(error.class(), ErrorClass::Configuration, "{error:?}");
    assert!(!format!("{error} {error:?}").contains("SECRET"), "{error:?}");
}

const BAD_IDS: [&str; 6] = ["", " ", " id", "id ", "id\n", "i\0d"];
const BAD_SECRETS: [&str; 4] = ["SECRET\n", "SECRET\r\n", "\nSECRET", "SEC\rSECRET"];

#[test]
fn ids_and_secrets_of_nobody_are_refused_by_who_can_refuse() {
    let pairs = BAD_IDS.map(|id| (id, "s")).into_iter().chain(BAD_SECRETS.map(|secret| ("id", secret)));
    for (id, secret) in pairs {
        for outcome in [
            Auth0OAuth2::new(id, secret, "my-tenant.eu.auth0.com").err(),
            AuthentikOAuth2::new(id, secret, "https://login.example.com", "app").err(),
            AmazonCognitoOAuth2::new(id, secret, "eu-central-1_aBcDeFgHi").err(),
            KeycloakOAuth2::new(id, secret, "https://login.example.com/realms/a").err(),
            LogtoOAuth2::new(id, secret, "https://my-tenant.logto.app").err(),
            OktaOAuth2::new(id, secret, "example.okta.com").err(),
            OneLoginOAuth2::new(id, secret, "my-company").err(),
            OpenID::lazy(id, secret, "https://login.example.com").err(),
            PingIdentityOAuth2::new(id, secret, "auth.pingone.sg", "environment").err(),
            ShopifyOAuth2::new(id, secret, "my-shop").err(),
            ZitadelOAuth2::new(id, secret, "my-instance.zitadel.cloud").err(),
        ] {
            assert_configuration(&outcome.unwrap_or_else(|| panic!("{id:?} was taken")));
        }
        let config: ProviderConfig =
            serde_json::from_value(json!({"client_id": id, "client_secret": secret})).unwrap();
        assert_configuration(&GitHubOAuth2::from_config(&config).unwrap_err());
    }
}

#[tokio::test]
async fn ids_and_secrets_of_nobody_are_sent_nowhere() {
    let pairs = BAD_IDS.map(|id| (id, "s")).into_iter().chain(BAD_SECRETS.map(|secret| ("id", secret)));
    for (id, secret) in pairs {
        let http = Script::default();
        let github = GitHubOAuth2::new(id, secret).with_http_client(http.clone());
        let started = github.start_login("https://app.example/cb", LoginOptions::new()).await;
        assert_configuration(&started.unwrap_err());
        let request = AuthorizationRequest::new("https://app.example/cb");
        assert_configuration(&github.get_authorization_url(request).await.unwrap_err());
        for outcome in [
            github.get_access_token("c", "https://app.example/cb", None, &[]).await.err(),
            github.refresh_token("RT", None).await.err(),
        ] {
            assert_configuration(&outcome.unwrap());
        }
        assert!(http.requests().is_empty(), "{id:?}");
    }
    // What is allowed stays allowed: an empty secret, and characters that RFC 6749 appendix A has.
    for (id, secret) in
        [("id", ""), ("an id", "a secret"), ("https://client.example/id", " s"), ("id", "\u{e4}")]
    {
        let github = GitHubOAuth2::new(id, secret);
        github.start_login("https://app.example/cb", LoginOptions::new()).await.unwrap();
    }
    // A public client has none.
    OAuth2::new("id", ClientSecret::NONE, "https://as.example/authorize", "https://as.example/token")
        .start_login("https://app.example/cb", LoginOptions::new())
        .await
        .unwrap();
}

#[derive(Debug)]
struct File;

#[async_trait]
impl SecretSource for File {
    async fn client_secret(&self) -> Result<Secret, SecretSourceError> {
        Ok("SECRET\n".into())
    }
}

#[tokio::test]
async fn a_secret_that_is_made_later_is_looked_at_then() {
    let http = Script::default();
    let github = GitHubOAuth2::new("id", ClientSecret::made_by(File)).with_http_client(http.clone());
    let error = github.get_access_token("c", "https://app.example/cb", None, &[]).await.unwrap_err();
    assert_configuration(&error);
    assert!(error.to_string().contains("line break"), "{error}");
    assert!(http.requests().is_empty());
}

#[test]
fn apple_wants_to_know_whose_key_it_is() {
    for (team, key) in
        [("", "KEY"), ("TEAM", ""), (" ", "KEY"), ("TEAM ", "KEY"), ("TEAM", "KEY\n"), ("T/EAM", "KEY")]
    {
        let error = AppleSecret::new(team, key, "no key").unwrap_err();
        assert_configuration(&error);
        assert!(error.to_string().contains("_id is"), "{error}");
    }
}

#[test]
fn a_user_pool_names_no_other_service_of_amazon() {
    for pool in [
        "s3.eu-central-1_x",
        "s3_x",
        "s3-eu-west-1_x",
        "s3-website-us-east-1_x",
        "s3-website.eu-central-1_x",
        "execute-api.eu-central-1_x",
        "bucket.s3_x",
        "eu-central-1.evil_x",
        "EU-central-1_x",
        "eu-central_x",
        "eu-1_x",
        "eu--1_x",
        "-central-1_x",
        "central-1_x",
        "eu-central-_x",
        "eu-central-100_x",
        "eu-central-1_",
        "eu-central-1_a.b",
        "eu-central-1_a_b",
        "eu-central-1_..",
        "eu-central-1",
        "_x",
        "",
        // Of other partitions, whose hosts are not below amazonaws.com.
        "cn-north-1_aBcDeFgHi",
        "eusc-de-east-1_aBcDeFgHi",
    ] {
        assert_configuration(&AmazonCognitoOAuth2::new("id", "s", pool).unwrap_err());
    }
    for pool in ["us-east-1_aBcDeFgHi", "us-gov-west-1_aBcDeFgHi", "ap-southeast-4_1", "il-central-1_A"] {
        assert!(AmazonCognitoOAuth2::new("id", "s", pool).is_ok(), "{pool}");
    }
}

#[test]
fn a_host_is_not_doubled() {
    for subdomain in
        ["my-company.onelogin.com", "https://my-company.onelogin.com", "a.b", "my-company.", "", "a/b"]
    {
        let error = OneLoginOAuth2::new("id", "s", subdomain).unwrap_err();
        assert_configuration(&error);
        assert_eq!(error.provider(), "onelogin");
        assert!(error.to_string().contains("my-company of my-company.onelogin.com"), "{error}");
    }
}

#[test]
fn a_base_url_has_no_dot_segments() {
    for path in ["/..", "/a/../b", "/.", "/./a", "/a/.", "/%2e%2e/a", "/.%2E", "/a/%2e"] {
        let url = format!("https://login.example.com{path}");
        for outcome in [
            AuthentikOAuth2::new("id", "s", &url, "app").err(),
            FranceConnectOAuth2::new("id", "s").with_base_url(&url).err(),
            GitHubOAuth2::new("id", "s").with_enterprise_server(&url).err(),
            GitLabOAuth2::new("id", "s").with_base_url(&url).err(),
            KeycloakOAuth2::new("id", "s", &url).err(),
            LoginGovOAuth2::new("id", ClientSecret::NONE).with_base_url(&url).err(),
            LogtoOAuth2::new("id", "s", &url).err(),
        ] {
            assert_configuration(&outcome.unwrap_or_else(|| panic!("{url} was taken")));
        }
    }
    assert!(KeycloakOAuth2::new("id", "s", "https://login.example.com/a..b/.well/realms/x").is_ok());
}

#[test]
fn a_domain_is_no_address() {
    for address in ["127.0.0.1", "2130706433", "0x7f000001", "127.1", "0177.0.0.1", "169.254.169.254"] {
        for outcome in [
            Auth0OAuth2::new("id", "s", address).err(),
            OktaOAuth2::new("id", "s", address).err(),
            PingIdentityOAuth2::new("id", "s", address, "environment").err(),
            ZitadelOAuth2::new("id", "s", address).err(),
        ] {
            assert_configuration(&outcome.unwrap_or_else(|| panic!("{address} was taken")));
        }
    }
}
