//! Sign in with [DocuSign](https://developers.docusign.com/platform/auth/confidential-authcode-get-token/).
//!
//! ```
//! use oauth_docusign::{DocuSignOAuth2, oauth_core::{LoginOptions, Provider}};
//!
//! # async fn f() -> Result<(), oauth_core::Error> {
//! let docusign = DocuSignOAuth2::new("INTEGRATION_KEY", "SECRET_KEY").with_developer_environment()?;
//! let login = docusign.start_login("https://app.example/callback", LoginOptions::new()).await?;
//! assert!(login.url.starts_with("https://account-d.docusign.com/oauth/auth?"));
//! # Ok(())
//! # }
//! ```
//!
//! **Set up.** Create an app and integration key under "Apps and Keys" of a developer account, with a secret key and each redirect URI
//! exactly. It works in the developer environment alone
//! ([`with_developer_environment`](DocuSignOAuth2::with_developer_environment)) until it passes DocuSign's go-live review.
//!
//! **What you get.** The subject is the user's id, under the environment's issuer: the two environments have users of their own. DocuSign
//! does not say whether it has verified an address. Access tokens live eight hours and refresh tokens thirty days; each refresh
//! replaces the refresh token. With the scope `extended`, its thirty days begin anew each time. Nothing can be revoked.
//!
//! **Surprises.** `accounts` in the profile lists the accounts of the user. Each has a `base_uri`, the host of its API, and the one with
//! `is_default` is the usual one. Send a token to such a host only if its name ends with `.docusign.net`, or DocuSign's documentation names
//! it. UserInfo has an hourly limit: keep what it said. An ID token, which the scope `openid` brings, is not looked at.
//!
//! **Without a login.** With the feature `jwt`, `DocuSignOAuth2::get_token_as` gets a token of a user who has consented once, by the JWT
//! grant.
//!
//! Written from DocuSign's pages and public programs as of 2026-11-29.

#[cfg(feature = "jwt")]
mod jwt_grant;

pub use oauth_core;
use oauth_core::{
    ClientAuth, Endpoint, Error, Provider, Result, Spec,
    provider_kit::{ProfileSpec, TokenSpec},
};

/// DocuSign's endpoints and dialect.
pub const SPEC: Spec = Spec {
    name: "docusign",
    display_name: "DocuSign",
    color: "#4c00ff",
    docs: "https://developers.docusign.com/platform/auth/confidential-authcode-get-token/",
    // With a slash, as its metadata says.
    issuer: Some("https://{host}/"),
    parameters: &[("host", "account.docusign.com")],
    endpoints: &[
        (Endpoint::Authorization, "https://{host}/oauth/auth"),
        (Endpoint::Token, "https://{host}/oauth/token"),
        (Endpoint::Refresh, "https://{host}/oauth/token"),
        (Endpoint::Profile, "https://{host}/oauth/userinfo"),
    ],
    scopes: &["signature"],
    token: TokenSpec { client_auth: ClientAuth::Basic, ..TokenSpec::RFC6749 },
    profile: ProfileSpec { id_at: "/sub", name_at: Some("/name"), ..ProfileSpec::RFC6749 },
    ..Spec::RFC6749
};

/// The hosts that sign users in: of production, and for developers.
const HOSTS: [&str; 2] = ["account.docusign.com", DEVELOPERS];
const DEVELOPERS: &str = "account-d.docusign.com";

oauth_core::client! {
    /// Signs users in with DocuSign.
    pub struct DocuSignOAuth2 from SPEC, configured by { host: with_host };
}

oauth_core::authorize_params! {
    /// DocuSign's own authorization parameters.
    pub struct DocuSignAuthorizeParams {
        /// `login` to make the user sign in again.
        pub prompt: Option<String>,
        /// The user's e-mail address, for the form.
        pub login_hint: Option<String>,
        /// The languages of the pages, with spaces between them.
        pub ui_locales: Option<String>,
    }
}

impl DocuSignOAuth2 {
    /// Uses the environment for developers, whose users are others.
    ///
    /// # Errors
    ///
    /// A configuration error where the endpoints were moved before.
    pub fn with_developer_environment(self) -> Result<Self> {
        self.with_host(DEVELOPERS)
    }

    fn with_host(mut self, host: &str) -> Result<Self> {
        if !HOSTS.contains(&host) {
            let problem = format!("host is {host:?}, but it must be one of {}", HOSTS.join(", "));
            return Err(Error::configuration(SPEC.name, problem));
        }
        self.oauth2 = self.oauth2.with_parameter("host", host)?;
        Ok(self)
    }
}

impl Provider for DocuSignOAuth2 {
    oauth_core::accessors!();
}
