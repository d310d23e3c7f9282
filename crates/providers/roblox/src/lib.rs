//! Sign in with [Roblox](https://create.roblox.com/docs/cloud/auth/oauth2-overview).
//!
//! ```
//! use oauth_roblox::{RobloxOAuth2, oauth_core::{LoginOptions, Provider}};
//!
//! # async fn f() -> Result<(), oauth_core::Error> {
//! let roblox = RobloxOAuth2::new("CLIENT_ID", "CLIENT_SECRET");
//! let login = roblox.start_login("https://app.example/callback", LoginOptions::new()).await?;
//! # Ok(())
//! # }
//! ```
//!
//! **Set up.** Register an app in the [Creator Dashboard](https://create.roblox.com/dashboard/credentials?activeTab=OAuthTab), which
//! needs a verified account, and enter each redirect URL. A private app takes ten users; for more it must pass Roblox's
//! review. For an app without a secret pass `ClientSecret::NONE`.
//!
//! **What you get.** The subject is the account's number. The name is the display name, which the user can change, as
//! `preferred_username` can be changed. No app of a third party gets an e-mail address. Access tokens live 15 minutes; a refresh token
//! works once and brings the next. Revoking a refresh token ends the whole authorization.
//!
//! **Surprises.** A code lives one minute. ID tokens are signed with ES256, and the issuer ends with a slash. Introspection calls a
//! token active even after the user has withdrawn the consent, because it looks at the token's age alone. A picture can be missing.
//!
//! Written from Roblox's pages as of 2026-11-29.

pub use oauth_core;
use oauth_core::{
    ClientAuth, Endpoint, Provider, Spec,
    provider_kit::{ProfileSpec, TokenSpec},
};
pub use oauth_openid;

/// Roblox's endpoints and dialect.
pub const SPEC: Spec = Spec {
    name: "roblox",
    display_name: "Roblox",
    color: "#335fff",
    docs: "https://create.roblox.com/docs/cloud/auth/oauth2-reference",
    // With a slash, unlike most others.
    issuer: Some("https://apis.roblox.com/oauth/"),
    endpoints: &[
        (Endpoint::Authorization, "https://apis.roblox.com/oauth/v1/authorize"),
        (Endpoint::Token, "https://apis.roblox.com/oauth/v1/token"),
        (Endpoint::Refresh, "https://apis.roblox.com/oauth/v1/token"),
        (Endpoint::Revocation, "https://apis.roblox.com/oauth/v1/token/revoke"),
        (Endpoint::Introspection, "https://apis.roblox.com/oauth/v1/token/introspect"),
        (Endpoint::Profile, "https://apis.roblox.com/oauth/v1/userinfo"),
        (Endpoint::Jwks, "https://apis.roblox.com/oauth/v1/certs"),
    ],
    scopes: &["openid", "profile"],
    token: TokenSpec { client_auth: ClientAuth::Basic, ..TokenSpec::RFC6749 },
    profile: ProfileSpec { email_at: None, email_verified_at: None, ..ProfileSpec::OPENID },
    ..Spec::OPENID
};

oauth_openid::client! {
    /// Signs users in with Roblox.
    pub struct RobloxOAuth2 from SPEC;
}

impl Provider for RobloxOAuth2 {
    oauth_core::accessors!();
}
