//! Requests that sign in by themselves.

use std::sync::Arc;

use oauth_core::{
    AfterReply, Challenge, ErrorKind, HttpClient, OAuth2Token, Operation, Provider, Secret,
    bytes::Bytes,
    http::{
        HeaderMap, Request, Response, StatusCode, Uri,
        header::{AUTHORIZATION, LOCATION},
    },
};
use url::Url;

use super::{Access, Browser, Reaction};
use crate::{
    client::McpClient,
    error::{McpError, one_line},
    server_url::ServerUrl,
    step::Step,
};

/// What shows whether a server wants a token: some greet everybody, and want one for what comes next.
const PROBES: [&str; 2] = ["initialize", "tools/list"];
const MOST_REDIRECTS: usize = 3;
/// The longest conversation about one request: a challenge, a sign-in, a step-up or two.
const MOST_ATTEMPTS: usize = 12;

impl Access {
    /// Makes sure that there is a token, by asking the server what it wants and having the user sign in.
    ///
    /// # Errors
    ///
    /// [`McpError::NotChallenged`] for a server that wants nothing; else whatever went wrong.
    pub async fn authorize(&self, browser: &dyn Browser) -> Result<Arc<OAuth2Token>, McpError> {
        if let Some(token) = self.token().await? {
            return Ok(token);
        }
        let mut status = 0;
        for method in PROBES {
            let reply = self.send(&probe(&self.0.server, method)?, browser).await?;
            if let Some(token) = self.token().await? {
                return Ok(token);
            }
            status = reply.status().as_u16();
        }
        Err(McpError::NotChallenged { status })
    }

    /// Has the user sign in although there may be a token, which the new one replaces: for other scopes, another client or another user.
    ///
    /// The token that there is stays until the sign-in is done. One that another client got is revoked then, where the server does so.
    ///
    /// # Errors
    ///
    /// As [`authorize`](Self::authorize).
    pub async fn authorize_anew(&self, browser: &dyn Browser) -> Result<Arc<OAuth2Token>, McpError> {
        let _alone = self.0.sign_in.lock().await;
        let http = self.0.authorizer.http(&self.0.server)?;
        let mut status = 0;
        for method in PROBES {
            let request = probe(&self.0.server, method)?;
            let reply = transmit(&*http, &request, self.0.server.as_str(), request.headers().clone()).await?;
            status = reply.status().as_u16();
            if !matches!(reply.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
                continue;
            }
            let challenge = Challenge::of_reply(reply.headers());
            let target = self.0.authorizer.discover(&self.0.server, challenge.as_ref()).await?;
            let reaction = {
                let mut state = self.0.state.lock().await;
                self.begin(&mut state, &target, &[], browser.redirect_uri()).await?
            };
            if let Reaction::Step(step) = reaction {
                self.walk(step, browser).await?;
            }
            return self.token().await?.ok_or(McpError::StillUnauthorized);
        }
        Err(McpError::NotChallenged { status })
    }

