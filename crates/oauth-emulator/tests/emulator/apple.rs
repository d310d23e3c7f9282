//! What Apple does in its own way.

use crate::*;

#[tokio::test]
async fn apple_answers_by_a_form() {
    let lab = Lab::new().await;
    let first = lab.code(&APPLE).await;
    let user: Value = serde_json::from_str(&first["user"]).unwrap();
    let expected = json!({"name": {"firstName": "Ada", "lastName": "Lovelace"}, "email": "ada@example.com"});
    assert_eq!(user, expected);
    assert!(!lab.code(&APPLE).await.contains_key("user"), "only the first sign-in tells the name");

    let denied = lab.answer(lab.authorize(&APPLE, &APPLE.params()).await, "deny").await;
    assert_eq!((&*denied["error"], &*denied["state"]), ("user_cancelled_authorize", STATE));
    let mut params = APPLE.params();
    set(&mut params, "scope", "name phone");
    let refused = posted(lab.authorize(&APPLE, &params).await).await;
    assert_eq!((&*refused["error"], &*refused["state"]), ("invalid_scope", STATE));

    // Whoever asks for nothing may have the answer in the URL.
    let params = without(without(APPLE.params(), "response_mode"), "scope");
    let callback = lab.answer(lab.authorize(&APPLE, &params).await, "allow").await;
    assert!(callback.contains_key("code"));
}

#[tokio::test]
async fn apple_refuses_what_apple_refuses() {
    let lab = Lab::new().await;
    for mode in [None, Some("query")] {
        let mut params = without(APPLE.params(), "response_mode");
        params.extend(mode.map(|mode| ("response_mode".to_owned(), mode.to_owned())));
        let reply = lab.authorize(&APPLE, &params).await;
        let callback = callback(&reply);
        assert_eq!(callback["error"], "invalid_request");
        assert!(callback["error_description"].contains("form_post"));
    }
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(APPLE.params()).finish();
    let url = lab.emulator.local(&format!("{}?{query}", APPLE.authorize));
    let refused = posted(lab.browser.get(url).send().await.unwrap()).await;
    assert_eq!(refused["error"], "invalid_scope", "a plus sign is not a space");
    for (redirect_uri, status) in [
        ("http://app.example/callback", 400),
        ("http://localhost:8080/callback", 200),
        ("http://127.0.0.1:8080/callback", 200),
        ("http://[::1]:8080/callback", 200),
        ("http://localhost.evil.example/callback", 400),
    ] {
        let mut params = APPLE.params();
        set(&mut params, "redirect_uri", redirect_uri);
        assert_eq!(lab.authorize(&APPLE, &params).await.status(), status, "{redirect_uri}");
    }
}

#[tokio::test]
async fn apple_takes_only_a_secret_that_the_team_signed() {
    let lab = Lab::new().await;
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let claim = |name: &'static str, value: Value| {
        lab.apple_secret(|_, claims| match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value,
        })
    };
    let (head, signature) = {
        let secret = lab.apple_secret(|_, _| ());
        let (head, signature) = secret.rsplit_once('.').unwrap();
        (head.to_owned(), signature.to_owned())
    };
    let mut secrets = vec![
        "apple-client-secret".to_owned(),
        String::new(),
        format!("{head}."),
        format!("{head}.{}", URL_SAFE_NO_PAD.encode([1; 64])),
        format!(
            "{}.{signature}",
            lab.apple_secret(|_, claims| claims["x"] = json!(1)).rsplit_once('.').unwrap().0
        ),
        lab.apple_secret(|header, _| header.kid = None),
        lab.apple_secret(|header, _| header.kid = Some("OTHERKEY01".to_owned())),
        Lab::new().await.apple_secret(|_, _| ()),
    ];
    for (name, value) in [
        ("iss", json!("OTHERTEAM1")),
        ("sub", json!("other-client-id")),
        ("aud", json!("https://appleid.apple.example")),
        ("exp", json!(now - 120)),
        ("exp", json!(now + 15_777_000 + 60)),
        ("iat", json!(now + 120)),
        ("iss", Value::Null),
        ("sub", Value::Null),
        ("aud", Value::Null),
        ("exp", Value::Null),
        ("iat", Value::Null),
    ] {
        secrets.push(claim(name, value));
    }
    let code = lab.code(&APPLE).await.remove("code").unwrap();
    let redeem = |secret: String| {
        let mut form = APPLE.form(&code);
        form.extend([("client_id".to_owned(), APPLE.id()), ("client_secret".to_owned(), secret)]);
        let request = lab.backend.post(lab.emulator.local(APPLE.token)).form(&form);
        async { json(request.send().await.unwrap()).await }
    };
    for (at, secret) in secrets.into_iter().enumerate() {
        let (status, body) = redeem(secret).await;
        assert_eq!((status.as_u16(), &body["error"]), (400, &json!("invalid_client")), "case {at}: {body}");
    }
    let (status, body) = redeem(claim("exp", json!(now + 15_776_000))).await;
    assert_eq!(status, 200, "the code is as good as before, and six months are allowed: {body}");
    assert!(!format!("{:?}", lab.emulator.apple_key()).contains("PRIVATE"));
}

#[tokio::test]
async fn apple_tells_who_signed_in_by_id_tokens_alone() {
    let relay = User::default()
        .with_id("2")
        .with_email(Some("abc@privaterelay.appleid.com".into()))
        .with_email_verified(false);
    for (user, verified, private) in [(User::default(), "true", "false"), (relay, "false", "true")] {
        let lab = Lab::with(Emulator::builder().user(user.clone()).start().await.unwrap());
        let first = lab.sign_in(&APPLE).await;
        let names: Vec<_> = first.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names, ["access_token", "expires_in", "id_token", "refresh_token", "token_type"]);
        let keys = keys(&lab, "https://appleid.apple.com/auth/keys").await;
        let read = |token: &Value| {
            claims(token["id_token"].as_str().unwrap(), &keys, Algorithm::RS256, &APPLE.id()).unwrap()
        };
        let told = read(&first);
        assert_eq!((&told["iss"], &told["sub"]), (&json!("https://appleid.apple.com"), &json!(user.id)));
        assert_eq!((&told["email_verified"], &told["is_private_email"]), (&json!(verified), &json!(private)));
        assert_eq!((&told["email"], &told["nonce"]), (&json!(user.email), &json!(NONCE)));
        assert!(told.get("name").is_none());

        let refresh = [
            ("grant_type".to_owned(), "refresh_token".to_owned()),
            ("refresh_token".to_owned(), first["refresh_token"].as_str().unwrap().to_owned()),
        ];
        let (_, second) = json(lab.token(&APPLE, &refresh).send().await.unwrap()).await;
        assert!(second.get("refresh_token").is_none());
        assert_eq!(read(&second)["sub"], told["sub"]);
        assert!(read(&second).get("nonce").is_none());

        let revoke = Case { token: "https://appleid.apple.com/auth/revoke", ..APPLE };
        let form = [("token".to_owned(), second["access_token"].as_str().unwrap().to_owned())];
        assert_eq!(lab.token(&revoke, &form).send().await.unwrap().status(), 200);
        let (status, body) = json(lab.token(&APPLE, &refresh).send().await.unwrap()).await;
        assert_eq!((status.as_u16(), &body["error"]), (400, &json!("invalid_grant")));
        // With the authorization gone, the next sign-in is a first one.
        assert!(lab.code(&APPLE).await.contains_key("user"));
    }
}
