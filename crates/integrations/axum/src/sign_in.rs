use std::{fmt, ops::Deref, sync::Arc};

use axum::{
    Router,
    body::Body,
    extract::{FromRequestParts, OriginalUri, RawPathParams, Request, State},
    handler::Handler,
    http::{StatusCode, request::Parts},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use oauth_core::{LoginOptions, Provider, Sealer, SharedCache};
use oauth_web::{Answer, BoxFuture, ForwardedHeaders, ResolveError, SetupError, SignInError, SignInRequest};

type OnError = dyn Fn(SignInError) -> Response + Send + Sync;

/// Signs users in: the settings, which are those of [`oauth_web::SignIn`], and the routes that [`router`](Self::router) makes of them.
#[derive(Clone, Debug)]
#[must_use]
pub struct SignIn {
    pub(crate) web: oauth_web::SignIn,
    pub(crate) answers: Answers,
}

/// How failures are answered.
#[derive(Clone)]
pub(crate) struct Answers(Arc<OnError>);

/// Somebody who signed in, as an extractor of the handler that [`SignIn::router`] takes.
#[derive(Clone, Debug)]
pub struct SignedIn(pub oauth_web::SignedIn);

impl SignIn {
    /// Signs in with attempts sealed like this. All machines of the application need the same keys.
    pub fn new(sealer: Sealer) -> Self {
        oauth_web::SignIn::new(sealer).into()
    }

    /// The address under which browsers see this site: see [`oauth_web::SignIn::at`].
    ///
    /// # Errors
    ///
    /// What is no such address.
    pub fn at(self, address: impl AsRef<str>) -> Result<Self, SetupError> {
        Ok(Self { web: self.web.at(address)?, ..self })
    }

    /// Derives the address from headers that a proxy sets.
    pub fn trusting(self, headers: ForwardedHeaders) -> Self {
        Self { web: self.web.trusting(headers), ..self }
    }

    /// Adds a provider, under its name.
    ///
    /// # Errors
    ///
    /// If there is a provider of that name already.
    pub fn provider(self, provider: impl Provider + 'static) -> Result<Self, SetupError> {
        Ok(Self { web: self.web.provider(provider)?, ..self })
    }

    /// Adds providers, under their names.
    ///
    /// # Errors
    ///
    /// If two have one name.
    pub fn providers(self, all: impl IntoIterator<Item = Arc<dyn Provider>>) -> Result<Self, SetupError> {
        Ok(Self { web: self.web.providers(all)?, ..self })
    }

    /// Finds providers by a function of the application's: see [`oauth_web::SignIn::resolve_with`].
    pub fn resolve_with<F>(self, resolver: F) -> Self
    where
        F: for<'r> Fn(
                &'r str,
                &'r SignInRequest,
            ) -> BoxFuture<'r, Result<Option<Arc<dyn Provider>>, ResolveError>>
            + Send
            + Sync
            + 'static,
    {
        Self { web: self.web.resolve_with(resolver), ..self }
    }

    /// Remembers here which attempts were used: see [`oauth_web::SignIn::used_attempts`].
    pub fn used_attempts(self, used: Arc<dyn SharedCache>) -> Self {
        Self { web: self.web.used_attempts(used), ..self }
    }

    /// Adds the route to link, with a function that says who is signed in: see [`oauth_web::SignIn::linking`].
    pub fn linking<F>(self, current_account: F) -> Self
    where
        F: for<'r> Fn(&'r SignInRequest) -> BoxFuture<'r, Result<Option<String>, ResolveError>>
            + Send
            + Sync
            + 'static,
    {
        Self { web: self.web.linking(current_account), ..self }
    }

    /// Chooses scopes, parameters and data of each login, by the provider's name and the head of the request.
    pub fn on_login(
        self,
        options: impl Fn(&str, &SignInRequest) -> LoginOptions + Send + Sync + 'static,
    ) -> Self {
        Self { web: self.web.on_login(options), ..self }
    }

    /// Answers failures in the application's own way. [`SignInError::page`] is how they are answered otherwise.
    ///
    /// It is told of failed back-channel logouts too; the provider that asked for one is answered in JSON all the same.
    pub fn on_error<R: IntoResponse>(
        self,
        answer: impl Fn(SignInError) -> R + Send + Sync + 'static,
    ) -> Self {
        Self { answers: Answers(Arc::new(move |error| answer(error).into_response())), ..self }
    }

    /// The routes, to be nested where the application wants them. The handler decides what to answer to whoever signed in: an ordinary
    /// handler of axum with the extractor [`SignedIn`], beside whatever other extractors it needs.
    ///
    /// ```
    /// use axum::{extract::State, response::Redirect};
    /// use oauth_web_axum::SignedIn;
    ///
    /// # #[derive(Clone)] struct Accounts;
    /// # impl Accounts { async fn sign_in(&self, _: (&str, &str)) {} }
    /// # fn routes(sign_in: oauth_web_axum::SignIn) -> axum::Router<Accounts> {
    /// async fn signed_in(State(accounts): State<Accounts>, user: SignedIn) -> Redirect {
    ///     accounts.sign_in(user.identity.key()).await;
    ///     Redirect::to(user.return_to.as_deref().unwrap_or("/"))
    /// }
    /// # sign_in.router(signed_in) }
    /// ```
    pub fn router<T, S, H>(self, handler: H) -> Router<S>
    where
        T: 'static,
        S: Clone + Send + Sync + 'static,
        H: Handler<T, S>,
    {
        let Self { web, answers } = self;
        let can_link = web.can_link();
        let (starting, started) = (web.clone(), answers.clone());
        let login = async move |params: Params, request: Request| {
            let (request, _) = split(params, request);
            started.respond(starting.login(&request).await)
        };
        let (linking, linked) = (web.clone(), answers.clone());
        let link = async move |params: Params, request: Request| {
            let (request, _) = split(params, request);
            linked.respond(linking.link(&request).await)
        };
        let callback = async move |State(state): State<S>, params: Params, request: Request| {
            let (sent, body) = split(params, request);
            let Answer { result, headers, .. } = web.callback(&sent, body).await;
            let mut response = match result {
                Ok(signed_in) => {
                    let mut request = Request::from_parts(sent.into_parts(), Body::empty());
                    request.extensions_mut().insert(SignedIn(signed_in));
                    handler.call(request, state).await
                }
                Err(error) => answers.failed(error),
            };
            headers.apply(response.headers_mut());
            response
        };
        let router = Router::new()
            .route("/{provider}/login", get(login))
            .route("/{provider}/callback", get(callback.clone()).post(callback));
        if can_link { router.route("/{provider}/link", post(link)) } else { router }
    }
}

