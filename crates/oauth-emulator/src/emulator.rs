use std::{collections::BTreeMap, io, sync::Arc, time::Duration};

use oauth_core::OAuth2Token;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::oneshot};

use crate::{
    app::App,
    apple_key::AppleKey,
    backend::{Backend, UnknownProvider},
    clock::now,
    crypto,
    demands::Demands,
    endpoint::EmulatedEndpoint,
    facts::{self, EmulatedProvider},
    fault::Fault,
    id_token,
    keys::KeyRing,
    request::RecordedRequest,
    server,
    state::{ActiveFault, EmulatorState},
    user::User,
};

/// A running emulator. Clones share it; the server stops when the last one is dropped.
#[derive(Clone)]
pub struct Emulator {
    backend: Arc<Backend>,
    _running: Arc<Running>,
}

/// Ends the server when dropped.
struct Running(Option<oneshot::Sender<()>>);

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(stop) = self.0.take() {
            // The server may be gone already, with the runtime that it ran on.
            let _ = stop.send(());
        }
    }
}

impl Emulator {
    /// Starts an emulator with one default application per provider and one user.
    ///
    /// # Errors
    ///
    /// If no port of the loopback interface can be bound.
    pub async fn start() -> io::Result<Self> {
        Self::builder().start().await
    }

    /// Prepares an emulator with other applications, users or behaviour.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Where the emulator listens: `http://127.0.0.1:PORT`, without a slash at the end.
    pub fn origin(&self) -> &str {
        &self.backend.origin
    }

    /// Where the emulator serves a provider's real URL: `https://HOST/PATH?QUERY` is at `{origin}/HOST/PATH?QUERY`. A URL
    /// that is not https is returned as it is.
    pub fn local(&self, url: &str) -> String {
        self.backend.local(url)
    }

    /// Whether there is an endpoint of one of the providers at this URL.
    pub(crate) fn serves(&self, url: &str) -> bool {
        let endpoint = url.split(['?', '#']).next().unwrap_or_default();
        let mut routes = self.backend.providers.iter().flat_map(|provider| &provider.routes);
        routes.any(|route| route.pattern.matches(endpoint).is_some())
    }

    /// The names of the providers that the emulator plays.
    pub fn providers(&self) -> Vec<&str> {
        self.backend
            .providers
            .iter()
            .filter(|provider| provider.name == provider.family)
            .map(|provider| provider.name.as_str())
            .collect()
    }

    /// The applications registered at a provider; by default one, see [`App::default_of`].
    ///
    /// # Errors
    ///
    /// If there is no such provider.
    pub fn apps(&self, provider: &str) -> Result<Vec<App>, UnknownProvider> {
        self.backend.known(provider)?;
        Ok(self.backend.state().apps(provider))
    }

    /// What a client of a provider takes besides identifier and secret, such as a tenant or a shop, by the names of the
    /// client's settings. The emulator accepts these values; they are empty where a client takes nothing else.
    ///
    /// # Errors
    ///
    /// If there is no such provider.
    pub fn settings(&self, provider: &str) -> Result<BTreeMap<String, String>, UnknownProvider> {
        self.backend.known(provider)?;
        Ok(self
            .backend
            .provider(provider)
            .map(|provider| provider.facts.settings.clone())
            .unwrap_or_default())
    }

