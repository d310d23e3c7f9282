//! Why a request with a token was not sent, or not answered.

use reqwest::Response;

use crate::error::TokenError;

/// Why a request was not sent, or was not answered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// There is no live token.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The token cannot be presented: it is not a bearer token and no participant presents it, or a participant refuses to.
    #[error(transparent)]
    TokenType(oauth_core::Error),
    /// The token may not go to this host.
    #[error("the token must not go to {host}; add the host to the list if it should")]
    HostNotListed {
        /// The host of the request.
        host: String,
    },
    /// The token may not go over plain http.
    #[error("the token must not go to {host} over plain http; use https")]
    PlainHttp {
        /// The host of the request.
        host: String,
    },
    /// The text is not a host.
    #[error("{host:?} is not a host; write it as in a URL, such as api.example.com or api.example.com:8443")]
    InvalidHost {
        /// What was given.
        host: String,
    },
    /// The request has an `Authorization` header already.
    #[error("the request has an Authorization header of its own; leave it to the token manager")]
    AlreadyAuthorized,
    /// The API wants the request once more, such as with the nonce that it has just given (RFC 9449 section 9), and its body is a
    /// stream that is gone. Build the request again and send it: what the API asked for is known by now.
    #[error("the API wants the request sent again, and its body cannot be; build it again and send it")]
    SendAgain {
        /// The API's reply.
        reply: Box<Response>,
    },
    /// The HTTP client has followed a redirect with a proof of possession, which was for another URL (RFC 9449 section 4.3). Switch
    /// redirects off.
    #[error(
        "the HTTP client followed a redirect to {host} with a proof for another URL; build it with redirects switched off"
    )]
    Redirected {
        /// The host that the reply came from.
        host: String,
    },
    /// The request names no key, and the middleware has none of its own.
    #[error("the request has no token key; give it one with `with_extension(key)`")]
    NoKey,
    /// The request could not be sent, or no reply came. It does not show the URL.
    #[error("the request failed: {0}")]
    Http(reqwest::Error),
}
