//! What Cloudflare does differently.

use oauth_clients::{EmailVerification, ErrorClass, OAuth2Token, Provider, cloudflare::CloudflareOAuth2};
use serde_json::json;

use super::json_replies;
use crate::support::Script;

#[tokio::test]
async fn cloudflare_has_the_user_in_an_envelope_and_the_name_in_parts() {
    for (first, last, name) in [
        (json!("Ada"), json!("Lovelace"), Some("Ada Lovelace")),
        (json!("Ada"), json!(null), Some("Ada")),
        (json!(null), json!(null), None),
    ] {
        let user = json!({"id": "u1", "email": "ada@example.com", "first_name": first, "last_name": last});
        let reply = json!({"success": true, "errors": [], "messages": [], "result": user});
        let cloudflare = CloudflareOAuth2::new("id", "secret").with_http_client(json_replies([reply]));
        let identity = cloudflare.get_identity(&OAuth2Token::new("AT")).await.unwrap();
        assert_eq!((identity.subject.as_str(), identity.name.as_deref()), ("u1", name));
        assert_eq!(identity.email.unwrap().verification, EmailVerification::Unknown);
    }
}

#[tokio::test]
async fn cloudflare_says_in_numbers_that_a_token_is_dead() {
    for (status, code) in [(403, 9109), (400, 10000), (200, 9109)] {
        let reply = json!({"success": false, "errors": [{"code": code, "message": "no"}], "result": null});
        let cloudflare = CloudflareOAuth2::new("id", "secret").with_http_client(Script::json(status, &reply));
        let error = cloudflare.get_profile("AT").await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Reauthorize, "{status}: {error:?}");
    }
}
