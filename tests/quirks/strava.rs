//! What Strava does differently.

use oauth_clients::{ErrorClass, LoginOptions, OAuth2Token, Provider, strava::StravaOAuth2};
use serde_json::{Value, json};

use super::json_replies;
use crate::support::Script;

fn strava() -> StravaOAuth2 {
    StravaOAuth2::new("id", "secret")
}

fn fault(resource: &str, field: &str) -> Value {
    json!({"message": "Bad Request", "errors": [{"resource": resource, "field": field, "code": "invalid"}]})
}

#[tokio::test]
async fn strava_names_errors_by_the_resource_that_is_wrong() {
    for (status, resource, field, class) in [
        (400, "AuthorizationCode", "code", ErrorClass::Reauthorize),
        (400, "RefreshToken", "refresh_token", ErrorClass::Reauthorize),
        (400, "Application", "client_secret", ErrorClass::Configuration),
        (401, "Application", "client_id", ErrorClass::Configuration),
        (429, "Application", "rate limit", ErrorClass::Transient { retry_after: None }),
    ] {
        let strava = strava().with_http_client(Script::json(status, &fault(resource, field)));
        let error = strava.refresh_token("RT", None).await.unwrap_err();
        assert_eq!(error.class(), class, "{resource} {field}: {error:?}");
    }
    let strava = strava().with_http_client(Script::json(401, &fault("Athlete", "access_token")));
    assert_eq!(strava.get_profile("AT").await.unwrap_err().class(), ErrorClass::Reauthorize);
}

#[tokio::test]
async fn strava_has_a_name_in_two_pieces_and_a_number() {
    let athlete =
        json!({"id": 7, "firstname": "Ada", "lastname": "Lovelace", "profile": "avatar/athlete/large.png"});
    let strava = strava().with_http_client(json_replies([athlete]));
    let identity = strava.get_identity(&OAuth2Token::new("AT")).await.unwrap();
    assert_eq!((identity.subject.as_str(), identity.name.as_deref()), ("7", Some("Ada Lovelace")));
    assert_eq!((identity.email, identity.picture), (None, None));
}

#[tokio::test]
async fn strava_joins_scopes_with_commas_and_revokes_by_basic() {
    let http = json_replies([json!({})]);
    let strava = strava().with_scopes(["read", "activity:read"]).with_http_client(http.clone());
    let started = strava.start_login("https://app.example/cb", LoginOptions::new()).await.unwrap();
    assert!(started.url.contains("scope=read%2Cactivity%3Aread"), "{}", started.url);
    assert!(started.url.contains("approval_prompt=auto"), "{}", started.url);
    strava.revoke_token("RT", Some("refresh_token")).await.unwrap();
    let sent = http.request();
    assert_eq!(sent.url, "https://www.strava.com/oauth/revoke");
    assert!(sent.header("authorization").unwrap().starts_with("Basic "));
    assert!(sent.form().contains(&("token".to_owned(), "RT".to_owned())));
    assert!(!sent.body.contains("secret"), "{}", sent.body);
}
