//! What Todoist does differently.

use oauth_clients::{ErrorClass, LoginOptions, OAuth2Token, Provider, todoist::TodoistOAuth2};
use serde_json::json;

use super::json_replies;
use crate::support::Script;

fn todoist() -> TodoistOAuth2 {
    TodoistOAuth2::new("id", "secret")
}

#[tokio::test]
async fn todoist_has_commas_between_scopes() {
    let options = LoginOptions::new().scopes(["data:read", "data:delete"]);
    let started = todoist().start_login("https://app.example/cb", options).await.unwrap();
    assert!(started.url.contains("scope=data%3Aread%2Cdata%3Adelete"), "{}", started.url);
}

#[tokio::test]
async fn todoist_has_words_of_its_own_for_a_code_and_a_secret() {
    for (code, class) in [
        ("bad_authorization_code", ErrorClass::Reauthorize),
        ("incorrect_application_credentials", ErrorClass::Configuration),
    ] {
        let todoist = todoist().with_http_client(Script::json(400, &json!({"error": code})));
        let error = todoist.refresh_token("RT", None).await.unwrap_err();
        assert_eq!(error.class(), class, "{error:?}");
    }
}

#[tokio::test]
async fn todoist_gives_older_apps_tokens_that_do_not_expire() {
    let reply = json!({"access_token": "AT", "token_type": "Bearer", "expires_in": 0});
    let todoist = todoist().with_http_client(json_replies([reply]));
    let token = todoist.get_access_token("C", "https://app.example/cb", None, &[]).await.unwrap();
    assert_eq!(token.expires_at(), None);
}

#[tokio::test]
async fn todoist_revokes_for_who_authenticates_by_basic() {
    let http = json_replies([json!(null)]);
    let todoist = todoist().with_http_client(http.clone());
    todoist.revoke_token(OAuth2Token::new("AT").access_token(), Some("access_token")).await.unwrap();
    assert!(http.request().header("authorization").unwrap().starts_with("Basic "));
}
