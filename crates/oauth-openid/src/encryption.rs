//! Decryption of tokens that were encrypted for the client (RFC 7516).

use std::fmt;

use oauth_core::async_trait;

/// Decrypts tokens that were encrypted for the client (RFC 7516).
///
/// With the feature `encryption`, `JoseDecrypter` does it. What comes out is verified as any other token: encryption proves
/// nothing about the sender.
///
/// It may wait, so that the key can live in an HSM or a KMS, for ten seconds at most.
#[async_trait]
pub trait Decrypter: fmt::Debug + Send + Sync {
    /// The text in an encrypted token in compact form.
    ///
    /// # Errors
    ///
    /// One and the same for every failure of the cryptography, so that it cannot be used to guess at a text;
    /// [`DecryptError::Unavailable`] where the key cannot be reached, or not in time.
    async fn decrypt(&self, token: &str) -> Result<String, DecryptError>;
}

/// Why an encrypted token was not decrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecryptError {
    /// Its header names an algorithm that is not accepted.
    #[error("it is encrypted with an algorithm that is not accepted")]
    Algorithm,
    /// Anything else: no key fits, the token is damaged, or was not meant for this client.
    #[error("it cannot be decrypted with the client's keys")]
    Failed,
    /// The key could not be reached, and may be the next time. Such a failure is of the class
    /// [`Transient`](oauth_core::ErrorClass::Transient).
    #[error("the key that decrypts it could not be reached")]
    Unavailable,
}
