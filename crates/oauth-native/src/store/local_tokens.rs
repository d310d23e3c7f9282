//! The tokens of one user on one machine: files, and the key that encrypts them.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use oauth_core::{
    Error, Identity, Sealer, SealingKey, Secret, random_token,
    telemetry::{EVENT_NAME, event},
};
use oauth_tokens::{TokenKey, TokenManager, TokenManagerBuilder};

use super::{
    file_store::FileStore,
    key_store::{KeyFile, KeyStore, KeyStoreError},
    pending_logins::PendingLogins,
    private_dir::{DirLock, LocalFileError, PrivateDir},
};

/// Where the tokens of one user on one machine are, for all programs of one name that the user runs: the files in the user's data
/// directory, and the key to them in the operating system's keyring.
///
/// ```no_run
/// use std::sync::Arc;
///
/// use oauth_core::{ClientSecret, OAuth2};
/// use oauth_native::{LocalTokens, SignInOptions, sign_in};
///
/// # async fn f() -> Result<(), Box<dyn std::error::Error>> {
/// let client = OAuth2::new("CLIENT_ID", ClientSecret::NONE, "https://as.example/authorize", "https://as.example/token")
///     .with_refresh_endpoint("https://as.example/token");
/// let local = LocalTokens::builder("acme").open().await?;
/// let tokens = local.token_manager().provider(Arc::new(client.clone())).build()?;
///
/// let key = LocalTokens::account("oauth2", "work");
/// tokens.put(&key, &sign_in(&client, SignInOptions::new()).await?.token).await?;
/// // From now on, in each process:
/// println!("{}", tokens.get(&key).await?.access_token());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct LocalTokens {
    directory: PathBuf,
    store: FileStore,
    sealer: Sealer,
    keys: Arc<dyn KeyStore>,
    key_file: Option<PathBuf>,
}

/// Why the tokens of this machine could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LocalTokensError {
    /// A file or directory cannot be used.
    #[error(transparent)]
    File(#[from] LocalFileError),
    /// The key cannot be loaded or saved.
    #[error(transparent)]
    Key(#[from] KeyStoreError),
    /// The operating system has no random bytes to give, or the key is none.
    #[error(transparent)]
    Sealing(#[from] Error),
    /// The name of the program cannot be that of a directory.
    #[error(
        "the name {0:?} of the program cannot be that of a directory: letters, digits, `-`, `_` and `.` can"
    )]
    Name(String),
}

/// Opens [`LocalTokens`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it is opened"]
pub struct LocalTokensBuilder {
    application: String,
    directory: Option<PathBuf>,
    keys: Option<Arc<dyn KeyStore>>,
    allows_key_file: bool,
}

/// How long another process may take to make the key.
const KEY_LIMIT: Duration = Duration::from_secs(60);

impl LocalTokens {
    /// Prepares the tokens of a program of this name.
    pub fn builder(application: impl Into<String>) -> LocalTokensBuilder {
        LocalTokensBuilder {
            application: application.into(),
            directory: None,
            keys: None,
            allows_key_file: false,
        }
    }

    /// The key of an account in the store: the provider, and a label of the user's or the program's choosing, such as `work`.
    #[must_use]
    pub fn account(provider: &str, label: &str) -> TokenKey {
        TokenKey::new(provider, "").with_label(label)
    }

    /// The key of an account that is named by who signed in: one for each user of each issuer.
    #[must_use]
    pub fn account_of(provider: &str, user: &Identity) -> TokenKey {
        // The length says where the issuer ends.
        TokenKey::new(provider, format!("{} {} {}", user.issuer.len(), user.issuer, user.subject))
    }

    /// The files.
    #[must_use]
    pub fn store(&self) -> &FileStore {
        &self.store
    }

    /// What encrypts them.
    #[must_use]
    pub fn sealer(&self) -> &Sealer {
        &self.sealer
    }

    /// Sets up a manager of these tokens.
    pub fn token_manager(&self) -> TokenManagerBuilder {
        TokenManager::builder(self.store.clone(), self.sealer.clone())
    }

    /// The logins that a program has begun and another process may have to end.
    ///
    /// # Errors
    ///
    /// A [`LocalFileError`].
    pub async fn pending_logins(&self) -> Result<PendingLogins, LocalFileError> {
        PendingLogins::open(self.directory.join("logins"), self.sealer.clone()).await
    }

    /// The file that holds the key, where it is not in a keyring: for a program that tells its user.
    #[must_use]
    pub fn key_file(&self) -> Option<&Path> {
        self.key_file.as_deref()
    }

    /// Deletes the key if no tokens are left, and says whether it did: after the last logout. A program that has the tokens open at that
    /// time and saves one later saves it with the old key, and its user signs in again.
    ///
    /// # Errors
    ///
    /// A [`LocalTokensError`].
    pub async fn forget_key_if_empty(&self) -> Result<bool, LocalTokensError> {
        let _locked = lock_keys(&self.directory).await?;
        if !self.store.is_empty().await? {
            return Ok(false);
        }
        self.keys.delete().await?;
        Ok(true)
    }
}

