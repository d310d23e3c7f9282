//! Sign in with [Box](https://developer.box.com/guides/authentication/oauth2/).
//!
//! ```
//! use oauth_box::{BoxOAuth2, oauth_core::{LoginOptions, Provider}};
//!
//! # async fn f() -> Result<(), oauth_core::Error> {
//! let client = BoxOAuth2::new("CLIENT_ID", "CLIENT_SECRET");
//! let login = client.start_login("https://app.example/callback", LoginOptions::new()).await?;
//! # Ok(())
//! # }
//! ```
//!
//! **Set up.** Create a custom app with "User Authentication (OAuth 2.0)" in the [console](https://app.box.com/developers/console)
//! and enter each redirect URI exactly. What the app may do is chosen there. A login that asks for no scopes, as by default, gets all
//! of that; scopes of a login can only narrow it. An enterprise's administrator may have to enable the app.
//!
//! **What you get.** The subject is the user's number. The address is the `login` of the profile, which Box does not say it has
//! verified. Access tokens live an hour. A [refresh token](https://developer.box.com/guides/authentication/tokens/refresh) lives 60
//! days and works once. Revoking either token ends both.
//!
//! **Surprises.** A code must be redeemed within 30 seconds. No page of Box's mentions PKCE; a challenge is sent, as by other
//! libraries in production, and whether Box checks it is unknown.
//!
//! **Without a login.** With the feature `jwt`, `server::BoxServer` gets tokens of an enterprise's service account and of its users, by a signed
//! JWT.
//!
//! Read on 2026-11-29.

#[cfg(feature = "jwt")]
pub mod server;

pub use oauth_core;
use oauth_core::{Endpoint, Provider, Spec, provider_kit::ProfileSpec};

/// Box's endpoints and dialect.
pub const SPEC: Spec = Spec {
    name: "box",
    display_name: "Box",
    color: "#0061d5",
    docs: "https://developer.box.com/guides/authentication/oauth2/",
    endpoints: &[
        (Endpoint::Authorization, "https://account.box.com/api/oauth2/authorize"),
        (Endpoint::Token, "https://api.box.com/oauth2/token"),
        (Endpoint::Refresh, "https://api.box.com/oauth2/token"),
        (Endpoint::Revocation, "https://api.box.com/oauth2/revoke"),
        (Endpoint::Profile, "https://api.box.com/2.0/users/me"),
    ],
    profile: ProfileSpec {
        email_at: Some("/login"),
        name_at: Some("/name"),
        picture_at: Some("/avatar_url"),
        ..ProfileSpec::RFC6749
    },
    ..Spec::RFC6749
};

oauth_core::client! {
    /// Signs users in with Box.
    pub struct BoxOAuth2 from SPEC;
}

impl Provider for BoxOAuth2 {
    oauth_core::accessors!();
}
