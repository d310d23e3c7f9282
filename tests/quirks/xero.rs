use oauth_clients::{EmailVerification, OAuth2Token, Provider, xero::XeroOAuth2};
use serde_json::json;

use super::json_replies;

#[tokio::test]
async fn xero_knows_a_name_by_its_parts_and_users_by_sub() {
    let profile = json!({
        "sub": "s1", "xero_userid": "x1", "given_name": "Ada", "family_name": "Lovelace", "email": "a@b.example",
    });
    let xero = XeroOAuth2::new("id", "secret").with_http_client(json_replies([profile]));
    let identity = xero.get_identity(&OAuth2Token::new("AT")).await.unwrap();
    assert_eq!((&*identity.subject, identity.name.as_deref()), ("s1", Some("Ada Lovelace")));
    assert_eq!(identity.email.unwrap().verification, EmailVerification::Unknown);
}
