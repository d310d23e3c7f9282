//! Token exchange, JWT assertions, details and introspection.

use super::*;

#[tokio::test]
async fn a_token_is_exchanged_for_one_with_an_actor() {
    let bank = Bank::new(Demands::none().resources(["https://api.openid.example"]), |_| ()).await;
    let callback = bank.pushed(&[], &[]).await;
    let (_, _, token) = bank.redeem(&callback["code"], &[]).await;
    let token = token["access_token"].as_str().unwrap();
    let access_token = "urn:ietf:params:oauth:token-type:access_token";
    let exchange = "urn:ietf:params:oauth:grant-type:token-exchange";
    let form = [
        ("grant_type", exchange),
        ("subject_token", token),
        ("subject_token_type", access_token),
        ("actor_token", token),
        ("actor_token_type", access_token),
        ("resource", "https://api.openid.example"),
    ];
    let (status, _, body) = bank.post(TOKEN, &form, &[]).await;
    assert_eq!((status, &body["issued_token_type"]), (200, &json!(access_token)), "{body}");
    let (_, _, told) = bank
        .post("https://openid.example/introspect", &[("token", body["access_token"].as_str().unwrap())], &[])
        .await;
    assert_eq!((&told["active"], &told["aud"]), (&json!(true), &json!("https://api.openid.example")));
    assert_eq!(told["act"]["sub"], "1815121018521127");
    for (left_out, code) in [("actor_token_type", "invalid_request"), ("subject_token", "invalid_request")] {
        let form: Vec<_> = form.iter().copied().filter(|(name, _)| *name != left_out).collect();
        let (status, _, body) = bank.post(TOKEN, &form, &[]).await;
        assert_eq!((status, &body["error"]), (400, &json!(code)));
    }
    let mut elsewhere = form;
    elsewhere[5].1 = "https://other.example";
    assert_eq!(bank.post(TOKEN, &elsewhere, &[]).await.2["error"], "invalid_target");
}

#[tokio::test]
async fn an_assertion_about_a_user_is_a_grant() {
    let bank = Bank::new(Demands::none(), |_| ()).await;
    let ask = async |more: Value| {
        let mut claims = json!({"iss": CLIENT, "sub": "ada@example.com", "aud": TOKEN, "exp": now() + 60, "jti": unique()});
        merge(&mut claims, &more);
        let assertion = bank.key.sign("JWT", &claims);
        let form =
            [("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"), ("assertion", &*assertion)];
        let (status, _, body) = bank.post(TOKEN, &form, &[]).await;
        (status, body)
    };
    let (status, body) = ask(json!({})).await;
    assert!(status == 200 && body.get("refresh_token").is_none(), "{body}");
    for wrong in [
        json!({"aud": [TOKEN, ISSUER]}),
        json!({"sub": "nobody"}),
        json!({"exp": 1}),
        json!({"iss": "other"}),
    ] {
        assert_eq!(ask(wrong).await.1["error"], "invalid_grant");
    }
}

#[tokio::test]
async fn details_are_granted_and_can_be_narrowed() {
    let bank = Bank::new(Demands::none().jwt_access_tokens(), |_| ()).await;
    let details = r#"[{"type":"payment_initiation","amount":"1"},{"type":"account_information"}]"#;
    let callback = bank.pushed(&[("authorization_details", details)], &[]).await;
    let (_, _, body) = bank.redeem(&callback["code"], &[]).await;
    assert_eq!(body["authorization_details"].as_array().unwrap().len(), 2);
    let token = payload(body["access_token"].as_str().unwrap());
    assert_eq!((&token["iss"], &token["client_id"]), (&json!(ISSUER), &json!(CLIENT)));
    let refresh = body["refresh_token"].as_str().unwrap();
    let more = [
        ("grant_type", "refresh_token"),
        ("refresh_token", refresh),
        ("authorization_details", r#"[{"type":"payment_initiation","amount":"1000"}]"#),
    ];
    assert_eq!(bank.post(TOKEN, &more, &[]).await.2["error"], "invalid_authorization_details");
    let less = [more[0], more[1], ("authorization_details", r#"[{"type":"account_information"}]"#)];
    let (_, _, body) = bank.post(TOKEN, &less, &[]).await;
    assert_eq!(body["authorization_details"], json!([{"type": "account_information"}]));
}

#[tokio::test]
async fn introspection_can_be_signed() {
    let bank = Bank::new(Demands::none(), |_| ()).await;
    let (_, _, body) = bank.post(TOKEN, &[("grant_type", "client_credentials")], &[]).await;
    let assertion = bank.assertion(&json!({}));
    let form = [
        ("token", body["access_token"].as_str().unwrap()),
        ("client_assertion_type", ASSERTION_TYPE),
        ("client_assertion", &assertion),
    ];
    let url = bank.lab.emulator.local("https://openid.example/introspect");
    let accept = "application/token-introspection+jwt";
    let reply = bank.lab.backend.post(url).header("accept", accept).form(&form).send().await.unwrap();
    assert_eq!(reply.headers()["content-type"], accept);
    let jwt = reply.text().await.unwrap();
    let told = payload(&jwt);
    assert_eq!((&told["aud"], &told["token_introspection"]["active"]), (&json!(CLIENT), &json!(true)));
    assert_eq!(jsonwebtoken::decode_header(&jwt).unwrap().typ.as_deref(), Some("token-introspection+jwt"));
}
