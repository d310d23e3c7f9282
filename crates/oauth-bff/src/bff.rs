//! The settings of a backend for a browser application.

use std::{collections::BTreeMap, fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use http::request::Parts;
use oauth_core::{LinkIntent, SharedCache, serde_json::json};
use oauth_tokens::{PutOptions, TokenKey, TokenManager};
use oauth_web::{PopupPage, ResolveError, Routes, SignIn, SignInRequest, SignedIn};

use crate::{
    error::BffError,
    events, guard,
    session::{self, FoundSession, NewSession, SameSite, Session},
    sessions::SessionEnds,
    setup::BffSetupError,
    upstream::Upstream,
};

type OnSignIn =
    dyn Fn(SignedIn) -> Pin<Box<dyn Future<Output = Result<NewSession, ResolveError>> + Send>> + Send + Sync;
type OnLogout = dyn Fn(Session) -> Pin<Box<dyn Future<Output = Result<Option<String>, ResolveError>> + Send>>
    + Send
    + Sync;

/// A backend for a browser application. Clones are cheap and share everything.
#[derive(Clone)]
#[must_use]
pub struct Bff(Arc<BffSettings>);

#[derive(Clone)]
pub(crate) struct BffSettings {
    pub(crate) base: String,
    pub(crate) routes: Routes,
    pub(crate) tokens: TokenManager,
    pub(crate) http: reqwest::Client,
    pub(crate) upstreams: BTreeMap<String, Upstream>,
    pub(crate) same_site: SameSite,
    pub(crate) ends: SessionEnds,
    pub(crate) revokes: bool,
    pub(crate) popup: PopupPage,
    pub(crate) on_sign_in: Arc<OnSignIn>,
    pub(crate) on_logout: Option<Arc<OnLogout>>,
}

impl Bff {
    /// Creates a backend whose routes are below this path, such as `/bff`. `tokens` must know the providers that users sign in with.
    ///
    /// Give it an HTTP client of `oauth_reqwest::reqwest_client`, or one of your own that follows no redirects and keeps no cookies.
    ///
    /// # Errors
    ///
    /// [`BffSetupError::Random`], and [`BffSetupError::Base`] if the path does not begin with a slash, or has characters that browsers change.
    pub fn new(
        base: &str,
        routes: Routes,
        tokens: TokenManager,
        http: impl Into<reqwest::Client>,
    ) -> Result<Self, BffSetupError> {
        let trimmed = base.trim_end_matches('/');
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_/".contains(&byte);
        if !trimmed.starts_with('/') || trimmed.contains("//") || !trimmed.bytes().all(is_plain) {
            return Err(BffSetupError::Base(base.to_owned()));
        }
        Ok(Self(Arc::new(BffSettings {
            base: trimmed.to_owned(),
            routes,
            tokens,
            http: http.into(),
            upstreams: BTreeMap::new(),
            same_site: SameSite::default(),
            ends: SessionEnds::after(Duration::from_secs(8 * 60 * 60)).map_err(|_| BffSetupError::Random)?,
            revokes: false,
            popup: PopupPage::new(),
            on_sign_in: Arc::new(|user| Box::pin(async move { new_session(&user) })),
            on_logout: None,
        })))
    }

    /// The path that the routes are below, such as `/bff`.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.0.base
    }

    /// Passes requests below `/api/{name}` on to an API.
    ///
    /// # Errors
    ///
    /// [`BffSetupError::Name`] for other characters than lower-case letters, digits and hyphens, and [`BffSetupError::SameName`].
    pub fn upstream(mut self, name: &str, upstream: Upstream) -> Result<Self, BffSetupError> {
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if name.is_empty() || !name.bytes().all(is_plain) {
            return Err(BffSetupError::Name(name.to_owned()));
        }
        if self.settings().upstreams.insert(name.to_owned(), upstream).is_some() {
            return Err(BffSetupError::SameName(name.to_owned()));
        }
        Ok(self)
    }

    /// Sets the function that makes a session of a user who signed in: under which key the tokens are stored, and what the page is told about
    /// the user. An error refuses the sign-in, and is logged.
    ///
    /// Without it, the key is that of the provider's name and the identity (issuer and subject), and the page is told the provider, the name,
    /// the picture, and the address if the provider has verified it. Set it if you have accounts of your own, or let users
    /// [link](SignIn::linking) further providers, which is refused without it.
    ///
    /// ```
    /// use oauth_bff::{Bff, NewSession, SignedIn};
    /// use oauth_core::serde_json::json;
    /// use oauth_tokens::TokenKey;
    ///
    /// # async fn account_of(_: (&str, &str)) -> Result<u64, std::io::Error> { Ok(17) }
    /// # fn f(bff: Bff) -> Bff {
    /// bff.on_sign_in(|user: SignedIn| async move {
    ///     let account = account_of(user.identity.key()).await?;
    ///     let key = TokenKey::new(user.provider.name(), account.to_string());
    ///     Ok::<_, std::io::Error>(NewSession::new(key).user(json!({ "account": account })))
    /// })
    /// # }
    /// ```
    pub fn on_sign_in<H, F, E>(mut self, handler: H) -> Self
    where
        H: Fn(SignedIn) -> F + Send + Sync + 'static,
        F: Future<Output = Result<NewSession, E>> + Send + 'static,
        E: Into<ResolveError>,
    {
        self.settings().on_sign_in = Arc::new(move |user| {
            let made = handler(user);
            Box::pin(async move { made.await.map_err(Into::into) })
        });
        self
    }

    /// Sets the function that is called when a user logs out. If it returns a URL, such as that of the provider's own logout, `POST /logout`
    /// answers `{"location": "…"}` in place of 204, and the page is to go there. The session is over in any case.
    pub fn on_logout<H, F, E>(mut self, handler: H) -> Self
    where
        H: Fn(Session) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Option<String>, E>> + Send + 'static,
        E: Into<ResolveError>,
    {
        self.settings().on_logout = Some(Arc::new(move |session| {
            let left = handler(session);
            Box::pin(async move { left.await.map_err(Into::into) })
        }));
        self
    }

    /// Revokes and deletes the user's tokens when a session is ended by its user. Without it, they stay for the user's other sessions.
    pub fn revoke_on_logout(mut self) -> Self {
        self.settings().revokes = true;
        self
    }

    /// Sets with which requests browsers send the session's cookie. Default: [`SameSite::Strict`].
    pub fn same_site(mut self, same_site: SameSite) -> Self {
        self.settings().same_site = same_site;
        self
    }

    /// Sets how long a session lasts after the sign-in: 400 days at most, because browsers keep no cookie longer. Default: eight hours.
    /// A shorter time than before holds for the sessions that there are, too. It is set for all clones of this backend.
    pub fn session_lifetime(self, lifetime: Duration) -> Self {
        self.0.ends.set_lifetime(lifetime);
        self
    }

    /// Sets the cache that remembers sessions that have ended, so that a copy of the cookie is of no use. All processes of the application share
    /// it, such as by `oauth-store-sqlx` or `oauth-store-redis`; it must keep what it is given for as long as it is told. It is set for all clones of
    /// this backend.
    ///
    /// Without it, the process remembers them in its memory, which the next start does not have. So sessions then end with the process,
    /// and count in no other one: an application of several processes needs this.
    pub fn ended_sessions(self, ended: Arc<dyn SharedCache>) -> Self {
        self.0.ends.remember_in(ended);
        self
    }

    /// Changes the routes of the sign-in, such as by [back-channel logout](Routes), with the feature `openid` of `oauth-web`. Sessions are known
    /// by their users here, so the logout token has to name one (`sub`): an error tells the provider where it names its own session alone.
    ///
    /// ```
    /// use oauth_bff::{Bff, NewSession, oauth_web::oauth_openid::LogoutToken};
    ///
    /// # fn f(bff: Bff) -> Bff {
    /// let ending = bff.clone();
    /// bff.routes(|routes| {
    ///     routes.back_channel_logout(None, move |token: LogoutToken| {
    ///         let ending = ending.clone();
    ///         async move {
    ///             let subject = token.subject().ok_or("the logout token names no user")?;
    ///             let key = NewSession::default_key(token.provider(), token.identity_issuer(), subject);
    ///             ending.end_all(&key).await.map_err(|error| error.to_string())
    ///         }
    ///     })
    /// })
    /// # }
    /// ```
    pub fn routes(mut self, change: impl FnOnce(Routes) -> Routes) -> Self {
        let routes = self.0.routes.clone();
        self.settings().routes = change(routes);
        self
    }

    /// Sets the page that ends a sign-in in a popup.
    pub fn popup_page(mut self, page: PopupPage) -> Self {
        self.settings().popup = page;
        self
    }

    /// The session of a request, for routes of the application's own. It says who is signed in, and nothing about where the request comes from:
    /// [`authorize`](Self::authorize) does both.
    ///
    /// # Errors
    ///
    /// [`BffError::NoSession`], [`BffError::UnknownHost`], or [`BffError::Sessions`].
    pub async fn session(&self, parts: &Parts) -> Result<Session, BffError> {
        let site = self.site(parts)?;
        match session::read(&parts.headers, self.sign_in().sealer(), &site) {
            FoundSession::Session(session) if !self.0.ends.has_ended(&session).await? => Ok(*session),
            _ => Err(BffError::NoSession),
        }
    }

    /// The session of a request that a page of this site has made with the header `x-csrf: 1`, for routes of the application's own that do
    /// something for the user.
    ///
    /// # Errors
    ///
    /// As [`session`](Self::session), and [`BffError::NoCsrfHeader`] or [`BffError::CrossSite`].
    pub async fn authorize(&self, parts: &Parts) -> Result<Session, BffError> {
        guard::check(&parts.headers, &self.site(parts)?)?;
        self.session(parts).await
    }

    /// Ends a session before its time, such as when the user's account is blocked.
    ///
    /// # Errors
    ///
    /// [`BffError::Sessions`] if that could not be remembered.
    pub async fn end(&self, session: &Session) -> Result<(), BffError> {
        self.0.ends.end(session).await?;
        events::session_ended(&session.key(), false);
        Ok(())
    }

    /// Ends all sessions of the user whose tokens have this key that have begun so far: to sign out everywhere, or because the provider says so.
    /// The tokens stay.
    ///
    /// # Errors
    ///
    /// [`BffError::Sessions`] if that could not be remembered.
    pub async fn end_all(&self, key: &TokenKey) -> Result<(), BffError> {
        self.0.ends.end_all(key).await?;
        events::session_ended(key, true);
        Ok(())
    }

    pub(crate) fn site(&self, parts: &Parts) -> Result<String, BffError> {
        // The address depends on the head alone.
        self.sign_in().address(&SignInRequest::from(parts.clone())).ok_or(BffError::UnknownHost)
    }

    pub(crate) fn sign_in(&self) -> &SignIn {
        self.0.routes.sign_in()
    }

    pub(crate) fn all(&self) -> &BffSettings {
        &self.0
    }

    /// Stores the tokens of a user who signed in, and begins a session.
    pub(crate) async fn begin(&self, user: SignedIn) -> Result<Session, BffError> {
        let options = PutOptions::new().with_identity(&user.identity);
        let token = user.token.clone();
        let new = (self.0.on_sign_in)(user).await.map_err(BffError::Application)?;
        let epoch = self.0.ends.epoch(&new.key).await?;
        self.0.tokens.put_with(&new.key, &token, options).await.map_err(BffError::of_token)?;
        let session = Session::begin(new, self.0.ends.lifetime(), self.0.ends.memory().as_deref(), epoch)
            .map_err(|error| BffError::Application(error.into()))?;
        events::session_begun(&session.key());
        Ok(session)
    }

    fn settings(&mut self) -> &mut BffSettings {
        Arc::make_mut(&mut self.0)
    }
}

/// The session of a user in an application without accounts of its own.
fn new_session(user: &SignedIn) -> Result<NewSession, ResolveError> {
    if matches!(user.intent, LinkIntent::LinkTo(_)) {
        return Err("users can link providers, and nobody says what that means: set Bff::on_sign_in".into());
    }
    let identity = &user.identity;
    let key = NewSession::default_key(user.provider.name(), &identity.issuer, &identity.subject);
    let email =
        identity.email.as_ref().filter(|email| email.is_verified()).map(|email| email.address.clone());
    Ok(NewSession::new(key).user(json!({
        "provider": user.provider.name(),
        "name": identity.name,
        "email": email,
        "picture": identity.picture,
    })))
}

impl fmt::Debug for Bff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bff")
            .field("base", &self.0.base)
            .field("routes", &self.0.routes)
            .field("upstreams", &self.0.upstreams)
            .finish_non_exhaustive()
    }
}
