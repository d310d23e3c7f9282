//! Whether the configuration can be a client at all.

use std::sync::Arc;

use oauth_clients::{HttpClient, Provider, Registry, RegistryEntry};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    config::ClientProfile,
    doctor::{facts::TargetFacts, finding::Finding, stored},
    urls::has_user,
};

/// Makes the client of a table without asking anybody. In place of the secret it has a word, because the command that prints the secret may
/// ask its user for a password.
pub(crate) async fn build(
    name: &str,
    profile: &ClientProfile,
    http: &Arc<dyn HttpClient>,
) -> Result<Arc<dyn Provider>, String> {
    let mut settings = profile.settings.clone();
    if profile.has_secret() {
        for place in ["client_secret_env", "client_secret_file", "client_secret_cmd"] {
            settings.remove(place);
        }
        settings.insert("client_secret".to_owned(), "doctor".into());
    }
    let entry = RegistryEntry::deserialize(Value::Object(settings));
    let mut entry = entry.map_err(|error| error.to_string())?;
    entry.config.http_client = Some(Arc::clone(http));
    Registry::build(name, &entry).await.map_err(|error| error.to_string())
}

pub(super) fn check(facts: &TargetFacts, findings: &mut Vec<Finding>) {
    if let Some(problem) = &facts.unreadable {
        findings.push(Finding::fail("DO-30", problem.clone()));
    }
    let Some(profile) = &facts.profile else { return };
    let is_missing = |name: &str| profile.settings.get(name).is_none_or(Value::is_null);
    misspelled(profile, findings);
    let before = findings.len();
    match profile.text("provider") {
        Some(provider) if provider != "oauth2" && !Registry::known().contains(&provider) => {
            findings.push(unknown(provider, facts));
        }
        Some("openid") if facts.issuer.is_none() && is_missing("issuer") => {
            findings.push(Finding::fail(
                "DO-30",
                "issuer is missing; it is the URL by which the provider names itself, such as https://login.example",
            ));
        }
        _ => {}
    }
    match profile.text("client_id") {
        None if is_missing("client_id") => findings.push(Finding::fail(
            "DO-30",
            "client_id is missing; it is what the provider gave you for the application",
        )),
        None => {}
        Some("") => findings.push(Finding::fail(
            "DO-30",
            "client_id is empty; write what the provider gave you for the application",
        )),
        Some(id) if id.trim() != id => {
            findings.push(Finding::fail(
                "DO-30",
                format!("client_id is {id:?}: remove the white space around it"),
            ));
        }
        Some(_) => {}
    }
    types(profile, findings);
    endpoints(profile, findings);
    if let Some(problem) = facts.problem.as_ref().filter(|_| findings.len() == before) {
        // The table is named above already.
        let problem = problem.split_once(": ").filter(|(start, _)| start.starts_with("configure at "));
        let problem = problem.map_or(facts.problem.as_deref().unwrap_or_default(), |(_, problem)| problem);
        let advice = if problem.ends_with(" is missing") { "; add it to the table" } else { "" };
        findings
            .push(Finding::fail("DO-30", format!("no client can be made of this table: {problem}{advice}")));
    }
    secret(profile, findings);
    if let Some(scopes) = profile.settings.get("scopes").and_then(Value::as_array) {
        for scope in
            scopes.iter().filter_map(Value::as_str).filter(|scope| scope.split_whitespace().count() != 1)
        {
            findings.push(Finding::warn(
                "DO-12",
                format!("scopes has {scope:?}, which is not one scope: write each as a text of its own"),
            ));
        }
    }
    if profile.settings.get("dangerously_allow_plain_http") == Some(&Value::Bool(true)) {
        findings.push(Finding::warn(
            "DO-05",
            "dangerously_allow_plain_http is true: everybody in between reads the secrets; remove it outside of test networks",
        ));
    }
}

/// A provider that does not exist, or a table whose name was taken for one.
fn unknown(provider: &str, facts: &TargetFacts) -> Finding {
    // The registry knows which one was meant.
    let meant = facts.problem.as_deref().and_then(|problem| problem.split_once("did you mean "));
    let meant =
        meant.and_then(|(_, rest)| rest.split_once('?')).map(|(meant, _)| format!("; did you mean {meant}?"));
    let meant = meant.unwrap_or_default();
    let problem = match facts.names_provider {
        true => format!("provider is {provider:?}, which nobody knows{meant}"),
        false => format!(
            "nobody knows a provider named {provider:?}{meant}; whose client it is belongs into the table, such as provider = \"openid\" \
             with the issuer"
        ),
    };
    Finding::fail("DO-30", format!("{problem}; known are oauth2 and {}", Registry::known().join(", ")))
}

/// Whether the addresses in a table are whole. The library's own errors do not say which setting it is.
fn endpoints(profile: &ClientProfile, findings: &mut Vec<Finding>) {
    for (name, url) in
        profile.settings.iter().filter(|(name, _)| name.ends_with("_endpoint") || *name == "discovery_url")
    {
        let Some(url) = url.as_str() else { continue };
        let problem = match url::Url::parse(url) {
            Err(error) => {
                format!("{name} is {url:?}, which is not a whole URL ({error}): write it with https://")
            }
            Ok(url) if has_user(&url) => {
                format!("{name} has a user name or a password in front of its host: remove it")
            }
            Ok(_) => continue,
        };
        findings.push(Finding::fail("DO-30", problem));
    }
}

/// The methods that a table can name.
const METHODS: &[&str] =
    &["client_secret_basic", "client_secret_post", "client_secret_basic_unencoded", "none"];

