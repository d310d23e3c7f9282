use oauth_clients::{ClientSecret, ErrorClass, OAuth2Token, Provider, etsy::EtsyOAuth2};
use serde_json::json;

use super::{json_replies, value};

#[tokio::test]
async fn etsy_has_the_secret_for_its_api_alone() {
    let user = json!({"user_id": 12, "primary_email": "a@b.example", "first_name": "Ada", "last_name": "L."});
    let http = json_replies([json!({"access_token": "12.AT"}), user]);
    let etsy = EtsyOAuth2::new("key", "shared").with_http_client(http.clone());
    let token = etsy.get_access_token("c", "https://app.example/cb", None, &[]).await.unwrap();
    let identity = etsy.get_identity(&token).await.unwrap();
    assert_eq!((&*identity.subject, identity.name.as_deref()), ("12", Some("Ada L.")));
    let sent = http.requests();
    let form = sent[0].form();
    assert_eq!((value(&form, "client_id"), value(&form, "client_secret")), (Some("key"), None));
    assert!(!sent[0].body.contains("shared") && sent[0].header("authorization").is_none());
    assert_eq!(sent[1].url, "https://openapi.etsy.com/v3/application/users/12");
    assert_eq!(sent[1].header("x-api-key"), Some("key:shared"));
    assert_eq!(sent[1].header("authorization"), Some("Bearer 12.AT"));
}

#[tokio::test]
async fn etsy_sends_nothing_for_a_token_that_is_not_its_own() {
    let http = json_replies([]);
    let etsy = EtsyOAuth2::new("key", "shared").with_http_client(http.clone());
    for token in ["AT", ".AT", "12/../x.AT", "me.AT", "1 2.AT"] {
        let error = etsy.get_identity(&OAuth2Token::new(token)).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Configuration, "{token}");
    }
    let without = EtsyOAuth2::new("key", ClientSecret::NONE).with_http_client(http.clone());
    let error = without.get_identity(&OAuth2Token::new("12.AT")).await.unwrap_err();
    assert!(error.to_string().contains("shared secret"), "{error}");
    assert!(http.requests().is_empty());
}
