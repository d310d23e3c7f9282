//! Sign in with [Kick](https://docs.kick.com/getting-started/generating-tokens-oauth2-flow).
//!
//! ```
//! use oauth_kick::{KickOAuth2, oauth_core::{LoginOptions, Provider}};
//!
//! # async fn f() -> Result<(), oauth_core::Error> {
//! let kick = KickOAuth2::new("CLIENT_ID", "CLIENT_SECRET");
//! let login = kick.start_login("https://app.example/callback", LoginOptions::new()).await?;
//! # Ok(())
//! # }
//! ```
//!
//! **Set up.** Create an app under "Developer" in the [settings](https://kick.com/settings/developer) of an account with two-factor
//! authentication, and enter each redirect URL.
//!
//! **What you get.** The subject is the account's number; the name can change. The address comes with the scope `user:read`, and Kick
//! does not say whether it has verified it. Access tokens live two hours. Every refresh replaces the refresh token: the old one is dead.
//! Revocation takes either token, without the secret.
//!
//! **Surprises.** Kick follows OAuth 2.1: a login without PKCE is refused. Sign-in and API have hosts of their own, `id.kick.com` and
//! `api.kick.com`. Kick wants a token that is revoked in the URL, where logs may keep it.
//!
//! Written from Kick's pages and public programs as of 2026-11-29.

pub use oauth_core;
use oauth_core::{
    ClientAuth, Endpoint, Provider, Spec,
    provider_kit::{ProfileSpec, RevocationSpec, TokenPlace},
};

/// Kick's endpoints and dialect.
pub const SPEC: Spec = Spec {
    name: "kick",
    display_name: "Kick",
    color: "#53fc18",
    docs: "https://docs.kick.com/getting-started/generating-tokens-oauth2-flow",
    endpoints: &[
        (Endpoint::Authorization, "https://id.kick.com/oauth/authorize"),
        (Endpoint::Token, "https://id.kick.com/oauth/token"),
        (Endpoint::Refresh, "https://id.kick.com/oauth/token"),
        (Endpoint::Revocation, "https://id.kick.com/oauth/revoke"),
        (Endpoint::Profile, "https://api.kick.com/public/v1/users"),
    ],
    scopes: &["user:read"],
    revocation: RevocationSpec {
        client_auth: Some(ClientAuth::None),
        token: TokenPlace::Query("token"),
        ..RevocationSpec::RFC7009
    },
    profile: ProfileSpec {
        id_at: "/data/0/user_id",
        email_at: Some("/data/0/email"),
        name_at: Some("/data/0/name"),
        picture_at: Some("/data/0/profile_picture"),
        ..ProfileSpec::RFC6749
    },
    ..Spec::RFC6749
};

oauth_core::client! {
    /// Signs users in with Kick.
    pub struct KickOAuth2 from SPEC;
}

impl Provider for KickOAuth2 {
    oauth_core::accessors!();
}
