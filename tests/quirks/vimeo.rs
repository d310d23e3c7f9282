use oauth_clients::{OAuth2Token, Provider, vimeo::VimeoOAuth2};
use serde_json::json;

use super::json_replies;

#[tokio::test]
async fn vimeo_has_the_number_in_a_path_and_the_version_in_a_header() {
    let http =
        json_replies([json!({"uri": "/users/152184", "name": "Ada"}), json!({"uri": "/users/152184"})]);
    let vimeo = VimeoOAuth2::new("id", "secret").with_http_client(http.clone());
    let identity = vimeo.get_identity(&OAuth2Token::new("AT")).await.unwrap();
    assert_eq!((&*identity.subject, identity.name.as_deref()), ("152184", Some("Ada")));
    assert_eq!(vimeo.get_id_email("AT").await.unwrap(), ("152184".to_owned(), None));
    let version = Some("application/vnd.vimeo.*+json;version=3.4");
    assert!(http.requests().iter().all(|sent| sent.header("accept") == version));
}
