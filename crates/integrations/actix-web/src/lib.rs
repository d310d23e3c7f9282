//! Sign in with … for [Actix Web](https://docs.rs/actix-web): a scope that starts and finishes logins, bound to the browser by encrypted
//! cookies, so that no session is needed.
//!
//! ```no_run
//! use actix_web::{App, HttpRequest, HttpServer, web::Redirect};
//! use oauth_core::{OAuth2, Provider, Sealer, SealingKey};
//! use oauth_web_actix_web::{Routes, SignIn, SignedIn, sign_in_scope};
//!
//! # async fn f() -> Result<(), Box<dyn std::error::Error>> {
//! let acme = OAuth2::new("CLIENT_ID", "CLIENT_SECRET", "https://as.example/authorize", "https://as.example/token")
//!     .with_profile_endpoint("https://as.example/me")
//!     .with_name("acme");
//!
//! let routes = Routes::new(
//!     SignIn::new(Sealer::new(SealingKey::from_base64(&std::env::var("SEALING_KEY")?)?))
//!         .at("https://app.example")?
//!         .provider(acme)?,
//! );
//!
//! HttpServer::new(move || {
//!     App::new().service(sign_in_scope("/auth", routes.clone(), |user: SignedIn, _request: HttpRequest| async move {
//!         // Find or make the account of `user.identity.key()`, begin a session, and go on.
//!         Redirect::to(user.return_to.unwrap_or_else(|| "/".to_owned())).see_other()
//!     }))
//! })
//! .bind("127.0.0.1:3000")?
//! .run()
//! .await?;
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
//! | `bff` | | `bff_scope`: a [backend for browser applications](https://docs.rs/oauth-bff) |
//! | `openid` | | what OpenID Connect providers ask of an application: `Routes::back_channel_logout`, `Routes::front_channel_logout`, `Routes::initiated_login` |
//! | `signals` | | a route for what vendors report about users, such as a deleted account: `signal_route` |

use std::{future::Future, io};

use actix_web::{
    HttpMessage as _, HttpRequest, HttpResponse, Responder, Scope,
    body::{BoxBody, MessageBody},
    http::{
        StatusCode,
        header::{HeaderName, HeaderValue},
    },
    web,
};
use futures_util::TryStreamExt as _;
use http_body::Frame;
use http_body_util::StreamBody;
#[cfg(feature = "bff")]
pub use oauth_bff;
pub use oauth_core;
pub use oauth_web;
#[cfg(feature = "signals")]
pub use oauth_web::SignalEndpoint;
pub use oauth_web::{
    AnswerHeaders, ForwardedHeaders, OAuth2AuthorizeCallback, ResolveError, Routes, SetupError, SignIn,
    SignInError, SignInErrorKind, SignInRequest, SignedIn,
};
use oauth_web::{Routed, web_kit};

/// The routes of a sign-in below a path. The handler answers the user who signed in; it gets the request too, from which its session comes.
///
/// [`SignIn::linking`] and the other functions of [`SignIn`] see the request's headers, and what a middleware of the application has put into
/// the request's extensions as [`http::Extensions`]. Actix Web's own extensions cannot be handed on, because they need not be `Send`.
pub fn sign_in_scope<H, F, R>(path: &str, routes: Routes, handler: H) -> Scope
where
    H: Fn(SignedIn, HttpRequest) -> F + Clone + 'static,
    F: Future<Output = R> + 'static,
    R: Responder + 'static,
{
    let route = move |request: HttpRequest, body: web::Payload| {
        let (routes, handler) = (routes.clone(), handler.clone());
        async move {
            let Some(sent) = to_sign_in_request(&request) else { return HttpResponse::BadRequest().finish() };
            let name = request.match_info().get("route").unwrap_or_default();
            match routes.answer(name, &sent, to_body(body)).await {
                Routed::Response(response) => to_response(response),
                Routed::SignedIn(user, headers) => {
                    let response = handler(*user, request.clone()).await.respond_to(&request);
                    apply(headers, response.map_into_boxed_body())
                }
                _ => HttpResponse::NotFound().finish(),
            }
        }
    };
    web::scope(path).route("/{provider}/{route}", web::route().to(route))
}

