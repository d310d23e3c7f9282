//! What X does differently.

use oauth_clients::{
    AuthorizationRequest, EmailVerification, ErrorClass, LoginOptions, OAuth2Token, Provider, x::XOAuth2,
};
use oauth_emulator::{Consent, Emulator};
use serde_json::json;

use super::json_replies;
use crate::support::{Script, reply};

fn x() -> XOAuth2 {
    XOAuth2::new("id", "secret")
}

#[tokio::test]
async fn x_gives_an_address_only_if_it_is_confirmed() {
    let user = json!({"data": {"id": "7", "name": "Ada", "confirmed_email": "ada@example.com"}});
    let http = json_replies([user]);
    let x = x().with_http_client(http.clone());
    let identity = x.get_identity(&OAuth2Token::new("AT")).await.unwrap();
    assert_eq!(identity.email.unwrap().verification, EmailVerification::Verified);
    assert_eq!(
        http.request().query,
        [("user.fields".to_owned(), "profile_image_url,confirmed_email".to_owned())]
    );
}

#[tokio::test]
async fn x_gives_the_profile_without_the_address_to_a_token_without_the_scope() {
    let emulator = Emulator::start().await.unwrap();
    let x = XOAuth2::new(
        oauth_emulator::App::default_of("x").client_id,
        oauth_emulator::App::default_of("x").client_secret.unwrap(),
    )
    .with_http_client(emulator.http_client().unwrap());
    let options = LoginOptions::new().scopes(["users.read", "tweet.read"]);
    let started = x.start_login("https://app.example/cb", options).await.unwrap();
    let callback = emulator.browse(&started.url, Consent::Allow).await.unwrap().callback();
    let token = x.finish_login(started.attempt, callback).await.unwrap().token;
    let identity = x.get_identity(&token).await.unwrap();
    assert_eq!((identity.name.as_deref(), identity.email), (Some("Ada Lovelace"), None));
}

#[tokio::test]
async fn x_is_asked_without_the_address_whatever_the_refusal_is_called() {
    for status in [400, 403] {
        let refusal = reply(status, "application/json", r#"{"title": "T", "detail": "D"}"#);
        let user = reply(200, "application/json", r#"{"data": {"id": "7", "name": "Ada"}}"#);
        let http = Script::new([refusal, user]);
        let identity =
            x().with_http_client(http.clone()).get_identity(&OAuth2Token::new("AT")).await.unwrap();
        assert_eq!((&*identity.subject, identity.email), ("7", None), "{status}");
        let asked: Vec<_> = http.requests().into_iter().map(|sent| sent.query[0].1.clone()).collect();
        assert_eq!(asked, ["profile_image_url,confirmed_email", "profile_image_url"]);
    }
}

#[tokio::test]
async fn x_is_not_asked_twice_when_its_limit_is_reached() {
    let limited = http::Response::builder()
        .status(403)
        .header("retry-after", "60")
        .body(r#"{"title": "Forbidden", "status": 403}"#.into())
        .unwrap();
    let x = x().with_http_client(Script::new([limited]));
    let error = x.get_profile("AT").await.unwrap_err();
    assert!(matches!(error.class(), ErrorClass::Transient { .. }), "{error:?}");
}

#[tokio::test]
async fn x_says_in_a_header_of_its_own_when_its_limit_ends() {
    let limited = http::Response::builder()
        .status(429)
        .header("x-rate-limit-remaining", "0")
        .header("x-rate-limit-reset", "60")
        .body(r#"{"title": "Too Many Requests", "status": 429}"#.into())
        .unwrap();
    let x = x().with_http_client(Script::new([limited]));
    let error = x.get_profile("AT").await.unwrap_err();
    let retry_after = Some(std::time::Duration::from_secs(60));
    assert_eq!(error.class(), ErrorClass::Transient { retry_after }, "{error:?}");
}

#[tokio::test]
async fn x_tells_a_dead_grant_by_its_text() {
    for (text, class) in [
        ("Value passed for the authorization code was invalid.", ErrorClass::Reauthorize),
        ("Value passed for the token was invalid.", ErrorClass::Reauthorize),
        (
            "Value passed for the redirect uri did not match the uri of the authorization code.",
            ErrorClass::Configuration,
        ),
        ("Missing required parameter [grant_type].", ErrorClass::Configuration),
    ] {
        let body = json!({"error": "invalid_request", "error_description": text}).to_string();
        let x = x().with_http_client(Script::new([reply(400, "application/json", body)]));
        assert_eq!(x.refresh_token("RT", None).await.unwrap_err().class(), class, "{text}");
    }
}

#[tokio::test]
async fn x_demands_a_code_challenge() {
    let x = x();
    let started = x.start_login("https://app.example/cb", LoginOptions::new()).await.unwrap();
    assert!(started.url.contains("code_challenge_method=S256"), "{}", started.url);
    let bare = AuthorizationRequest::new("https://app.example/cb");
    assert!(x.get_authorization_url(bare).await.unwrap().starts_with("https://x.com/i/oauth2/authorize?"));
}
