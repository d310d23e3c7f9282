//! Refusals, and what the page is told.

use std::time::Duration;

use http::{HeaderValue, Response, StatusCode, header};
use oauth_core::{ErrorClass, serde_json::json};
use oauth_web::ResolveError;

use crate::body::BffBody;

/// Why a request was not answered with what it asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BffError {
    /// The request does not have the header `x-csrf: 1`.
    #[error("the request does not have the header x-csrf: 1")]
    NoCsrfHeader,
    /// The request comes from a page of another origin.
    #[error("the request comes from a page of another origin")]
    CrossSite,
    /// Nobody is signed in, or not any more.
    #[error("nobody is signed in")]
    NoSession,
    /// The user's grant has ended, and has to be renewed by a sign-in.
    #[error("the user has to sign in again: {0}")]
    SignInAgain(#[source] oauth_tokens::TokenError),
    /// The user's token could not be obtained right now.
    #[error("the user's token could not be obtained right now: {0}")]
    TokenUnavailable(#[source] oauth_tokens::TokenError),
    /// The user's token could not be obtained because of a setting.
    #[error("the user's token could not be obtained: {0}")]
    Token(#[source] oauth_tokens::TokenError),
    /// There is no such route, and no such upstream.
    #[error("there is no such route")]
    NotFound,
    /// The route does not have this method; those that it has.
    #[error("the route does not have this method")]
    MethodNotAllowed(String),
    /// The path could lead elsewhere than to the upstream.
    #[error("the path is not one that can be passed on")]
    Path,
    /// The request asks for another protocol, such as WebSocket.
    #[error("the request asks for another protocol")]
    Upgrade,
    /// The request's body is larger than the upstream takes.
    #[error("the request is too large")]
    TooLarge,
    /// The request's body did not arrive in time.
    #[error("the request took too long")]
    TooSlow,
    /// The request's body broke off, or its method has none.
    #[error("the request was cut off, or has a body that its method does not have")]
    Body,
    /// The request does not say under which host it was made.
    #[error("the request names no host")]
    UnknownHost,
    /// The API could not be reached, or broke off.
    #[error("the API could not be reached: {0}")]
    Unreachable(#[source] ResolveError),
    /// The API did not answer in time.
    #[error("the API did not answer in time")]
    Timeout,
    /// The API answered with a redirect, which is not followed.
    #[error("the API answered with a redirect")]
    Redirected,
    /// The API's answer is larger than the upstream may send.
    #[error("the API's answer is too large")]
    AnswerTooLarge,
    /// The memory of sessions that have ended could not be asked.
    #[error("the sessions that have ended could not be looked up: {0}")]
    Sessions(#[source] ResolveError),
    /// A setting or a function of the application does not allow it.
    #[error("{0}")]
    Application(#[source] ResolveError),
}

impl BffError {
    /// The code of the error, as the page gets it in `x-bff-error` and in the JSON. It stays the same in later versions.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoCsrfHeader => "no_csrf_header",
            Self::CrossSite => "cross_site",
            Self::NoSession => "no_session",
            Self::SignInAgain(_) => "sign_in_again",
            Self::TokenUnavailable(_) => "token_unavailable",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed(_) => "method_not_allowed",
            Self::Path => "path",
            Self::Upgrade => "upgrade",
            Self::TooLarge => "too_large",
            Self::TooSlow => "too_slow",
            Self::Body => "body",
            Self::UnknownHost => "unknown_host",
            Self::Unreachable(_) => "upstream_unreachable",
            Self::Timeout => "upstream_timeout",
            Self::Redirected => "upstream_redirected",
            Self::AnswerTooLarge => "upstream_too_large",
            Self::Sessions(_) => "sessions_unavailable",
            Self::Token(_) | Self::Application(_) => "application",
        }
    }

    /// The status of the response.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::NoCsrfHeader | Self::CrossSite => StatusCode::FORBIDDEN,
            Self::NoSession | Self::SignInAgain(_) => StatusCode::UNAUTHORIZED,
            Self::TokenUnavailable(_) | Self::Sessions(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::Path | Self::Body | Self::UnknownHost => StatusCode::BAD_REQUEST,
            Self::Upgrade => StatusCode::NOT_IMPLEMENTED,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Unreachable(_) | Self::Redirected | Self::AnswerTooLarge => StatusCode::BAD_GATEWAY,
            Self::Timeout => StatusCode::GATEWAY_TIMEOUT,
            Self::Token(_) | Self::Application(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The response, in JSON. It says nothing about the cause.
    #[must_use]
    pub fn response(&self) -> Response<BffBody> {
        let mut response = Response::new(BffBody::from(json!({ "error": self.code() }).to_string()));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert("x-bff-error", HeaderValue::from_static(self.code()));
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Self::MethodNotAllowed(allowed) = self {
            headers.insert(
                header::ALLOW,
                HeaderValue::try_from(allowed).unwrap_or(HeaderValue::from_static("")),
            );
        }
        if let Some(wait) = self.retry_after() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
        }
        response
    }

    /// The error to answer with where no token could be obtained.
    pub(crate) fn of_token(error: oauth_tokens::TokenError) -> Self {
        match error.class() {
            ErrorClass::Reauthorize => Self::SignInAgain(error),
            ErrorClass::Transient { .. } => Self::TokenUnavailable(error),
            _ => Self::Token(error),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::TokenUnavailable(error) => match error.class() {
                ErrorClass::Transient { retry_after } => retry_after,
                _ => None,
            },
            _ => None,
        }
    }
}
