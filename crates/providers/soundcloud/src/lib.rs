//! Sign in with [SoundCloud](https://developers.soundcloud.com/docs/api/guide#authentication).
//!
//! ```
//! use oauth_soundcloud::{SoundCloudOAuth2, oauth_core::{LoginOptions, Provider}};
//!
//! # async fn f() -> Result<(), oauth_core::Error> {
//! let soundcloud = SoundCloudOAuth2::new("CLIENT_ID", "CLIENT_SECRET");
//! let login = soundcloud.start_login("https://app.example/callback", LoginOptions::new()).await?;
//! # Ok(())
//! # }
//! ```
//!
//! **Set up.** Register an app at <https://soundcloud.com/you/apps>, which takes an Artist Pro account, with each redirect URI exactly.
//!
//! **What you get.** The subject is the last part of the user's `urn`, or else the `id`; of users with both they are the same number. SoundCloud
//! [takes the latter out](https://developers.soundcloud.com/blog/urn-num-to-string). The name is the full name, or else the user name. There is no e-mail address.
//! Access tokens live about an hour. A refresh token works once. Signing out ends the access token.
//!
//! **Surprises.** PKCE is obligatory, beside the secret. There are no scopes: every token can do whatever the user can. The scheme of
//! access tokens is `OAuth`, not `Bearer`. The endpoints at `api.soundcloud.com/oauth2` and `soundcloud.com/connect`, which older
//! libraries use, were closed in October 2024 ([announcement](https://developers.soundcloud.com/blog/oauth-migration)).
//!
//! Read on 2026-11-29.

pub use oauth_core;
use oauth_core::{
    ClientAuth, Endpoint, Identity, OAuth2Token, Provider, Result, Spec, async_trait,
    provider_kit::{ProfileSpec, RequestFormat, RevocationSpec, TokenPlace, text_at},
};

/// SoundCloud's endpoints and dialect.
pub const SPEC: Spec = Spec {
    name: "soundcloud",
    display_name: "SoundCloud",
    color: "#ff5500",
    docs: "https://developers.soundcloud.com/docs/api/guide#authentication",
    endpoints: &[
        (Endpoint::Authorization, "https://secure.soundcloud.com/authorize"),
        (Endpoint::Token, "https://secure.soundcloud.com/oauth/token"),
        (Endpoint::Refresh, "https://secure.soundcloud.com/oauth/token"),
        (Endpoint::Revocation, "https://secure.soundcloud.com/sign-out"),
        (Endpoint::Profile, "https://api.soundcloud.com/me"),
    ],
    revocation: RevocationSpec {
        client_auth: Some(ClientAuth::None),
        access_tokens_only: true,
        token: TokenPlace::Field("access_token"),
        format: RequestFormat::Json,
        ..RevocationSpec::RFC7009
    },
    profile: ProfileSpec {
        email_at: None,
        name_at: Some("/full_name"),
        picture_at: Some("/avatar_url"),
        token: TokenPlace::Scheme("OAuth"),
        ..ProfileSpec::RFC6749
    },
    ..Spec::RFC6749
};

oauth_core::client! {
    /// Signs users in with SoundCloud.
    pub struct SoundCloudOAuth2 from SPEC;
}

#[async_trait]
impl Provider for SoundCloudOAuth2 {
    oauth_core::accessors!();

    /// New users need not have a number.
    async fn get_identity(&self, token: &OAuth2Token) -> Result<Identity> {
        let mut profile = self.get_profile_of(token).await?;
        let urn = text_at(&profile, "/urn");
        if let Some((_, id)) = urn.as_deref().and_then(|urn| urn.rsplit_once(':')) {
            profile["id"] = id.into();
        }
        let mut identity = self.oauth2.identity(profile)?;
        self.complete_identity(&mut identity);
        Ok(identity.without_unusable())
    }

    /// Many users have no full name.
    fn complete_identity(&self, identity: &mut Identity) {
        let name = identity.name.take().filter(|name| !name.trim().is_empty());
        identity.name = name.or_else(|| text_at(&identity.profile, "/username"));
    }
}
