//! Which scopes an application wants, and which of them it was granted: users and administrators may grant a part.

use serde::{Deserialize, Serialize};

use crate::token::OAuth2Token;

/// The scopes that an application wants: those that it cannot do without, and those that it can.
///
/// ```
/// use oauth_core::{OAuth2Token, WantedScopes};
///
/// let wanted = WantedScopes::required(["openid", "calendar.read"]).with_optional(["contacts.read"]);
/// // Ask for all of them: `LoginOptions::new().scopes(wanted.all())`. When the login has ended:
/// # let token: OAuth2Token = serde_json::from_str(r#"{"access_token": "AT", "scope": "openid contacts.read"}"#)?;
/// let granted = wanted.check(&token);
/// assert!(!granted.is_sufficient());
/// assert_eq!(granted.missing_required, ["calendar.read"]);
/// assert!(granted.missing_optional.is_empty());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WantedScopes {
    required: Vec<String>,
    #[serde(default)]
    optional: Vec<String>,
    /// What is asked for under one name and granted under another.
    #[serde(default)]
    aliases: Vec<(String, String)>,
}

/// Which of the [`WantedScopes`] were granted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScopeCheck {
    /// The scopes that were granted and wanted, by the names under which they were asked for.
    pub granted: Vec<String>,
    /// The scopes that the application cannot do without and was not granted.
    pub missing_required: Vec<String>,
    /// The scopes that it can do without and was not granted.
    pub missing_optional: Vec<String>,
}

impl WantedScopes {
    /// Scopes that the application cannot do without.
    pub fn required<S: Into<String>>(scopes: impl IntoIterator<Item = S>) -> Self {
        Self { required: scopes.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// Adds scopes that the application can do without.
    #[must_use]
    pub fn with_optional<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.optional.extend(scopes.into_iter().map(Into::into));
        self
    }

    /// Says that a scope is granted under another name: Google grants `email` as
    /// `https://www.googleapis.com/auth/userinfo.email`.
    #[must_use]
    pub fn with_alias(mut self, asked_for: impl Into<String>, granted_as: impl Into<String>) -> Self {
        self.aliases.push((asked_for.into(), granted_as.into()));
        self
    }

    /// All of them, to ask for them.
    pub fn all(&self) -> impl Iterator<Item = String> {
        self.required.iter().chain(&self.optional).cloned()
    }

    /// Tells which scopes a token has. A token that names no scopes has those that were asked for (RFC 6749 section 5.1).
    #[must_use]
    pub fn check(&self, token: &OAuth2Token) -> ScopeCheck {
        let granted = token.scopes();
        let has = |scope: &str| {
            let Some(granted) = &granted else { return true };
            let mut names = self.aliases.iter().filter(|(asked_for, _)| asked_for == scope);
            granted.contains(&scope) || names.any(|(_, name)| granted.contains(&name.as_str()))
        };
        // Several in one text are sent as several, and granted as several. A text without any is not granted: nobody has asked for it.
        let is_granted = |scope: &String| {
            let mut all = scope.split(' ').filter(|one| !one.is_empty()).peekable();
            all.peek().is_some() && (has(scope) || all.all(has))
        };
        let missing = |scopes: &[String]| scopes.iter().filter(|scope| !is_granted(scope)).cloned().collect();
        ScopeCheck {
            granted: self.all().filter(is_granted).collect(),
            missing_required: missing(&self.required),
            missing_optional: missing(&self.optional),
        }
    }
}

impl ScopeCheck {
    /// Whether the application can do with what it was granted.
    #[must_use]
    pub fn is_sufficient(&self) -> bool {
        self.missing_required.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(scope: Option<&str>) -> ScopeCheck {
        let wanted = WantedScopes::required(["openid", "email"])
            .with_optional(["files"])
            .with_alias("email", "https://as.example/auth/email");
        let mut token = json!({ "access_token": "AT" });
        token["scope"] = scope.into();
        wanted.check(&serde_json::from_value(token).unwrap())
    }

    #[test]
    fn what_was_not_granted_is_missing_under_every_name() {
        for (scope, granted, missing_required, missing_optional) in [
            (Some("openid email files other"), &["openid", "email", "files"][..], &[][..], &[][..]),
            (Some("openid https://as.example/auth/email"), &["openid", "email"], &[], &["files"]),
            (Some("https://as.example/auth/email files"), &["email", "files"], &["openid"], &[]),
            (Some("email"), &["email"], &["openid"], &["files"]),
            (Some("other"), &[], &["openid", "email"], &["files"]),
            (None, &["openid", "email", "files"], &[], &[]),
        ] {
            let found = check(scope);
            assert_eq!(found.granted, granted, "{scope:?}");
            assert_eq!(found.missing_required, missing_required, "{scope:?}");
            assert_eq!(found.missing_optional, missing_optional, "{scope:?}");
            assert_eq!(found.is_sufficient(), missing_required.is_empty(), "{scope:?}");
        }
    }

    #[test]
    fn scopes_that_were_asked_for_in_one_text_are_granted_one_by_one() {
        let wanted = WantedScopes::required(["openid email"]).with_optional(["read write"]);
        let token: OAuth2Token =
            serde_json::from_str(r#"{"access_token": "AT", "scope": "email read openid"}"#).unwrap();
        let granted = wanted.check(&token);
        assert_eq!(granted.granted, ["openid email"]);
        assert_eq!(granted.missing_optional, ["read write"]);
        assert!(granted.is_sufficient());
        assert!(!WantedScopes::required([" "]).check(&token).is_sufficient());
    }
}
