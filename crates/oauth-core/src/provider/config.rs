//! The settings of a provider that a configuration file chooses.

use std::{collections::BTreeMap, fmt, fs, path::PathBuf, sync::Arc};

use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::Value;

use crate::{
    endpoints::Endpoint,
    error::{Error, Result},
    http_client::HttpClient,
    oauth2::{OAuth2, check_client_id},
    provider::Provider,
    secret::{ClientSecret, Secret},
    spec::ClientAuth,
    text::json::Strict,
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
#[serde(remote = "Self")]
#[non_exhaustive]
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
    /// Sends secrets over plain http as well, where everybody on the way can read them. For test networks only.
    #[serde(default)]
    pub dangerously_allow_plain_http: bool,
    /// What only this provider knows: tenant, shop, domain.
    #[serde(flatten)]
    pub parameters: BTreeMap<String, Parameter>,
    /// The HTTP client to use in place of the shared one.
    #[serde(skip)]
    pub http_client: Option<Arc<dyn HttpClient>>,
}

/// The value of a setting that only one provider has.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Value")]
#[non_exhaustive]
pub enum Parameter {
    /// Yes or no.
    Switch(bool),
    /// A number.
    Number(i64),
    /// A text.
    Text(String),
}

impl ProviderConfig {
    /// Settings with a client id and nothing else; what else is needed is set afterwards.
    pub fn new(client_id: impl Into<String>) -> Self {
        Self { client_id: client_id.into(), ..Self::default() }
    }

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
    /// As [`allow`](Self::allow) and [`secret`](Self::secret); a configuration error when the secret ends in a line break.
    pub fn credentials(&self, known: &[&str]) -> Result<(&str, ClientSecret)> {
        self.allow(known)?;
        let secret = self.secret()?;
        secret.check().map_err(|problem| Error::configuration("oauth2", problem))?;
        Ok((&self.client_id, secret))
    }

    /// A parameter as text, if it is set.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<String> {
        self.parameters.get(name).map(ToString::to_string)
    }

    /// The value of a setting that the provider cannot do without.
    ///
    /// # Errors
    ///
    /// A configuration error that names it.
    pub fn required(&self, name: &str) -> Result<String> {
        self.parameter(name)
            .ok_or_else(|| Error::configuration("oauth2", format!("the setting {name} is missing")))
    }

    /// Gives a client the settings that every provider knows.
    #[must_use]
    pub fn apply_to(&self, mut client: OAuth2) -> OAuth2 {
        if let Some(http) = &self.http_client {
            client.set_http_client(http.clone());
        }
        if let Some(auth) = self.client_auth {
            client.set_client_auth(auth);
        }
        if let Some(scopes) = &self.scopes {
            client.set_scopes(scopes.iter().cloned());
        }
        if self.dangerously_allow_plain_http {
            client = client.dangerously_allow_plain_http();
        }
        client
    }

    /// Refuses a client id that is empty or has white space around it, and parameters that the provider does not know, which are most often misspelled.
    ///
    /// # Errors
    ///
    /// A configuration error that names the parameter and those that are known.
    pub fn allow(&self, known: &[&str]) -> Result<()> {
        check_client_id(&self.client_id).map_err(|problem| Error::configuration("oauth2", problem))?;
        match self.parameters.keys().find(|name| !known.contains(&&***name)) {
            None => Ok(()),
            Some(name) => Err(Error::configuration(
                "oauth2",
                format!(
                    "the setting {name} is not known; known are client_id, client_secret, client_secret_env, \
                     client_secret_file, client_auth, scopes, dangerously_allow_plain_http{}",
                    known.iter().map(|known| format!(", {known}")).collect::<String>()
                ),
            )),
        }
    }
}

// The derived implementation (`remote = "Self"`) reads the settings after a check that they are a table that names nothing twice: by
// itself, it would quote a text that takes the place of the table, and take the last of two parameters.
impl<'de> Deserialize<'de> for ProviderConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Strict(settings) = Strict::deserialize(deserializer)?;
        if !settings.is_object() {
            return Err(D::Error::custom("the settings of a provider are a table"));
        }
        Self::deserialize(settings).map_err(D::Error::custom)
    }
}

impl TryFrom<Value> for Parameter {
    type Error = &'static str;

