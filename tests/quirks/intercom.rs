use oauth_clients::{ErrorClass, OAuth2Token, Provider, intercom::IntercomOAuth2};
use serde_json::json;

use super::{json_replies, url_of};
use crate::support::{Script, reply};

#[tokio::test]
async fn intercom_hands_out_confirmed_addresses_only() {
    for (verified, expected) in [(json!(true), Some("a@b.example")), (json!(false), None)] {
        let me = json!({"type": "admin", "id": "1", "email": "a@b.example", "email_verified": verified});
        let intercom = IntercomOAuth2::new("id", "secret").with_http_client(json_replies([me]));
        let found = intercom.get_id_email("AT").await.unwrap();
        assert_eq!(found, ("1".to_owned(), expected.map(str::to_owned)));
    }
}

#[tokio::test]
async fn intercom_has_regions_with_teammates_of_their_own() {
    let http = json_replies([json!({"id": "1"})]);
    let intercom = IntercomOAuth2::new("id", "secret").with_region("eu").unwrap();
    assert!(url_of(&intercom).await.starts_with("https://app.eu.intercom.com/oauth?"));
    let intercom = intercom.with_http_client(http.clone());
    let identity = intercom.get_identity(&OAuth2Token::new("AT")).await.unwrap();
    assert_eq!(identity.issuer, "https://app.eu.intercom.com");
    assert_eq!(http.request().url, "https://api.eu.intercom.io/me");
    assert!(IntercomOAuth2::new("id", "secret").with_region("us").is_ok());
    assert!(IntercomOAuth2::new("id", "secret").with_region("evil.example/#").is_err());
}

#[tokio::test]
async fn intercom_lists_its_errors() {
    for (status, code, class) in [
        (401, "unauthorized", ErrorClass::Reauthorize),
        (400, "rate_limit_exceeded", ErrorClass::Transient { retry_after: None }),
    ] {
        let body = json!({"type": "error.list", "errors": [{"code": code, "message": "no"}]});
        let http = Script::new([reply(status, "application/json", body.to_string())]);
        let intercom = IntercomOAuth2::new("id", "secret").with_http_client(http);
        let error = intercom.get_identity(&OAuth2Token::new("AT")).await.unwrap_err();
        assert_eq!(error.class(), class, "{error:?}");
    }
}
