use oauth_clients::{ClientSecret, OAuth2Token, Provider, trakt::TraktOAuth2};
use serde_json::{Value, json};

use super::{json_replies, owned};

#[tokio::test]
async fn trakt_is_sent_json_and_the_redirect_uri_again() {
    let tokens = json!({"access_token": "AT2", "refresh_token": "RT2", "created_at": 1});
    let http = json_replies([tokens.clone(), tokens.clone(), tokens]);
    let trakt = TraktOAuth2::new("id", ClientSecret::NONE).with_redirect_uri("https://app.example/cb");
    let trakt = trakt.with_http_client(http.clone());
    let new = trakt.refresh_token("RT", None).await.unwrap();
    assert_eq!(new.refresh_token(), Some("RT2"));
    let sent = http.request();
    assert_eq!(sent.url, "https://auth.trakt.tv/oauth/token");
    let body: Value = serde_json::from_str(&sent.body).unwrap();
    let expected = json!({
        "grant_type": "refresh_token", "refresh_token": "RT", "redirect_uri": "https://app.example/cb", "client_id": "id",
    });
    assert_eq!(body, expected);
    let old: OAuth2Token =
        serde_json::from_value(json!({"access_token": "AT", "refresh_token": "RT"})).unwrap();
    trakt.refresh_with(&old, None, &[("audience", "a")]).await.unwrap();
    let body: Value = serde_json::from_str(&http.requests()[1].body).unwrap();
    assert_eq!((&body["redirect_uri"], &body["audience"]), (&json!("https://app.example/cb"), &json!("a")));
    let older = TraktOAuth2::new("id", "secret").with_http_client(http.clone());
    older.refresh_token("RT", None).await.unwrap();
    let body: Value = serde_json::from_str(&http.requests()[2].body).unwrap();
    assert_eq!((&body["client_secret"], &body["redirect_uri"]), (&json!("secret"), &Value::Null));
}

#[tokio::test]
async fn trakt_knows_users_by_number_and_applications_by_a_header() {
    let me = json!({"username": "ada", "name": "", "ids": {"slug": null, "trakt": 17}});
    let http = json_replies([me]);
    let trakt = TraktOAuth2::new("id", "secret").with_http_client(http.clone());
    let identity = trakt.get_identity(&OAuth2Token::new("AT")).await.unwrap();
    assert_eq!((&*identity.subject, identity.name.as_deref()), ("17", Some("ada")));
    let sent = http.request();
    assert_eq!(
        (&*sent.url, sent.query.clone()),
        ("https://api.trakt.tv/users/me", owned(&[("extended", "full")]))
    );
    assert_eq!((sent.header("trakt-api-key"), sent.header("trakt-api-version")), (Some("id"), Some("2")));
}
