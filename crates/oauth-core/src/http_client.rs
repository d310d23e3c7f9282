//! The trait that sends HTTP requests, and its error.

use std::{borrow::Cow, error::Error as StdError, fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use http::StatusCode;

use crate::redaction::OneLine;

/// How long a connection may take, in the default client and in those of `oauth-reqwest` and `oauth-hyper`.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a whole request may take, reply included, in the default client and in those of `oauth-reqwest` and `oauth-hyper`.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// The most bytes a reply may have, with any client.
pub const MAX_REPLY_BYTES: usize = 1024 * 1024;

/// Sends one HTTP request. Everything this library sends goes through it.
///
/// Unless told otherwise, requests go through the client of [`default_http_client`](crate::default_http_client). For a
/// `reqwest::Client` of your own, a proxy, a private authority or a client certificate, take `oauth-reqwest`; for a client on hyper
/// alone, `oauth-hyper`. Implement the trait to send requests some other way: through another HTTP library, a recorder, a cache.
///
/// # Contract
///
/// An implementation does not follow redirects, because each request may carry a credential; does not retry POST
/// requests, because a code is good for one; keeps no cookies; and stops reading at [`MAX_REPLY_BYTES`].
#[async_trait]
pub trait HttpClient: fmt::Debug + Send + Sync {
    /// Sends the request and reads the whole reply, whatever its status.
    ///
    /// # Errors
    ///
    /// An [`HttpError`] when no complete reply came.
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, HttpError>;
}

#[async_trait]
impl<C: HttpClient + ?Sized> HttpClient for Arc<C> {
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, HttpError> {
        (**self).send(request).await
    }
}

/// Why no complete reply came.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}", OneLine(self.text()))]
pub struct HttpError {
    kind: HttpErrorKind,
    status: Option<StatusCode>,
    // In a box, so that `source` gives the cause itself, by its own type, and not the `Arc`.
    #[source]
    cause: Option<Arc<Box<dyn StdError + Send + Sync>>>,
}

/// The kinds of [`HttpError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HttpErrorKind {
    /// No connection: name, address, TLS or proxy.
    Connect,
    /// The time limit passed.
    Timeout,
    /// The reply is larger than [`MAX_REPLY_BYTES`].
    TooLarge,
    /// The HTTP client followed a redirect, so the reply is not from the host that was asked.
    Redirected,
    /// The host is not one of the public internet, and only those may be asked: see [`PublicHosts`](crate::PublicHosts).
    NotPublic,
    /// The request could not be put together.
    InvalidRequest,
    /// Anything else, such as a connection that was reset in the middle of the reply.
    Other,
}

impl HttpError {
    /// An error of a kind, without a cause.
    #[must_use]
    pub fn new(kind: HttpErrorKind) -> Self {
        Self { kind, status: None, cause: None }
    }

    /// Adds the cause that the HTTP library gave. It must show neither a URL's query nor a header.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.cause = Some(Arc::new(cause.into()));
        self
    }

    /// Adds the status of the reply that was not read to its end.
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.status = Some(status);
        self
    }

    /// What kind of error it is.
    #[must_use]
    pub fn kind(&self) -> HttpErrorKind {
        self.kind
    }

    /// The status, if the reply began.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        self.status
    }

    fn text(&self) -> String {
        let mut text = self.kind.text().into_owned();
        if let Some(status) = self.status {
            text.push_str(&format!(" (HTTP {})", status.as_u16()));
        }
        // The innermost cause is the one that tells: "connection refused", "certificate expired".
        let causes = std::iter::successors(self.source(), |&error| error.source());
        if let Some(innermost) = causes.last() {
            text.push_str(&format!(": {innermost}"));
        }
        text
    }
}

impl HttpErrorKind {
    fn text(self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Connect => "no connection",
            Self::Timeout => "no complete reply within the time limit",
            Self::TooLarge => {
                return Cow::Owned(format!("the reply has more than {MAX_REPLY_BYTES} bytes"));
            }
            Self::Redirected => {
                "the HTTP client followed a redirect; build it with redirects switched off, because requests carry credentials"
            }
            Self::NotPublic => "nothing was sent, because only public hosts may be asked here",
            Self::InvalidRequest => "the request could not be put together",
            Self::Other => "the connection failed before the reply was complete",
        })
    }
}
