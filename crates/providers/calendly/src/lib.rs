//! Sign in with [Calendly](https://developer.calendly.com/docs/authentication/how-to-access-calendly-data-on-behalf-of-authenticated-users).
//!
//! ```
//! use oauth_calendly::{CalendlyOAuth2, oauth_core::{LoginOptions, Provider}};
//!
//! # async fn f() -> Result<(), oauth_core::Error> {
//! let calendly = CalendlyOAuth2::new("CLIENT_ID", "CLIENT_SECRET");
//! let login = calendly.start_login("https://app.example/callback", LoginOptions::new()).await?;
//! assert!(login.url.contains("scope=users%3Aread"));
//! # Ok(())
//! # }
//! ```
//!
//! **Set up.** Create a developer account and in it an OAuth app of the kind "web", with its redirect URI; the environments "sandbox" and
//! "production" are two apps. Apps made since March 2026 can do nothing until they ask for scopes, of which `users:read` gives the profile.
//!
//! **What you get.** The subject is the user's URI, `https://api.calendly.com/users/…`, which is Calendly's identifier. There is an address,
//! of which Calendly does not say whether it was verified. Access tokens live two hours. A refresh replaces the refresh token, which works
//! once and does not expire until then. Either token can be revoked.
//!
//! **Surprises.** Calendly gives at most eight tokens to a user in a minute. The token endpoint takes the secret by Basic, the revocation in
//! its form.
//!
//! Read on 2026-11-29: the vendor's pages on [tokens](https://developer.calendly.com/api-docs/calendly-o-auth/o-auth/post-oauth-refresh-token) and on
//! [single-use refresh tokens](https://developer.calendly.com/docs/authentication/refresh-token-rotation-guide).

pub use oauth_core;
use oauth_core::{
    ClientAuth, Endpoint, Provider, Spec,
    provider_kit::{ProfileSpec, RevocationSpec, TokenSpec},
};

/// Calendly's endpoints and dialect.
pub const SPEC: Spec = Spec {
    name: "calendly",
    display_name: "Calendly",
    color: "#006bff",
    docs: "https://developer.calendly.com/docs/authentication/how-to-access-calendly-data-on-behalf-of-authenticated-users",
    endpoints: &[
        (Endpoint::Authorization, "https://auth.calendly.com/oauth/authorize"),
        (Endpoint::Token, "https://auth.calendly.com/oauth/token"),
        (Endpoint::Refresh, "https://auth.calendly.com/oauth/token"),
        (Endpoint::Revocation, "https://auth.calendly.com/oauth/revoke"),
        (Endpoint::Profile, "https://api.calendly.com/users/me"),
    ],
    scopes: &["users:read"],
    token: TokenSpec { client_auth: ClientAuth::Basic, ..TokenSpec::RFC6749 },
    revocation: RevocationSpec { client_auth: Some(ClientAuth::Post), ..RevocationSpec::RFC7009 },
    profile: ProfileSpec {
        id_at: "/resource/uri",
        email_at: Some("/resource/email"),
        name_at: Some("/resource/name"),
        picture_at: Some("/resource/avatar_url"),
        ..ProfileSpec::RFC6749
    },
    ..Spec::RFC6749
};

oauth_core::client! {
    /// Signs users in with Calendly.
    pub struct CalendlyOAuth2 from SPEC;
}

impl Provider for CalendlyOAuth2 {
    oauth_core::accessors!();
}
