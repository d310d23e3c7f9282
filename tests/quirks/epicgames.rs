//! What Epic Games does differently.

use oauth_clients::{OAuth2Token, Provider, epicgames::EpicGamesOAuth2};
use serde_json::json;

use super::json_replies;

#[tokio::test]
async fn epicgames_has_a_display_name_and_no_address() {
    let user = json!({"sub": "e1", "preferred_username": "Ada", "email": "planted@example.com"});
    let epic = EpicGamesOAuth2::new("id", "secret").with_http_client(json_replies([user]));
    let identity = epic.get_identity(&OAuth2Token::new("AT")).await.unwrap();
    assert_eq!((identity.subject.as_str(), identity.name.as_deref()), ("e1", Some("Ada")));
    assert_eq!(identity.email, None);
}
