//! What is checked of a client's settings before anything is sent, and the errors of overrides.

use std::borrow::Cow;

use super::{OAuth2, check_client_id};
use crate::{
    endpoints::{Endpoint, check_url},
    error::{Error, ErrorKind, Operation, Result},
    secret::Secret,
};

/// What is checked before anything is sent.
impl OAuth2 {
    /// Checks that a credential may be sent to each endpoint, for those that were not written by the application itself.
    ///
    /// # Errors
    ///
    /// A configuration error that names the first endpoint which is not https, has a fragment, or is not a URL.
    pub fn check_endpoints(&self) -> Result<()> {
        self.endpoints().iter().try_for_each(|(endpoint, _)| self.check_endpoint(endpoint))
    }

    /// Checks that a credential may be sent to one endpoint, if the client knows it.
    ///
    /// # Errors
    ///
    /// As [`check_endpoints`](Self::check_endpoints).
    pub fn check_endpoint(&self, endpoint: Endpoint) -> Result<()> {
        let Some(url) = self.endpoints().get(endpoint) else { return Ok(()) };
        check_url(url, self.allows_http())
            .map(drop)
            .map_err(|problem| self.error(Operation::CONFIGURE, ErrorKind::Configuration(problem)))
    }

    /// Checks that the client id can be what a provider issued, and not a setting that was left empty or copied with white space
    /// around it, and that no line break or nothing but white space is in the secret. An empty secret is that of a public client. Each
    /// procedure does so by itself before it sends anything.
    ///
    /// # Errors
    ///
    /// A configuration error that says what is wrong.
    pub fn check_credentials(&self) -> Result<()> {
        check_client_id(self.client_id())
            .and_then(|()| self.client_secret().check())
            .map_err(|problem| self.error(Operation::CONFIGURE, ErrorKind::Configuration(problem.to_owned())))
    }

    /// The client secret for what is sent next; `None` for a public client.
    ///
    /// # Errors
    ///
    /// A configuration error when the secret's source fails.
    pub async fn reveal_client_secret(&self, operation: Operation) -> Result<Option<Secret>> {
        let secret = self.client_secret().get(self.now()).await.map_err(|cause| {
            self.error(
                operation,
                ErrorKind::Configuration(format!("could not obtain the client secret: {cause}")),
            )
        })?;
        Ok(secret.map(Cow::into_owned))
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
