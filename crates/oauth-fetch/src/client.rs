use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use oauth_core::{HttpClient, HttpError, REQUEST_TIMEOUT};

/// An [`HttpClient`] by the Fetch API.
///
/// It gives the same guarantees as the default client of other targets: redirects are not followed, no cookies are sent or kept
/// (`credentials: "omit"`), no request is sent twice, at most [`MAX_REPLY_BYTES`](oauth_core::MAX_REPLY_BYTES) of a reply are read, and a
/// request ends after [`REQUEST_TIMEOUT`]. Dropping the future of a request aborts it. TLS, proxies and compression are the platform's.
///
/// ```
/// use std::time::Duration;
///
/// use oauth_fetch::FetchClient;
///
/// let client = FetchClient::new().with_request_timeout(Duration::from_secs(5));
/// ```
///
/// In a web page, only what a provider allows to be read from another origin (CORS) can be read, and a redirect is an error, because
/// browsers hide where it leads.
#[derive(Clone, Debug)]
pub struct FetchClient {
    request_timeout: Duration,
}

impl FetchClient {
    /// A client that gives requests [`REQUEST_TIMEOUT`].
    #[must_use]
    pub fn new() -> Self {
        Self { request_timeout: REQUEST_TIMEOUT }
    }

    /// Lets a whole request take this long, in place of [`REQUEST_TIMEOUT`].
    #[must_use]
    pub fn with_request_timeout(mut self, limit: Duration) -> Self {
        self.request_timeout = limit;
        self
    }
}

impl Default for FetchClient {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(all(target_family = "wasm", target_os = "unknown"))]
#[async_trait]
impl HttpClient for FetchClient {
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, HttpError> {
        // Values of JavaScript belong to the thread that made them, and a `SendWrapper` panics on any other. Here is no other: a
        // future that holds values of JavaScript is polled by the event loop of its thread alone (`spawn_local`), and without the
        // target feature `atomics` there are no threads at all.
        send_wrapper::SendWrapper::new(crate::js::exchange(request, self.request_timeout)).await
    }
}

#[cfg(not(all(target_family = "wasm", target_os = "unknown")))]
#[async_trait]
impl HttpClient for FetchClient {
    async fn send(&self, _: http::Request<Bytes>) -> Result<http::Response<Bytes>, HttpError> {
        let why = "there is no Fetch API on this target; give the provider another HTTP client";
        Err(HttpError::new(oauth_core::HttpErrorKind::Other).caused_by(why))
    }
}
