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
    assert_eq!(
        openid["response_modes_supported"],
        json!(["query", "fragment", "form_post", "jwt", "query.jwt", "fragment.jwt", "form_post.jwt"])
    );
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

fn json_part(jwt: &str, at: usize) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(jwt.split('.').nth(at).unwrap()).unwrap()).unwrap()
}

/// A hash of a token or a code as an ID token has it, by another road than the emulator's.
fn half(digest_of: &'static digest::Algorithm, text: &str) -> String {
    let digest = digest::digest(digest_of, text.as_bytes());
    URL_SAFE_NO_PAD.encode(&digest.as_ref()[..digest_of.output_len() / 2])
}

#[tokio::test]
async fn an_application_gets_the_algorithm_that_it_registered() {
    let algs = [
        (SigningAlg::RS256, Algorithm::RS256, &digest::SHA256),
        (SigningAlg::RS384, Algorithm::RS384, &digest::SHA384),
        (SigningAlg::RS512, Algorithm::RS512, &digest::SHA512),
        (SigningAlg::PS256, Algorithm::PS256, &digest::SHA256),
        (SigningAlg::PS384, Algorithm::PS384, &digest::SHA384),
        (SigningAlg::PS512, Algorithm::PS512, &digest::SHA512),
        (SigningAlg::ES256, Algorithm::ES256, &digest::SHA256),
        (SigningAlg::ES384, Algorithm::ES384, &digest::SHA384),
        (SigningAlg::EdDSA, Algorithm::EdDSA, &digest::SHA512),
    ];
    for (alg, expected, digest_of) in algs {
        let app = App::default_of("openid")
            .with_id_token_signed_response_alg(alg)
            .with_userinfo_signed_response_alg(alg);
        let lab = Lab::with(Emulator::builder().app("openid", app).start().await.unwrap());
        // The key is published before anything is signed with it.
        let set = keys(&lab, "https://openid.example/jwks").await;
        let token = lab.sign_in(&OPENID).await;
        let found = claims(token["id_token"].as_str().unwrap(), &set, expected, &OPENID.id()).unwrap();
        assert_eq!(found["at_hash"], half(digest_of, token["access_token"].as_str().unwrap()), "{alg}");
        let reply = lab.get("https://openid.example/userinfo", &token).send().await.unwrap();
        assert_eq!(reply.headers()["content-type"], "application/jwt");
        let userinfo = claims(&reply.text().await.unwrap(), &set, expected, &OPENID.id()).unwrap();
        assert_eq!(
            (&userinfo["sub"], &userinfo["email"]),
            (&found["sub"], &json!("ada@example.com")),
            "{alg}"
        );
    }
}

#[tokio::test]
async fn es512_is_signed_on_p_521() {
    let app = App::default_of("openid").with_id_token_signed_response_alg(SigningAlg::ES512);
    let lab = Lab::with(Emulator::builder().app("openid", app).start().await.unwrap());
    let token = lab.sign_in(&OPENID).await;
    let id_token = token["id_token"].as_str().unwrap();
    let (_, set) =
        json(lab.backend.get(lab.emulator.local("https://openid.example/jwks")).send().await.unwrap()).await;
    let kid = json_part(id_token, 0)["kid"].clone();
    let key = set["keys"].as_array().unwrap().iter().find(|key| key["kid"] == kid).unwrap();
    assert_eq!((&key["crv"], &key["alg"], &key["use"]), (&json!("P-521"), &json!("ES512"), &json!("sig")));
    let part = |name: &str| URL_SAFE_NO_PAD.decode(key[name].as_str().unwrap()).unwrap();
    let point = [vec![4], part("x"), part("y")].concat();
    let (text, signature) = id_token.rsplit_once('.').unwrap();
    UnparsedPublicKey::new(&ECDSA_P521_SHA512_FIXED, point)
        .verify(text.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap())
        .unwrap();
}

#[tokio::test]
async fn a_key_set_keeps_the_previous_keys_until_they_are_dropped() {
    let lab = Lab::new().await;
    let url = "https://openid.example/jwks";
    let token = lab.sign_in(&OPENID).await;
    let id_token = token["id_token"].as_str().unwrap();
    assert_eq!(keys(&lab, url).await.keys.len(), 1);
    lab.emulator.rotate_keys();
    let set = keys(&lab, url).await;
    assert_eq!(set.keys.len(), 2);
    assert!(claims(id_token, &set, Algorithm::RS256, &OPENID.id()).is_some());
    lab.emulator.drop_previous_keys();
    let set = keys(&lab, url).await;
    assert_eq!(set.keys.len(), 1);
    assert!(claims(id_token, &set, Algorithm::RS256, &OPENID.id()).is_none());
}

