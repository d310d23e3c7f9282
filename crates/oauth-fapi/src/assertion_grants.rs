//! Grants whose authorization is an assertion: JWT bearer (RFC 7523 section 2.1) and SAML bearer (RFC 7522 section 2.1).

use std::{borrow::Cow, fmt};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use oauth_core::{
    AuthenticationError, ClientAuthentication, ErrorKind, OAuth2Token, Operation, Provider, RequestContext,
    RequestDraft, Result, Secret, async_trait,
};

/// The method [`JwtBearerGrant::send`], in errors.
pub const JWT_BEARER: Operation = Operation::new("jwt_bearer");
/// The method [`SamlBearerGrant::send`], in errors.
pub const SAML_BEARER: Operation = Operation::new("saml_bearer");

/// A request for a token by a signed JWT (RFC 7523 section 2.1): one that [`JwtAssertion`](crate::JwtAssertion) has made, or one that
/// somebody else has issued, such as an ID-JAG.
///
/// No refresh token comes with the token as a rule: when it has expired, ask anew, with a new assertion.
///
/// ```
/// use oauth_fapi::{JwtAssertion, JwtBearerGrant, oauth_core::{OAuth2, OAuth2Token, Result}};
///
/// # async fn f(client: OAuth2, assertion: JwtAssertion) -> Result<OAuth2Token> {
/// let assertion = assertion.sign("user-17").await?;
/// JwtBearerGrant::new(assertion).with_scopes(["orders.read"]).send(&client).await
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct JwtBearerGrant(AssertionGrant);

/// A request for a token by a SAML 2.0 assertion (RFC 7522 section 2.1), which somebody else has issued and signed.
#[derive(Clone, Debug)]
#[must_use]
pub struct SamlBearerGrant(AssertionGrant);

#[derive(Clone)]
struct AssertionGrant {
    assertion: Secret,
    scopes: Vec<String>,
    parameters: Vec<(String, String)>,
}

impl JwtBearerGrant {
    /// A request by this assertion.
    pub fn new(assertion: impl Into<Secret>) -> Self {
        Self(AssertionGrant::new(assertion.into()))
    }

    /// Asks for these scopes. Where the server wants them inside of the assertion, they are a claim of it.
    pub fn with_scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.0.scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// Sends another parameter as well, such as `resource` (RFC 8707), which can be there more than once.
    pub fn with_parameter(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.parameters.push((name.into(), value.into()));
        self
    }

    /// Sends the request to the provider's token endpoint. The client authenticates as it does elsewhere, or not at all: see
    /// [`NoClientAuthentication`].
    ///
    /// # Errors
    ///
    /// Any [`Error`](oauth_core::Error); `invalid_grant` when the server does not accept the assertion.
    pub async fn send(&self, provider: &dyn Provider) -> Result<OAuth2Token> {
        self.0.send(provider, JWT_BEARER, "urn:ietf:params:oauth:grant-type:jwt-bearer").await
    }
}

impl SamlBearerGrant {
    /// A request by this assertion: the XML document.
    pub fn new(xml: &str) -> Self {
        Self(AssertionGrant::new(URL_SAFE_NO_PAD.encode(xml).into()))
    }

    /// Asks for these scopes.
    pub fn with_scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.0.scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// Sends another parameter as well, such as `resource` (RFC 8707), which can be there more than once.
    pub fn with_parameter(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.parameters.push((name.into(), value.into()));
        self
    }

    /// Sends the request to the provider's token endpoint.
    ///
    /// # Errors
    ///
    /// Any [`Error`](oauth_core::Error); `invalid_grant` when the server does not accept the assertion.
    pub async fn send(&self, provider: &dyn Provider) -> Result<OAuth2Token> {
        self.0.send(provider, SAML_BEARER, "urn:ietf:params:oauth:grant-type:saml2-bearer").await
    }
}

impl AssertionGrant {
    fn new(assertion: Secret) -> Self {
        Self { assertion, scopes: Vec::new(), parameters: Vec::new() }
    }

    async fn send(
        &self,
        provider: &dyn Provider,
        operation: Operation,
        grant_type: &str,
    ) -> Result<OAuth2Token> {
        let client = provider.oauth2();
        if self.assertion.expose().is_empty() {
            let problem = "the assertion is empty".to_owned();
            return Err(client.error(operation, ErrorKind::Configuration(problem)));
        }
        let client = client.ready().await?;
        let mut form: Vec<(&str, Cow<'_, str>)> =
            vec![("grant_type", grant_type.into()), ("assertion", self.assertion.expose().into())];
        if !self.scopes.is_empty() {
            form.push(("scope", self.scopes.join(client.scope_separator()).into()));
        }
        form.extend(self.parameters.iter().map(|(name, value)| (&**name, Cow::from(value))));
        let form = form.iter().map(|(name, value)| (*name, &**value));
        let outcome = client.request_token(operation, client.endpoints().token(), form).await;
        outcome.map_err(|error| provider.translate_error(error))
    }
}

impl fmt::Debug for AssertionGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.parameters.iter().map(|(name, _)| name).collect();
        f.debug_struct("AssertionGrant")
            .field("scopes", &self.scopes)
            .field("parameters", &names)
            .finish_non_exhaustive()
    }
}

/// Sends neither a client id nor a proof, for grants that need none: an assertion says by itself who signed it (RFC 7521 section 4.1), and
/// some token services exchange tokens for everybody (RFC 8693 section 2.1).
///
/// ```
/// use oauth_fapi::{NoClientAuthentication, oauth_core::{Credentials, OAuth2}};
///
/// let credentials = Credentials::authentication(NoClientAuthentication);
/// let client = OAuth2::new("robot@project.example", credentials, "https://as.example/authorize", "https://as.example/token");
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct NoClientAuthentication;

#[async_trait]
impl ClientAuthentication for NoClientAuthentication {
    fn method(&self) -> &str {
        "none"
    }

    async fn authenticate(
        &self,
        _: &RequestContext<'_>,
        _: &mut RequestDraft,
    ) -> Result<(), AuthenticationError> {
        Ok(())
    }
}
