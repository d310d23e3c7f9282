//! What goes wrong on request.

use crate::*;

#[tokio::test]
async fn faults_of_the_login() {
    let lab = Lab::new().await;
    lab.emulator.fault("openid", Fault::WrongState).unwrap();
    let page = lab.authorize(&OPENID, &OPENID.params()).await;
    assert_ne!(lab.answer(page, "allow").await["state"], STATE);
    lab.emulator.clear_faults();

    lab.emulator.fault("github", Fault::ExpiredCode).unwrap();
    let code = lab.code(&GITHUB).await.remove("code").unwrap();
    let (_, body) = json(lab.token(&GITHUB, &GITHUB.form(&code)).send().await.unwrap()).await;
    assert_eq!(body["error"], "bad_verification_code");

    lab.emulator.fault("openid", Fault::UnverifiedEmail).unwrap();
    let token = lab.sign_in(&OPENID).await;
    let profile = lab.profile("https://openid.example/userinfo", &token).await;
    assert_eq!((&profile["email_verified"], &profile["email"]), (&json!(false), &json!("ada@example.com")));
    lab.emulator.fault("openid", Fault::NoEmail).unwrap();
    assert!(lab.profile("https://openid.example/userinfo", &token).await.get("email").is_none());

    lab.emulator.fault("openid", Fault::WrongIssuer).unwrap();
    let token = lab.sign_in(&OPENID).await;
    let set = keys(&lab, "https://openid.example/jwks").await;
    let claims = claims(token["id_token"].as_str().unwrap(), &set, Algorithm::RS256, &OPENID.id()).unwrap();
    assert_ne!(claims["iss"], "https://openid.example");
    assert!(lab.emulator.fault("nobody", Fault::Deny).unwrap_err().to_string().contains("github"));
}

#[tokio::test]
async fn faults_of_the_wire() {
    let lab = Lab::new().await;
    let token = lab.sign_in(&OPENID).await;
    let url = "https://openid.example/userinfo";
    let with = async |fault: Fault| {
        lab.emulator.clear_faults();
        lab.emulator.fault("openid", fault).unwrap();
        lab.get(url, &token).send().await.unwrap()
    };
    let reply = with(Fault::TooManyRequests { retry_after: Duration::from_secs(7) }).await;
    assert_eq!((reply.status().as_u16(), reply.headers()["retry-after"].to_str().unwrap()), (429, "7"));
    assert_eq!(with(Fault::ServerError).await.status(), 500);
    assert!(with(Fault::HtmlErrorPage).await.text().await.unwrap().starts_with("<!doctype html>"));
    assert_eq!(with(Fault::EmptyBody).await.bytes().await.unwrap().len(), 0);
    assert!(with(Fault::TruncatedJson).await.json::<Value>().await.is_err());
    assert!(String::from_utf8(with(Fault::InvalidUtf8).await.bytes().await.unwrap().to_vec()).is_err());
    let reply = with(Fault::ResetMidBody).await;
    assert_eq!(reply.status(), 200);
    assert!(reply.bytes().await.is_err());
    let before = std::time::Instant::now();
    with(Fault::Slow(Duration::from_millis(200))).await;
    assert!(before.elapsed() >= Duration::from_millis(200));

    lab.emulator.clear_faults();
    lab.emulator.fault("openid", Fault::Redirect).unwrap();
    let reply = lab.token(&OPENID, &OPENID.form("x")).send().await.unwrap();
    assert_eq!(reply.status(), 307);
    assert!(reply.headers()["location"].to_str().unwrap().starts_with(lab.emulator.origin()));

    lab.emulator.clear_faults();
    lab.emulator.fault_at("openid", EmulatedEndpoint::Refresh, Fault::ServerError).unwrap();
    lab.sign_in(&OPENID).await;
    let form = [("grant_type".to_owned(), "refresh_token".to_owned())];
    assert_eq!(lab.token(&OPENID, &form).send().await.unwrap().status(), 500);
}

fn header(jwt: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(jwt.split('.').next().unwrap()).unwrap()).unwrap()
}

