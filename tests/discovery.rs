//! What the OpenID client makes of a provider's metadata, and what it refuses.

use oauth_clients::{
    AuthorizationRequest, ClientSecret, ErrorClass, ErrorKind, LoginOptions, Operation, Provider,
    okta::OktaOAuth2,
    openid::{Discovery, OpenID, ProviderMetadata},
};
use serde_json::{Value, json};

use crate::support::{Script, reply};

const ISSUER: &str = "https://op.example/t1";

fn document() -> Value {
    json!({
        "issuer": ISSUER,
        "authorization_endpoint": "https://op.example/t1/auth?tenant=1",
        "token_endpoint": "https://op.example/t1/token",
        "userinfo_endpoint": "https://op.example/t1/me",
        "revocation_endpoint": "https://op.example/t1/revoke",
    })
}

fn with(changes: Value) -> Value {
    let mut document = document();
    for (name, value) in changes.as_object().unwrap() {
        document[name] = value.clone();
    }
    document
}

async fn discovered(document: &Value) -> oauth_clients::Result<OpenID> {
    Discovery::new(ISSUER).with_http_client(Script::json(200, document)).connect("id", "secret").await
}

#[tokio::test]
async fn md_02_the_document_is_behind_the_issuers_path() {
    for (issuer, url) in [
        ("https://op.example", "https://op.example/.well-known/openid-configuration"),
        ("https://op.example/", "https://op.example/.well-known/openid-configuration"),
        ("https://op.example/t1", "https://op.example/t1/.well-known/openid-configuration"),
        (
            "https://op.example/t1/.well-known/openid-configuration",
            "https://op.example/t1/.well-known/openid-configuration",
        ),
    ] {
        let http = Script::json(200, &document());
        let _ = Discovery::new(issuer).with_http_client(http.clone()).fetch().await;
        let sent = http.request();
        assert_eq!((&*sent.method, &*sent.url), ("GET", url));
    }
}

#[tokio::test]
async fn md_01_the_issuer_is_compared_byte_for_byte() {
    for issuer in [
        json!("https://op.example/t1/"),
        json!("https://OP.example/t1"),
        json!("https://evil.example"),
        json!(1),
        Value::Null,
        json!(""),
    ] {
        let error = discovered(&with(json!({"issuer": issuer}))).await.unwrap_err();
        assert_eq!(error.operation(), Operation::DISCOVER);
        assert!(matches!(error.kind(), ErrorKind::MalformedReply { .. }), "{error:?}");
    }
    // Whoever gives the document's URL may mean the issuer with a slash at its end, as Auth0 writes it.
    let url = "https://op.example/t1/.well-known/openid-configuration";
    let slashed = with(json!({"issuer": "https://op.example/t1/"}));
    Discovery::new(url).with_http_client(Script::json(200, &slashed)).fetch().await.unwrap();
    let evil = with(json!({"issuer": "https://evil.example"}));
    Discovery::new(url).with_http_client(Script::json(200, &evil)).fetch().await.unwrap_err();
}

#[tokio::test]
async fn md_03_md_04_bad_issuers_and_bad_documents_are_refused() {
    for issuer in ["https://op.example?x", "https://op.example#f", "http://op.example", "op.example", ""] {
        let http = Script::default();
        let error = Discovery::new(issuer).with_http_client(http.clone()).fetch().await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Configuration, "{issuer}");
        assert_eq!(http.requests().len(), 0);
    }
    for (status, body) in
        [(404, "{}"), (500, ""), (200, "<html>"), (200, "[]"), (200, "{\"issuer\":"), (204, ""), (201, "{}")]
    {
        // A GET that failed in passing is repeated once.
        let answer = || reply(status, "application/json", body);
        let http = Script::new([answer(), answer()]);
        let error = Discovery::new(ISSUER).with_http_client(http).fetch().await.unwrap_err();
        assert_eq!((error.operation(), error.provider()), (Operation::DISCOVER, "openid"), "{status} {body}");
    }
}

