//! Sign in with [Discord](https://discord.com/developers/docs/topics/oauth2).
//!
//! ```
//! use oauth_discord::{DiscordOAuth2, oauth_core::{LoginOptions, Provider}};
//!
//! # async fn f() -> Result<(), oauth_core::Error> {
//! let discord = DiscordOAuth2::new("CLIENT_ID", "CLIENT_SECRET");
//! let login = discord.start_login("https://app.example/callback", LoginOptions::new()).await?;
//! # Ok(())
//! # }
//! ```
//!
//! **Set up.** Create an application in the [portal](https://discord.com/developers/applications) and enter each redirect URI
//! under "OAuth2", exactly.
//!
//! **What you get.** The subject is the account's number. The e-mail address needs the scope `email` and counts as verified
//! only if Discord says so. Access tokens live a week; each refresh replaces the refresh token. An ID token, which the scope
//! `openid` brings, is not looked at.
//!
//! **Surprises.** Revoking any token ends all tokens that the user gave the application, in whatever sign-in. Over a limit, the
//! reply says in seconds how long to wait, which the error passes on. Whoever signs in must have verified an address or a
//! telephone number.

pub use oauth_core;
use oauth_core::{
    ClientAuth, EmailVerification, Endpoint, Identity, Provider, Spec,
    provider_kit::{LoopbackPort, NativeSpec, ProfileSpec, TokenSpec, text_at},
};

/// Discord's endpoints and dialect.
pub const SPEC: Spec = Spec {
    name: "discord",
    display_name: "Discord",
    color: "#5865f2",
    docs: "https://discord.com/developers/docs/topics/oauth2",
    // No page of Discord's says what the `iss` of a callback is.
    identity_issuer: Some("https://discord.com"),
    endpoints: &[
        (Endpoint::Authorization, "https://discord.com/oauth2/authorize"),
        (Endpoint::Token, "https://discord.com/api/oauth2/token"),
        (Endpoint::Refresh, "https://discord.com/api/oauth2/token"),
        (Endpoint::Revocation, "https://discord.com/api/oauth2/token/revoke"),
        (Endpoint::DeviceAuthorization, "https://discord.com/api/oauth2/device/authorize"),
        (Endpoint::Profile, "https://discord.com/api/users/@me"),
    ],
    scopes: &["identify", "email"],
    token: TokenSpec { client_auth: ClientAuth::Basic, ..TokenSpec::RFC6749 },
    profile: ProfileSpec {
        email_verified_at: Some("/verified"),
        name_at: Some("/global_name"),
        ..ProfileSpec::RFC6749
    },
    native: NativeSpec { loopback_port: LoopbackPort::Registered, ..NativeSpec::RFC8252 },
    ..Spec::RFC6749
};

oauth_core::client! {
    /// Signs users in with Discord.
    pub struct DiscordOAuth2 from SPEC;
}

impl Provider for DiscordOAuth2 {
    oauth_core::accessors!();

    /// The avatar is the hash of an image, and the name may only be a user name.
    fn complete_identity(&self, identity: &mut Identity) {
        if identity.name.is_none() {
            identity.name = text_at(&identity.profile, "/username");
        }
        identity.picture = text_at(&identity.profile, "/avatar").map(|hash| {
            let format = if hash.starts_with("a_") { "gif" } else { "png" };
            format!("https://cdn.discordapp.com/avatars/{}/{hash}.{format}", identity.subject)
        });
        // Discord vouches for an address by `verified` alone.
        if let Some(email) = identity.email.as_mut().filter(|email| !email.is_verified()) {
            email.verification = EmailVerification::Unverified;
        }
    }
}
