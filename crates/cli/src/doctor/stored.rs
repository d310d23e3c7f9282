//! What is stored on this machine: accounts, tokens, and the key to them.

use std::{collections::BTreeMap, path::Path, time::Duration};

use oauth_mcp::ServerUrl;
use oauth_native::{KeyFile, KeyStore, KeyStoreError, LocalTokens, SystemKeyring};
use oauth_tokens::{Stored, TokenKey};
use time::OffsetDateTime;

use crate::{
    accounts::{Account, Accounts},
    arguments::Common,
    config::{self, ClientProfile},
    doctor::finding::Finding,
    exit::CommandResult,
    mcp,
    words::in_words,
};

/// A keyring that asks its user for a password is said to be locked.
const KEYRING_LIMIT: Duration = Duration::from_secs(5);

/// Looks at what is stored. It makes nothing, changes nothing, and refreshes nothing.
pub(crate) async fn machine(
    tables: &BTreeMap<String, ClientProfile>,
    common: &Common,
) -> CommandResult<Vec<Finding>> {
    let mut findings = Vec::new();
    let folder = match config::data_folder(common.home.as_deref()) {
        Ok(folder) => folder,
        Err(failure) => return Ok(vec![Finding::fail("DO-23", failure.to_string())]),
    };
    let tokens = folder.join("tokens");
    permissions(&tokens, &mut findings);
    permissions(&mcp::registrations(common)?, &mut findings);
    let keys = keyring(&tokens, common, &mut findings).await;
    match Accounts::read(&folder) {
        Err(failure) => findings.push(Finding::fail("DO-22", failure.to_string())),
        Ok(accounts) => {
            for account in accounts.iter() {
                client(account, tables, &mut findings);
            }
            if let Some(keys) = keys.filter(|_| !accounts.is_empty() && tokens.is_dir()) {
                stored_tokens(&accounts, &tokens, keys, common, &mut findings).await;
            }
        }
    }
    Ok(findings)
}

/// Whether the accounts at an MCP server are those of the authorization server that it names now.
pub(crate) async fn accounts_at(
    server: &ServerUrl,
    issuer: &str,
    common: &Common,
) -> CommandResult<Vec<Finding>> {
    let mut findings = Vec::new();
    let Ok(folder) = config::data_folder(common.home.as_deref()) else { return Ok(findings) };
    let Ok(accounts) = Accounts::read(&folder) else { return Ok(findings) };
    let tokens = folder.join("tokens");
    let is_of_server = |account: &&Account| {
        let resource = account.resource.as_deref().and_then(|url| mcp::server_url(url, common).ok());
        resource.is_some_and(|resource| resource.resource() == server.resource())
    };
    let accounts: Vec<&Account> = accounts.iter().filter(is_of_server).collect();
    if accounts.is_empty() || !tokens.is_dir() {
        return Ok(findings);
    }
    // What keeps the store from being opened is reported by the checks of the machine.
    let Some(keys) = keyring(&tokens, common, &mut Vec::new()).await else { return Ok(findings) };
    let Ok(Some(local)) = opened(&tokens, keys).await else { return Ok(findings) };
    for account in accounts {
        let access =
            mcp::access_in(&local, server.as_str(), &account.name, mcp::authorizer(common)?, common)?;
        let registration = access.registration().await.ok().flatten();
        if let Some(registration) = registration.filter(|registration| registration.issuer != issuer) {
            findings.push(Finding::fail(
                "DO-21",
                format!(
                    "{}: its client {} belongs to {}, the server now uses {issuer}: `{}`",
                    account.name,
                    registration.client_id,
                    registration.issuer,
                    account.sign_in_command()
                ),
            ));
        }
    }
    Ok(findings)
}

/// Whether the account was signed in with the client that the configuration has now.
fn client(account: &Account, tables: &BTreeMap<String, ClientProfile>, findings: &mut Vec<Finding>) {
    let (name, command) = (&account.name, account.sign_in_command());
    let Some(table) = tables.get(name).filter(|_| account.resource.is_none()) else { return };
    let then = ClientProfile { settings: account.settings.clone(), redirect_uri: None };
    let differs = |setting: &str| {
        let (old, new) = (then.text(setting)?, table.text(setting)?);
        (old != new).then(|| (old.to_owned(), new.to_owned()))
    };
    if let Some((old, new)) = differs("client_id") {
        findings.push(Finding::fail(
            "DO-21",
            format!("{name}: its tokens were issued to the client {old}, and the configuration has {new}: `{command}`"),
        ));
    }
    if let Some((old, new)) = differs("issuer") {
        findings.push(Finding::fail(
            "DO-21",
            format!("{name}: it belongs to {old}, and the configuration names {new}: `{command}`"),
        ));
    }
}

