use std::{
    any::Any,
    borrow::Cow,
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use http::{HeaderMap, HeaderName, HeaderValue, header::USER_AGENT};
use serde::Serialize;
use time::OffsetDateTime;

use crate::{
    authorization::Params,
    client_auth::Credentials,
    clock::{Clock, SystemClock},
    endpoints::{Endpoint, Endpoints, check_url, normalized, origin_of},
    error::{Error, ErrorKind, Operation, Result},
    http_client::{HttpClient, shared},
    parameter,
    protocol::Participant,
    request::default_headers,
    secret::{ClientSecret, Secret},
    spec::{ClientAuth, Pkce, Spec},
    token::OAuth2Token,
};

mod requests;

/// The generic OAuth 2.0 client: the authorization code grant of RFC 6749 with refresh, revocation and profile.
///
/// It serves any provider whose endpoints are known. The provider crates are this client with a [`Spec`] and, where
/// needed, a few procedures of their own. Cloning it is cheap.
///
/// ```
/// use oauth_core::{AuthorizationRequest, ClientAuth, OAuth2, Provider};
///
/// # async fn f() -> Result<(), oauth_core::Error> {
/// let client = OAuth2::new(
///     "CLIENT_ID",
///     "CLIENT_SECRET",
///     "https://as.example/authorize",
///     "https://as.example/token",
/// )
/// .with_refresh_endpoint("https://as.example/token")
/// .with_revoke_endpoint("https://as.example/revoke")
/// .with_client_auth(ClientAuth::Basic)
/// .with_scopes(["read"]);
///
/// let url = client.get_authorization_url(AuthorizationRequest::new("https://app.example/callback")).await?;
/// assert!(url.starts_with("https://as.example/authorize?response_type=code&client_id=CLIENT_ID&"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct OAuth2(Arc<Settings>);

#[derive(Clone)]
struct Settings {
    name: Cow<'static, str>,
    spec: Spec,
    issuers: IssuerNames,
    requires_callback_issuer: bool,
    endpoints: Endpoints,
    /// Where the provider, or the installation that was chosen, has its endpoints.
    home: Endpoints,
    endpoints_were_moved: bool,
    parameters: Vec<(Cow<'static, str>, String)>,
    client_id: String,
    credentials: Credentials,
    /// `None` for the way that the provider's description names.
    client_auth: Option<ClientAuth>,
    revoke_auth: Option<ClientAuth>,
    participants: Vec<Arc<dyn Participant>>,
    mtls_endpoints: Endpoints,
    minimum_acr: Option<Cow<'static, str>>,
    scopes: Vec<Cow<'static, str>>,
    scope_separator: Cow<'static, str>,
    authorize_params: Params,
    /// Why no authorization request of this client can succeed.
    authorization_problem: Option<Cow<'static, str>>,
    headers: HeaderMap,
    http: Option<Arc<dyn HttpClient>>,
    allows_http: bool,
    login_lifetime: Duration,
    clock: Arc<dyn Clock>,
    known: Known,
}

/// By which names the issuer goes.
#[derive(Clone, Default)]
struct IssuerNames {
    /// That of the provider's description, or of the installation that was chosen.
    of_provider: Option<Cow<'static, str>>,
    /// The one that was set in its place.
    set: Option<Cow<'static, str>>,
    /// The one that was set for callbacks alone.
    of_callbacks: Option<Cow<'static, str>>,
    /// The one that was set for identities alone.
    of_identities: Option<Cow<'static, str>>,
    /// The name of identities in the provider's description.
    of_identities_by_spec: Option<&'static str>,
    /// Names of identities that earlier versions used.
    former: Vec<String>,
}

/// What a client works out once, of settings that do not change.
#[derive(Default)]
struct Known {
    /// What tells it from others of its name, once it was asked for.
    fingerprint: OnceLock<String>,
}

/// Settings are copied to be changed, and then nothing is known of them yet.
impl Clone for Known {
    fn clone(&self) -> Self {
        Self::default()
    }
}

/// How long a sign-in may take, from `start_login` to `finish_login`, unless told otherwise.
pub const LOGIN_LIFETIME: Duration = Duration::from_secs(10 * 60);

/// Making a client.
impl OAuth2 {
    /// A client for the provider with these two endpoints.
    ///
    /// It authenticates with `client_secret_post`, sends no scope and uses PKCE in logins; the `with_` methods change
    /// that. For a public client, the secret is [`ClientSecret::NONE`]. Endpoints are checked before anything is sent.
    pub fn new(
        client_id: impl Into<String>,
        credentials: impl Into<Credentials>,
        authorize_endpoint: impl Into<Cow<'static, str>>,
        access_token_endpoint: impl Into<Cow<'static, str>>,
    ) -> Self {
        let mut client = Self::from_spec(&Spec::RFC6749, client_id, credentials);
        let endpoints = &mut client.settings().endpoints;
        endpoints.set(Endpoint::Authorization, authorize_endpoint);
        endpoints.set(Endpoint::Token, access_token_endpoint);
        client
    }

    /// A client for the provider that a [`Spec`] describes.
    pub fn from_spec(spec: &Spec, client_id: impl Into<String>, credentials: impl Into<Credentials>) -> Self {
        Self::of_spec(spec, client_id.into(), credentials.into())
    }

    /// The same, compiled once and not in the crate of each provider.
    fn of_spec(spec: &Spec, client_id: String, credentials: Credentials) -> Self {
        let mut headers = default_headers();
        for &(name, value) in spec.headers {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                headers.insert(name, value);
            }
        }
        let parameters = spec.parameters.iter().map(|&(name, usual)| (name.into(), usual.to_owned()));
        let parameters = parameters.chain([("client_id".into(), client_id.clone())]).collect();
        let mut client = Self(Arc::new(Settings {
            name: spec.name.into(),
            spec: *spec,
            issuers: IssuerNames { of_identities_by_spec: spec.identity_issuer, ..IssuerNames::default() },
            requires_callback_issuer: false,
            endpoints: Endpoints::default(),
            home: Endpoints::default(),
            endpoints_were_moved: false,
            parameters,
            client_id,
            credentials,
            client_auth: None,
            revoke_auth: spec.revoke_auth,
            participants: Vec::new(),
            mtls_endpoints: Endpoints::default(),
            minimum_acr: None,
            scopes: spec.scopes.iter().map(|&scope| scope.into()).collect(),
            scope_separator: spec.scope_separator.into(),
            authorize_params: Params::of(spec.authorize_params),
            authorization_problem: None,
            headers,
            http: None,
            allows_http: false,
            login_lifetime: LOGIN_LIFETIME,
            clock: Arc::new(SystemClock),
            known: Known::default(),
        }));
        client.fill_in();
        client
    }

    /// Refreshes tokens at this endpoint.
    #[must_use]
    pub fn with_refresh_endpoint(mut self, url: impl Into<Cow<'static, str>>) -> Self {
        self.settings().endpoints.set(Endpoint::Refresh, url);
        self
    }

    /// Revokes tokens at this endpoint (RFC 7009).
    #[must_use]
    pub fn with_revoke_endpoint(mut self, url: impl Into<Cow<'static, str>>) -> Self {
        self.settings().endpoints.set(Endpoint::Revocation, url);
        self
    }

    /// Introspects tokens at this endpoint (RFC 7662).
    #[must_use]
    pub fn with_introspection_endpoint(mut self, url: impl Into<Cow<'static, str>>) -> Self {
        self.settings().endpoints.set(Endpoint::Introspection, url);
        self
    }

    /// Reads the user's profile at this endpoint.
    #[must_use]
    pub fn with_profile_endpoint(mut self, url: impl Into<Cow<'static, str>>) -> Self {
        self.settings().endpoints.set(Endpoint::Profile, url);
        self
    }

    /// Puts this between two scopes.
    #[must_use]
    pub fn with_scope_separator(mut self, separator: impl Into<Cow<'static, str>>) -> Self {
        self.settings().scope_separator = separator.into();
        self
    }
}

/// Settings; [`Provider`](crate::Provider) offers the common ones as `with_` methods of every client.
impl OAuth2 {
    /// Names the client, in errors and logins. Two clients of one provider need two names.
    pub fn set_name(&mut self, name: impl Into<Cow<'static, str>>) {
        self.settings().name = name.into();
    }

    /// Names the issuer in place of the provider's: logins then refuse a callback that names another one (RFC 9207), and users
    /// are known under it. No other setting takes it back.
    pub fn set_issuer(&mut self, issuer: impl Into<Cow<'static, str>>) {
        self.settings().issuers.set = Some(issuer.into());
    }

    /// Names the issuer for callbacks alone: logins refuse a callback that names another one (RFC 9207). Users stay known under
    /// the name that they have.
    pub fn set_callback_issuer(&mut self, issuer: impl Into<Cow<'static, str>>) {
        self.settings().issuers.of_callbacks = Some(issuer.into());
    }

    /// Names the issuer for identities alone: under which users are known ([`Identity::issuer`](crate::Identity::issuer)).
    ///
    /// It is for a client whose endpoints were moved to a gateway in front of the provider itself. Two servers that have users
    /// of their own need two names.
    pub fn set_identity_issuer(&mut self, issuer: impl Into<Cow<'static, str>>) {
        self.settings().issuers.of_identities = Some(issuer.into());
    }

    /// Remembers a name under which earlier versions knew the users of this client, for
    /// [`Identity::former_keys`](crate::Identity::former_keys).
    pub fn add_former_identity_issuer(&mut self, issuer: impl Into<String>) {
        self.settings().issuers.former.push(issuer.into());
    }

    /// Refuses callbacks without `iss`, for a provider that announces it
    /// (`authorization_response_iss_parameter_supported`, RFC 9207 section 3). A login does not begin unless the issuer is known;
    /// see [`set_callback_issuer`](Self::set_callback_issuer).
    pub fn require_callback_issuer(&mut self) {
        self.settings().requires_callback_issuer = true;
    }

    /// Fills a `{parameter}` of the [`Spec`] in, in each URL and in the issuer.
    ///
    /// All endpoints are made anew from the `Spec`, so this comes before [`set_endpoints`](Self::set_endpoints). An issuer that
    /// was set stays.
    ///
    /// # Errors
    ///
    /// A configuration error after the endpoints were moved, and unless the value is letters, digits, `-`, `.`, `_` and
    /// `~` only, so that it cannot leave its place in the URL and move a request to another host.
    pub fn set_parameter(&mut self, name: &'static str, value: impl Into<String>) -> Result<()> {
        self.fill_in_parameter(name, value.into())
    }

    fn fill_in_parameter(&mut self, name: &'static str, value: String) -> Result<()> {
        parameter::segment(name, &value).map_err(|error| error.at(self.name().to_owned()))?;
        if self.0.endpoints_were_moved {
            let problem = format!("{name} must be set before the endpoints are moved");
            return Err(Error::configuration(self.name().to_owned(), problem));
        }
        let parameters = &mut self.settings().parameters;
        parameters.retain(|(other, _)| other != name);
        parameters.push((name.into(), value));
        self.fill_in();
        Ok(())
    }

    fn fill_in(&mut self) {
        let settings = self.settings();
        let filled = |url: &str| {
            let fill = |url: String, (name, value): &(Cow<'_, str>, String)| {
                // The client id is the only one that nobody checked.
                if url.contains('{') && parameter::segment(name, value).is_ok() {
                    url.replace(&format!("{{{name}}}"), value)
                } else {
                    url
                }
            };
            settings.parameters.iter().fold(url.to_owned(), fill)
        };
        let endpoints = Endpoints::from_iter(settings.spec.endpoints.iter().copied()).map(filled);
        let issuer = settings.spec.issuer.map(|issuer| filled(issuer).into());
        settings.home = endpoints.clone();
        settings.endpoints = endpoints;
        settings.issuers.of_provider = issuer;
    }

    /// Chooses an installation of the provider: another issuer, with endpoints and users of its own.
    ///
    /// # Errors
    ///
    /// A configuration error after the endpoints were moved, by this or by [`set_endpoints`](Self::set_endpoints): the issuer of one
    /// server would stand beside the endpoints of another.
    pub fn set_installation(
        &mut self,
        issuer: impl Into<Cow<'static, str>>,
        moved: impl FnOnce(Endpoints) -> Endpoints,
    ) -> Result<()> {
        if self.0.endpoints_were_moved {
            let problem = "the base URL can be set once, before the endpoints are moved";
            return Err(Error::configuration(self.name().to_owned(), problem));
        }
        let settings = self.settings();
        settings.home = moved(settings.endpoints.clone());
        settings.endpoints = settings.home.clone();
        settings.endpoints_were_moved = true;
        settings.issuers.of_provider = Some(issuer.into());
        settings.issuers.of_identities_by_spec = None;
        Ok(())
    }

    /// Moves the endpoints.
    pub fn set_endpoints(&mut self, endpoints: Endpoints) {
        let settings = self.settings();
        settings.endpoints = endpoints;
        settings.endpoints_were_moved = true;
    }

    /// The same from those that it has; what [`with_endpoints`](crate::Provider::with_endpoints) does, compiled once.
    pub(crate) fn move_endpoints(&mut self, moved: &mut dyn FnMut(Endpoints) -> Endpoints) {
        self.set_endpoints(moved(self.endpoints().clone()));
    }

    /// Asks for these scopes unless a request names others.
    pub fn set_scopes<S: Into<Cow<'static, str>>>(&mut self, scopes: impl IntoIterator<Item = S>) {
        self.replace_scopes(scopes.into_iter().map(Into::into).collect());
    }

    fn replace_scopes(&mut self, scopes: Vec<Cow<'static, str>>) {
        self.settings().scopes = scopes;
    }

    /// Authenticates this way at the token endpoint.
    pub fn set_client_auth(&mut self, auth: ClientAuth) {
        self.settings().client_auth = Some(auth);
    }

    /// Authenticates this way at the revocation endpoint, if it differs from the token endpoint's.
    pub fn set_revoke_auth(&mut self, auth: ClientAuth) {
        self.settings().revoke_auth = Some(auth);
    }

    /// Sends a code challenge with logins, or none to a server that refuses it.
    pub fn set_pkce(&mut self, pkce: Pkce) {
        self.settings().spec.pkce = pkce;
    }

    /// Sends these parameters with every authorization request, unless it names others of the same name.
    pub fn set_authorize_params(&mut self, params: &impl Serialize) {
        self.settings().authorize_params.set_all(params);
    }

    /// Sends this parameter with every authorization request, unless it names another of the same name.
    pub fn set_authorize_param(
        &mut self,
        name: impl Into<Cow<'static, str>>,
        value: impl Into<Cow<'static, str>>,
    ) {
        self.settings().authorize_params.set(name.into(), value.into());
    }

    /// Sends this parameter no more, though the provider's [`Spec`] has it.
    pub fn remove_authorize_param(&mut self, name: &str) {
        self.settings().authorize_params.remove(name);
    }

    /// Refuses to build authorization requests, for a reason that says what the server demands instead: for a
    /// [`Participant`](crate::Participant) that learns it from metadata.
    pub fn refuse_authorization_requests(&mut self, reason: impl Into<Cow<'static, str>>) {
        self.settings().authorization_problem = Some(reason.into());
    }

    /// Adds a participant behind those that the client has, or in place of the one of the same type.
    pub fn add_participant<P: Participant>(&mut self, participant: P) {
        let participants = &mut self.settings().participants;
        let is_same = |other: &Arc<dyn Participant>| (&**other as &dyn Any).is::<P>();
        match participants.iter().position(is_same) {
            Some(place) => participants[place] = Arc::new(participant),
            None => participants.push(Arc::new(participant)),
        }
    }

    /// Names the addresses of the provider's endpoints for mutual TLS (`mtls_endpoint_aliases`, RFC 8705 section 5), for a
    /// [`ClientAuthentication`](crate::ClientAuthentication) that asks for them.
    pub fn set_mtls_endpoints(&mut self, endpoints: Endpoints) {
        self.settings().mtls_endpoints = endpoints;
    }

    /// Accepts no user below this level of assurance, one of [`Spec::acr_levels`], and asks for it unless a request names
    /// another.
    ///
    /// # Errors
    ///
    /// A configuration error when the provider has no such level.
    pub fn set_minimum_acr(&mut self, level: &str) -> Result<()> {
        let levels = self.spec().acr_levels;
        let Some((level, _)) = levels.iter().find(|(known, _)| *known == level) else {
            let known: Vec<_> = levels.iter().map(|(known, _)| known).collect();
            let problem = format!("the provider has no level {level:?}, only {known:?}");
            return Err(Error::configuration(self.name().to_owned(), problem));
        };
        let settings = self.settings();
        settings.minimum_acr = Some((*level).into());
        settings.authorize_params.set("acr_values".into(), (*level).into());
        Ok(())
    }

    /// Sends all requests with this HTTP client.
    pub fn set_http_client(&mut self, http: Arc<dyn HttpClient>) {
        self.settings().http = Some(http);
    }

    /// Names the application to the provider (RFC 9110 section 10.1.5).
    ///
    /// # Errors
    ///
    /// A configuration error when a header cannot carry the text.
    pub fn set_user_agent(&mut self, user_agent: &str) -> Result<()> {
        let value = HeaderValue::try_from(user_agent).map_err(|_| {
            Error::configuration(self.name().to_owned(), "the user agent is not valid in a header")
        })?;
        self.settings().headers.insert(USER_AGENT, value);
        Ok(())
    }

    /// Lets a sign-in take this long.
    pub fn set_login_lifetime(&mut self, lifetime: Duration) {
        self.settings().login_lifetime = lifetime;
    }

    /// Takes the time from this clock, by which a login ages.
    pub fn set_clock(&mut self, clock: Arc<dyn Clock>) {
        self.settings().clock = clock;
    }

    /// Sends secrets over plain http as well, where everybody on the way can read them. For test networks only.
    pub fn dangerously_allow_plain_http(&mut self) {
        self.settings().allows_http = true;
    }

    fn settings(&mut self) -> &mut Settings {
        let settings = Arc::make_mut(&mut self.0);
        settings.known = Known::default();
        settings
    }
}

