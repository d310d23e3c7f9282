use oauth_clients::{Callback, ErrorClass, LoginOptions, Provider, pipedrive::PipedriveOAuth2};

use super::{json_replies, url, value};

#[tokio::test]
async fn pipedrive_has_its_scopes_in_the_app() {
    let query = url(&PipedriveOAuth2::new("id", "secret")).await;
    assert_eq!((value(&query, "scope"), value(&query, "code_challenge")), (None, None));
}

/// An app that is installed from the Marketplace gets a code that nobody asked for.
#[tokio::test]
async fn pipedrive_installations_are_not_sign_ins() {
    let http = json_replies([]);
    let pipedrive = PipedriveOAuth2::new("id", "secret").with_http_client(http.clone());
    let login = pipedrive.start_login("https://app.example/cb", LoginOptions::new()).await.unwrap();
    let error = pipedrive.finish_login(login.attempt, Callback::from_query("code=c")).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Reauthorize);
    assert!(http.requests().is_empty());
}
