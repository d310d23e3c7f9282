//! The routes of a sign-in.

use std::{ops::Deref, sync::Arc};

use axum::{
    Router,
    body::Body,
    extract::{
        FromRequestParts, OriginalUri, RawPathParams, Request, State, rejection::RawPathParamsRejection,
    },
    handler::Handler,
    http::{StatusCode, request::Parts},
    response::{IntoResponse, Response},
    routing::any,
};
use oauth_web::{Routed, Routes, SignInError, SignInRequest};

/// Makes axum routes of a [`SignIn`](oauth_web::SignIn).
#[derive(Clone)]
#[must_use]
pub struct SignInRoutes {
    routes: Routes,
    on_error: Arc<dyn Fn(SignInError) -> Response + Send + Sync>,
}

/// An extractor for the user who signed in, in the handler of [`SignInRoutes::router`]. Dereferences to [`oauth_web::SignedIn`]; to move
/// fields out, take it apart with the pattern `SignedIn(user): SignedIn`.
#[derive(Clone, Debug)]
pub struct SignedIn(pub oauth_web::SignedIn);

impl SignInRoutes {
    /// Makes the routes of a [`SignIn`](oauth_web::SignIn), or of [`Routes`], which can have more: logouts, and logins that a portal starts.
    pub fn new(routes: impl Into<Routes>) -> Self {
        let routes = routes.into();
        let own = routes.clone();
        Self { routes, on_error: Arc::new(move |error| own.failure(error).into_response()) }
    }

    /// Sets the function that answers failures, in place of [`Routes::on_error`].
    ///
    /// It is also called for failed back-channel logouts, but the provider is always answered in JSON.
    pub fn on_error<R: IntoResponse>(
        self,
        answer: impl Fn(SignInError) -> R + Send + Sync + 'static,
    ) -> Self {
        Self { on_error: Arc::new(move |error| answer(error).into_response()), ..self }
    }

    /// The routes, to be nested where the application wants them. Those for logouts and initiated logins answer requests of the provider and of other
    /// sites: no layer around them may demand a login, a CSRF token or an `Origin`. The handler answers the user who signed in. It is an ordinary axum
    /// handler with the extractor [`SignedIn`] and any others that it needs.
    ///
    /// ```
    /// use axum::{extract::State, response::Redirect};
    /// use oauth_web_axum::SignedIn;
    ///
    /// # #[derive(Clone)] struct Accounts;
    /// # impl Accounts { async fn sign_in(&self, _: (&str, &str)) {} }
    /// # fn routes(routes: oauth_web_axum::SignInRoutes) -> axum::Router<Accounts> {
    /// async fn signed_in(State(accounts): State<Accounts>, user: SignedIn) -> Redirect {
    ///     accounts.sign_in(user.identity.key()).await;
    ///     Redirect::to(user.return_to.as_deref().unwrap_or("/"))
    /// }
    /// # routes.router(signed_in) }
    /// ```
    pub fn router<T, S, H>(self, handler: H) -> Router<S>
    where
        T: 'static,
        S: Clone + Send + Sync + 'static,
        H: Handler<T, S>,
    {
        self.routes.names().fold(Router::new(), |router, name| {
            let (routes, handler) = (self.clone(), handler.clone());
            let route = async move |State(state): State<S>, params: PathParams, request: Request| {
                routes.answer(name, params, request, handler, state).await
            };
            router.route(&format!("/{{provider}}/{name}"), any(route))
        })
    }

    async fn answer<T, S, H>(
        &self,
        name: &str,
        params: PathParams,
        request: Request,
        handler: H,
        state: S,
    ) -> Response
    where
        H: Handler<T, S>,
    {
        let (parts, body) = request.into_parts();
        let sent = SignInRequest::new(as_sent(parts), params.iter().flatten());
        let (mut response, headers) = match self.routes.try_answer(name, &sent, body).await {
            Ok(Routed::Response(response)) => return response.into_response(),
            Ok(Routed::SignedIn(user, headers)) => {
                let mut request = Request::from_parts(sent.into_parts(), Body::empty());
                request.extensions_mut().insert(SignedIn(*user));
                (handler.call(request, state).await, headers)
            }
            Ok(_) => return StatusCode::NOT_FOUND.into_response(),
            Err((error, headers)) => {
                let for_provider = error.for_provider();
                let own = (self.on_error)(*error);
                (for_provider.map_or(own, IntoResponse::into_response), headers)
            }
        };
        headers.apply(response.headers_mut());
        response
    }
}

/// The path parameters. Those that are not UTF-8 name no provider.
type PathParams = Result<RawPathParams, RawPathParamsRejection>;

/// The request with the path that the browser requested. A nested router sees only the rest of it.
pub(crate) fn as_sent(mut parts: Parts) -> Parts {
    if let Some(OriginalUri(uri)) = parts.extensions.get() {
        parts.uri = uri.clone();
    }
    parts
}

impl<S: Send + Sync> FromRequestParts<S> for SignedIn {
    type Rejection = (StatusCode, &'static str);

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let missing = "SignedIn is an extractor for the handler of SignInRoutes::router alone";
        parts.extensions.get().cloned().ok_or((StatusCode::INTERNAL_SERVER_ERROR, missing))
    }
}

impl Deref for SignedIn {
    type Target = oauth_web::SignedIn;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}