    /// Where the emulator serves a provider's endpoints, by their names in a provider's metadata (RFC 8414 section 2): for programs that
    /// have no [`http_client`](Self::http_client), such as those in other languages.
    ///
    /// # Errors
    ///
    /// If there is no such provider.
    pub fn endpoints(&self, provider: &str) -> Result<BTreeMap<&'static str, String>, UnknownProvider> {
        self.backend.known(provider)?;
        let Some(provider) = self.backend.provider(provider) else { return Ok(BTreeMap::new()) };
        let facts = &provider.facts;
        let named = [
            ("authorization_endpoint", &facts.authorize_url),
            ("end_session_endpoint", &facts.end_session_url),
            ("introspection_endpoint", &facts.introspect_url),
            ("jwks_uri", &facts.jwks_url),
            ("openid_configuration", &facts.discovery_url),
            ("profile_endpoint", &facts.profile_url),
            ("revocation_endpoint", &facts.revoke_url),
            ("token_endpoint", &facts.token_url),
            ("userinfo_endpoint", &facts.userinfo_url),
        ];
        let local = |url: &String| {
            let filled = facts
                .settings
                .iter()
                .fold(url.clone(), |url, (name, value)| url.replace(&format!("{{{name}}}"), value));
            self.local(&filled)
        };
        Ok(named.into_iter().filter_map(|(name, url)| Some((name, local(url.as_ref()?)))).collect())
    }

    /// What the applications at Apple sign their client secrets with. Each emulator makes its own.
    pub fn apple_key(&self) -> AppleKey {
        self.backend.apple_key.clone()
    }

    /// Switches a fault on for all endpoints of a provider that it concerns, until [`clear_faults`](Self::clear_faults).
    ///
    /// # Errors
    ///
    /// If there is no such provider.
    pub fn fault(&self, provider: &str, fault: Fault) -> Result<(), UnknownProvider> {
        self.add_fault(provider, None, fault)
    }

    /// Switches a fault on for one endpoint of a provider only, such as a profile that is down while the token endpoint works.
    ///
    /// # Errors
    ///
    /// If there is no such provider.
    pub fn fault_at(
        &self,
        provider: &str,
        endpoint: EmulatedEndpoint,
        fault: Fault,
    ) -> Result<(), UnknownProvider> {
        self.add_fault(provider, Some(endpoint), fault)
    }

    fn add_fault(
        &self,
        provider: &str,
        endpoint: Option<EmulatedEndpoint>,
        fault: Fault,
    ) -> Result<(), UnknownProvider> {
        self.backend.known(provider)?;
        self.backend.state().faults.push(ActiveFault { provider: provider.to_owned(), endpoint, fault });
        Ok(())
    }

    /// Switches all faults off.
    pub fn clear_faults(&self) {
        self.backend.state().faults.clear();
    }

    /// Replaces the signing keys of all providers. Key sets go on holding the keys before, until the next rotation or
    /// [`drop_previous_keys`](Self::drop_previous_keys).
    pub fn rotate_keys(&self) {
        self.backend.keys().rotate_all();
    }

    /// Removes the keys that no longer sign from all key sets.
    pub fn drop_previous_keys(&self) {
        self.backend.keys().drop_previous();
    }

    /// Makes all nonces for DPoP proofs old, so that the next request is told a new one (RFC 9449 section 8.2).
    pub fn rotate_nonces(&self) {
        self.backend.state().flows.rotate_nonces();
    }

    /// A JWT with these claims, signed with a provider's key as for its first application: whatever the provider could sign,
    /// such as an ID token that an application on a phone obtained by itself. The header's `typ` is `JWT` unless another is
    /// given. The faults of [`EmulatedEndpoint::Other`] apply.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidInput`] if there is no such provider or the claims are not an object.
    pub fn sign_jwt(&self, provider: &str, typ: Option<&str>, claims: Value) -> io::Result<String> {
        let app = self.backend.state().apps(provider).into_iter().next().unwrap_or_default();
        self.sign(provider, EmulatedEndpoint::Other, &app, typ, claims)
    }

    /// A logout token for an application, as the provider posts it when a session ends there (OpenID Connect Back-Channel
    /// Logout 1.0 section 2.4): for the user whose `sub` this is, for the session whose `sid` this is, or both. The faults of
    /// [`EmulatedEndpoint::EndSession`] apply.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidInput`] if there is no such provider or application.
    pub fn logout_token(
        &self,
        provider: &str,
        client_id: &str,
        sub: Option<&str>,
        sid: Option<&str>,
    ) -> io::Result<String> {
        let app = self.backend.state().app(provider, client_id).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, format!("no application {client_id:?} at {provider}"))
        })?;
        // That of the tenant where the application was last.
        let captures = self.backend.state().captures(provider, client_id);
        let issuer = self.entry(provider)?.issuer(&captures);
        let now = now();
        let mut claims = json!({
            "iss": issuer,
            "aud": client_id,
            "iat": now,
            "exp": now + 120,
            "jti": crypto::random(),
            "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
        });
        for (name, value) in [("sub", sub), ("sid", sid)] {
            if let Some(value) = value {
                claims[name] = json!(value);
            }
        }
        self.sign(provider, EmulatedEndpoint::EndSession, &app, Some("logout+jwt"), claims)
    }

    pub(crate) fn backend(&self) -> &Backend {
        &self.backend
    }

    /// Whether a client is asked for its certificate at this URL.
    pub(crate) fn asks_for_certificate(&self, url: &str) -> bool {
        let endpoint = url.split(['?', '#']).next().unwrap_or_default();
        let mut routes = self.backend.providers.iter().flat_map(|provider| &provider.routes);
        routes.any(|route| route.mutual_tls && route.pattern.matches(endpoint).is_some())
    }

    pub(crate) fn app(&self, provider: &str, client_id: &str) -> Option<App> {
        self.backend.state().app(provider, client_id)
    }

    pub(crate) fn end_grants(&self, provider: &str, client_id: &str, user: &str) {
        self.backend.state().end_grants(provider, client_id, user);
    }

    pub(crate) fn sign(
        &self,
        provider: &str,
        endpoint: EmulatedEndpoint,
        app: &App,
        typ: Option<&str>,
        claims: Value,
    ) -> io::Result<String> {
        let Value::Object(claims) = claims else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the claims are not a JSON object"));
        };
        let entry = self.entry(provider)?;
        let alg = id_token::alg(&self.backend, entry, endpoint, app.id_token_signed_response_alg);
        id_token::sign(&self.backend, entry, endpoint, app, alg, typ, claims).map_err(io::Error::other)
    }

    pub(crate) fn entry(&self, provider: &str) -> io::Result<&EmulatedProvider> {
        self.backend.known(provider).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        self.backend.provider(provider).ok_or_else(|| io::ErrorKind::InvalidInput.into())
    }

    /// The requests to the providers so far, refused ones too, in their order. What the consent page's form sends is not
    /// among them. The last ten thousand are kept, and 64 MiB of them at most.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.backend.state().requests.iter().cloned().collect()
    }

    /// How many requests came to the URLs of one endpoint of a provider, refused ones too. Endpoints that share a URL, as
    /// those for codes and refresh tokens do mostly, are counted together. Only the requests that [`requests`](Self::requests) keeps
    /// are counted.
    ///
    /// # Errors
    ///
    /// If there is no such provider.
    pub fn count_requests(
        &self,
        provider: &str,
        endpoint: EmulatedEndpoint,
    ) -> Result<usize, UnknownProvider> {
        self.backend.known(provider)?;
        let routes = self.backend.providers.iter().filter(|known| known.family == provider);
        let patterns: Vec<_> = routes
            .flat_map(|provider| &provider.routes)
            .filter(|route| route.endpoints.contains(&endpoint))
            .map(|route| &route.pattern)
            .collect();
        let is_at = |request: &&RecordedRequest| {
            patterns.iter().any(|pattern| pattern.matches(request.endpoint()).is_some())
        };
        Ok(self.backend.state().requests.iter().filter(is_at).count())
    }

    /// The tokens of a sign-in that took place without a browser: the first user allowed the first application all that it
    /// asks for by default, and gets a refresh token if the provider has any.
    ///
    /// # Errors
    ///
    /// If there is no such provider.
    pub fn sign_in(&self, provider: &str) -> Result<OAuth2Token, UnknownProvider> {
        self.backend.known(provider)?;
        let issued =
            self.backend.provider(provider).and_then(|provider| self.backend.state().sign_in(provider));
        let fields = issued.map(|issued| {
            json!({
                "access_token": issued.access_token,
                "token_type": "Bearer",
                "expires_in": issued.expires_in,
                "refresh_token": issued.refresh_token,
            })
        });
        // Neither fails: every provider has an application and a user, and the fields are those of a token.
        let token = fields.and_then(|fields| serde_json::from_value(fields).ok());
        Ok(token.unwrap_or_else(|| OAuth2Token::new("")))
    }

    /// Forgets the requests so far.
    pub fn clear_requests(&self) {
        self.backend.state().clear_requests();
    }
}

