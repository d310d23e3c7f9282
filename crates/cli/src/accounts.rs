//! Who is signed in: a list beside the tokens, without any secret.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use oauth_clients::Identity;
use oauth_tokens::TokenKey;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use time::OffsetDateTime;

use crate::{
    exchange::KeptExchange,
    exit::{CommandResult, Failure},
};

/// The accounts of a person on this machine.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Accounts {
    /// The account that is meant where none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    current: Option<String>,
    #[serde(default)]
    accounts: Vec<Account>,
    #[serde(skip)]
    folder: PathBuf,
}

/// One sign-in that is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Account {
    /// Its name here.
    pub(crate) name: String,
    /// The settings of the client, as the configuration has them: with the place of a secret, not the secret.
    pub(crate) settings: Map<String, Value>,
    /// Whose tokens they are; a client that signed in as itself has no user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) issuer: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) subject: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) email: Option<String>,
    #[serde(default)]
    pub(crate) email_is_verified: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) display_name: Option<String>,
    /// The scopes that were granted.
    #[serde(default)]
    pub(crate) scopes: Vec<String>,
    /// The MCP server that it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) resource: Option<String>,
    /// Whether the client signs in as itself (RFC 6749 section 4.4).
    #[serde(default)]
    pub(crate) is_client: bool,
    /// What is exchanged for the token (RFC 8693), each time that one is needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) exchange: Option<KeptExchange>,
    /// What to type to sign in again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) again: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) signed_in_at: OffsetDateTime,
}

const FILE: &str = "accounts.json";

impl Account {
    pub(crate) fn new(name: String, settings: Map<String, Value>) -> Self {
        Self {
            name,
            settings,
            issuer: None,
            subject: None,
            email: None,
            email_is_verified: false,
            display_name: None,
            scopes: Vec::new(),
            resource: None,
            is_client: false,
            exchange: None,
            again: None,
            signed_in_at: OffsetDateTime::now_utc(),
        }
    }

    pub(crate) fn with_identity(mut self, identity: &Identity) -> Self {
        self.issuer = Some(identity.issuer.clone());
        self.subject = Some(identity.subject.clone());
        self.email_is_verified = identity.email.as_ref().is_some_and(|email| email.is_verified());
        self.email = identity.email.as_ref().map(|email| email.address.clone());
        self.display_name = identity.name.clone();
        self
    }

    /// Whether secrets go over plain http, because the configuration says so. What the command line says is for one run.
    pub(crate) fn allows_plain_http(&self) -> bool {
        self.settings.get("dangerously_allow_plain_http") == Some(&Value::Bool(true))
    }

    /// What to type to sign in again.
    pub(crate) fn sign_in_command(&self) -> String {
        match &self.again {
            Some(command) => command.clone(),
            None => format!("oauth-clients login {} --account {}", self.target(), self.name),
        }
    }

    /// Under which key the tokens are. The account's name is the provider of the key, because two accounts can be the same user's
    /// with different clients or scopes.
    pub(crate) fn key(&self) -> TokenKey {
        TokenKey::new(&self.name, self.subject.as_deref().unwrap_or("client"))
    }

    /// Whether another account's tokens are in the place of this one's.
    pub(crate) fn has_tokens_of(&self, other: &Self) -> bool {
        self.resource == other.resource && (self.resource.is_some() || self.key() == other.key())
    }

    /// The client's provider.
    pub(crate) fn provider(&self) -> &str {
        self.settings.get("provider").and_then(Value::as_str).unwrap_or(&self.name)
    }

    /// What was signed in with.
    pub(crate) fn target(&self) -> &str {
        let issuer = self.settings.get("issuer").and_then(Value::as_str);
        self.resource.as_deref().or(issuer).unwrap_or(self.provider())
    }

    /// Who it is, in a few words.
    pub(crate) fn who(&self) -> &str {
        let user = self.email.as_deref().or(self.display_name.as_deref()).or(self.subject.as_deref());
        user.or(self.resource.as_deref()).unwrap_or(if self.is_client {
            "the client itself"
        } else {
            "unknown"
        })
    }
}

