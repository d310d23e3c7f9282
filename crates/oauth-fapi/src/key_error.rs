//! Why a key cannot be used, told when the client is built and not at the first login.

use oauth_core::Error;
use oauth_openid::Algorithm;

#[cfg(feature = "encrypted-keys")]
pub(crate) const NO_PASSPHRASE: &str = "read it by from_encrypted_pem, with its passphrase";
#[cfg(not(feature = "encrypted-keys"))]
pub(crate) const NO_PASSPHRASE: &str = "decrypt it by `openssl pkcs8 -topk8 -nocrypt`, or switch on the feature encrypted-keys and read it by \
                                        from_encrypted_pem, with its passphrase";

/// Why a key cannot be used. It shows nothing of the key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The text or the bytes have none of the forms that are read here.
    #[error("the key cannot be read: {0}")]
    Form(String),
    /// It is a public key or a certificate, which cannot sign.
    #[error("it is {0}, which cannot sign; the private key is wanted")]
    Public(&'static str),
    /// It is encrypted, and there was no passphrase.
    #[error("the private key is encrypted: {0}")]
    Encrypted(&'static str),
    /// It is encrypted, and the passphrase does not open it.
    #[error("the private key cannot be decrypted: {0}")]
    Passphrase(String),
    /// It is an RSA key that is too short (RFC 7518 section 3.3), or too long for anybody to verify with.
    #[error("it is an RSA key of {bits} bits; use one of 2048 to 8192 bits")]
    Size {
        /// The length of its modulus.
        bits: usize,
    },
    /// Its curve is not one that an algorithm here signs on.
    #[error("its curve is {0}; use a key on P-256, P-384, P-521 or Ed25519")]
    Curve(String),
    /// The key and the algorithm do not fit each other.
    #[error("{algorithm} does not fit {key}")]
    Algorithm {
        /// The algorithm that was asked for.
        algorithm: Algorithm,
        /// What the key is, in words.
        key: String,
    },
    /// Two keys of one set go by the same name, or one of several has no name.
    #[error("{0}")]
    Name(String),
    /// No key could be generated, or one that was made cannot be written down.
    #[error("the cryptographic library failed: {0}")]
    Library(&'static str),
}

impl From<KeyError> for Error {
    fn from(error: KeyError) -> Self {
        Self::configuration("fapi", error.to_string())
    }
}
