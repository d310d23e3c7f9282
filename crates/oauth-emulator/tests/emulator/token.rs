//! The token endpoint.

use crate::*;

#[tokio::test]
async fn token_replies_are_in_the_providers_dialect() {
    let lab = Lab::new().await;
    let github = lab.sign_in(&GITHUB).await;
    assert_eq!((&github["scope"], &github["token_type"]), (&json!("read:user,user:email"), &json!("bearer")));
    assert!(github.get("expires_in").is_none());
    assert_eq!(lab.sign_in(&NAVER).await["expires_in"], json!("3600"));
    let linkedin = lab.sign_in(&LINKEDIN).await;
    assert!(linkedin.get("token_type").is_none());
    let shopify = lab.sign_in(&SHOPIFY).await;
    assert_eq!(shopify.as_object().unwrap().keys().collect::<Vec<_>>(), ["access_token", "scope"]);
    let online = lab.sign_in(&Case { extra: &[("grant_options[]", "per-user")], ..SHOPIFY }).await;
    assert_eq!(online["associated_user"]["email"], "ada@example.com");
    let google = lab.sign_in(&GOOGLE).await;
    assert!(google["scope"].as_str().unwrap().contains("https://www.googleapis.com/auth/userinfo.email"));
    assert!(lab.sign_in(&Case { extra: &[], ..GOOGLE }).await.get("refresh_token").is_none());
    let microsoft = lab.sign_in(&MICROSOFT).await;
    assert_eq!(microsoft["ext_expires_in"], microsoft["expires_in"]);
    assert!(lab.sign_in(&Case { scope: "User.Read", ..MICROSOFT }).await.get("refresh_token").is_none());
    assert!(lab.sign_in(&Case { extra: &[], ..REDDIT }).await.get("refresh_token").is_none());
    assert!(lab.sign_in(&KAKAO).await["refresh_token_expires_in"].is_number());

    let code = lab.code(&GITHUB).await.remove("code").unwrap();
    let form = GITHUB.form(&code);
    let plain =
        lab.backend.post(lab.emulator.local(GITHUB.token)).basic_auth(GITHUB.id(), Some(GITHUB.secret()));
    let reply = plain.form(&form).send().await.unwrap();
    assert!(
        reply.headers()["content-type"].to_str().unwrap().starts_with("application/x-www-form-urlencoded")
    );
    assert!(reply.text().await.unwrap().contains("access_token=gho_"));
}

