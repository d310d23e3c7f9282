//! What Vercel does differently.

use oauth_clients::{Provider, vercel::VercelOAuth2};
use serde_json::json;

use super::json_replies;

#[tokio::test]
async fn vercel_revokes_for_who_authenticates_by_basic() {
    let http = json_replies([json!({})]);
    let vercel = VercelOAuth2::new("id", "secret").with_http_client(http.clone());
    vercel.revoke_token("vca_1", None).await.unwrap();
    let sent = http.request();
    assert!(sent.header("authorization").unwrap().starts_with("Basic "));
    assert!(sent.form().iter().all(|(name, _)| name != "client_secret"));
}
