//! Profiles, and who may read them.

use crate::*;

#[tokio::test]
async fn profiles_have_the_providers_shapes() {
    let lab = Lab::new().await;
    let id = "1815121018521127";
    let number: u64 = id.parse().unwrap();
    let expect: [Expected<'_>; 16] = [
        (OPENID, "https://openid.example/userinfo", &[("/sub", json!(id)), ("/email_verified", json!(true))]),
        (
            OAUTH2,
            "https://oauth2.example/profile",
            &[("/id", json!(id)), ("/email", json!("ada@example.com"))],
        ),
        (
            DISCORD,
            "https://discord.com/api/users/@me",
            &[
                ("/id", json!(id)),
                ("/email", json!("ada@example.com")),
                ("/verified", json!(true)),
                ("/username", json!("ada")),
            ],
        ),
        (
            FACEBOOK,
            "https://graph.facebook.com/v26.0/me?fields=id,email,picture",
            &[
                ("/id", json!(id)),
                ("/email", json!("ada@example.com")),
                ("/picture/data/url", json!("https://example.com/ada.png")),
                ("/name", Value::Null),
            ],
        ),
        (FRANCECONNECT_1, "https://app.franceconnect.gouv.fr/api/v1/userinfo", &[("/sub", json!(id))]),
        (
            GITHUB,
            "https://api.github.com/user",
            &[("/id", json!(number)), ("/email", Value::Null), ("/login", json!("ada"))],
        ),
        (
            GITHUB,
            "https://api.github.com/user/emails",
            &[
                ("/0/primary", json!(false)),
                ("/1/email", json!("ada@example.com")),
                ("/1/primary", json!(true)),
                ("/1/verified", json!(true)),
            ],
        ),
        (
            GOOGLE,
            "https://openidconnect.googleapis.com/v1/userinfo",
            &[("/sub", json!(id)), ("/email_verified", json!(true))],
        ),
        (
            GOOGLE,
            "https://people.googleapis.com/v1/people/me?personFields=emailAddresses",
            &[
                ("/resourceName", json!(format!("people/{id}"))),
                ("/emailAddresses/0/metadata/primary", json!(true)),
                ("/emailAddresses/0/value", json!("ada@example.com")),
            ],
        ),
        (
            KAKAO,
            "https://kapi.kakao.com/v2/user/me",
            &[
                ("/id", json!(number)),
                ("/kakao_account/email", json!("ada@example.com")),
                ("/kakao_account/is_email_verified", json!(true)),
                ("/kakao_account/profile/nickname", json!("Ada Lovelace")),
            ],
        ),
        (
            LINKEDIN,
            "https://api.linkedin.com/v2/userinfo",
            &[("/sub", json!(id)), ("/email", json!("ada@example.com"))],
        ),
        (
            MICROSOFT,
            "https://graph.microsoft.com/v1.0/me",
            &[
                ("/id", json!(id)),
                ("/mail", json!("ada@example.com")),
                ("/userPrincipalName", json!("ada@contoso.onmicrosoft.example")),
            ],
        ),
        (
            NAVER,
            "https://openapi.naver.com/v1/nid/me",
            &[
                ("/resultcode", json!("00")),
                ("/response/id", json!(id)),
                ("/response/email", json!("ada@example.com")),
            ],
        ),
        (OKTA, "https://dev-1.okta.com/oauth2/default/v1/userinfo", &[("/sub", json!(id))]),
        (
            REDDIT,
            "https://oauth.reddit.com/api/v1/me",
            &[("/id", json!(id)), ("/name", json!("ada")), ("/email", Value::Null)],
        ),
        (
            SHOPIFY,
            "https://tea-house.myshopify.com/admin/api/2026-10/graphql.json",
            &[
                ("/data/shop/id", json!(format!("gid://shopify/Shop/{number}"))),
                ("/data/shop/email", json!("ada@example.com")),
                ("/data/shop/myshopifyDomain", json!("tea-house.myshopify.com")),
            ],
        ),
    ];
    for (case, url, members) in expect {
        let token = lab.sign_in(&case).await;
        let profile = lab.profile(url, &token).await;
        for (pointer, value) in members {
            assert_eq!(profile.pointer(pointer).unwrap_or(&Value::Null), value, "{url} {pointer}: {profile}");
        }
    }
}

