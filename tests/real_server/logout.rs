//! Signing out, because the user wants it and because the server says so.

use std::time::Duration;

use axum::{Router, body::Bytes, extract::State, http::HeaderMap, routing::post};
use oauth_clients::{JwtCheck, LoginError, LoginOptions};
use oauth_openid::{LogoutRequest, LogoutToken, OpenIDProvider, oauth_core::MemoryCache};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::{
    driver::browser::Arrival,
    server::{REDIRECT_URI, Server, browser, id_token, login, metadata},
};

#[tokio::test]
async fn a_user_signs_out_at_the_server_and_comes_back() {
    let server = Server::shared();
    let client = server.client();
    let browser = browser();
    let ended = login(&client, &browser, LoginOptions::new()).await.unwrap();
    let request = LogoutRequest::new().id_token_hint(id_token(&ended).raw()).return_to(REDIRECT_URI);
    let started = client.start_logout(request).await.unwrap();
    let Arrival::Redirect(url) = browser.go(&started.url, Some(REDIRECT_URI)).await.unwrap() else {
        panic!("the server does not send the browser back")
    };
    let (_, query) = url.split_once('?').unwrap();
    assert_eq!(query, format!("state={}", started.attempt.state()));
    started.attempt.check_return(query).unwrap();
    assert_eq!(started.attempt.check_return("state=another"), Err(LoginError::StateMismatch));

    // The session is gone.
    let error = login(&client, &browser, LoginOptions::new().prompt("none")).await.unwrap_err();
    assert_eq!(error.oauth_error().unwrap().code, "login_required");
}

#[tokio::test]
async fn without_a_hint_the_client_id_says_who_asks() {
    let client = Server::shared().client();
    let browser = browser();
    login(&client, &browser, LoginOptions::new()).await.unwrap();
    let started = client.start_logout(LogoutRequest::new().return_to(REDIRECT_URI)).await.unwrap();
    let Arrival::Redirect(url) = browser.go(&started.url, Some(REDIRECT_URI)).await.unwrap() else {
        panic!("the server does not send the browser back")
    };
    started.attempt.check_return(url.split_once('?').unwrap().1).unwrap();

    // The server sends nobody to an address that was not registered.
    let request = LogoutRequest::new().return_to("http://127.0.0.1:8080/elsewhere");
    let started = client.start_logout(request).await.unwrap();
    let arrival = browser.go(&started.url, Some("http://127.0.0.1:8080/")).await.unwrap();
    assert!(matches!(arrival, Arrival::Page { status: 400, .. }), "{arrival:?}");
}

#[tokio::test]
async fn a_logout_token_that_the_server_posts_ends_its_session_once() {
    let server = Server::shared();
    let mut listener = Listener::start().await;
    let metadata = metadata()
        .set("id_token_signed_response_alg", "ES256")
        .set("backchannel_logout_uri", &listener.uri)
        .set("backchannel_logout_session_required", true);
    let (client, _) = server.registered(&metadata).await;
    let browser = browser();
    let ended = login(&client, &browser, LoginOptions::new()).await.unwrap();
    let id_token = id_token(&ended);
    let started = client
        .start_logout(LogoutRequest::new().id_token_hint(id_token.raw()).return_to(REDIRECT_URI))
        .await
        .unwrap();
    browser.go(&started.url, Some(REDIRECT_URI)).await.unwrap();

    let (kind, body) = listener.next().await;
    let posted = LogoutToken::of_request(Some(&kind), &body).unwrap();
    let token = client.verify_logout_token(posted.expose()).await.unwrap();
    assert_eq!(token.issuer(), server.issuer);
    assert_eq!(token.subject(), Some("ada"));
    assert_eq!((token.session_id(), token.session_id().is_some()), (id_token.session_id(), true));
    assert!(token.ends(id_token.issuer(), id_token.subject(), id_token.session_id()));
    assert!(!token.ends(id_token.issuer(), id_token.subject(), Some("another session")));
    assert!(!token.ends(id_token.issuer(), "grace", id_token.session_id()));

    let used = MemoryCache::new();
    assert!(token.use_once(&used).await.unwrap());
    let copy = client.verify_logout_token(posted.expose()).await.unwrap();
    assert!(!copy.use_once(&used).await.unwrap(), "a copy is not a second logout");

    // Neither is what the other should be, nor is it meant for another client.
    let error = client.verify_logout_token(id_token.raw()).await.unwrap_err();
    assert_eq!(error.jwt_check(), Some(JwtCheck::Events), "{error}");
    let expected = oauth_openid::Expectations::new().without_nonce();
    let error = client.verify_id_token(posted.expose(), &expected).await.unwrap_err();
    assert_eq!(error.jwt_check(), Some(JwtCheck::Type), "{error}");
    let error = server.client().verify_logout_token(posted.expose()).await.unwrap_err();
    assert_eq!(error.jwt_check(), Some(JwtCheck::Audience), "{error}");
}

/// Takes what a server posts.
struct Listener {
    uri: String,
    posted: UnboundedReceiver<(String, String)>,
}

impl Listener {
    async fn start() -> Self {
        let (sender, posted) = unbounded_channel();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("http://{}/back-channel-logout", listener.local_addr().unwrap());
        let routes = Router::new().route("/back-channel-logout", post(keep)).with_state(sender);
        tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { uri, posted }
    }

    async fn next(&mut self) -> (String, String) {
        tokio::time::timeout(Duration::from_secs(10), self.posted.recv()).await.unwrap().unwrap()
    }
}

async fn keep(State(sender): State<UnboundedSender<(String, String)>>, headers: HeaderMap, body: Bytes) {
    let kind = headers["content-type"].to_str().unwrap().to_owned();
    sender.send((kind, String::from_utf8(body.to_vec()).unwrap())).unwrap();
}