#[tokio::test]
async fn az_14_an_endpoint_that_is_not_https_is_refused() {
    let plain = |endpoint: &str| with(json!({endpoint: "http://op.example/x"}));
    for endpoint in ["authorization_endpoint", "token_endpoint"] {
        let error = discovered(&plain(endpoint)).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Configuration, "{endpoint}");
        assert!(error.to_string().contains("dangerously_allow_plain_http"), "{error}");
    }
    // What a login does not need keeps nobody from signing in.
    let client = discovered(&plain("userinfo_endpoint")).await.unwrap();
    assert_eq!(client.get_profile("AT").await.unwrap_err().class(), ErrorClass::Configuration);
    let client = discovered(&plain("revocation_endpoint")).await.unwrap();
    assert_eq!(client.revoke_token("AT", None).await.unwrap_err().class(), ErrorClass::Configuration);
    for endpoint in ["authorization_endpoint", "token_endpoint"] {
        let error = discovered(&with(json!({endpoint: null}))).await.unwrap_err();
        assert!(error.to_string().contains(endpoint), "{error}");
    }
}

#[tokio::test]
async fn az_07_a_server_without_s256_is_refused() {
    for (methods, fine) in [
        (json!(["plain"]), false),
        (json!([]), false),
        (json!(["plain", "S256"]), true),
        (json!("S256"), true),
    ] {
        let result = discovered(&with(json!({"code_challenge_methods_supported": methods}))).await;
        assert_eq!(result.is_ok(), fine, "{methods}");
    }
}

#[tokio::test]
async fn tk_06_the_method_of_authentication_comes_from_the_metadata() {
    let list = "token_endpoint_auth_methods_supported";
    for (methods, basic) in [
        (None, Some(true)),
        (Some(json!(["client_secret_post"])), Some(false)),
        (Some(json!(["private_key_jwt", "client_secret_post", "client_secret_basic"])), Some(false)),
        (Some(json!(["none", "client_secret_basic", "client_secret_post"])), Some(true)),
        (Some(json!(["private_key_jwt"])), None),
        (Some(json!([])), None),
    ] {
        let document = methods.map_or_else(document, |methods| with(json!({list: methods})));
        let metadata = ProviderMetadata::new(document).unwrap();
        let client = OpenID::new("id", "secret", metadata);
        let Some(basic) = basic else {
            assert!(client.unwrap_err().to_string().contains(list));
            continue;
        };
        let http = Script::json(200, &json!({"access_token": "AT", "token_type": "Bearer"}));
        let client = client.unwrap().with_http_client(http.clone());
        client.get_access_token("c", "https://app.example/cb", None, &[]).await.unwrap();
        assert_eq!(http.request().header("authorization").is_some(), basic);
    }
    // A public client is one whatever the list says.
    let metadata = ProviderMetadata::new(with(json!({list: ["private_key_jwt"]}))).unwrap();
    assert!(OpenID::new("id", ClientSecret::NONE, metadata).is_ok());
}

#[tokio::test]
async fn the_revocation_endpoint_has_its_own_list_of_methods() {
    let metadata = with(json!({
        "token_endpoint_auth_methods_supported": ["client_secret_post"],
        "revocation_endpoint_auth_methods_supported": ["client_secret_basic"],
    }));
    let http = Script::new([reply(200, "text/plain", "")]);
    let client = OpenID::new("id", "secret", ProviderMetadata::new(metadata).unwrap()).unwrap();
    client.with_http_client(http.clone()).revoke_token("t", None).await.unwrap();
    assert!(http.request().header("authorization").is_some());
}

