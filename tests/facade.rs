//! Providers that are chosen at run time.

use oauth_clients::{AuthorizationRequest, Endpoint, ErrorClass, Registry, RegistryConfig, RegistryEntry};

fn parsed(text: &str) -> RegistryConfig {
    toml::from_str(text).unwrap()
}

#[tokio::test]
async fn a_registry_is_made_from_a_configuration_file() {
    let file = std::env::temp_dir().join(format!("oauth-clients-secret-{}", std::process::id()));
    std::fs::write(&file, "from-a-file\n").unwrap();
    let config = parsed(&format!(
        r#"
        [github]
        client_id = "gh"
        client_secret = "secret"
        scopes = ["read:org"]

        [github-at-work]
        provider = "github"
        client_id = "gh2"
        client_secret_file = {file:?}
        base_url = "https://github.example.com"

        [microsoft]
        client_id = "ms"
        tenant = "organizations"

        [shopify]
        client_id = "sh"
        client_secret = "secret"
        shop = "my-shop"
        api_version = "2026-04"
        "#
    ));
    let registry = Registry::from_config(&config).await.unwrap();
    std::fs::remove_file(&file).unwrap();
    let names: Vec<_> = registry.iter().map(|provider| provider.name().to_owned()).collect();
    assert_eq!(names, ["github", "github-at-work", "microsoft", "shopify"]);
    for (name, start) in [
        ("github", "https://github.com/login/oauth/authorize?response_type=code&client_id=gh&"),
        (
            "github-at-work",
            "https://github.example.com/login/oauth/authorize?response_type=code&client_id=gh2&",
        ),
        ("microsoft", "https://login.microsoftonline.com/organizations/oauth2/v2.0/authorize?"),
        ("shopify", "https://my-shop.myshopify.com/admin/oauth/authorize?"),
    ] {
        let provider = registry.get(name).unwrap();
        let url = provider
            .get_authorization_url(AuthorizationRequest::new("https://app.example/cb"))
            .await
            .unwrap();
        assert!(url.starts_with(start), "{url}");
    }
    let enterprise = registry.get("github-at-work").unwrap().oauth2().endpoints().clone();
    assert_eq!(enterprise.get(Endpoint::Profile).unwrap(), "https://github.example.com/api/v3/user");
    assert_eq!(
        enterprise.get(Endpoint::Revocation).unwrap(),
        "https://github.example.com/api/v3/applications/gh2/token"
    );
    assert!(format!("{registry:?}").contains("github"));
    assert!(!format!("{config:?}").contains("\"secret\""), "{config:?}");
    let error = registry.get("gitlab").unwrap_err();
    assert!(error.to_string().contains("github-at-work"), "{error}");
}

#[tokio::test]
async fn a_mistake_in_the_configuration_is_named() {
    for (text, words) in [
        ("[gitbuh]\nclient_id = \"x\"", &["gitbuh", "github", "google"][..]),
        ("[github]\nclient_id = \"x\"\ntenant = \"y\"", &["tenant", "base_url"]),
        ("[discord]\nclient_id = \"x\"\ntenant = \"y\"", &["tenant", "client_secret_env"]),
        ("[shopify]\nclient_id = \"x\"", &["shop", "missing"]),
        ("[shopify]\nclient_id = \"x\"\nshop = \"evil.example/#\"", &["shop", "my-shop"]),
        (
            "[github]\nclient_id = \"x\"\nclient_secret_env = \"OAUTH_CLIENTS_UNSET\"",
            &["OAUTH_CLIENTS_UNSET"],
        ),
        ("[github]\nclient_id = \"x\"\nclient_secret_file = \"/nonexistent\"", &["/nonexistent"]),
        ("[github]\nclient_id = \"x\"\nclient_secret = \"a\"\nclient_secret_env = \"B\"", &["not several"]),
        ("[github]\nclient_id = \"x\"\nbase_url = \"http://github.example.com\"", &["base_url", "https"]),
        ("[microsoft]\nclient_id = \"x\"\ntenant = \"a/b\"", &["tenant"]),
        ("[github]\nclient_id = \"\"", &["client_id"]),
        ("[github]\nclient_id = \"x\"\nclient_secret = \"\"", &["client_secret"]),
        ("[acme]\nprovider = \"oauth2\"\nclient_id = \"x\"", &["authorize_endpoint"]),
        (
            "[oauth2]\nclient_id = \"x\"\nauthorize_endpoint = \"http://x\"\ntoken_endpoint = \"https://x\"",
            &["http://x", "https"],
        ),
        ("[okta]\nclient_id = \"x\"\ndomain = \"https://x\"", &["domain"]),
    ] {
        let error = Registry::from_config(&parsed(text)).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Configuration, "{text}");
        for word in words {
            assert!(error.to_string().contains(word), "{word}: {error}");
        }
    }
}

#[tokio::test]
async fn every_provider_that_is_known_can_be_built_under_any_name() {
    assert!(Registry::known().len() >= 13);
    for name in Registry::known() {
        let config = toml::from_str("client_id = \"x\"\nclient_secret = \"y\"").unwrap();
        let entry = RegistryEntry::new(config).with_provider(*name);
        match Registry::build("mine", &entry).await {
            Ok(provider) => assert_eq!(provider.name(), "mine"),
            // Those that cannot do without a setting say which.
            Err(error) => assert_eq!(error.class(), ErrorClass::Configuration, "{error}"),
        }
    }
}

#[tokio::test]
async fn the_generic_client_is_configured_like_all_others() {
    let config = parsed(
        r#"
        [acme]
        provider = "oauth2"
        client_id = "x"
        client_secret = "y"
        client_auth = "client_secret_basic"
        authorize_endpoint = "https://acme.example/authorize"
        token_endpoint = "https://acme.example/token"
        "#,
    );
    let registry = Registry::from_config(&config).await.unwrap();
    let acme = registry.get("acme").unwrap();
    let url = acme.get_authorization_url(AuthorizationRequest::new("https://app.example/cb")).await.unwrap();
    assert!(url.starts_with("https://acme.example/authorize?"), "{url}");
    assert!(!format!("{config:?}").contains("acme.example"), "a misspelled secret would be shown too");
}

#[test]
fn moved_endpoints_are_not_silently_moved_back() {
    use oauth_clients::{Provider, microsoft::MicrosoftGraphOAuth2};

    let moved =
        || MicrosoftGraphOAuth2::new("id", "s").with_endpoints(|all| all.at("https://gateway.example"));
    assert_eq!(moved().with_tenant("t").unwrap_err().class(), ErrorClass::Configuration);
    let tenant = MicrosoftGraphOAuth2::new("id", "s").with_tenant("a").unwrap().with_tenant("b").unwrap();
    assert_eq!(tenant.oauth2().endpoints().token(), "https://login.microsoftonline.com/b/oauth2/v2.0/token");
}

#[test]
fn a_missing_provider_is_an_item_of_the_root_so_that_rustc_names_its_feature() {
    // rustc says "the item is gated behind the `gitlab` feature" of an item that would be where it is looked for, and not of one behind a
    // glob (`pub use providers::*`).
    let root = include_str!("../crates/oauth-clients/src/lib.rs");
    for name in Registry::known() {
        let library = name.replace('-', "_");
        // A word of Rust cannot be the name of a module.
        let module = if *name == "box" { "box_" } else { &library };
        let item = format!("#[cfg(feature = \"{name}\")]\npub use oauth_{library} as {module};");
        assert!(root.contains(&item), "{name}");
    }
}
