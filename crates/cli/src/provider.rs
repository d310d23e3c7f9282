//! Which provider is meant, and with which client.

use std::{collections::BTreeMap, fs, io::Read, path::Path, sync::Arc};

use oauth_clients::{
    HttpClient, Provider, Registry, RegistryEntry, ReqwestClient,
    fapi::PushedRequests,
    rustls::pki_types::{CertificateDer, pem::PemObject},
    tls_trusting,
};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{
    arguments::{Client, Common},
    config::{self, ClientProfile},
    exit::{CommandResult, Failure, in_words_of_this_tool},
};

/// What somebody named on the command line.
#[derive(Debug)]
pub(crate) struct NamedClient {
    /// Its name as an account, unless another is given.
    pub(crate) name: String,
    pub(crate) profile: ClientProfile,
}

/// Whether a target is a URL and not a name.
pub(crate) fn is_url(target: &str) -> bool {
    target.contains("://")
}

/// Finds out what a target is: a table of the configuration, a provider by its name, or an issuer.
pub(crate) fn target(target: &str, client: &Client, common: &Common) -> CommandResult<NamedClient> {
    let tables = config::read(common.config.as_deref())?;
    let mut found = find(target, &tables)?;
    apply(client, &mut found.profile.settings)?;
    Ok(found)
}

fn find(target: &str, tables: &BTreeMap<String, ClientProfile>) -> CommandResult<NamedClient> {
    if let Some(profile) = tables.get(target) {
        return Ok(NamedClient { name: target.to_owned(), profile: profile.clone() });
    }
    if is_url(target) {
        // A table may say more of it than its URL does.
        let same = |profile: &&ClientProfile| profile.text("issuer") == Some(target);
        let profile = tables.values().find(same).cloned().unwrap_or_else(|| {
            let mut settings = Map::new();
            settings.insert("provider".to_owned(), "openid".into());
            settings.insert("issuer".to_owned(), target.into());
            ClientProfile { settings, redirect_uri: None }
        });
        let host = target.split_once("://").map_or(target, |(_, rest)| rest);
        let name = host.split(['/', '?', '#']).next().unwrap_or(host).to_owned();
        return Ok(NamedClient { name, profile });
    }
    let mut settings = Map::new();
    settings.insert("provider".to_owned(), target.into());
    Ok(NamedClient { name: target.to_owned(), profile: ClientProfile { settings, redirect_uri: None } })
}

/// Adds what the command line says of the client.
fn apply(client: &Client, settings: &mut Map<String, Value>) -> CommandResult {
    let mut set = |name: &str, value: Value| {
        settings.insert(name.to_owned(), value);
    };
    if let Some(id) = &client.client_id {
        set("client_id", id.as_str().into());
    }
    if let Some(variable) = &client.client_secret_env {
        set("client_secret_env", variable.as_str().into());
    }
    match client.client_secret_file.as_deref() {
        Some("-") => {
            let mut secret = String::new();
            std::io::stdin().lock().take(64 * 1024).read_to_string(&mut secret)?;
            set("client_secret", secret.trim().into());
        }
        Some(file) => {
            // It is read again at each refresh, in whatever folder that is asked for.
            let path = std::path::absolute(file)?;
            let path = path.to_str().ok_or_else(|| {
                Failure::Usage(format!(
                    "--client-secret-file {file:?} is in a folder whose name is not valid Unicode"
                ))
            })?;
            set("client_secret_file", path.into());
        }
        None => {}
    }
    if !client.scopes.is_empty() {
        set("scopes", client.scopes.clone().into());
    }
    for setting in &client.settings {
        let (name, value) = setting.split_once('=').ok_or_else(|| {
            Failure::Usage(format!(
                "--set takes NAME=VALUE, such as tenant=organizations, and got {setting:?}"
            ))
        })?;
        if name == "client_secret" {
            return Err(Failure::Usage(
                "a secret is not an argument, because other users can see those; use --client-secret-env or --client-secret-file"
                    .to_owned(),
            ));
        }
        let value = match value {
            "true" => true.into(),
            "false" => false.into(),
            _ => value.parse::<i64>().map_or_else(|_| value.into(), Value::from),
        };
        set(name, value);
    }
    Ok(())
}

