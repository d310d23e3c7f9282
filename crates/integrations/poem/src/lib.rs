//! Sign in with … for [Poem](https://docs.rs/poem): routes that start and finish logins, bound to the browser by encrypted cookies, so that
//! no session is needed.
//!
//! ```no_run
//! use oauth_core::{OAuth2, Provider, Sealer, SealingKey};
//! use oauth_web_poem::{Routes, SignIn, SignedIn, sign_in_routes};
//! use poem::{Request, Route, Server, listener::TcpListener, web::Redirect};
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
//! let app = Route::new().nest("/auth", sign_in_routes(Routes::new(sign_in), async |user: SignedIn, _request: Request| {
//!     // Find or make the account of `user.identity.key()`, begin a session, and go on.
//!     Redirect::see_other(user.return_to.as_deref().unwrap_or("/"))
//! }));
//! Server::new(TcpListener::bind("127.0.0.1:3000")).run(app).await?;
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
//! | `bff` | | `bff_endpoint`: a [backend for browser applications](https://docs.rs/oauth-bff) |
//! | `openid` | | what OpenID Connect providers ask of an application: `Routes::back_channel_logout`, `Routes::front_channel_logout`, `Routes::initiated_login` |
//! | `signals` | | a route for what vendors report about users, such as a deleted account: `signal_endpoint` |

use std::{collections::BTreeMap, future::Future};

use http_body_util::combinators::BoxBody;
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
use poem::{
    Body, IntoResponse, Request, Response, Route,
    endpoint::make,
    http::{StatusCode, request::Parts},
};

/// The body of a request as [`oauth_web`] reads it.
type SentBody = BoxBody<oauth_core::bytes::Bytes, std::io::Error>;

/// The routes of a sign-in, to be nested where the application wants them. The handler answers the user who signed in; it gets the request
/// too, without its body, from which its session comes.
///
/// What [`SignIn::linking`] and the other functions of [`SignIn`] need to know of the session is in the request's extensions and headers.
pub fn sign_in_routes<H, F, R>(routes: Routes, handler: H) -> Route
where
    H: Fn(SignedIn, Request) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = R> + Send + 'static,
    R: IntoResponse + 'static,
{
    Route::new().at(
        "/:provider/:route",
        make(move |request: Request| {
            let (routes, handler) = (routes.clone(), handler.clone());
            async move {
                let name = request.raw_path_param("route").unwrap_or_default().to_owned();
                let sent = to_sign_in_request(&request);
                let (request, mut body) = request.split();
                let body: SentBody = body.take().unwrap_or_default().into();
                match routes.answer(&name, &sent, body).await {
                    Routed::Response(response) => to_response(response),
                    Routed::SignedIn(user, headers) => {
                        let mut response = handler(*user, request).await.into_response();
                        headers.apply(response.headers_mut());
                        response
                    }
                    _ => StatusCode::NOT_FOUND.into(),
                }
            }
        }),
    )
}

/// The routes of a backend for browser applications, for `Route::at("/bff/*path", …)`, where `/bff` is
/// [`Bff::base`](oauth_bff::Bff::base).
#[cfg(feature = "bff")]
pub fn bff_endpoint(bff: oauth_bff::Bff) -> impl poem::Endpoint<Output = Response> {
    use http_body_util::{BodyDataStream, BodyExt as _};

    make(move |request: Request| {
        let bff = bff.clone();
        async move {
            let parts = to_parts(&request);
            let body: SentBody = request.into_body().into();
            let (parts, body) = bff.answer(poem::http::Request::from_parts(parts, body)).await.into_parts();
            let body = Body::from_bytes_stream(BodyDataStream::new(body.map_err(std::io::Error::other)));
            let mut converted = Response::builder().status(parts.status).body(body);
            *converted.headers_mut() = parts.headers;
            converted
        }
    })
}

/// A [`SignalEndpoint`], for the path that is registered at the vendor. No cookie comes with it, and no middleware may change the body
/// before it, or demand a login.
#[cfg(feature = "signals")]
pub fn signal_endpoint(endpoint: SignalEndpoint) -> impl poem::Endpoint<Output = Response> {
    make(move |request: Request| {
        let endpoint = endpoint.clone();
        async move {
            let parts = to_parts(&request);
            let body: SentBody = request.into_body().into();
            to_response(endpoint.receive(poem::http::Request::from_parts(parts, body)).await)
        }
    })
}

/// The request as [`oauth_web`] reads it, for an [`OAuth2AuthorizeCallback`] in a handler of one's own.
#[must_use]
pub fn to_sign_in_request(request: &Request) -> SignInRequest {
    let params = request.path_params::<BTreeMap<String, String>>().unwrap_or_default();
    SignInRequest::new(to_parts(request), params)
}

fn to_parts(request: &Request) -> Parts {
    let mut parts = poem::http::Request::new(()).into_parts().0;
    parts.method = request.method().clone();
    // A nested route sees the rest of the path only.
    parts.uri = request.original_uri().clone();
    parts.version = request.version();
    parts.headers = request.headers().clone();
    parts.extensions = request.extensions().clone();
    parts
}

fn to_response(response: poem::http::Response<String>) -> Response {
    let (parts, body) = response.into_parts();
    let mut converted = Response::builder().status(parts.status).body(Body::from_string(body));
    *converted.headers_mut() = parts.headers;
    converted
}
