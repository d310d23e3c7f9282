//! Sign in with … for [Salvo](https://docs.rs/salvo): a router that starts and finishes logins, bound to the browser by encrypted cookies,
//! so that no session is needed.
//!
//! ```no_run
//! use oauth_core::{OAuth2, Provider, Sealer, SealingKey};
//! use oauth_web_salvo::{Routes, SignIn, SignedIn, sign_in_router};
//! use salvo::prelude::*;
//!
//! #[handler]
//! async fn signed_in(depot: &mut Depot, res: &mut Response) {
//!     // Find or make the account of `user.identity.key()`, begin a session, and go on.
//!     let Ok(user) = depot.obtain::<SignedIn>() else { return };
//!     res.render(Redirect::other(user.return_to.as_deref().unwrap_or("/")));
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
//! let router = Router::new().push(Router::with_path("auth").push(sign_in_router(Routes::new(sign_in), signed_in)));
//! let acceptor = TcpListener::new("127.0.0.1:3000").bind().await;
//! Server::new(acceptor).serve(router).await;
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
//! | `bff` | | `bff_handler`: a [backend for browser applications](https://docs.rs/oauth-bff) |
//! | `openid` | | what OpenID Connect providers ask of an application: `Routes::back_channel_logout`, `Routes::front_channel_logout`, `Routes::initiated_login` |
//! | `signals` | | a route for what vendors report about users, such as a deleted account: `signal_handler` |

#[cfg(feature = "bff")]
pub use oauth_bff;
pub use oauth_core;
pub use oauth_web;
use oauth_web::Routed;
#[cfg(feature = "signals")]
pub use oauth_web::SignalEndpoint;
pub use oauth_web::{
    ForwardedHeaders, OAuth2AuthorizeCallback, ResolveError, Routes, SetupError, SignIn, SignInError,
    SignInErrorKind, SignInRequest, SignedIn,
};
use salvo::{
    Depot, FlowCtrl, Handler, Request, Response, Router, async_trait,
    http::{StatusCode, request::Parts},
};

/// The routes of a sign-in, to be pushed where the application wants them. The handler answers the user who signed in, whom it finds in the
/// depot: `depot.obtain::<SignedIn>()`.
///
/// What [`SignIn::linking`] and the other functions of [`SignIn`] need to know of the session, they read from the request's headers and
/// extensions. They do not see the [`Depot`], where the session of `salvo-session` is: have a hoop before these routes copy what they need
/// into the extensions.
pub fn sign_in_router(routes: Routes, handler: impl Handler) -> Router {
    Router::with_path("{provider}/{route}").hoop(SignedInOnly(routes)).goal(handler)
}

/// Lets only those requests through to the handler by which a user has signed in.
struct SignedInOnly(Routes);

#[async_trait]
impl Handler for SignedInOnly {
    async fn handle(&self, req: &mut Request, depot: &mut Depot, res: &mut Response, ctrl: &mut FlowCtrl) {
        let sent = to_sign_in_request(req);
        let route = sent.param("route").unwrap_or_default().to_owned();
        match self.0.answer(&route, &sent, req.take_body()).await {
            Routed::Response(response) => {
                res.merge_hyper(response);
                ctrl.skip_rest();
            }
            Routed::SignedIn(user, headers) => {
                depot.inject(*user);
                ctrl.call_next(req, depot, res).await;
                headers.apply(res.headers_mut());
            }
            _ => {
                res.status_code(StatusCode::NOT_FOUND);
                ctrl.skip_rest();
            }
        }
    }
}

/// The routes of a backend for browser applications, for `Router::with_path("bff/{**path}")`, where `/bff` is
/// [`Bff::base`](oauth_bff::Bff::base).
#[cfg(feature = "bff")]
pub fn bff_handler(bff: oauth_bff::Bff) -> impl Handler {
    BffHandler(bff)
}

#[cfg(feature = "bff")]
struct BffHandler(oauth_bff::Bff);

#[cfg(feature = "bff")]
#[async_trait]
impl Handler for BffHandler {
    async fn handle(&self, req: &mut Request, _: &mut Depot, res: &mut Response, _: &mut FlowCtrl) {
        let request = http::Request::from_parts(to_parts(req), req.take_body());
        let response = self.0.answer(request).await;
        res.merge_hyper(
            response.map(|body| salvo::http::ResBody::stream(http_body_util::BodyDataStream::new(body))),
        );
    }
}

/// A [`SignalEndpoint`] as a handler, for the path that is registered at the vendor. No cookie comes with it, and no middleware may change
/// the body before it, or demand a login.
#[cfg(feature = "signals")]
pub fn signal_handler(endpoint: SignalEndpoint) -> impl Handler {
    SignalHandler(endpoint)
}

#[cfg(feature = "signals")]
struct SignalHandler(SignalEndpoint);

#[cfg(feature = "signals")]
#[async_trait]
impl Handler for SignalHandler {
    async fn handle(&self, req: &mut Request, _: &mut Depot, res: &mut Response, _: &mut FlowCtrl) {
        let request = http::Request::from_parts(to_parts(req), req.take_body());
        res.merge_hyper(self.0.receive(request).await);
    }
}

/// The request as [`oauth_web`] reads it, for an [`OAuth2AuthorizeCallback`] in a handler of one's own.
#[must_use]
pub fn to_sign_in_request(request: &Request) -> SignInRequest {
    let params: Vec<(String, String)> =
        request.params().iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    SignInRequest::new(to_parts(request), params)
}

fn to_parts(request: &Request) -> Parts {
    let mut parts = http::Request::new(()).into_parts().0;
    parts.method = request.method().clone();
    parts.uri = request.uri().clone();
    parts.version = request.version();
    parts.headers = request.headers().clone();
    parts.extensions = request.extensions().clone();
    parts
}
