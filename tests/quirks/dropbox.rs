//! What Dropbox does differently.

use oauth_clients::{
    EmailVerification, ErrorClass, LoginOptions, OAuth2Token, Provider, dropbox::DropboxOAuth2,
};
use serde_json::json;

use super::json_replies;
use crate::support::Script;

fn dropbox() -> DropboxOAuth2 {
    DropboxOAuth2::new("id", "secret")
}

#[tokio::test]
async fn dropbox_reads_the_profile_by_a_post_without_a_body() {
    let account = json!({
        "account_id": "dbid:A", "name": {"display_name": "Ada"}, "email": "ada@example.com", "email_verified": false,
    });
    let http = json_replies([account]);
    let dropbox = dropbox().with_http_client(http.clone());
    let identity = dropbox.get_identity(&OAuth2Token::new("AT")).await.unwrap();
    assert_eq!(identity.key(), ("https://www.dropbox.com", "dbid:A"));
    assert_eq!(identity.email.unwrap().verification, EmailVerification::Unverified);
    let sent = http.request();
    assert_eq!((sent.method.as_str(), sent.header("content-type"), &*sent.body), ("POST", None, ""));
}

#[tokio::test]
async fn dropbox_revokes_the_token_that_authorizes_the_revocation() {
    let http = json_replies([json!(null)]);
    let dropbox = dropbox().with_http_client(http.clone());
    dropbox.revoke_token("AT", Some("access_token")).await.unwrap();
    let sent = http.request();
    assert_eq!(sent.url, "https://api.dropboxapi.com/2/auth/token/revoke");
    assert_eq!((sent.header("authorization"), &*sent.body), (Some("Bearer AT"), ""));
}

#[tokio::test]
async fn dropbox_says_that_the_client_is_wrong_in_a_sentence() {
    let body =
        json!({"error": "invalid_client: Invalid client_id or client_secret", "error_description": "x"});
    let dropbox = dropbox().with_http_client(Script::json(400, &body));
    assert_eq!(dropbox.refresh_token("RT", None).await.unwrap_err().class(), ErrorClass::Configuration);
}

#[tokio::test]
async fn dropbox_asks_for_a_refresh_token_by_a_parameter() {
    let started = dropbox().start_login("https://app.example/cb", LoginOptions::new()).await.unwrap();
    assert!(started.url.contains("token_access_type=offline"), "{}", started.url);
}
