//! Sign in with [ORCID](https://info.orcid.org/documentation/api-tutorials/api-tutorial-get-and-authenticated-orcid-id/).
//!
//! ```
//! use oauth_orcid::{OrcidAuthorizeParams, OrcidOAuth2, oauth_core::{LoginOptions, Provider}};
//!
//! # async fn f() -> Result<(), oauth_core::Error> {
//! let orcid = OrcidOAuth2::new("APP-CLIENT_ID", "CLIENT_SECRET").with_sandbox()?;
//! let params = OrcidAuthorizeParams { lang: Some("es".into()), ..Default::default() };
//! let options = LoginOptions::new().extras_params(&params);
//! let login = orcid.start_login("https://app.example/callback", options).await?;
//! assert!(login.url.starts_with("https://sandbox.orcid.org/oauth/authorize?"));
//! # Ok(())
//! # }
//! ```
//!
//! **Set up.** Register the application under "Developer tools" of an ORCID account (public API), or as a member of ORCID; redirect
//! URIs are https. The [sandbox](https://info.orcid.org/documentation/integration-guide/sandbox-testing-server/) has accounts and
//! applications of its own ([`with_sandbox`](OrcidOAuth2::with_sandbox)).
//!
//! **What you get.** The subject is the ORCID iD, such as `0000-0002-1825-0097`, which never changes; its last character can be an X. The
//! name is what the person shows to everybody, so that there may be none. There is no e-mail address. Access tokens live about twenty years;
//! revocation takes one. Refresh tokens are not handled here: ORCID uses them to split a grant, and not to prolong it.
//!
//! **Surprises.** Its metadata has no code challenge methods, so logins send no challenge: what ties a code to the browser here is the
//! state, and the nonce in the ID token. Only an iD from a sign-in is authenticated; never take one that a user types in.
//!
//! Written from ORCID's metadata (of 2026-10-01), its pages and public programs as of 2026-11-29.

pub use oauth_core;
use oauth_core::{
    Endpoint, Error, Pkce, Provider, Result, Spec,
    provider_kit::{AuthorizationSpec, ProfileSpec},
};
pub use oauth_openid;

/// ORCID's endpoints and dialect.
pub const SPEC: Spec = Spec {
    name: "orcid",
    display_name: "ORCID",
    color: "#a6ce39",
    docs: "https://info.orcid.org/documentation/api-tutorials/api-tutorial-get-and-authenticated-orcid-id/",
    issuer: Some("https://{host}"),
    parameters: &[("host", "orcid.org")],
    endpoints: &[
        (Endpoint::Authorization, "https://{host}/oauth/authorize"),
        (Endpoint::Token, "https://{host}/oauth/token"),
        (Endpoint::Revocation, "https://{host}/oauth/revoke"),
        (Endpoint::Profile, "https://{host}/oauth/userinfo"),
        (Endpoint::Jwks, "https://{host}/oauth/jwks"),
    ],
    scopes: &["openid"],
    authorization: AuthorizationSpec { pkce: Pkce::Unsupported, ..AuthorizationSpec::RFC6749 },
    profile: ProfileSpec {
        email_at: None,
        email_verified_at: None,
        picture_at: None, // The name that a person chose to be known by can be missing; the registration has two.
        name_parts_at: &["/given_name", "/family_name"],
        ..ProfileSpec::OPENID
    },
    ..Spec::OPENID
};

/// The registry itself, and the one for tests.
const HOSTS: [&str; 2] = ["orcid.org", SANDBOX];
const SANDBOX: &str = "sandbox.orcid.org";

oauth_openid::client! {
    /// Signs users in with ORCID.
    pub struct OrcidOAuth2 from SPEC, configured by { host: with_host };
}

oauth_core::authorize_params! {
    /// ORCID's own authorization parameters, which fill in its form.
    pub struct OrcidAuthorizeParams {
        /// The address of the form, for those who register.
        pub email: Option<String>,
        /// The given names of those who register.
        pub given_names: Option<String>,
        /// The family names of those who register.
        pub family_names: Option<String>,
        /// The language of the pages, such as `es`.
        pub lang: Option<String>,
    }
}

impl OrcidOAuth2 {
    /// Uses the sandbox, whose accounts are made up.
    ///
    /// # Errors
    ///
    /// A configuration error where the endpoints were moved before.
    pub fn with_sandbox(self) -> Result<Self> {
        self.with_host(SANDBOX)
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

impl Provider for OrcidOAuth2 {
    oauth_core::accessors!();
}
