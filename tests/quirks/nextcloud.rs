use oauth_clients::{EmailVerification, OAuth2Token, Provider, nextcloud::NextcloudOAuth2};
use serde_json::json;

use super::{json_replies, owned, url_of};

#[tokio::test]
async fn nextcloud_is_asked_for_json_and_in_its_own_name() {
    let data = json!({"id": "ada", "email": null, "display-name": "Ada"});
    let http = json_replies([json!({"ocs": {"meta": {"status": "ok"}, "data": data}})]);
    let nextcloud = NextcloudOAuth2::new("id", "secret", "https://Cloud.example.com/nc/").unwrap();
    let nextcloud = nextcloud.with_http_client(http.clone());
    let identity = nextcloud.get_identity(&OAuth2Token::new("AT")).await.unwrap();
    assert_eq!((&*identity.issuer, &*identity.subject), ("https://cloud.example.com/nc", "ada"));
    assert_eq!((identity.name.as_deref(), identity.email), (Some("Ada"), None));
    let sent = http.request();
    assert_eq!(sent.url, "https://cloud.example.com/nc/ocs/v2.php/cloud/user");
    assert_eq!(sent.query, owned(&[("format", "json")]));
    assert_eq!(sent.header("ocs-apirequest"), Some("true"));
}

/// Without pretty URLs, an app's pages are below index.php, and the API is not.
#[tokio::test]
async fn nextcloud_without_pretty_urls_is_the_same_server() {
    let data = json!({"id": "ada", "email": "a@b.example"});
    let http = json_replies([json!({"access_token": "AT"}), json!({"ocs": {"data": data}})]);
    let nextcloud = NextcloudOAuth2::new("id", "secret", "https://cloud.example.com/index.php").unwrap();
    let nextcloud = nextcloud.with_http_client(http.clone());
    let expected = "https://cloud.example.com/index.php/apps/oauth2/authorize?";
    assert!(url_of(&nextcloud).await.starts_with(expected));
    nextcloud.refresh_token("RT", None).await.unwrap();
    let identity = nextcloud.get_identity(&OAuth2Token::new("AT")).await.unwrap();
    assert_eq!(identity.issuer, "https://cloud.example.com");
    assert_eq!(identity.email.unwrap().verification, EmailVerification::Unknown);
    let urls: Vec<_> = http.requests().into_iter().map(|sent| sent.url).collect();
    assert_eq!(
        urls,
        [
            "https://cloud.example.com/index.php/apps/oauth2/api/v1/token",
            "https://cloud.example.com/ocs/v2.php/cloud/user"
        ]
    );
    for bad in ["cloud.example.com", "https://cloud.example.com?x", "https://u@cloud.example.com", ""] {
        assert!(NextcloudOAuth2::new("id", "secret", bad).is_err(), "{bad}");
    }
}