    /// Sends a request to the server with a token, and has the user sign in if the server says so.
    ///
    /// Redirects inside the server's origin that keep the method (307, 308) are followed. Another origin never sees the token: its reply
    /// is the answer.
    ///
    /// # Errors
    ///
    /// Whatever keeps the request from being answered with anything but 401 and 403.
    pub async fn send(
        &self,
        request: &Request<Bytes>,
        browser: &dyn Browser,
    ) -> Result<Response<Bytes>, McpError> {
        for _ in 0..MOST_ATTEMPTS {
            let (reply, sent) = self.send_once(request).await?;
            let is_refused = matches!(reply.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
            if !is_refused {
                if let Some(sent) = &sent {
                    self.accepted(sent.expose()).await;
                }
                return Ok(reply);
            }
            let sent = sent.as_ref().map(Secret::expose);
            self.answer(reply.status(), reply.headers(), sent, browser).await?;
        }
        Err(McpError::StillUnauthorized)
    }

    /// Does what a refusal (401 or 403) asks for, so that the request can be sent again: a refresh, or a sign-in by the user. For programs
    /// that send their requests themselves.
    ///
    /// `sent` is the access token that the request had, if it had one.
    ///
    /// # Errors
    ///
    /// As [`refused`](Self::refused); or the user did not sign in.
    pub async fn answer(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
        sent: Option<&str>,
        browser: &dyn Browser,
    ) -> Result<(), McpError> {
        let _alone = self.0.sign_in.lock().await;
        match self.refused(status, headers, sent, browser.redirect_uri()).await? {
            Reaction::SendAgain => Ok(()),
            Reaction::Step(step) => self.walk(step, browser).await,
        }
    }

    /// Does all steps of a sign-in.
    async fn walk(&self, mut step: Step, browser: &dyn Browser) -> Result<(), McpError> {
        loop {
            step = match step {
                Step::Done(_) => return Ok(()),
                Step::OpenUrl(pending) => {
                    let callback = browser.sign_in(&pending).await;
                    let callback = match callback {
                        Ok(callback) => callback,
                        Err(cause) => {
                            self.0.state.lock().await.pending = None;
                            return Err(McpError::Browser(cause.to_string()));
                        }
                    };
                    self.finish(*pending, callback).await?
                }
                Step::AskForClientId(question) => match browser.client_id(&question).await {
                    Some((client_id, secret)) => {
                        self.0.authorizer.answer(&question, &client_id, secret.as_ref(), &[]).await?
                    }
                    None => {
                        return Err(McpError::Browser(format!(
                            "no client is registered with {:?}, and it registers none by itself; register one with the redirect URI {} \
                             and give its id to Authorizer::with_client",
                            question.issuer, question.redirect_uri
                        )));
                    }
                },
            };
        }
    }

    /// Sends a request with the token that there is. Also says which it was.
    async fn send_once(
        &self,
        request: &Request<Bytes>,
    ) -> Result<(Response<Bytes>, Option<Secret>), McpError> {
        let http = self.0.authorizer.http(&self.0.server)?;
        let mut url = request.uri().to_string();
        self.check_destination(&url)?;
        let known = self.token_and_client().await?;
        let sent = known.as_ref().map(|(token, _)| Secret::from(token.access_token()));
        for _ in 0..=MOST_REDIRECTS {
            let reply = match &known {
                Some((token, client)) => self.send_authorized(&*http, client, token, request, &url).await?,
                None => transmit(&*http, request, &url, request.headers().clone()).await?,
            };
            match self.redirected(&url, &reply) {
                Some(next) => url = next,
                None => return Ok((reply, sent)),
            }
        }
        Err(McpError::Redirected { url: self.0.server.to_string(), status: 308 })
    }

    async fn send_authorized(
        &self,
        http: &dyn HttpClient,
        client: &McpClient,
        token: &OAuth2Token,
        request: &Request<Bytes>,
        url: &str,
    ) -> Result<Response<Bytes>, McpError> {
        let mut is_repetition = false;
        loop {
            let mut headers = request.headers().clone();
            headers.remove(AUTHORIZATION);
            let method = request.method().clone();
            let draft =
                client.oauth2().authorize_api_request(token, method, url, headers, is_repetition).await?;
            let reply = transmit(http, request, url, draft.headers().clone()).await?;
            match client.oauth2().after_api_reply(&draft, is_repetition, &reply).await {
                AfterReply::SendAgain if !is_repetition => is_repetition = true,
                _ => return Ok(reply),
            }
        }
    }

    /// Where a reply leads, if it is a redirect inside the server's origin that repeats the request.
    fn redirected(&self, url: &str, reply: &Response<Bytes>) -> Option<String> {
        if !matches!(reply.status(), StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT) {
            return None;
        }
        let location = reply.headers().get(LOCATION)?.to_str().ok()?;
        let mut next = Url::parse(url).ok()?.join(location).ok()?;
        next.set_fragment(None);
        let has_user = !next.username().is_empty() || next.password().is_some();
        (next.origin().ascii_serialization() == self.0.server.origin() && !has_user).then(|| next.into())
    }

    /// Checks that a URL is the server's, because its token is for nobody else.
    pub(crate) fn check_destination(&self, url: &str) -> Result<(), McpError> {
        let server = self.0.server.url();
        let is_own = Url::parse(url).is_ok_and(|url| {
            let path = server.path().trim_end_matches('/');
            let rest = url.path().strip_prefix(path);
            url.origin() == server.origin()
                && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        });
        match is_own {
            true => Ok(()),
            false => Err(McpError::UnsafeUrl {
                what: "request",
                url: one_line(url.split('?').next().unwrap_or_default()),
                problem: format!("the token is for {} only", self.0.server),
            }),
        }
    }
}

async fn transmit(
    http: &dyn HttpClient,
    request: &Request<Bytes>,
    url: &str,
    headers: HeaderMap,
) -> Result<Response<Bytes>, McpError> {
    let failed = |kind| McpError::OAuth(oauth_core::Error::new(Operation::API_REQUEST, "mcp", kind));
    let uri: Uri =
        url.parse().map_err(|_| failed(ErrorKind::Configuration("the URL cannot be sent".to_owned())))?;
    let mut copy = Request::new(request.body().clone());
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = uri;
    *copy.headers_mut() = headers;
    http.send(copy).await.map_err(|error| failed(ErrorKind::Transport(error)))
}

fn probe(server: &ServerUrl, method: &str) -> Result<Request<Bytes>, McpError> {
    let params = serde_json::json!({
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": { "name": "oauth-mcp", "version": env!("CARGO_PKG_VERSION") },
    });
    let mut message = serde_json::json!({ "jsonrpc": "2.0", "id": 1, "method": method });
    if method == "initialize" {
        message["params"] = params;
    }
    let request = Request::post(server.as_str())
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .body(Bytes::from(message.to_string()));
    request.map_err(|error| McpError::ServerUrl { url: server.to_string(), problem: error.to_string() })
}
