//! Sign in with [Mastodon](https://docs.joinmastodon.org/methods/oauth/): with any of its servers.
//!
//! ```
//! use oauth_mastodon::{MastodonOAuth2, oauth_core::{LoginOptions, Provider}};
//!
//! # async fn f() -> Result<(), oauth_core::Error> {
//! let callback = "https://app.example/callback";
//! // Once for each server. Keep what it returns, and make the client of it from then on.
//! let app = MastodonOAuth2::register("https://mastodon.example", "My app", &[callback], &["read"]).await?;
//! let mastodon = MastodonOAuth2::new(app.client_id, app.client_secret.expose(), "https://mastodon.example")?;
//! let login = mastodon.start_login(callback, LoginOptions::new()).await?;
//! # Ok(())
//! # }
//! ```
//!
//! **Set up.** Nothing by hand: each server has its own applications, and [`MastodonOAuth2::register`] makes one. Register with all redirect
//! URIs and all scopes that you will ever ask for: a login can ask for no others.
//!
//! **What you get.** The subject is the account's number, which means something on this server only; the identity's issuer is the server.
//! There is no address. Tokens do not expire and can be revoked; there are no refresh tokens.
//!
//! **Surprises.** People type the name of their server, which makes it a URL that your program calls: let them choose from a list, or keep
//! your own network out of reach. A server of version 4.3 or later has the narrow scope `profile`. A user without a display name is shown
//! by the user name.
//!
//! Read on 2026-11-23: the vendor's pages and public programs.

use std::sync::Arc;

pub use oauth_core;
use oauth_core::{
    Configure, Credentials, Endpoint, HttpClient, Identity, OAuth2, Operation, Provider, ProviderConfig,
    Result, Secret, Spec, default_http_client,
    http::Method,
    parameter,
    provider_kit::{ProfileSpec, text_at},
};

/// Mastodon's dialect; the endpoints are those of the server.
pub const SPEC: Spec = Spec {
    name: "mastodon",
    display_name: "Mastodon",
    color: "#6364ff",
    docs: "https://docs.joinmastodon.org/methods/oauth/",
    scopes: &["read"],
    profile: ProfileSpec {
        email_at: None,
        name_at: Some("/display_name"),
        picture_at: Some("/avatar"),
        ..ProfileSpec::RFC6749
    },
    ..Spec::RFC6749
};

/// The method [`MastodonOAuth2::register`], in errors.
pub const REGISTER: Operation = Operation::new("register");

/// Signs users in with a Mastodon server.
#[derive(Clone, Debug)]
pub struct MastodonOAuth2 {
    oauth2: OAuth2,
}

/// An application as a server has registered it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MastodonApp {
    /// The client identifier on this server.
    pub client_id: String,
    /// The client secret.
    pub client_secret: Secret,
}

impl MastodonOAuth2 {
    /// A client with the id and the secret that this server issued to your application.
    ///
    /// # Errors
    ///
    /// A configuration error unless the base URL is a URL without query and fragment.
    pub fn new(
        client_id: impl Into<String>,
        credentials: impl Into<Credentials>,
        base_url: &str,
    ) -> Result<Self> {
        let client = Self::of_server(client_id, credentials, base_url)?;
        client.oauth2.check_credentials()?;
        Ok(client)
    }

    /// Registers an application on a server.
    ///
    /// # Errors
    ///
    /// Any [`Error`](oauth_core::Error).
    pub async fn register(
        base_url: &str,
        client_name: &str,
        redirect_uris: &[&str],
        scopes: &[&str],
    ) -> Result<MastodonApp> {
        Self::register_with(default_http_client()?, base_url, client_name, redirect_uris, scopes).await
    }

    /// Registers an application on a server that this HTTP client reaches.
    ///
    /// # Errors
    ///
    /// Any [`Error`](oauth_core::Error).
    pub async fn register_with(
        http: Arc<dyn HttpClient>,
        base_url: &str,
        client_name: &str,
        redirect_uris: &[&str],
        scopes: &[&str],
    ) -> Result<MastodonApp> {
        let mut client = Self::of_server("", "", base_url)?;
        client.oauth2 = client.oauth2.with_http_client(http);
        let url = client.oauth2.endpoints().other("apps").map_err(|error| error.at(SPEC.name))?;
        let (redirect_uris, scopes) = (redirect_uris.join("\n"), scopes.join(" "));
        let form = [("client_name", client_name), ("redirect_uris", &redirect_uris), ("scopes", &scopes)];
        let reply = client.oauth2.request(REGISTER, Method::POST, url).form(form).send().await?;
        let app = reply.object()?;
        match (text_at(&app, "/client_id"), text_at(&app, "/client_secret")) {
            (Some(client_id), Some(secret)) => {
                Ok(MastodonApp { client_id, client_secret: Secret::new(secret) })
            }
            _ => Err(reply.malformed("it lacks client_id or client_secret")),
        }
    }

    fn of_server(
        client_id: impl Into<String>,
        credentials: impl Into<Credentials>,
        base_url: &str,
    ) -> Result<Self> {
        let server = parameter::self_hosted_url("base_url", base_url).map_err(|error| error.at(SPEC.name))?;
        let oauth2 = OAuth2::from_spec(&SPEC, client_id, credentials);
        let oauth2 = oauth2.with_installation(server.clone(), |all| {
            all.with(Endpoint::Authorization, format!("{server}/oauth/authorize"))
                .with(Endpoint::Token, format!("{server}/oauth/token"))
                .with(Endpoint::Revocation, format!("{server}/oauth/revoke"))
                .with(Endpoint::Profile, format!("{server}/api/v1/accounts/verify_credentials"))
                .with(Endpoint::Other("apps"), format!("{server}/api/v1/apps"))
        })?;
        Ok(Self { oauth2 })
    }
}

oauth_core::authorize_params! {
    /// Mastodon's own authorization parameters.
    pub struct MastodonAuthorizeParams {
        /// Whether the user signs in anew, so that another account can be chosen.
        pub force_login: Option<bool>,
        /// The language of the page, as an ISO 639-1 code.
        pub lang: Option<String>,
    }
}

impl Provider for MastodonOAuth2 {
    oauth_core::accessors!();

    /// The display name may be empty.
    fn complete_identity(&self, identity: &mut Identity) {
        if identity.name.as_deref().is_none_or(|name| name.trim().is_empty()) {
            identity.name = text_at(&identity.profile, "/username");
        }
    }
}

impl Configure for MastodonOAuth2 {
    const PARAMETERS: &'static [&'static str] = &["base_url"];

    fn from_config(config: &ProviderConfig) -> Result<Self> {
        let (client_id, credentials) = config.credentials(Self::PARAMETERS)?;
        let mut client = Self::new(client_id, credentials, &config.required("base_url")?)?;
        client.oauth2 = config.apply_to(client.oauth2);
        Ok(client)
    }
}
