//! The Fetch API as the HTTP client of [`oauth_core`] and all provider crates: for edge workers and browsers, on
//! `wasm32-unknown-unknown`.
//!
//! ```toml
//! [dependencies]
//! oauth-fetch = "0.1"
//! oauth-github = { version = "0.1", default-features = false }
//! ```
//!
//! ```
//! use oauth_core::{OAuth2, Provider};
//! use oauth_fetch::FetchClient;
//!
//! // Or a client of a provider crate, such as `GitHubOAuth2`.
//! let client = OAuth2::new("CLIENT_ID", "CLIENT_SECRET", "https://as.example/authorize", "https://as.example/token")
//!     .with_http_client(FetchClient::new());
//! ```
//!
//! It calls the global function `fetch`, which Cloudflare Workers, Deno, Node.js, browsers and their service workers have. For an OpenID
//! Connect provider that is discovered, give it to `Discovery::with_http_client` too.
//!
//! The crate needs nothing but JavaScript: random bytes are those of `crypto.getRandomValues`, and the time is that of `Date`.
//!
//! # On other targets
//!
//! The crate compiles there, so that one program can be built for several; what is sent fails with an error that says why. Give such a
//! program another client where there is no `fetch`.

#![forbid(unsafe_code)]

mod client;
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
mod js;
#[cfg(any(test, all(target_family = "wasm", target_os = "unknown")))]
mod redaction;

pub use client::FetchClient;
pub use oauth_core;
