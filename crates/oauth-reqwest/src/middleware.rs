//! `reqwest_middleware::ClientWithMiddleware` as an [`HttpClient`].

use std::{fmt, ops::Deref};

use async_trait::async_trait;
use bytes::Bytes;
use oauth_core::{HttpClient, HttpError, HttpErrorKind};
use reqwest_middleware::ClientWithMiddleware;

use crate::exchange::{check_runtime, failed, read};

/// A `reqwest_middleware::ClientWithMiddleware` that providers can send their requests with.
///
/// It must not follow redirects, because each request may carry a credential; a reply that took one is refused. Nor may a middleware
/// repeat a POST: a code is good for one exchange. Build the `reqwest::Client` underneath with
/// [`reqwest_client`](crate::reqwest_client).
///
/// ```
/// use oauth_core::{OAuth2, Provider};
/// use oauth_reqwest::{MiddlewareClient, reqwest_client, reqwest_middleware::ClientBuilder};
///
/// let http = ClientBuilder::new(reqwest_client(|defaults| defaults)?.into_inner()).build();
/// let client = OAuth2::new("CLIENT_ID", "CLIENT_SECRET", "https://as.example/authorize", "https://as.example/token")
///     .with_http_client(MiddlewareClient::from(http));
/// # Ok::<(), oauth_core::Error>(())
/// ```
#[derive(Clone)]
pub struct MiddlewareClient(ClientWithMiddleware);

impl MiddlewareClient {
    /// The client as it is in `reqwest_middleware`.
    #[must_use]
    pub fn into_inner(self) -> ClientWithMiddleware {
        self.0
    }
}

impl From<ClientWithMiddleware> for MiddlewareClient {
    fn from(client: ClientWithMiddleware) -> Self {
        Self(client)
    }
}

impl Deref for MiddlewareClient {
    type Target = ClientWithMiddleware;

    fn deref(&self) -> &ClientWithMiddleware {
        &self.0
    }
}

#[async_trait]
impl HttpClient for MiddlewareClient {
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, HttpError> {
        check_runtime()?;
        let request = reqwest::Request::try_from(request).map_err(failed)?;
        let asked = request.url().clone();
        let reply = self.0.execute(request).await.map_err(|error| match error {
            reqwest_middleware::Error::Reqwest(error) => failed(error),
            reqwest_middleware::Error::Middleware(error) => {
                HttpError::new(HttpErrorKind::Other).caused_by(error)
            }
        })?;
        read(&asked, reply).await
    }
}

impl fmt::Debug for MiddlewareClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MiddlewareClient").finish_non_exhaustive()
    }
}
