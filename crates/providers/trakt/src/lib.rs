//! Sign in with [Trakt](https://docs.trakt.tv/docs/oauth).
//!
//! ```
//! use oauth_trakt::{TraktOAuth2, oauth_core::{ClientSecret, LoginOptions, Provider}};
//!
//! # async fn f() -> Result<(), oauth_core::Error> {
//! let trakt = TraktOAuth2::new("CLIENT_ID", ClientSecret::NONE).with_redirect_uri("https://app.example/callback");
//! let login = trakt.start_login("https://app.example/callback", LoginOptions::new()).await?;
//! # Ok(())
//! # }
//! ```
//!
//! **Set up.** Create an application under [Your API Apps](https://trakt.tv/oauth/applications) and enter each redirect URI exactly.
//! Applications that are new get no secret: pass `ClientSecret::NONE`. Trakt wants the redirect URI again when a token is refreshed, so tell
//! it to the client, as in the example.
//!
//! **What you get.** The subject is the account's number (`ids.trakt`); the user name and the slug can change, and the slug can be
//! missing. There is no address. Access tokens live seven days, and each refresh replaces the refresh token: a spent one is dead.
//!
//! **Surprises.** Sign-in and tokens are at `auth.trakt.tv`, the API at `api.trakt.tv`. Every request of the API has the client id in the header
//! `trakt-api-key`, and the version in another. The name can be empty, and pictures must not be linked to: copy them. The device
//! flow has names of its own (`code`, `verification_url`) and is not covered.
//!
//! Written from Trakt's API repository (30 July and 1 October 2026) and public programs as of 2026-11-29.

pub use oauth_core;
use oauth_core::{
    ClientAuth, Credentials, Endpoint, Identity, OAuth2, OAuth2Token, Provider, Result, Spec, async_trait,
    provider_kit::{DeviceSpec, NativeSpec, ProfileSpec, RequestFormat, RevocationSpec, TokenSpec, text_at},
};

/// Trakt's endpoints and dialect.
pub const SPEC: Spec = Spec {
    name: "trakt",
    display_name: "Trakt",
    color: "#9f42c6",
    docs: "https://docs.trakt.tv/docs/oauth",
    endpoints: &[
        (Endpoint::Authorization, "https://auth.trakt.tv/oauth/authorize"),
        (Endpoint::Token, "https://auth.trakt.tv/oauth/token"),
        (Endpoint::Refresh, "https://auth.trakt.tv/oauth/token"),
        (Endpoint::Revocation, "https://auth.trakt.tv/oauth/revoke"),
        (Endpoint::DeviceAuthorization, "https://auth.trakt.tv/oauth/device/code"),
        (Endpoint::Other("device_token"), "https://auth.trakt.tv/oauth/device/token"),
        (Endpoint::Profile, "https://api.trakt.tv/users/me"),
    ],
    token: TokenSpec { format: RequestFormat::Json, ..TokenSpec::RFC6749 },
    revocation: RevocationSpec { format: RequestFormat::Json, ..RevocationSpec::RFC7009 },
    profile: ProfileSpec {
        id_at: "/ids/trakt",
        email_at: None,
        name_at: Some("/name"),
        picture_at: Some("/images/avatar/full"),
        params: &[("extended", "full")],
        headers: &[("trakt-api-version", "2"), ("trakt-api-key", "{client_id}")],
        ..ProfileSpec::RFC6749
    },
    native: NativeSpec {
        device: DeviceSpec {
            client_auth: Some(ClientAuth::None),
            params: &[],
            poll_endpoint: Endpoint::Other("device_token"),
            poll_params: &[("code", "{device_code}")],
            // The status says it all.
            codes: &[
                ("400", "authorization_pending"),
                ("404", "invalid_grant"),
                ("409", "invalid_grant"),
                ("410", "expired_token"),
                ("418", "access_denied"),
                ("429", "slow_down"),
            ],
            ..DeviceSpec::RFC8628
        },
        ..NativeSpec::RFC8252
    },
    ..Spec::RFC6749
};

/// Signs users in with Trakt.
#[derive(Clone, Debug)]
pub struct TraktOAuth2 {
    oauth2: OAuth2,
    redirect_uri: Option<String>,
}

oauth_core::authorize_params! {
    /// Trakt's own authorization parameters.
    pub struct TraktAuthorizeParams {
        /// Whether to show the page that makes an account, for those who have none.
        pub signup: Option<bool>,
        /// `login` to make the user sign in again.
        pub prompt: Option<String>,
    }
}

impl TraktOAuth2 {
    /// A client with the id that Trakt issued to your application, and the secret if it is an older one that has a secret.
    pub fn new(client_id: impl Into<String>, credentials: impl Into<Credentials>) -> Self {
        Self { oauth2: OAuth2::from_spec(&SPEC, client_id, credentials), redirect_uri: None }
    }

    /// Sends this redirect URI, one of the application's, when a token is refreshed.
    #[must_use]
    pub fn with_redirect_uri(mut self, redirect_uri: &str) -> Self {
        self.redirect_uri = Some(redirect_uri.to_owned());
        self
    }

    fn with_redirect_uri_of_text(self, redirect_uri: &str) -> Result<Self> {
        Ok(self.with_redirect_uri(redirect_uri))
    }
}

oauth_core::configure!(TraktOAuth2, configured by { redirect_uri: with_redirect_uri_of_text });

#[async_trait]
impl Provider for TraktOAuth2 {
    oauth_core::accessors!();

    /// The name is one that a user need not have; the user name is there always.
    fn complete_identity(&self, identity: &mut Identity) {
        let name = identity.name.take().filter(|name| !name.is_empty());
        identity.name = name.or_else(|| text_at(&identity.profile, "/username"));
    }

    /// Trakt's page has the redirect URI in this request too.
    async fn refresh_token_with(
        &self,
        refresh_token: &str,
        scopes: Option<&[&str]>,
        extra: &[(&str, &str)],
    ) -> Result<OAuth2Token> {
        let redirect_uri = self.redirect_uri.iter().map(|uri| ("redirect_uri", uri.as_str()));
        let extra: Vec<_> = extra.iter().copied().chain(redirect_uri).collect();
        self.oauth2.refresh_token_with(refresh_token, scopes, &extra).await
    }
}
