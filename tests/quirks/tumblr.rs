use oauth_clients::{Provider, tumblr::TumblrOAuth2};
use serde_json::json;

use super::json_replies;

#[tokio::test]
async fn tumblr_knows_users_by_their_primary_blog() {
    let blogs = json!([
        {"name": "other", "uuid": "t:other", "primary": false},
        {"name": "main", "uuid": "t:main", "primary": true},
    ]);
    let profile =
        json!({"meta": {"status": 200, "msg": "OK"}, "response": {"user": {"name": "ada", "blogs": blogs}}});
    let tumblr = TumblrOAuth2::new("id", "s").with_http_client(json_replies([profile]));
    let token = serde_json::from_value(json!({"access_token": "AT"})).unwrap();
    let identity = tumblr.get_identity(&token).await.unwrap();
    assert_eq!((&*identity.subject, identity.name.as_deref(), identity.email), ("t:main", Some("ada"), None));
}
