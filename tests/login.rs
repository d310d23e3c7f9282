//! A login from start to finish, and every callback that must not become one.

use oauth_clients::{
    Callback, ClientAuth, ClientSecret, CodeChallengeMethod, ErrorClass, ErrorKind, LoginAttempt, LoginError,
    LoginOptions, OAuth2, Provider, Sealer, SealingKey, shopify::ShopifyOAuth2,
};
use serde_json::json;

use crate::support::{Script, query_of};

fn client(http: &Script) -> OAuth2 {
    OAuth2::new("id", "secret", "https://as.example/authorize", "https://as.example/token")
        .with_name("acme")
        .with_http_client(http.clone())
        .with_issuer("https://as.example")
}

async fn begun(client: &OAuth2) -> LoginAttempt {
    let options = LoginOptions::new().scopes(["openid", "email"]).data(json!({"return_to": "/cart"}));
    client.start_login("https://app.example/cb", options).await.unwrap().attempt
}

/// Why a callback was refused, after the check that nothing was sent.
async fn refused(query: &str) -> LoginError {
    let http = Script::default();
    let client = client(&http);
    let attempt = begun(&client).await;
    let query = query.replace("STATE", attempt.state());
    let error = client.finish_login(attempt, Callback::from_query(&query)).await.unwrap_err();
    assert_eq!(http.requests().len(), 0, "{query}");
    assert_eq!(error.to_string().split(':').next(), Some("finish_login at acme"));
    let ErrorKind::Login(reason) = error.kind() else { panic!("{error:?}") };
    reason.clone()
}

#[tokio::test]
async fn a_login_carries_state_challenge_and_nonce_and_repeats_the_redirect_uri() {
    let http = Script::json(200, &json!({"access_token": "AT", "scope": "openid"}));
    let client = client(&http);
    let options = LoginOptions::new()
        .scopes(["openid", "email"])
        .data(json!({"return_to": "/cart"}))
        .extras_params(&json!({"prompt": "login"}));
    let started = client.start_login("https://app.example/cb", options).await.unwrap();
    let query = query_of(&started.url);
    let value = |name: &str| query.iter().find(|(other, _)| other == name).map(|(_, value)| &**value);
    assert_eq!(value("state"), Some(started.attempt.state()));
    assert_eq!(value("nonce"), started.attempt.nonce());
    assert_eq!(value("scope"), Some("openid email"));
    assert_eq!(value("prompt"), Some("login"));
    assert_eq!(value("code_challenge_method"), Some("S256"));
    assert_eq!(value("code_challenge").map(str::len), Some(43));
    let other = client.start_login("https://app.example/cb", LoginOptions::new()).await.unwrap();
    assert_ne!(other.attempt.state(), started.attempt.state());
    assert!(other.attempt.nonce().is_none() && !other.url.contains("nonce"));

    // It survives a session store.
    let stored = serde_json::to_string(&started.attempt).unwrap();
    let attempt: LoginAttempt = serde_json::from_str(&stored).unwrap();
    let callback =
        format!("https://app.example/cb?code=CODE&state={}&iss=https://as.example&x=1&x=2", attempt.state());
    let login = client.finish_login(attempt, Callback::from_url(&callback)).await.unwrap();
    assert_eq!(login.token.access_token(), "AT");
    assert_eq!(login.data, json!({"return_to": "/cart"}));
    assert_eq!(login.requested_scopes, ["openid", "email"]);
    let form = http.request().form();
    let sent = |name: &str| form.iter().find(|(other, _)| other == name).map(|(_, value)| &**value);
    assert_eq!(sent("redirect_uri"), Some("https://app.example/cb"));
    assert_eq!(sent("code"), Some("CODE"));
    assert_eq!(sent("code_verifier"), started.attempt.code_verifier().map(|verifier| verifier.expose()));
}

#[tokio::test]
async fn az_04_states_and_challenges_are_fresh_for_every_kind_of_client() {
    let mut seen = std::collections::HashSet::new();
    for secret in [ClientSecret::from("secret"), ClientSecret::NONE] {
        let client = OAuth2::new("id", secret, "https://as.example/authorize", "https://as.example/token");
        for _ in 0..500 {
            let started = client.start_login("https://app.example/cb", LoginOptions::new()).await.unwrap();
            let query = query_of(&started.url);
            let value = |name: &str| query.iter().find(|(other, _)| other == name).map(|(_, v)| v.clone());
            assert_eq!(value("code_challenge_method").as_deref(), Some("S256"));
            let verifier = started.attempt.code_verifier().unwrap();
            assert_eq!(value("code_challenge"), Some(verifier.challenge(CodeChallengeMethod::S256)));
            for fresh in [value("state").unwrap(), verifier.expose().to_owned()] {
                assert_eq!(fresh.len(), 43);
                assert!(seen.insert(fresh));
            }
        }
    }
}

