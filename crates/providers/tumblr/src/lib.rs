//! Sign in with [Tumblr](https://www.tumblr.com/docs/en/api/v2#oauth2-authorization).
//!
//! ```
//! use oauth_tumblr::{TumblrOAuth2, oauth_core::{LoginOptions, Provider}};
//!
//! # async fn f() -> Result<(), oauth_core::Error> {
//! let tumblr = TumblrOAuth2::new("OAUTH_CONSUMER_KEY", "SECRET_KEY");
//! let login = tumblr.start_login("https://app.example/callback", LoginOptions::new()).await?;
//! # Ok(())
//! # }
//! ```
//!
//! **Set up.** Register an application at <https://www.tumblr.com/oauth/apps> with its OAuth2 redirect URLs.
//!
//! **What you get.** The subject is the `uuid` of the user's primary blog: Tumblr tells nothing else that stays when a user changes
//! their name. There is no e-mail address. Access tokens live
//! [42 minutes](https://github.com/tumblr/docs/issues/134). A refresh token, which lives 42 days, needs the scope `offline_access`; keep
//! the one that each refresh brings. There is no revocation: users remove an application in their settings.
//!
//! **Surprises.** A user can make another blog the primary one; then they are somebody else to your application.
//!
//! Read on 2026-11-29. No page mentions PKCE; a challenge is sent, as by another library in production.

pub use oauth_core;
use oauth_core::{Endpoint, Provider, Spec, provider_kit::ProfileSpec};

/// Tumblr's endpoints and dialect.
pub const SPEC: Spec = Spec {
    name: "tumblr",
    display_name: "Tumblr",
    color: "#001935",
    docs: "https://www.tumblr.com/docs/en/api/v2#oauth2-authorization",
    endpoints: &[
        (Endpoint::Authorization, "https://www.tumblr.com/oauth2/authorize"),
        (Endpoint::Token, "https://api.tumblr.com/v2/oauth2/token"),
        (Endpoint::Refresh, "https://api.tumblr.com/v2/oauth2/token"),
        (Endpoint::Profile, "https://api.tumblr.com/v2/user/info"),
    ],
    scopes: &["basic"],
    profile: ProfileSpec {
        id_at: "/response/user/blogs/[?primary]/uuid",
        email_at: None,
        name_at: Some("/response/user/name"),
        ..ProfileSpec::RFC6749
    },
    ..Spec::RFC6749
};

oauth_core::client! {
    /// Signs users in with Tumblr.
    pub struct TumblrOAuth2 from SPEC;
}

impl Provider for TumblrOAuth2 {
    oauth_core::accessors!();
}
