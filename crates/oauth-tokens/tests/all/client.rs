//! Requests that go out with a key's token, at an API that accepts what the provider issued.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri, header},
    response::{IntoResponse, Redirect, Response},
};
use oauth_core::{
    AfterReply, AuthenticationError, Error as CoreError, OAuth2, OAuth2Token, Operation, Participant,
    Provider, RequestContext, RequestDraft, async_trait, serde_json::json,
};
use oauth_reqwest::{reqwest, reqwest_client};
use oauth_tokens::{
    AuthorizedClient, Hosts, MemoryStore, RequestError, TokenError, TokenKey, TokenManager, TokenMiddleware,
    TokenSource, testkit::RotatingServer,
};
use reqwest_middleware::ClientBuilder;

use crate::support::{Hands, builder, key, sealer};

/// An API that answers 401 to every token that the provider does not know, and notes what it was sent.
#[derive(Clone)]
struct Api {
    provider: RotatingServer,
    challenge: Option<&'static str>,
    seen: Arc<Mutex<Vec<String>>>,
    origin: String,
}

impl Api {
    async fn start(provider: &RotatingServer, challenge: Option<&'static str>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let api = Self { provider: provider.clone(), challenge, seen: Arc::default(), origin };
        let router = Router::new().fallback(answer).with_state(api.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        api
    }

    fn host(&self) -> Hosts {
        Hosts::new([self.origin.trim_start_matches("http://")]).unwrap()
    }

    /// Method, path, token and body of each request, with the tokens by the order in which they first came.
    fn seen(&self) -> Vec<String> {
        std::mem::take(&mut *self.seen.lock().unwrap())
    }
}

async fn answer(
    State(api): State<Api>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let authorization = headers.get(header::AUTHORIZATION).map_or("", |value| value.to_str().unwrap());
    let body = String::from_utf8_lossy(&body);
    api.seen.lock().unwrap().push(format!("{method} {uri} {authorization} {body}"));
    if authorization.strip_prefix("Bearer ").is_some_and(|token| api.provider.knows(token)) {
        return "welcome".into_response();
    }
    match api.challenge {
        Some(challenge) => {
            (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, challenge)]).into_response()
        }
        None => StatusCode::UNAUTHORIZED.into_response(),
    }
}

const INVALID_TOKEN: &str =
    r#"Basic realm="x", Bearer realm="api, version 1", error="invalid_token", error_description="expired""#;

/// A manager with a token that is a minute old and that the API does not accept any more.
async fn with_withdrawn_token(provider: &RotatingServer) -> (TokenManager, String) {
    let clock = Hands::new();
    let manager = builder(MemoryStore::new(), provider).clock(clock.clone()).build().unwrap();
    manager.put(&key(), &provider.sign_in().unwrap()).await.unwrap();
    clock.forward(Duration::from_secs(60));
    let token = manager.get(&key()).await.unwrap().access_token().to_owned();
    provider.withdraw(&token);
    (manager, token)
}

#[tokio::test]
async fn rt_07_a_rejected_token_is_refreshed_once_and_the_request_sent_again() {
    let provider = RotatingServer::new();
    let api = Api::start(&provider, Some(INVALID_TOKEN)).await;
    let (manager, old) = with_withdrawn_token(&provider).await;
    let http = reqwest_client(|defaults| defaults).unwrap();
    let client = AuthorizedClient::new(http.clone(), manager.clone(), key(), api.host());
    let url = format!("{}/files?q=1", api.origin);

    let reply = client.send(http.post(&url).body("a=b")).await.unwrap();
    assert_eq!((reply.status(), &*reply.text().await.unwrap()), (StatusCode::OK, "welcome"));
    let new = manager.get(&key()).await.unwrap().access_token().to_owned();
    assert_eq!(
        api.seen(),
        [format!("POST /files?q=1 Bearer {old} a=b"), format!("POST /files?q=1 Bearer {new} a=b")]
    );
    assert_eq!(provider.token_requests(), 1);

    client.send(http.get(&url)).await.unwrap();
    assert_eq!(api.seen(), [format!("GET /files?q=1 Bearer {new} ")]);

    // Its successor is refused too: that is not for another refresh to mend.
    provider.withdraw(&new);
    for _ in 0..10 {
        let reply = client.send(http.get(&url)).await.unwrap();
        assert_eq!(reply.status(), StatusCode::UNAUTHORIZED);
    }
    assert_eq!(api.seen().len(), 10);
    assert_eq!(provider.token_requests(), 1);
}

