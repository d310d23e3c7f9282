//! Sign in with [PingOne](https://developer.pingidentity.com/pingone-api/auth/openid-connect-oauth-2.html) of Ping
//! Identity.
//!
//! ```
//! use oauth_ping_id::{PingIdentityOAuth2, oauth_core::Provider};
//!
//! let environment = "3b0a4a4e-1c1a-4a57-9a7a-3b7b8d0f7d11";
//! let ping = PingIdentityOAuth2::new("CLIENT_ID", "CLIENT_SECRET", "auth.pingone.eu", environment)?;
//! let issuer = "https://auth.pingone.eu/3b0a4a4e-1c1a-4a57-9a7a-3b7b8d0f7d11/as";
//! assert_eq!(ping.oauth2().issuer(), Some(issuer));
//! # Ok::<(), oauth_ping_id::oauth_core::Error>(())
//! ```
//!
//! **Set up.** Add an application "OIDC Web App" in the console and enable it, with each redirect URI exactly. Under
//! "Resources" allow the scopes `profile` and `email`. Refresh tokens, PKCE (which is sent) and how the client authenticates
//! are settings of the application.
//!
//! **What you get.** The domain depends on the region: `auth.pingone.com` (North America), `.eu`, `.ca`, `.asia`, `.com.au` and
//! `.sg`; a custom domain is possible too. PingOne does not document what it says of an address, so a yes counts as unknown.
//!
//! **Surprises.** PingFederate and PingAM have other paths: use [`OpenID`](oauth_openid::OpenID) with their issuer.

pub use oauth_core;
use oauth_core::{Identity, Provider, Result, Spec, parameter};
pub use oauth_openid;

/// PingOne's dialect; the endpoints come from discovery.
pub const SPEC: Spec = Spec {
    name: "ping-id",
    display_name: "Ping Identity",
    color: "#b3282d",
    docs: "https://developer.pingidentity.com/pingone-api/auth/openid-connect-oauth-2.html",
    scopes: &["openid", "profile", "email"],
    ..Spec::OPENID
};

oauth_openid::client! {
    /// Signs users in with PingOne.
    pub struct PingIdentityOAuth2 from SPEC, at issuer(auth_domain, environment_id);
}

fn issuer(auth_domain: &str, environment_id: &str) -> Result<String> {
    let domain = parameter::host("auth_domain", auth_domain)?;
    let environment = parameter::segment("environment_id", environment_id)?;
    Ok(format!("https://{domain}/{environment}/as"))
}

impl Provider for PingIdentityOAuth2 {
    oauth_core::accessors!();

    /// No page of PingOne's says what the claim about an address would mean.
    fn complete_identity(&self, identity: &mut Identity) {
        identity.distrust_email();
    }
}
