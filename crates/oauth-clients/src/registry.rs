use std::{collections::BTreeMap, fmt, sync::Arc};

use oauth_core::{
    Configure, Error, OAuth2, Provider, ProviderConfig, Result, StrictJson, serde::Deserialize,
    serde_json::Value,
};

use crate::{private_key, providers};

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
/// Each table can have `client_auth`, `scopes` and, for a test network without TLS, `dangerously_allow_plain_http = true`.
///
/// With the feature `fapi`, a private key can take the place of the secret (`private_key_jwt`): `private_key_file` names a file in PEM form or
/// with a JWK, `private_key_alg` the algorithm, such as `ES256`, where a JWK does not, and `private_key_id` the key's name at the provider, if it is
/// not the one of the JWK. Apple's table has a `private_key_file` of its own.
///
/// ```toml
/// [bank]
/// provider = "openid"
/// issuer = "https://bank.example"
/// client_id = "…"
/// private_key_file = "/run/secrets/bank.pem"
/// private_key_alg = "PS256"
/// private_key_id = "2026-11"
/// ```
///
/// The generic client of OpenID Connect is `provider = "openid"`, with `issuer`. A document that is elsewhere is named by `discovery_url`, which
/// needs `trust_discovery_url = true` on another host than the issuer's; `rfc_8414_document = true` reads the one of RFC 8414 as well.
///
/// The generic client is `provider = "oauth2"`, with `authorize_endpoint`, `token_endpoint` and, where the provider has them,
/// `refresh_endpoint`, `revoke_endpoint` and `profile_endpoint`; with `issuer`, or `callback_issuer` alone, callbacks are compared.
///
/// Give each provider of a registry a redirect URI of its own, such as `/auth/{name}/callback`, and look the client up by the name
/// in the route of the callback. Where several share one and a provider sends no `iss`, a hostile one of them can have another's code
/// sent to itself (mix-up, RFC 9700 section 4.4): nothing in the callback says from whom it comes.
#[derive(Clone, Default)]
pub struct Registry {
    providers: BTreeMap<String, Arc<dyn Provider>>,
}

/// The tables of a configuration, by name.
///
/// A reader of files may quote in its error the line that it could not read, and with it a secret that is there: of an error of the
/// `toml` crate show the `message()`, not the whole.
pub type RegistryConfig = BTreeMap<String, RegistryEntry>;

/// One table of a [`RegistryConfig`].
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(crate = "oauth_core::serde", try_from = "StrictJson")]
#[non_exhaustive]
pub struct RegistryEntry {
    /// Whose client this is, if the table's name does not say it.
    pub provider: Option<String>,
    /// The provider's settings.
    pub config: ProviderConfig,
}

impl RegistryEntry {
    /// A table of the provider that its name says.
    #[must_use]
    pub fn new(config: ProviderConfig) -> Self {
        Self { provider: None, config }
    }

    /// Says whose client it is, where the table's name does not.
    #[must_use]
    pub fn with_provider(mut self, provider: impl Into<String>) -> Self {
        self.provider = Some(provider.into());
        self
    }
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
        let (config, key) =
            private_key::taken_out(provider, &entry.config).map_err(|error| error.at(name.to_owned()))?;
        let made = match provider {
            "oauth2" => Some(OAuth2::from_config(&config).map(|client| Arc::new(client) as _)),
            _ => providers::build(provider, &config),
        };
        let made = made.ok_or_else(|| unknown(name, provider))?;
        let mut client: Arc<dyn Provider> = made.map_err(|error| error.at(name.to_owned()))?;
        // Nobody else has it yet.
        if let Some(client) = Arc::get_mut(&mut client) {
            let named = client.oauth2().clone().with_name(name.to_owned());
            *client.oauth2_mut() = match key {
                Some(key) => named.with_credentials(key),
                None => named,
            };
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
                // It may come from a path, and would break a log's lines.
                name.escape_debug().to_string(),
                format!("there is no such provider here; there are {names:?}"),
            )
        })
    }

    /// All providers, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<dyn Provider>> {
        self.providers.values()
    }
}

// Not derived from the fields, because that would quote a text in place of the table.
impl TryFrom<StrictJson> for RegistryEntry {
    type Error = String;

    fn try_from(StrictJson(settings): StrictJson) -> Result<Self, String> {
        let Value::Object(mut settings) = settings else {
            return Err("the settings of a provider are a table".to_owned());
        };
        let provider = match settings.remove("provider") {
            None | Some(Value::Null) => None,
            Some(Value::String(provider)) => Some(provider),
            Some(_) => return Err("provider is not a text".to_owned()),
        };
        let config =
            ProviderConfig::deserialize(Value::Object(settings)).map_err(|error| error.to_string())?;
        Ok(Self { provider, config })
    }
}

fn unknown(name: &str, provider: &str) -> Error {
    let known = providers::NAMES.join(", ");
    let advice = match meant(provider) {
        Some(meant) if providers::NAMES.contains(&meant) => format!("did you mean {meant:?}?"),
        Some(meant) if meant == provider => format!("switch on the feature {meant:?} of oauth-clients"),
        Some(meant) => format!("did you mean {meant:?}? It needs the feature of that name of oauth-clients"),
        None => "the generic clients oauth2 and openid speak to any other".to_owned(),
    };
    let problem = format!(
        "no provider is named {provider:?}; {advice}; known are oauth2 (with its endpoints), {known}"
    );
    Error::configuration(name.to_owned(), problem)
}

