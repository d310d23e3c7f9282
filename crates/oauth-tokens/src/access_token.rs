//! The part of a token that an API is called with.

use std::{fmt, sync::Arc};

use oauth_core::{OAuth2Token, OffsetDateTime, same_secret};

/// A live access token without what came with it: neither the refresh token nor the ID token can be reached from here, so that code
/// which only calls an API cannot lose them.
///
/// Neither `Debug` nor anything else but [`access_token`](Self::access_token) and [`bearer`](Self::bearer) shows it.
#[derive(Clone)]
pub struct AccessToken(Arc<OAuth2Token>);

impl AccessToken {
    pub(crate) fn new(token: Arc<OAuth2Token>) -> Self {
        Self(token)
    }

    /// Returns the access token itself.
    #[must_use]
    pub fn access_token(&self) -> &str {
        self.0.access_token()
    }

    /// Returns the access token to send as `Authorization: Bearer` (RFC 6750 section 2.1).
    ///
    /// # Errors
    ///
    /// An unsupported-operation error when the token is of another type, such as `DPoP`.
    pub fn bearer(&self) -> oauth_core::Result<&str> {
        self.0.bearer()
    }

    /// Returns the token's type, such as `Bearer`, if the provider named it.
    #[must_use]
    pub fn token_type(&self) -> Option<&str> {
        self.0.token_type()
    }

    /// Returns when it expires, if that is known.
    #[must_use]
    pub fn expires_at(&self) -> Option<OffsetDateTime> {
        self.0.expires_at()
    }

    /// Returns the scopes that were granted; `None` when the provider did not say.
    #[must_use]
    pub fn scopes(&self) -> Option<Vec<&str>> {
        self.0.scopes()
    }
}

/// Whether both are the same token, whatever else is known of them.
impl PartialEq for AccessToken {
    fn eq(&self, other: &Self) -> bool {
        same_secret(self.access_token(), other.access_token())
    }
}

impl Eq for AccessToken {}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessToken")
            .field("token_type", &self.token_type())
            .field("expires_at", &self.expires_at())
            .field("scopes", &self.scopes())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use oauth_core::serde_json::{from_value, json};

    use super::*;

    #[test]
    fn what_is_shown_of_an_access_token_is_not_the_token() {
        let token = json!({ "access_token": "AT-17", "token_type": "Bearer", "scope": "mail", "refresh_token": "RT-17" });
        let shown = format!("{:?}", AccessToken::new(Arc::new(from_value(token).unwrap())));
        assert!(shown.contains("Bearer") && shown.contains("mail"), "{shown}");
        assert!(!shown.contains("AT-17") && !shown.contains("RT-17"), "{shown}");
    }
}
