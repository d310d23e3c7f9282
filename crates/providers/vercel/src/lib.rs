//! Sign in with [Vercel](https://vercel.com/docs/sign-in-with-vercel/authorization-server-api).
//!
//! ```
//! use oauth_vercel::{VercelOAuth2, oauth_core::{LoginOptions, Provider}};
//!
//! # async fn f() -> Result<(), oauth_core::Error> {
//! let vercel = VercelOAuth2::new("CLIENT_ID", "CLIENT_SECRET");
//! let scopes = ["openid", "email", "profile", "offline_access"];
//! let login = vercel.start_login("https://app.example/callback", LoginOptions::new().scopes(scopes)).await?;
//! assert!(login.url.contains("code_challenge="));
//! # Ok(())
//! # }
//! ```
//!
//! **Set up.** Create an app in the team's settings, add each authorization callback URL, generate a client secret, and switch on the scopes
//! under "Permissions": those that are not switched on are left out without a word.
//!
//! **What you get.** The subject is Vercel's user id. The address needs the scope `email`; `email_verified` says whether it was confirmed. Some
//! users have no `name`: show `preferred_username` then. Access tokens live an hour. A refresh token needs the scope `offline_access`, lives
//! 30 days and is replaced by each refresh. Either token can be revoked.
//!
//! **Surprises.** PKCE is mandatory, beside the client secret too. Tokens of a sign-in do not open Vercel's API for teams and projects:
//! that is what integrations are for.
//!
//! Read on 2026-11-29: a copy of the vendor's page on its authorization server.

pub use oauth_core;
use oauth_core::{ClientAuth, Endpoint, Provider, Spec, provider_kit::TokenSpec};
pub use oauth_openid;

/// Vercel's endpoints and dialect.
pub const SPEC: Spec = Spec {
    name: "vercel",
    display_name: "Vercel",
    color: "#000000",
    docs: "https://vercel.com/docs/sign-in-with-vercel/authorization-server-api",
    issuer: Some("https://vercel.com"),
    endpoints: &[
        (Endpoint::Authorization, "https://vercel.com/oauth/authorize"),
        (Endpoint::Token, "https://api.vercel.com/login/oauth/token"),
        (Endpoint::Refresh, "https://api.vercel.com/login/oauth/token"),
        (Endpoint::Revocation, "https://api.vercel.com/login/oauth/token/revoke"),
        (Endpoint::Introspection, "https://api.vercel.com/login/oauth/token/introspect"),
        (Endpoint::DeviceAuthorization, "https://api.vercel.com/login/oauth/device-authorization"),
        (Endpoint::Profile, "https://api.vercel.com/login/oauth/userinfo"),
        (Endpoint::Jwks, "https://vercel.com/.well-known/jwks"),
    ],
    scopes: &["openid", "email", "profile"],
    // The revocation takes nothing else.
    token: TokenSpec { client_auth: ClientAuth::Basic, ..TokenSpec::RFC6749 },
    ..Spec::OPENID
};

oauth_openid::client! {
    /// Signs users in with Vercel.
    pub struct VercelOAuth2 from SPEC;
}

impl Provider for VercelOAuth2 {
    oauth_core::accessors!();
}
