//! httpx-oauth's FastAPI dependency, for those who migrate from it.

use std::sync::Arc;

use http::{Method, StatusCode};
use oauth_core::{CodeVerifier, Error, OAuth2Token, Provider, provider_kit::says_success};

use crate::{events, origin::Origin, request::SignInRequest};

/// Exchanges the code of a callback, like httpx-oauth's `OAuth2AuthorizeCallback`: a client, and the redirect URI to repeat.
///
/// It does not check the state, because it keeps none: compare the returned one with the one that you sent. Nor does it check `iss` or
/// verify an ID token. [`SignIn`](crate::SignIn) does all of that.
#[derive(Clone, Debug)]
pub struct OAuth2AuthorizeCallback {
    provider: Arc<dyn Provider>,
    redirect_url: Option<String>,
}

/// The token that a callback's code was exchanged for, and the callback's state.
#[derive(Debug)]
#[non_exhaustive]
pub struct AuthorizedCallback {
    /// The tokens.
    pub token: OAuth2Token,
    /// The state, which the application must compare with the one that it sent.
    pub state: Option<String>,
}

/// Why a callback produced no token.
///
/// | error | status |
/// | --- | --- |
/// | [`Refused`](Self::Refused) | 400, as in httpx-oauth |
/// | [`LookedAhead`](Self::LookedAhead) | 405 |
/// | [`Exchange`](Self::Exchange) | 500, as in httpx-oauth |
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthorizeCallbackError {
    /// The callback has no code, an error, or a parameter twice.
    #[error("the provider refused the sign-in")]
    Refused {
        /// The callback's `error`. Text that somebody else chose: escape it before it enters a page.
        error: Option<String>,
    },
    /// The request was a HEAD, which must not use the code up.
    #[error("a HEAD request cannot finish a sign-in")]
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

    /// A message for the user that contains no text from outside.
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
    /// Uses this redirect URI: httpx-oauth's `redirect_url`.
    pub fn with_url(provider: impl Provider + 'static, redirect_url: impl Into<String>) -> Self {
        Self { provider: Arc::new(provider), redirect_url: Some(redirect_url.into()) }
    }

    /// Uses the address of the callback's own route as the redirect URI, by the request's `Host`: httpx-oauth's `route_name`.
    pub fn with_route(provider: impl Provider + 'static) -> Self {
        Self { provider: Arc::new(provider), redirect_url: None }
    }

    /// Exchanges the code of a callback.
    ///
    /// If the login uses PKCE, put the [`CodeVerifier`] from the user's session into the request's extensions. A `code_verifier` in the query,
    /// which anybody can write, is ignored.
    ///
    /// # Errors
    ///
    /// [`AuthorizeCallbackError`] if the callback has no code, or the provider does not accept it.
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
        // An empty parameter says nothing, and of two nobody knows which one counts.
        let parameter = |name: &str| {
            let mut found = form_urlencoded::parse(query.as_bytes()).filter(|(other, _)| other == name);
            match (found.next(), found.next()) {
                (_, Some(_)) => Err(refused(None)),
                (first, None) => {
                    Ok(first.map(|(_, value)| value.into_owned()).filter(|value| !value.is_empty()))
                }
            }
        };
        if let Some(error) = parameter("error")?.filter(|error| !says_success(error)) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_has_a_status_and_a_message_without_text_from_outside() {
        let from_outside = || "<script>".to_owned();
        for (error, status, message) in [
            (
                AuthorizeCallbackError::Refused { error: Some(from_outside()) },
                400,
                "The provider refused the sign-in.",
            ),
            (AuthorizeCallbackError::LookedAhead, 405, "This address answers GET only."),
            (
                AuthorizeCallbackError::Exchange(Error::configuration("acme", from_outside())),
                500,
                "The sign-in could not be finished.",
            ),
        ] {
            assert_eq!((error.status().as_u16(), error.message()), (status, message));
        }
    }
}
