//! The original's FastAPI dependency, for those who come from it.

use std::sync::Arc;

use axum::{
    extract::{FromRef, FromRequestParts, OriginalUri, Query},
    http::{StatusCode, request::Parts},
    response::{IntoResponse, Response},
};
use oauth_core::{CodeVerifier, Error, OAuth2Token, Provider};
use serde::Deserialize;

use crate::origin::Origin;

/// What the original's `OAuth2AuthorizeCallback` is made of: a client, and the redirect URI to repeat in the exchange.
///
/// Put it into the router's state, and take an [`AuthorizedCallback`] in the handler. It checks no state, because it keeps
/// none: compare the one that it gives with the one that you sent. Nor does it look at `iss`, or verify an ID token.
/// [`SignIn`](crate::SignIn) does all that by itself.
#[derive(Clone, Debug)]
pub struct OAuth2AuthorizeCallback {
    provider: Arc<dyn Provider>,
    redirect_url: Option<String>,
}

impl OAuth2AuthorizeCallback {
    /// The redirect URI is this address: the original's `redirect_url`.
    pub fn with_url(provider: impl Provider + 'static, redirect_url: impl Into<String>) -> Self {
        Self { provider: Arc::new(provider), redirect_url: Some(redirect_url.into()) }
    }

    /// The redirect URI is the address of the route that takes the callback, by the request's `Host`: the original's
    /// `route_name`.
    pub fn with_route(provider: impl Provider + 'static) -> Self {
        Self { provider: Arc::new(provider), redirect_url: None }
    }
}

/// The token that a callback's code was exchanged for, and the callback's state: the original's pair.
#[derive(Debug)]
pub struct AuthorizedCallback {
    /// The tokens.
    pub token: OAuth2Token,
    /// The state, which the application must compare with the one that it sent.
    pub state: Option<String>,
}

/// Why a callback gave no token.
///
/// | error | status |
/// | --- | --- |
/// | [`Refused`](Self::Refused) | 400, as the original's |
/// | [`Exchange`](Self::Exchange) | 500, as the original's |
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthorizeCallbackError {
    /// The callback has no code, or an error.
    #[error("the provider refused the sign-in")]
    Refused {
        /// The callback's `error`. Text that somebody else chose: escape it before it enters a page.
        error: Option<String>,
    },
    /// The code could not be exchanged.
    #[error("{0}")]
    Exchange(#[source] Error),
}

impl IntoResponse for AuthorizeCallbackError {
    fn into_response(self) -> Response {
        match self {
            Self::Refused { .. } => (StatusCode::BAD_REQUEST, "The provider refused the sign-in."),
            Self::Exchange(_) => (StatusCode::INTERNAL_SERVER_ERROR, "The sign-in could not be finished."),
        }
        .into_response()
    }
}

impl<S> FromRequestParts<S> for AuthorizedCallback
where
    OAuth2AuthorizeCallback: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = AuthorizeCallbackError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        #[derive(Deserialize)]
        struct Parameters {
            code: Option<String>,
            code_verifier: Option<String>,
            state: Option<String>,
            error: Option<String>,
        }

        let callback = OAuth2AuthorizeCallback::from_ref(state);
        let refused = |error| AuthorizeCallbackError::Refused { error };
        let Query(parameters) = Query::<Parameters>::try_from_uri(&parts.uri).map_err(|_| refused(None))?;
        let (Some(code), None) = (parameters.code, &parameters.error) else {
            return Err(refused(parameters.error));
        };
        let redirect_url = match callback.redirect_url {
            Some(url) => url,
            None => {
                let path = parts
                    .extensions
                    .get::<OriginalUri>()
                    .map_or(parts.uri.path(), |original| original.path());
                let site = Origin::Host.of(parts).map_err(|_| refused(None))?;
                format!("{site}{path}")
            }
        };
        let verifier = parameters.code_verifier.map(CodeVerifier::new).transpose();
        let verifier = verifier.map_err(AuthorizeCallbackError::Exchange)?;
        let exchange = callback.provider.get_access_token(&code, &redirect_url, verifier.as_ref(), &[]);
        let token = exchange.await.map_err(AuthorizeCallbackError::Exchange)?;
        Ok(Self { token, state: parameters.state })
    }
}
