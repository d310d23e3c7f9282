//! A backend for browser applications (backend for frontend): it signs users in, keeps their tokens on the server, and calls APIs for the
//! pages with them, so that no script in the browser ever sees a token.
//!
//! ```
//! use std::sync::Arc;
//!
//! use oauth_bff::{Bff, Routes, SignIn, Upstream};
//! use oauth_core::{OAuth2, Provider, Sealer, SealingKey};
//! use oauth_tokens::{MemoryStore, TokenManager};
//!
//! # fn f() -> Result<(), Box<dyn std::error::Error>> {
//! let acme = OAuth2::new("CLIENT_ID", "CLIENT_SECRET", "https://as.example/authorize", "https://as.example/token")
//!     .with_refresh_endpoint("https://as.example/token")
//!     .with_profile_endpoint("https://as.example/me")
//!     .with_name("acme");
//! let sealer = Sealer::new(SealingKey::from_base64(&std::env::var("SEALING_KEY")?)?);
//!
//! let tokens = TokenManager::builder(MemoryStore::new(), sealer.clone()).provider(Arc::new(acme.clone())).build()?;
//! let sign_in = SignIn::new(sealer).at("https://app.example")?.provider(acme)?;
//!
//! // `oauth_reqwest::reqwest_client` makes a client that follows no redirects.
//! let http = oauth_reqwest::reqwest_client(|defaults| defaults)?;
//! let bff = Bff::new("/bff", Routes::new(sign_in), tokens, http)?
//!     .upstream("orders", Upstream::new("https://orders.example/v2")?)?;
//! # Ok(())
//! # }
//! ```
//!
//! [`Bff`] is a tower service, which axum, hyper and warp can serve; [`Bff::answer`] is the same without one, for any framework with the
//! types of the [`http`] crate. The page that is served beside it, from the same origin, calls it with `fetch`:
//!
//! ```js
//! const orders = await fetch("/bff/api/orders/open?limit=10", { headers: { "x-csrf": "1" } });
//! ```
//!
//! # What it answers
//!
//! | request | answer |
//! | --- | --- |
//! | `GET /bff/{provider}/login` | 303 to the provider, and all other routes of [`Routes`] |
//! | `GET`, `POST /bff/{provider}/callback` | the session's cookie, and 303 to `return_to`, or a page that closes the popup |
//! | `GET /bff/session` | `{"signed_in": true, "user": {…}, "expires_at": 1767225600}`, or `{"signed_in": false}` |
//! | `POST /bff/logout` | 204; the session is over |
//! | any `/bff/api/{upstream}/{path}` | what the API at [`Upstream`] answers to the same request with the user's access token |
//!
//! So no provider can be named `api`; rename it with `with_name`.
//!
//! # What keeps others out
//!
//! - The session's cookie is encrypted, `HttpOnly`, `SameSite=Strict`, and on https `Secure` and `__Host-`. It holds the session's id, the
//!   user's [`TokenKey`](oauth_tokens::TokenKey) and what [`NewSession`] says about the user, never a token.
//! - All routes but those of the sign-in need the header `x-csrf: 1`. A page of another origin cannot send it without asking first (CORS), which is
//!   never allowed. Where the browser says where a request comes from (`Sec-Fetch-Site`, `Origin`), it must be this origin.
//! - A token goes to listed upstreams only. Paths that could lead elsewhere, such as `..`, `//`, `%2f` and what becomes that when it is decoded
//!   again, are refused. Redirects are not followed.
//! - Of the browser's headers, those that describe content go on, and no cookie, no `Authorization` and none about the connection. Of
//!   the API's, likewise: `Set-Cookie` and the headers of CORS do not reach the browser.
//! - Bodies have limits and times, and WebSockets are refused.
//!
//! An answer of its own that is not a success is JSON such as `{"error": "no_session"}`, and has the header `x-bff-error` with the same code, which
//! no API can set: see [`BffError::code`].

#![forbid(unsafe_code)]

mod bff;
mod body;
mod error;
mod events;
mod guard;
mod proxy;
mod routes;
mod session;
mod sessions;
mod setup;
mod target;
pub mod telemetry;
mod upstream;

pub use bff::Bff;
pub use body::BffBody;
pub use error::BffError;
pub use oauth_core;
pub use oauth_tokens;
pub use oauth_web;
pub use oauth_web::{Routes, SetupError, SignIn, SignedIn};
pub use session::{NewSession, SameSite, Session};
pub use setup::BffSetupError;
pub use upstream::Upstream;