impl std::fmt::Debug for Emulator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Emulator").field("origin", &self.origin()).finish_non_exhaustive()
    }
}

/// Builds an [`Emulator`] with other applications, users or behaviour than the default.
#[derive(Clone, Debug, Default)]
pub struct Builder {
    providers: BTreeMap<String, String>,
    apps: BTreeMap<String, Vec<App>>,
    users: Vec<User>,
    rotate_refresh_tokens: Option<bool>,
    refresh_token_grace: Duration,
    access_token_lifetime: Option<Duration>,
    any_redirect_uri: bool,
    any_scope: bool,
    demands: BTreeMap<String, Demands>,
    device_interval: Option<Duration>,
    port: u16,
}

impl Builder {
    /// Listens on this port of 127.0.0.1, for programs that must know the address beforehand. By default, on any free one.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Adds a provider that the emulator does not know by itself, or replaces the facts of one that it knows. The facts are those of
    /// one file in the folder `providers` of this crate, whose README explains them.
    pub fn provider(mut self, name: impl Into<String>, facts: impl Into<String>) -> Self {
        self.providers.insert(name.into(), facts.into());
        self
    }

    /// Registers an application at a provider, in place of the default one; may be called again for further ones.
    pub fn app(mut self, provider: impl Into<String>, app: App) -> Self {
        self.apps.entry(provider.into()).or_default().push(app);
        self
    }

