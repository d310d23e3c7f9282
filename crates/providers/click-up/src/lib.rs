//! Sign in with [ClickUp](https://developer.clickup.com/docs/authentication).
//!
//! ```
//! use oauth_click_up::{ClickUpOAuth2, oauth_core::{LoginOptions, Provider}};
//!
//! # async fn f() -> Result<(), oauth_core::Error> {
//! let click_up = ClickUpOAuth2::new("CLIENT_ID", "CLIENT_SECRET");
//! let login = click_up.start_login("https://app.example/callback", LoginOptions::new()).await?;
//! assert!(!login.url.contains("scope="));
//! # Ok(())
//! # }
//! ```
//!
//! **Set up.** An owner or administrator of a Workspace creates an app in its settings, under "ClickUp API", and enters the redirect URLs;
//! the host is what is compared.
//!
//! **What you get.** The subject is the user's number. There is an address, of which ClickUp does not say whether it was verified. Tokens do
//! not expire, there are no refresh tokens, and nothing can be revoked: users remove an app in their settings.
//!
//! **Surprises.** There are no scopes: a token can do what the user can, in the Workspaces that the user chose on the consent page. For any
//! other, calls are refused though the token is good. Errors have codes of ClickUp's own, such as `OAUTH_014`.
//!
//! Read on 2026-11-23 and 2026-11-29: the vendor's page and public programs.

pub use oauth_core;
use oauth_core::{
    Endpoint, Provider, Spec,
    provider_kit::{ErrorSpec, ProfileSpec, RequestFormat, TokenSpec},
};

/// ClickUp's endpoints and dialect.
pub const SPEC: Spec = Spec {
    name: "click-up",
    display_name: "ClickUp",
    color: "#7b68ee",
    docs: "https://developer.clickup.com/docs/authentication",
    endpoints: &[
        (Endpoint::Authorization, "https://app.clickup.com/api"),
        (Endpoint::Token, "https://api.clickup.com/api/v2/oauth/token"),
        (Endpoint::Profile, "https://api.clickup.com/api/v2/user"),
    ],
    token: TokenSpec {
        format: RequestFormat::Json,
        omitted_params: &["grant_type", "redirect_uri"],
        ..TokenSpec::RFC6749
    },
    profile: ProfileSpec {
        id_at: "/user/id",
        email_at: Some("/user/email"),
        name_at: Some("/user/username"),
        picture_at: Some("/user/profilePicture"),
        ..ProfileSpec::RFC6749
    },
    errors: ErrorSpec {
        failed_at: Some("/ECODE"),
        message_at: Some("/err"),
        codes: &[
            ("OAUTH_007", "redirect_uri_mismatch"),
            ("OAUTH_010", "invalid_client"),
            ("OAUTH_013", "invalid_grant"),
            ("OAUTH_014", "invalid_grant"),
            ("OAUTH_019", "invalid_token"),
            ("OAUTH_021", "invalid_token"),
            ("OAUTH_025", "invalid_token"),
            ("OAUTH_077", "invalid_token"),
        ],
        ..ErrorSpec::RFC6749
    },
    ..Spec::RFC6749
};

oauth_core::client! {
    /// Signs users in with ClickUp.
    pub struct ClickUpOAuth2 from SPEC;
}

impl Provider for ClickUpOAuth2 {
    oauth_core::accessors!();
}
