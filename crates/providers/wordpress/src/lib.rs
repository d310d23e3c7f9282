//! Sign in with [WordPress.com](https://developer.wordpress.com/docs/oauth2/).
//!
//! ```
//! use oauth_wordpress::{WordPressOAuth2, oauth_core::{LoginOptions, Provider}};
//!
//! # async fn f() -> Result<(), oauth_core::Error> {
//! let wordpress = WordPressOAuth2::new("CLIENT_ID", "CLIENT_SECRET");
//! let login = wordpress.start_login("https://app.example/callback", LoginOptions::new()).await?;
//! # Ok(())
//! # }
//! ```
//!
//! **Set up.** Create an application of the type "Web" under [My Apps](https://developer.wordpress.com/apps/) and enter each redirect
//! URL exactly. This is the sign-in of WordPress.com, which sites with Jetpack use too, and not of a WordPress on a server of one's own.
//!
//! **What you get.** The subject is the account's number. The address's verification is unknown. With the scope `auth` a token reads the
//! profile and nothing else; it lives two weeks, and a refresh token prolongs it. Revocation is as the standard has it.
//!
//! **Surprises.** With a scope other than `auth` and `global`, a token is for one site, which the user chooses or
//! [`blog`](WordPressAuthorizeParams::blog) says. These are the endpoints of OAuth 2.1 (`/oauth2-1/`). Many programs use the older ones
//! (`/oauth2/`), whose tokens do not expire; [`with_endpoints`](oauth_core::Provider::with_endpoints) moves a client there. An ID
//! token, which the scope `openid` brings, is not looked at.
//!
//! Written from WordPress.com's metadata and pages and public programs as of 2026-11-29.

pub use oauth_core;
use oauth_core::{Endpoint, Provider, Spec, provider_kit::ProfileSpec};

/// WordPress.com's endpoints and dialect.
pub const SPEC: Spec = Spec {
    name: "wordpress",
    display_name: "WordPress.com",
    color: "#0675c4",
    docs: "https://developer.wordpress.com/docs/oauth2/",
    issuer: Some("https://public-api.wordpress.com"),
    endpoints: &[
        (Endpoint::Authorization, "https://public-api.wordpress.com/oauth2-1/authorize"),
        (Endpoint::Token, "https://public-api.wordpress.com/oauth2-1/token"),
        (Endpoint::Refresh, "https://public-api.wordpress.com/oauth2-1/token"),
        (Endpoint::Revocation, "https://public-api.wordpress.com/oauth2-1/revoke"),
        (Endpoint::Introspection, "https://public-api.wordpress.com/oauth2-1/token-info"),
        (Endpoint::Profile, "https://public-api.wordpress.com/rest/v1.1/me"),
    ],
    scopes: &["auth"],
    profile: ProfileSpec {
        id_at: "/ID",
        name_at: Some("/display_name"),
        picture_at: Some("/avatar_URL"),
        ..ProfileSpec::RFC6749
    },
    ..Spec::RFC6749
};

oauth_core::client! {
    /// Signs users in with WordPress.com.
    pub struct WordPressOAuth2 from SPEC;
}

oauth_core::authorize_params! {
    /// WordPress.com's own authorization parameters.
    pub struct WordPressAuthorizeParams {
        /// The site that a token is to be for, by its address or number.
        pub blog: Option<String>,
    }
}

impl Provider for WordPressOAuth2 {
    oauth_core::accessors!();
}
