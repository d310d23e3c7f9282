use oauth_clients::{Provider, stripe::StripeOAuth2};
use serde_json::json;

use super::json_replies;

#[tokio::test]
async fn stripe_knows_the_account_of_the_token() {
    let account = json!({
        "id": "acct_1", "email": "a@x.example", "settings": {"dashboard": {"display_name": null}},
        "business_profile": {"name": "Shop"},
    });
    let reply =
        json!({"access_token": "AT", "refresh_token": "RT", "stripe_user_id": "acct_1", "livemode": false});
    let http = json_replies([reply, account]);
    let stripe = StripeOAuth2::new("ca_1", "sk_1").with_http_client(http.clone());
    let token = stripe.get_access_token("c", "https://app.example/cb", None, &[]).await.unwrap();
    let identity = stripe.get_identity(&token).await.unwrap();
    assert_eq!((&*identity.subject, identity.name.as_deref()), ("acct_1", Some("Shop")));
    assert_eq!(token.expires_at(), None);
    let sent = http.requests();
    assert_eq!(sent[1].url, "https://api.stripe.com/v1/account");
    assert_eq!(sent[1].header("authorization"), Some("Bearer AT"));
}
