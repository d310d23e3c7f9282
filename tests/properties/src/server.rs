//! The server in memory that gives the inputs as answers.

use std::{
    future::Future,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use oauth_core::{HttpClient, HttpError, OAuth2, Provider, async_trait, bytes::Bytes, http};

/// Waits for a future on this thread.
///
/// # Panics
///
/// If there is no runtime to be made.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// A server that gives the same answer to whatever is sent.
#[derive(Clone, Debug)]
pub struct Server {
    status: u16,
    body: Bytes,
    challenge: Option<http::HeaderValue>,
    requests: Arc<AtomicUsize>,
}

impl Server {
    /// A server with this answer, which says that it is JSON.
    pub fn new(status: u16, body: impl Into<Bytes>) -> Self {
        Self { status, body: body.into(), challenge: None, requests: Arc::default() }
    }

    /// Adds `WWW-Authenticate` to the answer.
    #[must_use]
    pub fn challenging(mut self, challenge: http::HeaderValue) -> Self {
        self.challenge = Some(challenge);
        self
    }

    /// How many requests came.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl HttpClient for Server {
    async fn send(&self, _: http::Request<Bytes>) -> Result<http::Response<Bytes>, HttpError> {
        self.requests.fetch_add(1, Ordering::SeqCst);
        let mut reply =
            http::Response::builder().status(self.status).header("content-type", "application/json");
        if let Some(challenge) = &self.challenge {
            reply = reply.header("www-authenticate", challenge);
        }
        Ok(reply.body(self.body.clone()).unwrap())
    }
}

/// A server that gives one answer after the other, and the last one again and again. It keeps what it was sent.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    answers: Arc<[http::Response<Bytes>]>,
    sent: Arc<Mutex<Vec<http::Request<Bytes>>>>,
}

impl Script {
    /// There must be an answer.
    pub(crate) fn new(answers: impl IntoIterator<Item = http::Response<Bytes>>) -> Self {
        Self { answers: answers.into_iter().collect(), sent: Arc::default() }
    }

    /// What came, in its order.
    pub(crate) fn sent(&self) -> Vec<http::Request<Bytes>> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl HttpClient for Script {
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, HttpError> {
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = self.answers[sent.len().min(self.answers.len() - 1)].clone();
        sent.push(request);
        Ok(answer)
    }
}

/// An answer that says that it is JSON, with those of the headers that can be sent.
pub(crate) fn answer<'h>(
    status: &str,
    headers: impl IntoIterator<Item = (&'static str, &'h str)>,
    body: &str,
) -> http::Response<Bytes> {
    let mut answer = http::Response::new(Bytes::from(body.to_owned()));
    *answer.status_mut() = status.parse().unwrap_or(http::StatusCode::BAD_REQUEST);
    let headers = [("content-type", "application/json")].into_iter().chain(headers);
    for (name, value) in headers {
        if let Ok(value) = http::HeaderValue::from_bytes(value.as_bytes()) {
            answer.headers_mut().append(name, value);
        }
    }
    answer
}

/// The secret of [`client`].
pub const CLIENT_SECRET: &str = "the-client-secret-5f1c";

/// A client of a server.
#[must_use]
pub fn client(server: &Server) -> OAuth2 {
    client_at(server.clone())
}

/// As [`client`], of any server.
pub(crate) fn client_at(http: impl HttpClient + 'static) -> OAuth2 {
    OAuth2::new("client-1", CLIENT_SECRET, "https://as.example/authorize", "https://as.example/token")
        .with_profile_endpoint("https://as.example/me")
        .with_http_client(http)
}