/// With the plain pages of [`SignInError::page`].
impl From<oauth_web::SignIn> for SignIn {
    fn from(web: oauth_web::SignIn) -> Self {
        Self { web, answers: Answers(Arc::new(|error| error.page().into_response())) }
    }
}

impl Answers {
    pub(crate) fn failed(&self, error: SignInError) -> Response {
        (self.0)(error)
    }

    pub(crate) fn respond<R: IntoResponse>(&self, answer: Answer<R>) -> Response {
        let Answer { result, headers, .. } = answer;
        let mut response = result.map_or_else(|error| self.failed(error), IntoResponse::into_response);
        headers.apply(response.headers_mut());
        response
    }
}

/// The parameters of the path; those that are not UTF-8 name no provider.
pub(crate) type Params = Result<RawPathParams, axum::extract::rejection::RawPathParamsRejection>;

pub(crate) fn split(params: Params, request: Request) -> (SignInRequest, Body) {
    let (mut parts, body) = request.into_parts();
    if let Some(OriginalUri(uri)) = parts.extensions.get() {
        // A nested router sees the rest of the path only.
        parts.uri = uri.clone();
    }
    let params = params.iter().flatten().map(|(name, value)| (name.to_owned(), value.to_owned()));
    let params: Vec<_> = params.collect();
    (SignInRequest::new(parts, params), body)
}

impl<S: Send + Sync> FromRequestParts<S> for SignedIn {
    type Rejection = (StatusCode, &'static str);

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let missing = "SignedIn is an extractor for the handler of SignIn::router alone";
        parts.extensions.get().cloned().ok_or((StatusCode::INTERNAL_SERVER_ERROR, missing))
    }
}

impl Deref for SignedIn {
    type Target = oauth_web::SignedIn;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl fmt::Debug for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answers").finish_non_exhaustive()
    }
}
