//! The client as a middleware of `reqwest_middleware`.

use oauth_core::{async_trait, http::Extensions};
use reqwest::{Request, Response};
use reqwest_middleware::{Error, Middleware, Next, Result};

use super::{
    authorizer::{NextStep, RequestAuthorizer},
    hosts::Hosts,
    request_error::RequestError,
};
use crate::{access_token_request::AccessTokenRequest, key::TokenKey, manager::TokenManager};

/// Adds the token of a key to requests, as a middleware of `reqwest_middleware`. It does what
/// [`AuthorizedClient`](crate::AuthorizedClient) does.
///
/// Each request names its key by `with_extension(key)`, unless the middleware has one of its own; and by
/// `with_extension(request)` another access token of the grant, as [`AccessTokenRequest`] describes it. A request without a key,
/// or to a host that is not listed, is not sent: its error holds a [`RequestError`]. Middlewares that come after this one
/// see the token.
#[derive(Clone, Debug)]
pub struct TokenMiddleware {
    key: Option<TokenKey>,
    tokens: RequestAuthorizer,
}

impl TokenMiddleware {
    /// A middleware that sends the tokens of the keys that the requests name, to these hosts.
    #[must_use]
    pub fn new(tokens: TokenManager, hosts: Hosts) -> Self {
        Self { key: None, tokens: RequestAuthorizer { manager: tokens, hosts, distrusts_any_401: false } }
    }

    /// Uses this key's token for requests that name none.
    #[must_use]
    pub fn with_key(mut self, key: TokenKey) -> Self {
        self.key = Some(key);
        self
    }

    /// Takes every 401 as a rejection of the token, for APIs that do not say `invalid_token`, such as GitHub's.
    #[must_use]
    pub fn refresh_on_any_401(mut self) -> Self {
        self.tokens.distrusts_any_401 = true;
        self
    }
}

#[async_trait]
impl Middleware for TokenMiddleware {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> Result<Response> {
        let key = extensions.get::<TokenKey>().cloned().or_else(|| self.key.clone());
        let key = key.ok_or(RequestError::NoKey).map_err(Error::middleware)?;
        let wanted = extensions.get::<AccessTokenRequest>().cloned().unwrap_or_default();
        let authorized = self.tokens.authorize(&key, &wanted, request).await;
        let (mut request, mut sent) = authorized.map_err(Error::middleware)?;
        loop {
            let reply = next.clone().run(request, extensions).await?;
            match self.tokens.next(&key, &mut sent, reply).await.map_err(Error::middleware)? {
                NextStep::Request(again) => request = *again,
                NextStep::Done(reply) => return Ok(*reply),
            }
        }
    }
}
