//! Sign in with [Patreon](https://docs.patreon.com/#apiv2-oauth).
//!
//! ```
//! use oauth_patreon::{PatreonOAuth2, oauth_core::{LoginOptions, Provider}};
//!
//! # async fn f() -> Result<(), oauth_core::Error> {
//! let patreon = PatreonOAuth2::new("CLIENT_ID", "CLIENT_SECRET");
//! let login = patreon.start_login("https://app.example/callback", LoginOptions::new()).await?;
//! assert!(login.url.contains("scope=identity%20identity%5Bemail%5D"));
//! # Ok(())
//! # }
//! ```
//!
//! **Set up.** Register a client of version 2 in the [portal](https://www.patreon.com/portal/registration/register-clients) and enter each
//! redirect URI exactly.
//!
//! **What you get.** The subject is the user's number. The address needs the scope `identity[email]` and counts as verified if Patreon says
//! so (`is_email_verified`): a link in a mail was followed once. Access tokens live a month, and each refresh replaces both tokens. There is
//! no revocation: users disconnect an app in their settings.
//!
//! **Surprises.** The profile is a JSON:API document, which has only what the request names; the memberships of a patron are further calls,
//! with further scopes. Requests without a `User-Agent` are turned away, so name your application with
//! [`with_user_agent`](oauth_core::Provider::with_user_agent). PKCE is not documented; a challenge is sent all the same, as Auth.js does.
//!
//! Read on 2026-11-23: the vendor's page and public programs.

pub use oauth_core;
use oauth_core::{Endpoint, Provider, Spec, provider_kit::ProfileSpec};

/// Patreon's endpoints and dialect.
pub const SPEC: Spec = Spec {
    name: "patreon",
    display_name: "Patreon",
    color: "#000000",
    docs: "https://docs.patreon.com/#apiv2-oauth",
    endpoints: &[
        (Endpoint::Authorization, "https://www.patreon.com/oauth2/authorize"),
        (Endpoint::Token, "https://www.patreon.com/api/oauth2/token"),
        (Endpoint::Refresh, "https://www.patreon.com/api/oauth2/token"),
        (
            Endpoint::Profile,
            "https://www.patreon.com/api/oauth2/v2/identity?fields%5Buser%5D=email,is_email_verified,full_name,image_url,vanity",
        ),
    ],
    scopes: &["identity", "identity[email]"],
    profile: ProfileSpec {
        id_at: "/data/id",
        email_at: Some("/data/attributes/email"),
        email_verified_at: Some("/data/attributes/is_email_verified"),
        name_at: Some("/data/attributes/full_name"),
        picture_at: Some("/data/attributes/image_url"),
        ..ProfileSpec::RFC6749
    },
    ..Spec::RFC6749
};

oauth_core::client! {
    /// Signs users in with Patreon.
    pub struct PatreonOAuth2 from SPEC;
}

impl Provider for PatreonOAuth2 {
    oauth_core::accessors!();
}