#[tokio::test]
async fn introspection_authenticates_as_its_own_list_says() {
    let lists =
        [(json!(["client_secret_basic"]), true), (Value::Null, false), (json!(["private_key_jwt"]), false)];
    for (own, basic) in lists {
        let metadata = with(json!({
            "introspection_endpoint": "https://op.example/introspect",
            "token_endpoint_auth_methods_supported": ["client_secret_post"],
            "introspection_endpoint_auth_methods_supported": own,
        }));
        let http = Script::json(200, &json!({"active": true}));
        let client = OpenID::new("id", "secret", ProviderMetadata::new(metadata).unwrap()).unwrap();
        client.with_http_client(http.clone()).oauth2().introspect_token("t", None).await.unwrap();
        assert_eq!(http.request().header("authorization").is_some(), basic, "{own}");
    }
}

#[tokio::test]
async fn a_servers_own_word_for_a_dead_refresh_token_can_be_told() {
    let client = || {
        let http = Script::json(400, &json!({"error": "invalid_request"}));
        let metadata = ProviderMetadata::new(document()).unwrap();
        OpenID::new("id", "secret", metadata).unwrap().with_http_client(http)
    };
    let error = client().refresh_token("RT", None).await.unwrap_err();
    assert_ne!(error.class(), ErrorClass::Reauthorize);
    let told = client().with_invalid_grant_codes(&["invalid_request"]);
    assert_eq!(told.refresh_token("RT", None).await.unwrap_err().class(), ErrorClass::Reauthorize);
}

#[tokio::test]
async fn what_the_metadata_lacks_is_unsupported_and_what_it_does_not_say_is_tried() {
    let client =
        discovered(&with(json!({"userinfo_endpoint": null, "revocation_endpoint": 7}))).await.unwrap();
    assert!(matches!(client.get_profile("AT").await.unwrap_err().kind(), ErrorKind::Unsupported(_)));
    assert!(matches!(client.revoke_token("AT", None).await.unwrap_err().kind(), ErrorKind::Unsupported(_)));

    // A refresh token in hand counts more than the list: Glewlwyd and oauth2-mock-server issue them and do not list the grant.
    for grants in
        [Value::Null, json!(["authorization_code", "implicit"]), json!([]), json!(["refresh_token"])]
    {
        let http = Script::json(200, &json!({"access_token": "AT"}));
        let metadata = ProviderMetadata::new(with(json!({"grant_types_supported": grants}))).unwrap();
        let client = OpenID::new("id", "secret", metadata).unwrap().with_http_client(http);
        let refreshed = client.refresh_token("RT", None).await;
        assert_eq!(refreshed.unwrap().access_token(), "AT", "{grants}");
    }
}

#[tokio::test]
async fn az_01_az_09_a_discovered_endpoint_keeps_its_query_and_the_scope_has_openid() {
    let client = discovered(&document()).await.unwrap();
    let url =
        client.get_authorization_url(AuthorizationRequest::new("https://app.example/cb")).await.unwrap();
    assert!(url.starts_with("https://op.example/t1/auth?tenant=1&response_type=code&client_id=id&"), "{url}");
    assert!(url.ends_with("&scope=openid%20email"), "{url}");
}

#[tokio::test]
async fn okta_checks_the_domain_and_reaches_both_kinds_of_server() {
    for bad in ["evil.example/#", "https://example.okta.com", "example.okta.com/", "a b", ""] {
        let error = OktaOAuth2::new("id", "secret", bad).unwrap_err();
        assert_eq!((error.class(), error.provider()), (ErrorClass::Configuration, "okta"), "{bad}");
    }
    assert!(OktaOAuth2::custom("id", "secret", "example.okta.com", "../x").is_err());
    for (client, issuer) in [
        (OktaOAuth2::new("id", "secret", "example.okta.com"), "https://example.okta.com"),
        (
            OktaOAuth2::custom("id", "secret", "example.okta.com", "default"),
            "https://example.okta.com/oauth2/default",
        ),
    ] {
        let http = Script::json(200, &with(json!({"issuer": issuer})));
        let client = client.unwrap().with_http_client(http.clone());
        assert_eq!(http.requests().len(), 0, "nothing is sent before it is needed");
        let ready = client.oauth2().ready().await.unwrap();
        assert_eq!(http.request().url, format!("{issuer}/.well-known/openid-configuration"));
        assert_eq!((client.name(), client.oauth2().issuer()), ("okta", Some(issuer)));
        assert_eq!(ready.endpoints().token(), "https://op.example/t1/token");
    }
}

