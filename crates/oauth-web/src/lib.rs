//! Sign in with … for any web framework: starts and finishes logins over the types of the [`http`] crate, bound to the browser by
//! encrypted cookies, so that no session is needed.
//!
//! This crate is for who writes an adapter for a framework. Applications use the adapter, such as
//! [`oauth-web-axum`](https://docs.rs/oauth-web-axum), which is a thin layer over it.
//!
//! # An adapter
//!
//! It makes a [`SignInRequest`] of each request, calls the method of the route, makes a response of the result, and applies
//! [`Answer::headers`](Answer) to it, whether the result is good or bad:
//!
//! | route | method | the result, if it is good |
//! | --- | --- | --- |
//! | `GET /{provider}/login` | [`SignIn::login`] | a redirect to the provider |
//! | `POST /{provider}/link`, if [`SignIn::can_link`] | [`SignIn::link`] | a redirect to the provider |
//! | `GET` and `POST /{provider}/callback` | [`SignIn::callback`] | [`SignedIn`], for the application to answer |
//! | `POST /{provider}/backchannel-logout` | `BackChannelLogout::end_session` | 200 |
//! | `GET /{provider}/frontchannel-logout` | `SignIn::front_channel_logout` | the logout, for the application to answer |
//! | `GET` and `POST /{provider}/initiate` | `SignIn::initiated_login` | a redirect to the provider |
//!
//! A bad result is a [`SignInError`]. An adapter lets the application answer it in its own way, and answers with [`SignInError::page`]
//! otherwise.
//!
//! ```
//! use http::{Request, Response};
//! use http_body::Body;
//! use oauth_web::{SignIn, SignInRequest, SignedIn};
//!
//! /// Answers what is below `/auth`; `None` for a request of another kind.
//! async fn answer<B>(sign_in: &SignIn, request: Request<B>) -> Option<Response<String>>
//! where
//!     B: Body,
//!     B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
//! {
//!     let (parts, body) = request.into_parts();
//!     let path = parts.uri.path().to_owned();
//!     let (provider, route) = path.strip_prefix("/auth/")?.split_once('/')?;
//!     let request = SignInRequest::new(parts, [("provider", provider)]);
//!     let (result, headers) = match (request.method.as_str(), route) {
//!         ("GET", "login") => {
//!             let answer = sign_in.login(&request).await;
//!             (answer.result, answer.headers)
//!         }
//!         ("GET" | "POST", "callback") => {
//!             let answer = sign_in.callback(&request, body).await;
//!             (answer.result.map(welcome), answer.headers)
//!         }
//!         _ => return None,
//!     };
//!     let mut response = result.unwrap_or_else(|error| error.page());
//!     headers.apply(response.headers_mut());
//!     Some(response)
//! }
//!
//! fn welcome(user: SignedIn) -> Response<String> {
//!     Response::new(format!("Hello {}!", user.identity.name.unwrap_or_default()))
//! }
//! ```
//!
//! # The cookie
//!
//! One for each attempt, so that two tabs do not disturb each other: named after the attempt's state, `HttpOnly`,
//! `SameSite=Lax`, for as long as a sign-in may take; with the prefix `__Host-` and `Secure` on https. Where the provider answers by a form
//! post from its own site, it is `SameSite=None`, or the browser would not send it. A browser keeps five at most, which together
//! take 4096 bytes at most of its `Cookie` header; the oldest go. Names are compared byte for byte, and on https only those with
//! the prefix count: any site of the same domain can set the others. A login whose data and scopes make it larger than a browser
//! takes, 4096 bytes, is not begun. A callback clears its cookie
//! whatever comes of it, and [`SignIn::used_attempts`] remembers that it was used.
//!
//! # What the log says
//!
//! Every refusal is an event of [`tracing`](https://docs.rs/tracing), with the route, the provider, the status and the reason: at the level
//! `warn`, at `error` where the application has to be mended, and at `info` where the user said no. Settings that loosen security are events
//! too, once for each [`SignIn`]. No event holds a code, a token or a cookie.
//!
//! # Features
//!
//! | feature | default | what it does |
//! | --- | --- | --- |
//! | `openid` | | what OpenID Connect providers ask of an application: `SignIn::back_channel_logout`, `SignIn::front_channel_logout`, `SignIn::initiated_login` |

mod answer;
mod authorize_callback;
mod callback;
mod cookies;
mod error;
mod events;
#[cfg(feature = "openid")]
mod initiated_login;
mod login;
#[cfg(feature = "openid")]
mod logout;
mod origin;
mod request;
mod sign_in;
mod signed_in;

pub use answer::{Answer, AnswerHeaders};
pub use authorize_callback::{AuthorizeCallbackError, AuthorizedCallback, OAuth2AuthorizeCallback};
pub use error::{ResolveError, SetupError, SignInError, SignInErrorKind};
#[cfg(feature = "openid")]
pub use logout::BackChannelLogout;
pub use oauth_core;
#[cfg(feature = "openid")]
pub use oauth_openid;
pub use origin::ForwardedHeaders;
pub use request::SignInRequest;
pub use sign_in::{BoxFuture, SignIn};
pub use signed_in::SignedIn;