/// The provider that somebody may have meant by a name that none has.
fn meant(name: &str) -> Option<&'static str> {
    let name = name.trim().to_lowercase().replace(['_', ' ', '.'], "-");
    let name = name.trim_matches('-');
    let all = || providers::ALL.iter().copied();
    if let Some((_, meant)) = OTHER_NAMES.iter().find(|(other, _)| *other == name) {
        return Some(meant);
    }
    // `click-up` for `clickup`, `login-gov` for `logingov`.
    let plain = |name: &str| name.replace('-', "");
    all().find(|other| plain(other) == plain(name)).or_else(|| {
        let near = all().map(|other| (strsim::jaro_winkler(name, other), other));
        let nearest = near.max_by(|(one, _), (other, _)| one.total_cmp(other));
        nearest.filter(|(similarity, _)| *similarity >= 0.85).map(|(_, other)| other)
    })
}

/// Names by which people know a provider, beside its own.
const OTHER_NAMES: &[(&str, &str)] = &[
    ("azure", "microsoft"),
    ("azure-ad", "microsoft"),
    ("bnet", "battlenet"),
    ("codeberg", "gitea"),
    ("cognito", "amazon-cognito"),
    ("entra", "microsoft"),
    ("entra-id", "microsoft"),
    ("forgejo", "gitea"),
    ("jira", "atlassian"),
    ("meta", "facebook"),
    ("oidc", "openid"),
    ("quickbooks", "intuit"),
    ("twitter", "x"),
    ("vk", "vkid"),
    ("weixin", "wechat"),
];

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.providers.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use oauth_core::{ClientAuth, Parameter, Secret};

    use super::*;

    #[test]
    fn a_name_that_no_provider_has_is_answered_with_the_nearest() {
        for (name, nearest) in [
            ("twitter", Some("x")),
            ("Google", Some("google")),
            ("githb", Some("github")),
            ("git-hub", Some("github")),
            ("micro-soft", Some("microsoft")),
            ("login_gov", Some("login-gov")),
            ("login.gov", Some("login-gov")),
            ("box_", Some("box")),
            ("linkdin", Some("linkedin")),
            ("steam", None),
            ("", None),
        ] {
            assert_eq!(meant(name), nearest, "{name:?}");
        }
        for (_, provider) in OTHER_NAMES {
            assert!(providers::ALL.contains(provider), "{provider}");
        }
        let error = unknown("work", "githb").to_string();
        assert!(error.contains("no provider is named \"githb\"; did you mean \"github\"?"), "{error}");
    }

    #[test]
    fn a_table_says_whose_client_it_is_and_the_rest_is_the_providers() {
        let config: RegistryConfig = toml::from_str(
            r#"
            [one]
            provider = "github"
            client_id = "id"
            client_secret = "secret"
            client_auth = "client_secret_basic"
            scopes = ["a", "b"]
            tenant = "t"
            number = 17
            switch = false

            [two]
            client_id = "id"
            "#,
        )
        .unwrap();
        let one = &config["one"];
        assert_eq!(one.provider.as_deref(), Some("github"));
        assert_eq!(one.config.client_id, "id");
        assert_eq!(one.config.client_secret.as_ref().map(Secret::expose), Some("secret"));
        assert_eq!(one.config.client_auth, Some(ClientAuth::Basic));
        assert_eq!(one.config.scopes.as_deref(), Some(&["a".to_owned(), "b".to_owned()][..]));
        let parameters = BTreeMap::from([
            ("number".to_owned(), Parameter::Number(17)),
            ("switch".to_owned(), Parameter::Switch(false)),
            ("tenant".to_owned(), Parameter::Text("t".to_owned())),
        ]);
        assert_eq!(one.config.parameters, parameters);
        assert_eq!(config["two"].provider, None);
        assert!(config["two"].config.parameters.is_empty());
        let read = oauth_core::serde_json::from_str::<RegistryEntry>;
        let null = read(r#"{"provider": null, "client_id": "a", "shop": "b"}"#).unwrap();
        assert_eq!((null.provider, null.config.parameter("shop").as_deref()), (None, Some("b")));
    }

    #[test]
    fn a_name_that_nobody_has_breaks_no_line_of_a_log() {
        let error = Registry::default().get("a\nb").unwrap_err();
        assert!(error.to_string().starts_with("configure at a\\nb: "), "{error}");
    }

    #[test]
    fn a_table_that_cannot_be_read_is_refused_without_quoting_its_values() {
        for wrong in [
            "SECRET = 1979-05-27",
            "client_id = [\"SECRET\"]",
            "client_id = \"a\"\nclient_secret = [\"SECRET\"]",
            "client_id = \"a\"\nclient_secret = { a = \"SECRET\" }",
            "client_id = \"a\"\nclient_auth = \"other\"",
            "client_id = \"a\"\nscopes = \"openid\"",
            "client_id = \"a\"\nprovider = 1",
            "client_id = \"a\"\ntenant = 1979-05-27",
            "client_id = \"a\"\ntenant = 1.5",
            "client_id = \"a\"\ntenant = [\"SECRET\"]",
        ] {
            let error = toml::from_str::<RegistryEntry>(wrong).unwrap_err();
            assert!(!error.message().contains("SECRET"), "{wrong}: {error}");
        }
        for wrong in [
            "[]",
            "null",
            r#"{"provider":"a","provider":"b","client_id":"c"}"#,
            r#"{"client_id":"a","client_id":"b"}"#,
        ] {
            assert!(oauth_core::serde_json::from_str::<RegistryEntry>(wrong).is_err(), "{wrong}");
        }
    }
}
