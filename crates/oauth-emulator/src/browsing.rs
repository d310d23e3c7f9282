//! A browser that signs its user in to an application, over the network or in the process.

use std::{
    error::Error as StdError,
    fmt,
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
};

use cookie::{Cookie, SameSite};
use http_body::Body;
use http_body_util::{BodyExt as _, Full};
use oauth_core::{
    HttpClient, HttpError, HttpErrorKind,
    bytes::Bytes,
    default_http_client,
    http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header},
};
use time::OffsetDateTime;
use tower_service::Service;
use url::{Origin, Url};

use crate::{
    browser::{Arrival, BrowseError, Consent},
    emulator::Emulator,
};

/// As many as Chromium follows.
const MOST_REDIRECTS: usize = 20;

type ServiceError = Box<dyn StdError + Send + Sync>;
type Reply = Pin<Box<dyn Future<Output = Result<Response<Bytes>, ServiceError>> + Send>>;
type InProcessSite = Arc<dyn Fn(Request<Bytes>) -> Reply + Send + Sync>;

/// A browser for tests of an application that signs users in: it follows redirects, keeps cookies, and has a user in front of it who
/// answers the consent pages of the emulated providers. It runs no scripts and loads no images.
///
/// Made by [`Emulator::browser`]. The application is reached over the network, or in the process once
/// [`in_process`](Self::in_process) has its router.
///
/// Cookies go where a browser sends them: by host, path, `Secure` and `SameSite`. So a session cookie that is `Strict` is missing when the
/// browser comes back from a provider, as it would be in production.
pub struct TestBrowser {
    emulator: Emulator,
    http: Arc<dyn HttpClient>,
    app: Option<(Origin, InProcessSite)>,
    cookies: Vec<StoredCookie>,
    consent: Consent,
    shown: Option<Url>,
}

/// What a [`TestBrowser`] shows after the last redirect.
#[derive(Clone)]
#[non_exhaustive]
pub struct BrowserPage {
    /// The page's address.
    pub url: String,
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body; what is not UTF-8 in it is replaced.
    pub text: String,
}

impl Emulator {
    /// A browser without cookies, whose user allows what the providers ask.
    ///
    /// # Errors
    ///
    /// [`BrowseError::NoClient`] when no HTTP client can be made.
    pub fn browser(&self) -> Result<TestBrowser, BrowseError> {
        Ok(TestBrowser {
            emulator: self.clone(),
            http: default_http_client()?,
            app: None,
            cookies: Vec::new(),
            consent: Consent::Allow,
            shown: None,
        })
    }
}

impl TestBrowser {
    /// Sends requests for this origin, such as `https://app.example`, to a service in the process and not over the network. An axum
    /// `Router` is such a service; so is whatever implements `tower::Service` for `http` requests.
    ///
    /// # Errors
    ///
    /// [`BrowseError::Url`] when the origin is not a URL.
    pub fn in_process<S, B>(mut self, origin: &str, service: S) -> Result<Self, BrowseError>
    where
        S: Service<Request<Full<Bytes>>, Response = Response<B>> + Clone + Send + Sync + 'static,
        S::Error: Into<ServiceError>,
        S::Future: Send,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<ServiceError>,
    {
        let url = parse(origin)?;
        let app: InProcessSite = Arc::new(move |request: Request<Bytes>| {
            let mut service = service.clone();
            Box::pin(async move {
                poll_fn(|context| service.poll_ready(context)).await.map_err(Into::into)?;
                let reply = service.call(request.map(Full::new)).await.map_err(Into::into)?;
                let (parts, body) = reply.into_parts();
                let body = body.collect().await.map_err(Into::into)?;
                Ok(Response::from_parts(parts, body.to_bytes()))
            })
        });
        self.app = Some((url.origin(), app));
        self.shown = Some(url);
        Ok(self)
    }

    /// Sets what the user does on consent pages from now on.
    pub fn set_consent(&mut self, consent: Consent) {
        self.consent = consent;
    }

    /// Opens an address, as somebody who types it or follows a link of the same site, and follows redirects: through the
    /// consent page of a provider and back. A path is below the page that is shown, or the application's origin.
    ///
    /// # Errors
    ///
    /// A [`BrowseError`] when a provider refuses the request, or when the application gives no reply. A reply with an error status is a
    /// page like any other.
    pub async fn get(&mut self, url: &str) -> Result<BrowserPage, BrowseError> {
        let url = self.absolute(url)?;
        self.load(Navigation { method: Method::GET, url, form: String::new(), cross_site: false }).await
    }

