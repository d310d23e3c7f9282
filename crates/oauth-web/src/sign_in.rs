//! What signing in needs to know.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    fmt,
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use oauth_core::{LoginOptions, MemoryCache, Provider, Sealer, SharedCache};

use crate::{
    error::{ResolveError, SetupError, SignInErrorKind},
    events,
    origin::{ForwardedHeaders, Origin, Site},
    request::SignInRequest,
};

/// A boxed future, as the application's functions return it: `Box::pin(async move { … })`.
pub type BoxFuture<'f, T> = Pin<Box<dyn Future<Output = T> + Send + 'f>>;

type Resolver = dyn for<'r> Fn(&'r str, &'r SignInRequest) -> BoxFuture<'r, Result<Option<Arc<dyn Provider>>, ResolveError>>
    + Send
    + Sync;
type CurrentAccount =
    dyn for<'r> Fn(&'r SignInRequest) -> BoxFuture<'r, Result<Option<String>, ResolveError>> + Send + Sync;
type OnLogin = dyn Fn(&str, &SignInRequest) -> LoginOptions + Send + Sync;

/// Signs users in: the settings, and what each route does. Clones are cheap, and share what was used up.
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
    has_told_of_guess: Arc<AtomicBool>,
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
            has_told_of_guess: Arc::default(),
        }))
    }

    /// The address under which browsers see this site, such as `https://app.example`. If a proxy strips a path before it
    /// hands requests on, the path belongs here too.
    ///
    /// Without it, the address is derived from the request's `Host`: http on this machine, and https everywhere else, which the log says
    /// once.
    ///
    /// # Errors
    ///
    /// What is no such address: without a scheme, or with a user name, a query or white space.
    pub fn at(mut self, address: impl AsRef<str>) -> Result<Self, SetupError> {
        let origin = Origin::fixed(address.as_ref()).map_err(SetupError::Address)?;
        events::configured(&origin);
        self.settings().origin = origin;
        Ok(self)
    }

    /// Derives the address from headers that a proxy sets. The log says so once, because whoever sets them chooses the redirect URI.
    pub fn trusting(mut self, headers: ForwardedHeaders) -> Self {
        let origin = Origin::Proxy(headers);
        events::configured(&origin);
        self.settings().origin = origin;
        self
    }

    /// Adds a provider, under its name.
    ///
    /// # Errors
    ///
    /// If there is a provider of that name already.
    pub fn provider(self, provider: impl Provider + 'static) -> Result<Self, SetupError> {
        self.providers([Arc::new(provider) as Arc<dyn Provider>])
    }

    /// Adds providers, under their names.
    ///
    /// # Errors
    ///
    /// If two have one name.
    pub fn providers(
        mut self,
        providers: impl IntoIterator<Item = Arc<dyn Provider>>,
    ) -> Result<Self, SetupError> {
        for provider in providers {
            match self.settings().providers.entry(provider.name().to_owned()) {
                Entry::Vacant(entry) => entry.insert(provider),
                Entry::Occupied(entry) => return Err(SetupError::SameName(entry.key().clone())),
            };
        }
        Ok(self)
    }

    /// Finds providers by a function that sees the name in the path and the whole head of the request, with all parameters of its path:
    /// for tenants with clients of their own. It is asked for names that [`provider`](Self::provider) did not add.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use oauth_core::{Provider, Sealer, SealingKey};
    /// # use oauth_web::SignIn;
    /// # async fn client_of(_: &str, _: &str) -> Result<Option<Arc<dyn Provider>>, std::io::Error> { Ok(None) }
    /// # let sign_in = SignIn::new(Sealer::new(SealingKey::random()?));
    /// // With the routes nested at `/{tenant}/auth`.
    /// let sign_in = sign_in.resolve_with(|name, request| Box::pin(async move {
    ///     let Some(tenant) = request.param("tenant") else { return Ok(None) };
    ///     Ok(client_of(tenant, name).await?)
    /// }));
    /// # Ok::<(), oauth_core::Error>(())
    /// ```
    pub fn resolve_with<F>(mut self, resolver: F) -> Self
    where
        F: for<'r> Fn(
                &'r str,
                &'r SignInRequest,
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
    /// # use oauth_core::{Sealer, SealingKey};
    /// # use oauth_web::SignIn;
    /// # async fn account_of(_: &http::HeaderMap) -> Result<Option<String>, std::io::Error> { Ok(None) }
    /// # let sign_in = SignIn::new(Sealer::new(SealingKey::random()?));
    /// // By a cookie of the application's, or by what a layer put into `request.extensions`.
    /// let sign_in = sign_in.linking(|request| Box::pin(async move { Ok(account_of(&request.headers).await?) }));
    /// # Ok::<(), oauth_core::Error>(())
    /// ```
    pub fn linking<F>(mut self, current_account: F) -> Self
    where
        F: for<'r> Fn(&'r SignInRequest) -> BoxFuture<'r, Result<Option<String>, ResolveError>>
            + Send
            + Sync
            + 'static,
    {
        self.settings().current_account = Some(Arc::new(current_account));
        self
    }

    /// Chooses scopes, parameters and data of each login, by the provider's name and the head of the request.
    pub fn on_login(
        mut self,
        options: impl Fn(&str, &SignInRequest) -> LoginOptions + Send + Sync + 'static,
    ) -> Self {
        self.settings().on_login = Arc::new(options);
        self
    }

    /// Whether [`linking`](Self::linking) was set, so that there is a route to link.
    #[must_use]
    pub fn can_link(&self) -> bool {
        self.0.current_account.is_some()
    }

    pub(crate) fn sealer(&self) -> &Sealer {
        &self.0.sealer
    }

    pub(crate) fn used(&self) -> &dyn SharedCache {
        &*self.0.used
    }

    pub(crate) fn options(&self, request: &SignInRequest) -> LoginOptions {
        (self.0.on_login)(request.provider(), request)
    }

    /// The address of this site, as far as this request knows it.
    pub(crate) fn site(&self, request: &SignInRequest) -> Result<Site, SignInErrorKind> {
        let site = self.0.origin.of(request)?;
        if site.is_guessed && !self.0.has_told_of_guess.swap(true, Ordering::Relaxed) {
            events::guessed(&site);
        }
        Ok(site)
    }

    pub(crate) async fn find(&self, request: &SignInRequest) -> Result<Arc<dyn Provider>, SignInErrorKind> {
        let name = request.provider();
        if let Some(provider) = self.0.providers.get(name) {
            return Ok(provider.clone());
        }
        let found = match &self.0.resolver {
            Some(resolver) => resolver(name, request).await.map_err(SignInErrorKind::Resolve)?,
            None => None,
        };
        found.ok_or(SignInErrorKind::UnknownProvider)
    }

    /// Who is signed in, as the application says.
    pub(crate) async fn current_account(
        &self,
        request: &SignInRequest,
    ) -> Result<Option<String>, SignInErrorKind> {
        match &self.0.current_account {
            Some(current_account) => current_account(request).await.map_err(SignInErrorKind::Account),
            None => Ok(None),
        }
    }

    fn settings(&mut self) -> &mut Settings {
        Arc::make_mut(&mut self.0)
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
