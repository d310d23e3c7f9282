//! The table of a provider that describes itself.

use oauth_core::Spec;

/// What holds for every OpenID Connect provider; the endpoints come from its metadata.
pub const SPEC: Spec = Spec { color: "#f78c40", ..Spec::OPENID };
