//! The HTTP client of all who do not give one.
//!
//! It is reqwest's, but nothing of reqwest is public here: that is in `oauth-reqwest`, so that a new major version of reqwest is not a
//! new major version of this crate and of all that build on it. That is why the two crates have some lines in common.

use std::sync::Arc;

use crate::{
    error::{Error, Result},
    http_client::HttpClient,
};

/// The HTTP client that all providers share unless told otherwise, for those who wrap it: a recorder, a counter, a cache.
///
/// It connects within [`CONNECT_TIMEOUT`](crate::CONNECT_TIMEOUT), ends a request after
/// [`REQUEST_TIMEOUT`](crate::REQUEST_TIMEOUT), follows no redirects, reads at most [`MAX_REPLY_BYTES`](crate::MAX_REPLY_BYTES), and
/// takes the proxies of the environment, but not to reach this machine. Its connections live on the current Tokio runtime, so ask for
/// it where it is going to be used.
///
/// # Errors
///
/// A configuration error when the feature `reqwest` or all features for TLS are off, or the system has no root certificates.
pub fn default_http_client() -> Result<Arc<dyn HttpClient>> {
    shared().map_err(|problem| Error::configuration("oauth2", problem))
}

#[cfg(feature = "reqwest")]
pub(crate) use on_reqwest::{OfRuntime, build, of_runtime, shared};

/// Without an HTTP library there is no default.
#[cfg(not(feature = "reqwest"))]
pub(crate) fn shared() -> Result<Arc<dyn HttpClient>, String> {
    Err("no HTTP client: give one with with_http_client, or switch on the feature `reqwest` of oauth-core"
        .to_owned())
}

#[cfg(feature = "reqwest")]
mod on_reqwest;
#[cfg(feature = "rustls-ring")]
mod tls;
