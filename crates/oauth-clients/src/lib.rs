//! Sign users in with OAuth 2.0 and OpenID Connect providers, one feature per provider.
//!
//! ```toml
//! [dependencies]
//! oauth-clients = { version = "0.1", features = ["github", "google"] }
//! ```
//!
#![cfg_attr(feature = "github", doc = "```")]
#![cfg_attr(not(feature = "github"), doc = "```ignore")]
//! use oauth_clients::{Callback, LoginOptions, Provider, github::GitHubOAuth2};
//!
//! # async fn f() -> Result<(), oauth_clients::Error> {
//! let github = GitHubOAuth2::new("CLIENT_ID", "CLIENT_SECRET");
//!
//! // Send the browser to `started.url`; keep `started.attempt` in this browser's session.
//! let started = github.start_login("https://app.example/callback", LoginOptions::new()).await?;
//!
//! // When the browser comes back with `?code=…&state=…`:
//! let callback = Callback::from_query("code=…&state=…");
//! let login = github.finish_login(started.attempt, callback).await?;
//! let user = github.get_identity(&login.token).await?;
//! # Ok(())
//! # }
//! ```
//!
//! Each provider is a module of its feature's name; `all` switches all on. [`Registry`] makes providers from a
//! configuration file. The feature `tokens` has the module `tokens`, which is `oauth_tokens`: what keeps the tokens after the
//! login. Everything else is [`oauth_core`].
//!
//! To change the HTTP client (a proxy, a private authority, a client certificate, one of your own), there is `oauth_reqwest` with
//! `reqwest_client`, by the feature `reqwest`, which is on by default; `hyper` has `oauth_hyper` with `HyperClient`, and
//! `reqwest-middleware` the client with middleware.

mod providers;
mod registry;

pub use oauth_core;
pub use oauth_core::*;
#[cfg(feature = "hyper")]
pub use oauth_hyper::{self, HyperClient};
#[cfg(feature = "reqwest")]
pub use oauth_reqwest;
#[cfg(feature = "reqwest")]
pub use oauth_reqwest::*;
#[cfg(feature = "tokens")]
pub use oauth_tokens as tokens;
#[allow(
    unreachable_pub,
    unused_imports,
    reason = "there is nothing in it when no provider is switched on"
)]
pub use providers::*;
pub use registry::{Registry, RegistryConfig, RegistryEntry};
