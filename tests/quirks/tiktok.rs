use oauth_clients::{ErrorClass, Provider, tiktok::TikTokOAuth2};
use serde_json::json;

use super::{json_replies, url, value};
use crate::support::Script;

#[tokio::test]
async fn tiktok_calls_the_client_id_client_key() {
    let tiktok = TikTokOAuth2::new("id", "s").with_scopes(["user.info.basic", "video.list"]);
    let query = url(&tiktok).await;
    assert_eq!((value(&query, "client_key"), value(&query, "client_id")), (Some("id"), None));
    assert_eq!(value(&query, "scope"), Some("user.info.basic,video.list"));
    assert_eq!(value(&query, "code_challenge"), None);
    let reply = json!({"access_token": "AT", "open_id": "O", "scope": "user.info.basic,video.list"});
    let http = json_replies([reply.clone(), reply, json!({})]);
    let tiktok = tiktok.with_http_client(http.clone());
    // A code is form-encoded once.
    tiktok.get_access_token("a*b!c", "https://app.example/cb", None, &[]).await.unwrap();
    tiktok.refresh_token("RT", None).await.unwrap();
    tiktok.revoke_token("AT", None).await.unwrap();
    for sent in http.requests() {
        let form = sent.form();
        assert_eq!(
            (value(&form, "client_key"), value(&form, "client_id")),
            (Some("id"), None),
            "{}",
            sent.url
        );
        assert!(sent.url.ends_with('/'), "{}", sent.url);
    }
    assert_eq!(value(&http.requests()[0].form(), "code"), Some("a*b!c"));
}

#[tokio::test]
async fn tiktok_says_ok_where_there_is_no_error() {
    let user = json!({"open_id": "O", "union_id": "U", "display_name": "D"});
    let ok = json!({"data": {"user": user}, "error": {"code": "ok", "message": "", "log_id": "L"}});
    let http = json_replies([ok]);
    let token = serde_json::from_value(json!({"access_token": "AT"})).unwrap();
    let identity =
        TikTokOAuth2::new("id", "s").with_http_client(http.clone()).get_identity(&token).await.unwrap();
    assert_eq!((&*identity.subject, identity.name.as_deref()), ("O", Some("D")));
    let fields = http.request().query;
    assert_eq!(value(&fields, "fields"), Some("open_id,union_id,avatar_url,display_name"));

    let transient = ErrorClass::Transient { retry_after: None };
    for (status, code, class) in [
        (401, "access_token_invalid", ErrorClass::Reauthorize),
        (200, "access_token_invalid", ErrorClass::Reauthorize),
        (401, "scope_not_authorized", ErrorClass::Reauthorize),
        (400, "scope_permission_missed", ErrorClass::Reauthorize),
        (429, "rate_limit_exceeded", transient),
        (200, "rate_limit_exceeded", transient),
        (500, "internal_error", transient),
    ] {
        let body = json!({"data": {}, "error": {"code": code, "message": "m", "log_id": "L"}});
        let tiktok = TikTokOAuth2::new("id", "s").with_http_client(Script::json(status, &body));
        let error = tiktok.get_identity(&token).await.unwrap_err();
        assert_eq!(error.class(), class, "{status} {code}: {error}");
    }
    // Those of the token endpoint are flat.
    let body = json!({"error": "invalid_grant", "error_description": "Refresh token is invalid or expired.", "log_id": "L"});
    let tiktok = TikTokOAuth2::new("id", "s").with_http_client(Script::json(200, &body));
    assert_eq!(tiktok.refresh_token("RT", None).await.unwrap_err().class(), ErrorClass::Reauthorize);
}
