//! Sign in with … for [Rocket](https://docs.rs/rocket): routes that start and finish logins, bound to the browser by encrypted cookies, so
//! that no session is needed.
//!
//! ```no_run
//! use oauth_core::{OAuth2, Provider, Sealer, SealingKey};
//! use oauth_web_rocket::{Routes, SignIn, SignInHandler, SignedIn, sign_in_routes};
//! use rocket::{Request, response::{self, Redirect, Responder}};
//!
//! #[derive(Clone)]
//! struct Accounts;
//!
//! #[rocket::async_trait]
//! impl SignInHandler for Accounts {
//!     async fn signed_in<'r>(&self, user: SignedIn, request: &'r Request<'_>) -> response::Result<'r> {
//!         // Find or make the account of `user.identity.key()`, begin a session in `request.cookies()`, and go on.
//!         Redirect::to(user.return_to.unwrap_or_else(|| "/".to_owned())).respond_to(request)
//!     }
//! }
//!
//! # async fn f() -> Result<(), Box<dyn std::error::Error>> {
//! let acme = OAuth2::new("CLIENT_ID", "CLIENT_SECRET", "https://as.example/authorize", "https://as.example/token")
//!     .with_profile_endpoint("https://as.example/me")
//!     .with_name("acme");
//!
//! let sign_in = SignIn::new(Sealer::new(SealingKey::from_base64(&std::env::var("SEALING_KEY")?)?))
//!     .at("https://app.example")?
//!     .provider(acme)?;
//!
//! rocket::build().mount("/auth", sign_in_routes(Routes::new(sign_in), Accounts)).launch().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What it answers
//!
//! | request | answer |
//! | --- | --- |
//! | `GET /auth/{provider}/login` | 303 to the provider, with a cookie that holds the sealed attempt |
//! | `GET /auth/{provider}/login?return_to=/path` | as above; the path is in [`SignedIn::return_to`], if it is on this site |
//! | `GET /auth/{provider}/callback` | the application's own response, or a page that says what went wrong |
//! | `POST /auth/{provider}/callback` | as above, for providers that answer by form post |
//! | `POST /auth/{provider}/link` | 303 to the provider, to link it to the account that is signed in; with [`SignIn::linking`] only |
//!
//! The redirect URI to register at the provider is the callback's address.
//!
//! This crate is a thin layer over [`oauth_web`], whose documentation describes the cookies and the events in the log.
//! [`SignInErrorKind`] lists what can go wrong, with the status of each.
//!
//! # Features
//!
//! | feature | default | what it does |
//! | --- | --- | --- |
//! | `bff` | | `bff_routes`: a [backend for browser applications](https://docs.rs/oauth-bff) |
//! | `openid` | | what OpenID Connect providers ask of an application: `Routes::back_channel_logout`, `Routes::front_channel_logout`, `Routes::initiated_login` |
//! | `signals` | | a route for what vendors report about users, such as a deleted account: `signal_routes` |

use std::io::Cursor;

use http_body_util::Full;
#[cfg(feature = "bff")]
pub use oauth_bff;
pub use oauth_core;
use oauth_core::bytes::Bytes;
pub use oauth_web;
use oauth_web::Routed;
#[cfg(feature = "signals")]
pub use oauth_web::SignalEndpoint;
pub use oauth_web::{
    AnswerHeaders, ForwardedHeaders, OAuth2AuthorizeCallback, ResolveError, Routes, SetupError, SignIn,
    SignInError, SignInErrorKind, SignInRequest, SignedIn,
};
use rocket::{
    Request, Response, Route,
    data::{Data, ToByteUnit},
    http::{Method, Status},
    response,
    route::{Handler, Outcome},
};

/// Answers the user who signed in.
#[rocket::async_trait]
pub trait SignInHandler: Clone + Send + Sync + 'static {
    /// Begins the application's own session, such as by a cookie of [`Request::cookies`], and answers.
    async fn signed_in<'r>(&self, user: SignedIn, request: &'r Request<'_>) -> response::Result<'r>;
}