impl LocalTokensBuilder {
    /// Keeps the files in this directory, in place of the user's data directory. Only its owner may be able to read it.
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// Keeps the key here, in place of the operating system's keyring.
    pub fn key_store(mut self, keys: impl KeyStore + 'static) -> Self {
        self.keys = Some(Arc::new(keys));
        self
    }

    /// Lets the key be in a file where there is no keyring, as on a server or in a container. Whoever can read the user's files can read
    /// the tokens then; [`LocalTokens::key_file`] tells.
    pub fn allow_key_file(mut self) -> Self {
        self.allows_key_file = true;
        self
    }

    /// Opens the tokens, and makes directory and key if they are not there.
    ///
    /// # Errors
    ///
    /// A [`LocalTokensError`] that says what to do: without a home directory, with files that others can read, without a keyring or with
    /// one that is locked.
    pub async fn open(self) -> Result<LocalTokens, LocalTokensError> {
        let directory = match self.directory {
            Some(directory) => directory,
            None => {
                check_name(&self.application)?;
                data_directory(|name| env::var_os(name))?.join(&self.application)
            }
        };
        let store = FileStore::open(directory.join("tokens")).await?;
        let file = KeyFile::in_directory(&directory);
        let keyring = match self.keys {
            Some(keys) => Ok(keys),
            None => usual_keys(&self.application),
        };
        // Ten processes that start at once make one key.
        let locked = lock_keys(&directory).await?;
        let made = match keyring {
            Ok(keys) => key_in(&*keys).await.map(|key| (keys, key)),
            Err(missing) => Err(missing),
        };
        // Made while there was no keyring.
        let of_file = if self.allows_key_file { file.load().await? } else { None };
        let (keys, key, old, key_file) = match made {
            Ok((keys, key)) => (keys, key, of_file, None),
            Err(KeyStoreError::Missing(reason)) if self.allows_key_file => {
                let key = match of_file {
                    Some(key) => key,
                    None => {
                        let key = new_key()?;
                        file.save(&key).await?;
                        tracing::warn!(
                            { EVENT_NAME } = event::SETTING_LOOSENED,
                            path = %file.path().display(),
                            reason,
                            "there is no keyring, so the key is in a file"
                        );
                        key
                    }
                };
                let path = file.path();
                (Arc::new(file) as Arc<dyn KeyStore>, key, None, Some(path))
            }
            Err(error) => return Err(error.into()),
        };
        drop(locked);
        let mut sealer = Sealer::new(sealing_key(&key)?);
        if let Some(old) = old {
            sealer = sealer.with_old_key(sealing_key(&old)?);
        }
        Ok(LocalTokens { directory, store, sealer, keys, key_file })
    }
}

/// Nobody else makes or deletes the key meanwhile.
async fn lock_keys(directory: &Path) -> Result<DirLock, LocalTokensError> {
    let directory = directory.to_owned();
    let locking = tokio::task::spawn_blocking(move || PrivateDir::open(&directory)?.lock(KEY_LIMIT));
    Ok(locking.await.map_err(|_| KeyStoreError::Other("the task was cancelled".to_owned()))??)
}

async fn key_in(keys: &dyn KeyStore) -> Result<Secret, KeyStoreError> {
    if let Some(key) = keys.load().await? {
        return Ok(key);
    }
    let key = new_key().map_err(|error| KeyStoreError::Other(error.to_string()))?;
    keys.save(&key).await?;
    Ok(key)
}

/// 32 random bytes in base64.
fn new_key() -> Result<Secret, Error> {
    let token = random_token()?;
    let bytes = URL_SAFE_NO_PAD.decode(token).unwrap_or_default();
    Ok(Secret::new(STANDARD.encode(bytes)))
}

fn sealing_key(key: &Secret) -> Result<SealingKey, KeyStoreError> {
    SealingKey::from_base64(key.expose()).map_err(|_| KeyStoreError::Damaged)
}

#[cfg(feature = "keyring")]
fn usual_keys(application: &str) -> Result<Arc<dyn KeyStore>, KeyStoreError> {
    Ok(Arc::new(super::system_keyring::SystemKeyring::new(application)))
}

#[cfg(not(feature = "keyring"))]
fn usual_keys(_application: &str) -> Result<Arc<dyn KeyStore>, KeyStoreError> {
    Err(KeyStoreError::Missing("this program was built without the feature `keyring`".to_owned()))
}

fn check_name(name: &str) -> Result<(), LocalTokensError> {
    let is_name = !name.is_empty()
        && name.len() <= 100
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        && !name.starts_with('.');
    if is_name { Ok(()) } else { Err(LocalTokensError::Name(name.to_owned())) }
}

/// The user's directory for the data of programs.
fn data_directory(variable: impl Fn(&str) -> Option<OsString>) -> Result<PathBuf, LocalFileError> {
    // A relative one would depend on where the program is started.
    let path = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    if cfg!(windows) {
        return path("LOCALAPPDATA").ok_or(LocalFileError::NoHome("LOCALAPPDATA"));
    }
    if cfg!(target_vendor = "apple") {
        let home = path("HOME").ok_or(LocalFileError::NoHome("HOME"))?;
        return Ok(home.join("Library/Application Support"));
    }
    let of_home = || path("HOME").map(|home| home.join(".local/share"));
    path("XDG_DATA_HOME").or_else(of_home).ok_or(LocalFileError::NoHome("HOME"))
}
