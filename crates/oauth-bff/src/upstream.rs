//! An API that requests are passed on to.

use std::{fmt, net::IpAddr, sync::Arc, time::Duration};

use http::{HeaderName, Method, header};
use oauth_core::REQUEST_TIMEOUT;
use oauth_tokens::{AccessTokenRequest, Hosts, TokenKey};
use reqwest::Url;

use crate::{events, session::Session, setup::BffSetupError};

type KeyOf = dyn Fn(&Session) -> TokenKey + Send + Sync;

/// An API that requests of the page are passed on to, with the user's access token.
///
/// ```
/// use std::time::Duration;
///
/// use oauth_bff::Upstream;
/// use oauth_core::http::Method;
///
/// let orders = Upstream::new("https://orders.example/v2")?
///     .methods([Method::GET, Method::POST])
///     .most_request_bytes(64 * 1024)
///     .timeout(Duration::from_secs(5));
/// assert!(Upstream::new("http://orders.example/v2").is_err());
/// # Ok::<(), oauth_bff::BffSetupError>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct Upstream {
    pub(crate) url: Url,
    pub(crate) hosts: Hosts,
    pub(crate) methods: Vec<Method>,
    pub(crate) request_headers: Vec<HeaderName>,
    pub(crate) response_headers: Vec<HeaderName>,
    pub(crate) most_request_bytes: usize,
    pub(crate) most_answer_bytes: usize,
    pub(crate) timeout: Duration,
    pub(crate) access_token: Option<AccessTokenRequest>,
    pub(crate) key: Option<Arc<KeyOf>>,
}

/// What describes content or asks for some. A page can set them all by itself, and none is about the connection or the user.
const REQUEST_HEADERS: [HeaderName; 13] = [
    header::ACCEPT,
    header::ACCEPT_LANGUAGE,
    header::CONTENT_LANGUAGE,
    header::CONTENT_TYPE,
    header::IF_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_NONE_MATCH,
    header::IF_RANGE,
    header::IF_UNMODIFIED_SINCE,
    header::RANGE,
    HeaderName::from_static("idempotency-key"),
    HeaderName::from_static("last-event-id"),
    HeaderName::from_static("prefer"),
];

/// What describes the answer. None sets a cookie, lets another origin in, or changes what the browser does with this site.
const RESPONSE_HEADERS: [HeaderName; 11] = [
    header::ACCEPT_RANGES,
    header::ALLOW,
    header::CONTENT_DISPOSITION,
    header::CONTENT_ENCODING,
    header::CONTENT_LANGUAGE,
    header::CONTENT_RANGE,
    header::CONTENT_TYPE,
    header::ETAG,
    header::LAST_MODIFIED,
    header::RETRY_AFTER,
    HeaderName::from_static("preference-applied"),
];

const METHODS: [Method; 6] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

impl Upstream {
    /// Creates an upstream at this URL, whose path is put in front of what the page asks for. It has to be https, or this machine.
    ///
    /// # Errors
    ///
    /// [`BffSetupError::Url`] if it is another URL, or has a user name, a query or a fragment.
    pub fn new(url: &str) -> Result<Self, BffSetupError> {
        let upstream = Self::of(url)?;
        if upstream.url.scheme() != "https" && !upstream.is_this_machine() {
            return Err(BffSetupError::Url("it is plain http to another machine"));
        }
        Ok(upstream)
    }

    /// Creates an upstream that may be reached by plain http, such as `http://orders:8080` inside a cluster. Everybody on the way can read the
    /// users' tokens.
    ///
    /// # Errors
    ///
    /// [`BffSetupError::Url`] as in [`new`](Self::new).
    pub fn dangerously_allow_plain_http(url: &str) -> Result<Self, BffSetupError> {
        let mut upstream = Self::of(url)?;
        if upstream.url.scheme() == "http" && !upstream.is_this_machine() {
            events::plain_http(upstream.url.host_str().unwrap_or_default());
        }
        upstream.hosts = upstream.hosts.dangerously_allow_plain_http();
        Ok(upstream)
    }

