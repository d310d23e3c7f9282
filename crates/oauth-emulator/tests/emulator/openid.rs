//! ID tokens, keys, metadata and what follows from them.

use crate::*;

#[tokio::test]
async fn id_tokens_are_signed_by_the_published_keys() {
    let lab = Lab::new().await;
    let guid = "9188040d-6c67-4c5b-b112-36a304b66dad";
    let expect = [
        (OPENID, "https://openid.example".to_owned(), "https://openid.example/jwks", Algorithm::RS256),
        (
            GOOGLE,
            "https://accounts.google.com".to_owned(),
            "https://www.googleapis.com/oauth2/v3/certs",
            Algorithm::RS256,
        ),
        (
            FRANCECONNECT,
            "https://oidc.franceconnect.gouv.fr/api/v2".to_owned(),
            "https://oidc.franceconnect.gouv.fr/api/v2/jwks",
            Algorithm::ES256,
        ),
        (
            MICROSOFT,
            format!("https://login.microsoftonline.com/{guid}/v2.0"),
            "https://login.microsoftonline.com/common/discovery/v2.0/keys",
            Algorithm::RS256,
        ),
        (
            OKTA,
            "https://dev-1.okta.com/oauth2/default".to_owned(),
            "https://dev-1.okta.com/oauth2/default/v1/keys",
            Algorithm::RS256,
        ),
        (
            OKTA_ORG,
            "https://dev-1.okta.com".to_owned(),
            "https://dev-1.okta.com/oauth2/v1/keys",
            Algorithm::RS256,
        ),
    ];
    for (case, issuer, url, alg) in expect {
        let token = lab.sign_in(&case).await;
        let set = keys(&lab, url).await;
        let claims = claims(token["id_token"].as_str().unwrap(), &set, alg, &case.id()).unwrap();
        assert_eq!(claims["iss"], issuer);
        assert_eq!((&claims["sub"], &claims["nonce"]), (&json!("1815121018521127"), &json!(NONCE)));
        let hash = digest::digest(&digest::SHA256, token["access_token"].as_str().unwrap().as_bytes());
        assert_eq!(claims["at_hash"], URL_SAFE_NO_PAD.encode(&hash.as_ref()[..16]));
    }
    let linkedin = lab.sign_in(&LINKEDIN).await;
    let set = keys(&lab, "https://www.linkedin.com/oauth/openid/jwks").await;
    let id_token = linkedin["id_token"].as_str().unwrap();
    let claims = claims(id_token, &set, Algorithm::RS256, &LINKEDIN.id()).unwrap();
    assert!(claims.get("nonce").is_none(), "LinkedIn does not repeat the nonce");
    assert!(lab.sign_in(&KAKAO).await.get("id_token").is_none(), "openid was not asked for");
}

#[tokio::test]
async fn franceconnect_signs_its_userinfo() {
    let lab = Lab::new().await;
    let token = lab.sign_in(&FRANCECONNECT).await;
    let reply = lab.get("https://oidc.franceconnect.gouv.fr/api/v2/userinfo", &token).send().await.unwrap();
    assert_eq!(reply.headers()["content-type"], "application/jwt");
    let set = keys(&lab, "https://oidc.franceconnect.gouv.fr/api/v2/jwks").await;
    let claims = claims(&reply.text().await.unwrap(), &set, Algorithm::ES256, &FRANCECONNECT.id()).unwrap();
    assert_eq!(claims["email"], "ada@example.com");
}

#[tokio::test]
async fn metadata_has_real_urls() {
    let lab = Lab::new().await;
    let document = |url: &str| {
        let request = lab.backend.get(lab.emulator.local(url));
        async { json(request.send().await.unwrap()).await.1 }
    };
    let openid = document("https://openid.example/.well-known/openid-configuration").await;
    assert_eq!(openid["issuer"], "https://openid.example");
    assert_eq!(openid["userinfo_endpoint"], "https://openid.example/userinfo");
    assert_eq!(openid["code_challenge_methods_supported"], json!(["S256"]));
    assert_eq!(openid["response_modes_supported"], json!(["query", "fragment", "form_post"]));
    let okta = document("https://dev-1.okta.com/.well-known/openid-configuration").await;
    assert_eq!(okta["token_endpoint"], "https://dev-1.okta.com/oauth2/v1/token");
    let discord = document("https://discord.com/.well-known/oauth-authorization-server").await;
    assert_eq!(discord["authorization_endpoint"], "https://discord.com/api/oauth2/authorize");
    let common =
        document("https://login.microsoftonline.com/common/v2.0/.well-known/openid-configuration").await;
    assert_eq!(common["issuer"], "https://login.microsoftonline.com/{tenantid}/v2.0");
    let plain = document("https://oauth2.example/.well-known/oauth-authorization-server").await;
    assert_eq!(plain["introspection_endpoint"], "https://oauth2.example/introspect");
    assert!(plain.get("jwks_uri").is_none());
}

#[tokio::test]
async fn keys_rotate() {
    let lab = Lab::new().await;
    let url = "https://openid.example/jwks";
    let before = keys(&lab, url).await;
    lab.emulator.rotate_keys();
    let token = lab.sign_in(&OPENID).await;
    let id_token = token["id_token"].as_str().unwrap();
    assert!(claims(id_token, &before, Algorithm::RS256, &OPENID.id()).is_none());
    assert!(claims(id_token, &keys(&lab, url).await, Algorithm::RS256, &OPENID.id()).is_some());
    lab.emulator.fault("openid", Fault::RotateKeys).unwrap();
    let before = keys(&lab, url).await;
    let token = lab.sign_in(&OPENID).await;
    assert!(claims(token["id_token"].as_str().unwrap(), &before, Algorithm::RS256, &OPENID.id()).is_none());
}