/// What the client knows of itself.
impl OAuth2 {
    /// Its name: the provider's, unless it was given another.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The same, to be kept.
    pub(crate) fn kept_name(&self) -> Cow<'static, str> {
        self.0.name.clone()
    }

    /// The provider's description.
    #[must_use]
    pub fn spec(&self) -> &Spec {
        &self.0.spec
    }

    /// The issuer identifier, where the provider has one.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.chosen_issuer().or(self.0.issuers.of_provider.as_deref())
    }

    /// The issuer that was set in place of the provider's, if one was.
    #[must_use]
    pub fn chosen_issuer(&self) -> Option<&str> {
        self.0.issuers.set.as_deref()
    }

    /// What the `iss` of a callback must be; `None` where nothing is known to compare it with.
    #[must_use]
    pub fn callback_issuer(&self) -> Option<&str> {
        self.0.issuers.of_callbacks.as_deref().or(self.issuer())
    }

    /// The name that was set for identities alone, if one was.
    #[must_use]
    pub fn chosen_identity_issuer(&self) -> Option<&str> {
        self.0.issuers.of_identities.as_deref()
    }

    /// Whether the endpoints were moved to another host, so that nothing but an ID token tells whose users these are.
    #[must_use]
    pub fn is_moved(&self) -> bool {
        self.chosen_issuer().is_none() && self.moved_endpoint().is_some()
    }

    /// The client id.
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.0.client_id
    }

    /// The client secret, redacted.
    #[must_use]
    pub fn client_secret(&self) -> &ClientSecret {
        self.0.credentials.secret()
    }

    /// What the client proves with who it is, redacted.
    #[must_use]
    pub fn credentials(&self) -> &Credentials {
        &self.0.credentials
    }

    /// The URLs that the client uses.
    #[must_use]
    pub fn endpoints(&self) -> &Endpoints {
        &self.0.endpoints
    }

    /// The scopes that it asks for by itself.
    #[must_use]
    pub fn scopes(&self) -> &[Cow<'static, str>] {
        &self.0.scopes
    }

    /// Whether logins send a code challenge.
    #[must_use]
    pub fn pkce(&self) -> Pkce {
        self.0.spec.pkce
    }

    /// How the client authenticates at the token endpoint.
    #[must_use]
    pub fn client_auth(&self) -> ClientAuth {
        self.0.client_auth.unwrap_or(self.0.spec.client_auth)
    }

    /// The same, if somebody chose it for this client.
    #[must_use]
    pub fn chosen_client_auth(&self) -> Option<ClientAuth> {
        self.0.client_auth
    }

    /// How the client authenticates at the revocation endpoint, if it differs from the token endpoint's.
    #[must_use]
    pub fn revoke_auth(&self) -> Option<ClientAuth> {
        self.0.revoke_auth
    }

    /// The participant of this type, if the client has one.
    #[must_use]
    pub fn participant<P: Participant>(&self) -> Option<&P> {
        self.0.participants.iter().find_map(|participant| (&**participant as &dyn Any).downcast_ref())
    }

    /// The access token of a whole token, if it can be presented to the provider: a bearer token (RFC 6750), or one of a type
    /// that a participant presents.
    ///
    /// # Errors
    ///
    /// An unsupported-operation error for a token of another type, or why a participant cannot use it.
    pub fn usable<'t>(&self, token: &'t OAuth2Token) -> Result<&'t str> {
        for participant in self.participants() {
            participant.check_use(self, token)?;
        }
        match token.token_type() {
            Some(kind) if self.presents(kind) => Ok(token.access_token()),
            _ => token.bearer(),
        }
    }

    /// Whether a participant makes tokens of this type usable.
    pub(crate) fn presents(&self, token_type: &str) -> bool {
        self.participants().iter().any(|participant| participant.presents(token_type))
    }

    /// Whether the client verifies the ID tokens that it gets.
    pub(crate) fn verifies_id_tokens(&self) -> bool {
        self.participants().iter().any(|participant| participant.verifies_id_tokens())
    }

    pub(crate) fn participants(&self) -> &[Arc<dyn Participant>] {
        &self.0.participants
    }

    /// The endpoints for mutual TLS, those that the provider has.
    #[must_use]
    pub fn mtls_endpoints(&self) -> &Endpoints {
        &self.0.mtls_endpoints
    }

    /// Whether both are one client, not two with the same settings.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Checks that a credential may be sent to each endpoint, for those that were not written by the application itself.
    ///
    /// # Errors
    ///
    /// A configuration error that names the first endpoint which is not https, has a fragment, or is no URL.
    pub fn check_endpoints(&self) -> Result<()> {
        for (_, url) in self.endpoints().iter() {
            check_url(url, self.allows_http())
                .map_err(|problem| self.error(Operation::CONFIGURE, ErrorKind::Configuration(problem)))?;
        }
        Ok(())
    }

    /// The client secret for what is sent next; `None` for a public client.
    ///
    /// # Errors
    ///
    /// A configuration error when the secret's source fails.
    pub async fn reveal_client_secret(&self, operation: Operation) -> Result<Option<Secret>> {
        let secret = self.client_secret().get().await.map_err(|cause| {
            self.error(
                operation,
                ErrorKind::Configuration(format!("could not obtain the client secret: {cause}")),
            )
        })?;
        Ok(secret.map(Cow::into_owned))
    }

    /// Under which issuer the users of this client are known, where no ID token names one.
    #[must_use]
    pub fn identity_issuer(&self) -> String {
        let issuers = &self.0.issuers;
        let known = issuers.of_identities.as_deref().or(issuers.set.as_deref());
        match (known, self.moved_endpoint()) {
            (Some(known), _) => known.to_owned(),
            // Whoever answers at another host has users of its own.
            (None, Some(moved)) => normalized(moved),
            (None, None) => match issuers.of_identities_by_spec.or(issuers.of_provider.as_deref()) {
                Some(known) => known.to_owned(),
                // One host can serve many tenants, each of which has a user "1".
                None if self.is_generic() => normalized(self.endpoints().token()),
                None => self.spec().name.to_owned(),
            },
        }
    }

    /// Under which issuers earlier versions knew the users of this client.
    fn former_identity_issuers(&self) -> Vec<String> {
        let issuers = &self.0.issuers;
        let mut former = issuers.former.clone();
        let by_provider = issuers.of_identities_by_spec.or(issuers.of_provider.as_deref());
        former.push(match issuers.set.as_deref().or(by_provider) {
            Some(known) => known.to_owned(),
            None if self.is_generic() => origin_of(self.endpoints().token()).to_owned(),
            None => self.spec().name.to_owned(),
        });
        // Nobody was known under the template of many issuers.
        former.retain(|issuer| !issuer.contains('{'));
        former
    }

    /// Whether this is the generic client, whose endpoints are all that is known of the provider.
    fn is_generic(&self) -> bool {
        self.spec().name == Spec::RFC6749.name
    }

    /// The endpoint by which the client was moved to another host than the provider's: its tokens, or who they are of, come from
    /// there. A generic client has no other place.
    fn moved_endpoint(&self) -> Option<&str> {
        let (home, now) = (&self.0.home, self.endpoints());
        let moved = |endpoint| {
            let (home, now) = (home.get(endpoint)?, now.get(endpoint)?);
            (origin_of(&normalized(home)) != origin_of(&normalized(now))).then_some(now)
        };
        moved(Endpoint::Token).or_else(|| moved(Endpoint::Profile))
    }

    /// The least level of assurance that the client accepts, if one was set.
    #[must_use]
    pub fn minimum_acr(&self) -> Option<&str> {
        self.0.minimum_acr.as_deref()
    }

    /// What stands between two scopes: a space, unless the provider or the application wants something else.
    #[must_use]
    pub fn scope_separator(&self) -> &str {
        &self.0.scope_separator
    }

    pub(crate) fn client_id_param(&self) -> &'static str {
        self.0.spec.client_id_param
    }

    pub(crate) fn authorization_problem(&self) -> Option<&str> {
        self.0.authorization_problem.as_deref()
    }

    pub(crate) fn authorize_params(&self) -> &Params {
        &self.0.authorize_params
    }

    pub(crate) fn kept_fingerprint(&self) -> &OnceLock<String> {
        &self.0.known.fingerprint
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.0.headers
    }

    /// A URL to send a request to, if a credential may be sent there.
    pub(crate) fn checked_url(&self, url: &str) -> Result<http::Uri, String> {
        check_url(url, self.allows_http())
    }

    pub(crate) fn allows_http(&self) -> bool {
        self.0.allows_http
    }

    pub(crate) fn requires_callback_issuer(&self) -> bool {
        self.0.requires_callback_issuer
    }

    pub(crate) fn now(&self) -> OffsetDateTime {
        self.0.clock.now()
    }

    pub(crate) fn login_lifetime(&self) -> Duration {
        self.0.login_lifetime
    }

    /// The HTTP client that it was given; `None` for the shared default.
    #[must_use]
    pub fn chosen_http_client(&self) -> Option<&Arc<dyn HttpClient>> {
        self.0.http.as_ref()
    }

    pub(crate) fn http(&self) -> Result<Arc<dyn HttpClient>, String> {
        self.0.http.clone().map_or_else(shared, Ok)
    }
}

