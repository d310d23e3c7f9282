//! The settings of a sign-in.

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
    error::{ResolveError, SetupError, SignInError, SignInErrorKind},
    error_pages::ErrorPages,
    events,
    origin::{ForwardedHeaders, Origin, SiteAddress},
    redirect_uri::RedirectUri,
    relay::RedirectRelay,
    request::SignInRequest,
};

type FindProvider = dyn Fn(
        String,
        SignInRequest,
    ) -> Pin<Box<dyn Future<Output = Result<Option<Arc<dyn Provider>>, ResolveError>> + Send>>
    + Send
    + Sync;
type CurrentAccount = dyn Fn(SignInRequest) -> Pin<Box<dyn Future<Output = Result<Option<String>, ResolveError>> + Send>>
    + Send
    + Sync;
type OnLogin = dyn Fn(&str, &SignInRequest) -> LoginOptions + Send + Sync;

/// The settings of a sign-in, with a method for each of its routes. Clones are cheap and share the memory of used attempts.
#[derive(Clone)]
#[must_use]
pub struct SignIn(Arc<SignInSettings>);

#[derive(Clone)]
struct SignInSettings {
    sealer: Sealer,
    origin: Origin,
    redirect_uri: Option<RedirectUri>,
    relay: Option<RedirectRelay>,
    providers: BTreeMap<String, Arc<dyn Provider>>,
    resolver: Option<Arc<FindProvider>>,
    used: Arc<dyn SharedCache>,
    current_account: Option<Arc<CurrentAccount>>,
    on_login: Arc<OnLogin>,
    error_pages: Option<ErrorPages>,
    has_told_of_guess: Arc<AtomicBool>,
}

impl SignIn {
    /// Creates settings without providers. Attempts are sealed by `sealer`; every machine of the application needs the same keys.
    pub fn new(sealer: Sealer) -> Self {
        Self(Arc::new(SignInSettings {
            sealer,
            origin: Origin::default(),
            redirect_uri: None,
            relay: None,
            providers: BTreeMap::new(),
            resolver: None,
            used: Arc::new(MemoryCache::new()),
            current_account: None,
            on_login: Arc::new(|_, _| LoginOptions::new()),
            error_pages: None,
            has_told_of_guess: Arc::default(),
        }))
    }

    /// Sets the address at which browsers reach this site, such as `https://app.example`. If a proxy strips a path before it
    /// forwards requests, include that path.
    ///
    /// Without it, the address is derived from the `Host` of each request: with http for loopback hosts, and with https for all others.
    /// The first time that https is guessed, a warning is logged.
    ///
    /// # Errors
    ///
    /// [`SetupError::Address`] if the address has no http or https scheme, or has a user name, a query, a fragment or white space.
    pub fn at(mut self, address: impl AsRef<str>) -> Result<Self, SetupError> {
        let origin = Origin::fixed(address.as_ref()).map_err(SetupError::Address)?;
        events::configured(&origin);
        self.settings().origin = origin;
        Ok(self)
    }

    /// Derives the address from headers that a proxy sets. A warning is logged, because whoever sets them chooses the redirect URI.
    pub fn trusting(mut self, headers: ForwardedHeaders) -> Self {
        let origin = Origin::Proxy(headers);
        events::configured(&origin);
        self.settings().origin = origin;
        self
    }

    /// Sets the redirect URI that is registered at the providers, with `{provider}` for the provider's name, such as
    /// `https://login.example/callbacks/{provider}`. It is for sites where a gateway maps that address to the route
    /// `/{provider}/callback`. Its host must be that of the site, because the attempt's cookie belongs to the host, and it must be https if the
    /// site is.
    ///
    /// Without it, the redirect URI is the address of that route. Several providers should not share a redirect URI: one that sends no `iss`
    /// could not be told from the others (RFC 9700 section 4.4).
    ///
    /// # Errors
    ///
    /// [`SetupError::RedirectUri`] if it is not a URI that could be registered.
    pub fn redirect_uri(mut self, uri: impl AsRef<str>) -> Result<Self, SetupError> {
        let uri = RedirectUri::new(uri.as_ref()).map_err(SetupError::RedirectUri)?;
        self.settings().redirect_uri = Some(uri);
        Ok(self)
    }

