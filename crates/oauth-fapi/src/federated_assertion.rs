//! Client authentication by an assertion that somebody else signed (RFC 7521 section 4.2).

use std::{
    borrow::Cow,
    fmt,
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use oauth_core::{
    AuthenticationError, ClientAuthentication, Credentials, RequestContext, RequestDraft, Secret,
};

use crate::assertion_field::{JWT_BEARER, add_assertion_of};

/// Where assertions come from: a platform that tells its workloads who they are, such as Kubernetes, GitHub Actions or SPIFFE.
#[async_trait]
pub trait ClientAssertionSource: Send + Sync {
    /// An assertion that is good now. It is asked for each request.
    ///
    /// # Errors
    ///
    /// Whatever keeps it from giving one; the error must show no secret. An [`HttpError`](oauth_core::HttpError) keeps its class.
    async fn assertion(&self) -> Result<Secret, AuthenticationError>;
}

#[async_trait]
impl<F, R> ClientAssertionSource for F
where
    F: Fn() -> R + Send + Sync,
    R: Future<Output = Result<Secret, AuthenticationError>> + Send,
{
    async fn assertion(&self) -> Result<Secret, AuthenticationError> {
        self().await
    }
}

/// Client authentication by a token of the platform that the program runs on, sent as `client_assertion`: a workload identity, which
/// takes no secret.
///
/// The token is read for each request, because platforms replace theirs every hour.
///
/// ```
/// use oauth_fapi::{FederatedAssertion, oauth_core::{OAuth2, Secret}};
///
/// // The file that Kubernetes keeps a projected service account token in.
/// let authentication = FederatedAssertion::from_file("/var/run/secrets/tokens/as.example");
/// let client = OAuth2::new("CLIENT_ID", authentication, "https://as.example/authorize", "https://as.example/token");
///
/// // Or from wherever the platform has it.
/// async fn ask_the_platform() -> Result<Secret, oauth_fapi::oauth_core::AuthenticationError> {
///     Ok(Secret::new("a token"))
/// }
/// let authentication = FederatedAssertion::from_source(ask_the_platform);
/// ```
pub struct FederatedAssertion {
    source: Box<dyn ClientAssertionSource>,
    kind: Cow<'static, str>,
}

impl FederatedAssertion {
    /// Reads the token from this file, without white space around it.
    pub fn from_file(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        Self::from_source(InFile(path))
    }

    /// Asks this source for the token; an `async` closure or function is one.
    pub fn from_source(source: impl ClientAssertionSource + 'static) -> Self {
        Self { source: Box::new(source), kind: JWT_BEARER.into() }
    }

    /// Says that the assertion is of this type (`client_assertion_type`), in place of a JWT.
    #[must_use]
    pub fn assertion_type(mut self, kind: impl Into<Cow<'static, str>>) -> Self {
        self.kind = kind.into();
        self
    }
}

#[async_trait]
impl ClientAuthentication for FederatedAssertion {
    /// Servers offer it under this name, whoever signs.
    fn method(&self) -> &str {
        "private_key_jwt"
    }

    async fn authenticate(
        &self,
        context: &RequestContext<'_>,
        request: &mut RequestDraft,
    ) -> Result<(), AuthenticationError> {
        let assertion = self.source.assertion().await?;
        if assertion.expose().is_empty()
            || assertion.expose().chars().any(|char| char.is_whitespace() || char.is_control())
        {
            return Err("the platform's assertion is empty or has white space in it".into());
        }
        add_assertion_of(&self.kind, context, request, assertion.expose())
    }
}

impl From<FederatedAssertion> for Credentials {
    fn from(authentication: FederatedAssertion) -> Self {
        Self::authentication(authentication)
    }
}

impl fmt::Debug for FederatedAssertion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FederatedAssertion").field("kind", &self.kind).finish_non_exhaustive()
    }
}

struct InFile(PathBuf);

#[async_trait]
impl ClientAssertionSource for InFile {
    async fn assertion(&self) -> Result<Secret, AuthenticationError> {
        // Such files are a few kilobytes in memory, so nothing waits for it.
        let text =
            Secret::new(std::fs::read_to_string(&self.0).map_err(|error| unreadable(&self.0, &error))?);
        Ok(Secret::new(text.expose().trim()))
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> AuthenticationError {
    format!("could not read the platform's assertion from {}: {error}", path.display()).into()
}
