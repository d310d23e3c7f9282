//! Sign in with … for [axum](https://docs.rs/axum): a router that starts and finishes logins, bound to the browser by
//! encrypted cookies, so that no session is needed.
//!
//! ```no_run
//! use axum::{Router, response::{Html, IntoResponse, Redirect}, routing::get};
//! use oauth_web_axum::{SignIn, SignInRoutes, SignedIn};
//! use oauth_core::{OAuth2, Provider, Sealer, SealingKey};
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
//! let app = Router::new()
//!     .route("/", get(async || Html(r#"<a href="/auth/acme/login?return_to=/account">Sign in</a>"#)))
//!     .nest("/auth", SignInRoutes::new(sign_in).router(async |signed_in: SignedIn| {
//!         // Find or make the account of `signed_in.identity.key()`, begin a session, and go on.
//!         Redirect::to(signed_in.return_to.as_deref().unwrap_or("/")).into_response()
//!     }));
//! # let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
//! axum::serve(listener, app).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What it answers
//!
//! | request | answer |
//! | --- | --- |
//! | `GET /{provider}/login` | 303 to the provider, with a cookie that holds the sealed attempt |
//! | `GET /{provider}/login?return_to=/path` | as above; the path is in [`SignedIn::return_to`](oauth_web::SignedIn), if it is on this site |
//! | `GET /{provider}/callback` | the application's own response, or a page that says what went wrong |
//! | `POST /{provider}/callback` | as above, for providers that answer by form post |
//! | `POST /{provider}/link` | 303 to the provider, to link it to the account that is signed in; with [`SignIn::linking`] only |
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
//! | `openid` | | routes for what OpenID Connect providers ask of an application: `SignInRoutes::back_channel_logout`, `SignInRoutes::front_channel_logout`, `SignInRoutes::initiated_login` |
//! | `signals` | | a route for what vendors report about users, such as a deleted account: `signal_route` |
//! | `metrics` | | a counter of sign-ins |

mod authorize_callback;
#[cfg(feature = "openid")]
mod logout;
mod routes;
#[cfg(feature = "signals")]
mod signals;

pub use authorize_callback::{AuthorizeCallbackError, AuthorizedCallback};
pub use oauth_core;
#[cfg(feature = "openid")]
pub use oauth_openid;
pub use oauth_web;
#[cfg(feature = "signals")]
pub use oauth_web::SignalEndpoint;
pub use oauth_web::{
    ForwardedHeaders, OAuth2AuthorizeCallback, ResolveError, SetupError, SignIn, SignInError,
    SignInErrorKind, SignInRequest,
};
pub use routes::{SignInRoutes, SignedIn};
#[cfg(feature = "signals")]
pub use signals::signal_route;
