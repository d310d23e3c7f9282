//! Sign in with [Bitbucket](https://support.atlassian.com/bitbucket-cloud/docs/use-oauth-on-bitbucket-cloud/) Cloud.
//!
//! ```
//! use oauth_bitbucket::{BitbucketOAuth2, oauth_core::{LoginOptions, Provider}};
//!
//! # async fn f() -> Result<(), oauth_core::Error> {
//! let bitbucket = BitbucketOAuth2::new("KEY", "SECRET");
//! let login = bitbucket.start_login("https://app.example/callback", LoginOptions::new()).await?;
//! # Ok(())
//! # }
//! ```
//!
//! **Set up.** Add an OAuth consumer in the settings of a workspace, with the callback URL, and grant it the permissions "Account: email" and
//! "Account: read": scopes that the consumer was not granted are refused.
//!
//! **What you get.** The subject is the `account_id`, which Atlassian's other products know as well. The address is the primary one, from a
//! second request, which needs the scope `email`; it counts as verified if Bitbucket says that it is confirmed. Access tokens live two
//! hours, and a refresh keeps the refresh token. No page documents a revocation.
//!
//! **Surprises.** The token reply names the granted scopes in `scopes`. PKCE is not documented; a challenge is sent all the same, as other
//! libraries do in production. For sign-in to Atlassian's other products there is the crate `oauth-atlassian`.
//!
//! Read on 2026-11-23 and 2026-11-29: the vendor's page and public programs.

pub use oauth_core;
use oauth_core::{
    ClientAuth, Endpoint, Provider, Spec,
    provider_kit::{EmailCall, ProfileSpec, TokenSpec},
};

/// Bitbucket's endpoints and dialect.
pub const SPEC: Spec = Spec {
    name: "bitbucket",
    display_name: "Bitbucket",
    color: "#0052cc",
    docs: "https://support.atlassian.com/bitbucket-cloud/docs/use-oauth-on-bitbucket-cloud/",
    endpoints: &[
        (Endpoint::Authorization, "https://bitbucket.org/site/oauth2/authorize"),
        (Endpoint::Token, "https://bitbucket.org/site/oauth2/access_token"),
        (Endpoint::Refresh, "https://bitbucket.org/site/oauth2/access_token"),
        (Endpoint::Profile, "https://api.bitbucket.org/2.0/user"),
        // The list is in pages, and the primary address can be anywhere in it.
        (Endpoint::Other("emails"), "https://api.bitbucket.org/2.0/user/emails?pagelen=100"),
    ],
    scopes: &["account", "email"],
    token: TokenSpec { client_auth: ClientAuth::Basic, ..TokenSpec::RFC6749 },
    profile: ProfileSpec {
        id_at: "/account_id",
        email_at: None,
        name_at: Some("/display_name"),
        picture_at: Some("/links/avatar/href"),
        email_call: Some(EmailCall {
            email_at: "/values/[?is_primary]/email",
            email_verified_at: Some("/values/[?is_primary]/is_confirmed"),
            ..EmailCall::EMAILS
        }),
        ..ProfileSpec::RFC6749
    },
    ..Spec::RFC6749
};

oauth_core::client! {
    /// Signs users in with Bitbucket.
    pub struct BitbucketOAuth2 from SPEC;
}

impl Provider for BitbucketOAuth2 {
    oauth_core::accessors!();
}
