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
//! The domain is the tenant's, or its custom one. A refresh token needs the scope `offline_access`, and an access token
//! for an API of your own the parameter `audience`, which
//! [`with_authorize_params`](oauth_core::Provider::with_authorize_params) adds. Only refresh tokens can be revoked. An
//! application whose ID tokens are signed with HS256, as older ones are, is refused until you switch it to RS256 or
//! name the algorithm in [`Rules`](oauth_openid::Rules::algorithms).

pub use oauth_core;
use oauth_core::{Provider, Result, Spec, parameter};
pub use oauth_openid;

/// Auth0's dialect; the endpoints come from discovery.
pub const SPEC: Spec = Spec {
    name: "auth0",
    display_name: "Auth0",
    color: "#eb5424",
    docs: "https://auth0.com/docs/authenticate",
    scopes: &["openid", "profile", "email"],
    ..Spec::OPENID
};

oauth_openid::client! {
    /// Signs users in with Auth0.
    pub struct Auth0OAuth2 from SPEC, at issuer(domain);
}

/// Auth0's issuers end with a slash.
fn issuer(domain: &str) -> Result<String> {
    Ok(format!("https://{}/", parameter::host("domain", domain)?))
}

impl Provider for Auth0OAuth2 {
    oauth_core::accessors!();
}
