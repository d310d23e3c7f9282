//! The configuration file: a table for each client, as the facade's `Registry` reads it, with what only this tool needs beside it.
//!
//! ```toml
//! [github]
//! client_id = "…"
//! client_secret_env = "GITHUB_CLIENT_SECRET"   # or client_secret_file, or client_secret_cmd
//!
//! [work]
//! provider = "openid"
//! issuer = "https://login.example"
//! client_id = "…"
//! scopes = ["openid", "email", "offline_access"]
//! redirect_uri = "http://127.0.0.1:8080/callback"
//! ```

use std::{
    collections::BTreeMap,
    env, fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Map, Value};

use crate::exit::{CommandResult, Failure};

/// One client that can sign in.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClientProfile {
    /// What the `Registry` reads.
    pub(crate) settings: Map<String, Value>,
    /// The redirect URI that is registered, where it is not any loopback one.
    pub(crate) redirect_uri: Option<String>,
}

/// The members that are this tool's own.
const REDIRECT_URI: &str = "redirect_uri";
const SECRET_COMMAND: &str = "client_secret_cmd";

impl ClientProfile {
    /// A text among the settings.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.settings.get(name)?.as_str()
    }

    /// The scopes. Several in one text count as several, because that is how they are sent.
    pub(crate) fn scopes(&self) -> Vec<&str> {
        let scopes = self.settings.get("scopes").and_then(Value::as_array);
        let texts = scopes.into_iter().flatten().filter_map(Value::as_str);
        texts.flat_map(str::split_whitespace).collect()
    }

    /// Whether anything says where the client secret is.
    pub(crate) fn has_secret(&self) -> bool {
        ["client_secret_env", "client_secret_file", SECRET_COMMAND, "client_secret"]
            .iter()
            .any(|name| self.settings.contains_key(*name))
    }

    /// The settings with the secret in place of the command that prints it.
    pub(crate) fn resolved(&self) -> CommandResult<Map<String, Value>> {
        let mut settings = self.settings.clone();
        if let Some(Value::String(command)) = settings.remove(SECRET_COMMAND) {
            settings.insert("client_secret".to_owned(), output_of(&command)?.into());
        }
        Ok(settings)
    }
}

/// Where the configuration is, by the rules of the system, unless the caller says so.
pub(crate) fn path(chosen: Option<&Path>) -> CommandResult<PathBuf> {
    if let Some(chosen) = chosen {
        return Ok(chosen.to_owned());
    }
    let base = match env::var_os("XDG_CONFIG_HOME").filter(|folder| Path::new(folder).is_absolute()) {
        Some(folder) => PathBuf::from(folder),
        None if cfg!(target_os = "macos") => home()?.join("Library/Application Support"),
        None if cfg!(windows) => env::var_os("APPDATA").map(PathBuf::from).ok_or_else(no_home)?,
        None => home()?.join(".config"),
    };
    Ok(base.join("oauth-clients").join("config.toml"))
}

/// The folder of accounts and tokens, by the rules of the system, unless the caller says so.
pub(crate) fn data_folder(chosen: Option<&Path>) -> CommandResult<PathBuf> {
    if let Some(chosen) = chosen {
        return Ok(chosen.to_owned());
    }
    let base = match env::var_os("XDG_DATA_HOME").filter(|folder| Path::new(folder).is_absolute()) {
        Some(folder) => PathBuf::from(folder),
        None if cfg!(target_os = "macos") => home()?.join("Library/Application Support"),
        None if cfg!(windows) => env::var_os("LOCALAPPDATA").map(PathBuf::from).ok_or_else(no_home)?,
        None => home()?.join(".local/share"),
    };
    Ok(base.join("oauth-clients"))
}

fn home() -> CommandResult<PathBuf> {
    env::home_dir().filter(|home| home.is_absolute()).ok_or_else(no_home)
}

fn no_home() -> Failure {
    Failure::Other(
        "there is no home directory; say with --config and --home (or OAUTH_CLIENTS_CONFIG and OAUTH_CLIENTS_HOME) where things are"
            .to_owned(),
    )
}

/// The tables of the configuration. A file that nobody has made holds none; one that was asked for must be there.
pub(crate) fn read(chosen: Option<&Path>) -> CommandResult<BTreeMap<String, ClientProfile>> {
    let path = match path(chosen) {
        Ok(path) => path,
        // Everything can be said on the command line.
        Err(_) if chosen.is_none() => return Ok(BTreeMap::new()),
        Err(failure) => return Err(failure),
    };
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound && chosen.is_none() => {
            return Ok(BTreeMap::new());
        }
        Err(error) => return Err(Failure::Usage(format!("cannot read {}: {error}", path.display()))),
    };
    parse(&text).map_err(|problem| Failure::Usage(format!("{}: {problem}", path.display())))
}

