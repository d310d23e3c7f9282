//! What VK ID does differently.

use oauth_clients::{
    Callback, ClientSecret, EmailVerification, LoginOptions, OAuth2Token, Provider, vkid::VKIDOAuth2,
};
use serde_json::json;

use super::{json_replies, value};
use crate::support::{owned, query_of};

#[tokio::test]
async fn vkid_binds_a_login_to_a_device_and_keeps_it() {
    let replies = [
        json!({"access_token": "AT", "refresh_token": "RT", "expires_in": 3600, "user_id": 7}),
        json!({"access_token": "AT2", "refresh_token": "RT2", "expires_in": 3600}),
        json!({"access_token": "AT3", "expires_in": 3600}),
        json!({"access_token": "AT4", "refresh_token": "RT4", "expires_in": 3600}),
    ];
    let http = json_replies(replies);
    let vkid = VKIDOAuth2::new("id", "a secret that is not sent").with_http_client(http.clone());
    let started = vkid.start_login("https://app.example/cb", LoginOptions::new()).await.unwrap();
    let state = started.attempt.state().to_owned();
    assert!(state.len() >= 32);
    assert_eq!(value(&query_of(&started.url), "code_challenge_method"), Some("S256"));
    let callback = Callback::from_query(&format!("code=c&state={state}&device_id=D"));
    let login = vkid.finish_login(started.attempt, callback).await.unwrap();
    let first = vkid.refresh(&login.token, None).await.unwrap();
    let second = vkid.refresh(&first, None).await.unwrap();
    assert_eq!((second.access_token(), second.refresh_token()), ("AT3", Some("RT2")));
    // So does a token manager for a part of the scopes.
    let narrower = vkid.refresh_with(&second, Some(&["email"]), &[("audience", "a")]).await.unwrap();
    assert_eq!((narrower.refresh_token(), narrower.get("device_id")), (Some("RT4"), Some(json!("D"))));

    let sent = http.requests();
    let form = sent[0].form();
    assert_eq!((value(&form, "device_id"), value(&form, "state")), (Some("D"), Some(&*state)));
    assert_eq!((value(&form, "client_id"), value(&form, "client_secret")), (Some("id"), None));
    assert!(value(&form, "code_verifier").is_some());
    for (request, refresh_token) in sent[1..].iter().zip(["RT", "RT2", "RT2"]) {
        let form = request.form();
        assert_eq!(value(&form, "refresh_token"), Some(refresh_token));
        assert_eq!((value(&form, "device_id"), value(&form, "client_secret")), (Some("D"), None));
        assert!(value(&form, "state").is_some_and(|fresh| fresh.len() >= 32 && fresh != state));
    }
    let form = sent[3].form();
    assert_eq!((value(&form, "scope"), value(&form, "audience")), (Some("email"), Some("a")));
    // It survives storage, too.
    let stored: OAuth2Token = serde_json::from_str(&serde_json::to_string(&second).unwrap()).unwrap();
    assert_eq!(stored.get("device_id"), Some(json!("D")));
}

#[tokio::test]
async fn vkid_reads_the_profile_by_a_form() {
    let user = json!({"user": {
        "user_id": "7", "first_name": "Ada", "last_name": "Lovelace", "email": "ada@example.com", "verified": true,
    }});
    let http = json_replies([user]);
    let vkid = VKIDOAuth2::new("id", ClientSecret::NONE).with_http_client(http.clone());
    let identity = vkid.get_identity(&OAuth2Token::new("AT")).await.unwrap();
    assert_eq!((identity.subject.as_str(), identity.name.as_deref()), ("7", Some("Ada Lovelace")));
    // The tick is the account's.
    assert_eq!(identity.email.unwrap().verification, EmailVerification::Unknown);
    let sent = http.request();
    assert_eq!((sent.method.as_str(), sent.header("authorization")), ("POST", None));
    let mut form = sent.form();
    form.sort();
    assert_eq!(form, owned(&[("access_token", "AT"), ("client_id", "id")]));
}

#[tokio::test]
async fn vkid_revokes_by_the_access_token_and_the_client_id() {
    let http = json_replies([json!({"response": 1})]);
    let vkid = VKIDOAuth2::new("id", "secret").with_http_client(http.clone());
    vkid.revoke_token("AT", Some("access_token")).await.unwrap();
    let sent = http.request();
    let form = sent.form();
    assert_eq!((value(&form, "access_token"), value(&form, "token")), (Some("AT"), None));
    assert_eq!((value(&form, "client_id"), value(&form, "client_secret")), (Some("id"), None));
    assert_eq!(sent.header("authorization"), None);
}
