//! Sign in with [Okta](https://developer.okta.com/docs/reference/api/oidc).
//!
//! ```
//! use oauth_okta::{OktaOAuth2, oauth_core::Provider};
//!
//! // The organization's own server, or one of its custom authorization servers. Nothing is sent yet.
//! let okta = OktaOAuth2::new("CLIENT_ID", "CLIENT_SECRET", "example.okta.com")?;
//! let custom = OktaOAuth2::custom("CLIENT_ID", "CLIENT_SECRET", "example.okta.com", "default")?;
//! assert_eq!(custom.oauth2().issuer(), Some("https://example.okta.com/oauth2/default"));
//! # Ok::<(), oauth_okta::oauth_core::Error>(())
//! ```
//!
//! **Set up.** Create an app integration "OIDC, Web Application" in the Admin Console, with each sign-in redirect URI exactly,
//! the grant "Refresh Token" if it is wanted, and the people or groups who may sign in. Endpoints and client authentication
//! come from the server's metadata.
//!
//! **What you get.** Okta says not to rely on `email_verified` to learn whether a user owns the address, so a yes counts as
//! unknown. A refresh token needs the scope `offline_access`; web applications keep it by default. Revoking it ends its access
//! token; revoking an access token leaves it.
//!
//! **Surprises.** The organization's own server and each custom authorization server are issuers of their own, under which
//! users have keys of their own. Applications of Okta's catalogue can use the former alone. `idp` is a hint that the browser
//! can take out.

pub use oauth_core;
use oauth_core::{
    Configure, Credentials, Identity, OAuth2, Provider, ProviderConfig, Result, Spec, parameter,
    provider_kit::{LoopbackPort, NativeSpec},
};
pub use oauth_openid;
use oauth_openid::{OpenIDProvider, VerificationPolicy};

/// Okta's dialect; the endpoints come from discovery.
pub const SPEC: Spec = Spec {
    name: "okta",
    display_name: "Okta",
    color: "#00297a",
    docs: "https://developer.okta.com/docs/reference/api/oidc",
    scopes: &["openid", "profile", "email"],
    native: NativeSpec { loopback_port: LoopbackPort::Registered, ..NativeSpec::RFC8252 },
    ..Spec::OPENID
};

/// Signs users in with Okta.
#[derive(Clone, Debug)]
pub struct OktaOAuth2 {
    oauth2: OAuth2,
}

impl OktaOAuth2 {
    /// A client of the organization's own authorization server, whose issuer is `https://{domain}`.
    ///
    /// # Errors
    ///
    /// A configuration error when the text is not a host name.
    pub fn new(
        client_id: impl Into<String>,
        credentials: impl Into<Credentials>,
        domain: &str,
    ) -> Result<Self> {
        let issuer = parameter::host("domain", domain).map(|host| format!("https://{host}"));
        Self::at(issuer, client_id.into(), credentials.into())
    }

    /// A client of a custom authorization server, such as `default`, whose issuer is `https://{domain}/oauth2/{id}`.
    ///
    /// # Errors
    ///
    /// A configuration error when a text is not a host name or not a server's id.
    pub fn custom(
        client_id: impl Into<String>,
        credentials: impl Into<Credentials>,
        domain: &str,
        authorization_server_id: &str,
    ) -> Result<Self> {
        let issuer = parameter::host("domain", domain).and_then(|host| {
            let id = parameter::segment("authorization_server_id", authorization_server_id)?;
            Ok(format!("https://{host}/oauth2/{id}"))
        });
        Self::at(issuer, client_id.into(), credentials.into())
    }

    fn at(issuer: Result<String>, client_id: String, credentials: Credentials) -> Result<Self> {
        let policy = || VerificationPolicy::new().openid_always();
        Ok(Self { oauth2: oauth_openid::client_at(issuer, &SPEC, policy, client_id, credentials)? })
    }
}

impl OpenIDProvider for OktaOAuth2 {}

impl Provider for OktaOAuth2 {
    oauth_core::accessors!();

    /// Okta says not to rely on `email_verified`: whoever administers the organization sets it.
    fn complete_identity(&self, identity: &mut Identity) {
        identity.distrust_email();
    }
}

impl Configure for OktaOAuth2 {
    const PARAMETERS: &'static [&'static str] = &["domain", "authorization_server_id"];

    fn from_config(config: &ProviderConfig) -> Result<Self> {
        let (id, secret) = config.credentials(Self::PARAMETERS)?;
        let domain = config.required("domain")?;
        let mut client = match config.parameter("authorization_server_id") {
            Some(server) => Self::custom(id, secret, &domain, &server)?,
            None => Self::new(id, secret, &domain)?,
        };
        client.oauth2 = config.apply_to(client.oauth2);
        Ok(client)
    }
}
