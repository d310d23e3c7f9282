//! What Atlassian does differently.

use oauth_clients::{ErrorClass, LoginOptions, Provider, atlassian::AtlassianOAuth2};
use serde_json::{Value, json};

use super::json_replies;
use crate::support::Script;

fn atlassian() -> AtlassianOAuth2 {
    AtlassianOAuth2::new("id", "secret")
}

#[tokio::test]
async fn atlassian_takes_token_requests_as_json() {
    let reply = || json!({"access_token": "AT", "refresh_token": "RT", "expires_in": 3600});
    let http = json_replies([reply(), reply()]);
    let atlassian = atlassian().with_http_client(http.clone());
    atlassian.get_access_token("c", "https://app.example/cb", None, &[]).await.unwrap();
    atlassian.refresh_token("RT", None).await.unwrap();
    for (sent, grant_type) in http.requests().iter().zip(["authorization_code", "refresh_token"]) {
        assert_eq!(sent.header("content-type"), Some("application/json"));
        let body: Value = serde_json::from_str(&sent.body).unwrap();
        assert_eq!((&body["grant_type"], &body["client_secret"]), (&json!(grant_type), &json!("secret")));
        assert_eq!(body["client_id"], "id");
    }
}

#[tokio::test]
async fn atlassian_names_the_audience_and_asks_for_consent() {
    let started = atlassian().start_login("https://app.example/cb", LoginOptions::new()).await.unwrap();
    assert!(started.url.contains("audience=api.atlassian.com") && started.url.contains("prompt=consent"));
    assert!(started.url.contains("code_challenge_method=S256"), "{}", started.url);
}

#[tokio::test]
async fn atlassian_tells_a_dead_refresh_token_with_403() {
    for (code, text, class) in [
        ("invalid_grant", "Unknown or invalid refresh token.", ErrorClass::Reauthorize),
        ("unauthorized_client", "refresh_token is invalid", ErrorClass::Reauthorize),
        (
            "unauthorized_client",
            "Grant type 'refresh_token' not allowed for the client.",
            ErrorClass::Configuration,
        ),
        ("access_denied", "Unauthorized", ErrorClass::Reauthorize),
    ] {
        let body = json!({"error": code, "error_description": text});
        let atlassian = atlassian().with_http_client(Script::json(403, &body));
        assert_eq!(atlassian.refresh_token("RT", None).await.unwrap_err().class(), class, "{text}");
    }
}

#[tokio::test]
async fn atlassian_says_of_a_wrong_secret_that_access_is_denied() {
    let body = json!({"error": "access_denied", "error_description": "Unauthorized"});
    let refused = || atlassian().with_http_client(Script::json(401, &body));
    assert_eq!(refused().refresh_token("RT", None).await.unwrap_err().class(), ErrorClass::Configuration);
    let exchanged = refused().get_access_token("c", "https://app.example/cb", None, &[]).await;
    assert_eq!(exchanged.unwrap_err().class(), ErrorClass::Configuration);
}
