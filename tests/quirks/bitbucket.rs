//! What Bitbucket does differently.

use oauth_clients::{EmailVerification, OAuth2Token, Provider, bitbucket::BitbucketOAuth2};
use serde_json::{Value, json};

use super::json_replies;
use crate::support::{Script, owned, reply};

fn user() -> Value {
    json!({"account_id": "557058:1", "uuid": "{u}", "display_name": "Ada", "links": {"avatar": {"href": "https://example.com/a.png"}}})
}

#[tokio::test]
async fn bitbucket_has_the_primary_address_in_a_list_of_its_own() {
    for (confirmed, verification) in
        [(true, EmailVerification::Verified), (false, EmailVerification::Unverified)]
    {
        let emails = json!({"values": [
            {"email": "other@example.com", "is_primary": false, "is_confirmed": true},
            {"email": "ada@example.com", "is_primary": true, "is_confirmed": confirmed},
        ]});
        let http = json_replies([user(), emails]);
        let bitbucket = BitbucketOAuth2::new("id", "secret").with_http_client(http.clone());
        let identity = bitbucket.get_identity(&OAuth2Token::new("AT")).await.unwrap();
        assert_eq!(identity.subject, "557058:1");
        let email = identity.email.unwrap();
        assert_eq!((email.address.as_str(), email.verification), ("ada@example.com", verification));
        let sent = &http.requests()[1];
        assert_eq!(sent.url, "https://api.bitbucket.org/2.0/user/emails");
        assert_eq!(sent.query, owned(&[("pagelen", "100")]));
    }
}

#[tokio::test]
async fn bitbucket_signs_in_without_the_scope_for_addresses() {
    let http = Script::new([
        reply(200, "application/json", user().to_string()),
        reply(403, "application/json", json!({"type": "error", "error": {"message": "scopes"}}).to_string()),
    ]);
    let bitbucket = BitbucketOAuth2::new("id", "secret").with_http_client(http);
    assert_eq!(bitbucket.get_identity(&OAuth2Token::new("AT")).await.unwrap().email, None);
}
