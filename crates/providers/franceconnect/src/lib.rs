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
//! **Set up.** Register the service with [FranceConnect](https://partenaires.franceconnect.gouv.fr/), with each redirect URI
//! and the algorithm that signs ID tokens: ES256 or RS256, because HS256 is refused here. The test platform is
//! [`FranceConnectOAuth2::integration`]; it may not take `localhost`.
//!
//! **What you get.** Version 2 is the current one, and [`FranceConnectOAuth2::new`] uses it; version 1, which is being retired,
//! is reachable by [`FranceConnectOAuth2::version_1`]. The subject differs for each service. FranceConnect does not say whether
//! an address is verified. A code lives 30 seconds, access and ID token 60 seconds: call `get_identity` at once. There are no
//! refresh tokens; access tokens can be revoked.
//!
//! **Levels.** The ID token's `acr` must be at least what was asked for: `eidas1`, unless
//! [`with_minimum_level`](FranceConnectOAuth2::with_minimum_level) or a login's `acr_values` or
//! [`require_acr`](oauth_core::LoginOptions::require_acr) asks for more; `eidas3` will do where `eidas2` was asked for. Of
//! FranceConnect+ ([`FranceConnectOAuth2::plus`]) it is never less than `eidas2`. Version 1 has no ID token to check it in.
//!
//! **Surprises.** Both versions demand a nonce, so one is made where the caller gives none. Version 2 answers UserInfo as a
//! signed JWT, and signs its ID tokens; both signatures are verified. Version 1 signs neither with a public key: there, TLS
//! alone vouches for UserInfo, and its ID tokens are not looked at. FranceConnect+ encrypts too: see
//! [`VerificationPolicy::decrypter`](oauth_openid::VerificationPolicy::decrypter). FranceConnect shows an error page to whoever
//! sends a parameter that it does not know, and a code challenge is one: logins send none. The nonce is what ties a code to the
//! browser; with version 1, where no ID token is looked at, the state alone.

pub use oauth_core;
use oauth_core::{
    Credentials, Endpoint, Error, OAuth2, Pkce, Provider, Result, Spec, async_trait,
    provider_kit::{AuthorizationSpec, LoginSpec, ProfileSpec},
};
pub use oauth_openid;
use oauth_openid::{Algorithm, UserInfoForm, VerificationPolicy};

/// FranceConnect's endpoints and dialect, version 2, production.
pub const SPEC: Spec = Spec {
    name: "franceconnect",
    display_name: "FranceConnect",
    color: "#000091",
    docs: "https://docs.partenaires.franceconnect.gouv.fr/fs/fs-technique/fs-technique-endpoints/",
    issuer: Some("https://oidc.franceconnect.gouv.fr/api/v2"),
    endpoints: &[
        (Endpoint::Authorization, "https://oidc.franceconnect.gouv.fr/api/v2/authorize"),
        (Endpoint::Token, "https://oidc.franceconnect.gouv.fr/api/v2/token"),
        (Endpoint::Profile, "https://oidc.franceconnect.gouv.fr/api/v2/userinfo"),
        (Endpoint::Jwks, "https://oidc.franceconnect.gouv.fr/api/v2/jwks"),
        (Endpoint::Revocation, "https://oidc.franceconnect.gouv.fr/api/v2/token/revocation"),
        (Endpoint::EndSession, "https://oidc.franceconnect.gouv.fr/api/v2/session/end"),
    ],
    authorization: AuthorizationSpec {
        pkce: Pkce::Unsupported,
        params: &[("acr_values", "eidas1"), ("prompt", "consent")],
        refused_params: &["max_age"],
        requires_nonce: true,
        ..AuthorizationSpec::RFC6749
    },
    profile: ProfileSpec {
        email_verified_at: None,
        name_at: Some("/given_name"),
        picture_at: None,
        ..ProfileSpec::OPENID
    },
    login: LoginSpec { acr_levels: &[("eidas1", 1), ("eidas2", 2), ("eidas3", 3)], ..LoginSpec::RFC6749 },
    ..Spec::OPENID
};

/// FranceConnect's endpoints and dialect, version 1.
pub const SPEC_V1: Spec = Spec {
    issuer: None,
    endpoints: &[
        (Endpoint::Authorization, "https://app.franceconnect.gouv.fr/api/v1/authorize"),
        (Endpoint::Token, "https://app.franceconnect.gouv.fr/api/v1/token"),
        (Endpoint::Profile, "https://app.franceconnect.gouv.fr/api/v1/userinfo"),
    ],
    authorization: AuthorizationSpec { params: &[], ..SPEC.authorization },
    login: LoginSpec::RFC6749,
    ..SPEC
};

/// The host of version 2 in production.
pub const PRODUCTION: &str = "https://oidc.franceconnect.gouv.fr";
/// The host of FranceConnect+ in production.
pub const PLUS: &str = "https://auth.franceconnect.gouv.fr";
/// The host of FranceConnect+ for tests.
pub const PLUS_INTEGRATION: &str = "https://auth.integ01.dev-franceconnect.fr";
/// The least level of FranceConnect+.
const LEAST_OF_PLUS: &str = "eidas2";
/// The host of version 2 for tests.
pub const INTEGRATION: &str = "https://fcp-low.sbx.dev-franceconnect.fr";
/// The host of version 1 for tests.
pub const INTEGRATION_V1: &str = "https://fcp.integ01.dev-franceconnect.fr";

