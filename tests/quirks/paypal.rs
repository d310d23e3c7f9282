//! What PayPal does differently.

use oauth_clients::{
    Configure, EmailVerification, LoginOptions, OAuth2Token, Provider, ProviderConfig, paypal::PayPalOAuth2,
};
use serde_json::json;

use super::json_replies;
use crate::support::owned;

#[tokio::test]
async fn paypal_knows_users_by_user_id_and_wants_a_schema() {
    let id = "https://www.paypal.com/webapps/auth/identity/user/mVBn";
    let http = json_replies([json!({"user_id": id, "sub": "another", "name": "Ada"})]);
    let paypal = PayPalOAuth2::new("id", "secret").with_http_client(http.clone());
    let identity = paypal.get_identity(&OAuth2Token::new("AT")).await.unwrap();
    assert_eq!(identity.key(), ("https://www.paypal.com", id));
    assert_eq!(http.request().query, owned(&[("schema", "paypalv1.1")]));
}

#[tokio::test]
async fn paypal_has_a_sandbox_with_users_of_its_own() {
    let config: ProviderConfig = serde_json::from_value(
        json!({"client_id": "id", "client_secret": "secret", "environment": "sandbox"}),
    )
    .unwrap();
    let http = json_replies([json!({"access_token": "AT", "expires_in": "28800"}), json!({"user_id": "u"})]);
    let paypal = PayPalOAuth2::from_config(&config).unwrap().with_http_client(http.clone());
    let started = paypal.start_login("https://app.example/cb", LoginOptions::new()).await.unwrap();
    assert!(started.url.starts_with("https://www.sandbox.paypal.com/signin/authorize?"), "{}", started.url);
    let token = paypal.get_access_token("c", "https://app.example/cb", None, &[]).await.unwrap();
    assert!(token.expires_at().is_some());
    assert_eq!(paypal.get_identity(&token).await.unwrap().issuer, "https://www.sandbox.paypal.com");
    let sent: Vec<_> = http.requests().into_iter().map(|request| request.url).collect();
    assert_eq!(sent[0], "https://api-m.sandbox.paypal.com/v1/oauth2/token");
    assert_eq!(sent[1], "https://api-m.sandbox.paypal.com/v1/identity/oauth2/userinfo");
}

#[tokio::test]
async fn paypal_lists_addresses_or_has_one() {
    for (members, address, verification) in [
        (
            json!({"emails": [{"value": "b@x.example"}, {"value": "a@x.example", "primary": true}]}),
            "a@x.example",
            EmailVerification::Unknown,
        ),
        (
            json!({"emails": [{"value": "a@x.example", "primary": true, "confirmed": true}]}),
            "a@x.example",
            EmailVerification::Verified,
        ),
        (
            json!({"emails": [{"value": "a@x.example", "confirmed": false}]}),
            "a@x.example",
            EmailVerification::Unverified,
        ),
        (
            json!({"email": "c@x.example", "emails": [{"value": "a@x.example", "confirmed": true}]}),
            "c@x.example",
            EmailVerification::Unknown,
        ),
    ] {
        let mut profile = members;
        profile["user_id"] = json!("u");
        let paypal = PayPalOAuth2::new("id", "secret").with_http_client(json_replies([profile]));
        let email = paypal.get_identity(&OAuth2Token::new("AT")).await.unwrap().email.unwrap();
        assert_eq!((&*email.address, email.verification), (address, verification));
    }
    for emails in [json!([]), json!("a@x.example"), json!([{"primary": true}]), json!(null)] {
        let profile = json!({"user_id": "u", "emails": emails});
        let paypal = PayPalOAuth2::new("id", "secret").with_http_client(json_replies([profile]));
        assert_eq!(paypal.get_identity(&OAuth2Token::new("AT")).await.unwrap().email, None);
    }
}
