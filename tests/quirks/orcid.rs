use oauth_clients::{ErrorClass, OAuth2Token, Provider, orcid::OrcidOAuth2};
use serde_json::json;

use super::{json_replies, url, url_of, value};

#[tokio::test]
async fn orcid_shows_the_name_that_a_person_made_public() {
    let of = async |name: serde_json::Value| {
        let mut profile = name;
        profile["sub"] = json!("0000-0002-1825-009X");
        let orcid = OrcidOAuth2::new("id", "secret").with_http_client(json_replies([profile]));
        let identity = orcid.get_identity(&OAuth2Token::new("AT")).await.unwrap();
        assert_eq!((&*identity.subject, identity.email), ("0000-0002-1825-009X", None));
        identity.name
    };
    let all = json!({"name": "A. Lovelace", "given_name": "Ada", "family_name": "Lovelace"});
    assert_eq!(of(all).await.as_deref(), Some("A. Lovelace"));
    let parts = json!({"name": null, "given_name": "Ada", "family_name": "Lovelace"});
    assert_eq!(of(parts).await.as_deref(), Some("Ada Lovelace"));
    assert_eq!(of(json!({"given_name": "Ada"})).await.as_deref(), Some("Ada"));
    assert_eq!(of(json!({})).await, None);
}

#[tokio::test]
async fn orcid_takes_no_challenge_and_has_a_sandbox() {
    let orcid = OrcidOAuth2::new("id", "secret");
    let query = url(&orcid).await;
    assert_eq!(value(&query, "code_challenge"), None);
    let sandbox = orcid.with_sandbox().unwrap();
    assert!(url_of(&sandbox).await.starts_with("https://sandbox.orcid.org/oauth/authorize?"));
    assert_eq!(sandbox.oauth2().issuer(), Some("https://sandbox.orcid.org"));
    let error = super::configured("orcid", json!({"host": "evil.example"})).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Configuration);
}
