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

mod providers;
mod registry;

pub use oauth_core;
pub use oauth_core::*;
#[cfg(feature = "tokens")]
pub use oauth_tokens as tokens;
#[allow(
    unreachable_pub,
    unused_imports,
    reason = "there is nothing in it when no provider is switched on"
)]
pub use providers::*;
pub use registry::{Registry, RegistryConfig, RegistryEntry};
