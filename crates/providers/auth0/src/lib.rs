//! Sign in with [Auth0](https://auth0.com/docs/authenticate).
//!
//! ```
//! use oauth_auth0::{Auth0OAuth2, oauth_core::Provider};
//!
//! let auth0 = Auth0OAuth2::new("CLIENT_ID", "CLIENT_SECRET", "my-tenant.eu.auth0.com")?;
//! assert_eq!(auth0.oauth2().issuer(), Some("https://my-tenant.eu.auth0.com/"));
//! # Ok::<(), oauth_auth0::oauth_core::Error>(())
//! ```
//!
//! **Set up.** Create an application "Regular Web Application" in the dashboard, with each of the "Allowed Callback URLs"
//! exactly. An application whose ID tokens are signed with HS256, as older ones are, is refused until you switch it to RS256 or
//! name the algorithm in [`VerificationPolicy`](oauth_openid::VerificationPolicy::algorithms).
//!
//! **What you get.** The domain is the tenant's, or its custom one, and the issuer is made of it: **a custom domain changes the
//! key of every user**. Switch to it before the first user signs in, or rename the stored issuers once. `email_verified` of a
//! federated user is what the upstream provider said, or for some enterprise connections a constant. A refresh token needs the
//! scope `offline_access`; rotation is a setting. Only refresh tokens can be revoked; whether that ends the whole grant is a
//! setting of the tenant. An access token for an API of your own needs the parameter `audience`, which
//! [`with_authorize_params`](oauth_core::Provider::with_authorize_params) adds.
//!
//! **Surprises.** With the parameter `organization`, of the client or of one login, only members of that organization sign in:
//! the ID token's `org_id` (of an id, `org_…`) or `org_name` must be it. `connection` is a hint that the browser can take out:
//! nothing in Auth0's answer confirms it. Callbacks have no `iss` unless the tenant switched it on. A wrong client secret is told as
//! `access_denied`, which the client translates.

pub use oauth_core;
use oauth_core::{
    Error, Operation, Provider, Result, Spec,
    http::StatusCode,
    parameter,
    provider_kit::{ConfirmedBy, LoginSpec, LoopbackPort, NativeSpec, Restriction},
    serde_json::Value,
};
pub use oauth_openid;

/// Auth0's dialect; the endpoints come from discovery.
pub const SPEC: Spec = Spec {
    name: "auth0",
    display_name: "Auth0",
    color: "#eb5424",
    docs: "https://auth0.com/docs/authenticate",
    scopes: &["openid", "profile", "email"],
    login: LoginSpec {
        restrictions: &[Restriction::parameter("organization", ConfirmedBy::IdToken, is_of_organization)],
        ..LoginSpec::RFC6749
    },
    native: NativeSpec { loopback_port: LoopbackPort::Registered, ..NativeSpec::RFC8252 },
    ..Spec::OPENID
};

oauth_openid::client! {
    /// Signs users in with Auth0.
    pub struct Auth0OAuth2 from SPEC, at issuer(domain);
}

/// An organization goes by its id, or by its name, where the tenant allows names; those are in lower case.
fn is_of_organization(asked: &str, claims: &Value) -> Option<bool> {
    match asked.starts_with("org_") {
        true => Restriction::same_at("/org_id", asked, claims),
        false => Restriction::same_at("/org_name", &asked.to_ascii_lowercase(), claims),
    }
}

impl Auth0OAuth2 {
    /// Signs in the members of this organization only, by its id, such as `org_9ybsU1dN2dKfDkBi`, or by its name, where the tenant
    /// allows names.
    ///
    /// # Errors
    ///
    /// A configuration error when the text is not an identifier.
    pub fn with_organization(mut self, organization: &str) -> Result<Self> {
        let organization =
            parameter::segment("organization", organization).map_err(|error| error.at(SPEC.name))?;
        self.oauth2 = self.oauth2.with_authorize_param("organization", organization.to_owned());
        Ok(self)
    }
}

/// Auth0's issuers end with a slash.
fn issuer(domain: &str) -> Result<String> {
    Ok(format!("https://{}/", parameter::host("domain", domain)?))
}

impl Provider for Auth0OAuth2 {
    oauth_core::accessors!();

    /// A wrong client secret is told as `access_denied`, with 401. What it says of a grant comes with 403.
    fn translate_error(&self, error: Error) -> Error {
        let is_of_client = [Operation::GET_ACCESS_TOKEN, Operation::REFRESH_TOKEN]
            .contains(&error.operation())
            && error.status() == Some(StatusCode::UNAUTHORIZED)
            && error.oauth_error().is_some_and(|said| said.code == "access_denied");
        if is_of_client { error.under_code("invalid_client") } else { error }
    }
}
