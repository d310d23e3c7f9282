//! What ClickUp does differently.

use oauth_clients::{ErrorClass, OAuth2Token, Provider, click_up::ClickUpOAuth2};
use serde_json::{Value, json};

use super::json_replies;
use crate::support::Script;

fn click_up() -> ClickUpOAuth2 {
    ClickUpOAuth2::new("id", "secret")
}

#[tokio::test]
async fn click_up_is_sent_json_without_grant_type() {
    let http = json_replies([json!({"access_token": "AT"})]);
    let click_up = click_up().with_http_client(http.clone());
    let token = click_up.get_access_token("C", "https://app.example/cb", None, &[]).await.unwrap();
    assert_eq!(token.expires_at(), None);
    let body: Value = serde_json::from_str(&http.request().body).unwrap();
    assert_eq!(body, json!({"client_id": "id", "client_secret": "secret", "code": "C"}));
}

#[tokio::test]
async fn click_up_wraps_the_user() {
    let user =
        json!({"user": {"id": 7, "username": "Ada", "email": "ada@example.com", "profilePicture": null}});
    let click_up = click_up().with_http_client(json_replies([user]));
    let identity = click_up.get_identity(&OAuth2Token::new("AT")).await.unwrap();
    assert_eq!((identity.subject.as_str(), identity.name.as_deref()), ("7", Some("Ada")));
    assert_eq!(identity.email.unwrap().address, "ada@example.com");
}

#[tokio::test]
async fn click_up_has_codes_of_its_own() {
    for (code, class) in [
        ("OAUTH_013", ErrorClass::Reauthorize),
        ("OAUTH_014", ErrorClass::Reauthorize),
        ("OAUTH_010", ErrorClass::Configuration),
        ("OAUTH_007", ErrorClass::Configuration),
    ] {
        let refused = json!({"err": "no", "ECODE": code});
        let click_up = click_up().with_http_client(Script::json(400, &refused));
        let error = click_up.get_access_token("C", "https://app.example/cb", None, &[]).await.unwrap_err();
        assert_eq!(error.class(), class, "{code}: {error:?}");
    }
    // A Workspace that the user did not choose is no reason to sign in again.
    let refused = json!({"err": "Team not authorized", "ECODE": "OAUTH_023"});
    let click_up = click_up().with_http_client(Script::json(403, &refused));
    assert_ne!(click_up.get_profile("AT").await.unwrap_err().class(), ErrorClass::Reauthorize);
}