/// The routes of a backend for browser applications, below [`Bff::base`](oauth_bff::Bff::base). Make the backend outside of the function that
/// makes the application, because each of the workers calls that.
#[cfg(feature = "bff")]
pub fn bff_scope(bff: oauth_bff::Bff) -> Scope {
    let base = bff.base().to_owned();
    web::scope(&base).default_service(web::route().to(move |request: HttpRequest, body: web::Payload| {
        let bff = bff.clone();
        async move {
            match to_parts(&request) {
                Some(parts) => streamed(bff.answer(http::Request::from_parts(parts, to_body(body))).await),
                None => HttpResponse::BadRequest().finish(),
            }
        }
    }))
}

/// The route of a [`SignalEndpoint`], for the path that is registered at the vendor. No cookie comes with it, and no middleware may change
/// the body before it, or demand a login.
#[cfg(feature = "signals")]
pub fn signal_route(path: &str, endpoint: SignalEndpoint) -> actix_web::Resource {
    web::resource(path).route(web::route().to(move |request: HttpRequest, body: web::Payload| {
        let endpoint = endpoint.clone();
        async move {
            match to_parts(&request) {
                Some(parts) => {
                    to_response(endpoint.receive(http::Request::from_parts(parts, to_body(body))).await)
                }
                None => HttpResponse::BadRequest().finish(),
            }
        }
    }))
}

/// The request as [`oauth_web`] reads it, for an [`OAuth2AuthorizeCallback`] in a handler of one's own. `None` if its address or one of its
/// headers is not valid.
#[must_use]
pub fn to_sign_in_request(request: &HttpRequest) -> Option<SignInRequest> {
    Some(SignInRequest::new(to_parts(request)?, request.match_info().iter()))
}

/// Actix Web has the types of version 0.2 of the `http` crate.
fn to_parts(request: &HttpRequest) -> Option<http::request::Parts> {
    let uri = request.uri();
    let headers = request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    let host = uri.authority().map(|host| host.as_str());
    let mut parts = web_kit::request_head(request.method().as_str(), &uri.to_string(), headers, host)?;
    if let Some(extensions) = request.extensions().get::<http::Extensions>() {
        parts.extensions.extend(extensions.clone());
    }
    Some(parts)
}

fn to_body(
    body: web::Payload,
) -> StreamBody<impl futures_util::Stream<Item = io::Result<Frame<web::Bytes>>>> {
    StreamBody::new(body.map_ok(Frame::data).map_err(|error| io::Error::other(error.to_string())))
}

fn to_response(response: http::Response<String>) -> HttpResponse {
    let (parts, body) = response.into_parts();
    with_head(&parts, body)
}

/// The response with its body as it comes.
#[cfg(feature = "bff")]
fn streamed(response: http::Response<oauth_bff::BffBody>) -> HttpResponse {
    use actix_web::body::{BodyStream, SizedStream};
    use http_body_util::{BodyDataStream, BodyExt as _};

    let (parts, body) = response.into_parts();
    let length = http_body::Body::size_hint(&body).exact();
    let stream = BodyDataStream::new(body.map_err(io::Error::other));
    match length {
        Some(length) => with_head(&parts, SizedStream::new(length, stream)),
        None => with_head(&parts, BodyStream::new(stream)),
    }
}

fn with_head(parts: &http::response::Parts, body: impl MessageBody + 'static) -> HttpResponse {
    let status = StatusCode::from_u16(parts.status.as_u16()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut converted = HttpResponse::build(status).body(body);
    replace_headers(&parts.headers, &mut converted);
    converted
}

/// Applies the headers of a sign-in to the application's response.
fn apply(headers: AnswerHeaders, mut response: HttpResponse<BoxBody>) -> HttpResponse {
    let own = response.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    let all = web_kit::applied(headers, own);
    replace_headers(&all, &mut response);
    response
}

fn replace_headers(all: &http::HeaderMap, response: &mut HttpResponse) {
    response.headers_mut().clear();
    for (name, value) in all {
        // They are valid in one version as in the other.
        let name = HeaderName::from_bytes(name.as_str().as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value.as_bytes())) {
            response.headers_mut().append(name, value);
        }
    }
}
