//! Sign in with [FranceConnect](https://docs.partenaires.franceconnect.gouv.fr/fs/fs-technique/fs-technique-endpoints/).
//!
//! ```
//! use oauth_franceconnect::{FranceConnectOAuth2, oauth_core::{LoginOptions, Provider}};
//!
//! # async fn f() -> Result<(), oauth_core::Error> {
//! let franceconnect = FranceConnectOAuth2::integration("CLIENT_ID", "CLIENT_SECRET");
//! let login = franceconnect.start_login("https://app.example/callback", LoginOptions::new()).await?;
//! assert!(login.attempt.nonce().is_some());
//! # Ok(())
//! # }
//! ```
//!
//! Version 2 is the current one, and [`FranceConnectOAuth2::new`] uses it; version 1, which is being retired, is reachable
//! by [`FranceConnectOAuth2::version_1`]. Both demand a nonce, so one is made where the caller gives none.
//!
//! Version 2 answers UserInfo as a signed JWT. Its claims are read; **its signature is not checked yet**, so what vouches
//! for them is the TLS connection to FranceConnect itself (OpenID Connect Core section 3.1.3.7 allows that for what comes
//! directly from the provider). FranceConnect does not say whether an address is verified,
//! and its documentation does not speak of PKCE; a challenge is sent.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
pub use oauth_core;
use oauth_core::{
    AuthorizationRequest, ClientSecret, OAuth2, Operation, Provider, Result, Spec, async_trait,
    http::{Method, header::CONTENT_TYPE},
    random_token,
    serde_json::{self, Value},
};

/// FranceConnect's endpoints and dialect, version 2, production.
pub const SPEC: Spec = Spec {
    name: "franceconnect",
    display_name: "FranceConnect",
    color: "#000091",
    docs: "https://docs.partenaires.franceconnect.gouv.fr/fs/fs-technique/fs-technique-endpoints/",
    issuer: Some("https://oidc.franceconnect.gouv.fr/api/v2"),
    authorize: "https://oidc.franceconnect.gouv.fr/api/v2/authorize",
    token: "https://oidc.franceconnect.gouv.fr/api/v2/token",
    profile: Some("https://oidc.franceconnect.gouv.fr/api/v2/userinfo"),
    end_session: Some("https://oidc.franceconnect.gouv.fr/api/v2/session/end"),
    authorize_params: &[("acr_values", "eidas1"), ("prompt", "consent")],
    email_verified_at: None,
    name_at: Some("/given_name"),
    picture_at: None,
    ..Spec::OPENID
};

/// The same for version 1.
pub const SPEC_V1: Spec = Spec {
    issuer: None,
    authorize: "https://app.franceconnect.gouv.fr/api/v1/authorize",
    token: "https://app.franceconnect.gouv.fr/api/v1/token",
    profile: Some("https://app.franceconnect.gouv.fr/api/v1/userinfo"),
    end_session: None,
    authorize_params: &[],
    ..SPEC
};

/// The host of version 2 in production.
pub const PRODUCTION: &str = "https://oidc.franceconnect.gouv.fr";
/// The host of version 2 for tests.
pub const INTEGRATION: &str = "https://fcp-low.sbx.dev-franceconnect.fr";
/// The host of version 1 for tests.
pub const INTEGRATION_V1: &str = "https://fcp.integ01.dev-franceconnect.fr";

oauth_core::client! {
    /// Signs users in with FranceConnect.
    pub struct FranceConnectOAuth2 from SPEC, configured by { base_url: with_base_url };
}

impl FranceConnectOAuth2 {
    /// A client of the test platform.
    pub fn integration(client_id: impl Into<String>, client_secret: impl Into<ClientSecret>) -> Self {
        Self::new(client_id, client_secret).moved_to(INTEGRATION)
    }

    /// A client of version 1, which the original library uses.
    pub fn version_1(client_id: impl Into<String>, client_secret: impl Into<ClientSecret>) -> Self {
        Self { oauth2: OAuth2::from_spec(&SPEC_V1, client_id, client_secret) }
    }

    /// A client of version 1 on its test platform.
    pub fn version_1_integration(
        client_id: impl Into<String>,
        client_secret: impl Into<ClientSecret>,
    ) -> Self {
        Self::version_1(client_id, client_secret).with_endpoints(|all| all.at(INTEGRATION_V1))
    }

    /// Uses version 2 at another host, such as FranceConnect+'s.
    ///
    /// # Errors
    ///
    /// A configuration error unless it is an https URL without query and fragment.
    pub fn with_base_url(self, base_url: &str) -> Result<Self> {
        Ok(self.moved_to(
            oauth_core::parameter::base_url("base_url", base_url).map_err(|error| error.at(SPEC.name))?,
        ))
    }

    fn moved_to(mut self, base_url: &str) -> Self {
        self.oauth2.set_issuer(format!("{base_url}/api/v2"));
        self.with_endpoints(|all| all.at(base_url))
    }
}

#[async_trait]
impl Provider for FranceConnectOAuth2 {
    oauth_core::accessors!();

    /// Adds the mandatory nonce where the caller gives none. Low-level callers who want to check it set their own.
    async fn get_authorization_url(&self, request: AuthorizationRequest<'_>) -> Result<String> {
        let request = if request.has_nonce() { request } else { request.nonce(random_token()?) };
        self.oauth2.get_authorization_url(request).await
    }

    async fn get_profile(&self, access_token: &str) -> Result<Value> {
        let operation = Operation::GET_PROFILE;
        let url = self.oauth2.profile_endpoint()?;
        let call = self.oauth2.call(operation, Method::GET, url).bearer(access_token);
        let reply = call.header("accept", "application/jwt, application/json").send().await?;
        if !reply.header(CONTENT_TYPE).is_some_and(|kind| kind.starts_with("application/jwt")) {
            return reply.object();
        }
        claims(reply.body()).ok_or_else(|| reply.malformed("it is not a JWT with an object as its claims"))
    }
}

/// The claims of a JWS in compact form (RFC 7515 section 7.1), unverified.
fn claims(jwt: &[u8]) -> Option<Value> {
    let mut parts = jwt.trim_ascii().split(|&byte| byte == b'.');
    let (_, claims, _, None) = (parts.next()?, parts.next()?, parts.next()?, parts.next()) else {
        return None;
    };
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok().filter(Value::is_object)
}
