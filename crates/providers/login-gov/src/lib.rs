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
//! Login.gov has no client secrets. This client is a public one, protected by PKCE, which Login.gov means for native
//! applications and must be chosen in the application's settings; the other method, a signed assertion
//! (`private_key_jwt`), is not supported here yet.
//!
//! What the user must have proven is asked for by `acr_values`, which
//! [`with_authorize_params`](oauth_core::Provider::with_authorize_params) replaces: by default to sign in, without
//! proof of identity. Check the claim `acr` of the verified ID token before you rely on more. The sandbox is
//! [`LoginGovOAuth2::sandbox`]. There are no refresh tokens, and addresses that are handed out are always verified.

pub use oauth_core;
use oauth_core::{
    AuthorizationRequest, ClientAuth, ClientSecret, Endpoint, Provider, Result, Spec, async_trait, parameter,
    random_token,
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
    client_auth: ClientAuth::None,
    authorize_params: &[("acr_values", "urn:acr.login.gov:auth-only"), ("prompt", "select_account")],
    // Whose identity was proven has a given and a family name.
    name_at: None,
    picture_at: None,
    ..Spec::OPENID
};

/// The host of the sandbox.
pub const SANDBOX: &str = "https://idp.int.identitysandbox.gov";

oauth_openid::client! {
    /// Signs users in with Login.gov.
    pub struct LoginGovOAuth2 from SPEC, configured by { base_url: with_base_url };
}

impl LoginGovOAuth2 {
    /// A client of the sandbox.
    pub fn sandbox(client_id: impl Into<String>) -> Self {
        let mut client = Self::new(client_id, ClientSecret::NONE);
        // It is new, so that nothing refuses this.
        let _ = client.move_to(SANDBOX);
        client
    }

    /// Uses another host, such as the sandbox's.
    ///
    /// # Errors
    ///
    /// A configuration error unless it is an https URL without query and fragment, and where the endpoints were moved before.
    pub fn with_base_url(mut self, base_url: &str) -> Result<Self> {
        let as_given = format!("{}/", base_url.trim_end_matches('/'));
        let base_url = parameter::base_url("base_url", base_url).map_err(|error| error.at(SPEC.name))?;
        self.move_to(&base_url)?;
        self.oauth2.add_former_identity_issuer(as_given);
        Ok(self)
    }

    fn move_to(&mut self, base_url: &str) -> Result<()> {
        self.oauth2.set_installation(format!("{base_url}/"), |all| all.at(base_url))
    }
}

#[async_trait]
impl Provider for LoginGovOAuth2 {
    oauth_core::accessors!();

    /// Adds the mandatory nonce where the caller gives none. Low-level callers who want to check it set their own.
    async fn get_authorization_url(&self, request: AuthorizationRequest<'_>) -> Result<String> {
        let request = if request.has_nonce() { request } else { request.nonce(random_token()?) };
        self.oauth2.get_authorization_url(request).await
    }
}
