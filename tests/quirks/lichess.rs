use oauth_clients::{ClientSecret, EmailVerification, OAuth2Token, Provider, lichess::LichessOAuth2};
use serde_json::json;

use super::json_replies;
use crate::support::{Script, reply};

#[tokio::test]
async fn lichess_has_the_address_elsewhere_and_signs_in_without_it() {
    let account = || reply(200, "application/json", json!({"id": "ada", "username": "Ada"}).to_string());
    for (second, expected) in [
        (reply(200, "application/json", r#"{"email":"a@b.example"}"#), Some("a@b.example")),
        (reply(403, "application/json", r#"{"error":"Missing scope: email:read"}"#), None),
    ] {
        let http = Script::new([account(), second]);
        let lichess = LichessOAuth2::new("app.example", ClientSecret::NONE).with_http_client(http.clone());
        let identity = lichess.get_identity(&OAuth2Token::new("AT")).await.unwrap();
        assert_eq!((&*identity.subject, identity.name.as_deref()), ("ada", Some("Ada")));
        assert_eq!(identity.email.as_ref().map(|email| &*email.address), expected);
        assert!(identity.email.is_none_or(|email| email.verification == EmailVerification::Unknown));
        let urls: Vec<_> = http.requests().into_iter().map(|sent| sent.url).collect();
        assert_eq!(urls, ["https://lichess.org/api/account", "https://lichess.org/api/account/email"]);
    }
}

#[tokio::test]
async fn lichess_deletes_the_token_that_asks() {
    let http = json_replies([json!({"access_token": "lio_1"}), json!({})]);
    let lichess = LichessOAuth2::new("app.example", ClientSecret::NONE).with_http_client(http.clone());
    lichess.get_access_token("c", "https://app.example/cb", None, &[]).await.unwrap();
    lichess.revoke_token("lio_1", None).await.unwrap();
    let sent = http.requests();
    assert_eq!(super::value(&sent[0].form(), "client_id"), Some("app.example"));
    assert_eq!((&*sent[1].method, &*sent[1].url), ("DELETE", "https://lichess.org/api/token"));
    assert_eq!((sent[1].header("authorization"), &*sent[1].body), (Some("Bearer lio_1"), ""));
}
