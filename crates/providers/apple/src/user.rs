use std::fmt;

use oauth_core::{Callback, serde_json};
use serde::Deserialize;

/// The name that Apple sends with the callback of a user's first sign-in, and never again: store it then.
///
/// It stands in a form field that the browser posts, so whoever sits at the browser can write anything there. That is good
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
        let Name { first_name, last_name } = serde_json::from_str::<User>(callback.get("user")?).ok()?.name?;
        let full = |name: Option<String>| name.filter(|name| !name.trim().is_empty());
        let user = Self { first_name: full(first_name), last_name: full(last_name) };
        (user != Self::default()).then_some(user)
    }

    /// Both names with a space between them, or the one that is there.
    #[must_use]
    pub fn name(&self) -> String {
        let names: Vec<_> =
            [&self.first_name, &self.last_name].into_iter().flatten().map(String::as_str).collect();
        names.join(" ")
    }
}

impl fmt::Debug for AppleUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Personal data has no place in logs.
        f.debug_struct("AppleUser").finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct User {
    name: Option<Name>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Name {
    first_name: Option<String>,
    last_name: Option<String>,
}