    /// Has providers send users to a relay, which sends them on to the callback of this deployment: for previews, whose addresses nobody
    /// registers. The redirect URI is that of the relay. A provider to which requests are pushed or signed, or whose answers are signed, cannot
    /// be used with it.
    pub fn relayed_by(mut self, relay: RedirectRelay) -> Self {
        self.settings().relay = Some(relay);
        self
    }

    /// Adds a provider under its name.
    ///
    /// # Errors
    ///
    /// [`SetupError::SameName`] if there already is a provider of that name.
    pub fn provider(self, provider: impl Provider + 'static) -> Result<Self, SetupError> {
        self.providers([Arc::new(provider) as Arc<dyn Provider>])
    }

    /// Adds providers under their names.
    ///
    /// # Errors
    ///
    /// [`SetupError::SameName`] if two providers have the same name.
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

    /// Looks up providers at run time, for tenants with clients of their own. The function gets the name in the path and the request, with
    /// all its path parameters; it is called for names that were not added by [`provider`](Self::provider).
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use oauth_core::{Provider, Sealer, SealingKey};
    /// # use oauth_web::SignIn;
    /// # async fn client_of(_: &str, _: &str) -> Result<Option<Arc<dyn Provider>>, std::io::Error> { Ok(None) }
    /// # let sign_in = SignIn::new(Sealer::new(SealingKey::random()?));
    /// // With the routes nested at `/{tenant}/auth`.
    /// let sign_in = sign_in.resolve_with(|name, request| async move {
    ///     let Some(tenant) = request.param("tenant") else { return Ok(None) };
    ///     Ok(client_of(tenant, &name).await?)
    /// });
    /// # Ok::<(), oauth_core::Error>(())
    /// ```
    pub fn resolve_with<F, R>(mut self, resolver: F) -> Self
    where
        F: Fn(String, SignInRequest) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Option<Arc<dyn Provider>>, ResolveError>> + Send + 'static,
    {
        self.settings().resolver = Some(Arc::new(move |name, request| Box::pin(resolver(name, request))));
        self
    }

    /// Sets the cache that remembers which attempts were used. With one that is shared by all machines of the application, a callback counts
    /// once on all of them, even if its cookie was copied. Without it, each process remembers its own.
    pub fn used_attempts(mut self, used: Arc<dyn SharedCache>) -> Self {
        self.settings().used = used;
        self
    }

    /// Lets users link further providers to the account they are signed in to, by the route `POST /{provider}/link`. The function returns
    /// the account that a request is signed in to, in a form that the application recognizes later, such as its id.
    ///
    /// The route accepts forms from this site's own pages only, and stores the account in the encrypted attempt. The callback is refused
    /// unless the same account is still signed in. Where the provider answers by a form post from its own site, browsers do not send
    /// a session cookie that is `SameSite=Lax`; such a callback is accepted if nobody is signed in, but not if another account is.
    ///
    /// ```
    /// # use oauth_core::{Sealer, SealingKey};
    /// # use oauth_web::SignIn;
    /// # async fn account_of(_: &http::HeaderMap) -> Result<Option<String>, std::io::Error> { Ok(None) }
    /// # let sign_in = SignIn::new(Sealer::new(SealingKey::random()?));
    /// // From the application's session cookie, or from what a middleware put into `request.extensions`.
    /// let sign_in = sign_in.linking(|request| async move { Ok(account_of(&request.headers).await?) });
    /// # Ok::<(), oauth_core::Error>(())
    /// ```
    pub fn linking<F, R>(mut self, current_account: F) -> Self
    where
        F: Fn(SignInRequest) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Option<String>, ResolveError>> + Send + 'static,
    {
        self.settings().current_account = Some(Arc::new(move |request| Box::pin(current_account(request))));
        self
    }