#[tokio::test]
async fn a_hundred_rejections_at_once_are_one_refresh() {
    let provider = RotatingServer::with(Duration::ZERO, Duration::from_millis(50), Duration::from_secs(3600));
    let api = Api::start(&provider, Some(INVALID_TOKEN)).await;
    let (manager, _) = with_withdrawn_token(&provider).await;
    let http = reqwest_client(|defaults| defaults).unwrap();
    let client = AuthorizedClient::new(http.clone(), manager, key(), api.host());
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let (client, request) = (client.clone(), http.get(&api.origin));
        tasks.spawn(async move { client.send(request).await.unwrap().status() });
    }
    assert!(tasks.join_all().await.iter().all(|status| *status == StatusCode::OK));
    assert_eq!(provider.token_requests(), 1);
}

#[tokio::test]
async fn a_body_that_cannot_be_sent_again_is_not_but_the_next_request_succeeds() {
    let provider = RotatingServer::new();
    let api = Api::start(&provider, Some(INVALID_TOKEN)).await;
    let (manager, _) = with_withdrawn_token(&provider).await;
    let http = reqwest_client(|defaults| defaults).unwrap();
    let client = AuthorizedClient::new(http.clone(), manager, key(), api.host());
    let stream = reqwest::Body::wrap(http_body_util::Full::new(Bytes::from("streamed")));
    let reply = client.send(http.post(&api.origin).body(stream)).await.unwrap();
    assert_eq!(reply.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(api.seen().len(), 1);
    assert_eq!(client.send(http.get(&api.origin)).await.unwrap().status(), StatusCode::OK);
    assert_eq!(api.seen().len(), 1);
}

#[tokio::test]
async fn a_401_for_another_reason_is_the_callers_unless_every_one_is_to_count() {
    let provider = RotatingServer::new();
    for challenge in
        [None, Some("Basic realm=\"x\""), Some("Bearer error=\"insufficient_scope\""), Some(",,\"")]
    {
        let api = Api::start(&provider, challenge).await;
        let (manager, _) = with_withdrawn_token(&provider).await;
        let http = reqwest_client(|defaults| defaults).unwrap();
        let client = AuthorizedClient::new(http.clone(), manager, key(), api.host());
        let sent = provider.token_requests();
        let reply = client.send(http.get(&api.origin)).await.unwrap();
        assert_eq!(reply.status(), StatusCode::UNAUTHORIZED, "{challenge:?}");
        assert_eq!(provider.token_requests(), sent, "{challenge:?}");
        let reply = client.refresh_on_any_401().send(http.get(&api.origin)).await.unwrap();
        assert_eq!(reply.status(), StatusCode::OK, "{challenge:?}");
        assert_eq!(provider.token_requests(), sent + 1, "{challenge:?}");
    }
}

#[tokio::test]
async fn br_04_a_token_goes_to_no_other_host_and_not_over_a_header_that_is_there() {
    let provider = RotatingServer::new();
    let api = Api::start(&provider, None).await;
    let manager = builder(MemoryStore::new(), &provider).build().unwrap();
    let http = reqwest_client(|defaults| defaults).unwrap();
    let hosts = Hosts::new(["api.example.com"]).unwrap();
    let client = AuthorizedClient::new(http.clone(), manager.clone(), key(), hosts);
    let outcome = client.send(http.get(format!("{}/?secret=1", api.origin))).await;
    let error = outcome.unwrap_err();
    assert!(matches!(error, RequestError::HostNotListed { .. }), "{error}");
    assert!(!error.to_string().contains("secret"));
    let error = client.send(http.get("http://api.example.com/")).await.unwrap_err();
    assert!(matches!(error, RequestError::PlainHttp { .. }), "{error}");

    let client = AuthorizedClient::new(http.clone(), manager.clone(), key(), api.host());
    let error = client.send(http.get(&api.origin).bearer_auth("mine")).await.unwrap_err();
    assert!(matches!(error, RequestError::AlreadyAuthorized), "{error}");
    let error = client.send(http.get(&api.origin)).await.unwrap_err();
    assert!(matches!(error, RequestError::Token(TokenError::NotFound { .. })), "{error}");
    assert!(api.seen().is_empty());
}

#[tokio::test]
async fn br_03_a_token_that_would_break_a_header_is_not_sent() {
    let provider = RotatingServer::new();
    let api = Api::start(&provider, None).await;
    let http = reqwest_client(|defaults| defaults).unwrap();
    let manager = builder(MemoryStore::new(), &provider).build().unwrap();
    for token in ["a\r\nX: y", "a\tb", "a\0b", "\u{e4}"] {
        manager.put(&key(), &OAuth2Token::new(token)).await.unwrap();
        let client = AuthorizedClient::new(http.clone(), manager.clone(), key(), api.host());
        let error = client.send(http.get(&api.origin)).await.unwrap_err();
        assert!(matches!(error, RequestError::TokenType(_)), "{token:?}: {error}");
    }
    assert!(api.seen().is_empty());
}

/// Obtains tokens in a way of its own, without an OAuth client.
#[derive(Debug)]
struct OfAVault(&'static str);

#[async_trait]
impl TokenSource for OfAVault {
    fn name(&self) -> &str {
        "testkit"
    }

    fn needs_login(&self, _: &TokenKey) -> bool {
        false
    }

    async fn obtain(&self, _: &TokenKey, _: Option<&OAuth2Token>) -> oauth_core::Result<OAuth2Token> {
        Ok(OAuth2Token::new(self.0))
    }

    async fn revoke(&self, _: &TokenKey, _: &OAuth2Token) -> oauth_core::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_source_without_a_client_has_its_tokens_sent_and_none_that_would_break_a_header() {
    let provider = RotatingServer::new();
    let api = Api::start(&provider, None).await;
    let http = reqwest_client(|defaults| defaults).unwrap();
    let client = |token| {
        let manager = TokenManager::builder(MemoryStore::new(), sealer()).source(OfAVault(token)).build();
        AuthorizedClient::new(http.clone(), manager.unwrap(), key(), api.host())
    };
    let error = client("a\r\nx: y").send(http.get(&api.origin)).await.unwrap_err();
    assert!(matches!(error, RequestError::TokenType(_)), "{error}");
    assert!(api.seen().is_empty());
    client("of-a-vault").send(http.get(&api.origin)).await.unwrap();
    assert_eq!(api.seen(), ["GET / Bearer of-a-vault "]);
}

#[tokio::test]
async fn br_04_a_token_does_not_go_where_the_api_points() {
    let provider = RotatingServer::new();
    let elsewhere = Api::start(&provider, None).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let to = elsewhere.origin.clone();
    let pointing = Router::new().fallback(async move || Redirect::temporary(&to));
    tokio::spawn(async move { axum::serve(listener, pointing).await });
    let manager = builder(MemoryStore::new(), &provider).build().unwrap();
    manager.put(&key(), &provider.sign_in().unwrap()).await.unwrap();
    // Neither with the default, nor by a client of one's own that follows.
    for follows in [false, true] {
        let http = reqwest_client(|defaults| match follows {
            false => defaults,
            true => defaults.redirect(reqwest::redirect::Policy::limited(3)),
        });
        let http = http.unwrap();
        let hosts = Hosts::new([origin.trim_start_matches("http://")]).unwrap();
        let client = AuthorizedClient::new(http.clone(), manager.clone(), key(), hosts);
        let reply = client.send(http.get(&origin)).await.unwrap();
        assert_eq!(reply.status().as_u16(), if follows { 401 } else { 307 });
        let seen: Vec<_> = if follows { vec!["GET /  ".to_owned()] } else { Vec::new() };
        assert_eq!(elsewhere.seen(), seen);
    }
}

#[tokio::test]
async fn the_middleware_does_the_same_for_the_key_that_a_request_names() {
    let provider = RotatingServer::new();
    let api = Api::start(&provider, Some(INVALID_TOKEN)).await;
    let (manager, old) = with_withdrawn_token(&provider).await;
    let other = key().with_label("other");
    manager.put(&other, &provider.sign_in().unwrap()).await.unwrap();
    let http = reqwest_client(|defaults| defaults).unwrap();
    let middleware = TokenMiddleware::new(manager.clone(), api.host());
    let client = ClientBuilder::new(http.into_inner()).with(middleware.clone()).build();

    let reply = client.put(format!("{}/a", api.origin)).body("x").with_extension(key()).send().await.unwrap();
    assert_eq!(reply.status(), StatusCode::OK);
    let new = manager.get(&key()).await.unwrap().access_token().to_owned();
    assert_eq!(api.seen(), [format!("PUT /a Bearer {old} x"), format!("PUT /a Bearer {new} x")]);

    client.get(&api.origin).with_extension(other.clone()).send().await.unwrap();
    let others = manager.get(&other).await.unwrap().access_token().to_owned();
    assert_eq!(api.seen(), [format!("GET / Bearer {others} ")]);

    let error = client.get(&api.origin).send().await.unwrap_err();
    assert!(error.to_string().contains("no token key"), "{error}");
    let client = ClientBuilder::new(reqwest_client(|defaults| defaults).unwrap().into_inner())
        .with(middleware.with_key(other))
        .build();
    client.get(&api.origin).send().await.unwrap();
    assert_eq!(api.seen(), [format!("GET / Bearer {others} ")]);
}

/// Proves possession of a key as DPoP does (RFC 9449), with a made-up signature.
#[derive(Debug, Default)]
struct Proofs(Mutex<Option<String>>);

#[async_trait]
impl Participant for Proofs {
    async fn before_send(
        &self,
        context: &RequestContext<'_>,
        request: &mut RequestDraft,
    ) -> Result<(), AuthenticationError> {
        let nonce = self.0.lock().unwrap().clone().unwrap_or_default();
        request.set_token_scheme("DPoP")?;
        request.set_header("dpop", &format!("{} {nonce}", request.method()))?;
        assert_eq!(context.operation == Operation::API_REQUEST, context.url.starts_with("http://127.0.0.1"));
        Ok(())
    }

    async fn after_reply(
        &self,
        _context: &RequestContext<'_>,
        request: &RequestDraft,
        reply: &oauth_core::http::Response<Bytes>,
    ) -> AfterReply {
        let Some(nonce) = reply.headers().get("dpop-nonce") else { return AfterReply::Done };
        assert!(request.headers().contains_key("dpop"));
        *self.0.lock().unwrap() = Some(nonce.to_str().unwrap().to_owned());
        AfterReply::SendAgain
    }

    fn presents(&self, token_type: &str) -> bool {
        token_type.eq_ignore_ascii_case("DPoP")
    }

    fn check_use(&self, client: &OAuth2, token: &OAuth2Token) -> Result<(), CoreError> {
        match token.confirmation() {
            Some(cnf) if cnf["jkt"] != "ours" => {
                Err(client.unsupported(Operation::API_REQUEST, "the token is bound to another key"))
            }
            _ => Ok(()),
        }
    }
}

/// An API that wants a proof with its nonce, and notes what it was sent.
async fn proof_api(provider: &RotatingServer, nonce: &'static str) -> (String, Arc<Mutex<Vec<String>>>) {
    let (provider, seen) = (provider.clone(), Arc::new(Mutex::new(Vec::new())));
    let notes = seen.clone();
    let router = Router::new().fallback(async move |headers: HeaderMap, body: Bytes| {
        let header = |name: &str| headers.get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
        let (authorization, proof) = (header("authorization"), header("dpop"));
        let body = String::from_utf8_lossy(&body).into_owned();
        notes.lock().unwrap().push(format!("{proof}; {} {body}", header("x-mine")));
        let challenge = |error: &str| [(header::WWW_AUTHENTICATE, format!("DPoP error=\"{error}\""))];
        match authorization.strip_prefix("DPoP ") {
            _ if !proof.ends_with(nonce) => {
                (StatusCode::UNAUTHORIZED, challenge("use_dpop_nonce"), [("dpop-nonce", nonce)], "")
                    .into_response()
            }
            Some(token) if provider.knows(token) => "welcome".into_response(),
            _ => (StatusCode::UNAUTHORIZED, challenge("invalid_token")).into_response(),
        }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (origin, seen)
}

/// A token as the provider issued it, bound to a key.
fn bound_to(key: &str, token: &OAuth2Token) -> OAuth2Token {
    let mut fields = oauth_core::serde_json::to_value(token).unwrap();
    fields["token_type"] = "DPoP".into();
    fields["cnf"] = json!({ "jkt": key });
    oauth_core::serde_json::from_value(fields).unwrap()
}

#[tokio::test]
async fn a_bound_token_goes_out_with_a_proof_and_once_more_with_the_apis_nonce() {
    let provider = RotatingServer::new();
    let (origin, seen) = proof_api(&provider, "N").await;
    let hosts = || Hosts::new([origin.trim_start_matches("http://")]).unwrap();
    let issuing = provider.client().with_participant(Proofs::default());
    let clock = Hands::new();
    let manager = TokenManager::builder(MemoryStore::new(), sealer())
        .provider(Arc::new(issuing))
        .clock(clock.clone())
        .build()
        .unwrap();
    let token = bound_to("ours", &provider.sign_in().unwrap());
    manager.put(&key(), &token).await.unwrap();
    let http = reqwest_client(|defaults| defaults).unwrap();
    let client = AuthorizedClient::new(http.clone(), manager.clone(), key(), hosts());
    let take = || std::mem::take(&mut *seen.lock().unwrap());

    let reply = client.send(http.post(&origin).header("x-mine", "m").body("a=b")).await.unwrap();
    assert_eq!(reply.text().await.unwrap(), "welcome");
    assert_eq!(take(), ["POST; m a=b", "POST N; m a=b"]);
    // The nonce is known now.
    client.send(http.get(&origin)).await.unwrap();
    assert_eq!(take(), ["GET N;  "]);

    // A token that the API rejects is replaced once, and its successor goes out with a proof too.
    clock.forward(Duration::from_secs(60));
    provider.withdraw(token.access_token());
    assert_eq!(client.send(http.get(&origin)).await.unwrap().status(), StatusCode::OK);
    assert_eq!(take(), ["GET N;  ", "GET N;  "]);
    assert_ne!(manager.get(&key()).await.unwrap().access_token(), token.access_token());

    // The middleware does the same, and an API that is never content with a nonce is asked twice and no more.
    let (strange, strangely_seen) = proof_api(&provider, "cut off at its end ").await;
    let hosts = Hosts::new([&strange, &origin].map(|origin| origin.trim_start_matches("http://"))).unwrap();
    let middleware = TokenMiddleware::new(manager.clone(), hosts.clone()).with_key(key());
    let with_middleware = ClientBuilder::new(http.clone().into_inner()).with(middleware).build();
    with_middleware.get(&origin).send().await.unwrap();
    assert_eq!(take(), ["GET N;  "]);
    let reply = with_middleware.get(&strange).send().await.unwrap();
    assert_eq!((reply.status(), strangely_seen.lock().unwrap().len()), (StatusCode::UNAUTHORIZED, 2));

    // What is bound to another key is not sent.
    take();
    manager.put(&key(), &bound_to("another", &provider.sign_in().unwrap())).await.unwrap();
    let client = AuthorizedClient::new(http.clone(), manager.clone(), key(), hosts.clone());
    let error = client.send(http.get(&origin)).await.unwrap_err();
    assert!(matches!(&error, RequestError::TokenType(cause) if cause.to_string().contains("another key")));
    // Nor is a bound token by a client without the key.
    let manager = builder(MemoryStore::new(), &provider).build().unwrap();
    manager.put(&key(), &bound_to("ours", &provider.sign_in().unwrap())).await.unwrap();
    let client = AuthorizedClient::new(http.clone(), manager, key(), hosts);
    let error = client.send(http.get(&origin)).await.unwrap_err();
    assert!(matches!(error, RequestError::TokenType(_)), "{error}");
    assert!(take().is_empty());
}
