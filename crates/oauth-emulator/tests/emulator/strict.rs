//! What the services refuse, and the emulator too.

use crate::{
    more_providers::{AUTHENTIK, LOGIN_GOV, TWITCH, YAHOO},
    *,
};

/// What becomes of a case's request with one parameter changed.
async fn outcome(lab: &Lab, case: &Case, name: &str, value: &str) -> Result<(), String> {
    let mut params = case.params();
    set(&mut params, name, value);
    let reply = lab.authorize(case, &params).await;
    match reply.status().as_u16() {
        200 => Ok(()),
        302 => Err(callback(&reply)["error"].clone()),
        status => Err(status.to_string()),
    }
}

#[tokio::test]
async fn a_redirect_uri_that_a_service_does_not_register_is_refused_on_a_page() {
    let lab = Lab::new().await;
    let lax = Lab::with(Emulator::builder().any_redirect_uri().start().await.unwrap());
    for (case, uri, is_accepted) in [
        (&GOOGLE, "https://app.example/callback", true),
        (&GOOGLE, "http://localhost:8080/callback", true),
        (&GOOGLE, "http://127.0.0.1:8080/callback", true),
        (&GOOGLE, "http://app.example/callback", false),
        (&GOOGLE, "https://192.168.1.7/callback", false),
        (&GOOGLE, "https://intranet/callback", false),
        (&GOOGLE, "https://build.internal/callback", false),
        (&MICROSOFT, "http://app.example/callback", false),
        (&MICROSOFT, "http://localhost:8080/callback", true),
        (&FACEBOOK, "http://app.example/callback", false),
        (&TWITCH, "http://app.example/callback", false),
        (&YAHOO, "https://app.example/callback", true),
        (&YAHOO, "https://app.example:8443/callback", false),
        (&YAHOO, "http://localhost:8080/callback", false),
        (&YAHOO, "https://localhost/callback", false),
        (&OAUTH2, "http://app.example/callback", true),
    ] {
        let expected = if is_accepted { Ok(()) } else { Err("400".to_owned()) };
        assert_eq!(outcome(&lab, case, "redirect_uri", uri).await, expected, "{} {uri}", case.provider);
        assert_eq!(outcome(&lax, case, "redirect_uri", uri).await, Ok(()), "{} {uri}", case.provider);
    }
    let long = format!("https://app.example/{}", "x".repeat(240));
    assert_eq!(outcome(&lab, &MICROSOFT, "redirect_uri", &long).await, Err("400".to_owned()));
}

#[tokio::test]
async fn a_scope_that_a_service_does_not_have_is_refused_or_left_out() {
    let lab = Lab::new().await;
    let lax = Lab::with(Emulator::builder().any_scope().start().await.unwrap());
    for (case, scope, is_accepted) in [
        (&GOOGLE, "openid https://www.googleapis.com/auth/calendar.readonly", true),
        (&GOOGLE, "openid calendar", false),
        (&GOOGLE, "openid https://www.googleapis.com/auth/", false),
        (&DISCORD, "identify guilds.join", true),
        (&DISCORD, "identify guild", false),
        (&OKTA, "openid okta.users.read", true),
        (&OKTA, "openid orders", false),
        (&OAUTH2, "whatever", true),
    ] {
        let expected = if is_accepted { Ok(()) } else { Err("invalid_scope".to_owned()) };
        assert_eq!(outcome(&lab, case, "scope", scope).await, expected, "{} {scope}", case.provider);
        assert_eq!(outcome(&lax, case, "scope", scope).await, Ok(()), "{} {scope}", case.provider);
    }
    let authentik = Case { scope: "openid email nonsense", ..AUTHENTIK };
    assert_eq!(lab.sign_in(&authentik).await["scope"], "openid email");
}

#[tokio::test]
async fn state_and_nonce_must_be_as_long_as_a_service_wants_them() {
    let lab = Lab::new().await;
    for (case, name) in [(&LOGIN_GOV, "state"), (&LOGIN_GOV, "nonce"), (&FRANCECONNECT, "nonce")] {
        let (short, long) = ("x".repeat(21), "x".repeat(22));
        assert_eq!(outcome(&lab, case, name, &short).await, Err("invalid_request".to_owned()), "{name}");
        assert_eq!(outcome(&lab, case, name, &long).await, Ok(()), "{name}");
    }
    assert_eq!(outcome(&lab, &FRANCECONNECT, "ui_locales", "fr").await, Ok(()));
    for prompt in ["none", "select_account", "login none"] {
        let refused = outcome(&lab, &FRANCECONNECT, "prompt", prompt).await;
        assert_eq!(refused, Err("invalid_request".to_owned()), "{prompt}");
    }
}

