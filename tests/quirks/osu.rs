use oauth_clients::{Provider, osu::OsuOAuth2, vimeo::VimeoOAuth2};
use serde_json::json;

use super::json_replies;

#[tokio::test]
async fn osu_and_vimeo_delete_the_token_that_asks() {
    let http = json_replies([json!({}), json!({})]);
    let osu = OsuOAuth2::new("1", "secret").with_http_client(http.clone());
    osu.revoke_token("AT", None).await.unwrap();
    VimeoOAuth2::new("id", "secret").with_http_client(http.clone()).revoke_token("AT", None).await.unwrap();
    let sent = http.requests();
    assert_eq!(sent[0].url, "https://osu.ppy.sh/api/v2/oauth/tokens/current");
    assert_eq!(sent[1].url, "https://api.vimeo.com/tokens");
    for sent in sent {
        assert_eq!((&*sent.method, sent.header("authorization")), ("DELETE", Some("Bearer AT")));
        assert!(sent.body.is_empty());
    }
}
