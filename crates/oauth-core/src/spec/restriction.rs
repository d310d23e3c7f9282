//! Restrictions of who may sign in: how a request asks for one, and where the provider's answer confirms it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::text::json::text_at;

/// A restriction of who may sign in that an authorization request asks for, and that the provider's answer must confirm.
///
/// The browser carries the request and can change it. So whatever a request asks for in this way is held against what comes
/// back, and a login that is not confirmed does not succeed.
///
/// ```
/// use oauth_core::{Spec, provider_kit::{ConfirmedBy, LoginSpec, Restriction}};
///
/// pub const SPEC: Spec = Spec {
///     name: "example",
///     login: LoginSpec {
///         restrictions: &[Restriction::parameter("organization", ConfirmedBy::Profile, |asked, profile| {
///             profile.get("organization_id").map(|found| found == asked)
///         })],
///         ..LoginSpec::RFC6749
///     },
///     ..Spec::RFC6749
/// };
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Restriction {
    /// The parameter's name, or what the scope begins with.
    pub name: &'static str,
    /// How a request asks for it.
    pub asked_by: AskedBy,
    /// Where the answer is.
    pub confirmed_by: ConfirmedBy,
    /// Whether the answer is what was asked for; `None` when it says nothing.
    pub is_met: fn(asked: &str, answer: &Value) -> Option<bool>,
}

/// How an authorization request asks for a [`Restriction`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AskedBy {
    /// By a parameter.
    Parameter,
    /// By a scope that begins with the name; the rest of it is the value.
    Scope,
}

/// Where a provider confirms a [`Restriction`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfirmedBy {
    /// In the claims of the ID token.
    IdToken,
    /// In the profile.
    Profile,
    /// In the claims of the ID token; where they say nothing, in the profile.
    IdTokenOrProfile,
    /// In the token reply, beside the tokens.
    TokenReply,
}

impl Restriction {
    /// A restriction that an authorization parameter asks for.
    #[must_use]
    pub const fn parameter(
        name: &'static str,
        confirmed_by: ConfirmedBy,
        is_met: fn(&str, &Value) -> Option<bool>,
    ) -> Self {
        Self { name, asked_by: AskedBy::Parameter, confirmed_by, is_met }
    }

    /// A restriction that a scope asks for, which begins with this prefix.
    #[must_use]
    pub const fn scope(
        prefix: &'static str,
        confirmed_by: ConfirmedBy,
        is_met: fn(&str, &Value) -> Option<bool>,
    ) -> Self {
        Self { name: prefix, asked_by: AskedBy::Scope, confirmed_by, is_met }
    }

    /// Whether the text at a place of the answer is what was asked for, letter by letter; `None` when there is none.
    ///
    /// A member that is not a text does not confirm anything.
    #[must_use]
    pub fn same_at(pointer: &str, asked: &str, answer: &Value) -> Option<bool> {
        match answer.pointer(pointer) {
            None | Some(Value::Null) => None,
            Some(_) => Some(text_at(answer, pointer).is_some_and(|found| found == asked)),
        }
    }
}

/// A [`Restriction`] with the value that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct RestrictedTo {
    /// The [`Restriction::name`].
    pub name: String,
    /// The organization, domain or the like.
    pub value: String,
}
