//! The examples that are web applications without a session.

use std::io::Write as _;

use oauth_clients::SealingKey;
use oauth_examples::Providers;
use serde_json::{Value, json};

use crate::{back_channel_logout, gateway, mobile_id_token, multi_tenant, registry_from_toml};

const ADDRESS: &str = "https://app.example";

fn key() -> SealingKey {
    SealingKey::from_bytes([7; 32])
}

fn settings(provider: &str, more: &Value) -> String {
    let mut settings = json!({
        "provider": provider,
        "client_id": format!("{provider}-client-id"),
        "client_secret": format!("{provider}-client-secret"),
    });
    for (name, value) in more.as_object().unwrap() {
        settings[name] = value.clone();
    }
    settings.to_string()
}

#[tokio::test]
async fn each_tenant_signs_in_at_a_provider_of_its_own() {
    let providers = Providers::emulated().await.unwrap();
    let tenants = multi_tenant::Tenants::open(providers.clone(), "sqlite::memory:").await.unwrap();
    let acme = settings("openid", &json!({ "issuer": "https://openid.example" }));
    tenants.set("acme", &acme).await.unwrap();
    let realm = json!({ "realm_url": "https://keycloak.example/realms/demo" });
    tenants.set("globex", &settings("keycloak", &realm)).await.unwrap();
    let app = multi_tenant::app(tenants.clone(), ADDRESS, key()).unwrap();
    let mut browser = providers.emulator().browser().unwrap().in_process(ADDRESS, app).unwrap();

    let page = browser.get("/acme/auth/sso/login").await.unwrap();
    assert_eq!(page.text, "1815121018521127 of https://openid.example signed in to acme");
    assert!(page.url.starts_with("https://app.example/acme/auth/sso/callback?"), "{page:?}");
    let page = browser.get("/globex/auth/sso/login").await.unwrap();
    assert!(page.text.contains("https://keycloak.example/realms/demo signed in to globex"), "{page:?}");
    assert_eq!(browser.get("/initech/auth/sso/login").await.unwrap().status.as_u16(), 404);
    assert!(browser.get("/acme").await.unwrap().text.contains("href=\"/acme/auth/sso/login\""));
    // No page of this site has a link to another one that somebody else chose.
    for path in ["/initech", "/%2Fevil.example", "/%5Cevil.example", "/%09%2Fevil.example"] {
        let page = browser.get(path).await.unwrap();
        assert_eq!((page.status.as_u16(), &*page.text), (404, ""), "{path}");
    }
    assert_eq!(browser.get("/acme/auth/other/login").await.unwrap().status.as_u16(), 404);

    // The client is kept as long as its settings.
    let first = tenants.client("acme").await.unwrap().unwrap();
    let again = tenants.client("acme").await.unwrap().unwrap();
    assert!(std::sync::Arc::ptr_eq(&first, &again));
    assert!(tenants.set("acme", r#"{"provider": "nobody", "client_id": "c"}"#).await.is_err());
    assert!(std::sync::Arc::ptr_eq(&first, &tenants.client("acme").await.unwrap().unwrap()));
    tenants.set("acme", &settings("google", &json!({}))).await.unwrap();
    let page = browser.get("/acme/auth/sso/login").await.unwrap();
    assert!(page.text.contains("https://accounts.google.com signed in to acme"), "{page:?}");
    assert_eq!(
        tenants.client("acme").await.unwrap().unwrap().oauth2().issuer(),
        Some("https://accounts.google.com")
    );
}

#[tokio::test]
async fn a_registry_comes_from_a_file_whose_secrets_are_elsewhere() {
    let providers = Providers::emulated().await.unwrap();
    let mut secret = tempfile::NamedTempFile::new().unwrap();
    writeln!(secret, "github-client-secret").unwrap();
    let file = format!(
        "[code]\nprovider = \"github\"\nclient_id = \"github-client-id\"\nclient_secret_file = {:?}\n",
        secret.path()
    );
    let app = registry_from_toml::app(&providers, &file, ADDRESS, key()).await.unwrap();
    let mut browser = providers.emulator().browser().unwrap().in_process(ADDRESS, app).unwrap();
    assert!(browser.get("/").await.unwrap().text.contains("/auth/code/login"));
    let page = browser.get("/auth/code/login?return_to=/hello").await.unwrap();
    assert!(page.text.starts_with("Signed in."), "{page:?}");

    // The file of the example itself, whose variables are not set here.
    let file = std::fs::read_to_string(registry_from_toml::FILE).unwrap();
    let error = registry_from_toml::app(&providers, &file, ADDRESS, key()).await.unwrap_err().to_string();
    assert!(error.contains("github") && error.contains("GITHUB_CLIENT_SECRET"), "{error}");

    // A secret in a line that cannot be read.
    let file = "[github]\nclient_id = \"x\"\nclient_secret = \"hunter2\" and more\n";
    let error = registry_from_toml::app(&providers, file, ADDRESS, key()).await.unwrap_err().to_string();
    assert!(!error.contains("hunter2"), "{error}");
}

#[tokio::test]
async fn a_mobile_application_signs_in_with_an_id_token_once() {
    let providers = Providers::emulated().await.unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let app = mobile_id_token::app(providers.openid().await.unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    let me = mobile_id_token::sign_in_as_the_application(&providers, &address).await.unwrap();
    let expected = json!({ "issuer": "https://openid.example", "subject": "1815121018521127" });
    assert_eq!(serde_json::from_str::<Value>(&me).unwrap(), expected);

    let http = oauth_clients::reqwest_client(|defaults| defaults).unwrap();
    let try_with = async |nonce: String, id_token: String| {
        let body = mobile_id_token::SignInRequest { id_token, nonce };
        http.post(format!("{address}/sign-in")).json(&body).send().await.unwrap().status().as_u16()
    };
    let new_nonce = async || {
        let reply = http.post(format!("{address}/nonce")).send().await.unwrap();
        reply.json::<Value>().await.unwrap()["nonce"].as_str().unwrap().to_owned()
    };
    let made_up = "a-nonce-that-nobody-here-has-issued".to_owned();
    let token = mobile_id_token::id_token(&providers, &made_up).unwrap();
    assert_eq!(try_with(made_up, token.clone()).await, 401);
    // Somebody else's token, and one that is used a second time.
    let nonce = new_nonce().await;
    assert_eq!(try_with(nonce.clone(), token).await, 401);
    let own = mobile_id_token::id_token(&providers, &nonce).unwrap();
    assert_eq!(try_with(nonce, own).await, 401);
    let nonce = new_nonce().await;
    let own = mobile_id_token::id_token(&providers, &nonce).unwrap();
    assert_eq!(try_with(nonce.clone(), own.clone()).await, 200);
    assert_eq!(try_with(nonce, own).await, 401);
    assert_eq!(http.get(format!("{address}/me")).send().await.unwrap().status().as_u16(), 401);
}

#[tokio::test]
async fn a_session_ends_when_the_provider_says_so() {
    let providers = Providers::emulated().await.unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let app = back_channel_logout::app(providers.openid().await.unwrap(), &address, key()).unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });

    let mut ada = providers.emulator().browser().unwrap();
    let page = ada.get(&format!("{address}/auth/openid/login")).await.unwrap();
    assert_eq!(page.text, "You are signed in.");
    let mut grace = providers.emulator().browser().unwrap();
    grace.set_consent(oauth_clients::emulator::Consent::AllowAs("1906120919920101".into()));
    assert_eq!(grace.get(&format!("{address}/auth/openid/login")).await.unwrap().text, "You are signed in.");

    let answer = back_channel_logout::end_the_session(&providers, &address).await.unwrap();
    assert!(answer.contains("200"), "{answer}");
    assert!(ada.get("/").await.unwrap().text.contains("Sign in"));
    assert_eq!(grace.get("/").await.unwrap().text, "You are signed in.");
}

#[tokio::test]
async fn a_gateway_adds_the_users_token_for_its_own_pages() {
    let providers = Providers::emulated().await.unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let api = providers.emulator().local("https://api.github.com");
    let app = gateway::app(providers.github().await.unwrap(), &api, &address, key()).unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });

    let mut browser = providers.emulator().browser().unwrap();
    let page = browser.get(&format!("{address}/api/user")).await.unwrap();
    assert_eq!(page.status.as_u16(), 401, "{page:?}");
    browser.get("/auth/github/login").await.unwrap();
    let page = browser.get("/api/user").await.unwrap();
    assert_eq!(page.status.as_u16(), 200, "{page:?}");
    assert!(page.text.contains("Ada Lovelace"), "{page:?}");
    assert_eq!(page.headers["cache-control"], "private, no-store");

    // Another site's page, and a program that says nothing.
    let http = oauth_clients::reqwest_client(|defaults| defaults).unwrap();
    let cookie = format!("id={}", browser.cookie("id").unwrap());
    // What no page can send, and an API may answer with the token in it.
    for (method, body, status) in [("TRACE", "", 405), ("GET", "GET /admin HTTP/1.1\r\n\r\n", 400)] {
        let request = http.request(method.parse().unwrap(), format!("{address}/api/user")).body(body);
        let request = request.header("cookie", &cookie).header("sec-fetch-site", "same-origin");
        assert_eq!(request.send().await.unwrap().status().as_u16(), status, "{method}");
    }
    for site in ["cross-site", "same-site", "none", ""] {
        let request = http.get(format!("{address}/api/user")).header("cookie", &cookie);
        let request = if site.is_empty() { request } else { request.header("sec-fetch-site", site) };
        assert_eq!(request.send().await.unwrap().status().as_u16(), 403, "{site}");
    }
}