async fn id_token(lab: &Lab, faults: Vec<Fault>) -> String {
    lab.emulator.clear_faults();
    for fault in faults {
        lab.emulator.fault("openid", fault).unwrap();
    }
    lab.sign_in(&OPENID).await["id_token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn any_claim_and_any_header_of_an_id_token_can_be_changed() {
    let lab = Lab::new().await;
    let changed =
        vec![Fault::claim("iss", json!(["a"])), Fault::no_claim("nonce"), Fault::claim("exp", "soon")];
    let token = id_token(&lab, changed).await;
    let found = payload(&token);
    assert_eq!((&found["iss"], &found["exp"], found.get("nonce")), (&json!(["a"]), &json!("soon"), None));
    let token = id_token(&lab, vec![Fault::jose_header("typ", "at+jwt"), Fault::no_jose_header("kid")]).await;
    assert_eq!((&header(&token)["typ"], header(&token).get("kid")), (&json!("at+jwt"), None));
    // The signature is over what is sent.
    let set = keys(&lab, "https://openid.example/jwks").await;
    let key = DecodingKey::from_jwk(&set.keys[0]).unwrap();
    let mut validation = Validation::new(Algorithm::RS256);
    validation.set_audience(&[OPENID.id()]);
    assert!(jsonwebtoken::decode::<Value>(&token, &key, &validation).is_ok());
    let token = id_token(&lab, vec![Fault::SignedBy(SigningAlg::ES256)]).await;
    let set = keys(&lab, "https://openid.example/jwks").await;
    assert!(claims(&token, &set, Algorithm::ES256, &OPENID.id()).is_some());
}

#[tokio::test]
async fn faults_can_be_confined_to_an_endpoint() {
    let lab = Lab::new().await;
    lab.emulator.fault_at("openid", EmulatedEndpoint::Refresh, Fault::claim("sub", "other")).unwrap();
    lab.emulator.fault_at("openid", EmulatedEndpoint::Profile, Fault::member("sub", "another")).unwrap();
    let token = lab.sign_in(&OPENID).await;
    assert_eq!(payload(token["id_token"].as_str().unwrap())["sub"], "1815121018521127");
    let form = [
        ("grant_type".to_owned(), "refresh_token".to_owned()),
        ("refresh_token".to_owned(), token["refresh_token"].as_str().unwrap().to_owned()),
    ];
    let (_, fresh) = json(lab.token(&OPENID, &form).send().await.unwrap()).await;
    assert_eq!(payload(fresh["id_token"].as_str().unwrap())["sub"], "other");
    assert_eq!(lab.profile("https://openid.example/userinfo", &fresh).await["sub"], "another");
}

#[tokio::test]
async fn bad_signatures_are_bad_in_their_own_ways() {
    let lab = Lab::new().await;
    let good = id_token(&lab, vec![]).await;
    let set = keys(&lab, "https://openid.example/jwks").await;
    let kid = header(&good)["kid"].clone();
    let verify = |token: &str| {
        let key = DecodingKey::from_jwk(&set.keys[0]).unwrap();
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_audience(&[OPENID.id()]);
        jsonwebtoken::decode::<Value>(token, &key, &validation).is_ok()
    };
    assert!(verify(&good));
    for bad in [BadSignature::Broken, BadSignature::ForeignKey, BadSignature::Zeros, BadSignature::Missing] {
        let token = id_token(&lab, vec![Fault::BadSignature(bad)]).await;
        assert_eq!(header(&token)["kid"], kid, "{bad:?}");
        assert!(!verify(&token), "{bad:?}");
    }
    let token = id_token(&lab, vec![Fault::BadSignature(BadSignature::EmbeddedKey)]).await;
    let embedded = serde_json::from_value(header(&token)["jwk"].clone()).unwrap();
    let mut validation = Validation::new(Algorithm::RS256);
    validation.set_audience(&[OPENID.id()]);
    assert!(!verify(&token));
    let key = DecodingKey::from_jwk(&embedded).unwrap();
    assert!(jsonwebtoken::decode::<Value>(&token, &key, &validation).is_ok(), "who trusts it is deceived");

    // A client that takes the public key for a secret is deceived too.
    let (_, raw) =
        json(lab.backend.get(lab.emulator.local("https://openid.example/jwks")).send().await.unwrap()).await;
    let jwk = raw["keys"].as_array().unwrap().iter().find(|key| key["kid"] == kid).unwrap().to_string();
    let token = id_token(&lab, vec![Fault::BadSignature(BadSignature::PublicKeyJwk)]).await;
    assert_eq!(header(&token)["alg"], "HS256");
    let mut validation = Validation::new(Algorithm::HS256);
    validation.set_audience(&[OPENID.id()]);
    let secret = DecodingKey::from_secret(jwk.as_bytes());
    assert!(jsonwebtoken::decode::<Value>(&token, &secret, &validation).is_ok());
    let pem = id_token(&lab, vec![Fault::BadSignature(BadSignature::PublicKeyPem)]).await;
    let der = id_token(&lab, vec![Fault::BadSignature(BadSignature::PublicKeyDer)]).await;
    assert!(pem != der && header(&pem)["alg"] == "HS256" && header(&der)["kid"] == kid);
    let token = id_token(&lab, vec![Fault::BadSignature(BadSignature::ClientSecret)]).await;
    let secret = DecodingKey::from_secret(OPENID.secret().as_bytes());
    assert!(jsonwebtoken::decode::<Value>(&token, &secret, &validation).is_ok());

    let none =
        id_token(&lab, vec![Fault::jose_header("alg", "nOnE"), Fault::BadSignature(BadSignature::Missing)])
            .await;
    assert!(none.ends_with('.') && header(&none)["alg"] == "nOnE");
    let der =
        id_token(&lab, vec![Fault::SignedBy(SigningAlg::ES256), Fault::BadSignature(BadSignature::Der)])
            .await;
    let signature = URL_SAFE_NO_PAD.decode(der.rsplit('.').next().unwrap()).unwrap();
    assert_eq!(signature[0], 0x30, "a DER sequence");
}

#[tokio::test]
async fn decoys_have_the_ids_of_the_right_keys() {
    let lab = Lab::new().await;
    lab.emulator.fault("openid", Fault::DecoyKeys).unwrap();
    let (_, set) =
        json(lab.backend.get(lab.emulator.local("https://openid.example/jwks")).send().await.unwrap()).await;
    let set = set["keys"].as_array().unwrap();
    let kid = &set.last().unwrap()["kid"];
    assert!(set.len() > 5 && set.iter().all(|key| key["kid"] == *kid));
    for (name, value) in [("kty", "EC"), ("kty", "OKP"), ("kty", "AKP"), ("use", "enc")] {
        assert!(set.iter().any(|key| key[name] == value), "{name} {value}");
    }
}

#[tokio::test]
async fn replies_and_callbacks_can_be_changed() {
    let lab = Lab::new().await;
    let url = "https://openid.example/.well-known/openid-configuration";
    let with = async |fault: Fault| {
        lab.emulator.clear_faults();
        lab.emulator.fault_at("openid", EmulatedEndpoint::Discovery, fault).unwrap();
        lab.backend.get(lab.emulator.local(url)).send().await.unwrap()
    };
    let (_, document) = json(with(Fault::member("issuer", "https://attacker.example")).await).await;
    assert_eq!(document["issuer"], "https://attacker.example");
    let (_, document) = json(with(Fault::no_member("jwks_uri")).await).await;
    assert!(document.get("jwks_uri").is_none() && document["issuer"].is_string());
    assert_eq!(with(Fault::Body("[]".into())).await.text().await.unwrap(), "[]");
    assert!(with(Fault::Padding(2_000_000)).await.text().await.unwrap().len() > 2_000_000);
    let reply = with(Fault::Status(201)).await;
    assert_eq!(reply.status(), 201);
    let reply = with(Fault::HttpHeader("cache-control", "max-age=1".into())).await;
    assert_eq!(reply.headers().get_all("cache-control").iter().collect::<Vec<_>>(), ["max-age=1"]);

    lab.emulator.clear_faults();
    lab.emulator.fault("openid", Fault::no_callback("iss")).unwrap();
    lab.emulator.fault("openid", Fault::callback("foo", "bar")).unwrap();
    let answer = lab.code(&OPENID).await;
    assert_eq!((answer.get("iss"), answer["foo"].as_str()), (None, "bar"));
    lab.emulator.clear_faults();
    lab.emulator.fault_at("openid", EmulatedEndpoint::Token, Fault::no_member("id_token")).unwrap();
    assert!(lab.sign_in(&OPENID).await.get("id_token").is_none());
}

#[tokio::test]
async fn signed_userinfo_can_be_wrong_too() {
    let lab = Lab::new().await;
    let token = lab.sign_in(&FRANCECONNECT).await;
    let userinfo = async |fault: Fault| {
        lab.emulator.clear_faults();
        lab.emulator.fault_at("franceconnect", EmulatedEndpoint::Profile, fault).unwrap();
        let url = "https://oidc.franceconnect.gouv.fr/api/v2/userinfo";
        lab.get(url, &token).send().await.unwrap().text().await.unwrap()
    };
    assert_eq!(payload(&userinfo(Fault::claim("sub", "other")).await)["sub"], "other");
    assert_eq!(payload(&userinfo(Fault::claim("aud", "other")).await)["aud"], "other");
    let broken = userinfo(Fault::BadSignature(BadSignature::Broken)).await;
    let set = keys(&lab, "https://oidc.franceconnect.gouv.fr/api/v2/jwks").await;
    let mut validation = Validation::new(Algorithm::ES256);
    validation.set_audience(&[FRANCECONNECT.id()]);
    let key = DecodingKey::from_jwk(&set.keys[0]).unwrap();
    assert!(jsonwebtoken::decode::<Value>(&broken, &key, &validation).is_err());
}
