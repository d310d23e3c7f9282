//! Dynamic registration (RFC 7591) and its management (RFC 7592).

use oauth_clients::{ErrorClass, LoginOptions, Provider};
use oauth_openid::OpenID;
use serde_json::json;

use super::server::{INITIAL_ACCESS_TOKEN, REDIRECT_URI, Server, browser, id_token, login, metadata};

#[tokio::test]
async fn a_client_is_registered_read_changed_and_deleted() {
    let server = Server::shared();
    let discovery = server.discovery();
    let wanted = metadata().set("client_name", "An application").set("id_token_signed_response_alg", "ES256");
    let registered = OpenID::register(&discovery, &wanted, Some(INITIAL_ACCESS_TOKEN)).await.unwrap();
    assert_eq!(registered.get("client_name"), Some(&json!("An application")));
    assert_eq!(registered.get("redirect_uris"), Some(&json!([REDIRECT_URI])));
    // The server fills in what was not said.
    assert_eq!(registered.get("token_endpoint_auth_method"), Some(&json!("client_secret_basic")));
    assert_eq!(registered.secret_expires_at(), None);
    let secret = registered.client_secret().unwrap().expose().to_owned();

    let read = registered.read_again(&discovery).await.unwrap();
    assert_eq!(
        (read.client_id(), read.get("client_name")),
        (registered.client_id(), Some(&json!("An application")))
    );
    assert_eq!(read.client_secret().unwrap().expose(), secret);

    let wanted =
        wanted.set("client_name", "Another name").set("token_endpoint_auth_method", "client_secret_post");
    let changed = read.update(&discovery, &wanted).await.unwrap();
    assert_eq!(changed.client_id(), registered.client_id());
    assert_eq!(changed.get("client_name"), Some(&json!("Another name")));
    assert_eq!(changed.get("token_endpoint_auth_method"), Some(&json!("client_secret_post")));

    // The server gave a new registration access token with the update; the old one is spent, and the new one works.
    let error = read.read_again(&discovery).await.unwrap_err();
    assert_eq!(error.status().unwrap(), 401, "{error}");
    let read = changed.read_again(&discovery).await.unwrap();
    assert_eq!(read.get("client_name"), Some(&json!("Another name")));

    let client = read.client(&discovery).unwrap();
    let ended = login(&client, &browser(), LoginOptions::new()).await.unwrap();
    assert_eq!(id_token(&ended).audiences(), [registered.client_id()]);

    read.clone().delete(&discovery).await.unwrap();
    let error = read.read_again(&discovery).await.unwrap_err();
    assert_eq!(error.status().unwrap(), 401, "{error}");
    let error = client.refresh(&ended.token, None).await.unwrap_err();
    assert_eq!(error.oauth_error().unwrap().code, "invalid_client");
    assert_eq!(error.class(), ErrorClass::Configuration);
}

#[tokio::test]
async fn a_public_client_is_registered_without_a_secret() {
    let server = Server::shared();
    let (client, registered) = server.registered(&metadata().set("token_endpoint_auth_method", "none")).await;
    assert!(registered.client_secret().is_none());
    let ended = login(&client, &browser(), LoginOptions::new()).await.unwrap();
    assert_eq!(id_token(&ended).subject(), "ada");
}

#[tokio::test]
async fn what_the_server_refuses_to_register_is_told_apart() {
    let server = Server::shared();
    let discovery = server.discovery();
    for token in [None, Some("wrong")] {
        let error = OpenID::register(&discovery, &metadata(), token).await.unwrap_err();
        assert!(
            ["invalid_token", "invalid_request"].contains(&&*error.oauth_error().unwrap().code),
            "{error}"
        );
    }
    for (wanted, code) in [
        (metadata().set("redirect_uris", ["https://app.example/callback#fragment"]), "invalid_redirect_uri"),
        (metadata().set("id_token_signed_response_alg", "none"), "invalid_client_metadata"),
        (metadata().set("response_types", ["token"]), "invalid_client_metadata"),
    ] {
        let error = OpenID::register(&discovery, &wanted, Some(INITIAL_ACCESS_TOKEN)).await.unwrap_err();
        assert_eq!(error.oauth_error().unwrap().code, code, "{error}");
    }
}
