//! The original's FastAPI dependency, for those who come from it.

use std::sync::Arc;

use http::{Method, StatusCode};
use oauth_core::{CodeVerifier, Error, OAuth2Token, Provider};

use crate::{events, origin::Origin, request::SignInRequest};

/// What the original's `OAuth2AuthorizeCallback` is made of: a client, and the redirect URI to repeat in the exchange.
///
/// It checks no state, because it keeps none: compare the one that it gives with the one that you sent. Nor does it look at `iss`, or
/// verify an ID token. [`SignIn`](crate::SignIn) does all that by itself.
#[derive(Clone, Debug)]
pub struct OAuth2AuthorizeCallback {
    provider: Arc<dyn Provider>,
    redirect_url: Option<String>,
}

/// The token that a callback's code was exchanged for, and the callback's state: the original's pair.
#[derive(Debug)]
#[non_exhaustive]
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
/// | [`LookedAhead`](Self::LookedAhead) | 405 |
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
    /// The request was a HEAD, which must not use the code up.
    #[error("a HEAD request finishes no sign-in")]
    LookedAhead,
    /// The code could not be exchanged.
    #[error("{0}")]
    Exchange(#[source] Error),
}

impl AuthorizeCallbackError {
    /// The status of the response.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Refused { .. } => StatusCode::BAD_REQUEST,
            Self::LookedAhead => StatusCode::METHOD_NOT_ALLOWED,
            Self::Exchange(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// What to tell the user, in words of this library alone.
    #[must_use]
    pub fn message(&self) -> &'static str {
        match self {
            Self::Refused { .. } => "The provider refused the sign-in.",
            Self::LookedAhead => "This address answers GET only.",
            Self::Exchange(_) => "The sign-in could not be finished.",
        }
    }
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

    /// Exchanges the code of a callback. Where the login was begun with PKCE, the application puts the [`CodeVerifier`] of its session into
    /// the request's extensions; one in the query, which anybody can write, is not looked at.
    ///
    /// # Errors
    ///
    /// Where the callback has no code, or the provider does not take it.
    pub async fn exchange(
        &self,
        request: &SignInRequest,
    ) -> Result<AuthorizedCallback, AuthorizeCallbackError> {
        let result = self.exchanged(request).await;
        if let Err(error) = &result {
            events::callback_refused(self.provider.name(), error.status(), error);
        }
        result
    }

    async fn exchanged(&self, request: &SignInRequest) -> Result<AuthorizedCallback, AuthorizeCallbackError> {
        if request.method == Method::HEAD {
            return Err(AuthorizeCallbackError::LookedAhead);
        }
        let refused = |error| AuthorizeCallbackError::Refused { error };
        let query = request.uri.query().unwrap_or_default();
        // One that is empty says nothing, and of two nobody knows which counts.
        let parameter = |name: &str| {
            let mut found = form_urlencoded::parse(query.as_bytes()).filter(|(other, _)| other == name);
            match (found.next(), found.next()) {
                (_, Some(_)) => Err(refused(None)),
                (first, None) => {
                    Ok(first.map(|(_, value)| value.into_owned()).filter(|value| !value.is_empty()))
                }
            }
        };
        if let Some(error) = parameter("error")? {
            return Err(refused(Some(error)));
        }
        let code = parameter("code")?.ok_or_else(|| refused(None))?;
        let state = parameter("state")?;
        let redirect_url = match &self.redirect_url {
            Some(url) => url.clone(),
            None => {
                let site = Origin::Host.of(request).map_err(|_| refused(None))?;
                format!("{}{}", site.address, request.uri.path())
            }
        };
        let verifier = request.extensions.get::<CodeVerifier>();
        let exchange = self.provider.get_access_token(&code, &redirect_url, verifier, &[]);
        let token = exchange.await.map_err(AuthorizeCallbackError::Exchange)?;
        Ok(AuthorizedCallback { token, state })
    }
}