    /// Posts a form of one of the application's own pages, and follows redirects as [`get`](Self::get) does.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub async fn post(&mut self, url: &str, fields: &[(&str, &str)]) -> Result<BrowserPage, BrowseError> {
        let url = self.absolute(url)?;
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.load(Navigation { method: Method::POST, url, form, cross_site: false }).await
    }

    /// The value of a cookie of this name, whatever its host and path.
    #[must_use]
    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies
            .iter()
            .map(|stored| &stored.cookie)
            .find(|cookie| cookie.name() == name)
            .map(Cookie::value)
    }

    fn absolute(&self, url: &str) -> Result<Url, BrowseError> {
        match &self.shown {
            Some(shown) => shown.join(url).map_err(|_| BrowseError::Url(url.to_owned())),
            None => parse(url),
        }
    }

    async fn load(&mut self, mut next: Navigation) -> Result<BrowserPage, BrowseError> {
        for _ in 0..=MOST_REDIRECTS {
            if next.method == Method::GET && self.is_provider(&next.url) {
                match self.emulator.browse(next.url.as_str(), self.consent.clone()).await {
                    Ok(arrival) => next = Navigation::of(arrival)?,
                    // Such as the page on which a provider says that the user is signed out there.
                    Err(BrowseError::Refused { status, text }) if status < 400 => {
                        return Ok(self.show(next.url, StatusCode::OK, HeaderMap::new(), text));
                    }
                    Err(error) => return Err(error),
                }
                continue;
            }
            let reply = self.send(&next).await?;
            self.keep_cookies(&next.url, reply.headers());
            let location = reply.headers().get(header::LOCATION).filter(|_| reply.status().is_redirection());
            match location.and_then(|location| location.to_str().ok()) {
                Some(location) => next.redirect(reply.status(), location)?,
                None => {
                    let (parts, body) = reply.into_parts();
                    let text = String::from_utf8_lossy(&body).into_owned();
                    return Ok(self.show(next.url, parts.status, parts.headers, text));
                }
            }
        }
        Err(BrowseError::TooManyRedirects { url: without_query(&next.url) })
    }

    fn show(&mut self, url: Url, status: StatusCode, headers: HeaderMap, text: String) -> BrowserPage {
        self.shown = Some(url.clone());
        BrowserPage { url: url.into(), status, headers, text }
    }

    fn is_provider(&self, url: &Url) -> bool {
        url.as_str().starts_with(&format!("{}/", self.emulator.origin()))
            || self.emulator.serves(url.as_str())
    }

    async fn send(&self, to: &Navigation) -> Result<Response<Bytes>, BrowseError> {
        let mut request = Request::new(Bytes::from(to.form.clone()));
        *request.method_mut() = to.method.clone();
        let headers = request.headers_mut();
        let cookies = self.cookies.iter().filter(|stored| stored.goes_with(to));
        let pairs: Vec<_> =
            cookies.map(|StoredCookie { cookie, .. }| cookie.stripped().to_string()).collect();
        if !pairs.is_empty() {
            headers.insert(header::COOKIE, value(&pairs.join("; "))?);
        }
        headers.insert(header::ACCEPT, HeaderValue::from_static("text/html"));
        let site = if to.cross_site { "cross-site" } else { "same-origin" };
        headers.insert("sec-fetch-site", HeaderValue::from_static(site));
        headers.insert("sec-fetch-mode", HeaderValue::from_static("navigate"));
        if to.method == Method::POST {
            headers
                .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
            let origin =
                if to.cross_site { "null".to_owned() } else { to.url.origin().ascii_serialization() };
            headers.insert(header::ORIGIN, value(&origin)?);
        }
        match &self.app {
            Some((origin, app)) if *origin == to.url.origin() => {
                headers.insert(header::HOST, value(&authority(&to.url))?);
                // The path alone, as a server reads it from the connection.
                let path = &to.url[url::Position::BeforePath..url::Position::AfterQuery];
                *request.uri_mut() = path.parse().map_err(invalid)?;
                app(request).await.map_err(BrowseError::App)
            }
            _ => {
                *request.uri_mut() = to.url.as_str().parse().map_err(invalid)?;
                Ok(self.http.send(request).await?)
            }
        }
    }

    fn keep_cookies(&mut self, url: &Url, headers: &HeaderMap) {
        for header in headers.get_all(header::SET_COOKIE) {
            let parsed = header.to_str().ok().and_then(|text| Cookie::parse(text.to_owned()).ok());
            let Some(stored) = parsed.and_then(|cookie| StoredCookie::new(cookie, url)) else { continue };
            self.cookies.retain(|other| !other.is_replaced_by(&stored));
            if !stored.is_expired() {
                self.cookies.push(stored);
            }
        }
    }
}

impl fmt::Debug for TestBrowser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The cookies' values are sessions.
        let cookies: Vec<_> = self.cookies.iter().map(|stored| stored.cookie.name()).collect();
        f.debug_struct("TestBrowser")
            .field("cookies", &cookies)
            .field("consent", &self.consent)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for BrowserPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BrowserPage")
            .field("url", &self.url)
            .field("status", &self.status)
            .field("text", &self.text)
            .finish_non_exhaustive()
    }
}

