//! What Zoom does differently.

use oauth_clients::{EmailVerification, ErrorClass, LoginOptions, OAuth2Token, Provider, zoom::ZoomOAuth2};
use serde_json::json;

use super::json_replies;
use crate::support::Script;

fn zoom() -> ZoomOAuth2 {
    ZoomOAuth2::new("id", "secret")
}

#[tokio::test]
async fn zoom_verifies_an_address_by_a_number() {
    for (flag, verification) in [(1, EmailVerification::Verified), (0, EmailVerification::Unverified)] {
        let user = json!({"id": "z", "email": "ada@example.com", "verified": flag, "display_name": "Ada"});
        let zoom = zoom().with_http_client(json_replies([user]));
        let identity = zoom.get_identity(&OAuth2Token::new("AT")).await.unwrap();
        assert_eq!(identity.email.unwrap().verification, verification);
    }
}

#[tokio::test]
async fn zoom_has_the_name_in_two_pieces_too() {
    for (user, name) in [
        (json!({"id": "z", "first_name": "Ada", "last_name": "Lovelace"}), Some("Ada Lovelace")),
        (json!({"id": "z", "first_name": "Ada", "last_name": ""}), Some("Ada")),
        (json!({"id": "z", "display_name": "Countess", "first_name": "Ada"}), Some("Countess")),
        (json!({"id": "z"}), None),
    ] {
        let zoom = zoom().with_http_client(json_replies([user]));
        assert_eq!(zoom.get_identity(&OAuth2Token::new("AT")).await.unwrap().name.as_deref(), name);
    }
}

#[tokio::test]
async fn zoom_takes_the_scopes_from_the_registration() {
    let started = zoom().start_login("https://app.example/cb", LoginOptions::new()).await.unwrap();
    assert!(!started.url.contains("scope="), "{}", started.url);
}

#[tokio::test]
async fn zoom_says_why_in_a_member_of_its_own() {
    let dead = json!({"reason": "Invalid Token!", "error": "invalid_grant"});
    let zoom = zoom().with_http_client(Script::json(400, &dead));
    let error = zoom.refresh_token("RT", None).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Reauthorize);
    assert!(String::from_utf8_lossy(error.body().unwrap()).contains("Invalid Token!"));
}
