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
//! `GET /auth/{provider}/login` begins a sign-in, and with `?return_to=/path` remembers where to go afterwards. The redirect URI to register at
//! the provider is `/auth/{provider}/callback` on your site. [`Routes`] lists all routes.
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
#[cfg(feature = "signals")]
pub use oauth_web::SignalEndpoint;
pub use oauth_web::{
    AnswerHeaders, ForwardedHeaders, OAuth2AuthorizeCallback, ResolveError, Routes, SetupError, SignIn,
    SignInError, SignInErrorKind, SignInRequest, SignedIn,
};
use oauth_web::{Routed, web_kit};
use rocket::{
    Request, Response, Route,
    data::{Data, ToByteUnit},
    http::{HeaderMap, Method, Status},
    response,
    route::{BoxFuture, Outcome},
};

/// Answers the user who signed in.
#[rocket::async_trait]
pub trait SignInHandler: Clone + Send + Sync + 'static {
    /// Begins the application's own session, such as by a cookie of [`Request::cookies`], and answers.
    async fn signed_in<'r>(&self, user: SignedIn, request: &'r Request<'_>) -> response::Result<'r>;
}

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
    every_method("/<provider>/<route>", move |request, data| {
        let (routes, handler) = (routes.clone(), handler.clone());
        Box::pin(async move {
            let Some(sent) = to_sign_in_request(request) else { return Outcome::Error(Status::BadRequest) };
            let Some(body) = body_of(request.method(), data).await else {
                return Outcome::Error(Status::BadRequest);
            };
            match routes.answer(sent.param("route").unwrap_or_default(), &sent, body).await {
                Routed::Response(response) => Outcome::Success(to_response(response)),
                Routed::SignedIn(user, headers) => {
                    let response = handler.signed_in(*user, request).await;
                    let failed = |status| Response::build().status(status).finalize();
                    Outcome::Success(apply(headers, response.unwrap_or_else(failed)))
                }
                _ => Outcome::Error(Status::NotFound),
            }
        })
    })
}

/// The routes of a backend for browser applications, to be mounted at [`Bff::base`](oauth_bff::Bff::base).
#[cfg(feature = "bff")]
#[must_use]
pub fn bff_routes(bff: &oauth_bff::Bff) -> Vec<Route> {
    use futures_util::TryStreamExt as _;
    use http_body_util::{BodyDataStream, BodyExt as _, StreamBody};
    use tokio_util::io::{ReaderStream, StreamReader};

    let bff = bff.clone();
    every_method("/<path..>", move |request, data| {
        let bff = bff.clone();
        Box::pin(async move {
            let Some(parts) = to_parts(request) else { return Outcome::Error(Status::BadRequest) };
            // The backend has limits of its own, one for each upstream.
            let body = ReaderStream::new(data.open(rocket::data::ByteUnit::max_value()));
            let body = StreamBody::new(body.map_ok(http_body::Frame::data));
            let (parts, body) = bff.answer(http::Request::from_parts(parts, body)).await.into_parts();
            let body = BodyDataStream::new(body.map_err(std::io::Error::other));
            let mut response = with_head(&parts);
            response.set_streamed_body(StreamReader::new(body));
            Outcome::Success(response)
        })
    })
}

/// The routes of a [`SignalEndpoint`], to be mounted at the path that is registered at the vendor. No cookie comes with it, and nothing may
/// demand a login before it.
#[cfg(feature = "signals")]
#[must_use]
pub fn signal_routes(endpoint: &SignalEndpoint) -> Vec<Route> {
    let endpoint = endpoint.clone();
    every_method("/", move |request, data| {
        let endpoint = endpoint.clone();
        Box::pin(async move {
            let Some(parts) = to_parts(request) else { return Outcome::Error(Status::BadRequest) };
            match body_of(request.method(), data).await {
                Some(body) => {
                    let received = endpoint.receive(http::Request::from_parts(parts, body)).await;
                    Outcome::Success(to_response(received))
                }
                // The vendor sends it again.
                None => Outcome::Error(Status::ServiceUnavailable),
            }
        })
    })
}

/// A route for each method. Rocket's own rule for HEAD would use a code up.
fn every_method<H>(path: &str, handler: H) -> Vec<Route>
where
    H: for<'r> Fn(&'r Request<'_>, Data<'r>) -> BoxFuture<'r> + Clone + Send + Sync + 'static,
{
    use Method::{Delete, Get, Head, Options, Patch, Post, Put};

    let methods = [Get, Head, Post, Put, Delete, Patch, Options];
    methods.into_iter().map(|method| Route::new(method, path, handler.clone())).collect()
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
    let (method, uri, host) = (request.method().as_str(), request.uri(), request.host());
    let host = host.map(ToString::to_string);
    web_kit::request_head(method, &uri.to_string(), pairs(request.headers()), host.as_deref())
}

fn pairs(headers: &HeaderMap<'_>) -> Vec<(String, String)> {
    headers.iter().map(|header| (header.name().to_string(), header.value().to_owned())).collect()
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
    let mut converted = with_head(&parts);
    converted.set_sized_body(body.len(), Cursor::new(body));
    converted
}

fn with_head<'r>(parts: &http::response::Parts) -> Response<'r> {
    let mut response = Response::build().status(Status::new(parts.status.as_u16())).finalize();
    add_headers(&parts.headers, &mut response);
    response
}

/// Applies the headers of a sign-in to the application's response.
fn apply(headers: AnswerHeaders, mut response: Response<'_>) -> Response<'_> {
    let own = pairs(response.headers());
    for (name, _) in &own {
        response.remove_header(name);
    }
    add_headers(&web_kit::applied(headers, own), &mut response);
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