#[tokio::test]
async fn az_06_a_server_that_refuses_the_challenge_is_not_asked_without_it() {
    let http = Script::json(400, &json!({"error": "invalid_request", "error_description": "no PKCE here"}));
    let client = client(&http);
    let attempt = begun(&client).await;
    let query = format!("error=invalid_request&error_description=S256&state={}", attempt.state());
    let error = client.finish_login(attempt, Callback::from_query(&query)).await.unwrap_err();
    assert_eq!(error.oauth_error().unwrap().code, "invalid_request");
    assert_eq!(http.requests().len(), 0);

    let attempt = begun(&client).await;
    let verifier = attempt.code_verifier().unwrap().expose().to_owned();
    let callback = Callback::from_query(&format!("code=c&state={}", attempt.state()));
    let error = client.finish_login(attempt, callback).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Configuration);
    assert!(http.request().form().contains(&("code_verifier".to_owned(), verifier)));
}

#[tokio::test]
async fn tk_02_the_redirect_uri_is_the_same_to_the_byte_in_both_requests() {
    for redirect_uri in [
        "https://app.example/%7Ecb/",
        "https://app.example/~cb",
        "https://app.example",
        "https://bücher.example/zurück?a=1&b=%C3%BC+x",
        "https://xn--bcher-kva.example/cb/?",
        "HTTPS://App.Example:443/a/../cb",
        "http://127.0.0.1:51004/",
        "com.example.app:/cb",
    ] {
        let http = Script::json(200, &json!({"access_token": "AT"}));
        let client = client(&http);
        let started = client.start_login(redirect_uri, LoginOptions::new()).await.unwrap();
        let asked = query_of(&started.url).into_iter().find(|(name, _)| name == "redirect_uri");
        assert_eq!(asked.map(|(_, value)| value).as_deref(), Some(redirect_uri));
        // It may have been in a cookie meanwhile.
        let sealer = Sealer::new(SealingKey::from_bytes([1; 32]));
        let sealed = sealer.seal(&started.attempt).unwrap();
        let attempt = sealer.open(&sealed, "acme", redirect_uri).unwrap();
        let callback = Callback::from_query(&format!("code=c&state={}", attempt.state()));
        client.finish_login(attempt, callback).await.unwrap();
        assert!(http.request().form().contains(&("redirect_uri".to_owned(), redirect_uri.to_owned())));
    }
}

#[tokio::test]
async fn tk_03_the_verifier_is_sent_with_every_client_authentication() {
    for auth in [ClientAuth::Basic, ClientAuth::BasicUnencoded, ClientAuth::Post, ClientAuth::None] {
        let http = Script::json(200, &json!({"access_token": "AT"}));
        let client = client(&http).with_client_auth(auth);
        let attempt = begun(&client).await;
        let verifier = attempt.code_verifier().unwrap().expose().to_owned();
        let callback = Callback::from_query(&format!("code=c&state={}", attempt.state()));
        client.finish_login(attempt, callback).await.unwrap();
        let form = http.request().form();
        let sent: Vec<_> = form.iter().filter(|(name, _)| name == "code_verifier").collect();
        assert_eq!(sent, [&("code_verifier".to_owned(), verifier)], "{auth:?}");
    }
}

#[tokio::test]
async fn tk_14_a_login_tells_what_was_asked_for_and_what_was_granted() {
    for (scope, granted) in [
        (json!(null), None),
        (json!("openid"), Some(vec!["openid"])),
        (json!("email openid admin"), Some(vec!["email", "openid", "admin"])),
        (json!(""), Some(vec![])),
    ] {
        let http = Script::json(200, &json!({"access_token": "AT", "scope": scope}));
        let client = client(&http);
        let attempt = begun(&client).await;
        let callback = Callback::from_query(&format!("code=c&state={}", attempt.state()));
        let login = client.finish_login(attempt, callback).await.unwrap();
        assert_eq!(login.requested_scopes, ["openid", "email"]);
        assert_eq!(login.token.scopes(), granted, "{scope}");
    }
}

