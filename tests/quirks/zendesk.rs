use oauth_clients::{EmailVerification, OAuth2Token, Provider, zendesk::ZendeskOAuth2};
use serde_json::json;

use super::json_replies;

/// `verified` is true as soon as any identity is, such as a telephone number.
#[tokio::test]
async fn zendesk_does_not_say_that_this_address_is_verified() {
    let user = json!({"id": 9, "email": "a@b.example", "name": "Ada", "verified": true, "photo": null});
    let http = json_replies([json!({"user": user})]);
    let zendesk = ZendeskOAuth2::new("id", "secret", "My-Company").unwrap().with_http_client(http);
    let identity = zendesk.get_identity(&OAuth2Token::new("AT")).await.unwrap();
    assert_eq!(identity.email.unwrap().verification, EmailVerification::Unknown);
    assert_eq!((&*identity.issuer, &*identity.subject), ("https://my-company.zendesk.com", "9"));
}

#[test]
fn zendesk_stays_at_its_own_hosts() {
    for bad in ["", "my-company.zendesk.com", "evil.example/", "a.b", "evil.example#", "-a", "a@b", "a/b"] {
        assert!(ZendeskOAuth2::new("id", "secret", bad).is_err(), "{bad}");
    }
}
