//! Sign in with [osu!](https://osu.ppy.sh/docs/index.html#authentication).
//!
//! ```
//! use oauth_osu::{OsuOAuth2, oauth_core::{LoginOptions, Provider}};
//!
//! # async fn f() -> Result<(), oauth_core::Error> {
//! let osu = OsuOAuth2::new("CLIENT_ID", "CLIENT_SECRET");
//! let login = osu.start_login("https://app.example/callback", LoginOptions::new()).await?;
//! # Ok(())
//! # }
//! ```
//!
//! **Set up.** Register an application under "OAuth" in the [account settings](https://osu.ppy.sh/home/account/edit#oauth), with each
//! callback URL exactly. The client id is a number.
//!
//! **What you get.** The subject is the player's number; the name can change. There is no address. Access tokens live a day, and each
//! refresh replaces the refresh token. Revocation takes the access token.
//!
//! **Surprises.** Many members of the profile can be null.
//!
//! Written from osu!'s documentation and public programs as of 2026-11-29.

pub use oauth_core;
use oauth_core::{
    Endpoint, Provider, Spec,
    provider_kit::{ProfileSpec, RequestMethod, RevocationSpec, TokenPlace},
};

/// osu!'s endpoints and dialect.
pub const SPEC: Spec = Spec {
    name: "osu",
    display_name: "osu!",
    color: "#ff66aa",
    docs: "https://osu.ppy.sh/docs/index.html#authentication",
    endpoints: &[
        (Endpoint::Authorization, "https://osu.ppy.sh/oauth/authorize"),
        (Endpoint::Token, "https://osu.ppy.sh/oauth/token"),
        (Endpoint::Refresh, "https://osu.ppy.sh/oauth/token"),
        (Endpoint::Revocation, "https://osu.ppy.sh/api/v2/oauth/tokens/current"),
        (Endpoint::Profile, "https://osu.ppy.sh/api/v2/me"),
    ],
    scopes: &["identify"],
    revocation: RevocationSpec {
        access_tokens_only: true,
        method: RequestMethod::Delete,
        token: TokenPlace::Bearer,
        ..RevocationSpec::RFC7009
    },
    profile: ProfileSpec {
        email_at: None,
        name_at: Some("/username"),
        picture_at: Some("/avatar_url"),
        ..ProfileSpec::RFC6749
    },
    ..Spec::RFC6749
};

oauth_core::client! {
    /// Signs users in with osu!.
    pub struct OsuOAuth2 from SPEC;
}

impl Provider for OsuOAuth2 {
    oauth_core::accessors!();
}
