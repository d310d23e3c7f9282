//! hyper as the HTTP client of [`oauth_core`] and all provider crates, for programs that exchange tokens in bulk.
//!
//! [`HyperClient`] takes less processor time for each request than the default client, and reads nothing from the environment, proxies
//! included.
//!
//! ```
//! use oauth_core::{OAuth2, Provider};
//! use oauth_hyper::HyperClient;
//!
//! # fn f() -> Result<(), oauth_core::Error> {
//! // Or a client of a provider crate, such as `GitHubOAuth2`.
//! let client = OAuth2::new("CLIENT_ID", "CLIENT_SECRET", "https://as.example/authorize", "https://as.example/token")
//!     .with_http_client(HyperClient::new()?);
//! # Ok(())
//! # }
//! ```
//!
//! | to | write |
//! | --- | --- |
//! | trust a private authority besides the system's | `HyperClient::with_tls(tls_trusting([authority])?)` |
//! | show a client certificate | `HyperClient::with_tls(with_client_certificate(tls_defaults()?, chain, key)?)` |
//!
//! This crate follows the version of rustls, which is part of its API. `oauth-core` and the provider crates are not bound to it. With
//! `default-features = false` on the provider crates, hyper is the only HTTP client that is built.

#![forbid(unsafe_code)]

mod client;
mod tls;

pub use client::HyperClient;
pub use oauth_core;
pub use rustls;
#[cfg(not(target_os = "android"))]
pub use tls::tls_trusting;
pub use tls::{tls_defaults, with_client_certificate};
