use oauth_clients::{Provider, amazon::AmazonOAuth2};
use serde_json::json;

use super::json_replies;

#[tokio::test]
async fn amazon_has_regions_and_a_header_of_its_own() {
    for (region, login, api) in [
        ("na", "https://www.amazon.com/ap/oa", "https://api.amazon.com"),
        ("eu", "https://eu.account.amazon.com/ap/oa", "https://api.amazon.co.uk"),
        ("fe", "https://apac.account.amazon.com/ap/oa", "https://api.amazon.co.jp"),
    ] {
        let http = json_replies([json!({"user_id": "amzn1.account.K", "name": "N", "email": "a@x.example"})]);
        let amazon = AmazonOAuth2::new("id", "s").with_region(region).unwrap().with_http_client(http.clone());
        assert_eq!(amazon.oauth2().endpoints().authorization(), login);
        let known = amazon.get_id_email("AT").await.unwrap();
        assert_eq!(known, ("amzn1.account.K".to_owned(), Some("a@x.example".to_owned())));
        let sent = http.request();
        assert_eq!(sent.url, format!("{api}/user/profile"));
        assert_eq!((sent.header("x-amz-access-token"), sent.header("authorization")), (Some("AT"), None));
    }
    assert!(AmazonOAuth2::new("id", "s").with_region("evil.example/#").is_err());
}
