//! Sign in with [Todoist](https://developer.todoist.com/api/v1/#tag/Authorization/OAuth).
//!
//! ```
//! use oauth_todoist::{TodoistOAuth2, oauth_core::{LoginOptions, Provider}};
//!
//! # async fn f() -> Result<(), oauth_core::Error> {
//! let todoist = TodoistOAuth2::new("CLIENT_ID", "CLIENT_SECRET");
//! let scopes = ["data:read", "data:delete"];
//! let login = todoist.start_login("https://app.example/callback", LoginOptions::new().scopes(scopes)).await?;
//! assert!(login.url.contains("scope=data%3Aread%2Cdata%3Adelete"));
//! # Ok(())
//! # }
//! ```
//!
//! **Set up.** Create an app in the [App Management Console](https://app.todoist.com/app/settings/integrations/app-management) and enter its
//! redirect URL. Who signs in with more users than the app may have comes back with `error=invalid_application_status`.
//!
//! **What you get.** The subject is the user's id. There is an address, of which Todoist does not say whether it was verified. Newer apps get
//! access tokens of an hour with a refresh token, which each refresh replaces; tokens of older apps do not expire. Access tokens can be
//! revoked.
//!
//! **Surprises.** Scopes are separated by commas. Older programs use `todoist.com/oauth/…` and read the user from the Sync API.
//!
//! Read on 2026-11-29: a copy of the vendor's page, and public programs for the refresh, which the page does not describe.

pub use oauth_core;
use oauth_core::{
    ClientAuth, Endpoint, Provider, Spec,
    provider_kit::{AuthorizationSpec, ErrorSpec, ProfileSpec, RevocationSpec, TokenSpec},
};

/// Todoist's endpoints and dialect.
pub const SPEC: Spec = Spec {
    name: "todoist",
    display_name: "Todoist",
    color: "#e44332",
    docs: "https://developer.todoist.com/api/v1/#tag/Authorization/OAuth",
    endpoints: &[
        (Endpoint::Authorization, "https://app.todoist.com/oauth/authorize"),
        (Endpoint::Token, "https://api.todoist.com/oauth/access_token"),
        (Endpoint::Refresh, "https://api.todoist.com/oauth/access_token"),
        (Endpoint::Revocation, "https://api.todoist.com/api/v1/revoke"),
        (Endpoint::Profile, "https://api.todoist.com/api/v1/user"),
    ],
    scopes: &["data:read"],
    authorization: AuthorizationSpec { scope_separator: ",", ..AuthorizationSpec::RFC6749 },
    token: TokenSpec { never_expires_in: &[0], ..TokenSpec::RFC6749 },
    revocation: RevocationSpec {
        client_auth: Some(ClientAuth::Basic),
        access_tokens_only: true,
        ..RevocationSpec::RFC7009
    },
    profile: ProfileSpec {
        name_at: Some("/full_name"),
        picture_at: Some("/avatar_big"),
        ..ProfileSpec::RFC6749
    },
    errors: ErrorSpec {
        codes: &[
            ("bad_authorization_code", "invalid_grant"),
            ("incorrect_application_credentials", "invalid_client"),
        ],
        ..ErrorSpec::RFC6749
    },
    ..Spec::RFC6749
};

oauth_core::client! {
    /// Signs users in with Todoist.
    pub struct TodoistOAuth2 from SPEC;
}

impl Provider for TodoistOAuth2 {
    oauth_core::accessors!();
}
