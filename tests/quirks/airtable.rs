//! What Airtable does differently.

use oauth_clients::{EmailVerification, OAuth2Token, Provider, airtable::AirtableOAuth2};
use serde_json::json;

use super::json_replies;

#[tokio::test]
async fn airtable_tells_an_address_if_the_scope_lets_it() {
    let users = [
        json!({"id": "usr1", "scopes": ["user.email:read"], "email": "ada@example.com"}),
        json!({"id": "usr1", "scopes": []}),
    ];
    let airtable = AirtableOAuth2::new("id", "secret").with_http_client(json_replies(users));
    let token = OAuth2Token::new("AT");
    let told = airtable.get_identity(&token).await.unwrap();
    assert_eq!((told.subject.as_str(), told.name.as_deref()), ("usr1", None));
    assert_eq!(told.email.unwrap().verification, EmailVerification::Unknown);
    assert_eq!(airtable.get_identity(&token).await.unwrap().email, None);
}
