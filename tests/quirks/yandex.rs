//! What Yandex does differently.

use oauth_clients::{EmailVerification, ErrorClass, OAuth2Token, Provider, yandex::YandexOAuth2};
use serde_json::{Value, json};

use super::{json_replies, value};
use crate::support::{Script, owned};

fn yandex() -> YandexOAuth2 {
    YandexOAuth2::new("id", "secret")
}

async fn identity(user: Value) -> oauth_clients::Identity {
    let yandex = yandex().with_http_client(json_replies([user]));
    yandex.get_identity(&OAuth2Token::new("AT")).await.unwrap()
}

#[tokio::test]
async fn yandex_takes_the_token_by_a_scheme_of_its_own() {
    let http = json_replies([json!({"id": "7"})]);
    let yandex = yandex().with_http_client(http.clone());
    yandex.get_profile("AT").await.unwrap();
    let sent = http.request();
    assert_eq!(sent.header("authorization"), Some("OAuth AT"));
    assert_eq!(sent.query, owned(&[("format", "json")]));
}

#[tokio::test]
async fn yandex_makes_a_url_of_the_number_of_a_picture() {
    for (id, is_empty, picture) in [
        ("21377/0Up-L_M", false, Some("https://avatars.yandex.net/get-yapic/21377/0Up-L_M/islands-200")),
        ("0/0-0", true, None),
        ("x?y=https://evil.example", false, None),
    ] {
        let found = identity(json!({"id": "7", "default_avatar_id": id, "is_avatar_empty": is_empty})).await;
        assert_eq!(found.picture.as_deref(), picture, "{id}");
    }
}

#[tokio::test]
async fn yandex_has_other_places_for_address_and_name() {
    let found = identity(json!({"id": "7", "emails": ["ada@yandex.ru"], "real_name": "Ada Lovelace"})).await;
    let email = found.email.unwrap();
    assert_eq!((email.address.as_str(), email.verification), ("ada@yandex.ru", EmailVerification::Unknown));
    assert_eq!(found.name.as_deref(), Some("Ada Lovelace"));
    let found = identity(json!({"id": "7", "default_email": "a@b.example", "emails": ["c@d.example"]})).await;
    assert_eq!(found.email.unwrap().address, "a@b.example");
}

#[tokio::test]
async fn yandex_revokes_tokens_of_a_device_only() {
    let http = json_replies([json!({"status": "ok"})]);
    yandex().with_http_client(http.clone()).revoke_token("AT", Some("access_token")).await.unwrap();
    let sent = http.request();
    assert_eq!(sent.url, "https://oauth.yandex.ru/revoke_token");
    assert_eq!((value(&sent.form(), "access_token"), value(&sent.form(), "token")), (Some("AT"), None));
    assert!(sent.header("authorization").unwrap().starts_with("Basic "));

    let refusal = json!({"error": "unsupported_token_type"});
    let yandex = yandex().with_http_client(Script::json(400, &refusal));
    assert_eq!(yandex.revoke_token("AT", None).await.unwrap_err().class(), ErrorClass::Configuration);
}
