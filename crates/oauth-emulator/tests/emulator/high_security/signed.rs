//! Client assertions, pushed requests, request objects, signed answers.

use super::*;

#[tokio::test]
async fn an_assertion_must_say_for_whom_it_is() {
    let bank = Bank::new(Demands::none().issuer_as_audience(), |_| ()).await;
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", CLIENT),
        ("client_assertion_type", ASSERTION_TYPE),
    ];
    let ask = async |more: Value| {
        let assertion = bank.assertion(&more);
        let mut form = form.to_vec();
        form.push(("client_assertion", &assertion));
        bank.send(TOKEN, &form, &[]).await.0
    };
    assert_eq!(ask(json!({})).await, 200);
    for audience in [json!([ISSUER]), json!(TOKEN), json!("https://attacker.example")] {
        assert_eq!(ask(json!({"aud": audience})).await, 401, "{audience}");
    }
    for wrong in
        [json!({"exp": now() - 1}), json!({"exp": null}), json!({"exp": now() + 7200}), json!({"jti": null})]
    {
        assert_eq!(ask(wrong).await, 401);
    }
    bank.lab.emulator.fault("openid", Fault::AnyAudience).unwrap();
    assert_eq!(ask(json!({"aud": "https://attacker.example"})).await, 200);
}

#[tokio::test]
async fn a_secret_that_signs_must_be_long_enough() {
    let long = "0123456789abcdef0123456789abcdef";
    for (secret, expected) in [(long, 200), ("short", 401)] {
        let bank = Bank::new(Demands::none(), |app| {
            app.client_auth = vec![ClientAuthMethod::ClientSecretJwt];
            app.client_secret = Some(secret.into());
        })
        .await;
        let claims = json!({"iss": CLIENT, "sub": CLIENT, "aud": ISSUER, "exp": now() + 60, "jti": unique()});
        let key = EncodingKey::from_secret(secret.as_bytes());
        let assertion = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).unwrap();
        let form = [
            ("grant_type", "client_credentials"),
            ("client_assertion_type", ASSERTION_TYPE),
            ("client_assertion", &assertion),
        ];
        assert_eq!(bank.send(TOKEN, &form, &[]).await.0, expected, "{secret}");
    }
}

#[tokio::test]
async fn a_pushed_request_is_used_once_and_by_its_client() {
    let bank = Bank::new(Demands::none().pushed_requests(), |_| ()).await;
    let (status, _, body) = bank.post(PAR, &request(&[]), &[]).await;
    assert_eq!((status, &body["expires_in"]), (201, &json!(60)));
    let uri = body["request_uri"].as_str().unwrap();
    let callback = bank.visit(uri).await;
    assert_eq!((callback["state"].as_str(), bank.redeem(&callback["code"], &[]).await.0), (STATE, 200));
    let again = reqwest::Url::parse_with_params(
        "https://openid.example/authorize",
        [("client_id", CLIENT), ("request_uri", uri)],
    );
    let refused = bank.browse(again.unwrap().as_str()).await.unwrap_err();
    assert!(refused.contains("used before"), "{refused}");
    // Not pushed at all.
    let url = reqwest::Url::parse_with_params(
        "https://openid.example/authorize",
        request(&[("client_id", CLIENT)]),
    );
    assert_eq!(bank.browse(url.unwrap().as_str()).await.unwrap()["error"], "invalid_request");
}

#[tokio::test]
async fn a_pushed_request_is_checked_at_once() {
    let bank = Bank::new(Demands::none(), |_| ()).await;
    let cases: [(&[(&str, &str)], &str); 5] = [
        (&[("request_uri", "urn:x")], "invalid_request"),
        (&[("redirect_uri", "/relative")], "invalid_request"),
        (&[("response_type", "token")], "unsupported_response_type"),
        (&[("authorization_details", "[{\"type\":\"unknown\"}]")], "invalid_authorization_details"),
        (&[("resource", "https://api.example#fragment")], "invalid_target"),
    ];
    for (more, code) in cases {
        let (status, _, body) = bank.post(PAR, &request(more), &[]).await;
        assert_eq!((status, &body["error"]), (400, &json!(code)), "{body}");
    }
    bank.lab.emulator.fault("openid", Fault::ExpiredRequestUri).unwrap();
    let (_, _, body) = bank.post(PAR, &request(&[]), &[]).await;
    let uri = body["request_uri"].as_str().unwrap();
    let url = reqwest::Url::parse_with_params(
        "https://openid.example/authorize",
        [("client_id", CLIENT), ("request_uri", uri)],
    );
    assert!(bank.browse(url.unwrap().as_str()).await.unwrap_err().contains("expired"));
}

