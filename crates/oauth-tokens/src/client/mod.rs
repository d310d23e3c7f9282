//! Ordinary requests that go out with a key's token.

mod hosts;
#[cfg(feature = "reqwest-middleware")]
mod middleware;

use std::sync::Arc;

use oauth_core::{
    AfterReply, Challenge, ErrorKind, OAuth2, OAuth2Token, RequestDraft,
    bytes::Bytes,
    http::{Response as HttpResponse, StatusCode, header},
    is_sendable,
};
use reqwest::{Request, RequestBuilder, Response, Url, header::HeaderValue};

use crate::{access_token_request::AccessTokenRequest, error::Error, key::TokenKey, manager::TokenManager};

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
/// by DPoP goes out with a proof, and a request that lacked the API's nonce is sent once more (RFC 9449 section 9). A token that is bound
/// to a key or a certificate that the client no longer has is replaced before anything is sent.
///
/// Switch redirects off in the HTTP client, as `oauth_reqwest::reqwest_client` does: `reqwest` would carry a proof on to wherever the
/// API sends it. A reply that came by a redirect of such a request is an error.
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
    wanted: AccessTokenRequest,
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

impl AuthorizedClient {
    /// A client that sends this key's token to these hosts, by a `reqwest::Client` or what `oauth_reqwest::reqwest_client` gives.
    #[must_use]
    pub fn new(http: impl Into<reqwest::Client>, tokens: TokenManager, key: TokenKey, hosts: Hosts) -> Self {
        Self {
            http: http.into(),
            key,
            wanted: AccessTokenRequest::new(),
            tokens: Authorizer { manager: tokens, hosts, distrusts_any_401: false },
        }
    }

    /// Sends another access token of the grant: for other scopes, another resource or another audience, as
    /// [`TokenManager::get_for`] gets it.
    #[must_use]
    pub fn with_access_token(mut self, wanted: AccessTokenRequest) -> Self {
        self.wanted = wanted;
        self
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
        let (mut request, mut attempt) = self.tokens.authorize(&self.key, &self.wanted, request).await?;
        loop {
            let reply = self.http.execute(request).await;
            let reply = reply.map_err(|error| RequestError::Http(error.without_url()))?;
            match self.tokens.next(&self.key, &mut attempt, reply).await? {
                Next::Request(again) => request = *again,
                Next::Done(reply) => return Ok(*reply),
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
    url: Url,
    wanted: AccessTokenRequest,
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
        wanted: &AccessTokenRequest,
        mut request: Request,
    ) -> Result<(Request, Attempt), RequestError> {
        self.hosts.check(request.url())?;
        if request.headers().contains_key(header::AUTHORIZATION) {
            return Err(RequestError::AlreadyAuthorized);
        }
        let token = self.manager.token_for(key, wanted).await?;
        // A source that cannot be looked up right now must not keep a live token from being used.
        let source = self.manager.0.source(key).await.ok();
        let mut attempt = Attempt {
            url: request.url().clone(),
            wanted: wanted.clone(),
            request: request.try_clone(),
            token,
            client: source.and_then(|source| source.tokens.client(key).cloned()),
            sent: None,
            is_repetition: false,
            has_new_token: false,
        };
        match attempt.present(&mut request).await {
            Err(RequestError::TokenType(error)) if matches!(error.kind(), ErrorKind::Binding(_)) => {
                // The client has another key or certificate now than the token is bound to.
                if !self.renew(key, &mut attempt).await? {
                    return Err(RequestError::TokenType(error));
                }
                attempt.present(&mut request).await?;
            }
            outcome => outcome?,
        }
        Ok((request, attempt))
    }

    /// What comes after a reply: the request once more, if the reply asks for that and it can be sent again, or the end.
    async fn next(
        &self,
        key: &TokenKey,
        attempt: &mut Attempt,
        reply: Response,
    ) -> Result<Next, RequestError> {
        if attempt.was_redirected(&reply) {
            let host = reply.url().host_str().unwrap_or_default().to_owned();
            return Err(RequestError::Redirected { host });
        }
        match self.authorize_again(key, attempt, &reply).await {
            Again::With(request) => Ok(Next::Request(request)),
            Again::No => Ok(Next::Done(Box::new(reply))),
            Again::Impossible => Err(RequestError::SendAgain { reply: Box::new(reply) }),
        }
    }

    /// The request as it is to be sent once more: because a participant says so, or with another token because the reply rejects this
    /// one.
    async fn authorize_again(&self, key: &TokenKey, attempt: &mut Attempt, reply: &Response) -> Again {
        if attempt.is_asked_for_again(reply).await {
            attempt.is_repetition = true;
            return match attempt.request {
                Some(_) => attempt.again().await,
                None => Again::Impossible,
            };
        }
        if attempt.has_new_token || !self.is_rejection(reply) {
            return Again::No;
        }
        // Also where this request cannot be sent again: the next one should succeed.
        match self.renew(key, attempt).await {
            Ok(true) => attempt.again().await,
            _ => Again::No,
        }
    }

    /// Gets another token in place of one that is not accepted; says whether there is one.
    async fn renew(&self, key: &TokenKey, attempt: &mut Attempt) -> Result<bool, Error> {
        let rejected = attempt.token.access_token().to_owned();
        let wanted = attempt.wanted.clone().after_rejection(rejected.as_str());
        let fresh = self.manager.token_for(key, &wanted).await?;
        if fresh.access_token() == rejected {
            return Ok(false);
        }
        attempt.token = fresh;
        attempt.has_new_token = true;
        attempt.is_repetition = false;
        Ok(true)
    }

    fn is_rejection(&self, reply: &Response) -> bool {
        if reply.status() != StatusCode::UNAUTHORIZED {
            return false;
        }
        let challenges = Challenge::all(reply.headers());
        let mut challenges = challenges.iter().filter(|challenge| challenge.is_for_tokens());
        let says_invalid_token = challenges.any(|challenge| challenge.error() == Some("invalid_token"));
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

    /// Whether the reply came by a redirect that a proof was carried on by.
    fn was_redirected(&self, reply: &Response) -> bool {
        let has_proof = self.sent.as_ref().is_some_and(|sent| sent.headers().contains_key(PROOF));
        has_proof && reply.url().as_str().split('#').next() != self.url.as_str().split('#').next()
    }

    async fn again(&mut self) -> Again {
        let Some(mut request) = self.request.as_ref().and_then(Request::try_clone) else { return Again::No };
        match self.present(&mut request).await {
            Ok(()) => Again::With(Box::new(request)),
            Err(_) => Again::No,
        }
    }
}

/// Whether a request is to be sent once more.
enum Again {
    With(Box<Request>),
    No,
    /// It should be, and its body is gone.
    Impossible,
}

/// What to do with a reply.
enum Next {
    Request(Box<Request>),
    Done(Box<Response>),
}

/// The header of a proof of possession (RFC 9449 section 4.1).
const PROOF: &str = "dpop";

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
