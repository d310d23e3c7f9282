//! Grants without a user: tokens for machines.

use std::{fmt, sync::Arc, time::Duration};

use oauth_core::{
    Error, ErrorKind, OAuth2, OAuth2Token, Operation, Result, Secret, SecretSourceError, async_trait,
};

use crate::{access_token_request::AccessTokenRequest, key::TokenKey, source::TokenSource};

const CLIENT_CREDENTIALS: Operation = Operation::new("client_credentials");
const JWT_BEARER: Operation = Operation::new("jwt_bearer");

/// The client credentials grant (RFC 6749 section 4.4): the application acts on its own behalf.
///
/// The application chooses subject and label of the keys; each key has a token of its own.
///
/// ```
/// use oauth_core::OAuth2;
/// use oauth_tokens::ClientCredentials;
///
/// let client = OAuth2::new("CLIENT_ID", "CLIENT_SECRET", "https://as.example/authorize", "https://as.example/token");
/// let source = ClientCredentials::new(client)
///     .with_scopes(["reports.read"])
///     .with_parameter("audience", "https://api.example");
/// ```
#[derive(Clone, Debug)]
pub struct ClientCredentials {
    request: GrantParams,
}

/// The JWT bearer grant (RFC 7523 section 2.1): exchanges an assertion that the application has signed for a token.
///
/// ```
/// use oauth_core::OAuth2;
/// use oauth_tokens::{JwtBearer, TokenKey};
///
/// # fn sign(_: &str) -> Result<String, std::io::Error> { Ok("e30.e30.c2ln".to_owned()) }
/// let client = OAuth2::new("CLIENT_ID", "", "https://as.example/authorize", "https://as.example/token");
/// // `sub` is the key's subject: one source serves all users for whom the service account may act.
/// let source = JwtBearer::new(client, |key: &TokenKey| Ok(sign(key.subject())?));
/// ```
#[derive(Clone, Debug)]
pub struct JwtBearer {
    request: GrantParams,
    assertions: Arc<dyn AssertionSource>,
    lifetime: Option<Duration>,
}

/// Signs the assertion of a [`JwtBearer`] grant. A closure that returns a string is an assertion source.
#[async_trait]
pub trait AssertionSource: Send + Sync {
    /// Returns a JWT for this key with the claims of RFC 7523 section 3: `iss`, `sub`, `aud`, `exp`; and a new `jti` each
    /// time where the server demands one.
    ///
    /// # Errors
    ///
    /// Whatever keeps the source from signing. It must show neither the assertion nor the signing key.
    async fn assertion(&self, key: &TokenKey) -> Result<Secret, SecretSourceError>;
}

#[async_trait]
impl<F> AssertionSource for F
where
    F: Fn(&TokenKey) -> Result<String, SecretSourceError> + Send + Sync,
{
    async fn assertion(&self, key: &TokenKey) -> Result<Secret, SecretSourceError> {
        self(key).map(Secret::new)
    }
}

/// The subject of the key is the subject of the assertion.
#[cfg(feature = "fapi")]
#[async_trait]
impl AssertionSource for oauth_fapi::JwtAssertion {
    async fn assertion(&self, key: &TokenKey) -> Result<Secret, SecretSourceError> {
        Ok(self.sign(key.subject()).await?)
    }
}

/// What both grants send.
#[derive(Clone)]
struct GrantParams {
    client: OAuth2,
    scopes: Vec<String>,
    parameters: Vec<(String, String)>,
}

impl ClientCredentials {
    /// A source that uses this client's id, secret, token endpoint and HTTP client. It asks for no scopes.
    #[must_use]
    pub fn new(client: OAuth2) -> Self {
        Self { request: GrantParams { client, scopes: Vec::new(), parameters: Vec::new() } }
    }

    /// Asks for these scopes.
    #[must_use]
    pub fn with_scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.request.scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// Sends another parameter as well, such as `resource` (RFC 8707) or `audience`.
    #[must_use]
    pub fn with_parameter(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.request.parameters.push((name.into(), value.into()));
        self
    }
}

impl JwtBearer {
    /// A source that uses this client's token endpoint and HTTP client, and its id and secret unless the secret is empty.
    #[must_use]
    pub fn new(client: OAuth2, assertions: impl AssertionSource + 'static) -> Self {
        let request = GrantParams { client, scopes: Vec::new(), parameters: Vec::new() };
        Self { request, assertions: Arc::new(assertions), lifetime: None }
    }

