//! The adapter for rmcp, over a transport that exists in memory.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use futures_core::stream::BoxStream;
use oauth_core::{
    Callback, HttpClient, HttpError, async_trait,
    bytes::Bytes,
    http::{HeaderName, HeaderValue, Request, Response, StatusCode},
    serde_json::{self, json},
};
use oauth_mcp::{Access, Authorizer, Browser, McpError, PendingLogin, ServerUrl, rmcp::AuthorizedHttp};
use rmcp::{
    model::ClientJsonRpcMessage,
    transport::streamable_http_client::{
        AuthRequiredError, InsufficientScopeError, SseError, StreamableHttpClient, StreamableHttpError,
        StreamableHttpPostResponse,
    },
};
use sse_stream::Sse;

const MCP: &str = "https://mcp.example/mcp";

/// The authorization server, and the metadata of the MCP server.
#[derive(Debug, Default)]
struct World(Mutex<u32>);

#[async_trait]
impl HttpClient for World {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let body = match request.uri().path() {
            "/.well-known/oauth-protected-resource/mcp" => {
                json!({ "resource": MCP, "authorization_servers": ["https://as.example"] })
            }
            "/.well-known/oauth-authorization-server" => json!({
                "issuer": "https://as.example", "authorization_endpoint": "https://as.example/authorize",
                "token_endpoint": "https://as.example/token", "registration_endpoint": "https://as.example/register",
                "code_challenge_methods_supported": ["S256"],
            }),
            "/register" => json!({ "client_id": "c" }),
            "/token" => {
                let mut issued = self.0.lock().unwrap();
                *issued += 1;
                json!({ "access_token": format!("t{issued}"), "token_type": "Bearer", "refresh_token": "r" })
            }
            other => panic!("{other}"),
        };
        Ok(Response::new(Bytes::from(body.to_string())))
    }
}

struct Yes;

#[async_trait]
impl Browser for Yes {
    fn redirect_uri(&self) -> &str {
        "http://127.0.0.1:4173/callback"
    }

    async fn sign_in(
        &self,
        login: &PendingLogin,
    ) -> Result<Callback, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Callback::from_query(&format!("code=c&state={}", login.state())))
    }
}

/// rmcp's own client: it wants a token, then one with more scopes.
#[derive(Clone, Default)]
struct Inner {
    tokens: Arc<Mutex<Vec<Option<String>>>>,
}

type Headers = HashMap<HeaderName, HeaderValue>;

impl StreamableHttpClient for Inner {
    type Error = std::io::Error;

    async fn post_message(
        &self,
        _: Arc<str>,
        _: ClientJsonRpcMessage,
        _: Option<Arc<str>>,
        token: Option<String>,
        _: Headers,
    ) -> Result<StreamableHttpPostResponse, StreamableHttpError<Self::Error>> {
        self.tokens.lock().unwrap().push(token.clone());
        match token.as_deref() {
            None => Err(StreamableHttpError::AuthRequired(AuthRequiredError::new(
                r#"Bearer scope="read""#.to_owned(),
            ))),
            Some("t1") => {
                let challenge = r#"Bearer error="insufficient_scope", scope="write""#.to_owned();
                let wanted = Some("write".to_owned());
                Err(StreamableHttpError::InsufficientScope(InsufficientScopeError::new(challenge, wanted)))
            }
            Some(_) => Ok(StreamableHttpPostResponse::Accepted),
        }
    }

    async fn delete_session(
        &self,
        _: Arc<str>,
        _: Arc<str>,
        token: Option<String>,
        _: Headers,
    ) -> Result<(), StreamableHttpError<Self::Error>> {
        self.tokens.lock().unwrap().push(token);
        Ok(())
    }

    async fn get_stream(
        &self,
        _: Arc<str>,
        _: Option<Arc<str>>,
        _: Option<String>,
        token: Option<String>,
        _: Headers,
    ) -> Result<BoxStream<'static, Result<Sse, SseError>>, StreamableHttpError<Self::Error>> {
        self.tokens.lock().unwrap().push(token);
        Err(StreamableHttpError::ServerDoesNotSupportSse)
    }
}

fn access() -> Access {
    let authorizer = Authorizer::new("Tests").with_http_client(World::default());
    Access::in_memory(authorizer, ServerUrl::parse(MCP).unwrap()).unwrap()
}

async fn post<C: StreamableHttpClient>(
    client: &C,
) -> Result<StreamableHttpPostResponse, StreamableHttpError<C::Error>> {
    let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" });
    let message: ClientJsonRpcMessage = serde_json::from_value(message).unwrap();
    client.post_message(MCP.into(), message, None, None, Headers::new()).await
}

#[tokio::test]
async fn a_challenge_and_a_step_up_are_answered_and_each_request_has_the_token() {
    let inner = Inner::default();
    let client = AuthorizedHttp::new(inner.clone(), access()).with_browser(Yes);
    assert!(post(&client).await.is_ok());
    let _ = client.get_stream(MCP.into(), None, None, None, Headers::new()).await;
    client.delete_session(MCP.into(), "s".into(), None, Headers::new()).await.unwrap();
    let some = |token: &str| Some(token.to_owned());
    assert_eq!(*inner.tokens.lock().unwrap(), [None, some("t1"), some("t2"), some("t2"), some("t2")]);
}

