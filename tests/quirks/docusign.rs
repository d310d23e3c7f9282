use oauth_clients::{ErrorClass, OAuth2Token, Provider, docusign::DocuSignOAuth2};
use serde_json::json;

use super::{json_replies, url_of};

#[tokio::test]
async fn docusign_has_two_environments_with_users_of_their_own() {
    let profile = json!({"sub": "u1", "name": "Ada", "email": "a@b.example"});
    let http = json_replies([profile.clone(), profile]);
    let production = DocuSignOAuth2::new("id", "secret").with_http_client(http.clone());
    let developers = DocuSignOAuth2::new("id", "secret").with_developer_environment().unwrap();
    let developers = developers.with_http_client(http.clone());
    assert!(url_of(&production).await.starts_with("https://account.docusign.com/oauth/auth?"));
    assert!(url_of(&developers).await.starts_with("https://account-d.docusign.com/oauth/auth?"));
    let there = production.get_identity(&OAuth2Token::new("AT")).await.unwrap();
    let here = developers.get_identity(&OAuth2Token::new("AT")).await.unwrap();
    assert_eq!(there.issuer, "https://account.docusign.com/");
    assert_eq!(here.issuer, "https://account-d.docusign.com/");
    let hosts: Vec<_> = http.requests().into_iter().map(|sent| sent.url).collect();
    assert_eq!(
        hosts,
        ["https://account.docusign.com/oauth/userinfo", "https://account-d.docusign.com/oauth/userinfo"]
    );
}

#[tokio::test]
async fn docusign_sends_a_secret_to_no_other_host() {
    for host in ["evil.example", "account.docusign.com.evil.example", "account.docusign.com/x", ""] {
        let error = super::configured("docusign", json!({"host": host})).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Configuration, "{host}");
    }
    super::configured("docusign", json!({"host": "account-d.docusign.com"})).await.unwrap();
}
