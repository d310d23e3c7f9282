//! The extractor for those who migrate from httpx-oauth.

use std::ops::Deref;

use crate::routes::as_sent;
use axum::{
    extract::{FromRef, FromRequestParts},
    http::request::Parts,
    response::{IntoResponse, Response},
};
use oauth_web::{OAuth2AuthorizeCallback, SignInRequest};

/// An extractor that exchanges a callback's code for a token. The router's state must provide an [`OAuth2AuthorizeCallback`].
#[derive(Debug)]
pub struct AuthorizedCallback(pub oauth_web::AuthorizedCallback);

/// The rejection of [`AuthorizedCallback`]: one line of text with the status of the [error](oauth_web::AuthorizeCallbackError).
#[derive(Debug)]
pub struct AuthorizeCallbackError(pub oauth_web::AuthorizeCallbackError);

impl<S> FromRequestParts<S> for AuthorizedCallback
where
    OAuth2AuthorizeCallback: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = AuthorizeCallbackError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let request = SignInRequest::from(as_sent(parts.clone()));
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

impl IntoResponse for AuthorizeCallbackError {
    fn into_response(self) -> Response {
        (self.0.status(), self.0.message()).into_response()
    }
}
