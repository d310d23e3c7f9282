//! Sign in with … for whatever serves a [`tower` service](https://docs.rs/tower-service): hyper, warp, or a framework of one's own.
//!
//! ```
//! use http::{Response, header::LOCATION};
//! use oauth_core::{OAuth2, Provider, Sealer, SealingKey};
//! use oauth_web_tower::{Routes, SignIn, SignInService, SignedIn};
//!
//! # fn f() -> Result<(), Box<dyn std::error::Error>> {
//! let acme = OAuth2::new("CLIENT_ID", "CLIENT_SECRET", "https://as.example/authorize", "https://as.example/token")
//!     .with_profile_endpoint("https://as.example/me")
//!     .with_name("acme");
//!
//! let sign_in = SignIn::new(Sealer::new(SealingKey::from_base64(&std::env::var("SEALING_KEY")?)?))
//!     .at("https://app.example")?
//!     .provider(acme)?;
//!
//! let service = SignInService::new("/auth", Routes::new(sign_in), async |user: SignedIn| {
//!     // Find or make the account of `user.identity.key()`, begin a session, and go on.
//!     let mut response = Response::new(String::new());
//!     *response.status_mut() = http::StatusCode::SEE_OTHER;
//!     let to = user.return_to.as_deref().unwrap_or("/");
//!     response.headers_mut().insert(LOCATION, to.parse().unwrap_or(http::HeaderValue::from_static("/")));
//!     response
//! });
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
//! | everything else | 404 without a body |
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
//! | `openid` | | what OpenID Connect providers ask of an application: `Routes::back_channel_logout`, `Routes::front_channel_logout`, `Routes::initiated_login` |
//! | `signals` | | a service for what vendors report about users, such as a deleted account: `SignalService` |

use std::{
    convert::Infallible,
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response, StatusCode};
use http_body::Body;
pub use oauth_core;
pub use oauth_web;
use oauth_web::Routed;
#[cfg(feature = "signals")]
pub use oauth_web::SignalEndpoint;
pub use oauth_web::{
    ForwardedHeaders, OAuth2AuthorizeCallback, ResolveError, Routes, SetupError, SignIn, SignInError,
    SignInErrorKind, SignInRequest, SignedIn,
};
use tower_service::Service;

/// The future of a service.
type Answering = Pin<Box<dyn Future<Output = Result<Response<String>, Infallible>> + Send>>;

type Handler = dyn Fn(SignedIn) -> Pin<Box<dyn Future<Output = Response<String>> + Send>> + Send + Sync;

/// The routes of a sign-in as a service. Clones share everything.
#[derive(Clone)]
#[must_use]
pub struct SignInService {
    prefix: Arc<str>,
    routes: Routes,
    handler: Arc<Handler>,
}

impl SignInService {
    /// The routes below a path, such as `/auth`. The path of each request must be the whole one that the browser asked for. The handler
    /// answers the user who signed in; [`SignedIn::headers`] has the cookie of its session.
    pub fn new<H, F>(prefix: &str, routes: Routes, handler: H) -> Self
    where
        H: Fn(SignedIn) -> F + Send + Sync + 'static,
        F: Future<Output = Response<String>> + Send + 'static,
    {
        let prefix = prefix.trim_end_matches('/').into();
        Self { prefix, routes, handler: Arc::new(move |user| Box::pin(handler(user))) }
    }

    async fn answer<B>(self, request: Request<B>) -> Response<String>
    where
        B: Body,
        B::Error: Into<ResolveError>,
    {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path().to_owned();
        let rest = path.strip_prefix(&*self.prefix).and_then(|rest| rest.strip_prefix('/'));
        let Some((provider, route)) = rest.and_then(|rest| rest.split_once('/')) else { return not_found() };
        // No provider's name has a character that is encoded.
        let request = SignInRequest::new(parts, [("provider", provider)]);
        match self.routes.answer(route, &request, body).await {
            Routed::Response(response) => response,
            Routed::SignedIn(user, headers) => {
                let mut response = (self.handler)(*user).await;
                headers.apply(response.headers_mut());
                response
            }
            _ => not_found(),
        }
    }
}

impl<B> Service<Request<B>> for SignInService
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<ResolveError>,
{
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Answering;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Answering {
        let service = self.clone();
        Box::pin(async move { Ok(service.answer(request).await) })
    }
}

/// A [`SignalEndpoint`] as a service, for the path that is registered at the vendor. No cookie comes with it, and no middleware may change
/// the body before it, or demand a login.
#[cfg(feature = "signals")]
#[derive(Clone)]
#[must_use]
pub struct SignalService(pub SignalEndpoint);

#[cfg(feature = "signals")]
impl<B> Service<Request<B>> for SignalService
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<ResolveError>,
{
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Answering;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Answering {
        let endpoint = self.0.clone();
        Box::pin(async move { Ok(endpoint.receive(request).await) })
    }
}

fn not_found() -> Response<String> {
    let mut response = Response::new(String::new());
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}

impl fmt::Debug for SignInService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignInService")
            .field("prefix", &self.prefix)
            .field("routes", &self.routes)
            .finish_non_exhaustive()
    }
}
