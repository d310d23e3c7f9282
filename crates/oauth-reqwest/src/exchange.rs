//! How both clients read a reply and an error of reqwest.
//!
//! The default client of `oauth-core` has lines of its own for it: shared ones would have types of reqwest in their signatures.

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use oauth_core::{HttpError, HttpErrorKind, MAX_REPLY_BYTES};
use reqwest::{Body, Response, Url};

/// Refuses a call from outside Tokio, where reqwest panics.
pub(crate) fn check_runtime() -> Result<(), HttpError> {
    match tokio::runtime::Handle::try_current() {
        Ok(_) => Ok(()),
        Err(_) => Err(HttpError::new(HttpErrorKind::NoRuntime)),
    }
}

/// Reads the whole reply, unless it is too large or was redirected.
pub(crate) async fn read(asked: &Url, reply: Response) -> Result<http::Response<Bytes>, HttpError> {
    let status = reply.status();
    let error = |kind| HttpError::new(kind).with_status(status);
    if reply.url() != asked {
        return Err(error(HttpErrorKind::Redirected));
    }
    if reply.content_length().is_some_and(|length| length > MAX_REPLY_BYTES as u64) {
        return Err(error(HttpErrorKind::TooLarge));
    }
    let (parts, body) = http::Response::<Body>::from(reply).into_parts();
    let whole = Limited::new(body, MAX_REPLY_BYTES).collect().await;
    let whole = whole.map_err(|cause| match cause.downcast::<reqwest::Error>() {
        Ok(cause) => failed(*cause).with_status(status),
        Err(_) => error(HttpErrorKind::TooLarge),
    })?;
    Ok(http::Response::from_parts(parts, whole.to_bytes()))
}

pub(crate) fn failed(error: reqwest::Error) -> HttpError {
    let kind = if error.is_timeout() {
        HttpErrorKind::Timeout
    } else if error.is_builder() {
        HttpErrorKind::InvalidRequest
    } else if error.is_connect() {
        HttpErrorKind::Connect
    } else if error.is_redirect() {
        HttpErrorKind::Redirected
    } else {
        HttpErrorKind::Other
    };
    // The URL of a request can hold a secret.
    HttpError::new(kind).caused_by(error.without_url())
}
