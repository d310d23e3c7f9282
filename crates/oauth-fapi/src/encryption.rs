//! Encryption of what a client sends (RFC 7516).

use std::fmt;

use async_trait::async_trait;
use oauth_core::AuthenticationError;

/// Encrypts request objects for the server (RFC 7516), once they are signed.
///
/// With the feature `encryption`, `JoseEncrypter` does it.
#[async_trait]
pub trait Encrypter: fmt::Debug + Send + Sync {
    /// The JWT, encrypted, in compact form. Its header has `cty`: `JWT`, because what is in it is one (RFC 7519 section 5.2).
    ///
    /// # Errors
    ///
    /// Whatever keeps it from encrypting; nothing is sent then. The error must show no secret. An [`HttpError`](oauth_core::HttpError) or
    /// an [`Error`](oauth_core::Error) keeps its class.
    async fn encrypt(&self, jwt: &str) -> Result<String, AuthenticationError>;
}
