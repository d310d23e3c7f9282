//! Sign in with [Pipedrive](https://pipedrive.readme.io/docs/marketplace-oauth-authorization).
//!
//! ```
//! use oauth_pipedrive::{PipedriveOAuth2, oauth_core::{LoginOptions, Provider}};
//!
//! # async fn f() -> Result<(), oauth_core::Error> {
//! let pipedrive = PipedriveOAuth2::new("CLIENT_ID", "CLIENT_SECRET");
//! let login = pipedrive.start_login("https://app.example/callback", LoginOptions::new()).await?;
//! # Ok(())
//! # }
//! ```
//!
//! **Set up.** Create an app in the Developer Hub of a [sandbox account](https://developers.pipedrive.com) and enter its one callback URL.
//! The app's scopes are chosen there, so that logins ask for none; the profile needs the base scope, which every app has.
//!
//! **What you get.** The subject is the user's number. Pipedrive does not say whether it has verified an address. Access tokens live an
//! hour. A refresh token lapses when it has not been used for sixty days. Revoking it uninstalls the app for that user.
//!
//! **Surprises.** Each company has an API host of its own, `api_domain` in the token reply. Send a token there only if the host ends
//! with `.pipedrive.com`. A user of several companies chooses one at the sign-in: `company_id` in the profile is that one. Who installs
//! the app from the Marketplace arrives at the callback with a code but without a state: such a request is refused, so send the browser
//! to a new login instead. PKCE is not documented, so logins send no challenge.
//!
//! Written from Pipedrive's pages and public programs as of 2026-11-29.

pub use oauth_core;
use oauth_core::{
    ClientAuth, Endpoint, Pkce, Provider, Spec,
    provider_kit::{AuthorizationSpec, ProfileSpec, TokenSpec},
};

/// Pipedrive's endpoints and dialect.
pub const SPEC: Spec = Spec {
    name: "pipedrive",
    display_name: "Pipedrive",
    color: "#017737",
    docs: "https://pipedrive.readme.io/docs/marketplace-oauth-authorization",
    endpoints: &[
        (Endpoint::Authorization, "https://oauth.pipedrive.com/oauth/authorize"),
        (Endpoint::Token, "https://oauth.pipedrive.com/oauth/token"),
        (Endpoint::Refresh, "https://oauth.pipedrive.com/oauth/token"),
        (Endpoint::Revocation, "https://oauth.pipedrive.com/oauth/revoke"),
        (Endpoint::Profile, "https://api.pipedrive.com/v1/users/me"),
    ],
    authorization: AuthorizationSpec { pkce: Pkce::Unsupported, ..AuthorizationSpec::RFC6749 },
    token: TokenSpec { client_auth: ClientAuth::Basic, ..TokenSpec::RFC6749 },
    profile: ProfileSpec {
        id_at: "/data/id",
        email_at: Some("/data/email"),
        name_at: Some("/data/name"),
        picture_at: Some("/data/icon_url"),
        ..ProfileSpec::RFC6749
    },
    ..Spec::RFC6749
};

oauth_core::client! {
    /// Signs users in with Pipedrive.
    pub struct PipedriveOAuth2 from SPEC;
}

impl Provider for PipedriveOAuth2 {
    oauth_core::accessors!();
}
