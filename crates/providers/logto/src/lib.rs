//! Sign in with [Logto](https://docs.logto.io/).
//!
//! ```
//! use oauth_logto::{LogtoOAuth2, oauth_core::Provider};
//!
//! let logto = LogtoOAuth2::new("APP_ID", "APP_SECRET", "https://my-tenant.logto.app")?;
//! assert_eq!(logto.oauth2().issuer(), Some("https://my-tenant.logto.app/oidc"));
//! # Ok::<(), oauth_logto::oauth_core::Error>(())
//! ```
//!
//! **Set up.** Create an application "Traditional web" in the console, with each redirect URI exactly. The endpoint is the one
//! that the application's page shows.
//!
//! **What you get.** Logto's `email_verified` says that there is a primary address, and nothing else: administrators, imports
//! and connectors set one without any mail. So a yes counts as unknown. A user without a name is shown by the `username`. A
//! refresh token needs the scope `offline_access` and the parameter `prompt=consent`; a confidential application keeps it until
//! 70 per cent of its life have passed.
//!
//! **Surprises.** ID tokens are signed with an elliptic-curve key unless an administrator has chosen RSA
//! ([documentation](https://docs.logto.io/developers/signing-keys)). Since version 1.42, revoking an access token that is a JWT
//! is an error, and revoking an opaque one ends the whole grant.

pub use oauth_core;
use oauth_core::{Identity, Provider, Result, Spec, parameter, provider_kit::text_at};
pub use oauth_openid;

/// Logto's dialect; the endpoints come from discovery.
pub const SPEC: Spec = Spec {
    name: "logto",
    display_name: "Logto",
    color: "#7958ff",
    docs: "https://docs.logto.io/",
    scopes: &["openid", "profile", "email"],
    ..Spec::OPENID
};

oauth_openid::client! {
    /// Signs users in with Logto.
    pub struct LogtoOAuth2 from SPEC, at issuer(endpoint);
}

fn issuer(endpoint: &str) -> Result<String> {
    Ok(format!("{}/oidc", parameter::self_hosted_url("endpoint", endpoint)?))
}

impl Provider for LogtoOAuth2 {
    oauth_core::accessors!();

    /// `email_verified` says that there is an address, and the name can be null.
    fn complete_identity(&self, identity: &mut Identity) {
        identity.distrust_email();
        if identity.name.is_none() {
            identity.name = text_at(&identity.profile, "/username");
        }
    }
}
