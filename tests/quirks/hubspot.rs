//! What HubSpot does differently.

use oauth_clients::{
    EmailVerification, ErrorClass, LoginOptions, OAuth2Token, Provider, hubspot::HubSpotOAuth2,
};
use serde_json::json;

use super::{json_replies, value};
use crate::support::Script;

fn hubspot() -> HubSpotOAuth2 {
    HubSpotOAuth2::new("id", "secret")
}

#[tokio::test]
async fn hubspot_reads_the_user_from_the_introspection_of_the_token() {
    let http = json_replies([json!({
        "active": true, "user_id": 7, "user": "ada@example.com", "hub_id": 62515, "token": "AT",
        "signed_access_token": {"signature": "S"},
    })]);
    let hubspot = hubspot().with_http_client(http.clone());
    let identity = hubspot.get_identity(&OAuth2Token::new("AT")).await.unwrap();
    assert_eq!(identity.subject, "7");
    assert_eq!(identity.email.unwrap().verification, EmailVerification::Unknown);
    // An identity is stored and logged.
    assert_eq!(identity.profile["hub_id"], 62515);
    assert!(identity.profile.get("token").is_none() && identity.profile.get("signed_access_token").is_none());
    let sent = http.request();
    assert_eq!(sent.url, "https://api.hubapi.com/oauth/2026-03/token/introspect");
    let form = sent.form();
    assert_eq!((value(&form, "token"), value(&form, "token_type_hint")), (Some("AT"), Some("access_token")));
    assert_eq!((value(&form, "client_id"), value(&form, "client_secret")), (Some("id"), Some("secret")));
}

#[tokio::test]
async fn hubspot_says_of_a_dead_token_only_that_it_is_not_active() {
    for answer in [
        json!({"active": false}),
        json!({"active": false, "user_id": 7, "user": "ada@example.com"}),
        json!({}),
    ] {
        let hubspot = hubspot().with_http_client(json_replies([answer]));
        let error = hubspot.get_identity(&OAuth2Token::new("AT")).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Reauthorize, "{error:?}");
    }
}

#[tokio::test]
async fn hubspot_has_versions_that_are_dates() {
    let http = json_replies([json!({"access_token": "AT"})]);
    let hubspot = hubspot().with_api_version("2026-09").unwrap().with_http_client(http.clone());
    let started = hubspot.start_login("https://app.example/cb", LoginOptions::new()).await.unwrap();
    assert!(started.url.starts_with("https://app.hubspot.com/oauth/authorize?"));
    hubspot.get_access_token("c", "https://app.example/cb", None, &[]).await.unwrap();
    assert_eq!(http.request().url, "https://api.hubapi.com/oauth/2026-09/token");
    assert!(HubSpotOAuth2::new("id", "secret").with_api_version("../x").is_err());
}

#[tokio::test]
async fn hubspot_names_a_dead_grant_by_its_status_too() {
    for body in [
        json!({"error": "invalid_grant", "error_description": "revoked", "status": "BAD_REFRESH_TOKEN", "message": "revoked"}),
        json!({"status": "BAD_REFRESH_TOKEN", "message": "missing or invalid refresh token"}),
    ] {
        let hubspot = hubspot().with_http_client(Script::json(400, &body));
        assert_eq!(
            hubspot.refresh_token("RT", None).await.unwrap_err().class(),
            ErrorClass::Reauthorize,
            "{body}"
        );
    }
    let body = json!({"status": "BAD_CLIENT_SECRET", "message": "missing or unknown client secret"});
    let hubspot = hubspot().with_http_client(Script::json(400, &body));
    assert_ne!(hubspot.refresh_token("RT", None).await.unwrap_err().class(), ErrorClass::Reauthorize);
}
