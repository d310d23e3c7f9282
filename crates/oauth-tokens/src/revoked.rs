//! What a revocation did.

/// What a revocation did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Revoked {
    /// The provider revoked the token, or no longer knows it, and it is deleted from the store.
    AtTheProvider,
    /// The provider has no revocation: the token is deleted from the store only, and may stay valid until it expires.
    InTheStoreOnly,
    /// Nothing was stored.
    Nothing,
}
