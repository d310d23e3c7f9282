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
    routing::{get, post},
};
use oauth_web::{Answer, SignIn, SignInError, SignInRequest};

/// Makes axum routes of a [`SignIn`].
#[derive(Clone)]
#[must_use]
pub struct SignInRoutes {
    pub(crate) sign_in: SignIn,
    on_error: Arc<dyn Fn(SignInError) -> Response + Send + Sync>,
}

/// An extractor for the user who signed in, in the handler of [`SignInRoutes::router`]. Dereferences to [`oauth_web::SignedIn`]; to move
/// fields out, take it apart with the pattern `SignedIn(user): SignedIn`.
#[derive(Clone, Debug)]
pub struct SignedIn(pub oauth_web::SignedIn);

impl SignInRoutes {
    /// Makes routes that answer failures with [`SignInError::page`].
    pub fn new(sign_in: SignIn) -> Self {
        Self { sign_in, on_error: Arc::new(|error| error.page().into_response()) }
    }

    /// Sets the function that answers failures.
    ///
    /// It is also called for failed back-channel logouts, but the provider is always answered in JSON.
    pub fn on_error<R: IntoResponse>(
        self,
        answer: impl Fn(SignInError) -> R + Send + Sync + 'static,
    ) -> Self {
        Self { on_error: Arc::new(move |error| answer(error).into_response()), ..self }
    }

    /// The routes, to be nested where the application wants them. The handler answers the user who signed in. It is an ordinary axum
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
        let can_link = self.sign_in.can_link();
        let (starting, linking, finishing) = (self.clone(), self.clone(), self);
        let login = async move |params: PathParams, request: Request| {
            let (request, _) = split(params, request);
            starting.respond(starting.sign_in.login(&request).await)
        };
        let link = async move |params: PathParams, request: Request| {
            let (request, _) = split(params, request);
            linking.respond(linking.sign_in.link(&request).await)
        };
        let callback = async move |State(state): State<S>, params: PathParams, request: Request| {
            let (sent, body) = split(params, request);
            let Answer { result, headers, .. } = finishing.sign_in.callback(&sent, body).await;
            let mut response = match result {
                Ok(signed_in) => {
                    let mut request = Request::from_parts(sent.into_parts(), Body::empty());
                    request.extensions_mut().insert(SignedIn(signed_in));
                    handler.call(request, state).await
                }
                Err(error) => finishing.failed(error),
            };
            headers.apply(response.headers_mut());
            response
        };
        let router = Router::new()
            .route("/{provider}/login", get(login))
            .route("/{provider}/callback", get(callback.clone()).post(callback));
        if can_link { router.route("/{provider}/link", post(link)) } else { router }
    }

    pub(crate) fn failed(&self, error: SignInError) -> Response {
        (self.on_error)(error)
    }

    pub(crate) fn respond<R: IntoResponse>(&self, answer: Answer<R>) -> Response {
        let Answer { result, headers, .. } = answer;
        let mut response = result.map_or_else(|error| self.failed(error), IntoResponse::into_response);
        headers.apply(response.headers_mut());
        response
    }
}

/// The path parameters. Those that are not UTF-8 name no provider.
pub(crate) type PathParams = Result<RawPathParams, RawPathParamsRejection>;

pub(crate) fn split(params: PathParams, request: Request) -> (SignInRequest, Body) {
    let (parts, body) = request.into_parts();
    (SignInRequest::new(as_sent(parts), params.iter().flatten()), body)
}

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
