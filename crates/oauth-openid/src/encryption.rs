//! Decryption of tokens that were encrypted for the client (RFC 7516).

use std::fmt;

/// Decrypts tokens that were encrypted for the client (RFC 7516).
///
/// With the feature `encryption`, `JoseDecrypter` does it. What comes out is verified as any other token: encryption proves
/// nothing about the sender.
pub trait Decrypter: fmt::Debug + Send + Sync {
    /// The text in an encrypted token in compact form.
    ///
    /// # Errors
    ///
    /// One and the same for every failure of the cryptography, so that it cannot be used to guess at a text.
    fn decrypt(&self, token: &str) -> Result<String, DecryptError>;
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
}
