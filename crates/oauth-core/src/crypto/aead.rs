//! The algorithms that `Sealer` encrypts with, whatever library does it.

use std::fmt;

/// An algorithm that encrypts and authenticates (RFC 5116), by a key of 32 bytes. [`Sealer`](crate::Sealer) seals with one of them and
/// opens both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Aead {
    /// ChaCha20-Poly1305 (RFC 8439), which FIPS 140-3 does not approve.
    ChaCha20Poly1305,
    /// AES-256-GCM (NIST SP 800-38D), with nonces drawn at random.
    Aes256Gcm,
}

impl Aead {
    pub(crate) const NONCE_LEN: usize = 12;
    pub(crate) const TAG_LEN: usize = 16;

    /// The byte that names it in what is sealed.
    pub(crate) fn byte(self) -> u8 {
        match self {
            Self::ChaCha20Poly1305 => 1,
            Self::Aes256Gcm => 2,
        }
    }

    /// The algorithm that a byte names, if it is one of these.
    pub(crate) fn of_byte(byte: u8) -> Option<Self> {
        [Self::ChaCha20Poly1305, Self::Aes256Gcm].into_iter().find(|aead| aead.byte() == byte)
    }
}

impl fmt::Display for Aead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ChaCha20Poly1305 => "ChaCha20-Poly1305",
            Self::Aes256Gcm => "AES-256-GCM",
        })
    }
}

/// The operating system has no random bytes to give.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gave no random bytes")]
pub(crate) struct NoRandomBytes;

/// Why nothing was sealed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SealFailed {
    #[error(transparent)]
    NoRandomBytes(#[from] NoRandomBytes),
    #[error("the secret is too large to seal")]
    Refused,
}
