use std::{collections::BTreeMap, fmt, fs, path::PathBuf, sync::Arc};

use serde::Deserialize;

use crate::{
    error::{Error, Result},
    http_client::HttpClient,
    oauth2::OAuth2,
    provider::Provider,
    secret::{ClientSecret, Secret},
    spec::ClientAuth,
};

/// The settings of one provider that is chosen at run time: a table of a configuration file.
///
/// ```toml
/// [microsoft]
/// client_id = "…"
/// client_secret_env = "MICROSOFT_CLIENT_SECRET"  # or client_secret_file, or client_secret; none for a public client
/// scopes = ["openid", "User.Read"]               # optional
/// tenant = "organizations"                       # whatever else the provider's documentation names
/// ```
#[derive(Clone, Debug, Default, Deserialize)]
pub struct ProviderConfig {
    /// The client id.
    pub client_id: String,
    /// The client secret itself. Prefer the next two.
    pub client_secret: Option<Secret>,
    /// The environment variable that holds the client secret.
    pub client_secret_env: Option<String>,
    /// The file that holds the client secret; white space around it is dropped.
    pub client_secret_file: Option<PathBuf>,
    /// How the client authenticates, where its registration decides that: `client_secret_basic` or `client_secret_post`.
    pub client_auth: Option<ClientAuth>,
    /// Scopes to ask for in place of the provider's usual ones.
    pub scopes: Option<Vec<String>>,
    /// What only this provider knows: tenant, shop, domain.
    #[serde(flatten)]
    pub parameters: BTreeMap<String, Parameter>,
    /// The HTTP client to use in place of the shared one.
    #[serde(skip)]
    pub http_client: Option<Arc<dyn HttpClient>>,
}

/// A value that only one provider knows.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Parameter {
    /// Yes or no.
    Switch(bool),
    /// A number.
    Number(i64),
    /// A text.
    Text(String),
}

impl ProviderConfig {
    /// The client secret, read from where the settings say it is.
    ///
    /// # Errors
    ///
    /// A configuration error that names the variable or the file which could not be read, or the two settings that
    /// contradict each other.
    pub fn secret(&self) -> Result<ClientSecret> {
        let wrong = |message: String| Err(Error::configuration("oauth2", message));
        match (&self.client_secret, &self.client_secret_env, &self.client_secret_file) {
            (None, None, None) => Ok(ClientSecret::NONE),
            (Some(secret), None, None) if !secret.expose().is_empty() => Ok(secret.clone().into()),
            (Some(_), None, None) => {
                wrong("client_secret is empty; leave it out for a public client".to_owned())
            }
            (None, Some(variable), None) => match std::env::var(variable) {
                Ok(secret) if !secret.is_empty() => Ok(secret.into()),
                _ => wrong(format!("the environment variable {variable} holds no client secret; set it")),
            },
            (None, None, Some(file)) => match fs::read_to_string(file) {
                Ok(secret) if !secret.trim().is_empty() => Ok(secret.trim().into()),
                Ok(_) => wrong(format!("the client secret file {} is empty", file.display())),
                Err(cause) => wrong(format!("the client secret file {}: {cause}", file.display())),
            },
            _ => wrong(
                "set one of client_secret, client_secret_env and client_secret_file, not several".to_owned(),
            ),
        }
    }

    /// The client's id and secret, for a provider that knows these parameters: what a client is made of.
    ///
    /// # Errors
    ///
    /// As [`allow`](Self::allow) and [`secret`](Self::secret).
    pub fn credentials(&self, known: &[&str]) -> Result<(&str, ClientSecret)> {
        self.allow(known)?;
        Ok((&self.client_id, self.secret()?))
    }

    /// A parameter as text, if it is set.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<String> {
        self.parameters.get(name).map(ToString::to_string)
    }

    /// A parameter without which the provider cannot be used.
    ///
    /// # Errors
    ///
    /// A configuration error that names it.
    pub fn required(&self, name: &str) -> Result<String> {
        self.parameter(name)
            .ok_or_else(|| Error::configuration("oauth2", format!("the setting {name} is missing")))
    }

    /// The client with the settings that every provider knows.
    #[must_use]
    pub fn applied_to<P: Provider>(&self, mut client: P) -> P {
        self.apply_to(client.oauth2_mut());
        client
    }

    fn apply_to(&self, client: &mut OAuth2) {
        if let Some(http) = &self.http_client {
            client.set_http_client(http.clone());
        }
        if let Some(auth) = self.client_auth {
            client.set_client_auth(auth);
        }
        if let Some(scopes) = &self.scopes {
            client.set_scopes(scopes.iter().cloned());
        }
    }

    /// Refuses an empty client id, and parameters that the provider does not know, which are most often misspelled.
    ///
    /// # Errors
    ///
    /// A configuration error that names the parameter and those that are known.
    pub fn allow(&self, known: &[&str]) -> Result<()> {
        if self.client_id.is_empty() {
            return Err(Error::configuration("oauth2", "client_id is empty"));
        }
        match self.parameters.keys().find(|name| !known.contains(&&***name)) {
            None => Ok(()),
            Some(name) => Err(Error::configuration(
                "oauth2",
                format!(
                    "the setting {name} is not known; known are client_id, client_secret, client_secret_env, \
                     client_secret_file, client_auth, scopes{}",
                    known.iter().map(|known| format!(", {known}")).collect::<String>()
                ),
            )),
        }
    }
}

impl fmt::Debug for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // It may be a secret under a misspelled name.
        f.write_str("Parameter(…)")
    }
}

impl fmt::Display for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Switch(value) => value.fmt(f),
            Self::Number(value) => value.fmt(f),
            Self::Text(value) => value.fmt(f),
        }
    }
}

/// A client that can be made from settings, for providers that are chosen at run time.
pub trait Configure: Provider + Sized {
    /// The settings that it knows beside those of every provider.
    const PARAMETERS: &'static [&'static str] = &[];

    /// Makes the client and gives it the settings of every provider with [`ProviderConfig::applied_to`].
    ///
    /// # Errors
    ///
    /// A configuration error that names the setting.
    fn from_config(config: &ProviderConfig) -> Result<Self>;
}

/// The generic client: `authorize_endpoint` and `token_endpoint`, and where the provider has them `refresh_endpoint`,
/// `revoke_endpoint` and `profile_endpoint`.
impl Configure for OAuth2 {
    const PARAMETERS: &'static [&'static str] =
        &["authorize_endpoint", "token_endpoint", "refresh_endpoint", "revoke_endpoint", "profile_endpoint"];

    fn from_config(config: &ProviderConfig) -> Result<Self> {
        let (client_id, client_secret) = config.credentials(Self::PARAMETERS)?;
        let (authorize, token) = (config.required("authorize_endpoint")?, config.required("token_endpoint")?);
        let mut client = Self::new(client_id, client_secret, authorize, token);
        let mut endpoints = client.endpoints().clone();
        endpoints.refresh = config.parameter("refresh_endpoint").map(Into::into);
        endpoints.revoke = config.parameter("revoke_endpoint").map(Into::into);
        endpoints.profile = config.parameter("profile_endpoint").map(Into::into);
        client.set_endpoints(endpoints);
        client.check_endpoints()?;
        Ok(config.applied_to(client))
    }
}