    fn of(text: &str) -> Result<Self, BffSetupError> {
        let url = Url::parse(text).map_err(|_| BffSetupError::Url("it is not a URL"))?;
        if !matches!(url.scheme(), "https" | "http") {
            return Err(BffSetupError::Url("its scheme is neither https nor http"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(BffSetupError::Url("it has a user name"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(BffSetupError::Url("it has a query or a fragment"));
        }
        // The library resolves dot segments, and drops white space.
        let path = text.split_once("://").and_then(|(_, rest)| rest.find('/').map(|start| &rest[start..]));
        if path.unwrap_or("/") != url.path() || url.path().contains("//") {
            return Err(BffSetupError::Url("its path is not one that a browser would leave as it is"));
        }
        let host = url.host_str().unwrap_or_default();
        let host = url.port().map_or(host.to_owned(), |port| format!("{host}:{port}"));
        let hosts = Hosts::new([host]).map_err(|_| BffSetupError::Url("its host is not one"))?;
        Ok(Self {
            url,
            hosts,
            methods: METHODS.to_vec(),
            request_headers: REQUEST_HEADERS.to_vec(),
            response_headers: RESPONSE_HEADERS.to_vec(),
            most_request_bytes: 1024 * 1024,
            most_answer_bytes: 16 * 1024 * 1024,
            timeout: REQUEST_TIMEOUT,
            access_token: None,
            key: None,
        })
    }

    /// Passes these methods on, and no others. Default: GET, HEAD, POST, PUT, PATCH, DELETE. Others than these are never passed on.
    pub fn methods(mut self, methods: impl IntoIterator<Item = Method>) -> Self {
        self.methods = methods.into_iter().filter(|method| METHODS.contains(method)).collect();
        self
    }

    /// Passes a header of the page's request on, beside those that describe content.
    ///
    /// # Errors
    ///
    /// [`BffSetupError::Header`] for one that is about the connection, the session or the token, or that says something else than the request does:
    /// another method, another path or another client.
    pub fn request_header(mut self, name: HeaderName) -> Result<Self, BffSetupError> {
        self.request_headers.push(allowed(name)?);
        Ok(self)
    }

    /// Passes a header of the API's answer on, beside those that describe content.
    ///
    /// # Errors
    ///
    /// [`BffSetupError::Header`] for one that is about the connection, sets a cookie, lets other origins in, or leads the browser elsewhere.
    pub fn response_header(mut self, name: HeaderName) -> Result<Self, BffSetupError> {
        self.response_headers.push(allowed(name)?);
        Ok(self)
    }

    /// Takes requests of this size at most. Default: 1 MiB. They are kept in memory, to be sent again with a new token.
    pub fn most_request_bytes(mut self, bytes: usize) -> Self {
        self.most_request_bytes = bytes;
        self
    }

    /// Takes answers of this size at most; a longer one breaks off. Default: 16 MiB. They are passed on as they come.
    pub fn most_answer_bytes(mut self, bytes: usize) -> Self {
        self.most_answer_bytes = bytes;
        self
    }

    /// Sets how long the page may take to send its request, and then the API to answer it, to the last byte. Default: 30 seconds. A stream
    /// of events needs more.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sends another access token of the grant than that of the login: for other scopes, another resource or another audience, as
    /// [`TokenManager::get_for`](oauth_tokens::TokenManager::get_for) gets it.
    pub fn access_token(mut self, wanted: AccessTokenRequest) -> Self {
        self.access_token = Some(wanted);
        self
    }

    /// Sets the function that says whose token is sent, for users who have tokens of several providers. Default: that of the session.
    pub fn key(mut self, key: impl Fn(&Session) -> TokenKey + Send + Sync + 'static) -> Self {
        self.key = Some(Arc::new(key));
        self
    }

    fn is_this_machine(&self) -> bool {
        let host = self.url.host_str().unwrap_or_default();
        let address = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

/// Refuses headers that would undo what the proxy does.
fn allowed(name: HeaderName) -> Result<HeaderName, BffSetupError> {
    const NEVER: &[&str] = &[
        "accept-encoding",
        "alt-svc",
        "authorization",
        "cf-connecting-ip",
        "clear-site-data",
        "connection",
        "content-length",
        "content-security-policy",
        "cookie",
        "cookie2",
        "dpop",
        "expect",
        "forwarded",
        "host",
        "http2-settings",
        "keep-alive",
        "location",
        "origin",
        "proxy",
        "referer",
        "refresh",
        "service-worker-allowed",
        "set-cookie",
        "set-cookie2",
        "strict-transport-security",
        "te",
        "trailer",
        "transfer-encoding",
        "true-client-ip",
        "upgrade",
        "via",
        "www-authenticate",
        "x-bff-error",
        "x-client-ip",
        "x-cluster-client-ip",
        "x-csrf",
        "x-forwarded",
        "x-http-method",
        "x-http-method-override",
        "x-method-override",
        "x-original-url",
        "x-real-ip",
        "x-rewrite-url",
    ];
    const NEVER_BEGINS: &[&str] = &["access-control-", "proxy-", "sec-", "x-forwarded-"];
    let text = name.as_str();
    if NEVER.contains(&text) || NEVER_BEGINS.iter().any(|prefix| text.starts_with(prefix)) {
        return Err(BffSetupError::Header(text.to_owned()));
    }
    Ok(name)
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstream").field("url", &self.url.as_str()).finish_non_exhaustive()
    }
}