/// The key store that is used, if it can be used.
async fn keyring(tokens: &Path, common: &Common, findings: &mut Vec<Finding>) -> Option<Box<dyn KeyStore>> {
    let keyring = SystemKeyring::new("oauth-clients").with_time_limit(KEYRING_LIMIT);
    let file = KeyFile::in_directory(tokens);
    let path = file.path();
    match keyring.load().await {
        Ok(_) => Some(Box::new(keyring)),
        Err(KeyStoreError::Missing(_)) if common.allow_key_file => {
            findings.push(Finding::warn(
                "DO-23",
                format!(
                    "no keyring on this machine; the key is kept in {} (0600): whoever reads your files reads the tokens",
                    path.display()
                ),
            ));
            path.exists().then(|| Box::new(file) as Box<dyn KeyStore>)
        }
        Err(KeyStoreError::Missing(_)) => {
            findings.push(Finding::warn(
                "DO-23",
                "no keyring on this machine, so no token can be kept; start one, or let --allow-key-file keep the key in a file that only \
                 you can read",
            ));
            None
        }
        Err(error) => {
            findings.push(Finding::warn("DO-23", error.to_string()));
            None
        }
    }
}

/// Whether anybody else can read the files, or put others in their place.
fn permissions(tokens: &Path, findings: &mut Vec<Finding>) {
    check_mode(tokens, "700", findings);
    let mut folders = vec![tokens.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for path in entries.flatten().map(|entry| entry.path()) {
            let Ok(found) = std::fs::symlink_metadata(&path) else { continue };
            if found.is_symlink() {
                findings.push(Finding::fail(
                    "DO-23",
                    format!("{} is a symbolic link, which is not followed: remove it", path.display()),
                ));
            } else if found.is_dir() {
                check_mode(&path, "700", findings);
                folders.push(path);
            } else {
                check_mode(&path, "600", findings);
            }
        }
    }
}

/// A file or folder that others can read, with the command that mends it.
#[cfg(unix)]
pub(super) fn check_mode(path: &Path, wanted: &str, findings: &mut Vec<Finding>) {
    let Ok(found) = std::fs::metadata(path) else { return };
    let mode = std::os::unix::fs::PermissionsExt::mode(&found.permissions()) & 0o777;
    if mode & 0o077 != 0 {
        let path = path.display();
        findings.push(Finding::warn(
            "DO-23",
            format!("{path} is readable by others (mode {mode:03o}): chmod {wanted} {path}"),
        ));
    }
}

#[cfg(not(unix))]
pub(super) fn check_mode(_path: &Path, _wanted: &str, _findings: &mut Vec<Finding>) {}

/// The tokens of this machine, without making anything: `None` where their key is gone.
async fn opened(tokens: &Path, keys: Box<dyn KeyStore>) -> Result<Option<LocalTokens>, String> {
    if !matches!(keys.load().await, Ok(Some(_))) {
        return Ok(None);
    }
    let builder = LocalTokens::builder("oauth-clients").directory(tokens).key_store(Shared(keys.into()));
    builder.open().await.map(Some).map_err(|error| error.to_string())
}

