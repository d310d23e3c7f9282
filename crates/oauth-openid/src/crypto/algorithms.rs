//! The hashes and signatures that both libraries know.

/// A hash function of SHA-2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    /// How many bytes a hash has.
    pub(crate) fn length(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }
}

/// The signatures that a key can verify.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signature {
    RsaPkcs1(Hash),
    RsaPss(Hash),
    /// With SHA-256.
    EcdsaP256,
    /// With SHA-384.
    EcdsaP384,
    /// With SHA-512.
    EcdsaP521,
    Ed25519,
}
