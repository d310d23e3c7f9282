//! What Patreon does differently.

use oauth_clients::{EmailVerification, LoginOptions, OAuth2Token, Provider, patreon::PatreonOAuth2};
use serde_json::json;

use super::json_replies;

#[tokio::test]
async fn patreon_answers_with_a_document_of_what_was_asked_for() {
    let user = json!({"data": {
        "id": "7",
        "type": "user",
        "attributes": {"email": "ada@example.com", "is_email_verified": false, "full_name": "Ada Lovelace"},
    }});
    let http = json_replies([user]);
    let patreon = PatreonOAuth2::new("id", "secret").with_http_client(http.clone());
    let identity = patreon.get_identity(&OAuth2Token::new("AT")).await.unwrap();
    assert_eq!((identity.subject.as_str(), identity.name.as_deref()), ("7", Some("Ada Lovelace")));
    assert_eq!(identity.email.unwrap().verification, EmailVerification::Unverified);
    let query = http.request().query;
    assert_eq!(query[0].0, "fields[user]");
    for attribute in ["email", "is_email_verified", "full_name", "image_url"] {
        assert!(query[0].1.split(',').any(|field| field == attribute), "{query:?}");
    }
}

#[tokio::test]
async fn patreon_has_scopes_with_brackets() {
    let patreon = PatreonOAuth2::new("id", "secret");
    let started = patreon.start_login("https://app.example/cb", LoginOptions::new()).await.unwrap();
    assert!(started.url.contains("scope=identity%20identity%5Bemail%5D"), "{}", started.url);
}
