use oauth_clients::{ErrorClass, Provider, stackexchange::StackExchangeOAuth2};
use serde_json::json;

use super::{json_replies, url, value};
use crate::support::Script;

fn client() -> StackExchangeOAuth2 {
    StackExchangeOAuth2::new("id", "s", "k((")
}

#[tokio::test]
async fn stackexchange_wants_a_key_and_a_site() {
    let item = json!({"account_id": 7, "user_id": 9, "display_name": "N", "profile_image": "https://i/a"});
    let token = serde_json::from_value(json!({"access_token": "AT", "expires": 86400})).unwrap();
    for (client, site) in
        [(client(), "stackoverflow"), (client().with_site("serverfault").unwrap(), "serverfault")]
    {
        let http = json_replies([json!({"items": [item], "has_more": false})]);
        let identity = client.with_http_client(http.clone()).get_identity(&token).await.unwrap();
        assert_eq!((&*identity.subject, identity.name.as_deref()), ("7", Some("N")));
        let query = http.request().query;
        assert_eq!((value(&query, "site"), value(&query, "key")), (Some(site), Some("k((")));
        assert_eq!(value(&query, "access_token"), Some("AT"));
        assert_eq!(http.request().header("authorization"), None);
    }
    assert!(client().with_site("a&key=b").is_err());
    assert_eq!(
        value(&url(&client().with_scopes(["no_expiry", "private_info"])).await, "scope"),
        Some("no_expiry,private_info")
    );
}

#[tokio::test]
async fn stackexchange_ends_a_token_by_its_path() {
    let http = json_replies([json!({"items": []})]);
    client().with_http_client(http.clone()).revoke_token("a/b;c?d))", None).await.unwrap();
    let sent = http.request();
    let path = "https://api.stackexchange.com/2.3/access-tokens/a%2Fb%3Bc%3Fd%29%29/invalidate";
    assert_eq!((&*sent.method, &*sent.url, value(&sent.query, "key")), ("GET", path, Some("k((")));
}

#[tokio::test]
async fn stackexchange_fails_by_number() {
    let transient = ErrorClass::Transient { retry_after: None };
    for (id, class) in [
        (402, ErrorClass::Reauthorize),
        (406, ErrorClass::Reauthorize),
        (405, ErrorClass::Configuration),
        (502, transient),
        (503, transient),
    ] {
        let body = json!({"error_id": id, "error_name": "n", "error_message": "m"});
        let error = client().with_http_client(Script::json(400, &body)).get_profile("AT").await.unwrap_err();
        assert_eq!(error.class(), class, "{id}: {error}");
    }
}