#[tokio::test]
async fn cb_a_callback_that_does_not_fit_is_refused_before_anything_is_sent() {
    assert_eq!(refused("code=c").await, LoginError::MissingState);
    assert_eq!(refused("code=c&state=").await, LoginError::MissingState);
    assert_eq!(refused("code=c&state=other").await, LoginError::StateMismatch);
    assert_eq!(refused("code=c&state=STATEx").await, LoginError::StateMismatch);
    assert_eq!(
        refused("code=c&state=STATE&state=STATE").await,
        LoginError::DuplicateParameter("state".to_owned())
    );
    assert_eq!(refused("code=c&code=d&state=STATE").await, LoginError::DuplicateParameter("code".to_owned()));
    assert_eq!(refused("state=STATE").await, LoginError::MissingCode);
    assert_eq!(refused("code=&state=STATE").await, LoginError::MissingCode);
    assert_eq!(refused("").await, LoginError::MissingState);
    for iss in ["https://evil.example", "https://as.example/", "HTTPS://as.example", ""] {
        assert_eq!(
            refused(&format!("code=c&state=STATE&iss={iss}")).await,
            LoginError::IssuerMismatch,
            "{iss}"
        );
    }
}

#[tokio::test]
async fn cb_04_an_error_is_told_only_to_who_holds_the_state_and_beats_a_code() {
    assert_eq!(refused("error=access_denied&state=other").await, LoginError::StateMismatch);
    for query in [
        "error=access_denied&error_description=no&state=STATE",
        "error=access_denied&error_description=no&code=c&state=STATE",
        // Facebook's names.
        "error_code=access_denied&error_message=no&state=STATE",
    ] {
        let LoginError::Refused(error) = refused(query).await else { panic!("{query}") };
        assert_eq!((&*error.code, error.description.as_deref()), ("access_denied", Some("no")));
    }
}

#[tokio::test]
async fn az_17_an_attempt_expires_and_belongs_to_one_provider() {
    let http = Script::default();
    let client = client(&http);
    let attempt = begun(&client).await;
    let callback = || Callback::from_query(&format!("code=c&state={}", attempt.state()));
    for age in [601, -120, i64::MAX] {
        let mut stored = serde_json::to_value(&attempt).unwrap();
        let started = stored["started_at"].as_i64().unwrap().saturating_sub(age);
        stored["started_at"] = started.into();
        let old: LoginAttempt = serde_json::from_value(stored).unwrap();
        let error = client.finish_login(old, callback()).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Login(LoginError::Expired)), "{age}: {error}");
        assert_eq!(error.class(), ErrorClass::Reauthorize);
    }
    let error =
        client.clone().with_name("other").finish_login(attempt.clone(), callback()).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Login(LoginError::OtherProvider { .. })), "{error}");
    assert_eq!(http.requests().len(), 0);
}

#[tokio::test]
async fn cb_07_a_provider_that_announces_its_issuer_must_name_it() {
    let http = Script::default();
    let client = client(&http).require_callback_issuer();
    let attempt = begun(&client).await;
    let callback = Callback::from_query(&format!("code=c&state={}", attempt.state()));
    let error = client.finish_login(attempt, callback).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Login(LoginError::MissingIssuer)), "{error}");
}

#[tokio::test]
async fn a_shopify_callback_must_be_signed_and_come_from_the_shop() {
    // Signed with `printf %s "$query without hmac" | openssl dgst -sha256 -hmac API-SECRET`, see below.
    let http = Script::default();
    let client = ShopifyOAuth2::new("key", "hush", "some-shop").unwrap().with_http_client(http.clone());
    let signed = "code=0907a61c0c8d55e99db179b68161bc00&shop=some-shop.myshopify.com&timestamp=1337178173";
    let attempt = client.start_login("https://app.example/cb", LoginOptions::new()).await.unwrap().attempt;
    for query in [
        format!("{signed}&state={}", attempt.state()),
        format!("{signed}&state={}&hmac=", attempt.state()),
        format!("{signed}&state={}&hmac={}", attempt.state(), "0".repeat(64)),
    ] {
        let error = client.finish_login(attempt.clone(), Callback::from_query(&query)).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Login(LoginError::ProviderCheck(_))), "{error}");
    }
    let public = ShopifyOAuth2::new("key", ClientSecret::NONE, "some-shop").unwrap();
    let attempt = public.start_login("https://app.example/cb", LoginOptions::new()).await.unwrap().attempt;
    let query = format!("{signed}&state={}&hmac=00", attempt.state());
    assert!(public.finish_login(attempt, Callback::from_query(&query)).await.is_err());
    assert_eq!(http.requests().len(), 0);
}

