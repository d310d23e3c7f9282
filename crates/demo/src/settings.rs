//! The credentials of the real services: from the environment, or from a file.

use std::{env, fs, path::Path};

use oauth_clients::{ProviderConfig, Registry, RegistryConfig, RegistryEntry, Secret};

/// The credentials of one provider, from `GITHUB_CLIENT_ID` and `GITHUB_CLIENT_SECRET` for github.
///
/// # Errors
///
/// The variable that is missing.
pub fn from_environment(name: &str) -> Result<ProviderConfig, String> {
    let prefix = name.to_uppercase().replace('-', "_");
    let variable = format!("{prefix}_CLIENT_ID");
    let set = |variable: &str| env::var(variable).ok().filter(|value| !value.is_empty());
    let client_id = set(&variable).ok_or(variable)?;
    let client_secret = set(&format!("{prefix}_CLIENT_SECRET")).map(Secret::from);
    let mut config = ProviderConfig::new(client_id);
    config.client_secret = client_secret;
    Ok(config)
}

/// The credentials of all providers: those of the environment, and those of a file in the [`Registry`]'s format, which win.
///
/// # Errors
///
/// What is wrong with the file.
pub fn all(file: Option<&Path>) -> Result<RegistryConfig, String> {
    let of_environment = |name: &&str| {
        let config = from_environment(name).ok()?;
        Some(((*name).to_owned(), RegistryEntry::new(config)))
    };
    let mut all: RegistryConfig = Registry::known().iter().filter_map(of_environment).collect();
    if let Some(file) = file {
        let wrong = |cause: String| format!("{}: {cause}", file.display());
        let text = fs::read_to_string(file).map_err(|cause| wrong(cause.to_string()))?;
        // Its `Display` would quote the line, and with it a secret that is there.
        let of_file: RegistryConfig =
            toml::from_str(&text).map_err(|cause| wrong(cause.message().to_owned()))?;
        all.extend(of_file);
    }
    Ok(all)
}
