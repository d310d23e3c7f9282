//! The default client on `reqwest`.

use std::{
    cell::RefCell,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper_util::client::proxy::matcher::Matcher;
use reqwest::Url;

use crate::{
    error::transport::{HttpError, HttpErrorKind, MAX_REPLY_BYTES},
    http_client::{
        CONNECT_TIMEOUT, HttpClient, REQUEST_TIMEOUT,
        public_address::{NotPublic, is_loopback},
    },
};

/// How many runtimes keep a client. Programs have one or a few; tests have one each, and are done with it soon.
const MOST_RUNTIMES: usize = 64;

pub(crate) type OfRuntime = (Option<tokio::runtime::Id>, Arc<dyn HttpClient>);

static SHARED: Mutex<Vec<OfRuntime>> = Mutex::new(Vec::new());

/// The default client of this process, made at first use.
///
/// A connection lives on the runtime that opened it and dies with it, so each runtime has a client of its own.
pub(crate) fn shared() -> Result<Arc<dyn HttpClient>, String> {
    let mut clients = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    of_runtime(&mut clients, || Ok(Arc::new(SharedClients::new()?)))
}

/// The client of the current runtime, made at first use.
pub(crate) fn of_runtime(
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

/// The client that all share, and one for this machine.
#[derive(Debug)]
struct SharedClients {
    client: DefaultClient,
    /// A proxy that the environment names would see what plain http may carry on loopback only.
    loopback: DefaultClient,
}

impl SharedClients {
    fn new() -> Result<Self, String> {
        let client = build(|builder| builder)?.through_proxies();
        Ok(Self { client, loopback: build(reqwest::ClientBuilder::no_proxy)? })
    }
}

#[async_trait]
impl HttpClient for SharedClients {
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, HttpError> {
        let client = match request.uri().host().is_some_and(is_loopback) {
            true => &self.loopback,
            false => &self.client,
        };
        client.send(request).await
    }
}

/// A client that [`build`] made. It follows no redirect, so there is no need to look where a reply comes from.
#[derive(Debug)]
pub(crate) struct DefaultClient {
    client: reqwest::Client,
    /// Whether it takes the proxies of the environment, so that an error can name the proxy.
    proxies: bool,
}

impl DefaultClient {
    /// Notes that the client takes the proxies of the environment.
    pub(crate) fn through_proxies(self) -> Self {
        Self { proxies: true, ..self }
    }
}

/// A client with this library's defaults and a few changes.
pub(crate) fn build(
    customize: impl FnOnce(reqwest::ClientBuilder) -> reqwest::ClientBuilder,
) -> Result<DefaultClient, String> {
    let builder = reqwest::Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(REQUEST_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        // It would make a copy of each request, to be sent again.
        .retry(reqwest::retry::never().max_retries_per_request(0));
    let client = customize(with_tls(builder)?).build();
    client
        .map(|client| DefaultClient { client, proxies: false })
        .map_err(|error| format!("no HTTP client: {error:?}"))
}

/// Hands rustls over as it was set up, because reqwest was built without a provider of its own.
#[cfg(all(feature = "rustls-ring", not(feature = "rustls-aws-lc-rs"), not(feature = "native-tls")))]
fn with_tls(builder: reqwest::ClientBuilder) -> Result<reqwest::ClientBuilder, String> {
    super::tls::shared_config().map(|config| builder.tls_backend_preconfigured(config))
}

/// Leaves TLS to reqwest's own features.
#[cfg(any(feature = "rustls-aws-lc-rs", feature = "native-tls"))]
#[expect(clippy::unnecessary_wraps, reason = "the other forms can fail")]
fn with_tls(builder: reqwest::ClientBuilder) -> Result<reqwest::ClientBuilder, String> {
    Ok(builder)
}

/// Refuses, because reqwest panics where another crate switched rustls on without a provider.
#[cfg(not(any(feature = "rustls-ring", feature = "rustls-aws-lc-rs", feature = "native-tls")))]
fn with_tls(_: reqwest::ClientBuilder) -> Result<reqwest::ClientBuilder, String> {
    Err("no TLS: switch on one of the features `rustls-ring`, `rustls-aws-lc-rs` and `native-tls` of oauth-core".to_owned())
}

#[async_trait]
impl HttpClient for DefaultClient {
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, HttpError> {
        // reqwest panics without one.
        if tokio::runtime::Handle::try_current().is_err() {
            return Err(HttpError::new(HttpErrorKind::NoRuntime));
        }
        let (parts, body) = request.into_parts();
        let mut request = reqwest::Request::new(parts.method, url_of(&parts.uri)?);
        *request.headers_mut() = parts.headers;
        if !body.is_empty() {
            *request.body_mut() = Some(body.into());
        }
        let reply = match self.client.execute(request).await {
            Ok(reply) => read(reply).await,
            Err(error) => Err(failed(error)),
        };
        reply.map_err(|error| match self.proxies.then(|| proxy_of(&parts.uri)).flatten() {
            Some(proxy) => error.through_proxy(proxy),
            None => error,
        })
    }
}

/// The proxy that the environment names for a URL, without a user's name.
fn proxy_of(uri: &http::Uri) -> Option<String> {
    let proxy = Matcher::from_env().intercept(uri)?;
    let host = proxy.uri().host()?;
    Some(proxy.uri().port_u16().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
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

/// Reads the whole reply, unless it is too large.
async fn read(reply: reqwest::Response) -> Result<http::Response<Bytes>, HttpError> {
    let status = reply.status();
    let too_large = || HttpError::new(HttpErrorKind::TooLarge).with_status(status);
    if reply.content_length().is_some_and(|length| length > MAX_REPLY_BYTES as u64) {
        return Err(too_large());
    }
    let (parts, body) = http::Response::<reqwest::Body>::from(reply).into_parts();
    let whole = Limited::new(body, MAX_REPLY_BYTES).collect().await;
    let whole = whole.map_err(|error| match error.downcast::<reqwest::Error>() {
        Ok(error) => failed(*error).with_status(status),
        Err(_) => too_large(),
    })?;
    Ok(http::Response::from_parts(parts, whole.to_bytes()))
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