fn object(bank: &Bank, more: &Value) -> String {
    let mut claims = json!({"iss": CLIENT, "aud": ISSUER, "client_id": CLIENT, "iat": now(), "nbf": now(), "exp": now() + 60, "jti": unique()});
    for (name, value) in request(&[]) {
        claims[name] = json!(value);
    }
    merge(&mut claims, more);
    bank.key.sign("oauth-authz-req+jwt", &claims)
}

#[tokio::test]
async fn a_request_object_counts_alone() {
    let bank = Bank::new(Demands::none().signed_requests(), |_| ()).await;
    let visit = async |object: &str| {
        // A parameter outside of the request object would be refused.
        let params = [
            ("client_id", CLIENT),
            ("request", object),
            ("redirect_uri", REDIRECT),
            ("response_type", "token"),
        ];
        let url = reqwest::Url::parse_with_params("https://openid.example/authorize", params);
        bank.browse(url.unwrap().as_str()).await.unwrap()
    };
    assert!(visit(&object(&bank, &json!({"max_age": 60}))).await.contains_key("code"));
    let wrong = [
        json!({"aud": "https://attacker.example"}),
        json!({"exp": now() - 1}),
        json!({"exp": null}),
        json!({"iss": "other"}),
        json!({"client_id": "other"}),
        json!({"sub": CLIENT}),
        json!({"max_age": "60"}),
        json!({"request_uri": "urn:x"}),
    ];
    for more in wrong {
        assert_eq!(visit(&object(&bank, &more)).await["error"], "invalid_request_object", "{more}");
    }
    let foreign = Key::new("one").sign("JWT", &json!({"iss": CLIENT}));
    assert_eq!(visit(&foreign).await["error"], "invalid_request_object");
    let plain = reqwest::Url::parse_with_params(
        "https://openid.example/authorize",
        request(&[("client_id", CLIENT)]),
    );
    assert_eq!(bank.browse(plain.unwrap().as_str()).await.unwrap()["error"], "invalid_request");
}

#[tokio::test]
async fn a_request_object_is_pushed_alone() {
    let bank = Bank::new(Demands::fapi2_message_signing().new_dpop_nonce_each_time(), |_| ()).await;
    let signed = object(&bank, &json!({"response_mode": "jwt"}));
    let (status, _, body) = bank.post(PAR, &[("request", &signed), ("scope", "openid")], &[]).await;
    assert_eq!((status, &body["error"]), (400, &json!("invalid_request")));
    let signed = object(&bank, &json!({"response_mode": "jwt"}));
    let (status, _, body) = bank.post(PAR, &[("request", &signed)], &[]).await;
    assert_eq!(status, 201, "{body}");
    let callback = bank.visit(body["request_uri"].as_str().unwrap()).await;
    let claims = payload(&callback["response"]);
    assert_eq!(
        (&claims["iss"], &claims["aud"], &claims["state"]),
        (&json!(ISSUER), &json!(CLIENT), &json!(STATE))
    );
    assert_eq!(callback.len(), 1);
}

#[tokio::test]
async fn every_mode_of_a_signed_answer_has_its_faults() {
    let bank = Bank::new(Demands::none(), |_| ()).await;
    for mode in ["jwt", "query.jwt", "fragment.jwt", "form_post.jwt"] {
        let callback = bank.pushed(&[("response_mode", mode)], &[]).await;
        assert!(payload(&callback["response"])["code"].is_string(), "{mode}");
    }
    bank.lab.emulator.fault_at("openid", EmulatedEndpoint::Authorize, Fault::claim("aud", "other")).unwrap();
    let callback = bank.pushed(&[("response_mode", "jwt")], &[]).await;
    assert_eq!(payload(&callback["response"])["aud"], "other");
    bank.lab.emulator.clear_faults();
    bank.lab.emulator.fault("openid", Fault::PlainResponse).unwrap();
    assert!(bank.pushed(&[("response_mode", "jwt")], &[]).await.contains_key("code"));
    bank.lab.emulator.clear_faults();
    bank.lab.emulator.fault("openid", Fault::UnaskedJwtResponse).unwrap();
    assert!(bank.pushed(&[], &[]).await.contains_key("response"));
}