/// Rocket's own rule for HEAD would use a code up, so each method is routed.
const METHODS: [Method; 7] =
    [Method::Get, Method::Head, Method::Post, Method::Put, Method::Delete, Method::Patch, Method::Options];

/// More than any body that is read, so that one that is too large is seen to be.
const MOST_BYTES: u64 = 2 * 1024 * 1024;

/// The routes of a sign-in, to be mounted where the application wants them.
///
/// What [`SignIn::linking`] and the other functions of [`SignIn`] need to know of the session, they read from the request's headers: they
/// cannot open private cookies.
///
/// Rocket's [`Shield`](rocket::shield::Shield) forbids frames in every response. An application with a front-channel logout attaches
/// `Shield::default().disable::<Frame>()`, and sets `frame-ancestors` on its own pages.
pub fn sign_in_routes(routes: Routes, handler: impl SignInHandler) -> Vec<Route> {
    let handler = Signing { routes, handler };
    METHODS.into_iter().map(|method| Route::new(method, "/<provider>/<route>", handler.clone())).collect()
}

#[derive(Clone)]
struct Signing<H> {
    routes: Routes,
    handler: H,
}

#[rocket::async_trait]
impl<H: SignInHandler> Handler for Signing<H> {
    async fn handle<'r>(&self, request: &'r Request<'_>, data: Data<'r>) -> Outcome<'r> {
        let Some(sent) = to_sign_in_request(request) else { return Outcome::Error(Status::BadRequest) };
        let route = sent.param("route").unwrap_or_default().to_owned();
        let Some(body) = body_of(request.method(), data).await else {
            return Outcome::Error(Status::BadRequest);
        };
        match self.routes.answer(&route, &sent, body).await {
            Routed::Response(response) => Outcome::Success(to_response(response)),
            Routed::SignedIn(user, headers) => match self.handler.signed_in(*user, request).await {
                Ok(response) => Outcome::Success(apply(headers, response)),
                Err(status) => {
                    let mut response = Response::new();
                    response.set_status(status);
                    Outcome::Success(apply(headers, response))
                }
            },
            _ => Outcome::Error(Status::NotFound),
        }
    }
}

/// The routes of a backend for browser applications, to be mounted at [`Bff::base`](oauth_bff::Bff::base).
#[cfg(feature = "bff")]
#[must_use]
pub fn bff_routes(bff: &oauth_bff::Bff) -> Vec<Route> {
    METHODS.into_iter().map(|method| Route::new(method, "/<path..>", Backend(bff.clone()))).collect()
}

#[cfg(feature = "bff")]
#[derive(Clone)]
struct Backend(oauth_bff::Bff);

#[cfg(feature = "bff")]
#[rocket::async_trait]
impl Handler for Backend {
    async fn handle<'r>(&self, request: &'r Request<'_>, data: Data<'r>) -> Outcome<'r> {
        use futures_util::TryStreamExt as _;
        use http_body_util::{BodyDataStream, BodyExt as _, StreamBody};
        use tokio_util::io::{ReaderStream, StreamReader};

        let Some(parts) = to_parts(request) else { return Outcome::Error(Status::BadRequest) };
        // The backend has limits of its own, one for each upstream.
        let body = ReaderStream::new(data.open(rocket::data::ByteUnit::max_value()));
        let body = StreamBody::new(body.map_ok(http_body::Frame::data));
        let (parts, body) = self.0.answer(http::Request::from_parts(parts, body)).await.into_parts();
        let mut response = Response::new();
        response.set_status(Status::new(parts.status.as_u16()));
        response
            .set_streamed_body(StreamReader::new(BodyDataStream::new(body.map_err(std::io::Error::other))));
        add_headers(&parts.headers, &mut response);
        Outcome::Success(response)
    }
}