/// The tables of the configuration, of which those that cannot be read say why.
pub(crate) fn read_each(
    chosen: Option<&Path>,
) -> CommandResult<BTreeMap<String, Result<ClientProfile, String>>> {
    let Ok(path) = path(chosen) else { return Ok(BTreeMap::new()) };
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound && chosen.is_none() => {
            return Ok(BTreeMap::new());
        }
        Err(error) => return Err(Failure::Usage(format!("cannot read {}: {error}", path.display()))),
    };
    Ok(match values(&text) {
        Ok(tables) => tables.into_iter().map(|(name, table)| (name.clone(), profile(&name, table))).collect(),
        Err(problem) => BTreeMap::from([(path.display().to_string(), Err(problem))]),
    })
}

/// Reads the tables. The errors quote no value, which may be a secret in the wrong place.
pub(crate) fn parse(text: &str) -> Result<BTreeMap<String, ClientProfile>, String> {
    values(text)?.into_iter().map(|(name, table)| Ok((name.clone(), profile(&name, table)?))).collect()
}

fn values(text: &str) -> Result<BTreeMap<String, toml::Value>, String> {
    toml::from_str(text).map_err(|error| {
        let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].lines().count().max(1));
        format!("line {line} is not TOML as it should be: {}", error.message())
    })
}

fn profile(name: &str, table: toml::Value) -> Result<ClientProfile, String> {
    let wrong = |problem: &str| format!("[{}] {problem}", name.escape_debug());
    let settings = serde_json::to_value(table).map_err(|_| wrong("cannot be read"))?;
    let Value::Object(mut settings) = settings else {
        return Err(wrong("is not a table; write [name] above the settings of each client"));
    };
    if settings.contains_key("client_secret") {
        return Err(wrong(
            "holds a client_secret; name the place that holds it, with client_secret_env, client_secret_file or client_secret_cmd",
        ));
    }
    let redirect_uri = match settings.remove(REDIRECT_URI) {
        None => None,
        Some(Value::String(uri)) => Some(uri),
        Some(_) => return Err(wrong("has a redirect_uri that is not a text")),
    };
    if settings.get(SECRET_COMMAND).is_some_and(|command| !command.is_string()) {
        return Err(wrong("has a client_secret_cmd that is not a text"));
    }
    Ok(ClientProfile { settings, redirect_uri })
}

/// What a command prints, such as that of a password manager. It is run without a shell.
fn output_of(command: &str) -> CommandResult<String> {
    let mut words = command.split_whitespace();
    let program = words.next().ok_or_else(|| {
        Failure::Usage(format!("{SECRET_COMMAND} is empty; it is a command such as pass show client"))
    })?;
    let output =
        Command::new(program).args(words).stderr(std::process::Stdio::inherit()).output().map_err(
            |error| Failure::Other(format!("cannot run {program:?} of {SECRET_COMMAND}: {error}")),
        )?;
    if !output.status.success() {
        return Err(Failure::Other(format!("{program:?} of {SECRET_COMMAND} failed ({})", output.status)));
    }
    let secret = String::from_utf8(output.stdout)
        .map_err(|_| Failure::Other(format!("{program:?} of {SECRET_COMMAND} printed no text")))?;
    Ok(secret.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_the_registrys_with_the_redirect_uri_beside_it() {
        let tables =
            parse("[work]\nprovider = \"openid\"\nclient_id = \"a\"\nredirect_uri = \"http://127.0.0.1/cb\"")
                .unwrap();
        let work = &tables["work"];
        assert_eq!(work.redirect_uri.as_deref(), Some("http://127.0.0.1/cb"));
        assert_eq!(work.text("client_id"), Some("a"));
        assert!(!work.settings.contains_key("redirect_uri") && !work.has_secret());
    }

    #[test]
    fn a_secret_in_the_file_is_refused_and_not_quoted() {
        for wrong in [
            "[a]\nclient_secret = \"SECRET\"",
            "a = \"SECRET\"",
            "[a]\nclient_secret = SECRET",
            "[a]\nredirect_uri = [\"SECRET\"]",
        ] {
            let problem = parse(wrong).unwrap_err();
            assert!(!problem.contains("SECRET"), "{problem}");
        }
    }

    #[test]
    fn a_command_gives_the_secret() {
        let tables = parse("[a]\nclient_id = \"b\"\nclient_secret_cmd = \"echo s3cret\"").unwrap();
        assert_eq!(tables["a"].resolved().unwrap()["client_secret"], "s3cret");
        let tables = parse("[a]\nclient_secret_cmd = \"false\"").unwrap();
        assert!(tables["a"].resolved().is_err());
    }
}
