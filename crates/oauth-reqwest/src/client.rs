//! `reqwest::Client` as an [`HttpClient`].

use std::{fmt, ops::Deref};

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::Full;
use oauth_core::{CONNECT_TIMEOUT, Error, HttpClient, HttpError, REQUEST_TIMEOUT};

use crate::exchange::{check_runtime, failed, read};

/// A `reqwest::Client` that providers can send their requests with.
///
/// It sends with the limits of the client, whatever they are. Build a client of your own with `redirect(Policy::none())` and a timeout,
/// or let [`reqwest_client`] do so. Should it follow redirects all the same, no request body is sent a second time, and the reply is
/// refused.
///
/// ```
/// use oauth_core::{OAuth2, Provider};
/// use oauth_reqwest::{ReqwestClient, reqwest};
///
/// fn client(http: reqwest::Client) -> OAuth2 {
///     OAuth2::new("CLIENT_ID", "CLIENT_SECRET", "https://as.example/authorize", "https://as.example/token")
///         .with_http_client(ReqwestClient::from(http))
/// }
/// ```
///
/// It dereferences to the `reqwest::Client`, for requests of your own. Cloning it is cheap, and clones share connections.
#[derive(Clone)]
pub struct ReqwestClient(reqwest::Client);

impl ReqwestClient {
    /// A client with this library's defaults and TLS of your own: a private authority (`tls_trusting`), a client certificate
    /// ([`with_client_certificate`](crate::with_client_certificate)). To change more, hand the TLS settings to
    /// `tls_backend_preconfigured` in [`reqwest_client`].
    ///
    /// # Errors
    ///
    /// A configuration error when reqwest refuses the settings.
    #[cfg(feature = "rustls-ring")]
    pub fn with_tls(tls: rustls::ClientConfig) -> Result<Self, Error> {
        reqwest_client(|defaults| defaults.tls_backend_preconfigured(tls))
    }

    /// The client as it is in reqwest.
    #[must_use]
    pub fn into_inner(self) -> reqwest::Client {
        self.0
    }
}

impl From<reqwest::Client> for ReqwestClient {
    fn from(client: reqwest::Client) -> Self {
        Self(client)
    }
}

impl From<ReqwestClient> for reqwest::Client {
    fn from(client: ReqwestClient) -> Self {
        client.0
    }
}

impl Deref for ReqwestClient {
    type Target = reqwest::Client;

    fn deref(&self) -> &reqwest::Client {
        &self.0
    }
}

#[async_trait]
impl HttpClient for ReqwestClient {
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, HttpError> {
        check_runtime()?;
        // A body that cannot be replayed is what keeps a client with redirects on from posting a secret to another host.
        let request = request.map(|body| match body.is_empty() {
            true => reqwest::Body::default(),
            false => reqwest::Body::wrap(Full::new(body)),
        });
        let request = reqwest::Request::try_from(request).map_err(failed)?;
        let asked = request.url().clone();
        read(&asked, self.0.execute(request).await.map_err(failed)?).await
    }
}

impl fmt::Debug for ReqwestClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // reqwest shows default headers, which may hold a secret.
        f.debug_struct("ReqwestClient").finish_non_exhaustive()
    }
}

/// Builds a client with this library's defaults and your changes: a proxy, other time limits, headers.
///
/// ```
/// use std::time::Duration;
///
/// use oauth_core::{OAuth2, Provider};
/// use oauth_reqwest::reqwest_client;
///
/// let http = reqwest_client(|defaults| defaults.timeout(Duration::from_secs(5)).user_agent("acme/1.0"))?;
/// let client = OAuth2::new("CLIENT_ID", "CLIENT_SECRET", "https://as.example/authorize", "https://as.example/token")
///     .with_http_client(http);
/// # Ok::<(), oauth_core::Error>(())
/// ```
///
/// The defaults are those of `oauth-core`'s own client: no redirects, [`CONNECT_TIMEOUT`], [`REQUEST_TIMEOUT`], and TLS by the
/// feature that is switched on. A `reqwest::Client` that you build without this function needs one of reqwest's own TLS
/// features, because the feature `rustls-ring` gives reqwest no default to fall back on.
///
/// With the feature `rustls-ring`, the system's certificates are read once in a process: a program sees new ones when it is
/// started again. TLS is set up as a whole, so the builder's own TLS settings have no effect: no further
/// certificates, no client certificate, no versions, and no way around the verification. To change it, pass other settings to
/// `tls_backend_preconfigured`: that of `tls_trusting`, of `with_client_certificate`, or rustls's `ClientConfig`.
///
/// # Errors
///
/// A configuration error when reqwest refuses the settings, the system has no root certificates, or no feature for TLS is on.
pub fn reqwest_client(
    customize: impl FnOnce(reqwest::ClientBuilder) -> reqwest::ClientBuilder,
) -> Result<ReqwestClient, Error> {
    // Built like the default client of oauth-core, which has nothing of reqwest in its API.
    let builder = reqwest::Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(REQUEST_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        // It would make a copy of each request, to be sent again.
        .retry(reqwest::retry::never().max_retries_per_request(0));
    let client = customize(with_tls(builder)?).build();
    client
        .map(ReqwestClient)
        .map_err(|error| Error::configuration("oauth2", format!("no HTTP client: {error:?}")))
}

/// Hands rustls over as it was set up, because reqwest was built without a provider of its own.
#[cfg(all(feature = "rustls-ring", not(feature = "rustls-aws-lc-rs"), not(feature = "native-tls")))]
fn with_tls(builder: reqwest::ClientBuilder) -> Result<reqwest::ClientBuilder, Error> {
    crate::tls::tls_defaults().map(|config| builder.tls_backend_preconfigured(config))
}

/// Leaves TLS to reqwest's own features.
#[cfg(any(feature = "rustls-aws-lc-rs", feature = "native-tls"))]
#[expect(clippy::unnecessary_wraps, reason = "the other forms can fail")]
fn with_tls(builder: reqwest::ClientBuilder) -> Result<reqwest::ClientBuilder, Error> {
    Ok(builder)
}

/// Refuses, because reqwest panics where another crate switched rustls on without a provider.
#[cfg(not(any(feature = "rustls-ring", feature = "rustls-aws-lc-rs", feature = "native-tls")))]
fn with_tls(_: reqwest::ClientBuilder) -> Result<reqwest::ClientBuilder, Error> {
    let problem = "no TLS: switch on one of the features `rustls-ring`, `rustls-aws-lc-rs` and `native-tls` of oauth-reqwest";
    Err(Error::configuration("oauth2", problem))
}