    /// What a provider demands of all its applications, beyond what it does by itself: pushed or signed requests, bound tokens, FAPI 2.0. The
    /// generic providers `openid` and `oauth2` are the ones to demand it of; others play what their vendor has.
    pub fn demands(mut self, provider: impl Into<String>, demands: Demands) -> Self {
        self.demands.insert(provider.into(), demands);
        self
    }

    /// Adds somebody who can sign in, in place of the default user; may be called again for further ones.
    pub fn user(mut self, user: User) -> Self {
        self.users.push(user);
        self
    }

    /// Whether a refresh replaces the refresh token, at all providers. A replaced token that is used again ends the
    /// authorization (RFC 9700, section 4.14.2). By default each provider does it in its own way.
    pub fn rotate_refresh_tokens(mut self, rotate: bool) -> Self {
        self.rotate_refresh_tokens = Some(rotate);
        self
    }

    /// For how long a refresh token that was replaced is answered with the same new tokens again, at all providers, before its
    /// use ends the authorization: what some providers allow for clients whose reply was lost. By default not at all.
    pub fn refresh_token_grace(mut self, grace: Duration) -> Self {
        self.refresh_token_grace = grace;
        self
    }

    /// How long access tokens live, at all providers whose tokens expire; whole seconds. By default as long as at each
    /// provider.
    pub fn access_token_lifetime(mut self, lifetime: Duration) -> Self {
        self.access_token_lifetime = Some(lifetime);
        self
    }

    /// How long a client must wait between two polls of the device grant, at all providers; whole seconds. By default as long as at each
    /// provider.
    pub fn device_interval(mut self, interval: Duration) -> Self {
        self.device_interval = Some(interval);
        self
    }

    /// Takes redirect URIs that a provider would not register, such as plain http at Yahoo: for an application on this machine,
    /// where the service itself would need a public address. They must still be those of [`App::redirect_uris`], if there are any.
    pub fn any_redirect_uri(mut self) -> Self {
        self.any_redirect_uri = true;
        self
    }

    /// Takes scopes that a provider does not have, for scopes that an administrator added or that are newer than the emulator.
    pub fn any_scope(mut self) -> Self {
        self.any_scope = true;
        self
    }

    /// Starts the server on 127.0.0.1, on the current Tokio runtime.
    ///
    /// # Errors
    ///
    /// If no port can be bound, or if an application was registered at a provider that does not exist or the facts of an added
    /// provider cannot be read ([`io::ErrorKind::InvalidInput`]).
    pub async fn start(self) -> io::Result<Emulator> {
        let known = facts::providers().map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        let mut providers = known.to_vec();
        for (name, text) in &self.providers {
            let added = facts::read(name, text)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
            providers.retain(|provider| provider.name != *name);
            providers.push(added);
        }
        let apple_key = AppleKey::make().map_err(io::Error::other)?;
        let listener = TcpListener::bind(("127.0.0.1", self.port)).await?;
        let origin = format!("http://{}", listener.local_addr()?);
        let users = if self.users.is_empty() { vec![User::default()] } else { self.users };
        let mut state = EmulatorState::default();
        state.registered.clone_from(&self.apps);
        state.demands.clone_from(&self.demands);
        state.users = users;
        state.rotate_refresh_tokens = self.rotate_refresh_tokens;
        state.refresh_token_grace = self.refresh_token_grace;
        state.access_token_lifetime = self.access_token_lifetime;
        state.any_redirect_uri = self.any_redirect_uri;
        state.any_scope = self.any_scope;
        state.device_interval = self.device_interval;
        let backend = Arc::new(Backend::new(origin, providers, apple_key, state, KeyRing::default()));
        for provider in self.apps.keys().chain(self.demands.keys()) {
            backend.known(provider).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        }

        let (stop, stopped) = oneshot::channel();
        let server =
            axum::serve(listener, server::router(Arc::clone(&backend))).with_graceful_shutdown(async {
                // Either a message or the sender's end: both mean stop.
                let _ = stopped.await;
            });
        tokio::spawn(server.into_future());
        Ok(Emulator { backend, _running: Arc::new(Running(Some(stop))) })
    }
}
