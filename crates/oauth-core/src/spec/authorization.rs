//! What a `Spec` says of the authorization request.

use crate::authorization::pkce::CodeChallengeMethod;

/// How a provider's authorization request departs from the standard (RFC 6749 section 4.1.1).
#[derive(Clone, Copy, Debug)]
pub struct AuthorizationSpec {
    /// The separator between two scopes. Example: `","`.
    pub scope_separator: &'static str,
    /// Which proof of possession of the code the provider takes (RFC 7636). Example: `Pkce::Unsupported`.
    pub pkce: Pkce,
    /// Parameters that the provider wants by default. Callers can override them. Example: `&[("access_type", "offline")]`.
    pub params: &'static [(&'static str, &'static str)],
    /// Parameters that the provider refuses, so that the library adds none of them by itself. Example: `&["max_age"]`.
    pub refused_params: &'static [&'static str],
    /// Whether the provider refuses a request without a `nonce`. Example: `true`.
    pub requires_nonce: bool,
    #[doc(hidden)]
    pub __needs_base: (),
}

impl AuthorizationSpec {
    /// An authorization request as RFC 6749 says, with a code challenge (RFC 7636).
    pub const RFC6749: Self = Self {
        scope_separator: " ",
        pkce: Pkce::Challenge(CodeChallengeMethod::S256),
        params: &[],
        refused_params: &[],
        requires_nonce: false,
        __needs_base: (),
    };
}

/// What a provider does with a code challenge (RFC 7636).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Pkce {
    /// A login sends one, made this way.
    Challenge(CodeChallengeMethod),
    /// A login sends none, because the provider does not know it; some token endpoints refuse a verifier.
    Unsupported,
}
