use oauth_clients::{ErrorClass, Provider, notion::NotionOAuth2};
use serde_json::{Value, json};

use super::{json_replies, url, value};
use crate::support::Script;

#[tokio::test]
async fn notion_takes_json_and_wants_the_version_of_its_api() {
    let query = url(&NotionOAuth2::new("id", "s")).await;
    assert_eq!((value(&query, "owner"), value(&query, "scope")), (Some("user"), None));
    let reply = json!({"access_token": "AT", "refresh_token": "RT", "bot_id": "B", "workspace_id": "W"});
    let http = json_replies([reply.clone(), reply, json!({"request_id": "R"}), json!({"active": true})]);
    let notion = NotionOAuth2::new("id", "s").with_http_client(http.clone());
    notion.get_access_token("c", "https://app.example/cb", None, &[]).await.unwrap();
    notion.refresh_token("RT", None).await.unwrap();
    notion.revoke_token("AT", Some("access_token")).await.unwrap();
    notion.oauth2().introspect_token("AT", Some("access_token")).await.unwrap();
    let members = [("code", "c"), ("refresh_token", "RT"), ("token", "AT"), ("token", "AT")];
    for (sent, (name, text)) in http.requests().iter().zip(members) {
        assert_eq!(sent.header("content-type"), Some("application/json"), "{}", sent.url);
        assert_eq!(sent.header("authorization"), Some("Basic aWQ6cw=="));
        assert_eq!(sent.header("notion-version"), Some("2026-03-11"));
        let body: Value = serde_json::from_str(&sent.body).unwrap();
        assert_eq!(body[name], text);
        // The pages on revocation and introspection have the token alone.
        assert!(name != "token" || body == json!({"token": "AT"}), "{body}");
    }
}

#[tokio::test]
async fn notion_tells_who_owns_the_bot_and_a_workspace_is_nobody() {
    let person = json!({"object": "user", "id": "P", "name": "N", "type": "person", "person": {"email": "a@x.example"}});
    let bot = |owner: Value| json!({"object": "user", "id": "B", "type": "bot", "bot": {"owner": owner}});
    let http = json_replies([bot(json!({"type": "user", "user": person}))]);
    let notion = NotionOAuth2::new("id", "s").with_http_client(http);
    assert_eq!(notion.get_id_email("AT").await.unwrap(), ("P".to_owned(), Some("a@x.example".to_owned())));
    let http = json_replies([bot(json!({"type": "workspace", "workspace": true}))]);
    NotionOAuth2::new("id", "s").with_http_client(http).get_id_email("AT").await.unwrap_err();
}

#[tokio::test]
async fn notion_names_errors_of_its_api_by_a_code() {
    for (status, code, class) in [
        (401, "unauthorized", ErrorClass::Reauthorize),
        (403, "restricted_resource", ErrorClass::Reauthorize),
        (409, "conflict_error", ErrorClass::Transient { retry_after: None }),
        (429, "rate_limited", ErrorClass::Transient { retry_after: None }),
        (503, "service_unavailable", ErrorClass::Transient { retry_after: None }),
    ] {
        let body = json!({"object": "error", "status": status, "code": code, "message": "in words"});
        let notion = NotionOAuth2::new("id", "s").with_http_client(Script::json(status, &body));
        let error = notion.get_profile("AT").await.unwrap_err();
        assert_eq!(error.class(), class, "{code}: {error}");
        assert!(error.to_string().contains("in words"), "{error}");
    }
}