impl Accounts {
    /// The accounts that a folder holds; none if there is no list yet.
    pub(crate) fn read(folder: &Path) -> CommandResult<Self> {
        let path = folder.join(FILE);
        let mut accounts: Self = match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).map_err(|error| {
                Failure::Other(format!(
                    "{} is damaged (line {}); mend or remove it, and sign in again",
                    path.display(),
                    error.line()
                ))
            })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::default(),
            Err(error) => return Err(Failure::Other(format!("cannot read {}: {error}", path.display()))),
        };
        accounts.folder = folder.to_owned();
        Ok(accounts)
    }

    /// Writes the list: beside the old one, then in its place.
    fn write(&self) -> CommandResult {
        let path = self.folder.join(FILE);
        let failed = |error: io::Error| Failure::Other(format!("cannot write {}: {error}", path.display()));
        fs::create_dir_all(&self.folder).map_err(failed)?;
        let text = serde_json::to_vec_pretty(self).map_err(|error| failed(error.into()))?;
        let mut file = tempfile::Builder::new().prefix(FILE).tempfile_in(&self.folder).map_err(failed)?;
        file.write_all(&text).and_then(|()| file.as_file().sync_all()).map_err(failed)?;
        file.persist(&path).map_err(|error| failed(error.error))?;
        Ok(())
    }

    /// Changes the list. Two programs that do so wait for one another.
    pub(crate) fn change<T>(
        folder: &Path,
        change: impl FnOnce(&mut Self) -> CommandResult<T>,
    ) -> CommandResult<T> {
        fs::create_dir_all(folder)
            .map_err(|error| Failure::Other(format!("cannot make {}: {error}", folder.display())))?;
        let path = folder.join(format!("{FILE}.lock"));
        let failed = |error: io::Error| Failure::Other(format!("cannot lock {}: {error}", path.display()));
        let file =
            fs::OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
        // Until the file is closed.
        fs4::FileExt::lock(&file).map_err(failed)?;
        let mut accounts = Self::read(folder)?;
        let result = change(&mut accounts)?;
        accounts.write()?;
        Ok(result)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Account> {
        self.accounts.iter()
    }

    /// The account that is meant where none is named.
    pub(crate) fn current(&self) -> Option<&str> {
        self.current.as_deref().or(match &*self.accounts {
            [only] => Some(&only.name),
            _ => None,
        })
    }

    /// The account of a name, or the one in use.
    pub(crate) fn get(&self, name: Option<&str>) -> CommandResult<&Account> {
        let Some(name) = name.or(self.current()) else {
            return Err(match self.accounts.is_empty() {
                true => {
                    Failure::SignInAgain("nobody is signed in; `oauth-clients login …` does it".to_owned())
                }
                false => Failure::Usage(format!("say which account: {}", self.names())),
            });
        };
        self.accounts.iter().find(|account| account.name == name).ok_or_else(|| {
            let name = name.escape_debug();
            Failure::SignInAgain(match self.accounts.is_empty() {
                true => format!("nobody is signed in as {name}; `oauth-clients login {name}` does it"),
                false => format!("nobody is signed in as {name}; there are {}", self.names()),
            })
        })
    }

    fn names(&self) -> String {
        self.accounts.iter().map(|account| &*account.name).collect::<Vec<_>>().join(", ")
    }

    /// Adds an account, or replaces the one of its name, which is returned.
    pub(crate) fn put(&mut self, account: Account) -> Option<Account> {
        match self.accounts.iter_mut().find(|other| other.name == account.name) {
            Some(other) => Some(std::mem::replace(other, account)),
            None => {
                self.accounts.push(account);
                None
            }
        }
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.accounts.retain(|account| account.name != name);
        if self.current.as_deref() == Some(name) {
            self.current = None;
        }
    }

    pub(crate) fn use_account(&mut self, name: &str) -> CommandResult {
        let name = self.get(Some(name))?.name.clone();
        self.current = Some(name);
        Ok(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.accounts.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(name: &str) -> Account {
        Account::new(name.to_owned(), Map::new())
    }

    #[test]
    fn the_list_is_written_and_read_and_the_only_account_is_the_one_in_use() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(Accounts::read(folder.path()).unwrap().get(None), Err(Failure::SignInAgain(_))));
        Accounts::change(folder.path(), |accounts| Ok(accounts.put(account("a")).is_none())).unwrap();
        assert_eq!(Accounts::read(folder.path()).unwrap().get(None).unwrap().name, "a");
        Accounts::change(folder.path(), |accounts| Ok(accounts.put(account("b")))).unwrap();
        let accounts = Accounts::read(folder.path()).unwrap();
        assert!(matches!(accounts.get(None), Err(Failure::Usage(text)) if text.contains("a, b")));
        assert!(matches!(accounts.get(Some("c")), Err(Failure::SignInAgain(_))));
        Accounts::change(folder.path(), |accounts| accounts.use_account("b")).unwrap();
        assert_eq!(Accounts::read(folder.path()).unwrap().get(None).unwrap().name, "b");
    }

    #[test]
    fn a_damaged_list_is_said_to_be_damaged_and_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(FILE), "{").unwrap();
        assert!(Accounts::change(folder.path(), |accounts| Ok(accounts.put(account("a")))).is_err());
        assert_eq!(fs::read_to_string(folder.path().join(FILE)).unwrap(), "{");
    }
}
