//! Sign in with [OneLogin](https://developers.onelogin.com/openid-connect).
//!
//! ```
//! use oauth_onelogin::{OneLoginOAuth2, oauth_core::Provider};
//!
//! let onelogin = OneLoginOAuth2::new("CLIENT_ID", "CLIENT_SECRET", "my-company")?;
//! assert_eq!(onelogin.oauth2().issuer(), Some("https://my-company.onelogin.com/oidc/2"));
//! # Ok::<(), oauth_onelogin::oauth_core::Error>(())
//! ```
//!
//! **Set up.** Add the app "OpenId Connect (OIDC)" in the administration, with each redirect URI exactly, and choose there how
//! the client authenticates: Basic or POST, which [`with_client_auth`](oauth_core::Provider::with_client_auth) chooses, in
//! place of the first that the metadata names; or none, for which pass `ClientSecret::NONE`.
//!
//! **What you get.** OneLogin does not say whether an address is verified, and whoever adds such a claim vouches for nothing: a
//! yes counts as unknown.
//!
//! **Surprises.** The subdomain is one label: `my-company` of `my-company.onelogin.com`. Logging out also revokes tokens of
//! other applications of the same session.

pub use oauth_core;
use oauth_core::{Error, Identity, Provider, Result, Spec, parameter};
pub use oauth_openid;

/// OneLogin's dialect; the endpoints come from discovery.
pub const SPEC: Spec = Spec {
    name: "onelogin",
    display_name: "OneLogin",
    color: "#1c1f2a",
    docs: "https://developers.onelogin.com/openid-connect",
    scopes: &["openid", "profile", "email"],
    ..Spec::OPENID
};

oauth_openid::client! {
    /// Signs users in with OneLogin.
    pub struct OneLoginOAuth2 from SPEC, at issuer(subdomain);
}

fn issuer(subdomain: &str) -> Result<String> {
    match parameter::host("subdomain", subdomain) {
        // With a dot in it, it would be a host below another host of OneLogin's, such as onelogin.com.onelogin.com.
        Ok(label) if !label.contains('.') => Ok(format!("https://{label}.onelogin.com/oidc/2")),
        _ => Err(Error::configuration(
            SPEC.name,
            format!("subdomain is {subdomain:?}, but it must be like my-company of my-company.onelogin.com"),
        )),
    }
}

impl Provider for OneLoginOAuth2 {
    oauth_core::accessors!();

    /// OneLogin documents no claim for it; whoever adds one to an application vouches for nothing.
    fn complete_identity(&self, identity: &mut Identity) {
        identity.distrust_email();
    }
}
