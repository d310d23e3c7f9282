use std::{any::Any, collections::BTreeMap, fmt, future::Future, pin::Pin, sync::Arc};

use axum::{
    Router,
    body::Body,
    extract::{Path, Query, Request},
    http::{HeaderMap, HeaderValue, Method, header, request::Parts},
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use oauth_core::{
    Callback, Error, Identity, LinkIntent, Login, LoginAttempt, LoginOptions, MemoryCache, OAuth2Token,
    Operation, Provider, Sealer, SharedCache,
    bytes::Bytes,
    serde_json::{Value, json},
};
use serde::Deserialize;

use crate::{
    cookies,
    error::SignInError,
    origin::{self, ForwardedHeaders, Origin},
};

/// Why a function of the application's, which finds a provider or an account, failed.
pub type ResolveError = Box<dyn std::error::Error + Send + Sync>;

type BoxFuture<'f, T> = Pin<Box<dyn Future<Output = T> + Send + 'f>>;
type Resolver = dyn for<'r> Fn(&'r str, &'r HeaderMap) -> BoxFuture<'r, Result<Option<Arc<dyn Provider>>, ResolveError>>
    + Send
    + Sync;
type CurrentAccount =
    dyn for<'r> Fn(&'r Parts) -> BoxFuture<'r, Result<Option<String>, ResolveError>> + Send + Sync;
type OnLogin = dyn Fn(&str, &HeaderMap) -> LoginOptions + Send + Sync;
type OnSignedIn = dyn Fn(SignedIn) -> BoxFuture<'static, Response> + Send + Sync;
type OnError = dyn Fn(SignInError) -> Response + Send + Sync;

/// The most bytes that a callback's query or form may have. A code is far below a thousand.
pub(crate) const MOST_BYTES: usize = 16 * 1024;

/// Signs users in: what the routes need to know. [`router`](Self::router) makes the routes.
#[derive(Clone)]
#[must_use]
pub struct SignIn(Arc<Settings>);

#[derive(Clone)]
struct Settings {
    sealer: Sealer,
    origin: Origin,
    providers: BTreeMap<String, Arc<dyn Provider>>,
    resolver: Option<Arc<Resolver>>,
    used: Arc<dyn SharedCache>,
    current_account: Option<Arc<CurrentAccount>>,
    on_login: Arc<OnLogin>,
    on_error: Arc<OnError>,
}

/// Somebody who signed in. `Debug` shows neither the headers, which hold the cookies, nor the application's data.
#[non_exhaustive]
pub struct SignedIn {
    /// Where.
    pub provider: Arc<dyn Provider>,
    /// Who. [`Identity::key`] is what to look the account up by.
    pub identity: Identity,
    /// The tokens.
    pub token: OAuth2Token,
    /// What for: to sign in, or to have the identity attached to the account that [`SignIn::linking`] named when the login began. Give it
    /// to [`LinkPolicy::decide`](oauth_core::LinkPolicy::decide). Whoever is signed in besides has not asked for anything.
    pub intent: LinkIntent<String>,
    /// Where the user wanted to go, a path of this site.
    pub return_to: Option<String>,
    /// The application's own data, from [`SignIn::on_login`].
    pub data: Value,
    /// The parameters of the callback, for what a provider sends nowhere else, such as the name at Apple.
    pub callback: Callback,
    /// The headers of the callback's request, for the application's own session.
    pub headers: HeaderMap,
    login: Login,
}

impl SignedIn {
    /// What the login brought besides, by its type: with OpenID Connect, `oauth_openid::IdToken`, the verified ID token.
    #[must_use]
    pub fn get<T: Any + Clone + Send + Sync>(&self) -> Option<&T> {
        self.login.get()
    }
}

impl SignIn {
    /// Signs in with attempts sealed like this. All machines of the application need the same keys.
    pub fn new(sealer: Sealer) -> Self {
        Self(Arc::new(Settings {
            sealer,
            origin: Origin::default(),
            providers: BTreeMap::new(),
            resolver: None,
            used: Arc::new(MemoryCache::new()),
            current_account: None,
            on_login: Arc::new(|_, _| LoginOptions::new()),
            on_error: Arc::new(IntoResponse::into_response),
        }))
    }

    /// The address under which browsers see this site, such as `https://app.example`. If a proxy strips a path before it
    /// hands requests on, the path belongs here too.
    ///
    /// Without it, the address is derived from the request's `Host`: https, and http on this machine alone.
    pub fn at(mut self, origin: impl Into<String>) -> Self {
        self.settings().origin = Origin::fixed(&origin.into());
        self
    }

