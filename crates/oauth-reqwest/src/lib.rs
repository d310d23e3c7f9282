//! `reqwest` as the HTTP client of [`oauth_core`] and all provider crates: your own client, a proxy, a private authority, a client
//! certificate.
//!
//! The providers have an HTTP client without this crate. It is for those who want to change something about it:
//!
//! ```
//! use std::time::Duration;
//!
//! use oauth_core::{OAuth2, Provider};
//! use oauth_reqwest::{reqwest, reqwest_client};
//!
//! # fn f() -> Result<(), Box<dyn std::error::Error>> {
//! let proxy = reqwest::Proxy::all("http://proxy.example:3128")?;
//! // Or a client of a provider crate, such as `GitHubOAuth2`.
//! let client = OAuth2::new("CLIENT_ID", "CLIENT_SECRET", "https://as.example/authorize", "https://as.example/token")
//!     .with_http_client(reqwest_client(|defaults| defaults.proxy(proxy).timeout(Duration::from_secs(5)))?);
//! # Ok(())
//! # }
//! ```
//!
//! | to | write |
//! | --- | --- |
//! | go through a proxy, change time limits, headers, name resolution | `reqwest_client(\|defaults\| defaults.proxy(proxy))?` |
//! | trust a private authority besides the system's | `ReqwestClient::with_tls(tls_trusting([authority])?)?` |
//! | show a client certificate | `ReqwestClient::with_tls(with_client_certificate(tls_defaults()?, chain, key)?)?` |
//! | use a client that you have | `ReqwestClient::from(client)` |
//! | use middleware | `MiddlewareClient::from(client)`, with the feature `middleware` |
//!
//! Each of them goes into `with_http_client` of a provider, or of `Discovery` where an OpenID Connect provider is discovered first.
//!
//! This crate follows the versions of reqwest and rustls, which are part of its API. `oauth-core` and the provider crates are not
//! bound to them.
//!
//! # Features
//!
//! | feature | default | what it does |
//! | --- | --- | --- |
//! | `rustls-ring` | yes | TLS of [`reqwest_client`] by rustls on ring, and `tls_trusting`, `tls_defaults`, `with_client_certificate` |
//! | `rustls-aws-lc-rs` | | by rustls on aws-lc-rs, set up by reqwest |
//! | `native-tls` | | by the operating system's library, set up by reqwest |
//! | `fips` | | TLS by rustls, and the cryptography of oauth-core, by the FIPS module of aws-lc-rs, whatever else is on; it takes CMake and Go to build |
//! | `middleware` | | `MiddlewareClient` |

#![forbid(unsafe_code)]

mod client;
mod exchange;
#[cfg(feature = "middleware")]
mod middleware;
#[cfg(feature = "rustls-ring")]
mod tls;

pub use client::{ReqwestClient, reqwest_client};
#[cfg(feature = "middleware")]
pub use middleware::MiddlewareClient;
pub use oauth_core;
pub use reqwest;
#[cfg(feature = "middleware")]
pub use reqwest_middleware;
#[cfg(feature = "rustls-ring")]
pub use rustls;
#[cfg(all(feature = "rustls-ring", not(target_os = "android")))]
pub use tls::tls_trusting;
#[cfg(feature = "rustls-ring")]
pub use tls::{tls_defaults, with_client_certificate};
