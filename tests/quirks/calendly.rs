//! What Calendly does differently.

use oauth_clients::{OAuth2Token, Provider, calendly::CalendlyOAuth2};
use serde_json::json;

use super::json_replies;

#[tokio::test]
async fn calendly_takes_the_secret_of_a_revocation_in_the_form() {
    let http = json_replies([json!({"access_token": "AT", "token_type": "Bearer"}), json!({})]);
    let calendly = CalendlyOAuth2::new("id", "secret").with_http_client(http.clone());
    calendly.refresh_token("RT", None).await.unwrap();
    calendly.revoke_token("AT", None).await.unwrap();
    let [refresh, revocation] = &http.requests()[..] else { panic!("there are two requests") };
    assert!(refresh.header("authorization").unwrap().starts_with("Basic "));
    assert_eq!(revocation.header("authorization"), None);
    assert!(revocation.form().contains(&("client_secret".into(), "secret".into())));
}

#[tokio::test]
async fn calendly_identifies_a_user_by_a_uri() {
    let uri = "https://api.calendly.com/users/AAAA";
    let user =
        json!({"resource": {"uri": uri, "name": "Ada", "email": "ada@example.com", "avatar_url": null}});
    let calendly = CalendlyOAuth2::new("id", "secret").with_http_client(json_replies([user]));
    let identity = calendly.get_identity(&OAuth2Token::new("AT")).await.unwrap();
    assert_eq!((identity.subject.as_str(), identity.name.as_deref()), (uri, Some("Ada")));
}