    /// Derives the address from headers that a proxy sets.
    pub fn trusting(mut self, headers: ForwardedHeaders) -> Self {
        self.settings().origin = Origin::Proxy(headers);
        self
    }

    /// Adds a provider, under its name.
    pub fn provider(self, provider: impl Provider + 'static) -> Self {
        self.providers([Arc::new(provider) as Arc<dyn Provider>])
    }

    /// Adds providers, under their names.
    pub fn providers(mut self, providers: impl IntoIterator<Item = Arc<dyn Provider>>) -> Self {
        let providers = providers.into_iter().map(|provider| (provider.name().to_owned(), provider));
        self.settings().providers.extend(providers);
        self
    }

    /// Finds providers by a function that sees the name in the path and the request's headers: for tenants with clients of
    /// their own. It is asked for names that [`provider`](Self::provider) did not add.
    pub fn resolve_with<F>(mut self, resolver: F) -> Self
    where
        F: for<'r> Fn(
                &'r str,
                &'r HeaderMap,
            ) -> BoxFuture<'r, Result<Option<Arc<dyn Provider>>, ResolveError>>
            + Send
            + Sync
            + 'static,
    {
        self.settings().resolver = Some(Arc::new(resolver));
        self
    }

    /// Remembers here which attempts were used, for an application on several machines: a callback then counts once on all of
    /// them, even if its cookie was copied. Without it, each process remembers its own.
    pub fn used_attempts(mut self, used: Arc<dyn SharedCache>) -> Self {
        self.settings().used = used;
        self
    }

    /// Lets users attach further providers to the account that they are signed in to, by the route `POST /{provider}/link`. The function says
    /// which account a request is signed in to, in a form that the application knows again, such as its number.
    ///
    /// The route takes a form of this site's own pages only, and remembers the account in the encrypted attempt. The callback is refused
    /// unless the same account is still signed in. Where the provider answers by a form post, from its own site, browsers bring no session
    /// cookie that is `SameSite=Lax`: there, nobody may be signed in, but nobody else.
    ///
    /// ```
    /// # use oauth_axum::SignIn;
    /// # use oauth_core::{Sealer, SealingKey};
    /// # async fn account_of(_: &axum::http::HeaderMap) -> Result<Option<String>, std::io::Error> { Ok(None) }
    /// # let sign_in = SignIn::new(Sealer::new(SealingKey::random()?));
    /// // By a cookie of the application's, or by what a layer put into `parts.extensions`.
    /// let sign_in = sign_in.linking(|parts| Box::pin(async move { Ok(account_of(&parts.headers).await?) }));
    /// # Ok::<(), oauth_core::Error>(())
    /// ```
    pub fn linking<F>(mut self, current_account: F) -> Self
    where
        F: for<'r> Fn(&'r Parts) -> BoxFuture<'r, Result<Option<String>, ResolveError>>
            + Send
            + Sync
            + 'static,
    {
        self.settings().current_account = Some(Arc::new(current_account));
        self
    }

    /// Chooses scopes, parameters and data of each login, by the provider's name and the request's headers.
    pub fn on_login(
        mut self,
        options: impl Fn(&str, &HeaderMap) -> LoginOptions + Send + Sync + 'static,
    ) -> Self {
        self.settings().on_login = Arc::new(options);
        self
    }

    /// Answers failures in the application's own way.
    pub fn on_error<R: IntoResponse>(
        mut self,
        answer: impl Fn(SignInError) -> R + Send + Sync + 'static,
    ) -> Self {
        self.settings().on_error = Arc::new(move |error| answer(error).into_response());
        self
    }

    /// The routes, to be nested where the application wants them. The handler decides what to answer to whoever signed in.
    pub fn router<S, H, F, R>(self, handler: H) -> Router<S>
    where
        S: Clone + Send + Sync + 'static,
        H: Fn(SignedIn) -> F + Send + Sync + 'static,
        F: Future<Output = R> + Send + 'static,
        R: IntoResponse,
    {
        let on_signed_in: Arc<OnSignedIn> = Arc::new(move |signed_in| {
            let answer = handler(signed_in);
            Box::pin(async move { answer.await.into_response() })
        });
        let can_link = self.0.current_account.is_some();
        let (starting, linking, finishing) = (self.clone(), self.clone(), self);
        let login = async move |Path(name): Path<String>, request: Request| {
            let (parts, _) = request.into_parts();
            let answer = starting.login(&name, &parts).await;
            private(answer.unwrap_or_else(|error| (starting.0.on_error)(error)))
        };
        let link = async move |Path(name): Path<String>, request: Request| {
            let (parts, _) = request.into_parts();
            let answer = linking.link(&name, &parts).await;
            private(answer.unwrap_or_else(|error| (linking.0.on_error)(error)))
        };
        let callback = async move |Path(name): Path<String>, request: Request| {
            let (parts, body) = request.into_parts();
            let mut used_up = None;
            let answer = finishing.callback(&name, &parts, body, &mut used_up, &*on_signed_in).await;
            let mut response = private(answer.unwrap_or_else(|error| (finishing.0.on_error)(error)));
            // Whatever came of it, the attempt is over.
            let cleared = used_up.and_then(|name| cookies::clear(&name));
            response.headers_mut().extend(cleared.map(|cookie| (header::SET_COOKIE, cookie)));
            response
        };
        let router = Router::new()
            .route("/{provider}/login", get(login))
            .route("/{provider}/callback", get(callback.clone()).post(callback));
        if can_link { router.route("/{provider}/link", post(link)) } else { router }
    }

    async fn login(&self, name: &str, parts: &Parts) -> Result<Response, SignInError> {
        let provider = self.find(name, &parts.headers).await?;
        let return_to = wanted_return(parts)?;
        self.begin(&*provider, name, parts, return_to.as_deref(), LinkIntent::SignIn, |options| options).await
    }

    /// Begins a login whose identity is to be attached to the account that is signed in.
    async fn link(&self, name: &str, parts: &Parts) -> Result<Response, SignInError> {
        if !origin::is_of_own_page(&parts.headers, &self.0.origin.of(parts)?) {
            return Err(SignInError::ForeignForm);
        }
        let provider = self.find(name, &parts.headers).await?;
        let account = self.current_account(parts).await?.ok_or(SignInError::NotSignedIn)?;
        let return_to = wanted_return(parts)?;
        let intent = LinkIntent::LinkTo(account);
        self.begin(&*provider, name, parts, return_to.as_deref(), intent, |options| options).await
    }

    async fn current_account(&self, parts: &Parts) -> Result<Option<String>, SignInError> {
        match &self.0.current_account {
            Some(current_account) => current_account(parts).await.map_err(SignInError::Account),
            None => Ok(None),
        }
    }

    /// What the login was begun for, if whoever began it is who is signed in now.
    async fn intent(&self, attempt: &LoginAttempt, parts: &Parts) -> Result<LinkIntent<String>, SignInError> {
        let account = match attempt.data().get("link_to") {
            None | Some(Value::Null) => return Ok(LinkIntent::SignIn),
            Some(account) => account.as_str().ok_or(SignInError::OtherAccount)?,
        };
        match self.current_account(parts).await? {
            Some(current) if current == account => {}
            Some(_) => return Err(SignInError::OtherAccount),
            // The cookie of the session may have stayed behind; that of the attempt is of this browser.
            None if attempt.is_form_post() => {}
            None => return Err(SignInError::NotSignedIn),
        }
        Ok(LinkIntent::LinkTo(account.to_owned()))
    }

    /// Begins a login that ends at an address of this site.
    pub(crate) async fn begin(
        &self,
        provider: &dyn Provider,
        name: &str,
        parts: &Parts,
        return_to: Option<&str>,
        intent: LinkIntent<String>,
        completed: impl FnOnce(LoginOptions) -> LoginOptions,
    ) -> Result<Response, SignInError> {
        let redirect_uri = origin::redirect_uri(&self.0.origin, parts)?;
        let site = self.0.origin.of(parts)?;
        let return_to = return_to.map(|wanted| origin::return_to(wanted, &site)).transpose()?;
        let options = completed((self.0.on_login)(name, &parts.headers));
        let mut data = json!({ "return_to": return_to, "data": options.app_data() });
        if let LinkIntent::LinkTo(account) = intent {
            data["link_to"] = account.into();
        }
        let started =
            provider.start_login(&redirect_uri, options.data(data)).await.map_err(SignInError::Login)?;

        let sealed = self.0.sealer.seal(&started.attempt).map_err(SignInError::Login)?;
        let https = site.starts_with("https://");
        let cookie = cookies::set(&started.attempt, sealed, https).ok_or_else(|| {
            let problem = "the sign-in's cookie would have more than 4096 bytes, and browsers keep no such \
                           cookie; give the login less data, fewer scopes, or a shorter address to return to";
            let error = Error::configuration(provider.name().to_owned(), problem);
            SignInError::Login(error.during(Operation::START_LOGIN))
        })?;
        let mut response = Redirect::to(&started.url).into_response();
        for name in cookies::surplus(&parts.headers, &self.0.sealer, &cookie, https) {
            response.headers_mut().extend(cookies::clear(&name).map(|cookie| (header::SET_COOKIE, cookie)));
        }
        response.headers_mut().append(header::SET_COOKIE, cookie.header);
        Ok(response)
    }

    async fn callback(
        &self,
        name: &str,
        parts: &Parts,
        body: Body,
        used_up: &mut Option<String>,
        on_signed_in: &OnSignedIn,
    ) -> Result<Response, SignInError> {
        let provider = self.find(name, &parts.headers).await?;
        let redirect_uri = origin::redirect_uri(&self.0.origin, parts)?;
        let https = redirect_uri.starts_with("https://");
        let callback = read(parts, body).await?;

        let state = callback.get("state").unwrap_or_default();
        let found = cookies::find(&parts.headers, state, https).ok_or(SignInError::NoAttempt)?;
        *used_up = Some(found.name);
        let attempt =
            self.0.sealer.open(&found.sealed, provider.name(), &redirect_uri).map_err(SignInError::Sealed)?;
        if attempt.is_form_post() != (parts.method == Method::POST) {
            return Err(SignInError::WrongMethod);
        }
        // Only the holder of the whole state may use the attempt up: the cookie's name is but a part of it.
        let client = provider.oauth2().ready().await.map_err(SignInError::Login)?;
        client.check_callback(&attempt, &callback).map_err(SignInError::Login)?;
        let name = format!("login_attempt:{}", attempt.state());
        if !self.0.used.put_new(&name, Bytes::new(), attempt.lifetime()).await.map_err(SignInError::Store)? {
            return Err(SignInError::AlreadyUsed);
        }
        let intent = self.intent(&attempt, parts).await?;
        let login = provider.finish_login(attempt, callback.clone()).await.map_err(SignInError::Login)?;
        let identity = provider.get_identity(&login.token).await.map_err(SignInError::Login)?;
        let mut data = login.data.clone();
        let signed_in = SignedIn {
            provider,
            identity,
            token: login.token.clone(),
            login,
            intent,
            return_to: data["return_to"].as_str().map(str::to_owned),
            data: data["data"].take(),
            callback,
            headers: parts.headers.clone(),
        };
        Ok(on_signed_in(signed_in).await)
    }

    #[cfg(feature = "openid")]
    pub(crate) fn answer_to(&self, error: SignInError) -> Response {
        (self.0.on_error)(error)
    }

    pub(crate) async fn find(
        &self,
        name: &str,
        headers: &HeaderMap,
    ) -> Result<Arc<dyn Provider>, SignInError> {
        if let Some(provider) = self.0.providers.get(name) {
            return Ok(provider.clone());
        }
        let found = match &self.0.resolver {
            Some(resolver) => resolver(name, headers).await.map_err(SignInError::Resolve)?,
            None => None,
        };
        found.ok_or(SignInError::UnknownProvider)
    }

    fn settings(&mut self) -> &mut Settings {
        Arc::make_mut(&mut self.0)
    }
}