#[tokio::test]
async fn google_gives_a_refresh_token_where_it_asked_the_user() {
    let lab = Lab::new().await;
    let mut prompting = GOOGLE.params();
    set(&mut prompting, "prompt", "consent");
    let has_refresh_token = async |params: &[(String, String)]| {
        let page = lab.authorize(&GOOGLE, params).await;
        let code = lab.answer(page, "allow").await.remove("code").unwrap();
        let (status, token) = json(lab.token(&GOOGLE, &GOOGLE.form(&code)).send().await.unwrap()).await;
        assert_eq!(status, 200, "{token}");
        token.get("refresh_token").is_some()
    };
    assert!(has_refresh_token(&GOOGLE.params()).await, "the first consent");
    assert!(!has_refresh_token(&GOOGLE.params()).await, "the second sign-in");
    assert!(has_refresh_token(&prompting).await, "prompt=consent");
    let mut more = GOOGLE.params();
    set(&mut more, "scope", "openid profile email https://www.googleapis.com/auth/calendar");
    assert!(has_refresh_token(&more).await, "a new scope");
    assert!(!has_refresh_token(&more).await, "the same scope again");

    let app = App::default_of("google").with_refresh_tokens(true);
    let lax = Lab::with(Emulator::builder().app("google", app).start().await.unwrap());
    for _ in 0..2 {
        assert!(lax.sign_in(&GOOGLE).await.get("refresh_token").is_some());
    }
}

#[tokio::test]
async fn a_scope_that_was_never_granted_needs_consent() {
    let lab = Lab::new().await;
    lab.sign_in(&OPENID).await;
    let mut silent = OPENID.params();
    set(&mut silent, "prompt", "none");
    assert!(callback(&lab.authorize(&OPENID, &silent).await).contains_key("code"));
    set(&mut silent, "scope", "openid email");
    assert!(callback(&lab.authorize(&OPENID, &silent).await).contains_key("code"), "less than was granted");
    set(&mut silent, "scope", "openid email phone");
    assert_eq!(callback(&lab.authorize(&OPENID, &silent).await)["error"], "consent_required");
}

#[tokio::test]
async fn one_providers_tokens_are_unknown_to_another() {
    let lab = Lab::new().await;
    let token = lab.sign_in(&OPENID).await;
    let okta = Case { provider: "okta", ..OKTA };
    for name in ["access_token", "refresh_token"] {
        let token = token[name].as_str().unwrap();
        let form = [("token".to_owned(), token.to_owned())];
        let url = "https://dev-1.okta.com/oauth2/default/v1/introspect";
        let asked = Case { token: url, ..okta };
        let (status, body) = json(lab.token(&asked, &form).send().await.unwrap()).await;
        assert_eq!((status.as_u16(), &body["active"]), (200, &json!(false)), "{name}: {body}");
        // Nor can it revoke them.
        let revoking = Case { token: "https://discord.com/api/oauth2/token/revoke", ..DISCORD };
        assert_eq!(lab.token(&revoking, &form).send().await.unwrap().status(), 200, "{name}");
    }
    let profile = lab.get("https://openid.example/userinfo", &token).send().await.unwrap();
    assert_eq!(profile.status(), 200, "the token is alive at its own provider");
}

#[tokio::test]
async fn a_shop_is_its_owners_whoever_of_the_staff_signs_in() {
    let emulator = Emulator::builder()
        .user(User::default())
        .user(User::default().with_id("2").with_email(Some("staff@example.com".into())))
        .start()
        .await
        .unwrap();
    let mut seen = Vec::new();
    for user in [User::default().id, "2".to_owned()] {
        let shopify = shop_of(&emulator, &user).await;
        seen.push(shopify);
    }
    let [owner, staff] = &seen[..] else { panic!() };
    assert_eq!(owner.0["data"]["shop"], staff.0["data"]["shop"], "one shop");
    assert_eq!((&owner.1["account_owner"], &staff.1["account_owner"]), (&json!(true), &json!(false)));
    assert_ne!(owner.1["id"], staff.1["id"]);
}