#[tokio::test]
async fn a_shopify_callback_is_checked_by_shopifys_own_example() {
    // The vector of Shopify's documentation: secret `hush`, and this message, which has its own state.
    let message = "code=0907a61c0c8d55e99db179b68161bc00&shop=some-shop.myshopify.com&state=0.6784241404160823&timestamp=1337178173";
    let hmac = "700e2dadb827fcc8609e9d5ce208b2e9cdaab9df07390d2cbca10d7c328fc4bf";
    let client = ShopifyOAuth2::new("key", "hush", "some-shop").unwrap();
    let other_shop = ShopifyOAuth2::new("key", "hush", "other-shop").unwrap();
    let attempt = client.start_login("https://app.example/cb", LoginOptions::new()).await.unwrap().attempt;
    let callback = |query: &str| Callback::from_query(query);
    let signed = callback(&format!("{message}&hmac={hmac}"));
    client.check_callback(&attempt, &signed).await.unwrap();
    other_shop.check_callback(&attempt, &signed).await.unwrap_err();
    let tampered = callback(&format!("{}&hmac={hmac}", message.replace("0907", "0908")));
    client.check_callback(&attempt, &tampered).await.unwrap_err();
}

#[tokio::test]
async fn a_whole_url_that_is_read_as_a_query_is_told_to_use_from_url() {
    for url in [
        "https://app.example/callback?code=c&state=STATE",
        "https://app.example/callback?state=STATE&code=c",
        "http://localhost:8080/callback#code=c&state=STATE",
        "com.example.app://callback?code=c&state=STATE",
        "/callback?code=c&state=STATE",
        " https://app.example/callback",
    ] {
        assert_eq!(refused(url).await, LoginError::NotAQuery, "{url}");
    }
    assert!(LoginError::NotAQuery.to_string().contains("use from_url"));
    // What has such a text as a value, or a name of its own in front, is a query.
    for query in [
        "code=c&state=STATE&iss=https://as.example",
        "?code=c&state=STATE",
        "next=/a?b&code=c&state=STATE",
        "/a&code=c&state=STATE",
    ] {
        let http = Script::json(200, &json!({"access_token": "AT"}));
        let client = client(&http);
        let attempt = begun(&client).await;
        let callback = Callback::from_query(&query.replace("STATE", attempt.state()));
        client.finish_login(attempt, callback).await.unwrap_or_else(|error| panic!("{query}: {error}"));
    }
}

#[test]
fn what_a_login_prints_is_no_secret() {
    let callback = Callback::from_query("code=THE-CODE&state=THE-STATE&id_token=THE-TOKEN");
    let shown = format!("{callback:?}");
    assert!(shown.contains("code") && !shown.contains("THE-"), "{shown}");
}

#[tokio::test]
async fn cb_10_a_code_goes_to_no_other_server_of_the_same_name() {
    let http = Script::default();
    let honest = client(&http);
    let attempt = begun(&honest).await;
    let callback = Callback::from_query(&format!("code=c&state={}&iss=https://as.example", attempt.state()));
    let evil = OAuth2::new("id", "secret", "https://evil.example/authorize", "https://evil.example/token")
        .with_name("acme")
        .with_http_client(http.clone())
        .with_issuer("https://evil.example");
    let error = evil.finish_login(attempt, callback).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Login(LoginError::OtherProvider { .. })), "{error}");
    assert_eq!(http.requests().len(), 0);
}

#[tokio::test]
async fn what_a_callback_says_cannot_forge_a_log() {
    let long = "y".repeat(5000);
    let query = format!("error=x%0aFAKE+LINE%1b[2J&error_description={long}&state=STATE");
    let LoginError::Refused(error) = refused(&query).await else { panic!() };
    assert_eq!(error.code, "x FAKE LINE [2J");
    assert!(error.to_string().len() < 500);
}

#[tokio::test]
async fn empty_parameters_count_as_absent_and_facebooks_names_do_not_spoil_a_code() {
    for extra in ["&error=", "&error=ok", "&error=0", "&error_code=200", "&iss=https://as.example"] {
        let http = Script::json(200, &json!({"access_token": "AT"}));
        let client = client(&http);
        let attempt = begun(&client).await;
        let callback = Callback::from_query(&format!("code=c&state={}{extra}", attempt.state()));
        client.finish_login(attempt, callback).await.unwrap_or_else(|error| panic!("{extra}: {error}"));
    }
}

#[tokio::test]
async fn nobody_can_sign_a_shopify_callback_with_an_empty_secret() {
    let shopify = ShopifyOAuth2::new("key", "", "Some-Shop").unwrap().with_http_client(Script::default());
    let attempt = shopify.start_login("https://app.example/cb", LoginOptions::new()).await.unwrap().attempt;
    let message = format!("code=c&shop=some-shop.myshopify.com&state={}", attempt.state());
    let query = format!("{message}&hmac={}", oauth_clients::provider_kit::hmac_sha256_hex("", &message));
    let error = shopify.finish_login(attempt, Callback::from_query(&query)).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Login(LoginError::ProviderCheck(_))), "{error}");
}