/// What overrides are written with.
impl OAuth2 {
    /// Where the profile is read.
    ///
    /// # Errors
    ///
    /// An unsupported-operation error where there is no such endpoint.
    pub fn profile_endpoint(&self) -> Result<&str> {
        let endpoint = self.endpoints().get(Endpoint::Profile);
        endpoint.ok_or_else(|| self.unsupported(Operation::GET_PROFILE, "it has no profile endpoint"))
    }

    /// Where tokens are revoked.
    ///
    /// # Errors
    ///
    /// An unsupported-operation error where there is no such endpoint.
    pub fn revoke_endpoint(&self) -> Result<&str> {
        let endpoint = self.endpoints().get(Endpoint::Revocation);
        endpoint.ok_or_else(|| self.unsupported(Operation::REVOKE_TOKEN, "tokens cannot be revoked"))
    }

    /// The error for an operation that the provider does not have.
    pub fn unsupported(&self, operation: Operation, reason: impl Into<String>) -> Error {
        self.error(operation, ErrorKind::Unsupported(reason.into()))
    }

    /// An error at this provider.
    pub fn error(&self, operation: Operation, kind: ErrorKind) -> Error {
        Error::new(operation, self.kept_name(), kind)
    }
}

impl fmt::Debug for OAuth2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuth2")
            .field("name", &self.name())
            .field("client_id", &self.client_id())
            .field("endpoints", self.endpoints())
            .field("scopes", &self.scopes())
            .finish_non_exhaustive()
    }
}
