//! What the client and the middleware have in common: a token put into a request, and into the request that is sent again.

use std::sync::Arc;

use oauth_core::{
    AfterReply, Challenge, ErrorKind, OAuth2, OAuth2Token, RequestDraft,
    bytes::Bytes,
    http::{Response as HttpResponse, StatusCode, header},
    is_sendable,
};
use reqwest::{Request, Response, Url, header::HeaderValue};

use super::{hosts::Hosts, request_error::RequestError};
use crate::{
    access_token_request::AccessTokenRequest, error::TokenError, key::TokenKey, manager::TokenManager,
};

/// Puts the tokens of a manager into requests to the hosts they may go to.
#[derive(Clone, Debug)]
pub(super) struct RequestAuthorizer {
    pub(super) manager: TokenManager,
    pub(super) hosts: Hosts,
    pub(super) distrusts_any_401: bool,
}

/// A request that was sent, and what it takes to send it again.
pub(super) struct SentRequest {
    url: Url,
    wanted: AccessTokenRequest,
    /// The request without authorization; `None` if its body cannot be sent again.
    request: Option<Request>,
    token: Arc<OAuth2Token>,
    /// The client that the token was issued to, whose participants take part.
    client: Option<OAuth2>,
    /// The request as the participants completed it.
    draft: Option<RequestDraft>,
    /// Whether it was sent once more because a participant said so.
    is_repetition: bool,
    /// Whether it was sent once more with another token.
    has_new_token: bool,
}

impl RequestAuthorizer {
    /// The request with the token in it, and what it takes to send it again.
    pub(super) async fn authorize(
        &self,
        key: &TokenKey,
        wanted: &AccessTokenRequest,
        mut request: Request,
    ) -> Result<(Request, SentRequest), RequestError> {
        self.hosts.check(request.url())?;
        if request.headers().contains_key(header::AUTHORIZATION) {
            return Err(RequestError::AlreadyAuthorized);
        }
        let token = self.manager.token_for(key, wanted).await?;
        // A source that cannot be looked up right now must not keep a live token from being used.
        let source = self.manager.0.source(key).await.ok();
        let mut sent = SentRequest {
            url: request.url().clone(),
            wanted: wanted.clone(),
            request: request.try_clone(),
            token,
            client: source.and_then(|source| source.tokens.client(key).cloned()),
            draft: None,
            is_repetition: false,
            has_new_token: false,
        };
        match sent.present(&mut request).await {
            Err(RequestError::TokenType(error)) if matches!(error.kind(), ErrorKind::Binding(_)) => {
                // The client has another key or certificate now than the token is bound to.
                if !self.renew(key, &mut sent).await? {
                    return Err(RequestError::TokenType(error));
                }
                sent.present(&mut request).await?;
            }
            outcome => outcome?,
        }
        Ok((request, sent))
    }

    /// What comes after a reply: the request once more, if the reply asks for that and it can be sent again, or the end.
    pub(super) async fn next(
        &self,
        key: &TokenKey,
        sent: &mut SentRequest,
        reply: Response,
    ) -> Result<NextStep, RequestError> {
        if sent.was_redirected(&reply) {
            let host = reply.url().host_str().unwrap_or_default().to_owned();
            return Err(RequestError::Redirected { host });
        }
        match self.authorize_again(key, sent, &reply).await {
            Again::With(request) => Ok(NextStep::Request(request)),
            Again::No => Ok(NextStep::Done(Box::new(reply))),
            Again::Impossible => Err(RequestError::SendAgain { reply: Box::new(reply) }),
        }
    }

    /// The request as it is to be sent once more: because a participant says so, or with another token because the reply rejects this
    /// one.
    async fn authorize_again(&self, key: &TokenKey, sent: &mut SentRequest, reply: &Response) -> Again {
        if sent.is_asked_for_again(reply).await {
            sent.is_repetition = true;
            return match sent.request {
                Some(_) => sent.again().await,
                None => Again::Impossible,
            };
        }
        if sent.has_new_token || !self.is_rejection(reply) {
            return Again::No;
        }
        // Also where this request cannot be sent again: the next one should succeed.
        match self.renew(key, sent).await {
            Ok(true) => sent.again().await,
            _ => Again::No,
        }
    }

    /// Gets another token in place of one that is not accepted; says whether there is one.
    async fn renew(&self, key: &TokenKey, sent: &mut SentRequest) -> Result<bool, TokenError> {
        let rejected = sent.token.access_token().to_owned();
        let wanted = sent.wanted.clone().after_rejection(rejected.as_str());
        let fresh = self.manager.token_for(key, &wanted).await?;
        if fresh.access_token() == rejected {
            return Ok(false);
        }
        sent.token = fresh;
        sent.has_new_token = true;
        sent.is_repetition = false;
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

impl SentRequest {
    /// Puts the token into a request, by the client's participants if there are any.
    async fn present(&mut self, request: &mut Request) -> Result<(), RequestError> {
        let Some(client) = &self.client else { return set_bearer(request, &self.token) };
        let (method, headers) = (request.method().clone(), request.headers().clone());
        let url = request.url().as_str();
        let draft = client.authorize_api_request(&self.token, method, url, headers, self.is_repetition).await;
        let draft = draft.map_err(RequestError::TokenType)?;
        *request.headers_mut() = draft.headers().clone();
        self.draft = Some(draft);
        Ok(())
    }

    /// Whether a participant has the request sent once more.
    async fn is_asked_for_again(&self, reply: &Response) -> bool {
        let (Some(client), Some(draft)) = (&self.client, &self.draft) else { return false };
        // Participants read the status and the headers; the body is the caller's.
        let mut head = HttpResponse::new(Bytes::new());
        *head.status_mut() = reply.status();
        *head.headers_mut() = reply.headers().clone();
        client.after_api_reply(draft, self.is_repetition, &head).await == AfterReply::SendAgain
    }

    /// Whether the reply came by a redirect that a proof was carried on by.
    fn was_redirected(&self, reply: &Response) -> bool {
        let has_proof = self.draft.as_ref().is_some_and(|draft| draft.headers().contains_key(PROOF));
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
pub(super) enum NextStep {
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
