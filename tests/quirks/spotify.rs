//! What Spotify does differently.

use oauth_clients::{EmailVerification, OAuth2Token, Provider, spotify::SpotifyOAuth2};
use serde_json::json;

use super::json_replies;

#[tokio::test]
async fn spotify_knows_accounts_by_account_id_and_verifies_no_address() {
    let user = json!({
        "account_id": "A", "id": "can-change", "display_name": "Ada", "email": "ada@example.com", "images": [],
    });
    let spotify = SpotifyOAuth2::new("id", "secret").with_http_client(json_replies([user]));
    let identity = spotify.get_identity(&OAuth2Token::new("AT")).await.unwrap();
    assert_eq!((identity.subject.as_str(), identity.picture), ("A", None));
    assert_eq!(identity.email.unwrap().verification, EmailVerification::Unknown);
}

#[tokio::test]
async fn spotify_refuses_nobody_without_an_address() {
    let user = json!({"account_id": "A", "display_name": null});
    let spotify = SpotifyOAuth2::new("id", "secret").with_http_client(json_replies([user]));
    let identity = spotify.get_identity(&OAuth2Token::new("AT")).await.unwrap();
    assert_eq!((identity.email, identity.name), (None, None));
}