/// The shop and the associated user of an online token of this user's.
async fn shop_of(emulator: &Emulator, user: &str) -> (Value, Value) {
    let lab = Lab::with(emulator.clone());
    let mut params = SHOPIFY.params();
    params.push(("grant_options[]".into(), "per-user".into()));
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(&params).finish();
    let url = format!("{}?{query}", SHOPIFY.authorize);
    let arrival = emulator.browse(&url, Consent::AllowAs(user.to_owned())).await.unwrap();
    let callback = arrival.callback();
    let form = SHOPIFY.form(callback.get("code").unwrap());
    let (status, token) = json(lab.token(&SHOPIFY, &form).send().await.unwrap()).await;
    assert_eq!(status, 200, "{token}");
    let url = "https://tea-house.myshopify.com/admin/api/2026-10/graphql.json";
    (lab.profile(url, &token).await, token["associated_user"].clone())
}

#[tokio::test]
async fn only_the_names_of_this_machine_are_answered() {
    let lab = Lab::new().await;
    let port = lab.emulator.origin().rsplit(':').next().unwrap().to_owned();
    let url = lab.emulator.local("https://openid.example/.well-known/openid-configuration");
    for (host, is_answered) in [
        (format!("127.0.0.1:{port}"), true),
        (format!("localhost:{port}"), true),
        (format!("tenant.localhost:{port}"), true),
        (format!("[::1]:{port}"), true),
        (format!("evil.example:{port}"), false),
        (format!("localhost.evil.example:{port}"), false),
        ("192.168.1.7".to_owned(), false),
    ] {
        let reply = lab.backend.get(&url).header("host", &host).send().await.unwrap();
        assert_eq!(reply.status() == 200, is_answered, "{host}: {}", reply.status());
        let consent = format!("{}/.consent", lab.emulator.origin());
        let reply = lab.backend.post(&consent).header("host", &host).send().await.unwrap();
        assert_eq!(reply.status() == 421, !is_answered, "{host}: {}", reply.status());
    }
    assert!(lab.emulator.requests().iter().all(|request| !request.header("host").unwrap().contains("evil")));
}

#[tokio::test]
async fn two_emulators_in_one_browser_do_not_disturb_each_other() {
    let (one, other) = (Lab::new().await, Lab::new().await);
    let other = Lab { browser: one.browser.clone(), ..other };
    let first = one.authorize(&OPENID, &OPENID.params()).await;
    // The same browser signs in at the other one, and then answers the first page.
    other.code(&OPENID).await;
    assert!(one.answer(first, "allow").await.contains_key("code"));
    let mut silent = OPENID.params();
    set(&mut silent, "prompt", "none");
    for lab in [&one, &other] {
        assert!(callback(&lab.authorize(&OPENID, &silent).await).contains_key("code"), "still signed in");
    }
}

#[tokio::test]
async fn of_many_requests_the_latest_are_kept() {
    let lab = Lab::new().await;
    let url = lab.emulator.local("https://openid.example/token");
    // 64 MiB in pieces that one request may have.
    let large = vec![b'x'; 1 << 20];
    for at in 0..70 {
        let request = lab.backend.post(format!("{url}?at={at}")).body(large.clone());
        request.send().await.unwrap();
    }
    let kept = lab.emulator.requests();
    assert!((60..=64).contains(&kept.len()), "{}", kept.len());
    assert_eq!(kept.last().unwrap().query.get("at"), Some("69"));
    lab.emulator.clear_requests();
    assert!(lab.emulator.requests().is_empty());
}

#[test]
fn the_emulator_is_reached_past_the_proxies_of_the_environment() {
    // The environment is a process's own: this test runs itself again in one.
    const PROXIED: &str = "EMULATOR_TEST_BEHIND_A_PROXY";
    if std::env::var_os(PROXIED).is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        return runtime.block_on(async {
            let emulator = Emulator::start().await.unwrap();
            let query =
                form_urlencoded::Serializer::new(String::new()).extend_pairs(OPENID.params()).finish();
            let url = format!("{}?{query}", OPENID.authorize);
            let arrival = emulator.browse(&url, Consent::Allow).await.unwrap();
            assert!(arrival.callback().get("code").is_some());
            let request =
                oauth_core::http::Request::get("https://openid.example/.well-known/openid-configuration");
            let reply = emulator.http_client().unwrap().send(request.body(Default::default()).unwrap()).await;
            assert_eq!(reply.unwrap().status(), 200);
        });
    }
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command.arg("the_emulator_is_reached_past_the_proxies_of_the_environment").env(PROXIED, "1");
    for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"] {
        // Nobody listens there.
        command.env(name, "http://127.0.0.1:1");
    }
    command.env_remove("NO_PROXY").env_remove("no_proxy");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
