use oauth_clients::{Provider, soundcloud::SoundCloudOAuth2};
use serde_json::{Value, json};

use super::{json_replies, url, value};

#[tokio::test]
async fn soundcloud_has_a_scheme_of_its_own_and_signs_out_by_json() {
    assert!(value(&url(&SoundCloudOAuth2::new("id", "s")).await, "scope").is_none());
    let me = |full_name: &str| json!({"id": 7, "full_name": full_name, "username": "user", "avatar_url": "https://a/b"});
    let token = serde_json::from_value(json!({"access_token": "AT"})).unwrap();
    for (full_name, expected) in [("Ada Lovelace", "Ada Lovelace"), ("", "user"), (" ", "user")] {
        let http = json_replies([me(full_name)]);
        let soundcloud = SoundCloudOAuth2::new("id", "s").with_http_client(http.clone());
        let identity = soundcloud.get_identity(&token).await.unwrap();
        assert_eq!((&*identity.subject, identity.name.as_deref()), ("7", Some(expected)));
        assert_eq!(http.request().header("authorization"), Some("OAuth AT"));
    }
    let http = json_replies([json!({})]);
    let soundcloud = SoundCloudOAuth2::new("id", "s").with_http_client(http.clone());
    soundcloud.revoke_token("AT", Some("access_token")).await.unwrap();
    let sent = http.request();
    let body: Value = serde_json::from_str(&sent.body).unwrap();
    assert_eq!((&*sent.url, &body["access_token"]), ("https://secure.soundcloud.com/sign-out", &json!("AT")));
    assert!(!sent.body.contains("\"s\"") && sent.header("authorization").is_none());
}

#[tokio::test]
async fn soundcloud_takes_its_numbers_out() {
    let token = serde_json::from_value(json!({"access_token": "AT"})).unwrap();
    for (me, subject) in [
        (json!({"id": 7, "urn": "soundcloud:users:7"}), "7"),
        (json!({"urn": "soundcloud:users:abc-7"}), "abc-7"),
        (json!({"id": 0, "urn": "soundcloud:users:abc-7"}), "abc-7"),
    ] {
        let soundcloud = SoundCloudOAuth2::new("id", "s").with_http_client(json_replies([me]));
        assert_eq!(soundcloud.get_identity(&token).await.unwrap().subject, subject);
    }
    let nobody = SoundCloudOAuth2::new("id", "s").with_http_client(json_replies([json!({"username": "u"})]));
    nobody.get_identity(&token).await.unwrap_err();
}
