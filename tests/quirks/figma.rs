use oauth_clients::{OAuth2Token, Provider, figma::FigmaOAuth2};
use serde_json::json;

use super::{json_replies, url, value};

#[tokio::test]
async fn figma_refreshes_elsewhere_and_keeps_the_refresh_token() {
    let http = json_replies([json!({"access_token": "AT2", "expires_in": 7776000})]);
    let figma = FigmaOAuth2::new("id", "s").with_http_client(http.clone());
    let old: OAuth2Token =
        serde_json::from_value(json!({"access_token": "AT", "refresh_token": "RT"})).unwrap();
    let new = figma.refresh(&old, None).await.unwrap();
    assert_eq!((new.access_token(), new.refresh_token()), ("AT2", Some("RT")));
    let sent = http.request();
    assert_eq!(sent.url, "https://api.figma.com/v1/oauth/refresh");
    assert_eq!(sent.header("authorization"), Some("Basic aWQ6cw=="));
}

#[tokio::test]
async fn figma_separates_scopes_by_commas() {
    let figma = FigmaOAuth2::new("id", "s").with_scopes(["current_user:read", "file_content:read"]);
    assert_eq!(value(&url(&figma).await, "scope"), Some("current_user:read,file_content:read"));
}
