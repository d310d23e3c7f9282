//! Sign in with [Intercom](https://developers.intercom.com/docs/build-an-integration/learn-more/authentication/setting-up-oauth).
//!
//! ```
//! use oauth_intercom::{IntercomOAuth2, oauth_core::{LoginOptions, Provider}};
//!
//! # async fn f() -> Result<(), oauth_core::Error> {
//! let intercom = IntercomOAuth2::new("CLIENT_ID", "CLIENT_SECRET").with_region("eu")?;
//! let login = intercom.start_login("https://app.example/callback", LoginOptions::new()).await?;
//! assert!(login.url.starts_with("https://app.eu.intercom.com/oauth?"));
//! # Ok(())
//! # }
//! ```
//!
//! **Set up.** Create an app in the [Developer Hub](https://app.intercom.com/a/apps/_/developer-hub), switch OAuth on under "Authentication", and
//! enter each redirect URL, which is https. What the app may do is chosen there, so that logins ask for no scopes; the profile needs "Read one
//! admin". Workspaces of the European and Australian regions have hosts of their own ([`with_region`](IntercomOAuth2::with_region)).
//!
//! **What you get.** The subject is the id of the teammate ("admin"), under the region. `email_verified` in the profile says whether the
//! address was confirmed; Intercom does not say how. An address that is not must not be used to find an account. Access tokens do not
//! expire, and there is nothing to refresh or to revoke: a teammate uninstalls the app.
//!
//! **Surprises.** A teammate of any workspace can sign in: `/app/id_code` in the profile is the workspace.
//!
//! Written from Intercom's pages and public programs as of 2026-11-29.

pub use oauth_core;
use oauth_core::{
    Endpoint, Error, Provider, Result, Spec,
    provider_kit::{ErrorSpec, ProfileSpec},
};

/// Intercom's endpoints and dialect.
pub const SPEC: Spec = Spec {
    name: "intercom",
    display_name: "Intercom",
    color: "#1f8ded",
    docs: "https://developers.intercom.com/docs/build-an-integration/learn-more/authentication/setting-up-oauth",
    parameters: &[("app_host", "app.intercom.com"), ("api_host", "api.intercom.io")],
    endpoints: &[
        (Endpoint::Authorization, "https://{app_host}/oauth"),
        (Endpoint::Token, "https://{api_host}/auth/eagle/token"),
        (Endpoint::Profile, "https://{api_host}/me"),
    ],
    profile: ProfileSpec {
        email_verified_at: Some("/email_verified"),
        name_at: Some("/name"),
        picture_at: Some("/avatar/image_url"),
        ..ProfileSpec::RFC6749
    },
    errors: ErrorSpec {
        failed_at: Some("/errors/0/code"),
        message_at: Some("/errors/0/message"),
        codes: &[
            ("rate_limit_exceeded", "temporarily_unavailable"),
            ("token_unauthorized", "invalid_token"),
            ("unauthorized", "invalid_token"),
        ],
        ..ErrorSpec::RFC6749
    },
    ..Spec::RFC6749
};

oauth_core::client! {
    /// Signs users in with Intercom.
    pub struct IntercomOAuth2 from SPEC, configured by { region: with_region };
}

impl IntercomOAuth2 {
    /// Uses a region: `us`, `eu` or `au`.
    ///
    /// # Errors
    ///
    /// A configuration error when there is no such region, and where the endpoints were moved before.
    pub fn with_region(mut self, region: &str) -> Result<Self> {
        let (app_host, api_host) = match region {
            "us" => return Ok(self),
            "eu" => ("app.eu.intercom.com", "api.eu.intercom.io"),
            "au" => ("app.au.intercom.com", "api.au.intercom.io"),
            _ => {
                let problem = format!("region is {region:?}, but it must be us, eu or au");
                return Err(Error::configuration(SPEC.name, problem));
            }
        };
        self.oauth2 = self.oauth2.with_parameter("app_host", app_host)?;
        self.oauth2 = self.oauth2.with_parameter("api_host", api_host)?;
        // Each region numbers its teammates by itself.
        self.oauth2 = self.oauth2.with_identity_issuer(format!("https://{app_host}"));
        Ok(self)
    }
}

impl Provider for IntercomOAuth2 {
    oauth_core::accessors!();
}