/// Makes the client.
pub(crate) async fn build(
    name: &str,
    profile: &ClientProfile,
    common: &Common,
) -> CommandResult<Arc<dyn Provider>> {
    let mut settings = profile.resolved()?;
    if !settings.contains_key("client_id") {
        return Err(Failure::Usage(format!(
            "which client is it? Give --client-id, or write client_id into the table [{name}] of the configuration \
             ({}); it is what the provider gave you when you registered the application",
            config::path(common.config.as_deref())?.display(),
        )));
    }
    if common.dangerously_allow_plain_http {
        settings.insert("dangerously_allow_plain_http".to_owned(), true.into());
    }
    let mut entry = RegistryEntry::deserialize(Value::Object(settings))
        .map_err(|error| Failure::Usage(format!("[{name}] {error}")))?;
    entry.config.http_client = Some(http_client(common)?);
    let made = Registry::build(name, &entry).await;
    let mut made = made.map_err(|error| Failure::Usage(in_words_of_this_tool(error.to_string())))?;
    // Nobody else has it yet.
    if let Some(client) = Arc::get_mut(&mut made) {
        let pushing = PushedRequests::new().only_on_demand();
        *client.oauth2_mut() = client.oauth2().clone().with_participant(pushing);
    }
    Ok(made)
}

/// The HTTP client of every request.
pub(crate) fn http_client(common: &Common) -> CommandResult<Arc<dyn HttpClient>> {
    match &common.ca_file {
        None => Ok(oauth_clients::default_http_client()?),
        Some(file) => trusting(file),
    }
}

fn trusting(file: &Path) -> CommandResult<Arc<dyn HttpClient>> {
    let wrong = |problem: String| Failure::Usage(format!("--ca-file {}: {problem}", file.display()));
    let pem = fs::read(file).map_err(|error| wrong(error.to_string()))?;
    let authorities = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
    let authorities = authorities.map_err(|error| wrong(format!("is not PEM: {error}")))?;
    if authorities.is_empty() {
        return Err(wrong("holds no certificate in PEM".to_owned()));
    }
    let tls = tls_trusting(authorities).map_err(|error| wrong(error.to_string()))?;
    Ok(Arc::new(ReqwestClient::with_tls(tls)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(settings: &[&str]) -> Client {
        Client {
            client_id: Some("id".to_owned()),
            client_secret_env: None,
            client_secret_file: None,
            scopes: Vec::new(),
            settings: settings.iter().map(|&setting| setting.to_owned()).collect(),
        }
    }

    #[test]
    fn a_target_is_a_table_a_provider_or_an_issuer() {
        let tables = config::parse(
            "[work]\nprovider = \"openid\"\nissuer = \"https://a.example/x\"\nclient_id = \"a\"",
        )
        .unwrap();
        assert_eq!(find("work", &tables).unwrap().profile.text("provider"), Some("openid"));
        let github = find("github", &tables).unwrap();
        assert_eq!((github.name.as_str(), github.profile.text("provider")), ("github", Some("github")));
        let known = find("https://a.example/x", &tables).unwrap();
        assert_eq!((known.name.as_str(), known.profile.text("client_id")), ("a.example", Some("a")));
        let other = find("https://b.example:8443/y?z", &tables).unwrap();
        assert_eq!(
            (other.name.as_str(), other.profile.text("issuer")),
            ("b.example:8443", Some("https://b.example:8443/y?z"))
        );
    }

    #[test]
    fn a_setting_is_a_text_a_number_or_a_switch_and_never_a_secret() {
        let mut settings = Map::new();
        apply(&client(&["tenant=a=b", "number=3", "switch=true"]), &mut settings).unwrap();
        assert_eq!(
            Value::Object(settings),
            serde_json::json!({ "client_id": "id", "tenant": "a=b", "number": 3, "switch": true })
        );
        for wrong in ["client_secret=SECRET", "tenant"] {
            let Err(Failure::Usage(problem)) = apply(&client(&[wrong]), &mut Map::new()) else {
                panic!("{wrong}")
            };
            assert!(!problem.contains("SECRET"), "{problem}");
        }
    }

    #[test]
    fn a_secret_file_is_found_again_from_another_folder() {
        let mut named = client(&[]);
        named.client_secret_file = Some("secret".to_owned());
        let mut settings = Map::new();
        apply(&named, &mut settings).unwrap();
        assert!(Path::new(settings["client_secret_file"].as_str().unwrap()).is_absolute());
    }
}