#[tokio::test]
async fn the_legacy_linkedin_calls_need_the_legacy_scopes() {
    let lab = Lab::new().await;
    let case = Case { scope: "r_liteprofile r_emailaddress", ..LINKEDIN };
    let token = lab.sign_in(&case).await;
    let me = lab.profile("https://api.linkedin.com/v2/me?projection=(id)", &token).await;
    assert_eq!(me, json!({"id": "1815121018521127"}));
    let url = "https://api.linkedin.com/v2/emailAddress?q=members&projection=(elements*(handle~))";
    let email = lab.profile(url, &token).await;
    assert_eq!(email["elements"][0]["handle~"]["emailAddress"], "ada@example.com");
    let modern = lab.sign_in(&LINKEDIN).await;
    assert_eq!(lab.get(url, &modern).send().await.unwrap().status(), 403);
    assert_eq!(lab.get("https://api.linkedin.com/v2/userinfo", &token).send().await.unwrap().status(), 403);
}

#[tokio::test]
async fn user_agents_matter_to_github_and_reddit() {
    let lab = Lab::new().await;
    let nameless = reqwest_client(|defaults| defaults).unwrap();
    let github = lab.sign_in(&GITHUB).await;
    let user = nameless.get(lab.emulator.local("https://api.github.com/user"));
    let reply = user.bearer_auth(github["access_token"].as_str().unwrap()).send().await.unwrap();
    assert_eq!(reply.status(), 403);
    for agent in [None, Some("python-httpx/0.28")] {
        let mut request = nameless.post(lab.emulator.local(REDDIT.token));
        request = agent.into_iter().fold(request, |request, agent| request.header("user-agent", agent));
        assert_eq!(request.send().await.unwrap().status(), 429, "{agent:?}");
    }
}

#[tokio::test]
async fn access_tokens_stand_where_the_provider_wants_them() {
    let lab = Lab::new().await;
    let refused = |request: RequestBuilder| async { request.send().await.unwrap().status().as_u16() };
    let openid = lab.sign_in(&OPENID).await;
    let secret = openid["access_token"].as_str().unwrap();
    let userinfo = "https://openid.example/userinfo";
    let in_query = lab.backend.get(lab.emulator.local(&format!("{userinfo}?access_token={secret}")));
    assert_eq!(refused(in_query).await, 401);
    assert_eq!(refused(lab.backend.get(lab.emulator.local(userinfo))).await, 401);
    assert_eq!(refused(lab.get(userinfo, &json!({"access_token": "wrong"}))).await, 401);
    let github = "https://api.github.com/user";
    assert_eq!(refused(lab.get(github, &openid)).await, 401, "another provider's token");

    let shopify = lab.sign_in(&SHOPIFY).await;
    let shop = "https://tea-house.myshopify.com/admin/api/2026-10/graphql.json";
    let by_bearer = lab.shop_query(shop).bearer_auth(shopify["access_token"].as_str().unwrap());
    assert_eq!(refused(by_bearer).await, 401);
    let other = "https://coffee-house.myshopify.com/admin/api/2026-10/graphql.json";
    assert_eq!(refused(lab.get(other, &shopify)).await, 401, "another shop's token");

    let facebook = lab.sign_in(&FACEBOOK).await;
    let token = facebook["access_token"].as_str().unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, FACEBOOK.secret().as_bytes());
    let proof: String =
        hmac::sign(&key, token.as_bytes()).as_ref().iter().map(|b| format!("{b:02x}")).collect();
    for (proof, expected) in [(proof.as_str(), 200), ("wrong", 400)] {
        let url = format!("https://graph.facebook.com/v26.0/me?access_token={token}&appsecret_proof={proof}");
        assert_eq!(refused(lab.backend.get(lab.emulator.local(&url))).await, expected);
    }
}

#[tokio::test]
async fn scopes_decide_what_a_profile_tells() {
    let lab = Lab::new().await;
    let discord = lab.sign_in(&Case { scope: "identify", ..DISCORD }).await;
    let profile = lab.profile("https://discord.com/api/users/@me", &discord).await;
    assert!(profile.get("email").is_none());
    let guilds = lab.sign_in(&Case { scope: "guilds", ..DISCORD }).await;
    assert_eq!(lab.get("https://discord.com/api/users/@me", &guilds).send().await.unwrap().status(), 403);
    let github = lab.sign_in(&Case { scope: "", ..GITHUB }).await;
    assert_eq!(lab.get("https://api.github.com/user/emails", &github).send().await.unwrap().status(), 404);
}