/// Where the user wants to be after the login.
fn wanted_return(parts: &Parts) -> Result<Option<String>, SignInError> {
    #[derive(Deserialize)]
    struct Wanted {
        return_to: Option<String>,
    }

    let Query(wanted) = Query::<Wanted>::try_from_uri(&parts.uri).map_err(|_| SignInError::ReturnTo)?;
    Ok(wanted.return_to)
}

/// The parameters of a callback: the query of a GET, the form of a POST (OAuth 2.0 Form Post Response Mode section 2).
async fn read(parts: &Parts, body: Body) -> Result<Callback, SignInError> {
    if parts.method == Method::HEAD {
        // Whoever looks ahead must not use the code up.
        return Err(SignInError::WrongMethod);
    }
    if parts.method != Method::POST {
        let query = parts.uri.query().unwrap_or_default();
        return if query.len() <= MOST_BYTES {
            Ok(Callback::from_query(query))
        } else {
            Err(SignInError::TooLarge)
        };
    }
    let content_type =
        parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(SignInError::NotAForm);
    }
    let form = axum::body::to_bytes(body, MOST_BYTES).await.map_err(|_| SignInError::TooLarge)?;
    let form = std::str::from_utf8(&form).map_err(|_| SignInError::NotAForm)?;
    Ok(Callback::from_form(form))
}

/// Keeps a code or a state out of caches and of the `Referer` of whatever page comes next (RFC 9700 section 4.2).
fn private(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

impl fmt::Debug for SignedIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedIn")
            .field("provider", &self.provider.name())
            .field("identity", &self.identity)
            .field("token", &self.token)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for SignIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignIn")
            .field("origin", &self.0.origin)
            .field("providers", &self.0.providers.keys())
            .finish_non_exhaustive()
    }
}