/// The routes of a [`SignalEndpoint`], to be mounted at the path that is registered at the vendor. No cookie comes with it, and nothing may
/// demand a login before it.
#[cfg(feature = "signals")]
#[must_use]
pub fn signal_routes(endpoint: &SignalEndpoint) -> Vec<Route> {
    METHODS.into_iter().map(|method| Route::new(method, "/", Signals(endpoint.clone()))).collect()
}

#[cfg(feature = "signals")]
#[derive(Clone)]
struct Signals(SignalEndpoint);

#[cfg(feature = "signals")]
#[rocket::async_trait]
impl Handler for Signals {
    async fn handle<'r>(&self, request: &'r Request<'_>, data: Data<'r>) -> Outcome<'r> {
        let Some(parts) = to_parts(request) else { return Outcome::Error(Status::BadRequest) };
        // The vendor sends it again.
        let Some(body) = body_of(request.method(), data).await else {
            return Outcome::Error(Status::ServiceUnavailable);
        };
        let request = http::Request::from_parts(parts, body);
        Outcome::Success(to_response(self.0.receive(request).await))
    }
}

/// The request as [`oauth_web`] reads it, for an [`OAuth2AuthorizeCallback`] in a route of one's own. `None` if its address or one of its
/// headers is not valid. The path parameters are those of [`sign_in_routes`]: `provider` and `route`.
#[must_use]
pub fn to_sign_in_request(request: &Request<'_>) -> Option<SignInRequest> {
    let segments: Vec<&str> = request.routed_segments(0..).collect();
    let params = ["provider", "route"].into_iter().zip(segments);
    Some(SignInRequest::new(to_parts(request)?, params))
}

/// Rocket has types of its own.
fn to_parts(request: &Request<'_>) -> Option<http::request::Parts> {
    let uri = request.uri().to_string();
    let mut converted = http::Request::builder().method(request.method().as_str()).uri(uri).body(()).ok()?;
    let headers = converted.headers_mut();
    for header in request.headers().iter() {
        let name = http::HeaderName::from_bytes(header.name().as_str().as_bytes()).ok()?;
        headers.append(name, http::HeaderValue::from_str(header.value()).ok()?);
    }
    // HTTP/2 has the host elsewhere.
    if !headers.contains_key(http::header::HOST)
        && let Some(host) = request.host()
    {
        headers.insert(http::header::HOST, http::HeaderValue::from_str(&host.to_string()).ok()?);
    }
    Some(converted.into_parts().0)
}

/// The body, read whole; `None` if the connection broke off.
async fn body_of(method: Method, data: Data<'_>) -> Option<Full<Bytes>> {
    if method != Method::Post {
        return Some(Full::default());
    }
    let read = data.open(MOST_BYTES.bytes()).into_bytes().await.ok()?;
    Some(Full::new(Bytes::from(read.into_inner())))
}

fn to_response<'r>(response: http::Response<String>) -> Response<'r> {
    let (parts, body) = response.into_parts();
    let mut converted = Response::new();
    converted.set_status(Status::new(parts.status.as_u16()));
    converted.set_sized_body(body.len(), Cursor::new(body));
    add_headers(&parts.headers, &mut converted);
    converted
}

/// Applies the headers of a sign-in to the application's response.
fn apply(headers: AnswerHeaders, mut response: Response<'_>) -> Response<'_> {
    let mut all = http::HeaderMap::new();
    for header in response.headers().iter() {
        let name = http::HeaderName::from_bytes(header.name().as_str().as_bytes());
        if let (Ok(name), Ok(value)) = (name, http::HeaderValue::from_str(header.value())) {
            all.append(name, value);
        }
    }
    for name in all.keys() {
        response.remove_header(name.as_str());
    }
    headers.apply(&mut all);
    add_headers(&all, &mut response);
    response
}

fn add_headers(all: &http::HeaderMap, response: &mut Response<'_>) {
    for (name, value) in all {
        // A file's name may have any letters.
        if let Ok(value) = std::str::from_utf8(value.as_bytes()) {
            response.adjoin_raw_header(name.as_str().to_owned(), value.to_owned());
        }
    }
}
