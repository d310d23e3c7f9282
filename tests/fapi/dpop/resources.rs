//! Bound tokens at APIs, by the application's own requests.

use axum::{Router, extract::State, http::HeaderMap, response::Redirect, routing::get};
use std::sync::{Arc, Mutex};

use oauth_clients::{AfterReply, OAuth2, Provider};
use oauth_fapi::{Dpop, DpopKey, DpopProvider};
use oauth_tokens::{
    AccessTokenRequest, AuthorizedClient, Hosts, MemoryStore, RequestError, TokenKey, TokenManager,
    TokenMiddleware,
};

use super::{
    keys::sealer,
    server::{Nonces, Server},
};

const CALLBACK: &str = "https://app.example/cb";

pub(super) fn key() -> TokenKey {
    TokenKey::new("oauth2", "user-17")
}

fn manager(store: &MemoryStore, client: OAuth2) -> TokenManager {
    TokenManager::builder(store.clone(), sealer()).provider(Arc::new(client)).build().unwrap()
}

/// A manager with the token of a login, and the API's host.
async fn signed_in(server: &Server, client: OAuth2) -> (TokenManager, Hosts) {
    let token = client.get_access_token("C", CALLBACK, None, &[]).await.unwrap();
    let manager = manager(&MemoryStore::new(), client);
    manager.put(&key(), &token).await.unwrap();
    server.seen();
    (manager, Hosts::new([server.origin.trim_start_matches("http://")]).unwrap())
}

fn http() -> reqwest::Client {
    oauth_reqwest::reqwest_client(|defaults| defaults).unwrap().into()
}

async fn authorized(server: &Server) -> AuthorizedClient {
    let (manager, hosts) = signed_in(server, server.client("").with_dpop(Dpop::generate().unwrap())).await;
    AuthorizedClient::new(http(), manager, key(), hosts)
}

