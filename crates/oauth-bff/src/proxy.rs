//! Passing a request on, with the user's access token.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header, request::Parts,
};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use oauth_tokens::{AuthorizedClient, RequestError, TokenManager};
use oauth_web::ResolveError;

use crate::{body::BffBody, error::BffError, session::Session, target::target, upstream::Upstream};

/// A request whose head was accepted, and the upstream that it goes to.
pub(crate) struct Passing<'u> {
    upstream: &'u Upstream,
    url: reqwest::Url,
}

impl<'u> Passing<'u> {
    /// Checks everything about a request that can be checked without its session. `rest` is what its path says after the upstream's name.
    pub(crate) fn check(upstream: &'u Upstream, parts: &Parts, rest: &str) -> Result<Self, BffError> {
        if !upstream.methods.contains(&parts.method) {
            let allowed: Vec<_> = upstream.methods.iter().map(http::Method::as_str).collect();
            return Err(BffError::MethodNotAllowed(allowed.join(", ")));
        }
        let is_upgrade = connection_options(&parts.headers).any(|option| option == "upgrade");
        if is_upgrade || parts.headers.contains_key(header::UPGRADE) {
            return Err(BffError::Upgrade);
        }
        Ok(Self { upstream, url: target(&upstream.url, rest, parts.uri.query())? })
    }

    /// Sends the request for this session, and returns what the API answers.
    pub(crate) async fn send<B>(
        self,
        http: &reqwest::Client,
        tokens: &TokenManager,
        session: &Session,
        request: Request<B>,
    ) -> Result<Response<BffBody>, BffError>
    where
        B: Body,
        B::Error: Into<ResolveError>,
    {
        let Self { upstream, url } = self;
        let (parts, body) = request.into_parts();
        let body =
            tokio::time::timeout(upstream.timeout, Limited::new(body, upstream.most_request_bytes).collect());
        let body = body.await.map_err(|_| BffError::TooSlow)?.map_err(|error| {
            match error.is::<LengthLimitError>() {
                true => BffError::TooLarge,
                false => BffError::Body,
            }
        })?;
        let body = body.to_bytes();
        // Servers that do not expect one take it for the next request on the connection, which others share (RFC 9110 section 9.3.1).
        if !body.is_empty() && matches!(parts.method, Method::GET | Method::HEAD) {
            return Err(BffError::Body);
        }
        let mut builder = http
            .request(parts.method.clone(), url.clone())
            .headers(passed_on(&parts.headers, &upstream.request_headers))
            .timeout(upstream.timeout);
        if !body.is_empty() {
            builder = builder.body(body);
        }
        let key = upstream.key.as_ref().map_or_else(|| session.key(), |key| key(session));
        let client = AuthorizedClient::new(http.clone(), tokens.clone(), key, upstream.hosts.clone())
            // Many APIs do not say `invalid_token`. A token that is seconds old is not refreshed again.
            .refresh_on_any_401();
        let client = match &upstream.access_token {
            Some(wanted) => client.with_access_token(wanted.clone()),
            None => client,
        };
        let reply = client.send(builder).await.map_err(failed)?;
        // Should the HTTP client follow redirects: what it found there is not the API's.
        let was_redirected = *reply.url() != url;
        let is_redirect = reply.status().is_redirection() && reply.status() != StatusCode::NOT_MODIFIED;
        if was_redirected || is_redirect {
            return Err(BffError::Redirected);
        }
        // Nobody asked for another protocol, and the server in front of this would take the connection for one that has it.
        if reply.status().is_informational() {
            return Err(BffError::Unreachable("it switched to another protocol".into()));
        }
        let most = upstream.most_answer_bytes;
        if reply.content_length().is_some_and(|length| length > most as u64) {
            return Err(BffError::AnswerTooLarge);
        }
        let (reply, body) = Response::<reqwest::Body>::from(reply).into_parts();
        let body = body.map_err(|error| ResolveError::from(error.without_url()));
        // Trailers are headers that nobody has listed.
        let body =
            body.map_frame(|frame| frame.into_data().map_or_else(|_| Frame::data(Bytes::new()), Frame::data));
        let mut response = Response::new(BffBody::new(Limited::new(body, most)));
        *response.status_mut() = reply.status;
        let headers = response.headers_mut();
        *headers = passed_on(&reply.headers, &upstream.response_headers);
        // It is for this user alone, and is not a page of this site, whatever the API says that it is.
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; sandbox"),
        );
        Ok(response)
    }
}

/// Those of the headers that are listed, but for what `Connection` says is about the connection (RFC 9110 section 7.6.1).
fn passed_on(headers: &HeaderMap, listed: &[HeaderName]) -> HeaderMap {
    let mut passed = HeaderMap::new();
    for name in listed {
        if connection_options(headers).any(|option| option == name.as_str()) {
            continue;
        }
        for value in headers.get_all(name) {
            passed.append(name.clone(), value.clone());
        }
    }
    passed
}

/// The names in `Connection`, in lower case.
fn connection_options(headers: &HeaderMap) -> impl Iterator<Item = String> {
    let lines = headers.get_all(header::CONNECTION).iter();
    lines.flat_map(|line| {
        let text = String::from_utf8_lossy(line.as_bytes()).to_ascii_lowercase();
        text.split(',').map(|option| option.trim().to_owned()).collect::<Vec<_>>()
    })
}

fn failed(error: RequestError) -> BffError {
    match error {
        RequestError::Token(error) => BffError::of_token(error),
        RequestError::Http(error) if error.is_timeout() => BffError::Timeout,
        RequestError::Http(error) => BffError::Unreachable(error.into()),
        RequestError::Redirected { .. } => BffError::Redirected,
        error => BffError::Application(error.into()),
    }
}
