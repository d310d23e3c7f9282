//! Sign in with … for any web framework: starts and finishes logins with the types of the [`http`] crate, bound to the browser by
//! encrypted cookies, so that no session is needed.
//!
//! This crate is for authors of framework adapters. Applications use an adapter, such as
//! [`oauth-web-axum`](https://docs.rs/oauth-web-axum), and find the settings here, in [`SignIn`].
//!
//! # An adapter
//!
//! An adapter turns each request into a [`SignInRequest`], calls the method for its route, turns the result into a response, and applies
//! [`Answer::headers`](Answer) to it, whether the result is `Ok` or `Err`:
//!
//! | route | method | the result |
//! | --- | --- | --- |
//! | `GET /{provider}/login` | [`SignIn::login`] | a redirect to the provider |
//! | `POST /{provider}/link`, if [`SignIn::can_link`] | [`SignIn::link`] | a redirect to the provider |
//! | `GET` and `POST /{provider}/callback` | [`SignIn::callback`] | [`SignedIn`]; the application makes the response |
//! | `POST /{provider}/backchannel-logout` | `BackChannelLogout::end_session` | 200 |
//! | `GET /{provider}/frontchannel-logout` | `SignIn::front_channel_logout` | the logout; the application makes the response |
//! | `GET` and `POST /{provider}/initiate` | `SignIn::initiated_login` | a redirect to the provider |
//!
//! [`Routes`] does all of this by the name of a route, for adapters that only translate requests and responses.
//!
//! Signals, which vendors' servers post, have an endpoint of their own, `SignalEndpoint`: an adapter makes a route of it for the path that
//! the application chooses.
//!
//! [`RedirectRelay`] answers the registered redirect URI of deployments whose own addresses are not registered, and [`PopupPage`] ends
//! a sign-in in a popup.
//!
//! An error is a [`SignInError`]. Let the application answer it in its own way, and answer with [`SignInError::page`] otherwise.
//! [`SignIn::error_pages`] changes that page's texts, language and HTML, for every adapter alike.
//!
//! ```
//! use http::{HeaderValue, Request, Response, header::CONTENT_TYPE};
//! use http_body::Body;
//! use oauth_web::{SignIn, SignInRequest, SignedIn};
//!
//! /// Answers requests below `/auth`; `None` for all others. A body that was read already is a body too, by `http_body_util::Full`.
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
//!     // The provider's text is not HTML: a response of a page must escape it.
//!     let mut response = Response::new(format!("Hello {}!", user.identity.name.unwrap_or_default()));
//!     response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
//!     response
//! }
//! ```
//!
//! # The cookie
//!
//! Each attempt has a cookie of its own, so that two tabs do not disturb each other. It is named after the attempt's state, is `HttpOnly`
//! and `SameSite=Lax`, and lives as long as a sign-in may take; on https it has the prefix `__Host-` and is `Secure`. If the provider answers
//! by a form post from its own site, the cookie is `SameSite=None`, or browsers would not send it. A browser keeps at most five, which
//! take at most 4096 bytes of its `Cookie` header together; the oldest are removed. Names are compared byte for byte, and on https only those
//! with the prefix count, because any site of the same domain can set the others. A login that needs a cookie of more than 4096 bytes,
//! because of its data or scopes, is not started. A callback by `GET` or `POST` clears its cookie in any case, and [`SignIn::used_attempts`] remembers that
//! the attempt was used.
//!
//! # What the log says
//!
//! Every refusal is an event of [`tracing`](https://docs.rs/tracing) with the route, the provider, the status and the reason. Its level is
//! `info` if the user declined, `error` if the application or its configuration failed or a verified logout could not be carried out, and `warn` otherwise. Settings that loosen security
//! are logged once for each [`SignIn`], as `warn`. No event contains a code, a token or a cookie.
//!
//! # Features
//!
//! | feature | default | what it does |
//! | --- | --- | --- |
//! | `openid` | | what OpenID Connect providers call: `SignIn::back_channel_logout`, `SignIn::front_channel_logout`, `SignIn::initiated_login` |
//! | `signals` | | what vendors report about users, such as a deleted account: `SignalEndpoint` |
//! | `metrics` | | a counter of sign-ins |

mod answer;
mod authorize_callback;
mod callback;
mod cookies;
mod error;
mod error_pages;
mod events;
#[cfg(feature = "openid")]
mod initiated_login;
mod login;
#[cfg(feature = "openid")]
mod logout;
mod origin;
mod parameters;
mod popup;
mod reason;
mod redirect_uri;
mod relay;
mod request;
mod routes;
mod sign_in;
#[cfg(feature = "signals")]
mod signals;
mod signed_in;
#[cfg(any(feature = "openid", feature = "signals"))]
mod task;
#[cfg(test)]
mod testing;
pub mod web_kit;

pub use answer::{Answer, AnswerHeaders};
pub use authorize_callback::{AuthorizeCallbackError, AuthorizedCallback, OAuth2AuthorizeCallback};
pub use error::{ResolveError, SetupError, SignInError, SignInErrorKind};
pub use error_pages::{ErrorPage, ErrorPages, ErrorTexts};
#[cfg(feature = "openid")]
pub use logout::BackChannelLogout;
pub use oauth_core;
#[cfg(feature = "openid")]
pub use oauth_openid;
pub use origin::ForwardedHeaders;
pub use popup::PopupPage;
pub use reason::SignInReason;
pub use relay::RedirectRelay;
pub use request::SignInRequest;
pub use routes::{Routed, Routes};
pub use sign_in::SignIn;
#[cfg(feature = "signals")]
pub use signals::SignalEndpoint;
pub use signed_in::SignedIn;