#[tokio::test]
async fn dp_03_05_a_request_goes_out_with_a_proof_and_once_more_with_the_apis_nonce() {
    let server = Server::with(|switches| switches.api_nonces = Nonces::Rotating).await;
    let client = authorized(&server).await;
    for expected in [&[401, 200][..], &[200]] {
        let request = http().post(server.url("/api?page=2")).body("hello");
        assert_eq!(client.send(request).await.unwrap().status(), 200);
        let seen = server.seen();
        assert_eq!(seen.iter().map(|one| one.status).collect::<Vec<_>>(), expected);
        assert_eq!(seen[0].authorization.as_deref(), Some("DPoP AT1"));
    }
    // The nonces of the authorization server are others: none was given, and none is sent.
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn dp_05_an_api_that_always_asks_is_asked_twice() {
    let server = Server::with(|switches| switches.api_nonces = Nonces::Always).await;
    let client = authorized(&server).await;
    let reply = client.send(http().get(server.url("/api"))).await.unwrap();
    assert_eq!(reply.status(), 401);
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn dp_06_nonces_of_the_two_roles_of_one_origin_are_kept_apart() {
    let server = Server::with(|switches| {
        (switches.nonces, switches.api_nonces) = (Nonces::Rotating, Nonces::Rotating);
    })
    .await;
    let client = server.client("").with_dpop(Dpop::generate().unwrap());
    let token = client.get_access_token("C", CALLBACK, None, &[]).await.unwrap();
    for round in 0..2 {
        client.get_profile_of(&token).await.unwrap();
        client.refresh(&token, None).await.map(drop).unwrap_or_default();
        let statuses: Vec<_> = server.seen().iter().map(|one| one.status).collect();
        match round {
            0 => assert_eq!(statuses, [400, 200, 401, 200, 200]),
            _ => assert_eq!(statuses, [200, 200]),
        }
    }
}

#[tokio::test]
async fn dp_18_a_stream_is_sent_once_and_the_caller_is_told_to_send_it_again() {
    let server = Server::with(|switches| switches.api_nonces = Nonces::Rotating).await;
    let client = authorized(&server).await;
    let stream = || {
        let body = http_body_util::Full::new(bytes::Bytes::from_static(b"streamed"));
        http().post(server.url("/api")).body(reqwest::Body::wrap(body))
    };
    match client.send(stream()).await.unwrap_err() {
        RequestError::SendAgain { reply } => assert_eq!(reply.status(), 401),
        error => panic!("{error}"),
    }
    assert_eq!(server.seen().len(), 1);
    assert_eq!(client.send(stream()).await.unwrap().status(), 200);
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn dp_21_user_headers_are_never_doubled() {
    let server = Server::start().await;
    let client = authorized(&server).await;
    let own = http().get(server.url("/api")).header("DPoP", "own");
    assert!(matches!(client.send(own).await.unwrap_err(), RequestError::TokenType(_)));
    let own = http().get(server.url("/api")).header("Authorization", "own");
    assert!(matches!(client.send(own).await.unwrap_err(), RequestError::AlreadyAuthorized));
    assert!(server.seen().is_empty());
}

/// Sends whoever comes to another port.
async fn elsewhere(target: &str) -> (String, Arc<Mutex<Vec<HeaderMap>>>) {
    let seen: Arc<Mutex<Vec<HeaderMap>>> = Arc::default();
    let target = target.to_owned();
    let router = Router::new()
        .route("/here", get(move || async move { Redirect::temporary(&target) }))
        .fallback(|State(seen): State<Arc<Mutex<Vec<HeaderMap>>>>, headers: HeaderMap| async move {
            seen.lock().unwrap().push(headers);
            "there"
        })
        .with_state(seen.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (origin, seen)
}

#[tokio::test]
async fn dp_21_a_redirect_does_not_carry_the_proof_on() {
    let server = Server::start().await;
    let client = server.client("").with_dpop(Dpop::generate().unwrap());
    let (manager, _) = signed_in(&server, client).await;
    let (there, seen) = elsewhere("/unused").await;
    let (here, _) = elsewhere(&format!("{there}/there")).await;
    let hosts = || Hosts::new([here.trim_start_matches("http://")]).unwrap();
    let client = AuthorizedClient::new(http(), manager.clone(), key(), hosts());
    let reply = client.send(http().get(format!("{here}/here"))).await.unwrap();
    assert_eq!(reply.status(), 307);
    assert!(seen.lock().unwrap().is_empty());
    // An HTTP client that follows redirects is found out.
    let policy = reqwest::redirect::Policy::limited(5);
    let follows = oauth_reqwest::reqwest_client(|defaults| defaults.redirect(policy)).unwrap();
    let client = AuthorizedClient::new(follows, manager, key(), hosts());
    let error = client.send(http().get(format!("{here}/here"))).await.unwrap_err();
    assert!(matches!(error, RequestError::Redirected { .. }), "{error}");
}

#[tokio::test]
async fn the_middleware_proves_as_the_client_does() {
    let server = Server::with(|switches| switches.api_nonces = Nonces::Rotating).await;
    let (manager, hosts) = signed_in(&server, server.client("").with_dpop(Dpop::generate().unwrap())).await;
    let client = reqwest_middleware::ClientBuilder::new(http())
        .with(TokenMiddleware::new(manager, hosts).with_key(key()))
        .build();
    for expected in [2, 1] {
        assert_eq!(client.get(server.url("/api")).send().await.unwrap().status(), 200);
        assert_eq!(server.seen().len(), expected);
    }
}

#[tokio::test]
async fn another_access_token_of_the_grant_goes_out_with_its_own_proof() {
    let server = Server::start().await;
    let client = authorized(&server).await;
    let mail = client.clone().with_access_token(AccessTokenRequest::new().with_scopes(["mail"]));
    for client in [&mail, &client, &mail] {
        assert_eq!(client.send(http().get(server.url("/api"))).await.unwrap().status(), 200);
    }
    let seen = server.seen();
    let tokens: Vec<_> = seen.iter().filter_map(|one| one.authorization.as_deref()).collect();
    assert_eq!(tokens, ["DPoP AT2", "DPoP AT1", "DPoP AT2"]);
    assert_eq!(seen.iter().filter(|one| one.path == "/token").count(), 1);
}

#[tokio::test]
async fn another_library_can_send_what_the_client_authorizes() {
    let server = Server::with(|switches| switches.api_nonces = Nonces::Rotating).await;
    let client = server.client("").with_dpop(Dpop::generate().unwrap());
    let token = client.get_access_token("C", CALLBACK, None, &[]).await.unwrap();
    let url = server.url("/api");
    let mut statuses = Vec::new();
    for is_repetition in [false, true] {
        let request = client
            .authorize_api_request(&token, http::Method::GET, &url, HeaderMap::new(), is_repetition)
            .await
            .unwrap();
        let reply = http().get(&url).headers(request.headers().clone()).send().await.unwrap();
        let mut head = http::Response::new(bytes::Bytes::new());
        *head.status_mut() = reply.status();
        *head.headers_mut() = reply.headers().clone();
        statuses.push(reply.status().as_u16());
        let again = client.after_api_reply(&request, is_repetition, &head).await;
        assert_eq!(again == AfterReply::SendAgain, !is_repetition);
    }
    assert_eq!(statuses, [401, 200]);
}

#[tokio::test]
async fn ca_09_a_token_of_an_earlier_key_is_renewed_and_not_sent() {
    let server = Server::with(|switches| switches.binds_refresh_tokens = false).await;
    let store = MemoryStore::new();
    let process = |key: &DpopKey| server.client("secret").with_dpop(Dpop::new(key.clone()));
    let (first, second) = (DpopKey::generate().unwrap(), DpopKey::generate().unwrap());
    let token = process(&first).get_access_token("C", CALLBACK, None, &[]).await.unwrap();
    manager(&store, process(&first)).put(&key(), &token).await.unwrap();
    server.seen();
    let hosts = Hosts::new([server.origin.trim_start_matches("http://")]).unwrap();
    let rotated = AuthorizedClient::new(http(), manager(&store, process(&second)), key(), hosts);
    // A token that is only seconds old is as good as its successor would be, to an API; here it is none.
    let reply = rotated.send(http().get(server.url("/api"))).await.unwrap();
    assert_eq!(reply.status(), 200);
    let seen = server.seen();
    let paths: Vec<_> = seen.iter().map(|one| (&*one.path, one.status)).collect();
    assert_eq!(paths, [("/token", 200), ("/api", 200)]);
    assert_eq!(seen[1].jkt.as_deref(), Some(second.thumbprint()));
}
