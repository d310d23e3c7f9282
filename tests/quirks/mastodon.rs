//! What Mastodon does differently.

use std::sync::Arc;

use oauth_clients::{LoginOptions, OAuth2Token, Provider, mastodon::MastodonOAuth2};
use serde_json::json;

use super::json_replies;

#[tokio::test]
async fn mastodon_registers_an_application_on_each_server() {
    let http =
        json_replies([json!({"id": "1", "client_id": "CID", "client_secret": "CS", "redirect_uri": "x"})]);
    let uris = ["https://app.example/cb", "https://app.example/other"];
    let app = MastodonOAuth2::register_with(
        Arc::new(http.clone()),
        "https://Mastodon.example/",
        "My app",
        &uris,
        &["read", "write"],
    )
    .await
    .unwrap();
    assert_eq!((app.client_id.as_str(), app.client_secret.expose()), ("CID", "CS"));
    assert!(!format!("{app:?}").contains("\"CS\""), "{app:?}");
    let form = http.request().form();
    assert!(form.contains(&("redirect_uris".into(), uris.join("\n"))), "{form:?}");
    assert!(form.contains(&("scopes".into(), "read write".into())), "{form:?}");

    let mastodon =
        MastodonOAuth2::new(app.client_id, app.client_secret.expose(), "https://mastodon.example").unwrap();
    let started = mastodon.start_login(uris[0], LoginOptions::new()).await.unwrap();
    assert!(started.url.starts_with("https://mastodon.example/oauth/authorize?"), "{}", started.url);
}

#[tokio::test]
async fn mastodon_without_secret_in_the_reply_has_registered_nothing() {
    let http = json_replies([json!({"client_id": "CID"})]);
    let server = "https://mastodon.example";
    let outcome = MastodonOAuth2::register_with(Arc::new(http), server, "My app", &[], &[]).await;
    assert_eq!(outcome.unwrap_err().operation(), oauth_clients::mastodon::REGISTER);
}

#[tokio::test]
async fn mastodon_shows_the_user_name_where_there_is_no_other() {
    for (display_name, name) in [("Ada Lovelace", "Ada Lovelace"), ("", "ada"), (" ", "ada")] {
        let user = json!({"id": "23", "username": "ada", "display_name": display_name, "avatar": "https://m.example/a"});
        let mastodon = MastodonOAuth2::new("id", "secret", "https://mastodon.example").unwrap();
        let mastodon = mastodon.with_http_client(json_replies([user]));
        let identity = mastodon.get_identity(&OAuth2Token::new("AT")).await.unwrap();
        assert_eq!(identity.key(), ("https://mastodon.example", "23"));
        assert_eq!((identity.name.as_deref(), identity.email.as_ref()), (Some(name), None));
    }
}
