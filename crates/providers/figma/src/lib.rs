//! Sign in with [Figma](https://developers.figma.com/docs/rest-api/authentication).
//!
//! ```
//! use oauth_figma::{FigmaOAuth2, oauth_core::{LoginOptions, Provider}};
//!
//! # async fn f() -> Result<(), oauth_core::Error> {
//! let figma = FigmaOAuth2::new("CLIENT_ID", "CLIENT_SECRET");
//! let login = figma.start_login("https://app.example/callback", LoginOptions::new()).await?;
//! # Ok(())
//! # }
//! ```
//!
//! **Set up.** Create an app under [My apps](https://www.figma.com/developers/apps), with each redirect URI and the scopes that it asks
//! for, among them `current_user:read`. An app for more than its own team has to be published, which Figma reviews.
//!
//! **What you get.** The subject is the user's id. Figma does not say whether it has verified the address. Access tokens live 90
//! days; a refresh brings no refresh token, and the old one is kept. There is no revocation: users remove an app in their settings.
//!
//! **Surprises.** Refresh has a URL of its own. A code must be redeemed within 30 seconds. The scope `files:read`, which older
//! examples ask for, is deprecated.
//!
//! Read on 2026-11-29. What the token endpoint answers to a dead code or refresh token, no page says.

pub use oauth_core;
use oauth_core::{
    ClientAuth, Endpoint, Provider, Spec,
    provider_kit::{AuthorizationSpec, ProfileSpec, TokenSpec},
};

/// Figma's endpoints and dialect.
pub const SPEC: Spec = Spec {
    name: "figma",
    display_name: "Figma",
    color: "#f24e1e",
    docs: "https://developers.figma.com/docs/rest-api/authentication",
    endpoints: &[
        (Endpoint::Authorization, "https://www.figma.com/oauth"),
        (Endpoint::Token, "https://api.figma.com/v1/oauth/token"),
        (Endpoint::Refresh, "https://api.figma.com/v1/oauth/refresh"),
        (Endpoint::Profile, "https://api.figma.com/v1/me"),
    ],
    scopes: &["current_user:read"],
    authorization: AuthorizationSpec { scope_separator: ",", ..AuthorizationSpec::RFC6749 },
    token: TokenSpec { client_auth: ClientAuth::Basic, ..TokenSpec::RFC6749 },
    profile: ProfileSpec { name_at: Some("/handle"), picture_at: Some("/img_url"), ..ProfileSpec::RFC6749 },
    ..Spec::RFC6749
};

oauth_core::client! {
    /// Signs users in with Figma.
    pub struct FigmaOAuth2 from SPEC;
}

impl Provider for FigmaOAuth2 {
    oauth_core::accessors!();
}
