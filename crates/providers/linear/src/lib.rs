//! Sign in with [Linear](https://linear.app/developers/oauth-2-0-authentication).
//!
//! ```
//! use oauth_linear::{LinearAuthorizeParams, LinearOAuth2, oauth_core::{LoginOptions, Provider}};
//!
//! # async fn f() -> Result<(), oauth_core::Error> {
//! let linear = LinearOAuth2::new("CLIENT_ID", "CLIENT_SECRET");
//! // To let the user choose the workspace again.
//! let params = LinearAuthorizeParams { prompt: Some("consent".into()), ..Default::default() };
//! let options = LoginOptions::new().extras_params(&params);
//! let login = linear.start_login("https://app.example/callback", options).await?;
//! # Ok(())
//! # }
//! ```
//!
//! **Set up.** Create an OAuth application in the [settings](https://linear.app/settings/api/applications/new) of a workspace and enter each
//! callback URL. To be used by other workspaces, it must be public.
//!
//! **What you get.** The subject is the user's id in one workspace: the same person has another in the next. Linear does not say whether it has
//! verified an address. Access tokens live a day, and each refresh replaces the refresh token. Revocation takes the access token.
//!
//! **Surprises.** Scopes have commas between them. `actor=app` makes what the token does appear as done by the application; such a token's
//! viewer is the application, so do not sign anybody in by it. Limits are told by HTTP 400 and the code `RATELIMITED`, and a dead token by
//! `AUTHENTICATION_ERROR` under HTTP 200, 400 or 401: both are understood.
//!
//! Written from Linear's pages and public programs as of 2026-11-29.

pub use oauth_core;
use oauth_core::{
    Endpoint, Provider, Spec,
    provider_kit::{AuthorizationSpec, ErrorSpec, ProfileRequest, ProfileSpec, RevocationSpec, TokenPlace},
};

/// Linear's endpoints and dialect.
pub const SPEC: Spec = Spec {
    name: "linear",
    display_name: "Linear",
    color: "#5e6ad2",
    docs: "https://linear.app/developers/oauth-2-0-authentication",
    endpoints: &[
        (Endpoint::Authorization, "https://linear.app/oauth/authorize"),
        (Endpoint::Token, "https://api.linear.app/oauth/token"),
        (Endpoint::Refresh, "https://api.linear.app/oauth/token"),
        (Endpoint::Revocation, "https://api.linear.app/oauth/revoke"),
        (Endpoint::Profile, "https://api.linear.app/graphql"),
    ],
    scopes: &["read"],
    authorization: AuthorizationSpec { scope_separator: ",", ..AuthorizationSpec::RFC6749 },
    revocation: RevocationSpec {
        access_tokens_only: true,
        token: TokenPlace::Bearer,
        ..RevocationSpec::RFC7009
    },
    profile: ProfileSpec {
        id_at: "/viewer/id",
        email_at: Some("/viewer/email"),
        name_at: Some("/viewer/name"),
        picture_at: Some("/viewer/avatarUrl"),
        request: ProfileRequest::GraphQl("{ viewer { id email name avatarUrl } }"),
        ..ProfileSpec::RFC6749
    },
    errors: ErrorSpec {
        codes: &[("RATELIMITED", "temporarily_unavailable"), ("AUTHENTICATION_ERROR", "invalid_token")],
        ..ErrorSpec::RFC6749
    },
    ..Spec::RFC6749
};

oauth_core::client! {
    /// Signs users in with Linear.
    pub struct LinearOAuth2 from SPEC;
}

oauth_core::authorize_params! {
    /// Linear's own authorization parameters.
    pub struct LinearAuthorizeParams {
        /// `consent` to show the screen again, on which the user chooses the workspace.
        pub prompt: Option<String>,
        /// `app` for a token that acts as the application, in place of `user`.
        pub actor: Option<String>,
    }
}

impl Provider for LinearOAuth2 {
    oauth_core::accessors!();
}