    fn try_from(value: Value) -> Result<Self, Self::Error> {
        let parameter = match value {
            Value::Bool(value) => Some(Self::Switch(value)),
            Value::Number(value) => value.as_i64().map(Self::Number),
            Value::String(value) => Some(Self::Text(value)),
            _ => None,
        };
        parameter.ok_or("a parameter is a text, a whole number, true or false")
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

    /// Makes the client and gives it the settings of every provider with [`ProviderConfig::apply_to`].
    ///
    /// # Errors
    ///
    /// A configuration error that names the setting.
    fn from_config(config: &ProviderConfig) -> Result<Self>;
}

/// The generic client: `authorize_endpoint` and `token_endpoint`, and where the provider has them `refresh_endpoint`,
/// `revoke_endpoint` and `profile_endpoint`; `issuer` as for [`Provider::with_issuer`], or for callbacks alone `callback_issuer`.
impl Configure for OAuth2 {
    const PARAMETERS: &'static [&'static str] = &[
        "authorize_endpoint",
        "token_endpoint",
        "refresh_endpoint",
        "revoke_endpoint",
        "profile_endpoint",
        "issuer",
        "callback_issuer",
    ];

    fn from_config(config: &ProviderConfig) -> Result<Self> {
        let (client_id, client_secret) = config.credentials(Self::PARAMETERS)?;
        let (authorize, token) = (config.required("authorize_endpoint")?, config.required("token_endpoint")?);
        let mut client = Self::new(client_id, client_secret, authorize, token);
        let mut endpoints = client.endpoints().clone();
        for (endpoint, name) in [
            (Endpoint::Refresh, "refresh_endpoint"),
            (Endpoint::Revocation, "revoke_endpoint"),
            (Endpoint::Profile, "profile_endpoint"),
        ] {
            if let Some(url) = config.parameter(name) {
                endpoints.set(endpoint, url);
            }
        }
        client.set_endpoints(endpoints);
        let mut client = config.apply_to(client);
        client.check_endpoints()?;
        if let Some(issuer) = config.parameter("issuer") {
            client.set_issuer(issuer);
        }
        if let Some(issuer) = config.parameter("callback_issuer") {
            client.set_callback_issuer(issuer);
        }
        Ok(client)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<ProviderConfig, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn what_no_setting_of_all_providers_takes_is_a_parameter_of_one() {
        let config = read(
            r#"{"client_id": "id", "client_secret": "s\u0065cret", "client_secret_env": "ENV", "client_secret_file": "/a/b",
                "client_auth": "client_secret_basic_unencoded", "scopes": ["a", "b"],
                "tenant": "t", "port": -8080, "sandbox": true, "http_client": "text", "largest": 9223372036854775807}"#,
        )
        .unwrap();
        assert_eq!(config.client_id, "id");
        assert_eq!(config.client_secret.as_ref().map(Secret::expose), Some("secret"));
        assert_eq!(config.client_secret_env.as_deref(), Some("ENV"));
        assert_eq!(config.client_secret_file, Some(PathBuf::from("/a/b")));
        assert_eq!(config.client_auth, Some(ClientAuth::BasicUnencoded));
        assert_eq!(config.scopes, Some(vec!["a".to_owned(), "b".to_owned()]));
        let parameters = BTreeMap::from([
            ("http_client".to_owned(), Parameter::Text("text".to_owned())),
            ("largest".to_owned(), Parameter::Number(i64::MAX)),
            ("port".to_owned(), Parameter::Number(-8080)),
            ("sandbox".to_owned(), Parameter::Switch(true)),
            ("tenant".to_owned(), Parameter::Text("t".to_owned())),
        ]);
        assert_eq!(config.parameters, parameters);
        assert!(config.http_client.is_none());
    }

