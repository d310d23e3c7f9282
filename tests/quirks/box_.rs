use oauth_clients::{EmailVerification, Provider, box_::BoxOAuth2};
use serde_json::json;

use super::{json_replies, url, value};

#[tokio::test]
async fn box_calls_the_address_login_and_vouches_for_none() {
    let profile =
        json!({"type": "user", "id": "1", "login": "a@x.example", "name": "A", "avatar_url": "https://b/a"});
    let client = BoxOAuth2::new("id", "s");
    assert_eq!(value(&url(&client).await, "scope"), None);
    let replies = json_replies([json!({"access_token": "AT", "token_type": "bearer"}), profile]);
    let client = client.with_http_client(replies);
    let token = client.get_access_token("c", "https://app.example/cb", None, &[]).await.unwrap();
    let identity = client.get_identity(&token).await.unwrap();
    let email = identity.email.unwrap();
    assert_eq!((&*email.address, email.verification), ("a@x.example", EmailVerification::Unknown));
    assert_eq!((identity.name.as_deref(), identity.picture.as_deref()), (Some("A"), Some("https://b/a")));
}
