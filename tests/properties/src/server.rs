//! The server in memory that gives the inputs as answers.

use std::{
    future::Future,
    sync::{
        Arc,
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

/// The secret of [`client`].
pub const CLIENT_SECRET: &str = "the-client-secret-5f1c";

/// A client of a server.
#[must_use]
pub fn client(server: &Server) -> OAuth2 {
    OAuth2::new("client-1", CLIENT_SECRET, "https://as.example/authorize", "https://as.example/token")
        .with_profile_endpoint("https://as.example/me")
        .with_http_client(server.clone())
}
