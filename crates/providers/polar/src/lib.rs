//! Sign in with [Polar](https://polar.sh/docs/integrate/oauth2/introduction), the seller of software, not of watches.
//!
//! ```
//! use oauth_polar::{PolarOAuth2, oauth_core::{LoginOptions, Provider}};
//!
//! # async fn f() -> Result<(), oauth_core::Error> {
//! let polar = PolarOAuth2::new("CLIENT_ID", "CLIENT_SECRET");
//! let login = polar.start_login("https://app.example/callback", LoginOptions::new()).await?;
//! assert!(login.url.starts_with("https://polar.sh/oauth2/authorize?"));
//! # Ok(())
//! # }
//! ```
//!
//! **Set up.** Create an OAuth client in the user settings, with each redirect URI: https, or http on localhost.
//!
//! **What you get.** The subject is the user's id. The address needs the scope `email`; `email_verified` says whether a link in a mail was
//! followed. The name is the user name. A refresh replaces the refresh token. Either token can be revoked, and a refresh token takes the
//! access token with it.
//!
//! **Surprises.** Callbacks name the issuer, `https://polar.sh`, though the API is at `api.polar.sh`. A token can belong to an organization in
//! place of a user: its profile has no address.
//!
//! Read on 2026-11-29: the server's source (`polarsource/polar`), which is public.

pub use oauth_core;
use oauth_core::{Endpoint, Provider, Spec};
pub use oauth_openid;

/// Polar's endpoints and dialect.
pub const SPEC: Spec = Spec {
    name: "polar",
    display_name: "Polar",
    color: "#0062ff",
    docs: "https://polar.sh/docs/integrate/oauth2/introduction",
    issuer: Some("https://polar.sh"),
    endpoints: &[
        (Endpoint::Authorization, "https://polar.sh/oauth2/authorize"),
        (Endpoint::Token, "https://api.polar.sh/v1/oauth2/token"),
        (Endpoint::Refresh, "https://api.polar.sh/v1/oauth2/token"),
        (Endpoint::Revocation, "https://api.polar.sh/v1/oauth2/revoke"),
        (Endpoint::Introspection, "https://api.polar.sh/v1/oauth2/introspect"),
        (Endpoint::Profile, "https://api.polar.sh/v1/oauth2/userinfo"),
        (Endpoint::Jwks, "https://api.polar.sh/.well-known/jwks.json"),
    ],
    scopes: &["openid", "profile", "email"],
    ..Spec::OPENID
};

oauth_openid::client! {
    /// Signs users in with Polar.
    pub struct PolarOAuth2 from SPEC;
}

impl Provider for PolarOAuth2 {
    oauth_core::accessors!();
}
