use oauth_clients::{Provider, kick::KickOAuth2};
use serde_json::json;

use super::{json_replies, value};

#[tokio::test]
async fn kick_revokes_by_the_query_and_without_the_secret() {
    let http = json_replies([json!("OK")]);
    let kick = KickOAuth2::new("id", "secret").with_http_client(http.clone());
    kick.revoke_token("RT", Some("refresh_token")).await.unwrap();
    let sent = http.request();
    assert_eq!((&*sent.method, &*sent.url), ("POST", "https://id.kick.com/oauth/revoke"));
    assert_eq!(value(&sent.query, "token"), Some("RT"));
    assert!(!sent.body.contains("secret") && sent.header("authorization").is_none());
}