    /// Sets the function that chooses the scopes, parameters and data of each login, given the provider's name and the request.
    pub fn on_login(
        mut self,
        options: impl Fn(&str, &SignInRequest) -> LoginOptions + Send + Sync + 'static,
    ) -> Self {
        self.settings().on_login = Arc::new(options);
        self
    }

    /// Sets the texts, languages and HTML of [`SignInError::page`]. Statuses stay as they are.
    pub fn error_pages(mut self, pages: ErrorPages) -> Self {
        self.settings().error_pages = Some(pages);
        self
    }

    /// The address of this site for a request, such as `https://app.example`: the one that was [set](Self::at), or the derived one. `None` if
    /// the request does not say under which host it was made.
    #[must_use]
    pub fn address(&self, request: &SignInRequest) -> Option<String> {
        self.site(request).ok().map(|site| site.address)
    }

    /// The sealer of the attempts, for what else is kept in the browser. Bind it to a context of its own.
    #[must_use]
    pub fn sealer(&self) -> &Sealer {
        &self.0.sealer
    }

    /// Whether [`linking`](Self::linking) was set, so that the route to link exists.
    #[must_use]
    pub fn can_link(&self) -> bool {
        self.0.current_account.is_some()
    }

    /// The error that a request is answered with.
    pub(crate) fn refusal(
        &self,
        kind: SignInErrorKind,
        request: &SignInRequest,
        retry: Option<String>,
    ) -> SignInError {
        let pages = self.0.error_pages.as_ref().map(|pages| pages.choose(request));
        SignInError::new(kind, request.provider(), retry, pages)
    }

    pub(crate) fn used(&self) -> &dyn SharedCache {
        &*self.0.used
    }

    pub(crate) fn options(&self, request: &SignInRequest) -> LoginOptions {
        (self.0.on_login)(request.provider(), request)
    }

    /// The address of this site for this request.
    pub(crate) fn site(&self, request: &SignInRequest) -> Result<SiteAddress, SignInErrorKind> {
        let site = self.0.origin.of(request)?;
        if site.is_guessed && !self.0.has_told_of_guess.swap(true, Ordering::Relaxed) {
            events::guessed(&site);
        }
        Ok(site)
    }

    /// The redirect URI of the request's provider.
    pub(crate) fn redirect_uri_of(&self, site: &SiteAddress, request: &SignInRequest) -> String {
        match (&self.0.relay, &self.0.redirect_uri) {
            (Some(relay), _) => relay.redirect_uri(request.provider()),
            (None, Some(uri)) => uri.of(request.provider()),
            (None, None) => site.callback_url(request),
        }
    }

    /// Where the user can start again, for a page that the browser sees at the redirect URI: what is relative there leads elsewhere, unless the
    /// redirect URI is that of the route.
    pub(crate) fn retry_at(&self, site: &SiteAddress, request: &SignInRequest, relative: String) -> String {
        match (&self.0.relay, &self.0.redirect_uri) {
            (None, Some(_)) => {
                let route = site.callback_url(request);
                format!("{}{relative}", route.strip_suffix("callback").unwrap_or(&route))
            }
            _ => relative,
        }
    }

    pub(crate) fn relay(&self) -> Option<&RedirectRelay> {
        self.0.relay.as_ref()
    }

    pub(crate) async fn find(&self, request: &SignInRequest) -> Result<Arc<dyn Provider>, SignInErrorKind> {
        let name = request.provider();
        if let Some(provider) = self.0.providers.get(name) {
            return Ok(provider.clone());
        }
        let found = match &self.0.resolver {
            Some(resolver) => {
                resolver(name.to_owned(), request.clone()).await.map_err(SignInErrorKind::Resolve)?
            }
            None => None,
        };
        found.ok_or(SignInErrorKind::UnknownProvider)
    }

    /// The account that the application says is signed in.
    pub(crate) async fn current_account(
        &self,
        request: &SignInRequest,
    ) -> Result<Option<String>, SignInErrorKind> {
        match &self.0.current_account {
            Some(current_account) => current_account(request.clone()).await.map_err(SignInErrorKind::Account),
            None => Ok(None),
        }
    }