#[tokio::test]
async fn the_token_endpoint_takes_a_posted_form_and_one_client_authentication() {
    let lab = Lab::new().await;
    let url = lab.emulator.local(OPENID.token);
    let form = OPENID.form("none");
    let (id, secret) = (OPENID.id(), OPENID.secret());
    let with = |extra: &[(&str, &str)]| {
        let mut form = form.clone();
        form.extend(extra.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        form
    };
    assert_eq!(lab.backend.get(&url).send().await.unwrap().status(), 405);

    let post = |url: &str| lab.backend.post(url);
    let refused = [
        (post(&url).basic_auth(&id, Some(&secret)).json(&json!({"code": "none"})), 400, "invalid_request"),
        (post(&url).form(&form), 401, "invalid_client"),
        (post(&url).basic_auth(&id, Some("wrong")).form(&form), 401, "invalid_client"),
        (post(&url).header("authorization", "Basic !!!").form(&form), 401, "invalid_client"),
        (post(&url).form(&with(&[("client_id", &id)])), 401, "invalid_client"),
        (
            post(&url)
                .basic_auth(&id, Some(&secret))
                .form(&with(&[("client_id", &id), ("client_secret", &secret)])),
            400,
            "invalid_request",
        ),
        (
            post(&url).basic_auth(&id, Some(&secret)).form(&with(&[("client_id", "other")])),
            400,
            "invalid_request",
        ),
        (post(&url).basic_auth(&id, Some(&secret)).form(&with(&[("code", "again")])), 400, "invalid_request"),
        (
            post(&format!("{url}?client_secret={secret}")).basic_auth(&id, Some(&secret)).form(&form),
            400,
            "invalid_request",
        ),
        (
            post(&url).basic_auth(&id, Some(&secret)).form(&[("grant_type", "password")]),
            400,
            "unsupported_grant_type",
        ),
        (post(&url).basic_auth(&id, Some(&secret)).form(&[("code", "x")]), 400, "invalid_request"),
        (post(&url).basic_auth(&id, Some(&secret)).form(&form), 400, "invalid_grant"),
    ];
    for (at, (request, status, code)) in refused.into_iter().enumerate() {
        let (found, body) = json(request.send().await.unwrap()).await;
        assert_eq!((found.as_u16(), body["error"].as_str().unwrap()), (status, code), "case {at}: {body}");
    }
}

#[tokio::test]
async fn basic_credentials_are_form_decoded() {
    let app =
        App::default().with_client_id("id with:colon").with_client_secret(Some("s3cret+/=:%~ &?ü".into()));
    let lab = Lab::with(Emulator::builder().app("openid", app.clone()).start().await.unwrap());
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let mut params = OPENID.params();
    set(&mut params, "client_id", &app.client_id);
    for (id, secret, expected) in [
        (encode(&app.client_id), encode(app.client_secret.as_deref().unwrap()), 200),
        (encode(&app.client_id), app.client_secret.clone().unwrap(), 401),
    ] {
        let code = lab.answer(lab.authorize(&OPENID, &params).await, "allow").await.remove("code").unwrap();
        let request = lab.backend.post(lab.emulator.local(OPENID.token)).basic_auth(id, Some(secret));
        assert_eq!(request.form(&OPENID.form(&code)).send().await.unwrap().status(), expected);
    }
}

#[tokio::test]
async fn each_provider_takes_only_its_own_client_authentication() {
    let lab = Lab::new().await;
    // Whether Basic, and whether the form, is accepted.
    let accepted = [
        (OPENID, true, true),
        (DISCORD, true, true),
        (FACEBOOK, false, true),
        (FRANCECONNECT, false, true),
        (GITHUB, true, true),
        (GOOGLE, true, true),
        (KAKAO, false, true),
        (LINKEDIN, false, true),
        (MICROSOFT, false, true),
        (NAVER, false, true),
        (OKTA, true, true),
        (REDDIT, true, false),
        (SHOPIFY, false, true),
    ];
    for (case, basic, post) in accepted {
        for (by_basic, expected) in [(true, basic), (false, post)] {
            let case = Case { basic: by_basic, ..case };
            let code = lab.code(&case).await.remove("code").unwrap();
            let (_, body) = json(lab.token(&case, &case.form(&code)).send().await.unwrap()).await;
            assert_eq!(
                body.get("access_token").is_some(),
                expected,
                "{} basic={by_basic}: {body}",
                case.provider
            );
        }
    }
}

#[tokio::test]
async fn an_application_can_have_its_own_rules() {
    let app = App::default()
        .with_client_id("okta-client-id")
        .with_client_secret(Some("okta-client-secret".into()))
        .with_redirect_uris(["https://app.example/only"])
        .with_client_auth([ClientAuthMethod::Post]);
    let lab = Lab::with(Emulator::builder().app("okta", app).start().await.unwrap());
    assert_eq!(lab.authorize(&OKTA, &OKTA.params()).await.status(), 400, "unregistered redirect URI");
    let (status, _) = json(lab.token(&OKTA, &OKTA.form("x")).send().await.unwrap()).await;
    assert_eq!(status, 401, "Basic is not this application's method");
    assert!(Emulator::builder().app("nobody", App::default()).start().await.is_err());
}

#[tokio::test]
async fn a_public_client_needs_pkce() {
    let app = App::default().with_client_id("openid-client-id");
    let lab = Lab::with(Emulator::builder().app("openid", app).start().await.unwrap());
    let bare = Case { pkce: false, ..OPENID };
    assert_eq!(callback(&lab.authorize(&bare, &bare.params()).await)["error"], "invalid_request");
    let code = lab.code(&OPENID).await.remove("code").unwrap();
    let mut form = OPENID.form(&code);
    form.push(("client_id".into(), OPENID.id()));
    let reply = lab.backend.post(lab.emulator.local(OPENID.token)).form(&form).send().await.unwrap();
    assert_eq!(reply.status(), 200);
}

#[tokio::test]
async fn a_code_is_bound_to_its_request_and_used_once() {
    let lab = Lab::new().await;
    for (name, value) in [
        ("redirect_uri", Some("https://app.example/callback?tenant=1&")),
        ("redirect_uri", None),
        ("code_verifier", Some("aBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")),
        ("code_verifier", None),
    ] {
        let code = lab.code(&OPENID).await.remove("code").unwrap();
        let mut form = without(OPENID.form(&code), name);
        form.extend(value.map(|value| (name.to_owned(), value.to_owned())));
        let (status, body) = json(lab.token(&OPENID, &form).send().await.unwrap()).await;
        assert_eq!((status.as_u16(), &body["error"]), (400, &json!("invalid_grant")), "{name} {value:?}");
    }
    // A verifier without a challenge (RFC 9700, section 4.8.2).
    let bare = Case { pkce: false, ..OPENID };
    let code = lab.code(&bare).await.remove("code").unwrap();
    let (status, _) = json(lab.token(&OPENID, &OPENID.form(&code)).send().await.unwrap()).await;
    assert_eq!(status, 400);

    let code = lab.code(&OPENID).await.remove("code").unwrap();
    let (_, token) = json(lab.token(&OPENID, &OPENID.form(&code)).send().await.unwrap()).await;
    let userinfo = "https://openid.example/userinfo";
    assert_eq!(lab.get(userinfo, &token).send().await.unwrap().status(), 200);
    let (status, body) = json(lab.token(&OPENID, &OPENID.form(&code)).send().await.unwrap()).await;
    assert_eq!((status.as_u16(), &body["error"]), (400, &json!("invalid_grant")));
    assert_eq!(
        lab.get(userinfo, &token).send().await.unwrap().status(),
        401,
        "the second use revokes the tokens"
    );

    // Another shop's token endpoint.
    let code = lab.code(&SHOPIFY).await.remove("code").unwrap();
    let other = Case { token: "https://coffee-house.myshopify.com/admin/oauth/access_token", ..SHOPIFY };
    assert_eq!(lab.token(&other, &SHOPIFY.form(&code)).send().await.unwrap().status(), 400);
}

#[tokio::test]
async fn linkedin_refuses_a_code_verifier() {
    let lab = Lab::new().await;
    let code = lab.code(&LINKEDIN).await.remove("code").unwrap();
    let mut form = LINKEDIN.form(&code);
    form.push(("code_verifier".into(), VERIFIER.into()));
    let (status, body) = json(lab.token(&LINKEDIN, &form).send().await.unwrap()).await;
    assert_eq!((status.as_u16(), &body["error"]), (401, &json!("invalid_client")));
}

#[tokio::test]
async fn errors_are_in_the_providers_form() {
    let lab = Lab::new().await;
    let bad_code = |case: Case| {
        let request = lab.token(&case, &case.form("unknown"));
        async { json(request.send().await.unwrap()).await }
    };
    let (status, body) = bad_code(GITHUB).await;
    assert_eq!((status.as_u16(), &body["error"]), (200, &json!("bad_verification_code")));
    assert!(body["error_uri"].is_string());
    let (status, body) = bad_code(FACEBOOK).await;
    assert_eq!((status.as_u16(), &body["error"]["type"]), (400, &json!("OAuthException")));
    let (status, body) = bad_code(MICROSOFT).await;
    assert_eq!(
        (status.as_u16(), &body["error"], &body["error_codes"]),
        (400, &json!("invalid_grant"), &json!([70008]))
    );
    let (status, body) = bad_code(NAVER).await;
    assert_eq!((status.as_u16(), &body["error"]), (200, &json!("invalid_request")));
    let (status, body) = bad_code(REDDIT).await;
    assert_eq!((status.as_u16(), &body["error"]), (200, &json!("invalid_grant")));
    let (status, body) = bad_code(KAKAO).await;
    assert_eq!((status.as_u16(), &body["error_code"]), (400, &json!("KOE320")));

    let wrong_secret = [("client_id", "github-client-id"), ("client_secret", "wrong"), ("code", "x")];
    let request = lab.backend.post(lab.emulator.local(GITHUB.token)).header("accept", "application/json");
    let (status, body) = json(request.form(&wrong_secret).send().await.unwrap()).await;
    assert_eq!((status.as_u16(), &body["error"]), (200, &json!("incorrect_client_credentials")));
    let form =
        [("grant_type".to_owned(), "refresh_token".to_owned()), ("refresh_token".to_owned(), "x".to_owned())];
    let (_, body) = json(lab.token(&GITHUB, &form).send().await.unwrap()).await;
    assert_eq!(body["error"], "bad_refresh_token");
}

#[tokio::test]
async fn refresh_tokens_rotate_where_the_provider_rotates_them() {
    let lab = Lab::new().await;
    let refresh = |case: Case, secret: Value, scope: Option<&str>| {
        let mut form = vec![
            ("grant_type".to_owned(), "refresh_token".to_owned()),
            ("refresh_token".to_owned(), secret.as_str().unwrap().to_owned()),
        ];
        form.extend(scope.map(|scope| ("scope".to_owned(), scope.to_owned())));
        let request = lab.token(&case, &form);
        async { json(request.send().await.unwrap()).await }
    };
    let first = lab.sign_in(&OPENID).await;
    let (_, body) = refresh(OPENID, first["refresh_token"].clone(), Some("openid admin")).await;
    assert_eq!(body["error"], "invalid_scope");
    let (_, second) = refresh(OPENID, first["refresh_token"].clone(), Some("openid")).await;
    assert_eq!(second["scope"], "openid");
    assert_ne!(second["refresh_token"], first["refresh_token"]);
    let (status, body) = refresh(OPENID, first["refresh_token"].clone(), None).await;
    assert_eq!((status.as_u16(), &body["error"]), (400, &json!("invalid_grant")));
    let (status, _) = refresh(OPENID, second["refresh_token"].clone(), None).await;
    assert_eq!(status, 400, "reuse of the old one ended the authorization");

    let google = lab.sign_in(&GOOGLE).await;
    for _ in 0..2 {
        let (status, fresh) = refresh(GOOGLE, google["refresh_token"].clone(), None).await;
        assert_eq!((status.as_u16(), fresh.get("refresh_token")), (200, None));
    }

    let steady = Lab::with(Emulator::builder().rotate_refresh_tokens(false).start().await.unwrap());
    let token = steady.sign_in(&OPENID).await;
    let form = [
        ("grant_type".to_owned(), "refresh_token".to_owned()),
        ("refresh_token".to_owned(), token["refresh_token"].as_str().unwrap().to_owned()),
    ];
    let (_, fresh) = json(steady.token(&OPENID, &form).send().await.unwrap()).await;
    assert!(fresh.get("refresh_token").is_none());
}

#[tokio::test]
async fn access_tokens_expire() {
    let lab = Lab::with(Emulator::builder().access_token_lifetime(Duration::ZERO).start().await.unwrap());
    let token = lab.sign_in(&OPENID).await;
    assert_eq!(token["expires_in"], 0);
    assert_eq!(lab.get("https://openid.example/userinfo", &token).send().await.unwrap().status(), 401);
}

#[tokio::test]
async fn a_replaced_refresh_token_is_answered_alike_within_the_grace_and_ends_the_authorization_after_it() {
    let grace = std::time::Duration::from_millis(500);
    let emulator = Emulator::builder().refresh_token_grace(grace).start().await.unwrap();
    let signed_in = emulator.sign_in("oauth2").unwrap();
    let http = reqwest_client(|defaults| defaults).unwrap();
    let refresh = async |refresh_token: &str| {
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh_token)];
        let request = http.post(emulator.local("https://oauth2.example/token")).form(&form);
        let reply =
            request.basic_auth("oauth2-client-id", Some("oauth2-client-secret")).send().await.unwrap();
        reply.json::<Value>().await.unwrap()
    };
    let first = refresh(signed_in.refresh_token().unwrap()).await;
    assert!(first["access_token"].is_string(), "{first}");
    assert_eq!(refresh(signed_in.refresh_token().unwrap()).await, first);
    assert_eq!(emulator.count_requests("oauth2", EmulatedEndpoint::Refresh).unwrap(), 2);
    assert_eq!(emulator.count_requests("oauth2", EmulatedEndpoint::Profile).unwrap(), 0);

    tokio::time::sleep(grace).await;
    assert_eq!(refresh(signed_in.refresh_token().unwrap()).await["error"], "invalid_grant");
    assert_eq!(refresh(first["refresh_token"].as_str().unwrap()).await["error"], "invalid_grant");
}