    #[test]
    fn what_is_null_or_missing_is_not_set() {
        for json in [
            r#"{"client_id": ""}"#,
            r#"{"client_id": "", "client_secret": null, "client_secret_env": null, "client_secret_file": null,
                "client_auth": null, "scopes": null}"#,
        ] {
            let config = read(json).unwrap();
            assert!(
                config.client_id.is_empty()
                    && config.client_secret.is_none()
                    && config.client_secret_env.is_none()
            );
            assert!(
                config.client_secret_file.is_none()
                    && config.client_auth.is_none()
                    && config.scopes.is_none()
            );
            assert!(config.parameters.is_empty());
        }
    }

    #[test]
    fn what_is_wrong_is_refused_without_quoting_it() {
        for wrong in [
            "null",
            "[]",
            "\"SECRET\"",
            "[\"SECRET\"]",
            r#"{}"#,
            r#"{"client_secret": "SECRET"}"#,
            r#"{"client_id": null}"#,
            r#"{"client_id": 1}"#,
            r#"{"client_id": "a", "client_id": "a"}"#,
            r#"{"client_id": "a", "client_secret": ["SECRET"]}"#,
            r#"{"client_id": "a", "client_secret": {"SECRET": "SECRET"}}"#,
            r#"{"client_id": "a", "client_secret_env": ["SECRET"]}"#,
            r#"{"client_id": "a", "client_secret_file": 1}"#,
            r#"{"client_id": "a", "client_auth": "private_key_jwt"}"#,
            r#"{"client_id": "a", "client_auth": 0}"#,
            r#"{"client_id": "a", "scopes": "b"}"#,
            r#"{"client_id": "a", "scopes": [1]}"#,
            r#"{"client_id": "a", "tenant": null}"#,
            r#"{"client_id": "a", "tenant": 1.5}"#,
            r#"{"client_id": "a", "tenant": 1.0}"#,
            r#"{"client_id": "a", "tenant": 9223372036854775808}"#,
            r#"{"client_id": "a", "tenant": ["SECRET"]}"#,
            r#"{"client_id": "a", "tenant": {"SECRET": "SECRET"}}"#,
        ] {
            let error = read(wrong).map(|_| ()).expect_err(wrong);
            assert!(!error.contains("SECRET"), "{wrong}: {error}");
        }
    }

    #[test]
    fn a_parameter_is_read_by_itself_too() {
        for (json, parameter) in [
            ("true", Parameter::Switch(true)),
            ("-1", Parameter::Number(-1)),
            ("\"1\"", Parameter::Text("1".to_owned())),
        ] {
            assert_eq!(serde_json::from_str::<Parameter>(json).unwrap(), parameter);
        }
        for wrong in ["null", "1.5", "18446744073709551615", "[\"SECRET\"]", "{\"SECRET\":\"SECRET\"}"] {
            let error = serde_json::from_str::<Parameter>(wrong).unwrap_err().to_string();
            assert!(!error.contains("SECRET"), "{error}");
        }
    }

    #[test]
    fn a_client_authentication_is_known_by_its_registered_name() {
        for (name, auth) in [
            ("client_secret_post", ClientAuth::Post),
            ("client_secret_basic", ClientAuth::Basic),
            ("client_secret_basic_unencoded", ClientAuth::BasicUnencoded),
            ("none", ClientAuth::None),
        ] {
            assert_eq!(serde_json::from_str::<ClientAuth>(&format!("\"{name}\"")).unwrap(), auth);
        }
        for wrong in ["\"Post\"", "\"\"", "null", "1", "[]"] {
            assert!(serde_json::from_str::<ClientAuth>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_secret_comes_from_one_place_and_is_not_empty() {
        let secret = |json: &str| {
            let secret = read(json).unwrap().secret();
            secret.map(|secret| secret.is_none()).map_err(|error| error.to_string())
        };
        assert_eq!(secret(r#"{"client_id": "id"}"#), Ok(true));
        assert_eq!(secret(r#"{"client_id": "id", "client_secret": "s"}"#), Ok(false));
        for (json, problem) in [
            (r#"{"client_id": "id", "client_secret": ""}"#, "client_secret is empty"),
            (
                r#"{"client_id": "id", "client_secret_env": "OAUTH_CORE_NOBODY_SETS_THIS"}"#,
                "OAUTH_CORE_NOBODY_SETS_THIS",
            ),
            (r#"{"client_id": "id", "client_secret_file": "/nowhere/at/all"}"#, "/nowhere/at/all"),
            (r#"{"client_id": "id", "client_secret": "s", "client_secret_env": "E"}"#, "not several"),
        ] {
            let found = secret(json).unwrap_err();
            assert!(found.contains(problem), "{json}: {found}");
        }
    }
}
