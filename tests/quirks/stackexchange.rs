use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use oauth_clients::{
    ErrorClass, ErrorKind, HttpErrorKind, MAX_REPLY_BYTES, OAuth2Token, Provider,
    stackexchange::StackExchangeOAuth2,
};
use serde_json::json;

use super::{json_replies, url, value};
use crate::support::{Script, reply};

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

#[tokio::test]
async fn stackexchange_compresses_whatever_was_accepted() {
    // {"items":[{"account_id":7,"display_name":"N"}]} and {"error_id":402,"error_name":"n","error_message":"m"}
    let profile: &[u8] =
        b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xabV\xca,I\xcd-V\xb2\x8a\xaeVJLN\xce/\xcd+\x89\xcfLQ\
        \xb22\xd7QJ\xc9,.\xc8I\xac\x8c\xcfK\xccMU\xb2R\xf2S\xaa\x8d\xad\x05\x00\x84\x04\xbdr/\x00\x00\x00";
    let refusal: &[u8] =
        b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xabVJ-*\xca/\x8a\xcfLQ\xb2210\xd2\x81r\xf3\x12sS\x95\
        \xac\x94\xf2\x94`\x02\xb9\xa9\xc5\xc5\x89\xe9 \xb1\\\xa5Z\x00{\xcd1\xdf5\x00\x00\x00";
    let answer = |status, body: &'static [u8]| {
        let mut answer = reply(status, "application/json", body);
        answer.headers_mut().insert("content-encoding", "gzip".parse().unwrap());
        Script::new([answer])
    };
    let http = answer(200, profile);
    let identity =
        client().with_http_client(http.clone()).get_identity(&OAuth2Token::new("AT")).await.unwrap();
    assert_eq!((&*identity.subject, identity.name.as_deref()), ("7", Some("N")));
    assert_eq!(http.request().header("accept-encoding"), Some("gzip"));
    let failing = || client().with_http_client(answer(400, refusal));
    assert_eq!(failing().get_profile("AT").await.unwrap_err().class(), ErrorClass::Reauthorize);
    assert_eq!(
        failing().revoke_token("AT", None).await.unwrap_err().oauth_error().unwrap().code,
        "invalid_token"
    );
    // Cut off, it is not a reply that could be judged.
    let cut = client().with_http_client(answer(200, &profile[..40])).get_profile("AT").await.unwrap_err();
    assert_eq!(cut.class(), ErrorClass::Transient { retry_after: None });
}

/// A profile with white space behind it, compressed.
fn padded(length: usize) -> Vec<u8> {
    let mut text = br#"{"items":[{"account_id":7,"display_name":"N"}]}"#.to_vec();
    text.resize(length, b' ');
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    packed.write_all(&text).unwrap();
    packed.finish().unwrap()
}

#[tokio::test]
async fn stackexchange_unpacks_one_mebibyte_and_no_more() {
    let fetch = async |body: Vec<u8>| {
        client().with_http_client(Script::new([reply(200, "application/json", body)])).get_profile("AT").await
    };
    let most = fetch(padded(MAX_REPLY_BYTES)).await.unwrap();
    assert_eq!(most["items"][0]["account_id"], 7);

    let mut bomb = padded(64 * MAX_REPLY_BYTES);
    // Whoever unpacks all of it comes upon the place where it was cut off, which is another error.
    bomb.truncate(bomb.len() / 2);
    assert!(bomb.len() < MAX_REPLY_BYTES / 10, "{}", bomb.len());
    let error = fetch(bomb).await.unwrap_err();
    let ErrorKind::Transport(cause) = error.kind() else { panic!("{error:?}") };
    assert!(matches!(cause.kind(), HttpErrorKind::TooLarge), "{error:?}");
}
