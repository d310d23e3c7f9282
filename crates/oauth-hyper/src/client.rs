//! `hyper-util` as an [`HttpClient`].

use std::{fmt, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use oauth_core::{
    CONNECT_TIMEOUT, Error, HttpClient, HttpError, HttpErrorKind, MAX_REPLY_BYTES, REQUEST_TIMEOUT,
};
use rustls::ClientConfig;

use crate::tls::tls_defaults;

/// An [`HttpClient`] on hyper alone, which takes less processor time than reqwest for each request (`docs/benchmarks.md` in the repository).
///
/// It gives the same guarantees as the default client: no redirects, no cookies, no POST sent twice, at most
/// [`MAX_REPLY_BYTES`] of a reply, [`CONNECT_TIMEOUT`] and [`REQUEST_TIMEOUT`], certificates verified as the platform does,
/// HTTP/1.1. It reads nothing from the environment: there are no proxies. Cloning it is cheap, and clones share connections.
///
/// ```
/// use oauth_core::{OAuth2, Provider};
/// use oauth_hyper::HyperClient;
///
/// # fn f() -> Result<(), oauth_core::Error> {
/// let client = OAuth2::new("CLIENT_ID", "CLIENT_SECRET", "https://as.example/authorize", "https://as.example/token")
///     .with_http_client(HyperClient::new()?);
/// # Ok(())
/// # }
/// ```
///
/// A connection lives on the runtime that opened it, so a client serves one runtime.
#[derive(Clone)]
pub struct HyperClient {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    request_timeout: Duration,
}

impl HyperClient {
    /// A client that trusts the platform's root certificates, with [`tls_defaults`].
    ///
    /// # Errors
    ///
    /// A configuration error when the system has no root certificates.
    pub fn new() -> Result<Self, Error> {
        tls_defaults().map(Self::with_tls)
    }

    /// A client with TLS of your own: a private authority (`tls_trusting`), a client certificate
    /// ([`with_client_certificate`](crate::with_client_certificate)).
    #[must_use]
    pub fn with_tls(mut config: ClientConfig) -> Self {
        // The connector sets it, and panics if it is set already.
        config.alpn_protocols.clear();
        let mut tcp = HttpConnector::new();
        // Whether a request may go over plain http was decided before it comes here.
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(config)
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector);
        Self { client, request_timeout: REQUEST_TIMEOUT }
    }

    /// Lets a whole request take this long, in place of [`REQUEST_TIMEOUT`].
    #[must_use]
    pub fn with_request_timeout(mut self, limit: Duration) -> Self {
        self.request_timeout = limit;
        self
    }

    async fn exchange(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, HttpError> {
        let reply = self.client.request(request.map(Full::new)).await.map_err(|error| {
            let kind = if error.is_connect() { HttpErrorKind::Connect } else { HttpErrorKind::Other };
            HttpError::new(kind).caused_by(error)
        })?;
        let (parts, body) = reply.into_parts();
        let failed = |kind| HttpError::new(kind).with_status(parts.status);
        let length = parts.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        if length.is_some_and(|length: u64| length > MAX_REPLY_BYTES as u64) {
            return Err(failed(HttpErrorKind::TooLarge));
        }
        let whole = Limited::new(body, MAX_REPLY_BYTES).collect().await;
        let whole = whole.map_err(|error| match error.is::<LengthLimitError>() {
            true => failed(HttpErrorKind::TooLarge),
            false => failed(HttpErrorKind::Other).caused_by(error),
        })?;
        Ok(http::Response::from_parts(parts, whole.to_bytes()))
    }
}

#[async_trait]
impl HttpClient for HyperClient {
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, HttpError> {
        // Its timers panic without one.
        if tokio::runtime::Handle::try_current().is_err() {
            return Err(HttpError::new(HttpErrorKind::NoRuntime));
        }
        match tokio::time::timeout(self.request_timeout, self.exchange(request)).await {
            Ok(reply) => reply,
            Err(_) => Err(HttpError::new(HttpErrorKind::Timeout)),
        }
    }
}

impl fmt::Debug for HyperClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HyperClient").field("request_timeout", &self.request_timeout).finish_non_exhaustive()
    }
}
