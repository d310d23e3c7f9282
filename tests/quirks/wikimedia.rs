use oauth_clients::{OAuth2Token, Provider, wikimedia::WikimediaOAuth2};
use serde_json::json;

use super::{json_replies, url_of};

#[tokio::test]
async fn wikimedia_says_whether_an_address_was_confirmed() {
    for (confirmed, expected) in [(json!(true), Some("a@b.example")), (json!(false), None)] {
        let profile =
            json!({"sub": 23, "username": "Ada", "email": "a@b.example", "confirmed_email": confirmed});
        let wikimedia = WikimediaOAuth2::new("id", "secret").with_http_client(json_replies([profile]));
        let found = wikimedia.get_id_email("AT").await.unwrap();
        assert_eq!(found, ("23".to_owned(), expected.map(str::to_owned)));
    }
}

#[tokio::test]
async fn wikimedia_is_not_every_wiki() {
    let http = json_replies([json!({"sub": "23", "username": "Ada"})]);
    let wikimedia = WikimediaOAuth2::new("id", "secret");
    let wiki = wikimedia.with_rest_base("https://wiki.example.com/w/rest.php").unwrap();
    assert!(url_of(&wiki).await.starts_with("https://wiki.example.com/w/rest.php/oauth2/authorize?"));
    let wiki = wiki.with_http_client(http.clone());
    let identity = wiki.get_identity(&OAuth2Token::new("AT")).await.unwrap();
    assert_eq!(identity.issuer, "https://wiki.example.com/w/rest.php");
    assert_eq!(http.request().url, "https://wiki.example.com/w/rest.php/oauth2/resource/profile");
}