#[tokio::test]
async fn a_gateway_makes_no_page_of_its_own_of_an_answer_and_stays_below_the_apis_path() {
    let api = axum::Router::new()
        .route("/v1/page", axum::routing::get(async || axum::response::Html("<script>alert(1)</script>")))
        .route("/v1/large", axum::routing::get(async || vec![0; 17 * 1024 * 1024]))
        .fallback(async || "elsewhere");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let api_address = format!("http://{}/v1", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, api).await });

    let providers = Providers::emulated().await.unwrap();
    let app = gateway::app(providers.github().await.unwrap(), &api_address, ADDRESS, key()).unwrap();
    let mut browser = providers.emulator().browser().unwrap().in_process(ADDRESS, app).unwrap();
    browser.get("/auth/github/login").await.unwrap();
    let page = browser.get("/api/page").await.unwrap();
    assert_eq!((page.status.as_u16(), &*page.text), (200, "<script>alert(1)</script>"));
    assert_eq!(page.headers["x-content-type-options"], "nosniff");
    assert!(page.headers["content-security-policy"].to_str().unwrap().ends_with("sandbox"));
    assert_eq!(browser.get("/api/large").await.unwrap().status.as_u16(), 502);
    for path in
        ["/api/..%2fadmin", "/api/a%2F..%2F..%2Fadmin", "/api/..%5cadmin", "/api/%252e%252e%252fadmin"]
    {
        assert_eq!(browser.get(path).await.unwrap().status.as_u16(), 400, "{path}");
    }
}
