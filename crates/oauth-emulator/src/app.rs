use std::fmt;

use serde::Deserialize;
use serde_json::Value;

use crate::signing_alg::SigningAlg;

/// An application as it is registered at a provider.
///
/// `App::default_of("github").with_refresh_tokens(true)` leaves the rest as the provider does it by default. What has no method is set as a
/// field.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
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
    pub client_auth: Vec<ClientAuthMethod>,
    /// Whether this application gets refresh tokens where a provider gives them only to some (GitHub Apps, LinkedIn's
    /// partners). `None`: the provider's ordinary behaviour.
    pub refresh_tokens: Option<bool>,
    /// The public keys with which the application's client assertions are verified: a key set (RFC 7517 section 5).
    pub jwks: Option<Value>,
    /// How the application's ID tokens are signed. `None`: as the provider does it for everybody.
    pub id_token_signed_response_alg: Option<SigningAlg>,
    /// How the application's UserInfo replies are signed. `None`: not at all, unless the provider signs everybody's.
    pub userinfo_signed_response_alg: Option<SigningAlg>,
    /// Where a logout may send the browser, compared byte by byte. Empty: to any absolute URI.
    pub post_logout_redirect_uris: Vec<String>,
    /// The certificates, as DER, by which the application authenticates itself with TLS. They are compared whole, also where a server
    /// would compare the subject.
    pub certificates: Vec<Vec<u8>>,
    /// Whether the application's authorization requests must be pushed (RFC 9126 section 6).
    pub require_pushed_authorization_requests: bool,
    /// Whether the application's authorization requests must be signed (RFC 9101 section 10.5).
    pub require_signed_request_object: bool,
    /// How the application signs its request objects. `None`: by any asymmetric algorithm.
    pub request_object_signing_alg: Option<SigningAlg>,
    /// Where the application may put request objects that the provider fetches, compared byte by byte. Empty: at any loopback address.
    pub request_uris: Vec<String>,
    /// How the answers to the application's authorization requests are signed where it asks for that (JARM). `None`: as its ID tokens.
    pub authorization_signed_response_alg: Option<SigningAlg>,
    /// How introspection replies for the application are signed (RFC 9701). `None`: by the provider's own algorithm, where the request asks
    /// for a JWT.
    pub introspection_signed_response_alg: Option<SigningAlg>,
    /// Whether all the application's token requests must have a DPoP proof (RFC 9449 section 5.2).
    pub dpop_bound_access_tokens: bool,
    /// Whether all the application's tokens are bound to the certificate that it shows (RFC 8705 section 3.4).
    pub tls_client_certificate_bound_access_tokens: bool,
    /// How the application learns that a user has answered on another device (CIBA section 5).
    pub backchannel_token_delivery_mode: DeliveryMode,
    /// Where the application is told so, for ping and push.
    pub backchannel_client_notification_endpoint: Option<String>,
}

impl App {
    /// The application that every provider knows unless others are registered: `{provider}-client-id` with
    /// `{provider}-client-secret` and any redirect URI. Apple and Login.gov issue no secret; that of LINE has 32 characters,
    /// as there, because it signs ID tokens.
    pub fn default_of(provider: &str) -> Self {
        let client_secret = match provider {
            "apple" | "lichess" | "login-gov" => None,
            "line" => Some("line-client-secret-0123456789abc".to_owned()),
            _ => Some(format!("{provider}-client-secret")),
        };
        Self { client_id: format!("{provider}-client-id"), client_secret, ..Self::default() }
    }

    /// Sets the client identifier.
    #[must_use]
    pub fn with_client_id(mut self, client_id: impl Into<String>) -> Self {
        self.client_id = client_id.into();
        self
    }

    /// Sets the client secret; `None` makes a public client.
    #[must_use]
    pub fn with_client_secret(mut self, client_secret: Option<String>) -> Self {
        self.client_secret = client_secret;
        self
    }

