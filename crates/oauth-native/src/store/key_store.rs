//! Where the key is that encrypts the tokens of one user on one machine.

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use oauth_core::{Secret, async_trait};

use super::private_dir::{LocalFileError, PrivateDir};

/// Keeps one key for a program: 32 random bytes in base64.
///
/// [`SystemKeyring`](crate::SystemKeyring) keeps it in the operating system's keyring, [`KeyFile`] in a file.
#[async_trait]
pub trait KeyStore: fmt::Debug + Send + Sync {
    /// Loads the key; `None` if none was saved yet.
    ///
    /// # Errors
    ///
    /// A [`KeyStoreError`], which says whether there is such a store at all.
    async fn load(&self) -> Result<Option<Secret>, KeyStoreError>;

    /// Saves the key, in place of the one that is there.
    ///
    /// # Errors
    ///
    /// A [`KeyStoreError`].
    async fn save(&self, key: &Secret) -> Result<(), KeyStoreError>;

    /// Deletes the key. It is no error if there is none.
    ///
    /// # Errors
    ///
    /// A [`KeyStoreError`].
    async fn delete(&self) -> Result<(), KeyStoreError>;
}

/// Why a key could not be loaded or saved.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyStoreError {
    /// There is no keyring here.
    #[error(
        "there is no keyring on this machine ({0}); on Linux start one, such as gnome-keyring or KWallet, or allow a key file with \
         `allow_key_file`"
    )]
    Missing(String),
    /// The keyring is locked, or the user said no.
    #[error("the keyring is locked, or refused access ({0}); unlock it and try again")]
    Denied(String),
    /// The keyring did not answer: it may be waiting for a password at a display that nobody sees.
    #[error("the keyring did not answer within {} s; unlock it and try again", .0.as_secs())]
    TimedOut(Duration),
    /// What is there is no key of this program's.
    #[error("what the keyring holds is not a key of this program's; delete it there, and sign in again")]
    Damaged,
    /// A file could not be used.
    #[error(transparent)]
    File(#[from] LocalFileError),
    /// Anything else.
    #[error("the keyring failed: {0}")]
    Other(String),
}

/// A [`KeyStore`] in a file beside the tokens, which only its owner can read. Whoever can read the files of the user has both then.
#[derive(Clone, Debug)]
pub struct KeyFile {
    directory: PathBuf,
}

const NAME: &str = "key";

impl KeyFile {
    /// The file `key` in this directory, which only its owner may be able to read.
    pub fn in_directory(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into() }
    }

    /// Where the file is.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.directory.join(NAME)
    }

    async fn at<T: Send + 'static>(
        &self,
        work: impl FnOnce(PrivateDir) -> Result<T, LocalFileError> + Send + 'static,
    ) -> Result<T, KeyStoreError> {
        let directory = self.directory.clone();
        let task = tokio::task::spawn_blocking(move || work(PrivateDir::open(&directory)?));
        let outcome = task.await.map_err(|_| KeyStoreError::Other("the task was cancelled".to_owned()))?;
        Ok(outcome?)
    }
}

#[async_trait]
impl KeyStore for KeyFile {
    async fn load(&self) -> Result<Option<Secret>, KeyStoreError> {
        let read = self.at(|directory| directory.read(NAME)).await?;
        let Some(bytes) = read else { return Ok(None) };
        let damaged = LocalFileError::Damaged { path: self.path(), reason: "it is not text" };
        let text = String::from_utf8(bytes).map_err(|_| damaged)?;
        Ok(Some(Secret::new(text.trim())))
    }

    async fn save(&self, key: &Secret) -> Result<(), KeyStoreError> {
        let key = key.clone();
        self.at(move |directory| directory.write(NAME, key.expose().as_bytes())).await
    }

    async fn delete(&self) -> Result<(), KeyStoreError> {
        self.at(|directory| directory.remove(NAME)).await.map(drop)
    }
}

#[async_trait]
impl<S: KeyStore + ?Sized> KeyStore for Arc<S> {
    async fn load(&self) -> Result<Option<Secret>, KeyStoreError> {
        (**self).load().await
    }

    async fn save(&self, key: &Secret) -> Result<(), KeyStoreError> {
        (**self).save(key).await
    }

    async fn delete(&self) -> Result<(), KeyStoreError> {
        (**self).delete().await
    }
}
