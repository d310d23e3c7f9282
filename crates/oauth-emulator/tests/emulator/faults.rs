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
    lab.emulator.fault_at("openid", Endpoint::Refresh, Fault::ServerError).unwrap();
    lab.sign_in(&OPENID).await;
    let form = [("grant_type".to_owned(), "refresh_token".to_owned())];
    assert_eq!(lab.token(&OPENID, &form).send().await.unwrap().status(), 500);
}
