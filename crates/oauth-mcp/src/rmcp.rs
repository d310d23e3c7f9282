//! Authorization for the client of the crate [`rmcp`](https://docs.rs/rmcp).
//!
//! ```
//! # /*
//! let http = AuthorizedHttp::new(reqwest::Client::new(), access).with_browser(browser);
//! let transport = StreamableHttpClientTransport::with_client(http, StreamableHttpClientTransportConfig::with_uri(url));
//! let client = ().serve(transport).await?;
//! # */
//! ```

use std::{
    collections::{HashMap, VecDeque},
    fmt, io,
    sync::{Arc, Mutex, PoisonError},
};

use futures_core::stream::BoxStream;
use oauth_core::{
    Secret,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header::WWW_AUTHENTICATE},
};
use rmcp::{
    model::ClientJsonRpcMessage,
    transport::streamable_http_client::{
        SseError, StreamableHttpClient, StreamableHttpError, StreamableHttpPostResponse,
        StreamableHttpResponseLimits,
    },
};
use sse_stream::Sse;

use crate::{Access, Browser, McpError};

/// A challenge, a sign-in, a step-up or two.
const MOST_ATTEMPTS: usize = 8;
/// How many refusals are remembered until they are answered.
const MOST_REFUSALS: usize = 32;

/// One of rmcp's HTTP clients, with a live token on each request.
///
/// Each request, each stream and each reconnection asks for the token anew, so that it is refreshed in time. A token that the server
/// refuses is refreshed at once. Where that is not enough, the user signs in by the [browser](Self::with_browser); without one, rmcp's error
/// `AuthRequired` or `InsufficientScope` comes back, whose challenge goes to [`answer`](Self::answer) before the request is sent again: rmcp
/// has time limits that a person may not keep.
///
/// Tokens that are bound to a key (DPoP) are not for this: rmcp's clients send bearer tokens. A transport whose URL is not that of the
/// [`Access`]'s server, or below it, gets an error and no token.
#[derive(Clone)]
pub struct AuthorizedHttp<C> {
    inner: C,
    access: Access,
    browser: Option<Arc<dyn Browser>>,
    refusals: Arc<Mutex<VecDeque<Refused>>>,
}

/// A refusal that went back to the program. rmcp's errors hold the challenge and not the token, and by the time of the
/// [`answer`](AuthorizedHttp::answer) another request may have brought another token.
struct Refused {
    status: StatusCode,
    challenge: String,
    sent: Option<Secret>,
}

impl<C> AuthorizedHttp<C> {
    /// A client that sends through this one, such as a `reqwest::Client`. It must not follow redirects to other origins.
    pub fn new(inner: C, access: Access) -> Self {
        Self { inner, access, browser: None, refusals: Arc::default() }
    }

    /// Has the user sign in by this browser when the server says so, in the middle of a request.
    #[must_use]
    pub fn with_browser(mut self, browser: impl Browser + 'static) -> Self {
        self.browser = Some(Arc::new(browser));
        self
    }

    /// Does what a challenge asks for: the `www_authenticate_header` of rmcp's `AuthRequired` (401) or `InsufficientScope` (403).
    ///
    /// The token that it was about is the one that the refused request had. Where another request has brought a newer one meanwhile,
    /// nobody signs in again, and the request can be sent with that.
    ///
    /// # Errors
    ///
    /// As [`Access::answer`].
    pub async fn answer(
        &self,
        status: StatusCode,
        challenge: &str,
        browser: &dyn Browser,
    ) -> Result<(), McpError> {
        let sent = self.refused_token(status, challenge);
        let sent = sent.as_ref().map(Secret::expose);
        self.access.answer(status, &headers_of(challenge), sent, browser).await
    }

    fn remember(&self, status: StatusCode, challenge: &str, sent: Option<&str>) {
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        refusals.retain(|refused| (refused.status, &*refused.challenge) != (status, challenge));
        if refusals.len() >= MOST_REFUSALS {
            refusals.pop_front();
        }
        refusals.push_back(Refused { status, challenge: challenge.to_owned(), sent: sent.map(Secret::new) });
    }

    fn refused_token(&self, status: StatusCode, challenge: &str) -> Option<Secret> {
        let refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        let found =
            refusals.iter().find(|refused| (refused.status, &*refused.challenge) == (status, challenge))?;
        found.sent.clone()
    }

    async fn authorized<T, E, F>(
        &self,
        uri: &str,
        send: impl Fn(Option<String>) -> F + Send + Sync,
    ) -> Result<T, StreamableHttpError<E>>
    where
        T: Send,
        E: std::error::Error + Send + Sync + 'static,
        F: Future<Output = Result<T, StreamableHttpError<E>>> + Send,
    {
        // The transport has a URL of its own, which may be another server's.
        self.access.check_destination(uri).map_err(failed)?;
        for _ in 0..MOST_ATTEMPTS {
            let token = self.access.token().await.map_err(failed)?;
            let bearer = match &token {
                Some(token) => Some(usable(token).map_err(failed)?),
                None => None,
            };
            let outcome = send(bearer.clone()).await;
            let (status, challenge) = match &outcome {
                Err(StreamableHttpError::AuthRequired(error)) => {
                    (StatusCode::UNAUTHORIZED, error.www_authenticate_header.clone())
                }
                Err(StreamableHttpError::InsufficientScope(error)) => {
                    (StatusCode::FORBIDDEN, error.www_authenticate_header.clone())
                }
                _ => {
                    if let (Ok(_), Some(bearer)) = (&outcome, &bearer) {
                        self.access.accepted(bearer).await;
                    }
                    return outcome;
                }
            };
            let sent = bearer.as_deref();
            match &self.browser {
                Some(browser) => {
                    let headers = headers_of(&challenge);
                    self.access.answer(status, &headers, sent, &**browser).await.map_err(failed)?;
                }
                None => {
                    let is_renewed = match (status, sent) {
                        (StatusCode::UNAUTHORIZED, Some(sent)) => {
                            self.access.renew(sent).await.map_err(failed)?
                        }
                        _ => false,
                    };
                    if !is_renewed {
                        self.remember(status, &challenge, sent);
                        return outcome;
                    }
                }
            }
        }
        Err(failed(McpError::StillUnauthorized))
    }
}

