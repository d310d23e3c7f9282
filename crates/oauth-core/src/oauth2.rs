//! The generic client, and the trait of those that take part in what it does.

use std::{
    any::Any,
    borrow::Cow,
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{ACCEPT, ACCEPT_ENCODING, USER_AGENT},
};
use serde_json::Value;
use time::OffsetDateTime;

use crate::{
    authorization::{AuthorizationParams, AuthorizationStage, Params, RequestDemand},
    client_auth::{AfterReply, AuthenticationError, Connection, Credentials, RequestContext},
    clock::{Clock, SystemClock},
    endpoints::{Endpoint, Endpoints, check_url},
    error::{Error, Operation, Result},
    http_client::{HttpClient, default_client::shared},
    identity::Identity,
    login::{Callback, Login, attempt::LoginAttempt},
    message::draft::RequestDraft,
    secret::ClientSecret,
    spec::{ClientAuth, Pkce, Spec},
    token::OAuth2Token,
};

mod authorization_url;
#[cfg(any(feature = "metrics", feature = "tracing"))]
mod calls;
mod checks;
mod device;
mod grants;
mod issuers;
mod placeholders;
mod preconditions;
mod profile;
pub(crate) mod request;
mod restricting;
mod settings;
#[cfg(test)]
mod tests;

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
pub struct OAuth2(Arc<ClientSettings>);

#[derive(Clone)]
struct ClientSettings {
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
    introspection_auth: Option<ClientAuth>,
    participants: Vec<Arc<dyn Participant>>,
    mtls_endpoints: Endpoints,
    minimum_acr: Option<Cow<'static, str>>,
    scopes: Vec<Cow<'static, str>>,
    /// Those of the scopes that restrict who may sign in, and that no other setting takes out.
    restricting_scopes: Vec<Cow<'static, str>>,
    scope_separator: Cow<'static, str>,
    authorize_params: Params,
    /// Why no authorization request of this client can succeed.
    authorization_problem: Option<Cow<'static, str>>,
    /// What the server demands of authorization requests.
    demands: Vec<RequestDemand>,
    headers: HeaderMap,
    http: Option<Arc<dyn HttpClient>>,
    allows_http: bool,
    login_lifetime: Duration,
    clock: Arc<dyn Clock>,
    known: ClientFingerprint,
}

/// The names of the issuer.
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

/// What a client works out once from its settings.
#[derive(Default)]
struct ClientFingerprint {
    /// What tells it apart from other clients of its name.
    fingerprint: OnceLock<String>,
}

/// Settings are copied to be changed, and then nothing is known of them yet.
impl Clone for ClientFingerprint {
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
    ///
    /// It knows no other endpoint: name those that the provider has with [`with_refresh_endpoint`](Self::with_refresh_endpoint)
    /// (often the token endpoint), [`with_revoke_endpoint`](Self::with_revoke_endpoint) and
    /// [`with_profile_endpoint`](Self::with_profile_endpoint).
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

    fn of_spec(spec: &Spec, client_id: String, credentials: Credentials) -> Self {
        let mut headers = default_headers();
        for &(name, value) in spec.headers {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                headers.insert(name, value);
            }
        }
        let parameters = spec.parameters.iter().map(|&(name, usual)| (name.into(), usual.to_owned()));
        let parameters = parameters.chain([("client_id".into(), client_id.clone())]).collect();
        let mut client = Self(Arc::new(ClientSettings {
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
            revoke_auth: spec.revocation.client_auth,
            introspection_auth: None,
            participants: Vec::new(),
            mtls_endpoints: Endpoints::default(),
            minimum_acr: None,
            scopes: spec.scopes.iter().map(|&scope| scope.into()).collect(),
            restricting_scopes: Vec::new(),
            scope_separator: spec.authorization.scope_separator.into(),
            authorize_params: Params::of(spec.authorization.params),
            authorization_problem: None,
            demands: Vec::new(),
            headers,
            http: None,
            allows_http: false,
            login_lifetime: LOGIN_LIFETIME,
            clock: Arc::new(SystemClock),
            known: ClientFingerprint::default(),
        }));
        client.fill_in();
        client
    }
}

