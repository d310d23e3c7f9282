//! Sign in with [Airtable](https://airtable.com/developers/web/api/oauth-reference).
//!
//! ```
//! use oauth_airtable::{AirtableOAuth2, oauth_core::{LoginOptions, Provider}};
//!
//! # async fn f() -> Result<(), oauth_core::Error> {
//! let airtable = AirtableOAuth2::new("CLIENT_ID", "CLIENT_SECRET");
//! let login = airtable.start_login("https://app.example/callback", LoginOptions::new()).await?;
//! assert!(login.url.contains("code_challenge_method=S256"));
//! # Ok(())
//! # }
//! ```
//!
//! **Set up.** Register an [OAuth integration](https://airtable.com/create/oauth), enter each redirect URI exactly, choose the scopes that
//! the integration may ask for, and generate a client secret, which is shown once. Until it is public, the integration shows a warning.
//!
//! **What you get.** The subject is Airtable's user id, such as `usrL2PNC5o3H4lBEi`. The address needs the scope `user.email:read`; Airtable
//! does not say whether it was verified. There is no name and no picture. Access tokens live an hour. A refresh replaces the refresh token
//! and ends the old access token; a refresh token that is not used for 60 days ends. There is no revocation: users remove an integration
//! in their account.
//!
//! **Surprises.** PKCE is mandatory, beside the client secret too. Two refreshes at the same time cost the login, so let one
//! `TokenManager` hold the tokens.
//!
//! Read on 2026-11-29: public programs, and pages of integrators that quote the vendor's reference.

pub use oauth_core;
use oauth_core::{ClientAuth, Endpoint, Provider, Spec, provider_kit::TokenSpec};

/// Airtable's endpoints and dialect.
pub const SPEC: Spec = Spec {
    name: "airtable",
    display_name: "Airtable",
    color: "#166ee1",
    docs: "https://airtable.com/developers/web/api/oauth-reference",
    endpoints: &[
        (Endpoint::Authorization, "https://airtable.com/oauth2/v1/authorize"),
        (Endpoint::Token, "https://airtable.com/oauth2/v1/token"),
        (Endpoint::Refresh, "https://airtable.com/oauth2/v1/token"),
        (Endpoint::Profile, "https://api.airtable.com/v0/meta/whoami"),
    ],
    scopes: &["user.email:read"],
    token: TokenSpec { client_auth: ClientAuth::Basic, ..TokenSpec::RFC6749 },
    ..Spec::RFC6749
};

oauth_core::client! {
    /// Signs users in with Airtable.
    pub struct AirtableOAuth2 from SPEC;
}

impl Provider for AirtableOAuth2 {
    oauth_core::accessors!();
}
