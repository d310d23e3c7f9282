//! Ordinary requests that go out with a key's token.

mod hosts;
#[cfg(feature = "reqwest-middleware")]
mod middleware;

use std::sync::Arc;

use http_auth::ChallengeParser;
use oauth_core::{
    AfterReply, OAuth2, OAuth2Token, RequestDraft,
    bytes::Bytes,
    http::{Response as HttpResponse, StatusCode, header},
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
/// Where the provider's client has [participants](oauth_core::Participant), they take part in these requests too: a token that is bound
/// by DPoP goes out with a proof, and a request that lacked the API's nonce is sent once more (RFC 9449 section 9).
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
    pub async fn execute(&self, request: Request) -> Result<Response, RequestError> {
        let (mut request, mut attempt) = self.tokens.authorize(&self.key, request).await?;
        loop {
            let reply = self.http.execute(request).await;
            let reply = reply.map_err(|error| RequestError::Http(error.without_url()))?;
            match self.tokens.authorize_again(&self.key, &mut attempt, &reply).await {
                Some(again) => request = again,
                None => return Ok(reply),
            }
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

/// A request that was sent, and what it takes to send it again.
struct Attempt {
    /// The request without authorization; `None` if its body cannot be sent again.
    request: Option<Request>,
    token: Arc<OAuth2Token>,
    /// The client that the token was issued to, whose participants take part.
    client: Option<OAuth2>,
    /// The request as the participants completed it.
    sent: Option<RequestDraft>,
    /// Whether it was sent once more because a participant said so.
    is_repetition: bool,
    /// Whether it was sent once more with another token.
    has_new_token: bool,
}

impl Authorizer {
    async fn authorize(
        &self,
        key: &TokenKey,
        mut request: Request,
    ) -> Result<(Request, Attempt), RequestError> {
        self.hosts.check(request.url())?;
        if request.headers().contains_key(header::AUTHORIZATION) {
            return Err(RequestError::AlreadyAuthorized);
        }
        let token = self.manager.get_token(key).await?;
        // A source that cannot be looked up right now must not keep a live token from being used.
        let source = self.manager.0.source(key).await.ok();
        let mut attempt = Attempt {
            request: request.try_clone(),
            token,
            client: source.and_then(|source| source.tokens.client(key).cloned()),
            sent: None,
            is_repetition: false,
            has_new_token: false,
        };
        attempt.present(&mut request).await?;
        Ok((request, attempt))
    }

    /// The request as it is to be sent once more, if the reply asks for that and it can be: because a participant says so, or with
    /// another token because the reply rejects this one.
    async fn authorize_again(
        &self,
        key: &TokenKey,
        attempt: &mut Attempt,
        reply: &Response,
    ) -> Option<Request> {
        if attempt.is_asked_for_again(reply).await {
            attempt.is_repetition = true;
            return attempt.again().await;
        }
        if attempt.has_new_token || !self.is_rejection(reply) {
            return None;
        }
        // Also where this request cannot be sent again: the next one should succeed.
        let rejected = attempt.token.access_token();
        let fresh = self.manager.token_after_rejection(key, rejected).await.ok()?;
        if fresh.access_token() == rejected {
            return None;
        }
        attempt.token = fresh;
        attempt.has_new_token = true;
        attempt.is_repetition = false;
        attempt.again().await
    }

    fn is_rejection(&self, reply: &Response) -> bool {
        if reply.status() != StatusCode::UNAUTHORIZED {
            return false;
        }
        let challenges = reply.headers().get_all(header::WWW_AUTHENTICATE).into_iter();
        let says_invalid_token = challenges
            .filter_map(|value| value.to_str().ok())
            .flat_map(|text| ChallengeParser::new(text).map_while(Result::ok))
            // RFC 6750 section 3, RFC 9449 section 7.1.
            .filter(|challenge| {
                ["Bearer", "DPoP"].iter().any(|scheme| challenge.scheme.eq_ignore_ascii_case(scheme))
            })
            .flat_map(|challenge| challenge.params)
            .any(|(name, value)| {
                name.eq_ignore_ascii_case("error") && value.to_unescaped() == "invalid_token"
            });
        says_invalid_token || self.distrusts_any_401
    }
}

impl Attempt {
    /// Puts the token into a request, by the client's participants if there are any.
    async fn present(&mut self, request: &mut Request) -> Result<(), RequestError> {
        let Some(client) = &self.client else { return set_bearer(request, &self.token) };
        let (method, headers) = (request.method().clone(), request.headers().clone());
        let url = request.url().as_str();
        let draft = client.authorize_api_request(&self.token, method, url, headers, self.is_repetition).await;
        let draft = draft.map_err(RequestError::TokenType)?;
        *request.headers_mut() = draft.headers().clone();
        self.sent = Some(draft);
        Ok(())
    }

    /// Whether a participant has the request sent once more.
    async fn is_asked_for_again(&self, reply: &Response) -> bool {
        let (Some(client), Some(sent)) = (&self.client, &self.sent) else { return false };
        // Participants read the status and the headers; the body is the caller's.
        let mut head = HttpResponse::new(Bytes::new());
        *head.status_mut() = reply.status();
        *head.headers_mut() = reply.headers().clone();
        client.after_api_reply(sent, self.is_repetition, &head).await == AfterReply::SendAgain
    }

    async fn again(&mut self) -> Option<Request> {
        let kept = self.request.take()?;
        let mut request = kept.try_clone()?;
        self.request = Some(kept);
        self.present(&mut request).await.ok()?;
        Some(request)
    }
}

fn set_bearer(request: &mut Request, token: &OAuth2Token) -> Result<(), RequestError> {
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
