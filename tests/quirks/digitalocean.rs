use oauth_clients::{Provider, digitalocean::DigitalOceanOAuth2};
use serde_json::json;

use super::{json_replies, owned};

#[tokio::test]
async fn digitalocean_tells_the_name_in_the_reply_of_the_login() {
    let token = json!({"access_token": "AT", "bearer": "bearer", "info": {"uuid": "U", "name": "Sammy", "email": "s@x.example"}});
    let account = json!({"account": {"uuid": "U", "email": "s@x.example", "email_verified": true}});
    let http = json_replies([token, account.clone(), account]);
    let client = DigitalOceanOAuth2::new("id", "s").with_http_client(http);
    let token = client.get_access_token("c", "https://app.example/cb", None, &[]).await.unwrap();
    let identity = client.get_identity(&token).await.unwrap();
    assert_eq!((&*identity.subject, identity.name.as_deref()), ("U", Some("Sammy")));
    assert!(identity.email.unwrap().is_verified());
    // A bare access token has no name.
    assert_eq!(client.get_id_email("AT").await.unwrap(), ("U".to_owned(), Some("s@x.example".to_owned())));
}

#[tokio::test]
async fn digitalocean_revokes_a_token_with_itself() {
    let http = json_replies([json!({})]);
    let client = DigitalOceanOAuth2::new("id", "s").with_http_client(http.clone());
    client.revoke_token("AT", None).await.unwrap();
    let sent = http.request();
    assert_eq!(sent.url, "https://cloud.digitalocean.com/v1/oauth/revoke");
    assert_eq!((sent.header("authorization"), sent.form()), (Some("Bearer AT"), owned(&[("token", "AT")])));
}
