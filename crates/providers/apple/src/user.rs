use std::fmt;

use oauth_core::{Callback, serde_json::Value};

/// The name that Apple sends with the callback of a user's first sign-in, and never again: store it then.
///
/// It comes in a form field that the browser posts, so whoever sits at the browser can write anything there. That is good
/// enough for a name to show. The address in the same field is left out for that reason; the identity has it.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AppleUser {
    /// The first name.
    pub first_name: Option<String>,
    /// The last name.
    pub last_name: Option<String>,
}

impl AppleUser {
    /// The name in a callback; `None` when it holds none, as from the second sign-in on.
    #[must_use]
    pub fn from_callback(callback: &Callback) -> Option<Self> {
        let user: Value = callback.get("user")?.parse().ok()?;
        let name = |part: &str| {
            let name = user.pointer(part)?.as_str()?;
            (!name.trim().is_empty()).then(|| name.to_owned())
        };
        let user = Self { first_name: name("/name/firstName"), last_name: name("/name/lastName") };
        (user != Self::default()).then_some(user)
    }

    /// Both names with a space between them, or the one that is there.
    #[must_use]
    pub fn name(&self) -> String {
        match (&self.first_name, &self.last_name) {
            (Some(first), Some(last)) => format!("{first} {last}"),
            (one, other) => one.as_ref().or(other.as_ref()).cloned().unwrap_or_default(),
        }
    }
}

impl fmt::Debug for AppleUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Personal data has no place in logs.
        f.debug_struct("AppleUser").finish_non_exhaustive()
    }
}