    /// Says how long tokens live of which the server does not say it, as Salesforce's does not.
    #[must_use]
    pub fn with_lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = Some(lifetime);
        self
    }

    /// Asks for these scopes.
    #[must_use]
    pub fn with_scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.request.scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// Sends another parameter as well, such as `resource` (RFC 8707) or `audience`.
    #[must_use]
    pub fn with_parameter(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.request.parameters.push((name.into(), value.into()));
        self
    }
}

impl GrantParams {
    /// Sends the request: for the scopes and parameters of the source, or in their place for those of a request.
    async fn send(
        &self,
        operation: Operation,
        grant: &[(&str, &str)],
        wanted: &AccessTokenRequest,
    ) -> Result<OAuth2Token> {
        let client = self.client.ready().await?;
        let scopes = if wanted.scopes().is_empty() { &*self.scopes } else { wanted.scopes() };
        let scope = scopes.join(client.scope_separator());
        let scope = (!scope.is_empty()).then_some(("scope", &*scope));
        let wanted = wanted.parameters();
        let own = self.parameters.iter().map(|(name, value)| (&**name, &**value));
        let own = own.filter(|(name, _)| !wanted.iter().any(|(other, _)| other == name));
        let parameters = own.chain(wanted.iter().copied());
        let form = grant.iter().copied().chain(scope).chain(parameters);
        client.request_token(operation, client.endpoints().token(), form).await
    }
}

#[async_trait]
impl TokenSource for ClientCredentials {
    fn name(&self) -> &str {
        self.request.client.name()
    }

    fn client(&self, _key: &TokenKey) -> Option<&OAuth2> {
        Some(&self.request.client)
    }

    fn needs_login(&self, _key: &TokenKey) -> bool {
        false
    }

    async fn obtain(&self, _key: &TokenKey, _previous: Option<&OAuth2Token>) -> Result<OAuth2Token> {
        self.send(&AccessTokenRequest::new()).await
    }

    async fn obtain_for(
        &self,
        _key: &TokenKey,
        _previous: Option<&OAuth2Token>,
        request: &AccessTokenRequest,
    ) -> Result<OAuth2Token> {
        self.send(request).await
    }

    async fn revoke(&self, _key: &TokenKey, token: &OAuth2Token) -> Result<()> {
        self.request.client.revoke_token(token.access_token(), Some("access_token")).await
    }
}

#[async_trait]
impl TokenSource for JwtBearer {
    fn name(&self) -> &str {
        self.request.client.name()
    }

    fn client(&self, _key: &TokenKey) -> Option<&OAuth2> {
        Some(&self.request.client)
    }

    fn needs_login(&self, _key: &TokenKey) -> bool {
        false
    }

    async fn obtain(&self, key: &TokenKey, _previous: Option<&OAuth2Token>) -> Result<OAuth2Token> {
        self.send(key, &AccessTokenRequest::new()).await
    }

    async fn obtain_for(
        &self,
        key: &TokenKey,
        _previous: Option<&OAuth2Token>,
        request: &AccessTokenRequest,
    ) -> Result<OAuth2Token> {
        self.send(key, request).await
    }

    async fn revoke(&self, _key: &TokenKey, token: &OAuth2Token) -> Result<()> {
        self.request.client.revoke_token(token.access_token(), Some("access_token")).await
    }
}

impl ClientCredentials {
    async fn send(&self, wanted: &AccessTokenRequest) -> Result<OAuth2Token> {
        self.request.send(CLIENT_CREDENTIALS, &[("grant_type", "client_credentials")], wanted).await
    }
}

impl JwtBearer {
    async fn send(&self, key: &TokenKey, wanted: &AccessTokenRequest) -> Result<OAuth2Token> {
        let name = || self.request.client.name().to_owned();
        let assertion =
            self.assertions.assertion(key).await.map_err(|cause| match cause.downcast::<Error>() {
                // Where what holds the key cannot be reached, it may be the next time.
                Ok(error) => error.during(JWT_BEARER).at(name()),
                Err(cause) => {
                    let problem = format!("could not obtain the assertion: {cause}");
                    Error::new(JWT_BEARER, name(), ErrorKind::Configuration(problem))
                }
            })?;
        let grant = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
            ("assertion", assertion.expose()),
        ];
        let token = self.request.send(JWT_BEARER, &grant, wanted).await?;
        Ok(match self.lifetime {
            Some(lifetime) => token.or_lifetime(lifetime),
            None => token,
        })
    }
}

impl fmt::Debug for dyn AssertionSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AssertionSource(…)")
    }
}

/// Shows only the names of the parameters, because a value may be a secret.
impl fmt::Debug for GrantParams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.parameters.iter().map(|(name, _)| name).collect();
        f.debug_struct("GrantParams")
            .field("client", &self.client)
            .field("scopes", &self.scopes)
            .field("parameters", &names)
            .finish()
    }
}
