//! What a `Spec` says of who may sign in.

use crate::spec::restriction::Restriction;

/// Who may sign in at a provider, and how sure the provider is of them.
#[derive(Clone, Copy, Debug)]
pub struct LoginSpec {
    /// The parameters and scopes that restrict who may sign in, and where the provider's answer confirms them. Example:
    /// `&[Restriction::parameter("hd", ConfirmedBy::IdToken, is_of_domain)]`.
    pub restrictions: &'static [Restriction],
    /// The provider's levels of assurance (`acr`), each with its rank: a higher one is as good as what was asked for. Where they are
    /// known, the answer to `acr_values` is checked too. Example: `&[("eidas1", 1), ("eidas2", 2)]`.
    pub acr_levels: &'static [(&'static str, u8)],
    #[doc(hidden)]
    pub __needs_base: (),
}

impl LoginSpec {
    /// Nothing restricts who may sign in, and no levels of assurance are known.
    pub const RFC6749: Self = Self { restrictions: &[], acr_levels: &[], __needs_base: () };
}
