use oauth_clients::{ErrorClass, Provider, pinterest::PinterestOAuth2};
use serde_json::json;

use super::{url, value};
use crate::support::Script;

#[tokio::test]
async fn pinterest_fails_by_number_and_separates_scopes_by_commas() {
    let pinterest = PinterestOAuth2::new("id", "s").with_scopes(["user_accounts:read", "pins:read"]);
    assert_eq!(value(&url(&pinterest).await, "scope"), Some("user_accounts:read,pins:read"));
    let failing = |status: u16, code: u16| {
        let body = json!({"code": code, "message": "m", "status": "failure"});
        PinterestOAuth2::new("id", "s").with_http_client(Script::json(status, &body))
    };
    assert_eq!(
        failing(400, 283).refresh_token("RT", None).await.unwrap_err().class(),
        ErrorClass::Reauthorize
    );
    assert_eq!(
        failing(401, 2).refresh_token("RT", None).await.unwrap_err().class(),
        ErrorClass::Configuration
    );
    assert_eq!(failing(401, 2).get_profile("AT").await.unwrap_err().class(), ErrorClass::Reauthorize);
    let error = failing(429, 8).get_profile("AT").await.unwrap_err();
    assert!(matches!(error.class(), ErrorClass::Transient { .. }), "{error}");
}