    fn settings(&mut self) -> &mut SignInSettings {
        Arc::make_mut(&mut self.0)
    }
}

impl fmt::Debug for SignIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignIn")
            .field("origin", &self.0.origin)
            .field("relay", &self.0.relay)
            .field("providers", &self.0.providers.keys())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        error_pages::{ErrorPages, ErrorTexts},
        routes::Routes,
        testing::{ready, request, sealer, sign_in},
    };

    #[test]
    fn the_address_is_that_of_the_site_or_that_of_the_request() {
        let at_host = request("GET", "/auth/acme/login", &[("host", "shop.example")]);
        let derived = SignIn::new(sealer());
        assert_eq!(sign_in().address(&at_host).as_deref(), Some("https://app.example"));
        assert_eq!(derived.address(&at_host).as_deref(), Some("https://shop.example"));
        assert_eq!(derived.address(&request("GET", "/auth/acme/login", &[])), None);
    }

    #[test]
    fn a_link_to_retry_leads_to_the_route_from_wherever_the_page_is() {
        let request = request("GET", "/auth/acme/callback", &[]);
        let registered = sign_in().redirect_uri("https://app.example/r/{provider}").unwrap();
        let relay = RedirectRelay::new(sealer(), "https://auth.example/r/{provider}/callback").unwrap();
        let relayed = sign_in().relayed_by(relay);
        for (sign_in, redirect_uri, retry) in [
            (sign_in(), "https://app.example/auth/acme/callback", "login?popup=1"),
            (registered, "https://app.example/r/acme", "https://app.example/auth/acme/login?popup=1"),
            (relayed, "https://auth.example/r/acme/callback", "login?popup=1"),
        ] {
            let site = sign_in.site(&request).unwrap();
            assert_eq!(sign_in.redirect_uri_of(&site, &request), redirect_uri);
            assert_eq!(sign_in.retry_at(&site, &request, "login?popup=1".to_owned()), retry);
        }
    }

    #[test]
    fn a_redirect_uri_on_another_host_needs_a_relay() {
        let request = request("GET", "/auth/acme/login", &[]);
        let uri = "https://auth.example/r/{provider}/callback";
        let registered = sign_in().redirect_uri(uri).unwrap();
        let error = ready(registered.login(&request)).result.unwrap_err();
        assert!(error.to_string().contains("on another host than this site"), "{error}");
        let relayed = sign_in().relayed_by(RedirectRelay::new(sealer(), uri).unwrap());
        let response = ready(relayed.login(&request)).result.unwrap();
        let location = response.headers()["location"].to_str().unwrap();
        assert!(
            location.contains("redirect_uri=https%3A%2F%2Fauth.example%2Fr%2Facme%2Fcallback"),
            "{location}"
        );
    }

    #[test]
    fn settings_are_shown_by_what_is_public_in_them() {
        let relay = RedirectRelay::new(sealer(), "https://auth.example/r/{provider}/callback").unwrap();
        let relay = relay.allow("https://*.preview.example.dev").unwrap();
        let sign_in = sign_in().relayed_by(relay.clone());
        let pages = ErrorPages::new().texts(ErrorTexts::new("de"));
        #[cfg(feature = "openid")]
        let logout = sign_in.clone().back_channel_logout(None, |_| async { Ok::<_, std::io::Error>(()) });
        for (shown, parts) in [
            (format!("{sign_in:?}"), ["SignIn {", "https://app.example", "acme"]),
            (format!("{:?}", Routes::new(sign_in)), ["Routes {", "SignIn {", "acme"]),
            (format!("{relay:?}"), ["RedirectRelay {", "https://auth.example/r/", ".preview.example.dev"]),
            (format!("{pages:?}"), ["ErrorPages {", "\"de\"", "frame-ancestors"]),
            #[cfg(feature = "openid")]
            (format!("{logout:?}"), ["BackChannelLogout {", "SignIn {", "acme"]),
        ] {
            for part in parts {
                assert!(shown.contains(part), "{part} in {shown}");
            }
            assert!(!shown.contains("secret"), "{shown}");
        }
    }
}
