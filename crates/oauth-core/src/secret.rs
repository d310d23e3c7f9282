use std::{borrow::Cow, fmt, sync::Arc};

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::Value;
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

/// A string that must not be seen: a token, a client secret, a code verifier.
///
/// It prints as `Secret(…)`, compares in constant time, does not serialize, and is wiped from memory when dropped.
#[derive(Clone, Default, Deserialize)]
#[serde(try_from = "Value")]
pub struct Secret(String);

impl Secret {
    /// Wraps a string that must not be seen.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// The secret itself. The caller answers for where it goes.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        same_secret(self.expose(), other.expose())
    }
}

impl Eq for Secret {}

impl From<&str> for Secret {
    fn from(secret: &str) -> Self {
        Self::new(secret)
    }
}

impl From<String> for Secret {
    fn from(secret: String) -> Self {
        Self::new(secret)
    }
}

// By way of a `Value`, because serde's own error quotes what should have been a text.
impl TryFrom<Value> for Secret {
    type Error = &'static str;

    fn try_from(value: Value) -> Result<Self, Self::Error> {
        match value {
            Value::String(secret) => Ok(Self(secret)),
            _ => Err("a secret is a text"),
        }
    }
}

/// What is wrong with a client secret that was read from a file together with the end of its line.
pub(crate) fn check_secret(secret: &Secret) -> Result<(), &'static str> {
    match secret.expose().contains(['\n', '\r']) {
        true => Err("the client secret has a line break in it; leave out the one at its end"),
        false => Ok(()),
    }
}

/// Compares two secrets without telling by the time it takes where they differ.
#[must_use]
pub fn same_secret(a: &str, b: &str) -> bool {
    a.as_bytes().ct_eq(b.as_bytes()).into()
}

/// A client secret: none, a fixed one, or one that is made for each request.
///
/// A string converts into a fixed secret, so that `GitHubOAuth2::new("id", "secret")` reads as it should.
#[derive(Clone, Debug, Default)]
pub struct ClientSecret(SecretKind);

#[derive(Clone, Debug, Default)]
enum SecretKind {
    #[default]
    None,
    Fixed(Secret),
    Made(Arc<dyn SecretSource>),
}

impl ClientSecret {
    /// A public client (RFC 6749 section 2.1): it sends its id and no secret.
    pub const NONE: Self = Self(SecretKind::None);

    /// A secret that is made anew for each request, such as Apple's signed JWT or one read from a vault.
    pub fn made_by(source: impl SecretSource + 'static) -> Self {
        Self(SecretKind::Made(Arc::new(source)))
    }

    /// Whether there is no secret at all.
    #[must_use]
    pub fn is_none(&self) -> bool {
        matches!(self.0, SecretKind::None)
    }

    /// Checks that a fixed secret can be one that a provider issued.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        match &self.0 {
            SecretKind::Fixed(secret) => check_secret(secret),
            SecretKind::None | SecretKind::Made(_) => Ok(()),
        }
    }

    /// The secret to send now; `None` for a public client.
    pub(crate) async fn get(&self) -> Result<Option<Cow<'_, Secret>>, SecretSourceError> {
        let secret = match &self.0 {
            SecretKind::None => return Ok(None),
            SecretKind::Fixed(secret) => Cow::Borrowed(secret),
            SecretKind::Made(source) => Cow::Owned(source.client_secret().await?),
        };
        check_secret(&secret)?;
        Ok(Some(secret))
    }
}

impl<S: Into<Secret>> From<S> for ClientSecret {
    fn from(secret: S) -> Self {
        Self(SecretKind::Fixed(secret.into()))
    }
}

/// Why a [`SecretSource`] gave no secret.
pub type SecretSourceError = Box<dyn std::error::Error + Send + Sync>;

/// Makes a client secret when one is needed.
#[async_trait]
pub trait SecretSource: fmt::Debug + Send + Sync {
    /// The secret for the request that is about to be sent.
    ///
    /// # Errors
    ///
    /// Whatever keeps the source from making one; the request is then not sent.
    async fn client_secret(&self) -> Result<Secret, SecretSourceError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lb_02_secrets_are_equal_as_a_whole_or_not_at_all() {
        for (one, other, equal) in [
            ("state", "state", true),
            ("", "", true),
            ("state", "statf", false),
            ("state", "tate", false),
            ("state", "stat", false),
            ("state", "states", false),
            ("state", "State", false),
            ("state", "", false),
            ("\u{e4}", "a\u{308}", false),
        ] {
            assert_eq!(same_secret(one, other), equal, "{one} {other}");
            assert_eq!(Secret::new(one) == Secret::new(other), equal, "{one} {other}");
        }
    }
}
