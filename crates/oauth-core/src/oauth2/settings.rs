//! What can be set up of a client.

use std::{any::Any, borrow::Cow, sync::Arc, time::Duration};

use http::{HeaderValue, header::USER_AGENT};
use serde::Serialize;

use super::{ClientFingerprint, ClientSettings, OAuth2, Participant};
use crate::{
    authorization::RequestDemand,
    client_auth::Credentials,
    clock::Clock,
    endpoints::{Endpoint, Endpoints, parameter},
    error::{Error, Result},
    http_client::HttpClient,
    spec::{ClientAuth, Pkce},
};

/// Settings that only the generic client has. [`Provider`](crate::Provider) has those of every client, and
/// [`with_oauth2`](crate::Provider::with_oauth2), which changes the generic client within another.
impl OAuth2 {
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

    /// Remembers a name under which earlier versions knew the users of this client, for
    /// [`Identity::former_keys`](crate::Identity::former_keys).
    #[must_use]
    pub fn with_former_identity_issuer(mut self, issuer: impl Into<String>) -> Self {
        self.settings().issuers.former.push(issuer.into());
        self
    }

    /// Refuses callbacks without `iss`, for a provider that announces it
    /// (`authorization_response_iss_parameter_supported`, RFC 9207 section 3). A login does not begin unless the issuer is known;
    /// see [`with_callback_issuer`](crate::Provider::with_callback_issuer).
    #[must_use]
    pub fn require_callback_issuer(mut self) -> Self {
        self.settings().requires_callback_issuer = true;
        self
    }

    /// Fills in a `{parameter}` of the [`Spec`](crate::Spec), in each URL and in the issuer.
    ///
    /// All endpoints are made anew from the `Spec`, so this comes before
    /// [`with_endpoints`](crate::Provider::with_endpoints). An issuer that was set stays.
    ///
    /// # Errors
    ///
    /// A configuration error after the endpoints were moved, and unless the value is letters, digits, `-`, `.`, `_` and
    /// `~` only, so that it cannot leave its place in the URL and move a request to another host.
    pub fn with_parameter(mut self, name: &'static str, value: impl Into<String>) -> Result<Self> {
        self.fill_in_parameter(name, value.into())?;
        Ok(self)
    }

    /// Chooses an installation of the provider: another issuer, with endpoints and users of its own.
    ///
    /// # Errors
    ///
    /// A configuration error after the endpoints were moved, by this or by [`with_endpoints`](crate::Provider::with_endpoints): the
    /// issuer of one server would be beside the endpoints of another.
    pub fn with_installation(
        mut self,
        issuer: impl Into<Cow<'static, str>>,
        moved: impl FnOnce(Endpoints) -> Endpoints,
    ) -> Result<Self> {
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
        Ok(self)
    }

    /// Proves who the client is by these, in place of those that it was made with.
    #[must_use]
    pub fn with_credentials(mut self, credentials: impl Into<Credentials>) -> Self {
        self.settings().credentials = credentials.into();
        self
    }

    /// Authenticates this way at the introspection endpoint, if it differs from the token endpoint's.
    #[must_use]
    pub fn with_introspection_auth(mut self, auth: ClientAuth) -> Self {
        self.settings().introspection_auth = Some(auth);
        self
    }

    /// Takes these error codes of the token endpoint for `invalid_grant`, in place of those of the provider's
    /// [`Spec`](crate::Spec): codes by which a server says that a refresh token or a code is dead.
    #[must_use]
    pub fn with_invalid_grant_codes(mut self, codes: &'static [&'static str]) -> Self {
        self.settings().spec.token.invalid_grant_codes = codes;
        self
    }

    /// Sends a code challenge with logins, or none to a server that refuses it.
    #[must_use]
    pub fn with_pkce(mut self, pkce: Pkce) -> Self {
        self.settings().spec.authorization.pkce = pkce;
        self
    }

    /// Sends this parameter with every authorization request, unless it names another of the same name.
    #[must_use]
    pub fn with_authorize_param(
        mut self,
        name: impl Into<Cow<'static, str>>,
        value: impl Into<Cow<'static, str>>,
    ) -> Self {
        self.settings().authorize_params.set(name.into(), value.into());
        self
    }

    /// No longer sends this parameter, though the provider's [`Spec`](crate::Spec) has it.
    #[must_use]
    pub fn without_authorize_param(mut self, name: &str) -> Self {
        self.settings().authorize_params.remove(name);
        self
    }

    /// Refuses to build authorization requests, for a reason that says what the server demands instead: for a
    /// [`Participant`](crate::Participant) that learns it from metadata.
    #[must_use]
    pub fn refuse_authorization_requests(mut self, reason: impl Into<Cow<'static, str>>) -> Self {
        self.settings().authorization_problem = Some(reason.into());
        self
    }

    /// Notes what the server demands of authorization requests: none is built until a participant does it.
    #[must_use]
    pub fn demand_of_requests(mut self, demand: RequestDemand) -> Self {
        if !self.demands(demand) {
            self.settings().demands.push(demand);
        }
        self
    }

    /// Names the addresses of the provider's endpoints for mutual TLS (`mtls_endpoint_aliases`, RFC 8705 section 5), for a
    /// [`ClientAuthentication`](crate::ClientAuthentication) that asks for them.
    #[must_use]
    pub fn with_mtls_endpoints(mut self, endpoints: Endpoints) -> Self {
        self.settings().mtls_endpoints = endpoints;
        self
    }

    /// Sends secrets over plain http as well, where everybody on the way can read them. For test networks only.
    #[must_use]
    pub fn dangerously_allow_plain_http(mut self) -> Self {
        self.settings().allows_http = true;
        self
    }
}