#[tokio::test]
async fn without_a_browser_the_challenge_comes_back_to_be_answered() {
    let client = AuthorizedHttp::new(Inner::default(), access());
    for status in [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN] {
        let challenge = match post(&client).await {
            Err(StreamableHttpError::AuthRequired(error)) => error.www_authenticate_header,
            Err(StreamableHttpError::InsufficientScope(error)) => error.www_authenticate_header,
            other => panic!("{other:?}"),
        };
        client.answer(status, &challenge, &Yes).await.unwrap();
    }
    assert!(post(&client).await.is_ok());
}

/// Counts the pages that a user was shown.
#[derive(Default)]
struct Counting(Mutex<u32>);

#[async_trait]
impl Browser for Counting {
    fn redirect_uri(&self) -> &str {
        Yes.redirect_uri()
    }

    async fn sign_in(
        &self,
        login: &PendingLogin,
    ) -> Result<Callback, Box<dyn std::error::Error + Send + Sync>> {
        *self.0.lock().unwrap() += 1;
        Yes.sign_in(login).await
    }
}

#[tokio::test]
async fn mc_42_a_challenge_is_about_the_token_that_was_refused() {
    let client = AuthorizedHttp::new(Inner::default(), access());
    let browser = Counting::default();
    let refused = |outcome| match outcome {
        Err(StreamableHttpError::AuthRequired(error)) => error.www_authenticate_header,
        Err(StreamableHttpError::InsufficientScope(error)) => error.www_authenticate_header,
        other => panic!("{other:?}"),
    };
    let challenge = refused(post(&client).await);
    client.answer(StatusCode::UNAUTHORIZED, &challenge, &browser).await.unwrap();
    // Two requests are refused with the first token, before either is answered.
    let first = refused(post(&client).await);
    let second = refused(post(&client.clone()).await);
    client.answer(StatusCode::FORBIDDEN, &first, &browser).await.unwrap();
    assert_eq!(*browser.0.lock().unwrap(), 2);
    // The newer token was never refused, so nobody is asked again.
    client.answer(StatusCode::FORBIDDEN, &second, &browser).await.unwrap();
    assert_eq!(*browser.0.lock().unwrap(), 2);
    assert!(post(&client).await.is_ok());
}

#[tokio::test]
async fn mc_40_a_transport_to_another_server_gets_no_token() {
    let inner = Inner::default();
    let client = AuthorizedHttp::new(inner.clone(), access()).with_browser(Yes);
    post(&client).await.unwrap();
    let before = inner.tokens.lock().unwrap().len();
    for other in ["https://other.example/mcp", "https://mcp.example/mcp2", "http://mcp.example/mcp"] {
        let outcome = client.delete_session(other.into(), "s".into(), None, Headers::new()).await;
        assert!(matches!(outcome, Err(StreamableHttpError::Io(_))), "{other}");
    }
    assert_eq!(inner.tokens.lock().unwrap().len(), before);
}

#[tokio::test]
async fn an_error_of_this_crate_is_found_again_in_rmcps() {
    let client = AuthorizedHttp::new(Refusing, access()).with_browser(Yes);
    let Err(StreamableHttpError::Io(error)) = post(&client).await else { panic!() };
    assert!(error.get_ref().unwrap().downcast_ref::<McpError>().is_some());
}

/// A server that wants a scope for ever.
#[derive(Clone)]
struct Refusing;

impl StreamableHttpClient for Refusing {
    type Error = std::io::Error;

    async fn post_message(
        &self,
        _: Arc<str>,
        _: ClientJsonRpcMessage,
        _: Option<Arc<str>>,
        token: Option<String>,
        _: Headers,
    ) -> Result<StreamableHttpPostResponse, StreamableHttpError<Self::Error>> {
        Err(match token {
            None => StreamableHttpError::AuthRequired(AuthRequiredError::new("Bearer".to_owned())),
            Some(_) => {
                let challenge = r#"Bearer error="insufficient_scope", scope="write""#.to_owned();
                StreamableHttpError::InsufficientScope(InsufficientScopeError::new(challenge, None))
            }
        })
    }

    async fn delete_session(
        &self,
        _: Arc<str>,
        _: Arc<str>,
        _: Option<String>,
        _: Headers,
    ) -> Result<(), StreamableHttpError<Self::Error>> {
        Ok(())
    }

    async fn get_stream(
        &self,
        _: Arc<str>,
        _: Option<Arc<str>>,
        _: Option<String>,
        _: Option<String>,
        _: Headers,
    ) -> Result<BoxStream<'static, Result<Sse, SseError>>, StreamableHttpError<Self::Error>> {
        Err(StreamableHttpError::ServerDoesNotSupportSse)
    }
}