fn settings(json: Value) -> oauth_clients::ProviderConfig {
    serde_json::from_value(json).unwrap()
}

#[tokio::test]
async fn az_14_a_keycloak_on_plain_http_names_the_switch_and_works_with_it() {
    use oauth_clients::{Configure, keycloak::KeycloakOAuth2};

    let realm = "http://keycloak:8080/realms/x";
    let op = crate::openid::op::Op::at(realm);
    let client = KeycloakOAuth2::new("id", "secret", realm).unwrap().with_http_client(op.clone());
    let error = client.start_login("https://app.example/cb", LoginOptions::new()).await.unwrap_err();
    assert!(error.to_string().contains("dangerously_allow_plain_http"), "{error}");
    assert_eq!((error.class(), op.requests().len()), (ErrorClass::Configuration, 0));
    for allowed in [json!(true), json!(false)] {
        let config = settings(
            json!({"client_id": "client-1", "realm_url": realm, "dangerously_allow_plain_http": allowed}),
        );
        let client = KeycloakOAuth2::from_config(&config).unwrap().with_http_client(op.clone());
        let started = client.start_login("https://app.example/cb", LoginOptions::new()).await;
        assert_eq!(started.is_ok(), allowed == json!(true));
        let config = settings(
            json!({"client_id": "client-1", "issuer": realm, "dangerously_allow_plain_http": allowed}),
        );
        let client = OpenID::from_config(&config).unwrap().with_http_client(op.clone());
        let started = client.start_login("https://app.example/cb", LoginOptions::new()).await;
        assert_eq!(started.is_ok(), allowed == json!(true));
    }
}

#[test]
fn a_discovery_url_on_another_host_needs_a_word() {
    use oauth_clients::Configure;

    let made = |url: &str, trusted: Value| {
        OpenID::from_config(&settings(json!({
            "client_id": "id", "issuer": "https://op.example", "discovery_url": url, "trust_discovery_url": trusted,
        })))
    };
    assert!(made("https://op.example/elsewhere", json!(false)).is_ok());
    for url in ["https://evil.example/x", "https://op.example:8443/x", "http://op.example/x", "x"] {
        let error = made(url, json!(false)).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Configuration);
        assert!(error.to_string().contains("trust_discovery_url"), "{error}");
    }
    assert!(made("https://docs.example/x", json!(true)).is_ok());
    assert!(made("https://docs.example/x", json!("yes")).is_err());
}

#[tokio::test]
async fn every_error_of_discovery_has_the_clients_own_name() {
    for bad in [
        json!({"issuer": "https://evil.example"}),
        json!({"token_endpoint": null}),
        json!({"token_endpoint": "http://op.example/token"}),
        json!({"token_endpoint_auth_methods_supported": ["private_key_jwt"]}),
        json!({"code_challenge_methods_supported": ["plain"]}),
        json!({"jwks_uri": "/jwks"}),
        json!({"require_pushed_authorization_requests": true}),
    ] {
        let http = Script::json(200, &with(bad.clone()));
        let client = Discovery::new(ISSUER).with_http_client(http).client("id", "secret").unwrap();
        let client = client.with_name("corp");
        let error = client.start_login("https://app.example/cb", LoginOptions::new()).await.unwrap_err();
        assert_eq!(error.provider(), "corp", "{bad}: {error}");
        assert!(error.to_string().contains(" at corp"), "{error}");
    }
}
