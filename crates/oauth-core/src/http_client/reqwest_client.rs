//! `reqwest` as an [`HttpClient`].

use std::{
    cell::RefCell,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::Full;
use reqwest::Url;

use crate::{endpoints::is_loopback, error::Error};

use super::{
    Body, CONNECT_TIMEOUT, HttpClient, HttpError, HttpErrorKind, MAX_REPLY_BYTES, REQUEST_TIMEOUT,
    public_hosts::NotPublic,
};

/// How many runtimes keep a client. Programs have one or a few; tests have one each, and are done with it soon.
const MOST_RUNTIMES: usize = 64;

pub(super) type OfRuntime = (Option<tokio::runtime::Id>, Arc<dyn HttpClient>);

static SHARED: Mutex<Vec<OfRuntime>> = Mutex::new(Vec::new());

/// The default client of this process, made at first use.
///
/// A connection lives on the runtime that opened it and dies with it, so each runtime has a client of its own.
pub(crate) fn shared() -> Result<Arc<dyn HttpClient>, String> {
    let mut clients = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    of_runtime(&mut clients, || Ok(Arc::new(DefaultClient::new()?)))
}

/// The client of the current runtime, made at first use.
pub(super) fn of_runtime(
    clients: &mut Vec<OfRuntime>,
    make: impl FnOnce() -> Result<Arc<dyn HttpClient>, String>,
) -> Result<Arc<dyn HttpClient>, String> {
    let runtime = tokio::runtime::Handle::try_current().ok().map(|handle| handle.id());
    if let Some((_, client)) = clients.iter().find(|(owner, _)| *owner == runtime) {
        return Ok(client.clone());
    }
    let client = make()?;
    if clients.len() == MOST_RUNTIMES {
        clients.remove(0);
    }
    clients.push((runtime, client.clone()));
    Ok(client)
}

/// The shared client, and one for this machine.
#[derive(Debug)]
struct DefaultClient {
    client: reqwest::Client,
    /// A proxy that the environment names would see what plain http may carry on loopback only.
    loopback: reqwest::Client,
}

impl DefaultClient {
    fn new() -> Result<Self, String> {
        Ok(Self { client: build(|builder| builder)?, loopback: build(reqwest::ClientBuilder::no_proxy)? })
    }
}

#[async_trait]
impl HttpClient for DefaultClient {
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, HttpError> {
        let client = match request.uri().host().is_some_and(is_loopback) {
            true => &self.loopback,
            false => &self.client,
        };
        // These clients follow no redirect, so there is no need to look where the reply comes from.
        read(execute(client, request, Bytes::into)?.await.map_err(failed)?).await
    }
}

/// A client with this library's defaults and your changes: a proxy, other time limits, headers.
///
/// ```
/// use std::time::Duration;
///
/// use oauth_core::{OAuth2, Provider, reqwest_client};
///
/// let http = reqwest_client(|defaults| defaults.timeout(Duration::from_secs(5)).user_agent("acme/1.0"))?;
/// let client = OAuth2::new("CLIENT_ID", "CLIENT_SECRET", "https://as.example/authorize", "https://as.example/token")
///     .with_http_client(http);
/// # Ok::<(), oauth_core::Error>(())
/// ```
///
/// With the feature `rustls-ring`, the system's certificates are read once in a process: a program sees new ones when it is
/// started again. TLS is set up as a whole, so that what else the builder can be told of it has no effect: no further
/// certificates, no client certificate, no versions, and no way around the verification. To change it, hand another whole to
/// `tls_backend_preconfigured`: that of `tls_trusting` for a private authority, or rustls's `ClientConfig`.
///
/// The defaults are those of the shared client: no redirects, [`CONNECT_TIMEOUT`], [`REQUEST_TIMEOUT`], and TLS by the
/// feature that is switched on. A `reqwest::Client` that you build without this function needs one of reqwest's own TLS
/// features, because this crate's `rustls-ring` gives reqwest no default to fall back on.
///
/// # Errors
///
/// A configuration error when reqwest refuses the settings, or the system has no root certificates.
pub fn reqwest_client(
    customize: impl FnOnce(reqwest::ClientBuilder) -> reqwest::ClientBuilder,
) -> Result<reqwest::Client, Error> {
    build(customize).map_err(|problem| Error::configuration("oauth2", problem))
}

pub(super) fn build(
    customize: impl FnOnce(reqwest::ClientBuilder) -> reqwest::ClientBuilder,
) -> Result<reqwest::Client, String> {
    let builder = reqwest::Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(REQUEST_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        // It would make a copy of each request, to be sent again.
        .retry(reqwest::retry::never().max_retries_per_request(0));
    customize(with_tls(builder)?).build().map_err(|error| format!("no HTTP client: {error:?}"))
}

/// Hands rustls over as it was set up, because reqwest was built without a provider of its own.
#[cfg(all(feature = "rustls-ring", not(feature = "rustls-aws-lc-rs"), not(feature = "native-tls")))]
fn with_tls(builder: reqwest::ClientBuilder) -> Result<reqwest::ClientBuilder, String> {
    super::tls::shared_config().map(|config| builder.tls_backend_preconfigured(config))
}

/// Leaves TLS to reqwest's own features.
#[cfg(not(all(feature = "rustls-ring", not(feature = "rustls-aws-lc-rs"), not(feature = "native-tls"))))]
#[expect(clippy::unnecessary_wraps, reason = "the other form can fail")]
fn with_tls(builder: reqwest::ClientBuilder) -> Result<reqwest::ClientBuilder, String> {
    Ok(builder)
}

/// Sends with the limits of the given client, whatever they are.
///
/// Build a client of your own with `redirect(Policy::none())` and a timeout. Should it follow redirects all the same, no
/// request body is sent a second time, and the reply is refused.
#[async_trait]
impl HttpClient for reqwest::Client {
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, HttpError> {
        let asked = url_of(request.uri())?;
        // A body that cannot be replayed is what keeps a client with redirects on from posting a secret to another host.
        let reply = execute(self, request, |body| reqwest::Body::wrap(Full::new(body)))?.await;
        read(of(&asked, reply.map_err(failed)?)?).await
    }
}

/// Begins to send a request.
fn execute(
    client: &reqwest::Client,
    request: http::Request<Bytes>,
    body_of: fn(Bytes) -> reqwest::Body,
) -> Result<impl Future<Output = reqwest::Result<reqwest::Response>> + use<>, HttpError> {
    let (parts, body) = request.into_parts();
    let mut request = reqwest::Request::new(parts.method, url_of(&parts.uri)?);
    *request.headers_mut() = parts.headers;
    if !body.is_empty() {
        *request.body_mut() = Some(body_of(body));
    }
    Ok(client.execute(request))
}

/// The URL as reqwest wants it.
///
/// To read one takes a tenth of all that an exchange takes, and a program has few endpoints, so each thread keeps the last ones.
fn url_of(uri: &http::Uri) -> Result<Url, HttpError> {
    const MOST: usize = 8;
    thread_local! {
        static LAST: RefCell<Vec<(http::Uri, Url)>> = const { RefCell::new(Vec::new()) };
    }
    LAST.with_borrow_mut(|last| {
        if let Some((_, url)) = last.iter().find(|(known, _)| is_written_as(known, uri)) {
            return Ok(url.clone());
        }
        let url = Url::parse(&uri.to_string())
            .map_err(|error| HttpError::new(HttpErrorKind::InvalidRequest).caused_by(error))?;
        // A query can hold a secret, and hardly ever comes twice.
        if uri.query().is_none() {
            last.truncate(MOST - 1);
            last.insert(0, (uri.clone(), url.clone()));
        }
        Ok(url)
    })
}

/// Whether both are the same text, which is told faster than that they mean the same.
fn is_written_as(a: &http::Uri, b: &http::Uri) -> bool {
    let [own, other] = [a, b].map(|uri| uri.authority().map(|authority| authority.as_str()));
    own == other && a.scheme() == b.scheme() && a.path_and_query() == b.path_and_query()
}

/// Sends through the middleware of the given client. It must not follow redirects; a reply that took one is refused.
#[cfg(feature = "reqwest-middleware")]
#[async_trait]
impl HttpClient for reqwest_middleware::ClientWithMiddleware {
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, HttpError> {
        let request = reqwest::Request::try_from(request).map_err(failed)?;
        let asked = request.url().clone();
        let reply = self.execute(request).await.map_err(|error| match error {
            reqwest_middleware::Error::Reqwest(error) => failed(error),
            reqwest_middleware::Error::Middleware(error) => {
                HttpError::new(HttpErrorKind::Other).caused_by(error)
            }
        })?;
        read(of(&asked, reply)?).await
    }
}

/// The reply, unless it comes from elsewhere than where the request was sent.
fn of(asked: &Url, reply: reqwest::Response) -> Result<reqwest::Response, HttpError> {
    match reply.url() == asked {
        true => Ok(reply),
        false => Err(HttpError::new(HttpErrorKind::Redirected).with_status(reply.status())),
    }
}

/// Reads the whole reply.
#[expect(clippy::manual_async_fn, reason = "an `async fn` holds the reply twice")]
fn read(
    mut reply: reqwest::Response,
) -> impl Future<Output = Result<http::Response<Bytes>, HttpError>> + Send {
    async move {
        let status = reply.status();
        let too_large = || HttpError::new(HttpErrorKind::TooLarge).with_status(status);
        if reply.content_length().is_some_and(|length| length > MAX_REPLY_BYTES as u64) {
            return Err(too_large());
        }
        let mut body = Body::default();
        while let Some(piece) = reply.chunk().await.map_err(|error| failed(error).with_status(status))? {
            body.push(piece).map_err(|_| too_large())?;
        }
        let mut whole = http::Response::new(body.finish());
        *whole.status_mut() = status;
        *whole.headers_mut() = std::mem::take(reply.headers_mut());
        Ok(whole)
    }
}

fn failed(error: reqwest::Error) -> HttpError {
    let kind = if is_caused_by_address(&error) {
        HttpErrorKind::NotPublic
    } else if error.is_timeout() {
        HttpErrorKind::Timeout
    } else if error.is_builder() {
        HttpErrorKind::InvalidRequest
    } else if error.is_connect() {
        HttpErrorKind::Connect
    } else if error.is_redirect() {
        HttpErrorKind::Redirected
    } else {
        HttpErrorKind::Other
    };
    HttpError::new(kind).caused_by(error.without_url())
}

/// Whether the connection was refused here because of where it would have gone.
fn is_caused_by_address(error: &reqwest::Error) -> bool {
    let first: &(dyn std::error::Error + 'static) = error;
    std::iter::successors(Some(first), |error| error.source()).any(|error| error.is::<NotPublic>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_read_alike_the_first_time_and_later() {
        let mut urls: Vec<String> = (0..20).map(|at| format!("https://as{at}.example/token")).collect();
        urls.extend(
            [
                "https://as1.example/token?a=1",
                "https://as1.example/token?a=2",
                "https://as1.example/Token",
                "https://as1.example:8443/token",
                "http://as1.example/token",
                "https://AS1.example",
            ]
            .map(str::to_owned),
        );
        for url in urls.iter().chain(&urls) {
            assert_eq!(url_of(&url.parse().unwrap()).unwrap(), Url::parse(url).unwrap());
        }
    }
}
