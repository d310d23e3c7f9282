use oauth_clients::{ClientSecret, ErrorClass, OAuth2Token, Provider, snapchat::SnapchatOAuth2};
use serde_json::{Value, json};

use super::{json_replies, url, value};

#[tokio::test]
async fn snapchat_is_asked_in_graphql() {
    let me = json!({"externalId": "CAESI=", "displayName": "Ada"});
    let http = json_replies([json!({"data": {"me": me}, "errors": []}), json!({"data": null})]);
    let snapchat = SnapchatOAuth2::new("id", "secret").with_http_client(http.clone());
    let identity = snapchat.get_identity(&OAuth2Token::new("AT")).await.unwrap();
    assert_eq!((&*identity.subject, identity.email), ("CAESI=", None));
    let sent = http.request();
    assert_eq!((&*sent.method, &*sent.url), ("POST", "https://kit.snapchat.com/v1/me"));
    let query: Value = serde_json::from_str(&sent.body).unwrap();
    assert_eq!(query, json!({"query": "{ me { externalId displayName } }"}));
    let error = snapchat.get_identity(&OAuth2Token::new("AT")).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Protocol);
}

#[tokio::test]
async fn snapchat_takes_a_challenge_from_applications_without_a_secret() {
    let with = url(&SnapchatOAuth2::new("id", "secret")).await;
    assert_eq!(value(&with, "code_challenge_method"), None);
    let snapchat = SnapchatOAuth2::new("id", ClientSecret::NONE);
    let login = snapchat.start_login("https://app.example/cb", oauth_clients::LoginOptions::new()).await;
    assert!(login.unwrap().url.contains("code_challenge_method=S256"));
    let confidential = SnapchatOAuth2::new("id", "secret");
    let login = confidential.start_login("https://app.example/cb", oauth_clients::LoginOptions::new()).await;
    assert!(!login.unwrap().url.contains("code_challenge"));
}