#[tokio::test]
async fn hybrid_answers_bring_an_id_token_that_vouches_for_the_code() {
    let lab = Lab::new().await;
    let mut params = OPENID.params();
    set(&mut params, "response_type", "id_token code");
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(&params).finish();
    let url = format!("{}?{query}", OPENID.authorize);
    let Arrival::Get(fragment) = lab.emulator.browse(&url, Consent::Allow).await.unwrap() else {
        panic!("a redirect");
    };
    let answer: Fields =
        form_urlencoded::parse(fragment.strip_prefix(&format!("{REDIRECT}#")).unwrap().as_bytes())
            .into_owned()
            .collect();
    let set_of_keys = keys(&lab, "https://openid.example/jwks").await;
    let found = claims(&answer["id_token"], &set_of_keys, Algorithm::RS256, &OPENID.id()).unwrap();
    assert_eq!(found["c_hash"], half(&digest::SHA256, &answer["code"]));
    assert_eq!((&found["nonce"], found.get("at_hash")), (&json!(NONCE), None));
    assert_eq!(answer["state"], STATE);
    let (_, token) = json(lab.token(&OPENID, &OPENID.form(&answer["code"])).send().await.unwrap()).await;
    let second = payload(token["id_token"].as_str().unwrap());
    assert_eq!((&second["sub"], second.get("c_hash")), (&found["sub"], None));

    set(&mut params, "response_mode", "form_post");
    let answer = lab.answer(lab.authorize(&OPENID, &params).await, "allow").await;
    assert!(answer.contains_key("id_token") && answer.contains_key("code"));

    for (name, value) in [("response_mode", "query"), ("nonce", "")] {
        let mut params = params.clone();
        set(&mut params, name, value);
        let reply = lab.authorize(&OPENID, &params).await;
        let text = match reply.headers().get("location") {
            Some(location) => location.to_str().unwrap().to_owned(),
            None => reply.text().await.unwrap(),
        };
        assert!(text.contains("invalid_request") && !text.contains("code="), "{name}: {text}");
    }
}

