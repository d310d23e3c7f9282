//! Sign in with [Epic Games](https://dev.epicgames.com/docs/epic-account-services/getting-started).
//!
//! ```
//! use oauth_epicgames::{EpicGamesOAuth2, oauth_core::{LoginOptions, Provider}};
//!
//! # async fn f() -> Result<(), oauth_core::Error> {
//! let epic = EpicGamesOAuth2::new("CLIENT_ID", "CLIENT_SECRET");
//! let login = epic.start_login("https://app.example/callback", LoginOptions::new()).await?;
//! # Ok(())
//! # }
//! ```
//!
//! **Set up.** In the [developer portal](https://dev.epicgames.com/portal), give a product Epic Account Services, make an application with
//! its brand settings and the permission "Basic profile", and link it to a client with a redirect URL. Until the brand is reviewed, only
//! members of the organization can sign in.
//!
//! **What you get.** The subject is the Epic account id, which is the same for all products of an organization. The name is the display name,
//! which users can change. Epic tells no address and no picture. Revoking one token ends the whole authorization.
//!
//! **Surprises.** These are the endpoints of version 2; older programs use `/epic/oauth/v1`. The life of the refresh token comes as
//! `refresh_expires_in`. PKCE is not documented; a challenge is sent all the same, as other programs do.
//!
//! Read on 2026-11-29: public programs; the facts of the endpoints are of 2026-11-23.

pub use oauth_core;
use oauth_core::{
    ClientAuth, Endpoint, Provider, Spec,
    provider_kit::{ProfileSpec, TokenSpec},
};

/// Epic's endpoints and dialect.
pub const SPEC: Spec = Spec {
    name: "epicgames",
    display_name: "Epic Games",
    color: "#121212",
    docs: "https://dev.epicgames.com/docs/epic-account-services/getting-started",
    endpoints: &[
        (Endpoint::Authorization, "https://www.epicgames.com/id/authorize"),
        (Endpoint::Token, "https://api.epicgames.dev/epic/oauth/v2/token"),
        (Endpoint::Refresh, "https://api.epicgames.dev/epic/oauth/v2/token"),
        (Endpoint::Revocation, "https://api.epicgames.dev/epic/oauth/v2/revoke"),
        (Endpoint::Introspection, "https://api.epicgames.dev/epic/oauth/v2/tokenInfo"),
        (Endpoint::Profile, "https://api.epicgames.dev/epic/oauth/v2/userInfo"),
    ],
    scopes: &["basic_profile"],
    token: TokenSpec { client_auth: ClientAuth::Basic, ..TokenSpec::RFC6749 },
    profile: ProfileSpec {
        id_at: "/sub",
        email_at: None,
        name_at: Some("/preferred_username"),
        ..ProfileSpec::RFC6749
    },
    ..Spec::RFC6749
};

oauth_core::client! {
    /// Signs users in with Epic Games.
    pub struct EpicGamesOAuth2 from SPEC;
}

impl Provider for EpicGamesOAuth2 {
    oauth_core::accessors!();
}
