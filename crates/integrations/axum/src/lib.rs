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
//! `GET /auth/{provider}/login` begins a sign-in, and with `?return_to=/path` remembers where to go afterwards. The redirect URI to register at
//! the provider is `/auth/{provider}/callback` on your site. [`Routes`] lists all routes, and adds those for logouts and for logins that a portal starts.
//!
//! This crate is a thin layer over [`oauth_web`], whose documentation describes the cookies and the events in the log.
//! [`SignInErrorKind`] lists what can go wrong, with the status of each.
//!
//! # Features
//!
//! | feature | default | what it does |
//! | --- | --- | --- |
//! | `openid` | | what OpenID Connect providers ask of an application: `Routes::back_channel_logout`, `Routes::front_channel_logout`, `Routes::initiated_login` |
//! | `signals` | | a route for what vendors report about users, such as a deleted account: `signal_route` |
//! | `metrics` | | a counter of sign-ins |

mod authorize_callback;
mod routes;

pub use authorize_callback::{AuthorizeCallbackError, AuthorizedCallback};
pub use oauth_core;
pub use oauth_web;
#[cfg(feature = "signals")]
pub use oauth_web::SignalEndpoint;
#[cfg(feature = "openid")]
pub use oauth_web::oauth_openid;
pub use oauth_web::{
    ForwardedHeaders, OAuth2AuthorizeCallback, ResolveError, Routes, SetupError, SignIn, SignInError,
    SignInErrorKind, SignInRequest,
};
pub use routes::{SignInRoutes, SignedIn};

/// The route of a [`SignalEndpoint`], for the path that is registered at the vendor, such as
/// `Router::new().route("/signals/apple", signal_route(endpoint))`. No cookie comes with it, and no middleware may change the body before it, or
/// demand a login.
#[cfg(feature = "signals")]
pub fn signal_route<S>(endpoint: SignalEndpoint) -> axum::routing::MethodRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    axum::routing::any(async move |request: axum::extract::Request| endpoint.receive(request).await)
}
