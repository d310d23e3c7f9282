//! Sign in with [Nextcloud](https://docs.nextcloud.com/server/latest/admin_manual/configuration_server/oauth2.html), at an installation of
//! somebody's own.
//!
//! ```
//! use oauth_nextcloud::{NextcloudOAuth2, oauth_core::{LoginOptions, Provider}};
//!
//! # async fn f() -> Result<(), oauth_core::Error> {
//! let nextcloud = NextcloudOAuth2::new("CLIENT_ID", "CLIENT_SECRET", "https://cloud.example.com")?;
//! let login = nextcloud.start_login("https://app.example/callback", LoginOptions::new()).await?;
//! assert!(login.url.starts_with("https://cloud.example.com/apps/oauth2/authorize?"));
//! # Ok(())
//! # }
//! ```
//!
//! **Set up.** An administrator adds an OAuth 2.0 client under "Administration settings", "Security", with its one redirect URI exactly.
//! There are no clients without a secret. A server without pretty URLs has `/index.php` at the end of its base URL.
//!
//! **What you get.** The subject is the login name, under the server's base URL: an administrator who deletes a user can give the name to
//! somebody else. The address is what the user or an administrator entered: its verification is unknown. Access tokens live an hour, and a
//! refresh replaces the refresh token. Nothing can be revoked: users do that under "Devices & sessions".
//!
//! **Surprises.** There are no scopes: a token can do all that the user can, files included. Some Apache servers do not hand the
//! `Authorization` header on to PHP. Then the profile is refused with HTTP 401 until `mod_rewrite` and `mod_env` are enabled. The user's
//! picture is at `/avatar/{user}/512` below the base URL.
//!
//! Written from Nextcloud's manual and public programs as of 2026-11-29.

pub use oauth_core;
use oauth_core::{
    Configure, Credentials, Endpoint, OAuth2, Provider, ProviderConfig, Result, Spec, parameter,
    provider_kit::ProfileSpec,
};

/// Nextcloud's dialect; the endpoints are those of the server.
pub const SPEC: Spec = Spec {
    name: "nextcloud",
    display_name: "Nextcloud",
    color: "#0082c9",
    docs: "https://docs.nextcloud.com/server/latest/admin_manual/configuration_server/oauth2.html",
    // Without it, the API takes the request for a forged one of a browser.
    headers: &[("ocs-apirequest", "true")],
    profile: ProfileSpec {
        id_at: "/ocs/data/id",
        email_at: Some("/ocs/data/email"),
        name_at: Some("/ocs/data/display-name"),
        // Without it the profile is XML.
        params: &[("format", "json")],
        ..ProfileSpec::RFC6749
    },
    ..Spec::RFC6749
};

/// Signs users in with Nextcloud.
#[derive(Clone, Debug)]
pub struct NextcloudOAuth2 {
    oauth2: OAuth2,
}

impl NextcloudOAuth2 {
    /// A client with the id and the secret that this server issued to your application.
    ///
    /// A server in a test network may be plain http: see [`dangerously_allow_plain_http`](OAuth2::dangerously_allow_plain_http).
    ///
    /// # Errors
    ///
    /// A configuration error unless the base URL is a URL without query and fragment.
    pub fn new(
        client_id: impl Into<String>,
        credentials: impl Into<Credentials>,
        base_url: &str,
    ) -> Result<Self> {
        let base_url =
            parameter::self_hosted_url("base_url", base_url).map_err(|error| error.at(SPEC.name))?;
        // The API has an entrance of its own beside index.php.
        let server = base_url.strip_suffix("/index.php").unwrap_or(&base_url);
        let token = format!("{base_url}/apps/oauth2/api/v1/token");
        let oauth2 = OAuth2::from_spec(&SPEC, client_id, credentials);
        oauth2.check_credentials()?;
        let oauth2 = oauth2.with_installation(server.to_owned(), |all| {
            all.with(Endpoint::Authorization, format!("{base_url}/apps/oauth2/authorize"))
                .with(Endpoint::Token, token.clone())
                .with(Endpoint::Refresh, token)
                .with(Endpoint::Profile, format!("{server}/ocs/v2.php/cloud/user"))
        })?;
        Ok(Self { oauth2 })
    }
}

impl Provider for NextcloudOAuth2 {
    oauth_core::accessors!();
}

impl Configure for NextcloudOAuth2 {
    const PARAMETERS: &'static [&'static str] = &["base_url"];

    fn from_config(config: &ProviderConfig) -> Result<Self> {
        let (client_id, credentials) = config.credentials(Self::PARAMETERS)?;
        let mut client = Self::new(client_id, credentials, &config.required("base_url")?)?;
        client.oauth2 = config.apply_to(client.oauth2);
        Ok(client)
    }
}
