//! The trait that sends HTTP requests, the client of all who do not give one, and one for addresses from strangers.

pub(crate) mod default_client;
pub(crate) mod public_address;
pub(crate) mod public_hosts;

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;

use crate::error::transport::HttpError;

/// How long a connection may take, in the default client and in those of `oauth-reqwest` and `oauth-hyper`.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a whole request may take, reply included, in the default client and in those of `oauth-reqwest` and `oauth-hyper`.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Sends one HTTP request. Everything this library sends goes through it.
///
/// Unless told otherwise, requests go through the client of [`default_http_client`](crate::default_http_client). For a
/// `reqwest::Client` of your own, a proxy, a private authority or a client certificate, take `oauth-reqwest`; for a client on hyper
/// alone, `oauth-hyper`. Implement the trait to send requests some other way: through another HTTP library, a recorder, a cache.
///
/// # Contract
///
/// An implementation does not follow redirects, because each request may carry a credential; does not retry POST
/// requests, because a code is good for one; keeps no cookies; and stops reading at [`MAX_REPLY_BYTES`](crate::MAX_REPLY_BYTES).
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
