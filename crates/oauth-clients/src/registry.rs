use std::{collections::BTreeMap, fmt, sync::Arc};

use oauth_core::{Configure, Error, OAuth2, Provider, ProviderConfig, Result};
use serde::Deserialize;

use crate::providers;

/// Providers that are chosen at run time, by name.
///
/// The configuration is a table for each provider. A name that is not a provider's own, for a second client of the same
/// one, says in `provider` whose it is:
///
/// ```toml
/// [github]
/// client_id = "…"
/// client_secret_env = "GITHUB_CLIENT_SECRET"
///
/// [github-at-work]
/// provider = "github"
/// client_id = "…"
/// client_secret_file = "/run/secrets/github"
/// base_url = "https://github.example.com"
/// ```
///
/// The generic client is `provider = "oauth2"`, with `authorize_endpoint`, `token_endpoint` and, where the provider has them,
/// `refresh_endpoint`, `revoke_endpoint` and `profile_endpoint`.
#[derive(Clone, Default)]
pub struct Registry {
    providers: BTreeMap<String, Arc<dyn Provider>>,
}

/// The tables of a configuration, by name.
pub type RegistryConfig = BTreeMap<String, RegistryEntry>;

/// One table of a [`RegistryConfig`].
#[derive(Clone, Debug, Default, Deserialize)]
pub struct RegistryEntry {
    /// Whose client this is, if the table's name does not say it.
    pub provider: Option<String>,
    /// The provider's settings.
    #[serde(flatten)]
    pub config: ProviderConfig,
}

impl Registry {
    /// The names of the providers that the enabled features know.
    #[must_use]
    pub fn known() -> &'static [&'static str] {
        providers::NAMES
    }

    /// Makes one provider under a name of the application's choosing.
    ///
    /// # Errors
    ///
    /// As [`from_config`](Self::from_config).
    pub async fn build(name: &str, entry: &RegistryEntry) -> Result<Arc<dyn Provider>> {
        let provider = entry.provider.as_deref().unwrap_or(name);
        let made = match provider {
            "oauth2" => Some(OAuth2::from_config(&entry.config).map(|client| Arc::new(client) as _)),
            _ => providers::build(provider, &entry.config),
        };
        let made = made.ok_or_else(|| unknown(name, provider))?;
        let mut client: Arc<dyn Provider> = made.map_err(|error| error.at(name.to_owned()))?;
        // Nobody else has it yet.
        if let Some(client) = Arc::get_mut(&mut client) {
            client.oauth2_mut().set_name(name.to_owned());
        }
        Ok(client)
    }

    /// Makes the providers of a configuration. Nothing is sent: a provider with discovery is asked for its metadata when they
    /// are first needed.
    ///
    /// # Errors
    ///
    /// A configuration error that names the table and, for an unknown provider, those that are known.
    pub async fn from_config(config: &RegistryConfig) -> Result<Self> {
        let mut registry = Self::default();
        for (name, entry) in config {
            registry.providers.insert(name.clone(), Self::build(name, entry).await?);
        }
        Ok(registry)
    }

    /// Adds a provider under its own name, in place of one that had it.
    pub fn insert(&mut self, provider: impl Provider + 'static) {
        self.providers.insert(provider.name().to_owned(), Arc::new(provider));
    }

    /// The provider of a name.
    ///
    /// # Errors
    ///
    /// A configuration error that says which names there are.
    pub fn get(&self, name: &str) -> Result<&Arc<dyn Provider>> {
        self.providers.get(name).ok_or_else(|| {
            let names: Vec<_> = self.providers.keys().collect();
            Error::configuration(
                name.to_owned(),
                format!("there is no such provider here; there are {names:?}"),
            )
        })
    }

    /// All providers, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<dyn Provider>> {
        self.providers.values()
    }
}

fn unknown(name: &str, provider: &str) -> Error {
    Error::configuration(
        name.to_owned(),
        format!(
            "no provider is named {provider:?}; known are oauth2 (with its endpoints), {}; others need their feature of oauth-clients",
            providers::NAMES.join(", ")
        ),
    )
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.providers.keys()).finish()
    }
}
