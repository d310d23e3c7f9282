//! Sign in with [Login.gov](https://developers.login.gov/oidc/), of the government of the United States.
//!
//! ```
//! use oauth_login_gov::{LoginGovOAuth2, oauth_core::{ClientSecret, LoginOptions, Provider}};
//!
//! # async fn f() -> Result<(), oauth_core::Error> {
//! let login_gov = LoginGovOAuth2::new("urn:gov:gsa:openidconnect:sp:example", ClientSecret::NONE);
//! let login = login_gov.start_login("https://app.example.gov/callback", LoginOptions::new()).await?;
//! assert!(login.url.contains("acr_values=urn%3Aacr.login.gov%3Aauth-only"));
//! # Ok(())
//! # }
//! ```
//!
//! **Set up.** Register the application for the [sandbox](https://developers.login.gov/testing/) first
//! ([`LoginGovOAuth2::sandbox`]), with each redirect URI exactly. Login.gov has no client secrets. Give this client what
//! signs an assertion with the key whose certificate you uploaded (`private_key_jwt`), by `oauth-fapi`, in place of a secret:
//! `PrivateKeyJwt::new(SigningKey::from_pem(pem, Algorithm::RS256)?).audience(AssertionAudience::TokenEndpoint)`. Without, it is a public
//! client, protected by PKCE, which Login.gov means for native applications and must be chosen in the application's settings.
//!
//! **What you get.** The subject differs for each application. Addresses that are handed out are always verified. There are no
//! refresh tokens and no revocation.
//!
//! **Levels.** What the user must have proven is asked for by `acr_values`: by default to sign in, without proof of identity.
//! The ID token's `acr` must be at least that; for more, use [`with_minimum_level`](LoginGovOAuth2::with_minimum_level), or
//! [`require_acr`](oauth_core::LoginOptions::require_acr) for one login. A higher level will do. `acr` tells the level of
//! identity alone: that a second factor (`http://idmanagement.gov/ns/assurance/aal/2` and the like in `acr_values`) was asked
//! for is not confirmed by anything, and a browser can take it out, so make it the default in the application's settings at
//! Login.gov.
//!
//! **Surprises.** Logout shows a page on which the user must confirm; whoever does not is not sent back.

pub use oauth_core;
use oauth_core::{
    ClientAuth, ClientSecret, Endpoint, OAuth2, Provider, Result, Spec, async_trait, parameter,
    provider_kit::{AuthorizationSpec, LoginSpec, ProfileSpec, TokenSpec},
};
pub use oauth_openid;

/// Login.gov's endpoints and dialect, production.
pub const SPEC: Spec = Spec {
    name: "login-gov",
    display_name: "Login.gov",
    color: "#112e51",
    docs: "https://developers.login.gov/oidc/",
    // With a slash, unlike all else.
    issuer: Some("https://secure.login.gov/"),
    endpoints: &[
        (Endpoint::Authorization, "https://secure.login.gov/openid_connect/authorize"),
        (Endpoint::Token, "https://secure.login.gov/api/openid_connect/token"),
        (Endpoint::Profile, "https://secure.login.gov/api/openid_connect/userinfo"),
        (Endpoint::Jwks, "https://secure.login.gov/api/openid_connect/certs"),
        (Endpoint::EndSession, "https://secure.login.gov/openid_connect/logout"),
    ],
    authorization: AuthorizationSpec {
        params: &[("acr_values", "urn:acr.login.gov:auth-only"), ("prompt", "select_account")],
        requires_nonce: true,
        ..AuthorizationSpec::RFC6749
    },
    token: TokenSpec { client_auth: ClientAuth::None, ..TokenSpec::RFC6749 },
    profile: ProfileSpec {
        // Whose identity was proven has a given and a family name.
        name_at: None,
        name_parts_at: &["/given_name", "/family_name"],
        picture_at: None,
        ..ProfileSpec::OPENID
    },
    login: LoginSpec {
        acr_levels: &[
            ("urn:acr.login.gov:auth-only", 1),
            ("urn:acr.login.gov:verified", 2),
            // It is a wish for more: users who were verified without it may come as they are.
            ("urn:acr.login.gov:verified-facial-match-preferred", 2),
            ("urn:acr.login.gov:verified-facial-match-required", 3),
            // The names that older applications use.
            ("http://idmanagement.gov/ns/assurance/loa/1", 1),
            ("http://idmanagement.gov/ns/assurance/ial/1", 1),
            ("http://idmanagement.gov/ns/assurance/loa/3", 2),
            ("http://idmanagement.gov/ns/assurance/ial/2", 2),
        ],
        ..LoginSpec::RFC6749
    },
    ..Spec::OPENID
};

/// The host of the sandbox.
pub const SANDBOX: &str = "https://idp.int.identitysandbox.gov";

oauth_openid::client! {
    /// Signs users in with Login.gov.
    pub struct LoginGovOAuth2 from SPEC, configured by {
        base_url: with_base_url,
        minimum_level: with_minimum_level
    };
}

impl LoginGovOAuth2 {
    /// A client of the sandbox.
    pub fn sandbox(client_id: impl Into<String>) -> Self {
        let mut client = Self::new(client_id, ClientSecret::NONE);
        // It is new, so that nothing refuses this.
        client.oauth2 = at(SANDBOX, client.oauth2.clone()).unwrap_or(client.oauth2);
        client
    }

    /// Accepts no user below this level of identity, such as `urn:acr.login.gov:verified`. It is asked for unless a login asks for
    /// a higher one.
    ///
    /// # Errors
    ///
    /// A configuration error when there is no such level.
    pub fn with_minimum_level(mut self, level: &str) -> Result<Self> {
        self.oauth2 = self.oauth2.with_minimum_acr(level)?;
        Ok(self)
    }

    /// Uses another host, such as the sandbox's.
    ///
    /// # Errors
    ///
    /// A configuration error unless it is an https URL without query and fragment, and where the endpoints were moved before.
    pub fn with_base_url(mut self, base_url: &str) -> Result<Self> {
        let as_given = format!("{}/", base_url.trim_end_matches('/'));
        let base_url = parameter::base_url("base_url", base_url).map_err(|error| error.at(SPEC.name))?;
        self.oauth2 = at(&base_url, self.oauth2)?.with_former_identity_issuer(as_given);
        Ok(self)
    }
}

/// The generic client at another host.
fn at(base_url: &str, oauth2: OAuth2) -> Result<OAuth2> {
    oauth2.with_installation(format!("{base_url}/"), |all| all.at(base_url))
}

#[async_trait]
impl Provider for LoginGovOAuth2 {
    oauth_core::accessors!();
}
