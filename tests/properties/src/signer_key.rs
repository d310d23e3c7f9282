//! Whose key signs, and when.

/// What the clock of the verifying client says, as a Unix time.
pub const NOW: i64 = 1_800_000_000;

/// [`NOW`] as JSON has times.
#[expect(clippy::cast_precision_loss, reason = "it has ten digits")]
pub(crate) const fn now() -> f64 {
    NOW as f64
}

/// Whose key signs a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignerKey {
    /// The provider's key for ES256, with the `kid` "es".
    Es256,
    /// The provider's key for `EdDSA`, with the `kid` "ed".
    EdDsa,
    /// The provider's key for RS256 and PS256, with the `kid` "rsa"; it signs for RS256.
    Rs256,
    /// The key of [`Rs256`](Self::Rs256), under that `kid`; it signs for PS256.
    Ps256,
    /// A stranger's key for ES256.
    Stranger,
    /// The client secret, for HS256.
    ClientSecret,
    /// The provider's public key as if it were a secret, for HS256.
    PublicKeyAsSecret,
}
