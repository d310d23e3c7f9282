//! The authorization endpoint and the way back.

use crate::*;

#[tokio::test]
async fn authorization_requests_that_cannot_be_trusted_stay_on_the_page() {
    let lab = Lab::new().await;
    let mut twice = OPENID.params();
    twice.push(("state".into(), "other".into()));
    let mut cases =
        vec![twice, without(OPENID.params(), "client_id"), without(OPENID.params(), "redirect_uri")];
    for (name, value) in [
        ("client_id", "nobody"),
        ("redirect_uri", "/callback"),
        ("redirect_uri", "https://app.example/callback#fragment"),
    ] {
        let mut params = OPENID.params();
        set(&mut params, name, value);
        cases.push(params);
    }
    for params in cases {
        let reply = lab.authorize(&OPENID, &params).await;
        assert_eq!(reply.status(), 400, "{params:?}");
        assert!(reply.headers().get("location").is_none());
    }
}

#[tokio::test]
async fn other_authorization_errors_go_to_the_callback() {
    let lab = Lab::new().await;
    let change = |case: Case, name: &'static str, value: &'static str| {
        let mut params = case.params();
        set(&mut params, name, value);
        (case, params)
    };
    let drop = |case: Case, name: &'static str| (case, without(case.params(), name));
    let cases = [
        (change(OPENID, "response_type", "token"), "unsupported_response_type"),
        (drop(OPENID, "response_type"), "invalid_request"),
        (drop(OPENID, "scope"), "invalid_request"),
        (change(OPENID, "code_challenge_method", "plain"), "invalid_request"),
        (drop(OPENID, "code_challenge_method"), "invalid_request"),
        (change(OPENID, "code_challenge", "short"), "invalid_request"),
        (change(OPENID, "scope", "openid,email"), "invalid_scope"),
        (change(OPENID, "response_mode", "web_message"), "invalid_request"),
        (change(FACEBOOK, "scope", "email public_profile"), "invalid_scope"),
        (change(KAKAO, "scope", "profile_nickname account_email"), "invalid_scope"),
        (change(SHOPIFY, "scope", "read_customers read_orders"), "invalid_scope"),
        (drop(FRANCECONNECT, "nonce"), "invalid_request"),
        (drop(FRANCECONNECT, "acr_values"), "invalid_request"),
        (drop(FRANCECONNECT_1, "nonce"), "invalid_request"),
        (change(FRANCECONNECT, "code_challenge_method", "S256"), "invalid_request"),
        (drop(NAVER, "state"), "invalid_request"),
    ];
    for ((case, params), code) in cases {
        let reply = lab.authorize(&case, &params).await;
        assert_eq!(reply.status(), 302, "{} {params:?}", case.provider);
        assert_eq!(callback(&reply)["error"], code, "{} {params:?}", case.provider);
    }
}

#[tokio::test]
async fn the_consent_page_is_bound_to_its_browser_and_used_once() {
    let lab = Lab::new().await;
    let page = lab.authorize(&OPENID, &OPENID.params()).await;
    let cookie = page.headers()["set-cookie"].to_str().unwrap().to_owned();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
    let html = page.text().await.unwrap();
    assert!(!html.contains("<script") && html.contains("prefers-color-scheme"));
    let mut form = hidden(&html);
    form.insert("user".into(), "1815121018521127".into());
    form.insert("decision".into(), "allow".into());
    let url = format!("{}/.consent", lab.emulator.origin());
    let status = |client: &Client, form: &Fields| {
        let request = client.post(&url).form(form);
        async { request.send().await.unwrap().status() }
    };
    assert_eq!(status(&lab.backend, &form).await, 400, "no cookie");
    let forged = Fields::from_iter(form.clone().into_iter().map(|(name, value)| {
        let value = if name == "csrf" { "forged".into() } else { value };
        (name, value)
    }));
    assert_eq!(status(&lab.browser, &forged).await, 400, "wrong csrf");
    assert_eq!(status(&lab.browser, &form).await, 303);
    assert_eq!(status(&lab.browser, &form).await, 400, "answered before");
}