#[tokio::test]
async fn what_is_asked_about_the_sign_in_is_told() {
    let lab = Lab::new().await;
    let mut params = OPENID.params();
    set(&mut params, "max_age", "60");
    set(&mut params, "acr_values", "urn:example:gold urn:example:silver");
    set(&mut params, "scope", "openid");
    set(&mut params, "claims", r#"{"id_token":{"email":{"essential":true}},"userinfo":{"name":null}}"#);
    let code = lab.answer(lab.authorize(&OPENID, &params).await, "allow").await.remove("code").unwrap();
    let (_, token) = json(lab.token(&OPENID, &OPENID.form(&code)).send().await.unwrap()).await;
    let found = payload(token["id_token"].as_str().unwrap());
    let now = OffsetDateTime::now_utc().unix_timestamp();
    assert!((now - found["auth_time"].as_i64().unwrap()).abs() < 5, "{found}");
    assert_eq!((&found["acr"], &found["email"]), (&json!("urn:example:gold"), &json!("ada@example.com")));
    let userinfo = lab.profile("https://openid.example/userinfo", &token).await;
    assert_eq!((&userinfo["name"], userinfo.get("email")), (&json!("Ada Lovelace"), None));

    set(&mut params, "claims", r#"{"id_token":{"acr":{"essential":true,"values":["urn:example:gold"]}}}"#);
    let code = lab
        .answer(lab.authorize(&OPENID, &without(params.clone(), "acr_values")).await, "allow")
        .await
        .remove("code")
        .unwrap();
    let (_, token) = json(lab.token(&OPENID, &OPENID.form(&code)).send().await.unwrap()).await;
    assert_eq!(payload(token["id_token"].as_str().unwrap())["acr"], "urn:example:gold");
    set(&mut params, "max_age", "soon");
    assert_eq!(callback(&lab.authorize(&OPENID, &params).await)["error"], "invalid_request");
}

#[tokio::test]
async fn prompt_none_needs_a_session_and_a_consent() {
    let lab = Lab::new().await;
    let silent = |case: Case| {
        let mut params = case.params();
        set(&mut params, "prompt", "none");
        params
    };
    let ask = async |params: &[(String, String)]| callback(&lab.authorize(&OPENID, params).await);
    assert_eq!(ask(&silent(OPENID)).await["error"], "login_required");
    let first = payload(lab.sign_in(&OPENID).await["id_token"].as_str().unwrap());
    let answer = ask(&silent(OPENID)).await;
    let (_, token) = json(lab.token(&OPENID, &OPENID.form(&answer["code"])).send().await.unwrap()).await;
    let second = payload(token["id_token"].as_str().unwrap());
    assert_eq!((&second["auth_time"], &second["sid"]), (&first["auth_time"], &first["sid"]));
    // Another provider is another session.
    let mut google = silent(GOOGLE);
    set(&mut google, "client_id", &GOOGLE.id());
    assert_eq!(callback(&lab.authorize(&GOOGLE, &google).await)["error"], "login_required");
    let mut both = silent(OPENID);
    set(&mut both, "prompt", "none login");
    assert_eq!(ask(&both).await["error"], "invalid_request");
    lab.emulator.fault("openid", Fault::CallbackError("interaction_required".into())).unwrap();
    let page = lab.authorize(&OPENID, &OPENID.params()).await;
    let answer = lab.answer(page, "allow").await;
    assert_eq!((answer["error"].as_str(), answer.get("code")), ("interaction_required", None));
}

#[tokio::test]
async fn a_session_ends_at_the_end_session_endpoint() {
    let app = App::default_of("openid").with_post_logout_redirect_uris(["https://app.example/bye?x=1"]);
    let lab = Lab::with(Emulator::builder().app("openid", app).start().await.unwrap());
    let token = lab.sign_in(&OPENID).await;
    let id_token = token["id_token"].as_str().unwrap();
    let logout = async |pairs: &[(&str, &str)]| {
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        lab.browser
            .get(lab.emulator.local(&format!("https://openid.example/logout?{query}")))
            .send()
            .await
            .unwrap()
    };
    let target = ("post_logout_redirect_uri", "https://app.example/bye?x=1");
    let id = OPENID.id();
    for refused in [
        vec![target],
        vec![("id_token_hint", "no.token.ofours"), target],
        vec![("id_token_hint", id_token), ("client_id", "other"), target],
        vec![("id_token_hint", id_token), ("post_logout_redirect_uri", "https://app.example/bye")],
        vec![("client_id", "nobody"), target],
        vec![("client_id", &id), ("client_id", &id), target],
    ] {
        let reply = logout(&refused).await;
        assert_eq!((reply.status().as_u16(), reply.headers().get("location")), (400, None), "{refused:?}");
    }
    let mut silent = OPENID.params();
    set(&mut silent, "prompt", "none");
    assert!(callback(&lab.authorize(&OPENID, &silent).await).contains_key("code"), "still signed in");
    let reply = logout(&[("id_token_hint", id_token), target, ("state", "back")]).await;
    assert_eq!(reply.status(), 302);
    assert_eq!(reply.headers()["location"], "https://app.example/bye?x=1&state=back");
    assert_eq!(callback(&lab.authorize(&OPENID, &silent).await)["error"], "login_required");
    let reply = logout(&[("client_id", &id)]).await;
    assert!(reply.text().await.unwrap().contains("signed out"));
    let form = [("id_token_hint", id_token), ("state", "x")];
    let url = lab.emulator.local("https://openid.example/logout");
    assert_eq!(lab.browser.post(url).form(&form).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn logout_tokens_and_other_jwts_are_signed_like_id_tokens() {
    let lab = Lab::new().await;
    let token = lab.emulator.logout_token("openid", &OPENID.id(), Some("1815"), Some("s1")).unwrap();
    assert_eq!(json_part(&token, 0)["typ"], "logout+jwt");
    let set = keys(&lab, "https://openid.example/jwks").await;
    let found = claims(&token, &set, Algorithm::RS256, &OPENID.id()).unwrap();
    assert_eq!(found["events"], json!({"http://schemas.openid.net/event/backchannel-logout": {}}));
    assert_eq!(
        (&found["sub"], &found["sid"], &found["iss"]),
        (&json!("1815"), &json!("s1"), &json!("https://openid.example"))
    );
    assert!(found["jti"].is_string() && found.get("nonce").is_none());
    lab.emulator.fault_at("openid", EmulatedEndpoint::EndSession, Fault::claim("nonce", "n")).unwrap();
    let token = lab.emulator.logout_token("openid", &OPENID.id(), None, Some("s1")).unwrap();
    assert_eq!((&payload(&token)["nonce"], payload(&token).get("sub")), (&json!("n"), None));
    assert!(lab.emulator.logout_token("openid", "nobody", None, None).is_err());
    let token = lab.emulator.sign_jwt("openid", None, json!({"a": 1})).unwrap();
    assert_eq!((&json_part(&token, 0)["typ"], payload(&token)), (&json!("JWT"), json!({"a": 1})));
    assert!(lab.emulator.sign_jwt("nobody", None, json!({})).is_err());
}

#[tokio::test]
async fn microsofts_keys_say_whose_tokens_they_sign() {
    let lab = Lab::new().await;
    let guid = "72f988bf-86f1-41af-91ab-2d7cd011db47";
    for (tenant, issuer) in [
        ("common", "https://login.microsoftonline.com/{tenantid}/v2.0".to_owned()),
        (
            "consumers",
            "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0".to_owned(),
        ),
        (guid, format!("https://login.microsoftonline.com/{guid}/v2.0")),
    ] {
        let url = format!("https://login.microsoftonline.com/{tenant}/discovery/v2.0/keys");
        let (_, set) = json(lab.backend.get(lab.emulator.local(&url)).send().await.unwrap()).await;
        assert_eq!(set["keys"][0]["issuer"], issuer);
    }
}