    /// Sets the registered redirect URIs.
    #[must_use]
    pub fn with_redirect_uris(mut self, redirect_uris: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.redirect_uris = redirect_uris.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the client authentication methods that are accepted from this application.
    #[must_use]
    pub fn with_client_auth(mut self, client_auth: impl IntoIterator<Item = ClientAuthMethod>) -> Self {
        self.client_auth = client_auth.into_iter().collect();
        self
    }

    /// Says whether this application gets refresh tokens.
    #[must_use]
    pub fn with_refresh_tokens(mut self, refresh_tokens: impl Into<Option<bool>>) -> Self {
        self.refresh_tokens = refresh_tokens.into();
        self
    }

    /// Sets the public keys of the application: a key set.
    #[must_use]
    pub fn with_jwks(mut self, jwks: Value) -> Self {
        self.jwks = Some(jwks);
        self
    }

    /// Sets how ID tokens for the application are signed.
    #[must_use]
    pub fn with_id_token_signed_response_alg(
        mut self,
        id_token_signed_response_alg: impl Into<Option<SigningAlg>>,
    ) -> Self {
        self.id_token_signed_response_alg = id_token_signed_response_alg.into();
        self
    }

    /// Sets how UserInfo replies for the application are signed.
    #[must_use]
    pub fn with_userinfo_signed_response_alg(
        mut self,
        userinfo_signed_response_alg: impl Into<Option<SigningAlg>>,
    ) -> Self {
        self.userinfo_signed_response_alg = userinfo_signed_response_alg.into();
        self
    }

    /// Sets where a logout may send the browser.
    #[must_use]
    pub fn with_post_logout_redirect_uris(
        mut self,
        post_logout_redirect_uris: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        self.post_logout_redirect_uris = post_logout_redirect_uris.into_iter().map(Into::into).collect();
        self
    }

    pub(crate) fn allows_post_logout_redirect(&self, uri: &str) -> bool {
        let registered = &self.post_logout_redirect_uris;
        registered.is_empty() || registered.iter().any(|registered| registered == uri)
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
            .field("jwks", &self.jwks.as_ref().map(|_| "…"))
            .field("id_token_signed_response_alg", &self.id_token_signed_response_alg)
            .field("userinfo_signed_response_alg", &self.userinfo_signed_response_alg)
            .field("post_logout_redirect_uris", &self.post_logout_redirect_uris)
            .finish_non_exhaustive()
    }
}

/// How an application learns that a user has answered on another device (OpenID Connect CIBA Core section 5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DeliveryMode {
    /// It asks the token endpoint again and again.
    #[default]
    Poll,
    /// It is told, and then asks the token endpoint.
    Ping,
    /// It is sent the tokens.
    Push,
}

impl DeliveryMode {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Poll => "poll",
            Self::Ping => "ping",
            Self::Push => "push",
        }
    }
}

/// How an application authenticates at the token endpoint, by the names of RFC 7591, section 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[non_exhaustive]
pub enum ClientAuthMethod {
    /// HTTP Basic with form-encoded id and secret (RFC 6749, section 2.3.1).
    #[serde(rename = "client_secret_basic")]
    Basic,
    /// `client_id` and `client_secret` in the form.
    #[serde(rename = "client_secret_post")]
    Post,
    /// A signed `client_assertion` (OpenID Connect Core section 9, RFC 7523 section 2.2).
    #[serde(rename = "private_key_jwt")]
    PrivateKeyJwt,
    /// A `client_assertion` with an HMAC of the client secret (OpenID Connect Core section 9). The secret must be as long as the digest.
    #[serde(rename = "client_secret_jwt")]
    ClientSecretJwt,
    /// One of the application's [certificates](App::certificates), from an authority (RFC 8705 section 2.1).
    #[serde(rename = "tls_client_auth")]
    TlsClientAuth,
    /// One of the application's [certificates](App::certificates), which is its own (RFC 8705 section 2.2).
    #[serde(rename = "self_signed_tls_client_auth")]
    SelfSignedTlsClientAuth,
    /// A public client: `client_id` alone.
    #[serde(rename = "none")]
    None,
}

impl ClientAuthMethod {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Basic => "client_secret_basic",
            Self::Post => "client_secret_post",
            Self::PrivateKeyJwt => "private_key_jwt",
            Self::ClientSecretJwt => "client_secret_jwt",
            Self::TlsClientAuth => "tls_client_auth",
            Self::SelfSignedTlsClientAuth => "self_signed_tls_client_auth",
            Self::None => "none",
        }
    }
}