oauth_openid::client! {
    /// Signs users in with FranceConnect.
    pub struct FranceConnectOAuth2 from SPEC, verified by policy(), configured by {
        base_url: with_base_url,
        minimum_level: with_minimum_level
    };
}

fn policy() -> VerificationPolicy {
    VerificationPolicy::new().algorithms([Algorithm::ES256, Algorithm::RS256]).userinfo(UserInfoForm::Signed)
}

impl FranceConnectOAuth2 {
    /// A client of the test platform.
    pub fn integration(client_id: impl Into<String>, credentials: impl Into<Credentials>) -> Self {
        Self::new(client_id, credentials).moved_to(INTEGRATION)
    }

    /// A client of FranceConnect+, for services that need the level `eidas2` or `eidas3`. Its tokens come encrypted: see
    /// [`VerificationPolicy::decrypter`](oauth_openid::VerificationPolicy::decrypter).
    ///
    /// # Errors
    ///
    /// As [`with_base_url`](Self::with_base_url).
    pub fn plus(client_id: impl Into<String>, credentials: impl Into<Credentials>) -> Result<Self> {
        Self::new(client_id, credentials).with_base_url(PLUS)
    }

    /// A client of version 1, which the original library uses.
    pub fn version_1(client_id: impl Into<String>, credentials: impl Into<Credentials>) -> Self {
        Self { oauth2: OAuth2::from_spec(&SPEC_V1, client_id, credentials) }
    }

    /// A client of version 1 on its test platform.
    pub fn version_1_integration(client_id: impl Into<String>, credentials: impl Into<Credentials>) -> Self {
        Self::version_1(client_id, credentials).moved_to(INTEGRATION_V1)
    }

    /// Accepts no user below this level: `eidas1`, `eidas2` or `eidas3`. It is asked for unless a login asks for a higher one.
    ///
    /// # Errors
    ///
    /// A configuration error when there is no such level, or FranceConnect+ has none as low.
    pub fn with_minimum_level(mut self, level: &str) -> Result<Self> {
        if is_plus(self.oauth2.endpoints().authorization()) && level < LEAST_OF_PLUS {
            return Err(Error::configuration(SPEC.name, "the least level of FranceConnect+ is eidas2"));
        }
        self.oauth2 = self.oauth2.with_minimum_acr(level)?;
        Ok(self)
    }

    /// Uses the client's version at another host, such as version 2 at FranceConnect+'s, whose least level is `eidas2`.
    ///
    /// # Errors
    ///
    /// A configuration error unless it is an https URL without query and fragment, and, for version 2, where the endpoints were
    /// moved before, as those of its test platform are.
    pub fn with_base_url(mut self, base_url: &str) -> Result<Self> {
        let as_given = format!("{}/api/v2", base_url.trim_end_matches('/'));
        let base_url =
            oauth_core::parameter::base_url("base_url", base_url).map_err(|error| error.at(SPEC.name))?;
        self.oauth2 = at(&base_url, self.oauth2)?.with_former_identity_issuer(as_given);
        let has_levels = !self.oauth2.spec().login.acr_levels.is_empty();
        if has_levels
            && is_plus(&base_url)
            && self.oauth2.minimum_acr().is_none_or(|level| level < LEAST_OF_PLUS)
        {
            self.oauth2 = self.oauth2.with_minimum_acr(LEAST_OF_PLUS)?;
        }
        Ok(self)
    }

    /// This client, which is new, so that nothing refuses it, at another host.
    fn moved_to(mut self, base_url: &str) -> Self {
        self.oauth2 = at(base_url, self.oauth2.clone()).unwrap_or(self.oauth2);
        self
    }
}

/// The generic client at another host.
fn at(base_url: &str, oauth2: OAuth2) -> Result<OAuth2> {
    if oauth2.spec().issuer.is_some() {
        return oauth2.with_installation(format!("{base_url}/api/v2"), |all| all.at(base_url));
    }
    // Version 1 documents no issuer to compare with, but another host has users of its own.
    let oauth2 = oauth2.with_identity_issuer(format!("{base_url}/api/v1"));
    Ok(oauth2.with_endpoints(|all| all.at(base_url)))
}

/// Whether a URL is of FranceConnect+, in production or for tests: its hosts begin with `auth.`, or have `fcp-high` in their names.
fn is_plus(url: &str) -> bool {
    let host = url.split("://").nth(1).unwrap_or_default().split(['/', ':']).next().unwrap_or_default();
    let host = host.to_ascii_lowercase();
    (host.starts_with("auth.") || host.contains("fcp-high"))
        && (host.ends_with("franceconnect.gouv.fr") || host.ends_with("franceconnect.fr"))
}

#[async_trait]
impl Provider for FranceConnectOAuth2 {
    oauth_core::accessors!();
}