/// What the `with_` methods of [`Provider`](crate::Provider) change.
impl OAuth2 {
    /// Names the client, in errors and logins. Two clients of one provider need two names.
    pub(crate) fn set_name(&mut self, name: impl Into<Cow<'static, str>>) {
        self.settings().name = name.into();
    }

    /// Names the issuer in place of the provider's: logins then refuse a callback that names another one (RFC 9207), and users
    /// are known under it. No other setting takes it back.
    pub(crate) fn set_issuer(&mut self, issuer: impl Into<Cow<'static, str>>) {
        self.settings().issuers.set = Some(issuer.into());
    }

    /// Names the issuer for callbacks alone: logins refuse a callback that names another one (RFC 9207). Users stay known under
    /// the name that they have.
    pub(crate) fn set_callback_issuer(&mut self, issuer: impl Into<Cow<'static, str>>) {
        self.settings().issuers.of_callbacks = Some(issuer.into());
    }

    /// Names the issuer for identities alone: under which users are known ([`Identity::issuer`](crate::Identity::issuer)).
    ///
    /// It is for a client whose endpoints were moved to a gateway in front of the provider itself. Two servers that have users
    /// of their own need two names.
    pub(crate) fn set_identity_issuer(&mut self, issuer: impl Into<Cow<'static, str>>) {
        self.settings().issuers.of_identities = Some(issuer.into());
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

    pub(super) fn fill_in(&mut self) {
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

    /// Moves the endpoints.
    pub(crate) fn set_endpoints(&mut self, endpoints: Endpoints) {
        let settings = self.settings();
        settings.endpoints = endpoints;
        settings.endpoints_were_moved = true;
    }

    /// Moves the endpoints from where they are, for [`with_endpoints`](crate::Provider::with_endpoints).
    pub(crate) fn move_endpoints(&mut self, moved: &mut dyn FnMut(Endpoints) -> Endpoints) {
        self.set_endpoints(moved(self.endpoints().clone()));
    }

    /// Asks for these scopes unless a request names others. Those of [`with_restricting_scope`](Self::with_restricting_scope) stay.
    pub(crate) fn set_scopes<S: Into<Cow<'static, str>>>(&mut self, scopes: impl IntoIterator<Item = S>) {
        self.replace_scopes(scopes.into_iter().map(Into::into).collect());
    }

    pub(super) fn replace_scopes(&mut self, scopes: Vec<Cow<'static, str>>) {
        let settings = self.settings();
        settings.scopes = scopes;
        for scope in &settings.restricting_scopes {
            if !settings.scopes.iter().flat_map(|scopes| scopes.split(' ')).any(|other| other == scope) {
                settings.scopes.push(scope.clone());
            }
        }
    }

    /// Authenticates this way at the token endpoint.
    pub(crate) fn set_client_auth(&mut self, auth: ClientAuth) {
        self.settings().client_auth = Some(auth);
    }

    /// Authenticates this way at the revocation endpoint, if it differs from the token endpoint's.
    pub(crate) fn set_revoke_auth(&mut self, auth: ClientAuth) {
        self.settings().revoke_auth = Some(auth);
    }

    /// Sends these parameters with every authorization request, unless it names others of the same name.
    pub(crate) fn set_authorize_params(&mut self, params: &impl Serialize) {
        self.settings().authorize_params.set_all(params);
    }

    /// Adds a participant behind those that the client has, or in place of the one of the same type.
    pub(crate) fn add_participant<P: Participant>(&mut self, participant: P) {
        let participants = &mut self.settings().participants;
        let is_same = |other: &Arc<dyn Participant>| (&**other as &dyn Any).is::<P>();
        match participants.iter().position(is_same) {
            Some(place) => participants[place] = Arc::new(participant),
            None => participants.push(Arc::new(participant)),
        }
    }

    /// Sends all requests with this HTTP client.
    pub(crate) fn set_http_client(&mut self, http: Arc<dyn HttpClient>) {
        self.settings().http = Some(http);
    }

    /// Names the application to the provider (RFC 9110 section 10.1.5).
    ///
    /// # Errors
    ///
    /// A configuration error when a header cannot carry the text.
    pub(crate) fn set_user_agent(&mut self, user_agent: &str) -> Result<()> {
        let value = HeaderValue::try_from(user_agent).map_err(|_| {
            Error::configuration(self.name().to_owned(), "the user agent is not valid in a header")
        })?;
        self.settings().headers.insert(USER_AGENT, value);
        Ok(())
    }

    /// Lets a sign-in take this long.
    pub(crate) fn set_login_lifetime(&mut self, lifetime: Duration) {
        self.settings().login_lifetime = lifetime;
    }

    /// Takes the time from this clock: logins, device codes and client secrets age by it, and what is signed is dated by it.
    ///
    /// Tokens that come are not: the expiry of an [`OAuth2Token`](crate::OAuth2Token) counts from the machine's clock. What OpenID Connect
    /// verifies is compared with the clock of its policy, `VerificationPolicy::clock` of `oauth-openid`, which sets this one too.
    pub(crate) fn set_clock(&mut self, clock: Arc<dyn Clock>) {
        self.settings().clock = clock;
    }

    pub(super) fn settings(&mut self) -> &mut ClientSettings {
        let settings = Arc::make_mut(&mut self.0);
        settings.known = ClientFingerprint::default();
        settings
    }
}
