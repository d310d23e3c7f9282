//! The extractor for those who come from the original.

use std::ops::Deref;

use axum::{
    extract::{FromRef, FromRequestParts, OriginalUri},
    http::request::Parts,
    response::{IntoResponse, Response},
};
use oauth_web::{OAuth2AuthorizeCallback, SignInRequest};

/// The token that a callback's code was exchanged for, as an extractor. The router's state holds the [`OAuth2AuthorizeCallback`] that it
/// is made by.
#[derive(Debug)]
pub struct AuthorizedCallback(pub oauth_web::AuthorizedCallback);

/// Why a callback gave no token. As a response it is one line of text, with the status of the [error](oauth_web::AuthorizeCallbackError).
#[derive(Debug)]
pub struct AuthorizeCallbackError(pub oauth_web::AuthorizeCallbackError);

impl<S> FromRequestParts<S> for AuthorizedCallback
where
    OAuth2AuthorizeCallback: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = AuthorizeCallbackError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let mut seen = parts.clone();
        if let Some(OriginalUri(uri)) = parts.extensions.get() {
            seen.uri = uri.clone();
        }
        let request = SignInRequest::new(seen, [("", ""); 0]);
        let exchanged = OAuth2AuthorizeCallback::from_ref(state).exchange(&request).await;
        exchanged.map(Self).map_err(AuthorizeCallbackError)
    }
}

impl Deref for AuthorizedCallback {
    type Target = oauth_web::AuthorizedCallback;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Deref for AuthorizeCallbackError {
    type Target = oauth_web::AuthorizeCallbackError;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl IntoResponse for AuthorizeCallbackError {
    fn into_response(self) -> Response {
        (self.status(), self.message()).into_response()
    }
}