/// Whether the tokens are good, and for how long.
async fn stored_tokens(
    accounts: &Accounts,
    tokens: &Path,
    keys: Box<dyn KeyStore>,
    common: &Common,
    findings: &mut Vec<Finding>,
) {
    let local = match opened(tokens, keys).await {
        Ok(Some(local)) => local,
        Ok(None) => {
            findings.push(Finding::warn(
                "DO-22",
                "there are accounts, and the key to their tokens is gone: sign in to each again",
            ));
            return;
        }
        Err(problem) => return findings.push(Finding::fail("DO-22", problem)),
    };
    let manager = match local.token_manager().build() {
        Ok(manager) => manager,
        Err(error) => return findings.push(Finding::fail("DO-22", error.to_string())),
    };
    for account in accounts.iter() {
        let key = match &account.resource {
            None => Some(account.key()),
            Some(server) => at_server(account, server, &local, common, findings).await,
        };
        let stored = match &key {
            Some(key) => manager.list(key.tenant(), key.subject()).await.unwrap_or_default(),
            None => Vec::new(),
        };
        let found =
            stored.into_iter().filter_map(Result::ok).find(|stored| Some(&stored.key) == key.as_ref());
        match found {
            None => findings.push(Finding::warn(
                "DO-22",
                format!(
                    "{}: it has no tokens that can be read: `{}`",
                    account.name,
                    account.sign_in_command()
                ),
            )),
            Some(stored) => findings.push(of_token(account, &stored)),
        }
    }
}

/// The key of the token of an account at an MCP server, whose client is looked at as well.
async fn at_server(
    account: &Account,
    server: &str,
    local: &LocalTokens,
    common: &Common,
    findings: &mut Vec<Finding>,
) -> Option<TokenKey> {
    let (name, command) = (&account.name, account.sign_in_command());
    let mut fail = |problem: String| findings.push(Finding::fail("DO-21", problem));
    // The server's address was allowed when the account was made.
    let authorizer = mcp::authorizer(common).ok()?;
    let access = match mcp::access_in(local, server, name, authorizer, common) {
        Ok(access) => access,
        Err(failure) => {
            fail(format!("{name}: {failure}"));
            return None;
        }
    };
    match access.registration().await {
        Err(error) => fail(format!("{name}: {error}: sign in again, `{command}`")),
        Ok(None) => {}
        Ok(Some(registration)) => {
            let (client_id, issuer) = (&registration.client_id, &registration.issuer);
            let expired = registration.secret_expires_at.filter(|at| *at <= OffsetDateTime::now_utc());
            if let Some(at) = expired {
                let date = at.date();
                fail(format!(
                    "{name}: registration of {client_id} at {issuer} expired on {date}, so that its token is not refreshed any more: \
                     `{command}` registers anew"
                ));
            } else if !registration.is_known {
                fail(format!(
                    "{name}: the client {client_id} of {issuer} is not known here any more, so that its token is not refreshed: `{command}`"
                ));
            }
        }
    }
    access.token_key().await.ok().flatten()
}

fn of_token(account: &Account, stored: &Stored) -> Finding {
    let (name, command) = (&account.name, account.sign_in_command());
    let left = stored.expires_at.map(|at| (at - OffsetDateTime::now_utc()).whole_seconds());
    let has_refresh = stored.token.as_ref().is_some_and(|token| token.refresh_token().is_some());
    match (&stored.dead, left) {
        (Some(_), _) => Finding::warn(
            "DO-22",
            format!("{name}: the provider has ended the grant: sign in again, `{command}`"),
        ),
        (None, Some(left)) if left <= 0 && !has_refresh && !account.is_client => Finding::warn(
            "DO-22",
            format!("{name}: access token expired, no refresh token: sign in again, `{command}`"),
        ),
        (None, Some(left)) if !has_refresh && !account.is_client => Finding::warn(
            "DO-22",
            format!("{name}: expires {}, and there is no refresh token: then sign in again", in_words(left)),
        ),
        (None, Some(left)) => {
            Finding::ok("DO-22", format!("{name}: expires {}, and is refreshed", in_words(left)))
        }
        (None, None) => {
            Finding::ok("DO-22", format!("{name}: its token does not expire, as far as is known"))
        }
    }
}

/// A key store that somebody else has chosen.
#[derive(Clone, Debug)]
struct Shared(std::sync::Arc<dyn KeyStore>);

#[oauth_clients::async_trait]
impl KeyStore for Shared {
    async fn load(&self) -> Result<Option<oauth_clients::Secret>, KeyStoreError> {
        self.0.load().await
    }

    async fn save(&self, _key: &oauth_clients::Secret) -> Result<(), KeyStoreError> {
        // The doctor changes nothing.
        Err(KeyStoreError::Other("the key is gone".to_owned()))
    }

    async fn delete(&self) -> Result<(), KeyStoreError> {
        Err(KeyStoreError::Other("the doctor changes nothing".to_owned()))
    }
}
