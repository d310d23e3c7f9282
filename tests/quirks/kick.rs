use oauth_clients::{Provider, kick::KickOAuth2};
use serde_json::json;

use super::{json_replies, value};

#[tokio::test]
async fn kick_revokes_with_the_token_alone_and_not_in_the_url() {
    let http = json_replies([json!("OK")]);
    let kick = KickOAuth2::new("id", "secret").with_http_client(http.clone());
    kick.revoke_token("RT", Some("refresh_token")).await.unwrap();
    let sent = http.request();
    assert_eq!(sent.url, "https://id.kick.com/oauth/revoke");
    assert_eq!((value(&sent.form(), "token"), value(&sent.form(), "client_secret")), (Some("RT"), None));
    assert!(sent.query.is_empty() && sent.header("authorization").is_none());
}
