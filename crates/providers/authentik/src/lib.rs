//! Sign in with [authentik](https://docs.goauthentik.io/add-secure-apps/providers/oauth2/).
//!
//! ```
//! use oauth_authentik::{AuthentikOAuth2, oauth_core::Provider};
//!
//! let authentik = AuthentikOAuth2::new("CLIENT_ID", "CLIENT_SECRET", "https://login.example.com", "my-app")?;
//! assert_eq!(authentik.oauth2().issuer(), Some("https://login.example.com/application/o/my-app/"));
//! # Ok::<(), oauth_authentik::oauth_core::Error>(())
//! ```
//!
//! **Set up.** Create an application with an OAuth2/OpenID provider: confidential, with strict redirect URIs and a signing key.
//! A provider without one signs with the client secret, which is refused until you choose a key there or name the algorithm in
//! [`VerificationPolicy`](oauth_openid::VerificationPolicy::algorithms). A refresh token needs the scope `offline_access`, for
//! which authentik asks the user each time.
//!
//! **What you get.** Before version 2025.10 every address was called verified, and since then none is unless an administrator
//! changed the scope mapping ([documentation](https://docs.goauthentik.io/add-secure-apps/providers/oauth2/)); authentik does
//! not verify addresses itself. So a yes counts as unknown, and a no as a no. A refresh replaces the refresh token when less
//! than the provider's threshold is left of its life.
//!
//! **Surprises.** The slug is that of the application; each has an issuer of its own. (Where the provider is set to one issuer
//! for all, use [`Discovery::with_expected_issuer`](oauth_openid::Discovery::with_expected_issuer).) Scopes that the provider
//! does not have are dropped without a word. A redirect URI that differs is called `invalid_client` at the token endpoint.

pub use oauth_core;
use oauth_core::{Identity, Provider, Result, Spec, parameter};
pub use oauth_openid;

/// authentik's dialect; the endpoints come from discovery.
pub const SPEC: Spec = Spec {
    name: "authentik",
    display_name: "authentik",
    color: "#fd4b2d",
    docs: "https://docs.goauthentik.io/add-secure-apps/providers/oauth2/",
    scopes: &["openid", "profile", "email"],
    ..Spec::OPENID
};

oauth_openid::client! {
    /// Signs users in with authentik.
    pub struct AuthentikOAuth2 from SPEC, at issuer(base_url, application_slug);
}

fn issuer(base_url: &str, application_slug: &str) -> Result<String> {
    let base_url = parameter::self_hosted_url("base_url", base_url)?;
    let slug = parameter::segment("application_slug", application_slug)?;
    Ok(format!("{base_url}/application/o/{slug}/"))
}

impl Provider for AuthentikOAuth2 {
    oauth_core::accessors!();

    /// Nobody vouches for an address that a mapping calls verified.
    fn complete_identity(&self, identity: &mut Identity) {
        identity.distrust_email();
    }
}
