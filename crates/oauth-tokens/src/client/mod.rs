//! Ordinary requests that go out with a key's token.

mod authorizer;
mod hosts;
#[cfg(feature = "reqwest-middleware")]
mod middleware;
mod request_error;

use reqwest::{Request, RequestBuilder, Response};

use crate::{access_token_request::AccessTokenRequest, key::TokenKey, manager::TokenManager};

use authorizer::{NextStep, RequestAuthorizer};

pub use hosts::Hosts;
#[cfg(feature = "reqwest-middleware")]
pub use middleware::TokenMiddleware;
pub use request_error::RequestError;

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
    tokens: RequestAuthorizer,
}

impl AuthorizedClient {
    /// A client that sends this key's token to these hosts, by a `reqwest::Client` or what `oauth_reqwest::reqwest_client` gives.
    #[must_use]
    pub fn new(http: impl Into<reqwest::Client>, tokens: TokenManager, key: TokenKey, hosts: Hosts) -> Self {
        Self {
            http: http.into(),
            key,
            wanted: AccessTokenRequest::new(),
            tokens: RequestAuthorizer { manager: tokens, hosts, distrusts_any_401: false },
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
        let (mut request, mut sent) = self.tokens.authorize(&self.key, &self.wanted, request).await?;
        loop {
            let reply = self.http.execute(request).await;
            let reply = reply.map_err(|error| RequestError::Http(error.without_url()))?;
            match self.tokens.next(&self.key, &mut sent, reply).await? {
                NextStep::Request(again) => request = *again,
                NextStep::Done(reply) => return Ok(*reply),
            }
        }
    }
}