/// The token, if it is one that rmcp's clients can send.
fn usable(token: &oauth_core::OAuth2Token) -> Result<String, McpError> {
    match token.token_type() {
        Some(kind) if !kind.eq_ignore_ascii_case("bearer") => Err(McpError::NoUser(format!(
            "the token is of the type {}, and rmcp's clients send bearer tokens only",
            crate::error::one_line(kind)
        ))),
        _ => Ok(token.access_token().to_owned()),
    }
}

fn headers_of(challenge: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::try_from(challenge) {
        headers.insert(WWW_AUTHENTICATE, value);
    }
    headers
}

/// An error of this crate as one of rmcp's, which has a place for foreign ones here only.
fn failed<E: std::error::Error + Send + Sync + 'static>(error: McpError) -> StreamableHttpError<E> {
    StreamableHttpError::Io(io::Error::other(error))
}

type Headers = HashMap<HeaderName, HeaderValue>;
type Posted<E> = Result<StreamableHttpPostResponse, StreamableHttpError<E>>;
type OpenedStream<E> = Result<BoxStream<'static, Result<Sse, SseError>>, StreamableHttpError<E>>;

/// What each of the three ways to post a message takes.
#[derive(Clone)]
struct Post {
    uri: Arc<str>,
    message: ClientJsonRpcMessage,
    session: Option<Arc<str>>,
    headers: Headers,
}

/// What both ways to open a stream take.
#[derive(Clone)]
struct Stream {
    uri: Arc<str>,
    session: Option<Arc<str>>,
    last_event: Option<String>,
    headers: Headers,
}

/// rmcp has a method for each kind of limit. All are forwarded, so that the limits of a transport hold, and all with a live token in place of
/// the transport's own.
impl<C: StreamableHttpClient + Sync> StreamableHttpClient for AuthorizedHttp<C> {
    type Error = C::Error;

    async fn post_message(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session: Option<Arc<str>>,
        _: Option<String>,
        headers: Headers,
    ) -> Posted<C::Error> {
        let post = Post { uri, message, session, headers };
        let send = |token| {
            let Post { uri, message, session, headers } = post.clone();
            self.inner.post_message(uri, message, session, token, headers)
        };
        self.authorized(&post.uri, send).await
    }

    async fn post_message_with_max_sse_event_size(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session: Option<Arc<str>>,
        _: Option<String>,
        headers: Headers,
        most: usize,
    ) -> Posted<C::Error> {
        let post = Post { uri, message, session, headers };
        let send = |token| {
            let Post { uri, message, session, headers } = post.clone();
            self.inner.post_message_with_max_sse_event_size(uri, message, session, token, headers, most)
        };
        self.authorized(&post.uri, send).await
    }

    async fn post_message_with_response_limits(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session: Option<Arc<str>>,
        _: Option<String>,
        headers: Headers,
        limits: StreamableHttpResponseLimits,
    ) -> Posted<C::Error> {
        let post = Post { uri, message, session, headers };
        let send = |token| {
            let Post { uri, message, session, headers } = post.clone();
            self.inner.post_message_with_response_limits(uri, message, session, token, headers, limits)
        };
        self.authorized(&post.uri, send).await
    }

    async fn delete_session(
        &self,
        uri: Arc<str>,
        session: Arc<str>,
        _: Option<String>,
        headers: Headers,
    ) -> Result<(), StreamableHttpError<C::Error>> {
        let send = |token| self.inner.delete_session(uri.clone(), session.clone(), token, headers.clone());
        self.authorized(&uri, send).await
    }

    async fn get_stream(
        &self,
        uri: Arc<str>,
        session: Option<Arc<str>>,
        last_event: Option<String>,
        _: Option<String>,
        headers: Headers,
    ) -> OpenedStream<C::Error> {
        let stream = Stream { uri, session, last_event, headers };
        let send = |token| {
            let Stream { uri, session, last_event, headers } = stream.clone();
            self.inner.get_stream(uri, session, last_event, token, headers)
        };
        self.authorized(&stream.uri, send).await
    }

    async fn get_stream_with_max_sse_event_size(
        &self,
        uri: Arc<str>,
        session: Option<Arc<str>>,
        last_event: Option<String>,
        _: Option<String>,
        headers: Headers,
        most: usize,
    ) -> OpenedStream<C::Error> {
        let stream = Stream { uri, session, last_event, headers };
        let send = |token| {
            let Stream { uri, session, last_event, headers } = stream.clone();
            self.inner.get_stream_with_max_sse_event_size(uri, session, last_event, token, headers, most)
        };
        self.authorized(&stream.uri, send).await
    }
}

impl<C> fmt::Debug for AuthorizedHttp<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorizedHttp").field("access", &self.access).finish_non_exhaustive()
    }
}
