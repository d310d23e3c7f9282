use std::fmt;

use serde::Deserialize;

/// An application as it is registered at a provider.
///
/// `App { client_id: …, client_secret: …, ..App::default() }` leaves the rest as the provider does it by default.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct App {
    /// The client identifier.
    pub client_id: String,
    /// The client secret; `None` is a public client, which must use PKCE. Apple issues none to anybody: its secrets are
    /// signed with [`Emulator::apple_key`](crate::Emulator::apple_key).
    pub client_secret: Option<String>,
    /// The registered redirect URIs, compared byte by byte. Empty: any absolute URI is accepted, and the token request must
    /// repeat the one of the authorization request.
    pub redirect_uris: Vec<String>,
    /// The client authentication methods that the provider accepts from this application, where the application's
    /// registration decides that (Okta, generic servers). Empty: those that the provider accepts from everybody.
    pub client_auth: Vec<ClientAuth>,
    /// Whether this application gets refresh tokens where a provider gives them only to some (GitHub Apps, LinkedIn's
    /// partners). `None`: the provider's ordinary behaviour.
    pub refresh_tokens: Option<bool>,
}

impl App {
    /// The application that every provider knows unless others are registered: `{provider}-client-id` with
    /// `{provider}-client-secret` (at Apple: none) and any redirect URI.
    pub fn default_of(provider: &str) -> Self {
        Self {
            client_id: format!("{provider}-client-id"),
            client_secret: (provider != "apple").then(|| format!("{provider}-client-secret")),
            ..Self::default()
        }
    }

    pub(crate) fn allows_redirect(&self, uri: &str) -> bool {
        self.redirect_uris.is_empty() || self.redirect_uris.iter().any(|registered| registered == uri)
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App")
            .field("client_id", &self.client_id)
            .field("client_secret", &self.client_secret.as_ref().map(|_| "[redacted]"))
            .field("redirect_uris", &self.redirect_uris)
            .field("client_auth", &self.client_auth)
            .field("refresh_tokens", &self.refresh_tokens)
            .finish()
    }
}

/// How an application authenticates at the token endpoint, by the names of RFC 7591, section 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[non_exhaustive]
pub enum ClientAuth {
    /// HTTP Basic with form-encoded id and secret (RFC 6749, section 2.3.1).
    #[serde(rename = "client_secret_basic")]
    Basic,
    /// `client_id` and `client_secret` in the form.
    #[serde(rename = "client_secret_post")]
    Post,
    /// A public client: `client_id` alone.
    #[serde(rename = "none")]
    None,
}

impl ClientAuth {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Basic => "client_secret_basic",
            Self::Post => "client_secret_post",
            Self::None => "none",
        }
    }
}
