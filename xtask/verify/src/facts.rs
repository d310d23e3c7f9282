//! What a facts file says that a provider's metadata says too.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

/// The fields of a facts file that can be compared; `crates/oauth-emulator/providers/README.md` explains them.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct PublishedFacts {
    pub(crate) issuer: Option<String>,
    pub(crate) discovery_url: Option<String>,
    pub(crate) jwks_url: Option<String>,
    pub(crate) authorize_url: Option<String>,
    pub(crate) token_url: Option<String>,
    pub(crate) revoke_url: Option<String>,
    pub(crate) introspect_url: Option<String>,
    pub(crate) device_authorization_url: Option<String>,
    pub(crate) userinfo_url: Option<String>,
    pub(crate) profile_url: Option<String>,
    pub(crate) end_session_url: Option<String>,
    pub(crate) token_auth: Option<String>,
    pub(crate) pkce: Option<String>,
    parameters: Vec<String>,
    pub(crate) emulator: PublishedManners,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct PublishedManners {
    /// Further URLs of an endpoint, by the name of its key.
    pub(crate) aliases: BTreeMap<String, Vec<String>>,
    pub(crate) id_token_alg: Option<String>,
    pub(crate) iss_parameter: bool,
}

impl PublishedFacts {
    /// The facts of these providers, or of all; without those of invented ones.
    pub(crate) fn all(folder: &Path, names: &[String]) -> Result<BTreeMap<String, Self>> {
        let mut all = BTreeMap::new();
        for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
            let path = entry?.path();
            let Some(name) = path.file_stem().and_then(|name| name.to_str()) else { continue };
            let is_wanted = names.is_empty() || names.iter().any(|wanted| wanted == name);
            if is_wanted && path.extension().is_some_and(|extension| extension == "toml") {
                let facts =
                    Self::parse(&fs::read_to_string(&path)?).with_context(|| path.display().to_string())?;
                if !facts.is_invented() {
                    all.insert(name.to_owned(), facts);
                }
            }
        }
        match names.iter().find(|name| !all.contains_key(*name)) {
            Some(name) => bail!("there are no facts about a provider {name}"),
            None => Ok(all),
        }
    }

    pub(crate) fn parse(text: &str) -> Result<Self> {
        Ok(toml::from_str(text)?)
    }

    /// Whether no such provider exists: it is at a host of RFC 2606, as the generic ones are.
    fn is_invented(&self) -> bool {
        self.discovery_url.as_deref().is_some_and(|url| url.contains(".example/"))
    }

    /// A URL of the facts with its parameters filled in.
    ///
    /// # Errors
    ///
    /// The name of one that nobody set.
    pub(crate) fn filled(&self, url: &str, set: &BTreeMap<String, String>) -> Result<String, String> {
        let usual = self.parameters.iter().filter_map(|parameter| parameter.split_once('='));
        let mut filled = url.to_owned();
        for (name, value) in set.iter().map(|(name, value)| (&**name, &**value)).chain(usual) {
            filled = filled.replace(&format!("{{{name}}}"), value);
        }
        match filled.split_once('{').and_then(|(_, rest)| rest.split_once('}')) {
            Some((name, _)) => Err(name.to_owned()),
            None => Ok(filled),
        }
    }
}
