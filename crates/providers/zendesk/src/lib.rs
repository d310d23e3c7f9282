//! Sign in with [Zendesk](https://support.zendesk.com/hc/en-us/articles/4408845965210).
//!
//! ```
//! use oauth_zendesk::{ZendeskOAuth2, oauth_core::{LoginOptions, Provider}};
//!
//! # async fn f() -> Result<(), oauth_core::Error> {
//! let zendesk = ZendeskOAuth2::new("CLIENT_ID", "CLIENT_SECRET", "my-company")?;
//! let login = zendesk.start_login("https://app.example/callback", LoginOptions::new()).await?;
//! assert!(login.url.starts_with("https://my-company.zendesk.com/oauth/authorizations/new?"));
//! # Ok(())
//! # }
//! ```
//!
//! **Set up.** An administrator of the Zendesk account adds an OAuth client in the Admin Center ("Apps and integrations", "APIs"), with each
//! redirect URL: https, or http on localhost. The client id is the "unique identifier". For an application that serves many accounts, ask
//! Zendesk for a global OAuth client, and make one of these clients for each account.
//!
//! **What you get.** The subject is the user's number in this account, under the account's issuer, `https://my-company.zendesk.com`. An
//! account's agents decide what its users are called and which addresses they have: trust it only for domains that were assigned to
//! it. `verified` in the profile says that any of the user's identities is verified, such as a telephone number, and not
//! that this address is: the verification is unknown. The address needs the scope `read` or `users:read`. A refresh replaces the
//! refresh token. How long tokens live is set by the account; nothing is revoked here.
//!
//! **Surprises.** Whoever can open a ticket has a user and can sign in, not the agents alone: look at `role` in the profile
//! (`/user/role`: `end-user`, `agent`, `admin`) before you let somebody in.
//!
//! Written from Zendesk's pages and public programs as of 2026-11-29.

pub use oauth_core;
use oauth_core::{
    Configure, Credentials, Endpoint, Error, OAuth2, Provider, ProviderConfig, Result, Spec, parameter,
    provider_kit::ProfileSpec,
};

/// Zendesk's endpoints and dialect.
pub const SPEC: Spec = Spec {
    name: "zendesk",
    display_name: "Zendesk",
    color: "#03363d",
    docs: "https://support.zendesk.com/hc/en-us/articles/4408845965210",
    endpoints: &[
        (Endpoint::Authorization, "https://{subdomain}.zendesk.com/oauth/authorizations/new"),
        (Endpoint::Token, "https://{subdomain}.zendesk.com/oauth/tokens"),
        (Endpoint::Refresh, "https://{subdomain}.zendesk.com/oauth/tokens"),
        (Endpoint::Profile, "https://{subdomain}.zendesk.com/api/v2/users/me.json"),
    ],
    scopes: &["read"],
    profile: ProfileSpec {
        id_at: "/user/id",
        email_at: Some("/user/email"),
        name_at: Some("/user/name"),
        picture_at: Some("/user/photo/content_url"),
        ..ProfileSpec::RFC6749
    },
    ..Spec::RFC6749
};

/// Signs users in with Zendesk.
#[derive(Clone, Debug)]
pub struct ZendeskOAuth2 {
    oauth2: OAuth2,
}

impl ZendeskOAuth2 {
    /// A client with the id and the secret of your OAuth client, for one account: `my-company`, of `my-company.zendesk.com`.
    ///
    /// # Errors
    ///
    /// A configuration error when the text is not a subdomain.
    pub fn new(
        client_id: impl Into<String>,
        credentials: impl Into<Credentials>,
        subdomain: &str,
    ) -> Result<Self> {
        // A dot would make it another host's label.
        let name = parameter::host("subdomain", subdomain).ok().filter(|name| !name.contains('.'));
        let Some(name) = name else {
            let problem = format!(
                "subdomain is {subdomain:?}, but it must be the account's, such as my-company of my-company.zendesk.com"
            );
            return Err(Error::configuration(SPEC.name, problem));
        };
        let oauth2 = OAuth2::from_spec(&SPEC, client_id, credentials);
        oauth2.check_credentials()?;
        // User 1 of one account is not user 1 of another.
        let oauth2 = oauth2.with_identity_issuer(format!("https://{name}.zendesk.com"));
        Ok(Self { oauth2: oauth2.with_parameter("subdomain", name)? })
    }
}

impl Provider for ZendeskOAuth2 {
    oauth_core::accessors!();
}

impl Configure for ZendeskOAuth2 {
    const PARAMETERS: &'static [&'static str] = &["subdomain"];

    fn from_config(config: &ProviderConfig) -> Result<Self> {
        let (client_id, credentials) = config.credentials(Self::PARAMETERS)?;
        let mut client = Self::new(client_id, credentials, &config.required("subdomain")?)?;
        client.oauth2 = config.apply_to(client.oauth2);
        Ok(client)
    }
}