/// What the client knows of itself.
impl OAuth2 {
    /// Its name: the provider's, unless it was given another.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The name, to be kept by an error.
    pub(crate) fn kept_name(&self) -> Cow<'static, str> {
        self.0.name.clone()
    }

    /// The provider's description.
    #[must_use]
    pub fn spec(&self) -> &Spec {
        &self.0.spec
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

    /// How the client proves who it is, redacted.
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
        self.0.spec.authorization.pkce
    }

    /// How the client authenticates at the token endpoint.
    #[must_use]
    pub fn client_auth(&self) -> ClientAuth {
        self.0.client_auth.unwrap_or(self.0.spec.token.client_auth)
    }

    /// The client authentication that was chosen in place of the provider's usual one, if one was.
    #[must_use]
    pub fn chosen_client_auth(&self) -> Option<ClientAuth> {
        self.0.client_auth
    }

    /// How the client authenticates at the revocation endpoint, if it differs from the token endpoint's.
    #[must_use]
    pub fn revoke_auth(&self) -> Option<ClientAuth> {
        self.0.revoke_auth
    }

    /// How the client authenticates at the introspection endpoint, if it differs from the token endpoint.
    #[must_use]
    pub fn introspection_auth(&self) -> Option<ClientAuth> {
        self.0.introspection_auth
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

    /// Whether the server demands this of authorization requests.
    #[must_use]
    pub fn demands(&self, demand: RequestDemand) -> bool {
        self.0.demands.contains(&demand)
    }

    /// Whether a participant verifies signed authorization responses.
    pub(crate) fn opens_callbacks(&self) -> bool {
        self.participants().iter().any(|participant| participant.opens_callbacks())
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

    /// The separator between two scopes: a space, unless the provider or the application wants something else.
    #[must_use]
    pub fn scope_separator(&self) -> &str {
        &self.0.scope_separator
    }

    pub(crate) fn client_id_param(&self) -> &'static str {
        self.0.spec.client_id_param
    }

    /// The parameters that carry the client id and the client secret.
    pub(crate) fn credential_params(&self) -> [&'static str; 2] {
        [self.0.spec.client_id_param, self.0.spec.client_secret_param]
    }

    /// The value of a `{parameter}` of the provider's description.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.0.parameters.iter().find(|(other, _)| other == name).map(|(_, value)| &**value)
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

    /// The clock that the client goes by.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.0.clock
    }

    /// The time by the client's clock.
    #[must_use]
    pub fn now(&self) -> OffsetDateTime {
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

/// Checks that a client id can be one that a provider issued.
pub(crate) fn check_client_id(client_id: &str) -> Result<(), &'static str> {
    if client_id.is_empty() {
        Err("client_id is empty")
    } else if client_id.trim().len() != client_id.len() {
        Err("client_id begins or ends with white space")
    } else if client_id.chars().any(char::is_control) {
        Err("client_id has a control character")
    } else {
        Ok(())
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

/// Takes part in a client's procedures and requests: a protocol on top of OAuth 2.0, a sender constraint, or whatever an
/// application adds.
///
/// OpenID Connect is one, in `oauth-openid`: it knows endpoints from discovery and verifies ID tokens. A proof of possession such
/// as DPoP (RFC 9449) is another: it signs each request in [`before_send`](Self::before_send), and learns the server's nonce in
/// [`after_reply`](Self::after_reply). A client asks those that were added with
/// [`with_participant`](crate::Provider::with_participant) in their order, so that
/// provider crates need not. All methods have a default that does nothing.
#[async_trait]
pub trait Participant: Any + fmt::Debug + Send + Sync {
    /// The client with all that must be known before something can be sent, such as endpoints from discovery.
    ///
    /// # Errors
    ///
    /// Any [`Error`](crate::Error).
    async fn ready(&self, client: &OAuth2) -> Result<OAuth2> {
        Ok(client.clone())
    }

    /// Adds to an attempt what its end will be checked against.
    ///
    /// # Errors
    ///
    /// A configuration error when no login of this client could succeed.
    fn begin(&self, _client: &OAuth2, attempt: LoginAttempt) -> Result<LoginAttempt> {
        Ok(attempt)
    }

    /// Adds to an attempt what takes time to make, such as a key of its own. It runs behind [`begin`](Self::begin), and only in
    /// [`start_login`](crate::Provider::start_login).
    ///
    /// # Errors
    ///
    /// Any [`Error`](crate::Error).
    async fn prepare(&self, _client: &OAuth2, attempt: LoginAttempt) -> Result<LoginAttempt> {
        Ok(attempt)
    }

    /// Whether sign-ins are restricted by what an ID token says of the user, so that a bare access token tells nobody's
    /// identity.
    ///
    /// # Errors
    ///
    /// A configuration error while nobody has said who may sign in.
    fn restricts(&self, _client: &OAuth2) -> Result<bool> {
        Ok(false)
    }

    /// What the protocol accepts, as text: a login that began under something else does not end here.
    fn accepted(&self) -> String {
        String::new()
    }

    /// Whether the end of this attempt tells when the user was authenticated, so that `prompt=login` can be checked.
    fn checks_prompt_login(&self, _attempt: &LoginAttempt) -> bool {
        false
    }

    /// Whether it verifies ID tokens, so that what they say can be relied on.
    fn verifies_id_tokens(&self) -> bool {
        false
    }

    /// The claims of a token's ID token, which is verified for this; `None` when the token has none. It may have expired: who
    /// the user is does not.
    ///
    /// # Errors
    ///
    /// An error that says which check failed, or any error of reading the keys.
    async fn verified_claims(
        &self,
        _client: &OAuth2,
        _operation: Operation,
        _token: &OAuth2Token,
    ) -> Result<Option<Value>> {
        Ok(None)
    }

    /// Whether a callback may name this issuer, where a provider's tenants have issuers of their own. `None` leaves it to the
    /// client: byte for byte its own (RFC 9207 section 2.4).
    fn accepts_issuer(&self, _client: &OAuth2, _issuer: &str) -> Option<bool> {
        None
    }

    /// Whether it verifies signed authorization responses (JARM), by [`open_callback`](Self::open_callback).
    fn opens_callbacks(&self) -> bool {
        false
    }

    /// The `state` of a callback whose parameters are in a signed response, for whoever looks for the attempt that it belongs to. Nothing
    /// need be verified yet, and nothing is believed: the attempt is compared with the verified response later.
    async fn state_of_callback(&self, _client: &OAuth2, _callback: &Callback) -> Option<String> {
        None
    }

    /// Verifies the signed response in a callback (JARM), and puts what is in it in the callback's place
    /// ([`Callback::opened`]). It runs before all other checks and before anything is sent; `None` leaves the callback to others.
    ///
    /// # Errors
    ///
    /// An error that says which check failed, or any error of reading the keys.
    async fn open_callback(
        &self,
        _client: &OAuth2,
        _attempt: &LoginAttempt,
        _callback: &Callback,
    ) -> Result<Option<Callback>> {
        Ok(None)
    }

    /// Checks what came with a code by way of the browser. It runs before anything is sent.
    ///
    /// # Errors
    ///
    /// An error that says which check failed.
    async fn check_callback(
        &self,
        _client: &OAuth2,
        _attempt: &LoginAttempt,
        _callback: &Callback,
    ) -> Result<()> {
        Ok(())
    }

    /// Checks the tokens that a login ended with, and adds to the login what it learned from them.
    ///
    /// # Errors
    ///
    /// An error that says which check failed; the tokens are then not handed out.
    async fn check_login(
        &self,
        _client: &OAuth2,
        _attempt: &LoginAttempt,
        _callback: &Callback,
        _login: &mut Login,
    ) -> Result<()> {
        Ok(())
    }

    /// Completes the identity in what a login learned with what only the provider's crate knows: its
    /// [`complete_identity`](crate::Provider::complete_identity). It runs after the protocol's checks.
    fn complete_login(&self, _complete: &dyn Fn(&mut Identity), _login: &mut Login) {}

    /// Checks the tokens of a refresh. The refresh token that they replace is spent, so an ID token that is not accepted is taken out
    /// with the reason ([`OAuth2Token::with_rejected_id_token`]), and the other tokens are handed out.
    ///
    /// # Errors
    ///
    /// An error only when the tokens must not be used at all, because they are another user's. It carries them
    /// ([`Error::tokens`](crate::Error::tokens)).
    async fn check_refresh(&self, _client: &OAuth2, _token: &mut OAuth2Token) -> Result<()> {
        Ok(())
    }

    /// Checks that the tokens of a refresh belong to the user of the tokens that they replace. An ID token that does not fit its
    /// predecessor in another way is taken out, as in [`check_refresh`](Self::check_refresh).
    ///
    /// # Errors
    ///
    /// An error when they are another user's. It carries them ([`Error::tokens`](crate::Error::tokens)).
    async fn check_successor(
        &self,
        _client: &OAuth2,
        _old: &OAuth2Token,
        _new: &mut OAuth2Token,
    ) -> Result<()> {
        Ok(())
    }

    /// Who the user of a token is by the token alone, for a client without a profile endpoint; `None` if this is not the
    /// participant to say.
    ///
    /// # Errors
    ///
    /// An unsupported-operation error when the token does not tell; else any [`Error`](crate::Error).
    async fn claims_of(&self, _client: &OAuth2, _token: &OAuth2Token) -> Result<Option<Value>> {
        Ok(None)
    }

    /// Under which issuer the user of a token is known, where it is not the client's: that of the user's own tenant.
    ///
    /// # Errors
    ///
    /// An unsupported-operation error when the token does not tell; else any [`Error`](crate::Error).
    async fn issuer_of(&self, _client: &OAuth2, _token: &OAuth2Token) -> Result<Option<String>> {
        Ok(None)
    }

    /// Reads the user's profile in a way of its own; `None` for the JSON at the client's profile endpoint.
    ///
    /// # Errors
    ///
    /// Any [`Error`](crate::Error).
    async fn read_profile(&self, _client: &OAuth2, _token: &OAuth2Token) -> Result<Option<Value>> {
        Ok(None)
    }

    /// Checks that a profile belongs to the user of a token.
    ///
    /// # Errors
    ///
    /// An error that says what differs; the profile is then not handed out.
    async fn check_profile(&self, _client: &OAuth2, _token: &OAuth2Token, _profile: &Value) -> Result<()> {
        Ok(())
    }

    /// When it has its part in an authorization request, if not among those who add parameters.
    fn stage(&self) -> AuthorizationStage {
        AuthorizationStage::Parameters
    }

    /// Whether it does what the server demands of authorization requests. Without a participant that does, none is built.
    fn fulfils(&self, _client: &OAuth2, _demand: RequestDemand) -> bool {
        false
    }

    /// Reads and changes the parameters of an authorization request before they become a URL. It may send them (RFC 9126) or sign
    /// them (RFC 9101), and put a reference in their place; [`stage`](Self::stage) then says when.
    ///
    /// # Errors
    ///
    /// Any [`Error`](crate::Error).
    async fn authorize(&self, _client: &OAuth2, _params: &mut AuthorizationParams) -> Result<()> {
        Ok(())
    }

    /// How a request must be sent, where not by the client's own HTTP client to the usual address: for a token that is bound to a TLS
    /// certificate (RFC 8705 section 3). It is asked before the address is settled, and not where what authenticates the client has said
    /// how.
    fn connection(&self, _context: &RequestContext<'_>, _request: &RequestDraft) -> Option<Connection> {
        None
    }

    /// Completes a request before it is sent, after client authentication: with a proof, a header, a field.
    ///
    /// # Errors
    ///
    /// Whatever keeps it from doing so; the request is then not sent. The error must show no secret.
    async fn before_send(
        &self,
        _context: &RequestContext<'_>,
        _request: &mut RequestDraft,
    ) -> Result<(), AuthenticationError> {
        Ok(())
    }

    /// Sees what the server answered to a request, and can have it sent once more.
    ///
    /// Only where the server says that it refused the request before it did anything, as with a nonce for DPoP (RFC 9449 section
    /// 8): a code and a refresh token are good for one request.
    async fn after_reply(
        &self,
        _context: &RequestContext<'_>,
        _request: &RequestDraft,
        _reply: &http::Response<Bytes>,
    ) -> AfterReply {
        AfterReply::Done
    }

    /// Whether it makes tokens of this type usable, such as `DPoP`. Without one that does, only bearer tokens are.
    fn presents(&self, _token_type: &str) -> bool {
        false
    }

    /// Sees each new token before it is handed out: it can note what the token is bound to, with
    /// [`OAuth2Token::with_confirmation`], so that this travels with the token.
    ///
    /// # Errors
    ///
    /// An error that says what is wrong with the token.
    fn check_new_token(&self, _client: &OAuth2, _token: &mut OAuth2Token) -> Result<()> {
        Ok(())
    }

    /// Sees each new token with the request that it is the answer to, as it was sent last: with which key it was signed, say. It is
    /// called in place of [`check_new_token`](Self::check_new_token), which the default calls.
    ///
    /// # Errors
    ///
    /// An error that says what is wrong with the token.
    fn check_issued_token(
        &self,
        client: &OAuth2,
        _request: &RequestDraft,
        token: &mut OAuth2Token,
    ) -> Result<()> {
        self.check_new_token(client, token)
    }

    /// Checks that a whole token can be used here, before a profile is read with it: that it is bound to the key that this
    /// participant has.
    ///
    /// # Errors
    ///
    /// An error that says why not, such as an [`ErrorKind::Binding`](crate::ErrorKind::Binding).
    fn check_use(&self, _client: &OAuth2, _token: &OAuth2Token) -> Result<()> {
        Ok(())
    }

    /// Checks that a whole token can be refreshed here. Where the refresh token is not bound as the access token is, a token that
    /// [cannot be used](Self::check_use) can be refreshed all the same.
    ///
    /// # Errors
    ///
    /// An error that says why not.
    fn check_before_refresh(&self, client: &OAuth2, token: &OAuth2Token) -> Result<()> {
        self.check_use(client, token)
    }

    /// Says more about an error that a request was answered with, as with [`Error::with_advice`](crate::Error::with_advice): what was
    /// signed, and by which clock.
    fn explain(
        &self,
        _context: &RequestContext<'_>,
        _request: &RequestDraft,
        _reply: &http::Response<Bytes>,
        error: Error,
    ) -> Error {
        error
    }
}

/// The headers that every request of a client carries.
fn default_headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    // Nothing here decompresses, and without the header a server may send what it likes (RFC 9110 section 12.5.3).
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    let user_agent = HeaderValue::from_static(concat!("oauth-clients/", env!("CARGO_PKG_VERSION")));
    headers.insert(USER_AGENT, user_agent);
    headers
}
