use oauth_clients::{EmailVerification, Endpoint, Provider, intuit::IntuitOAuth2};
use oauth_emulator::{Consent, Emulator};
use serde_json::json;

use super::json_replies;

#[tokio::test]
async fn intuit_writes_userinfo_in_camel_case() {
    let userinfo = |verified: bool| json!({"sub": "S", "email": "a@x.example", "emailVerified": verified, "givenName": "Ada", "familyName": "Lovelace"});
    let token = serde_json::from_value(json!({"access_token": "AT"})).unwrap();
    for (verified, verification) in
        [(true, EmailVerification::Verified), (false, EmailVerification::Unverified)]
    {
        let intuit = IntuitOAuth2::new("id", "s").with_http_client(json_replies([userinfo(verified)]));
        let identity = intuit.get_identity(&token).await.unwrap();
        assert_eq!(identity.name.as_deref(), Some("Ada Lovelace"));
        assert_eq!(identity.email.unwrap().verification, verification);
    }
    let intuit = IntuitOAuth2::new("id", "s").with_http_client(json_replies([json!({"sub": "S"})]));
    assert_eq!(intuit.get_identity(&token).await.unwrap().name, None);
}

#[tokio::test]
async fn intuit_has_an_environment_for_keys_of_development() {
    let sandbox = IntuitOAuth2::new("id", "s").with_environment("sandbox").unwrap();
    let userinfo = sandbox.oauth2().endpoints().get(Endpoint::Profile);
    assert_eq!(userinfo, Some("https://sandbox-accounts.platform.intuit.com/v1/openid_connect/userinfo"));
    assert!(IntuitOAuth2::new("id", "s").with_environment("evil.example/").is_err());
}

#[tokio::test]
async fn intuit_and_asana_drop_the_nonce() {
    let emulator = Emulator::start().await.unwrap();
    for name in ["intuit", "asana"] {
        let client = oauth_demo::client(&emulator, name).await.unwrap();
        let started = client.start_login("https://app.example/cb", Default::default()).await.unwrap();
        assert!(started.attempt.nonce().is_some());
        let callback = emulator.browse(&started.url, Consent::Allow).await.unwrap().callback();
        client.finish_login(started.attempt, callback).await.unwrap();
    }
}
