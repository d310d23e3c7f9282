//! Sign in with [Okta](https://developer.okta.com/docs/reference/api/oidc).
//!
//! ```no_run
//! use oauth_okta::{OktaOAuth2, oauth_core::{LoginOptions, Provider}};
//!
//! # async fn f() -> Result<(), oauth_core::Error> {
//! // The organization's own server, or one of its custom authorization servers.
//! let okta = OktaOAuth2::discover("CLIENT_ID", "CLIENT_SECRET", "example.okta.com").await?;
//! let custom = OktaOAuth2::discover_custom("CLIENT_ID", "CLIENT_SECRET", "example.okta.com", "default").await?;
//! let login = okta.start_login("https://app.example/callback", LoginOptions::new()).await?;
//! # Ok(())
//! # }
//! ```
//!
//! Endpoints and client authentication come from the server's metadata. A refresh token needs the scope `offline_access`.

pub use oauth_core;
use oauth_core::{
    ClientSecret, Configure, OAuth2, Provider, ProviderConfig, Result, Spec, async_trait, parameter,
    serde_json::Value,
};
pub use oauth_openid;
use oauth_openid::{Discovery, OpenID, ProviderMetadata};

/// Okta's dialect; the endpoints come from discovery.
pub const SPEC: Spec = Spec {
    name: "okta",
    display_name: "Okta",
    color: "#00297a",
    docs: "https://developer.okta.com/docs/reference/api/oidc",
    scopes: &["openid", "profile", "email"],
    ..Spec::OPENID
};

/// Signs users in with Okta.
#[derive(Clone, Debug)]
pub struct OktaOAuth2 {
    openid: OpenID,
}

impl OktaOAuth2 {
    /// A client of the organization's own authorization server, whose issuer is `https://{domain}`.
    ///
    /// # Errors
    ///
    /// A configuration error when the text is no host name; else as [`Discovery::fetch`].
    pub async fn discover(
        client_id: impl Into<String> + Send,
        client_secret: impl Into<ClientSecret> + Send,
        domain: &str,
    ) -> Result<Self> {
        let (client_id, client_secret) = (client_id.into(), client_secret.into());
        Self::connect(Self::organization(domain)?, client_id, client_secret).await
    }

    /// A client of a custom authorization server, such as `default`, whose issuer is `https://{domain}/oauth2/{id}`.
    ///
    /// # Errors
    ///
    /// As [`discover`](Self::discover).
    pub async fn discover_custom(
        client_id: impl Into<String> + Send,
        client_secret: impl Into<ClientSecret> + Send,
        domain: &str,
        authorization_server_id: &str,
    ) -> Result<Self> {
        let (client_id, client_secret) = (client_id.into(), client_secret.into());
        Self::connect(Self::custom(domain, authorization_server_id)?, client_id, client_secret).await
    }

    /// The discovery of the organization's own authorization server, for [`connect`](Self::connect).
    ///
    /// # Errors
    ///
    /// A configuration error when the text is no host name.
    pub fn organization(domain: &str) -> Result<Discovery> {
        let domain = parameter::host("domain", domain).map_err(|error| error.at(SPEC.name))?;
        Ok(Discovery::new(format!("https://{domain}")))
    }

    /// The discovery of a custom authorization server, for [`connect`](Self::connect).
    ///
    /// # Errors
    ///
    /// A configuration error when a text is no host name or no server's id.
    pub fn custom(domain: &str, authorization_server_id: &str) -> Result<Discovery> {
        let domain = parameter::host("domain", domain).map_err(|error| error.at(SPEC.name))?;
        let id = parameter::segment("authorization_server_id", authorization_server_id)
            .map_err(|error| error.at(SPEC.name))?;
        Ok(Discovery::new(format!("https://{domain}/oauth2/{id}")))
    }

    /// A client of the server that the discovery finds, with the discovery's HTTP client.
    ///
    /// # Errors
    ///
    /// As [`Discovery::fetch`].
    pub async fn connect(
        discovery: Discovery,
        client_id: impl Into<String> + Send,
        client_secret: impl Into<ClientSecret> + Send,
    ) -> Result<Self> {
        let (client_id, client_secret) = (client_id.into(), client_secret.into());
        let metadata = discovery.fetch().await.map_err(|error| error.at(SPEC.name))?;
        let openid = OpenID::from_spec(&SPEC, client_id, client_secret, metadata)?;
        Ok(Self { openid: discovery.handed_to(openid) })
    }

    /// The server's metadata.
    #[must_use]
    pub fn metadata(&self) -> &ProviderMetadata {
        self.openid.metadata()
    }
}

#[async_trait]
impl Provider for OktaOAuth2 {
    fn oauth2(&self) -> &OAuth2 {
        self.openid.oauth2()
    }

    fn oauth2_mut(&mut self) -> &mut OAuth2 {
        self.openid.oauth2_mut()
    }

    async fn get_profile(&self, access_token: &str) -> Result<Value> {
        self.openid.get_profile(access_token).await
    }
}

#[async_trait]
impl Configure for OktaOAuth2 {
    const PARAMETERS: &'static [&'static str] = &["domain", "authorization_server_id"];

    async fn from_config(config: &ProviderConfig) -> Result<Self> {
        config.allow(Self::PARAMETERS)?;
        let domain = config.required("domain")?;
        let mut discovery = match config.parameter("authorization_server_id") {
            Some(id) => Self::custom(&domain, &id)?,
            None => Self::organization(&domain)?,
        };
        if let Some(http) = &config.http_client {
            discovery = discovery.with_http_client(http.clone());
        }
        Ok(config.applied_to(Self::connect(discovery, &*config.client_id, config.secret()?).await?))
    }
}