/// A request that loads a page.
struct Navigation {
    method: Method,
    url: Url,
    form: String,
    /// Whether a page of another site led here.
    cross_site: bool,
}

impl Navigation {
    fn of(arrival: Arrival) -> Result<Self, BrowseError> {
        Ok(match arrival {
            Arrival::Get(url) => {
                Self { method: Method::GET, url: parse(&url)?, form: String::new(), cross_site: true }
            }
            Arrival::Post { url, form } => {
                Self { method: Method::POST, url: parse(&url)?, form, cross_site: true }
            }
        })
    }

    fn redirect(&mut self, status: StatusCode, location: &str) -> Result<(), BrowseError> {
        let url = self.url.join(location).map_err(|_| BrowseError::Url(location.to_owned()))?;
        self.cross_site |= url.origin() != self.url.origin();
        self.url = url;
        if !matches!(status, StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT) {
            self.method = Method::GET;
            self.form = String::new();
        }
        Ok(())
    }
}

/// A cookie, and where it came from.
struct StoredCookie {
    cookie: Cookie<'static>,
    host: String,
    path: String,
}

impl StoredCookie {
    /// `None` for a cookie that a browser would not take from there.
    fn new(cookie: Cookie<'static>, url: &Url) -> Option<Self> {
        let host = url.host_str()?.to_owned();
        let domain = cookie.domain().map(|domain| domain.trim_start_matches('.').to_ascii_lowercase());
        let host = match domain {
            Some(domain) if is_below(&host, &domain) => domain,
            Some(_) => return None,
            None => host,
        };
        let is_secure = cookie.secure().unwrap_or(false);
        let is_for_host = cookie.name().starts_with("__Host-");
        let must_be_secure = is_for_host
            || cookie.name().starts_with("__Secure-")
            || cookie.same_site() == Some(SameSite::None);
        let is_allowed = if is_secure { is_trustworthy(url) } else { !must_be_secure };
        if !is_allowed || (is_for_host && (cookie.domain().is_some() || cookie.path() != Some("/"))) {
            return None;
        }
        let path = match cookie.path().filter(|path| path.starts_with('/')) {
            Some(path) => path.to_owned(),
            // The folder of the page (RFC 6265 section 5.1.4).
            None => match url.path().rfind('/') {
                None | Some(0) => "/".to_owned(),
                Some(end) => url.path()[..end].to_owned(),
            },
        };
        Some(Self { cookie, host, path })
    }

    fn is_replaced_by(&self, other: &Self) -> bool {
        self.cookie.name() == other.cookie.name() && self.host == other.host && self.path == other.path
    }

    fn is_expired(&self) -> bool {
        match (self.cookie.max_age(), self.cookie.expires_datetime()) {
            (Some(age), _) => !age.is_positive(),
            (None, Some(at)) => at <= OffsetDateTime::now_utc(),
            (None, None) => false,
        }
    }

    fn goes_with(&self, to: &Navigation) -> bool {
        let host = to.url.host_str().unwrap_or_default();
        let by_host = match self.cookie.domain() {
            Some(_) => is_below(host, &self.host),
            None => host == self.host,
        };
        let path = to.url.path();
        let by_path = path
            .strip_prefix(&*self.path)
            .is_some_and(|rest| rest.is_empty() || self.path.ends_with('/') || rest.starts_with('/'));
        let by_site = match self.cookie.same_site() {
            _ if !to.cross_site => true,
            Some(SameSite::None) => true,
            Some(SameSite::Strict) => false,
            // Chromium takes a cookie that says nothing for a lax one.
            Some(SameSite::Lax) | None => to.method == Method::GET,
        };
        by_host && by_path && by_site && (!self.cookie.secure().unwrap_or(false) || is_trustworthy(&to.url))
    }
}

fn is_below(host: &str, domain: &str) -> bool {
    host == domain || host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'))
}

/// Where browsers take and send `Secure` cookies.
fn is_trustworthy(url: &Url) -> bool {
    let is_loopback = match url.host() {
        Some(url::Host::Domain(name)) => is_below(name, "localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    url.scheme() == "https" || is_loopback
}

fn parse(url: &str) -> Result<Url, BrowseError> {
    Url::parse(url).ok().filter(Url::has_host).ok_or_else(|| BrowseError::Url(url.to_owned()))
}

fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn without_query(url: &Url) -> String {
    url[..url::Position::AfterPath].to_owned()
}

fn value(text: &str) -> Result<HeaderValue, BrowseError> {
    HeaderValue::from_str(text).map_err(invalid)
}

fn invalid(cause: impl StdError + Send + Sync + 'static) -> BrowseError {
    BrowseError::Http(HttpError::new(HttpErrorKind::InvalidRequest).caused_by(cause))
}
