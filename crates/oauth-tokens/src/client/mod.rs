//! Ordinary requests that go out with a key's token.

mod hosts;
#[cfg(feature = "reqwest-middleware")]
mod middleware;

use std::sync::Arc;

use http_auth::ChallengeParser;
use oauth_core::{
    OAuth2Token,
    http::{StatusCode, header},
    is_sendable,
};
use reqwest::{Request, RequestBuilder, Response, header::HeaderValue};

use crate::{error::Error, key::TokenKey, manager::TokenManager};

pub use hosts::Hosts;
#[cfg(feature = "reqwest-middleware")]
pub use middleware::TokenMiddleware;

/// Sends requests of `reqwest` with the token of one key.
///
/// The token goes to the listed hosts only, over https, or over plain http to this machine. When the API answers 401 with
/// `invalid_token` (RFC 6750 section 3.1), the token is refreshed once, and the request sent again if its body can be:
/// that of a stream cannot.
///
/// ```
/// use oauth_tokens::{AuthorizedClient, Hosts, TokenKey, TokenManager};
///
/// # async fn f(tokens: TokenManager) -> Result<(), Box<dyn std::error::Error>> {
/// let http = oauth_reqwest::reqwest_client(|defaults| defaults)?;
/// let hosts = Hosts::new(["www.googleapis.com"])?;
/// let google = AuthorizedClient::new(http.clone(), tokens, TokenKey::new("google", "user-17"), hosts);
/// let reply = google.send(http.get("https://www.googleapis.com/drive/v3/files")).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct AuthorizedClient {
    http: reqwest::Client,
    key: TokenKey,
    tokens: Authorizer,
}

/// Why a request was not sent, or was not answered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// There is no live token.
    #[error(transparent)]
    Token(#[from] Error),
    /// The token cannot be sent by `Authorization: Bearer`.
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
    /// The request names no key, and the middleware has none of its own.
    #[error("the request has no token key; give it one with `with_extension(key)`")]
    NoKey,
    /// The request could not be sent, or no reply came. It does not show the URL.
    #[error("the request failed: {0}")]
    Http(reqwest::Error),
}

impl AuthorizedClient {
    /// A client that sends this key's token to these hosts, by a `reqwest::Client` or what `oauth_reqwest::reqwest_client` gives.
    #[must_use]
    pub fn new(http: impl Into<reqwest::Client>, tokens: TokenManager, key: TokenKey, hosts: Hosts) -> Self {
        Self {
            http: http.into(),
            key,
            tokens: Authorizer { manager: tokens, hosts, distrusts_any_401: false },
        }
    }

    /// Takes every 401 as a rejection of the token, for APIs that do not say `invalid_token`, such as GitHub's.
    #[must_use]
    pub fn refresh_on_any_401(mut self) -> Self {
        self.tokens.distrusts_any_401 = true;
        self
    }

    /// Sends a request with the token, and returns the reply whatever its status.
    ///
    /// # Errors
    ///
    /// A [`RequestError`] that says why the request was not sent, or why no reply came.
    pub async fn send(&self, request: RequestBuilder) -> Result<Response, RequestError> {
        self.execute(request.build().map_err(|error| RequestError::Http(error.without_url()))?).await
    }

    /// Sends a request that is already built, as [`send`](Self::send) does.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub async fn execute(&self, mut request: Request) -> Result<Response, RequestError> {
        let token = self.tokens.authorize(&self.key, &mut request).await?;
        let again = request.try_clone();
        let send = |request| async {
            self.http.execute(request).await.map_err(|error| RequestError::Http(error.without_url()))
        };
        let reply = send(request).await?;
        match self.tokens.authorize_again(&self.key, &token, &reply, again).await {
            Some(request) => send(request).await,
            None => Ok(reply),
        }
    }
}

/// What the client and the middleware have in common.
#[derive(Clone, Debug)]
struct Authorizer {
    manager: TokenManager,
    hosts: Hosts,
    distrusts_any_401: bool,
}

impl Authorizer {
    async fn authorize(
        &self,
        key: &TokenKey,
        request: &mut Request,
    ) -> Result<Arc<OAuth2Token>, RequestError> {
        self.hosts.check(request.url())?;
        if request.headers().contains_key(header::AUTHORIZATION) {
            return Err(RequestError::AlreadyAuthorized);
        }
        let token = self.manager.get(key).await?;
        set(request, &token)?;
        Ok(token)
    }

    /// The request with another token, if the reply rejects the first one and the request can be sent again.
    async fn authorize_again(
        &self,
        key: &TokenKey,
        token: &OAuth2Token,
        reply: &Response,
        again: Option<Request>,
    ) -> Option<Request> {
        if !self.is_rejection(reply) {
            return None;
        }
        // Also where this request cannot be sent again: the next one should succeed.
        let fresh = self.manager.get_after_rejection(key, token.access_token()).await.ok()?;
        let mut again = again.filter(|_| fresh.access_token() != token.access_token())?;
        set(&mut again, &fresh).ok()?;
        Some(again)
    }

    fn is_rejection(&self, reply: &Response) -> bool {
        if reply.status() != StatusCode::UNAUTHORIZED {
            return false;
        }
        let challenges = reply.headers().get_all(header::WWW_AUTHENTICATE).into_iter();
        let says_invalid_token = challenges
            .filter_map(|value| value.to_str().ok())
            .flat_map(|text| ChallengeParser::new(text).map_while(Result::ok))
            .filter(|challenge| challenge.scheme.eq_ignore_ascii_case("Bearer"))
            .flat_map(|challenge| challenge.params)
            .any(|(name, value)| {
                name.eq_ignore_ascii_case("error") && value.to_unescaped() == "invalid_token"
            });
        says_invalid_token || self.distrusts_any_401
    }
}

fn set(request: &mut Request, token: &OAuth2Token) -> Result<(), RequestError> {
    let bearer = token.bearer().map_err(RequestError::TokenType)?;
    let value = HeaderValue::try_from(format!("Bearer {bearer}")).ok().filter(|_| is_sendable(bearer));
    let mut value = value.ok_or_else(|| {
        RequestError::TokenType(oauth_core::Error::configuration(
            "oauth2",
            "the access token has characters that no header can carry",
        ))
    })?;
    value.set_sensitive(true);
    request.headers_mut().insert(header::AUTHORIZATION, value);
    Ok(())
}
