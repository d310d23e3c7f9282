//! What Hugging Face does differently.

use oauth_clients::{Provider, huggingface::HuggingFaceOAuth2};
use serde_json::json;

use super::json_replies;

#[tokio::test]
async fn huggingface_takes_the_secret_of_a_revocation_in_the_form() {
    let http = json_replies([json!({})]);
    let hugging_face = HuggingFaceOAuth2::new("id", "secret").with_http_client(http.clone());
    hugging_face.revoke_token("AT", Some("access_token")).await.unwrap();
    let sent = http.request();
    assert_eq!(sent.header("authorization"), None);
    for pair in [("token", "AT"), ("client_id", "id"), ("client_secret", "secret")] {
        assert!(sent.form().contains(&(pair.0.into(), pair.1.into())), "{pair:?}");
    }
}
