use oauth_clients::{ErrorClass, Provider, mailchimp::MailchimpOAuth2};
use serde_json::json;

use super::{json_replies, url, value};

#[tokio::test]
async fn mailchimp_says_zero_and_means_never() {
    let reply = json!({"access_token": "AT", "expires_in": 0, "scope": null});
    let mailchimp = MailchimpOAuth2::new("id", "s").with_http_client(json_replies([reply]));
    assert_eq!(value(&url(&mailchimp).await, "scope"), None);
    let token = mailchimp.get_access_token("c", "https://app.example/cb", None, &[]).await.unwrap();
    assert_eq!((token.expires_at(), token.is_expired()), (None, false));
}

#[tokio::test]
async fn mailchimp_knows_the_account_and_tells_a_dead_token_under_success() {
    let metadata = json!({
        "dc": "us6", "user_id": 15, "accountname": "A", "api_endpoint": "https://us6.api.mailchimp.com",
        "login": {"login_id": 7, "email": "a@x.example", "avatar": null},
    });
    let http = json_replies([metadata, json!({"error": "invalid_token"})]);
    let mailchimp = MailchimpOAuth2::new("id", "s").with_http_client(http);
    assert_eq!(
        mailchimp.get_id_email("AT").await.unwrap(),
        ("15".to_owned(), Some("a@x.example".to_owned()))
    );
    assert_eq!(mailchimp.get_profile("AT").await.unwrap_err().class(), ErrorClass::Reauthorize);
}
