//! Revocation and introspection.

use crate::*;

#[tokio::test]
async fn facebook_exchanges_and_revokes() {
    let lab = Lab::new().await;
    let short = lab.sign_in(&FACEBOOK).await;
    let form = [
        ("grant_type".to_owned(), "fb_exchange_token".to_owned()),
        ("fb_exchange_token".to_owned(), short["access_token"].as_str().unwrap().to_owned()),
    ];
    let (status, long) = json(lab.token(&FACEBOOK, &form).send().await.unwrap()).await;
    assert_eq!(status, 200);
    assert_ne!(long["access_token"], short["access_token"]);
    let url = lab.emulator.local("https://graph.facebook.com/v26.0/me/permissions");
    let request = lab.backend.delete(url).bearer_auth(long["access_token"].as_str().unwrap());
    assert_eq!(json(request.send().await.unwrap()).await, (StatusCode::OK, json!(true)));
    assert_eq!(lab.get("https://graph.facebook.com/v26.0/me", &long).send().await.unwrap().status(), 400);
}

#[tokio::test]
async fn github_revokes_by_delete() {
    let lab = Lab::new().await;
    let token = lab.sign_in(&GITHUB).await;
    let secret = &token["access_token"];
    let url = lab.emulator.local("https://api.github.com/applications/github-client-id/token");
    let delete = |password: &str, body: Value| {
        let request = lab.backend.delete(&url).basic_auth(GITHUB.id(), Some(password)).json(&body);
        async { request.send().await.unwrap().status().as_u16() }
    };
    assert_eq!(delete("wrong", json!({"access_token": secret})).await, 404);
    assert_eq!(delete(&GITHUB.secret(), json!({})).await, 422);
    let check = lab.backend.post(&url).basic_auth(GITHUB.id(), Some(GITHUB.secret()));
    assert_eq!(check.json(&json!({"access_token": secret})).send().await.unwrap().status(), 200);
    assert_eq!(delete(&GITHUB.secret(), json!({"access_token": secret})).await, 204);
    assert_eq!(delete(&GITHUB.secret(), json!({"access_token": secret})).await, 422);
    assert_eq!(lab.get("https://api.github.com/user", &token).send().await.unwrap().status(), 401);

    let (first, second) = (lab.sign_in(&GITHUB).await, lab.sign_in(&GITHUB).await);
    let grant = lab.emulator.local("https://api.github.com/applications/github-client-id/grant");
    let request = lab.backend.delete(grant).basic_auth(GITHUB.id(), Some(GITHUB.secret()));
    assert_eq!(
        request.json(&json!({"access_token": first["access_token"]})).send().await.unwrap().status(),
        204
    );
    assert_eq!(lab.get("https://api.github.com/user", &second).send().await.unwrap().status(), 401);
}

#[tokio::test]
async fn naver_and_kakao_revoke_in_their_own_ways() {
    let lab = Lab::new().await;
    let naver = lab.sign_in(&NAVER).await;
    let form = |provider: &str| {
        [
            ("grant_type", "delete"),
            ("access_token", naver["access_token"].as_str().unwrap()),
            ("service_provider", provider),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
    };
    let (_, body) = json(lab.token(&NAVER, &form("GOOGLE")).send().await.unwrap()).await;
    assert_eq!(body["error"], "invalid_request");
    let (_, body) = json(lab.token(&NAVER, &form("NAVER")).send().await.unwrap()).await;
    assert_eq!(body, json!({"access_token": naver["access_token"], "result": "success"}));
    let (status, body) =
        json(lab.get("https://openapi.naver.com/v1/nid/me", &naver).send().await.unwrap()).await;
    assert_eq!((status.as_u16(), &body["resultcode"]), (401, &json!("024")));

    let kakao = lab.sign_in(&KAKAO).await;
    let unlink = lab.emulator.local("https://kapi.kakao.com/v1/user/unlink");
    let form = [("token", kakao["access_token"].as_str().unwrap())];
    assert_eq!(lab.backend.post(&unlink).form(&form).send().await.unwrap().status(), 401, "no bearer token");
    let request = lab.backend.post(&unlink).bearer_auth(kakao["access_token"].as_str().unwrap());
    assert_eq!(json(request.send().await.unwrap()).await.1, json!({"id": 1_815_121_018_521_127_u64}));
    assert_eq!(lab.get("https://kapi.kakao.com/v2/user/me", &kakao).send().await.unwrap().status(), 401);
}

#[tokio::test]
async fn others_revoke_by_rfc_7009() {
    let lab = Lab::new().await;
    let urls = [
        (OPENID, "https://openid.example/revoke", "https://openid.example/userinfo", 200),
        (OAUTH2, "https://oauth2.example/revoke", "https://oauth2.example/profile", 200),
        (DISCORD, "https://discord.com/api/oauth2/token/revoke", "https://discord.com/api/users/@me", 200),
        (
            GOOGLE,
            "https://oauth2.googleapis.com/revoke",
            "https://openidconnect.googleapis.com/v1/userinfo",
            200,
        ),
        (
            OKTA,
            "https://dev-1.okta.com/oauth2/default/v1/revoke",
            "https://dev-1.okta.com/oauth2/default/v1/userinfo",
            200,
        ),
        (REDDIT, "https://www.reddit.com/api/v1/revoke_token", "https://oauth.reddit.com/api/v1/me", 204),
    ];
    for (case, revoke, profile, status) in urls {
        let token = lab.sign_in(&case).await;
        let case = Case { token: revoke, ..case };
        let form = [("token".to_owned(), token["access_token"].as_str().unwrap().to_owned())];
        if case.provider != "google" {
            let unauthenticated =
                lab.backend.post(lab.emulator.local(revoke)).form(&form).send().await.unwrap();
            assert_eq!(unauthenticated.status(), 401, "{revoke}");
        }
        assert_eq!(lab.token(&case, &form).send().await.unwrap().status(), status, "{revoke}");
        assert_eq!(lab.get(profile, &token).send().await.unwrap().status(), 401, "{profile}");
    }
}

#[tokio::test]
async fn introspection_tells_only_of_live_tokens() {
    let lab = Lab::new().await;
    let token = lab.sign_in(&OAUTH2).await;
    let case = Case { token: "https://oauth2.example/introspect", ..OAUTH2 };
    let ask = |secret: &str| {
        let request = lab.token(&case, &[("token".to_owned(), secret.to_owned())]);
        async { json(request.send().await.unwrap()).await.1 }
    };
    let live = ask(token["access_token"].as_str().unwrap()).await;
    assert_eq!((&live["active"], &live["scope"]), (&json!(true), &json!("profile email")));
    assert_eq!(ask(token["refresh_token"].as_str().unwrap()).await["active"], true);
    assert_eq!(ask("unknown").await, json!({"active": false}));
}
