use oauth_clients::{ErrorClass, OAuth2Token, Provider, linear::LinearOAuth2};
use serde_json::json;

use super::json_replies;
use crate::support::{Script, query_of, reply};

#[tokio::test]
async fn linear_tells_limits_and_dead_tokens_by_codes() {
    let answer =
        |code: &str| json!({"errors": [{"message": "no", "extensions": {"code": code}}]}).to_string();
    for (status, code, class) in [
        (400, "RATELIMITED", ErrorClass::Transient { retry_after: None }),
        (200, "RATELIMITED", ErrorClass::Transient { retry_after: None }),
        (200, "AUTHENTICATION_ERROR", ErrorClass::Reauthorize),
        (400, "AUTHENTICATION_ERROR", ErrorClass::Reauthorize),
        (401, "AUTHENTICATION_ERROR", ErrorClass::Reauthorize),
    ] {
        let http = Script::new([reply(status, "application/json", answer(code))]);
        let linear = LinearOAuth2::new("id", "secret").with_http_client(http);
        let error = linear.get_identity(&OAuth2Token::new("AT")).await.unwrap_err();
        assert_eq!(error.class(), class, "{status} {code}: {error:?}");
    }
}

#[tokio::test]
async fn linear_has_commas_and_revokes_the_token_that_asks() {
    let http = json_replies([json!({})]);
    let linear = LinearOAuth2::new("id", "secret").with_scopes(["read", "write"]);
    assert_eq!(super::value(&query_of(&super::url_of(&linear).await), "scope"), Some("read,write"));
    linear.with_http_client(http.clone()).revoke_token("AT", None).await.unwrap();
    let sent = http.request();
    assert_eq!((&*sent.method, sent.header("authorization")), ("POST", Some("Bearer AT")));
    assert!(!sent.body.contains("secret"));
}
