//! Sign in with
//! [Pinterest](https://developers.pinterest.com/docs/getting-started/set-up-authentication-and-authorization/).
//!
//! ```
//! use oauth_pinterest::{PinterestOAuth2, oauth_core::{LoginOptions, Provider}};
//!
//! # async fn f() -> Result<(), oauth_core::Error> {
//! let pinterest = PinterestOAuth2::new("APP_ID", "APP_SECRET_KEY");
//! let login = pinterest.start_login("https://app.example/callback", LoginOptions::new()).await?;
//! # Ok(())
//! # }
//! ```
//!
//! **Set up.** Create an app at <https://developers.pinterest.com/apps/> with a business account, and enter each redirect URI exactly.
//! With trial access only the app's owner and testers can sign in; ask for standard access.
//!
//! **What you get.** The subject is the account's id. There is no e-mail address. Access tokens live 30 days. Refresh tokens live 60,
//! and since May 2025 a refresh brings a new one
//! ([announcement](https://github.com/pinterest/pinterest-python-sdk/issues/156)). There is no revocation: users remove an app in
//! their settings.
//!
//! **Surprises.** Scopes have commas between them in the request, and spaces in the reply. Errors are a number and a message; 283 is
//! taken to mean that the code or the refresh token is worth nothing, as its message says. No page lists what the token endpoint answers.
//!
//! Read on 2026-11-29. No page mentions PKCE; a challenge is sent, as by other libraries in production.

pub use oauth_core;
use oauth_core::{
    ClientAuth, Endpoint, Provider, Spec,
    provider_kit::{AuthorizationSpec, ErrorSpec, ProfileSpec, TokenSpec},
};

/// Pinterest's endpoints and dialect.
pub const SPEC: Spec = Spec {
    name: "pinterest",
    display_name: "Pinterest",
    color: "#e60023",
    docs: "https://developers.pinterest.com/docs/getting-started/set-up-authentication-and-authorization/",
    endpoints: &[
        (Endpoint::Authorization, "https://www.pinterest.com/oauth/"),
        (Endpoint::Token, "https://api.pinterest.com/v5/oauth/token"),
        (Endpoint::Refresh, "https://api.pinterest.com/v5/oauth/token"),
        (Endpoint::Profile, "https://api.pinterest.com/v5/user_account"),
    ],
    scopes: &["user_accounts:read"],
    errors: ErrorSpec {
        failed_at: Some("/code"),
        message_at: Some("/message"),
        codes: &[("283", "invalid_grant")],
        ..ErrorSpec::RFC6749
    },
    authorization: AuthorizationSpec { scope_separator: ",", ..AuthorizationSpec::RFC6749 },
    token: TokenSpec { client_auth: ClientAuth::Basic, ..TokenSpec::RFC6749 },
    profile: ProfileSpec {
        email_at: None,
        name_at: Some("/username"),
        picture_at: Some("/profile_image"),
        ..ProfileSpec::RFC6749
    },
    ..Spec::RFC6749
};

oauth_core::client! {
    /// Signs users in with Pinterest.
    pub struct PinterestOAuth2 from SPEC;
}

impl Provider for PinterestOAuth2 {
    oauth_core::accessors!();
}
