//! Whole sign-ins, and what the emulator tells of them.

use crate::*;

#[tokio::test]
async fn every_provider_signs_in() {
    let lab = Lab::new().await;
    for case in ALL.iter().chain(&more_providers::MORE) {
        let token = lab.sign_in(case).await;
        assert_eq!(token.get("refresh_token").is_some(), case.refresh, "{}", case.provider);
        if let Some(refresh_token) = token["refresh_token"].as_str() {
            let form = [
                ("grant_type".to_owned(), "refresh_token".to_owned()),
                ("refresh_token".to_owned(), refresh_token.to_owned()),
            ];
            let (status, fresh) = json(lab.token(case, &form).send().await.unwrap()).await;
            assert_eq!(status, 200, "{}: {fresh}", case.provider);
            assert_ne!(fresh["access_token"], token["access_token"]);
        }
    }
}

#[tokio::test]
async fn a_client_of_a_provider_that_is_not_played_is_refused_at_once() {
    use oauth_core::{ErrorClass, OAuth2};

    let emulator = Emulator::start().await.unwrap();
    let client = OAuth2::new(
        "id",
        "secret",
        "https://nimbus.example/oauth/authorize",
        "https://nimbus.example/oauth/token",
    );
    let error = emulator.connect(client).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Configuration);
    for part in ["serves no https://nimbus.example/oauth/authorize", "it plays", "github", "with_endpoints"] {
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[tokio::test]
async fn unknown_urls_say_what_is_known() {
    let lab = Lab::new().await;
    let reply =
        lab.backend.get(lab.emulator.local("https://github.com/login/oauth/authorise")).send().await.unwrap();
    assert_eq!(reply.status(), 404);
    assert!(reply.text().await.unwrap().contains("https://github.com/login/oauth/authorize"));
    for wrong in [
        "https://api.github.com/login/oauth/authorize",
        "https://github.com/user",
        "https://dev-1.okta.com.evil.example/oauth2/v1/authorize",
        "https://a.b.myshopify.com/admin/oauth/authorize",
        "https://graph.facebook.com/latest/me",
        "https://openid.example/",
    ] {
        assert_eq!(lab.backend.get(lab.emulator.local(wrong)).send().await.unwrap().status(), 404, "{wrong}");
    }
    let enterprise = "https://github.acme.example/login/oauth/authorize";
    assert_eq!(lab.backend.get(lab.emulator.local(enterprise)).send().await.unwrap().status(), 400);
}

#[tokio::test]
async fn requests_are_recorded_and_shown_without_secrets() {
    let lab = Lab::new().await;
    lab.sign_in(&GOOGLE).await;
    let requests = lab.emulator.requests();
    assert_eq!(requests.len(), 2, "the consent form is not a provider's request");
    assert_eq!(requests[0].query.get("response_type"), Some("code"));
    assert_eq!(
        (requests[1].method.as_str(), requests[1].url.as_str()),
        ("POST", "https://oauth2.googleapis.com/token")
    );
    assert_eq!(requests[1].field("client_secret"), Some("google-client-secret"));
    assert_eq!(requests[1].header("accept"), Some("application/json"));
    let shown = format!("{requests:?}");
    assert!(
        shown.contains("client_secret")
            && !shown.contains("google-client-secret")
            && !shown.contains(VERIFIER)
    );
    lab.emulator.clear_requests();
    assert!(lab.emulator.requests().is_empty());
}

#[tokio::test]
async fn several_users_can_be_chosen() {
    let grace = User::default().with_id("1906120919920101").with_name("Grace <Hopper>").with_email(None);
    let lab = Lab::with(Emulator::builder().user(User::default()).user(grace).start().await.unwrap());
    let page = lab.authorize(&OPENID, &OPENID.params()).await.text().await.unwrap();
    assert!(page.contains("Grace &lt;Hopper&gt;"));
    let mut form = hidden(&page);
    form.insert("user".into(), "1906120919920101".into());
    form.insert("decision".into(), "allow".into());
    let reply =
        lab.browser.post(format!("{}/.consent", lab.emulator.origin())).form(&form).send().await.unwrap();
    let code = callback(&reply).remove("code").unwrap();
    let (_, token) = json(lab.token(&OPENID, &OPENID.form(&code)).send().await.unwrap()).await;
    let profile = lab.profile("https://openid.example/userinfo", &token).await;
    assert_eq!((&profile["sub"], profile.get("email")), (&json!("1906120919920101"), None));
}

#[tokio::test]
async fn the_server_stops_with_its_last_handle() {
    let lab = Lab::new().await;
    let clone = lab.emulator.clone();
    let url = format!("{}/nothing", clone.origin());
    drop(lab);
    let client = || reqwest_client(|defaults| defaults.pool_max_idle_per_host(0)).unwrap();
    assert_eq!(client().get(&url).send().await.unwrap().status(), 404);
    drop(clone);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(client().get(&url).send().await.is_err());
}