/// Whether settings have the form that they must have. The library's own errors do not name the setting.
fn types(profile: &ClientProfile, findings: &mut Vec<Finding>) {
    let mut wrong = |problem: String| findings.push(Finding::fail("DO-30", problem));
    match profile.settings.get("client_auth") {
        None => {}
        Some(Value::String(method)) if METHODS.contains(&method.as_str()) => {}
        Some(_) => wrong(format!(
            "client_auth is none of {}: write one of them, or leave it out",
            METHODS.join(", ")
        )),
    }
    match profile.settings.get("scopes") {
        None => {}
        Some(Value::Array(scopes)) if scopes.iter().all(Value::is_string) => {}
        Some(_) => wrong("scopes is not a list of texts: write scopes = [\"openid\", \"email\"]".to_owned()),
    }
    for name in ["dangerously_allow_plain_http", "trust_discovery_url", "rfc_8414_document"] {
        if profile.settings.get(name).is_some_and(|value| !value.is_boolean()) {
            wrong(format!("{name} is neither true nor false: write it without quotes"));
        }
    }
    let texts = SETTINGS.iter().filter(|name| !["client_auth", "scopes"].contains(name));
    for name in texts {
        if profile.settings.get(*name).is_some_and(|value| !value.is_string()) {
            wrong(format!("{name} is not a text: put it between quotes"));
        }
    }
}

/// Whether the secret is where the table says, and out of others' sight.
fn secret(profile: &ClientProfile, findings: &mut Vec<Finding>) {
    let places = ["client_secret_env", "client_secret_file", "client_secret_cmd"];
    let named: Vec<&str> = places.into_iter().filter(|place| profile.settings.contains_key(*place)).collect();
    if let [first, second, ..] = *named {
        findings.push(Finding::fail(
            "DO-30",
            format!("{first} and {second} both say where the secret is: leave one of them"),
        ));
    }
    if let Some(variable) = profile.text("client_secret_env").filter(|name| !is_variable(name)) {
        // It is not quoted: it may be what it looks like.
        let length = variable.len();
        findings.push(Finding::fail(
            "DO-30",
            format!(
                "client_secret_env is {length} characters that are not the name of a variable; if it is the secret itself, remove it from the \
                 file, export it as a variable, and write that variable's name"
            ),
        ));
    } else if let Some(variable) = profile.text("client_secret_env")
        && std::env::var_os(variable).is_none_or(|value| value.is_empty())
    {
        findings.push(Finding::fail(
            "DO-30",
            format!("client_secret_env names {variable}, which is not set; export it"),
        ));
    }
    if let Some(command) = profile.text("client_secret_cmd") {
        let program = command.split_whitespace().next().unwrap_or_default();
        if !is_program(program) {
            findings.push(Finding::fail(
                "DO-30",
                format!("client_secret_cmd runs {program:?}, which is not on the PATH; install it, or name its whole path"),
            ));
        }
    }
    let Some(file) = profile.text("client_secret_file") else { return };
    match std::fs::read_to_string(file) {
        Err(error) => findings.push(Finding::fail(
            "DO-30",
            format!("client_secret_file {file}: {error}; write the secret there, or name another file"),
        )),
        Ok(text) if text.trim().is_empty() => {
            findings.push(Finding::fail(
                "DO-30",
                format!("client_secret_file {file} is empty; write the secret into it"),
            ));
        }
        Ok(_) => stored::check_mode(std::path::Path::new(file), "600", findings),
    }
}

fn is_variable(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    !name.is_empty() && name.bytes().all(is_plain) && !name.as_bytes()[0].is_ascii_digit()
}

fn is_program(program: &str) -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let is_file = |path: std::path::PathBuf| path.is_file() || path.with_extension("exe").is_file();
    !program.is_empty() && std::env::split_paths(&paths).any(|folder| is_file(folder.join(program)))
}

/// The settings that any table can have.
const SETTINGS: &[&str] = &[
    "provider",
    "client_id",
    "client_secret_env",
    "client_secret_file",
    "client_secret_cmd",
    "client_auth",
    "scopes",
    "issuer",
    "redirect_uri",
    "discovery_url",
    "authorize_endpoint",
    "token_endpoint",
    "refresh_endpoint",
    "revoke_endpoint",
    "profile_endpoint",
];

/// What people write in place of a setting, beside slips of the finger.
const OTHER_WORDS: &[(&str, &str)] = &[
    ("scope", "scopes"),
    ("issuer_url", "issuer"),
    ("client_secret_command", "client_secret_cmd"),
    ("redirect_url", "redirect_uri"),
    ("redirect_uris", "redirect_uri"),
    ("authorization_endpoint", "authorize_endpoint"),
    ("revocation_endpoint", "revoke_endpoint"),
    ("userinfo_endpoint", "profile_endpoint"),
    ("token_endpoint_auth_method", "client_auth"),
];

/// A setting that nobody reads is not an error to the library, because each provider has some of its own.
fn misspelled(profile: &ClientProfile, findings: &mut Vec<Finding>) {
    for name in profile.settings.keys().filter(|name| !SETTINGS.contains(&name.as_str())) {
        let other = OTHER_WORDS.iter().find(|(other, _)| other == name).map(|(_, meant)| *meant);
        let plain = |name: &str| name.to_ascii_lowercase().replace(['-', '_'], "");
        let near = || {
            SETTINGS.iter().copied().find(|known| {
                plain(known) == plain(name) || (known.len() > 5 && distance(&plain(known), &plain(name)) == 1)
            })
        };
        if let Some(meant) = other.or_else(near) {
            findings.push(Finding::fail(
                "DO-30",
                format!("there is no setting {name}, so it has no effect; write {meant}"),
            ));
        }
    }
}

/// How many letters are to be changed, added or removed to get from one word to another.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, char) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = at + 1;
        for (column, same) in other.iter().enumerate() {
            let changed = diagonal + usize::from(char != *same);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}
