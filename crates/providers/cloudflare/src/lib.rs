//! Sign in with [Cloudflare](https://developers.cloudflare.com/fundamentals/oauth/create-an-oauth-client/).
//!
//! ```
//! use oauth_cloudflare::{CloudflareOAuth2, oauth_core::{LoginOptions, Provider}};
//!
//! # async fn f() -> Result<(), oauth_core::Error> {
//! let cloudflare = CloudflareOAuth2::new("CLIENT_ID", "CLIENT_SECRET");
//! let scopes = ["user-details.read", "offline_access"];
//! let login = cloudflare.start_login("https://app.example/callback", LoginOptions::new().scopes(scopes)).await?;
//! assert!(login.url.starts_with("https://dash.cloudflare.com/oauth2/auth?"));
//! # Ok(())
//! # }
//! ```
//!
//! **Set up.** Create an OAuth client in the account's settings, with each redirect URI, the scopes that it may ask for, among them
//! `user-details.read`, and `client_secret_basic` as its way to authenticate. A new client is private: only members of its own account can
//! sign in. To make it public, for good, verify the domain of its URL by a DNS record.
//!
//! **What you get.** The subject is the id of the user, whichever accounts the user chose on the consent page. There is an address, of which
//! Cloudflare does not say whether it was verified. The name comes in two parts, each of which may be missing. A refresh token needs the
//! scope `offline_access`. Either token can be revoked.
//!
//! **Surprises.** UserInfo has nothing but the subject, so the user is read from the API, which wraps replies and errors in an envelope.
//! The names of scopes are those of the permissions of API tokens; `GET /client/v4/oauth/scopes` lists them.
//!
//! Read on 2026-11-29: copies of the vendor's pages and of its metadata in public programs.

pub use oauth_core;
use oauth_core::{
    ClientAuth, Endpoint, Provider, Spec,
    provider_kit::{ErrorSpec, ProfileSpec, TokenSpec},
};

/// Cloudflare's endpoints and dialect.
pub const SPEC: Spec = Spec {
    name: "cloudflare",
    display_name: "Cloudflare",
    color: "#f38020",
    docs: "https://developers.cloudflare.com/fundamentals/oauth/create-an-oauth-client/",
    endpoints: &[
        (Endpoint::Authorization, "https://dash.cloudflare.com/oauth2/auth"),
        (Endpoint::Token, "https://dash.cloudflare.com/oauth2/token"),
        (Endpoint::Refresh, "https://dash.cloudflare.com/oauth2/token"),
        (Endpoint::Revocation, "https://dash.cloudflare.com/oauth2/revoke"),
        (Endpoint::Profile, "https://api.cloudflare.com/client/v4/user"),
    ],
    scopes: &["user-details.read"],
    token: TokenSpec { client_auth: ClientAuth::Basic, ..TokenSpec::RFC6749 },
    profile: ProfileSpec {
        id_at: "/result/id",
        email_at: Some("/result/email"),
        name_parts_at: &["/result/first_name", "/result/last_name"],
        ..ProfileSpec::RFC6749
    },
    errors: ErrorSpec {
        failed_at: Some("/success"),
        success: &["true"],
        code_at: Some("/errors/0/code"),
        message_at: Some("/errors/0/message"),
        codes: &[("9109", "invalid_token"), ("10000", "invalid_token")],
        ..ErrorSpec::RFC6749
    },
    ..Spec::RFC6749
};

oauth_core::client! {
    /// Signs users in with Cloudflare.
    pub struct CloudflareOAuth2 from SPEC;
}

impl Provider for CloudflareOAuth2 {
    oauth_core::accessors!();
}