#[tokio::test]
async fn refusal_is_told_in_the_providers_form() {
    let lab = Lab::new().await;
    let denied = lab.answer(lab.authorize(&OPENID, &OPENID.params()).await, "deny").await;
    assert_eq!((denied["error"].as_str(), denied["state"].as_str()), ("access_denied", STATE));
    assert_eq!(denied["iss"], "https://openid.example");
    let facebook = lab.answer(lab.authorize(&FACEBOOK, &FACEBOOK.params()).await, "deny").await;
    assert_eq!(facebook["error_reason"], "user_denied");
    lab.emulator.fault("google", Fault::Deny).unwrap();
    let google = lab.answer(lab.authorize(&GOOGLE, &GOOGLE.params()).await, "allow").await;
    assert!(google.contains_key("error") && !google.contains_key("code"));
}

#[tokio::test]
async fn iss_is_sent_by_the_providers_that_send_it() {
    let lab = Lab::new().await;
    let issuers = [
        (OPENID, "https://openid.example"),
        (DISCORD, "https://discord.com"),
        (FRANCECONNECT, "https://oidc.franceconnect.gouv.fr/api/v2"),
        (GITHUB, "https://github.com/login/oauth"),
    ];
    for (case, issuer) in issuers {
        assert_eq!(lab.code(&case).await["iss"], issuer);
    }
    assert!(!lab.code(&FACEBOOK).await.contains_key("iss"));
    lab.emulator.fault("openid", Fault::WrongIssuer).unwrap();
    assert_ne!(lab.code(&OPENID).await["iss"], "https://openid.example");
}

#[tokio::test]
async fn the_shopify_callback_is_signed() {
    let lab = Lab::new().await;
    let mut callback = lab.code(&SHOPIFY).await;
    assert_eq!(callback["shop"], "tea-house.myshopify.com");
    let signature = callback.remove("hmac").unwrap();
    let mut pairs: Vec<String> = callback.iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.sort();
    let key = hmac::Key::new(hmac::HMAC_SHA256, SHOPIFY.secret().as_bytes());
    let expected: String =
        hmac::sign(&key, pairs.join("&").as_bytes()).as_ref().iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(signature, expected);
}

#[tokio::test]
async fn the_emulators_browser_tells_a_posted_form_from_a_redirect() {
    let emulator =
        Emulator::builder().user(User::default().with_name("A & <B> \"C\"")).start().await.unwrap();
    let query = |case: &Case| {
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(case.params()).finish();
        format!("{}?{}", case.authorize, query.replace('+', "%20"))
    };
    let arrival = emulator.browse(&query(&APPLE), Consent::Allow).await.unwrap();
    assert!(!format!("{arrival:?}").contains(STATE), "{arrival:?}");
    let Arrival::Post { url, form } = &arrival else { panic!("{arrival:?}") };
    assert_eq!(url, REDIRECT);
    let fields: Fields = form_urlencoded::parse(form.as_bytes()).into_owned().collect();
    assert_eq!(fields["state"], STATE);
    let user: Value = serde_json::from_str(&fields["user"]).unwrap();
    assert_eq!(user["name"], json!({"firstName": "A", "lastName": "& <B> \"C\""}));
    assert_eq!(arrival.clone().into_url(), format!("{REDIRECT}&{form}"));

    let denied = emulator.browse(&query(&APPLE), Consent::Deny).await.unwrap().into_url();
    assert!(denied.starts_with(&format!("{REDIRECT}&error=user_cancelled_authorize&state=")), "{denied}");
    let other = emulator.browse(&query(&OPENID), Consent::Allow).await.unwrap();
    assert!(matches!(&other, Arrival::Get(url) if url.starts_with(REDIRECT)), "{other:?}");
    // The mode is the application's to choose where a provider has both.
    let posting = Case { extra: &[("response_mode", "form_post")], ..OPENID };
    let other = emulator.browse(&query(&posting), Consent::Allow).await.unwrap();
    assert!(matches!(&other, Arrival::Post { form, .. } if form.contains("iss=")), "{other:?}");
}
