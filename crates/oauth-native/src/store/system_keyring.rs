use std::{thread, time::Duration};

use keyring::{Entry, Error};
use oauth_core::{Secret, async_trait};
use tokio::{sync::oneshot, time::timeout};

use super::key_store::{KeyStore, KeyStoreError};

/// The user's keyring: the Keychain of macOS, the Credential Manager of Windows, the Secret Service of a Linux desktop.
///
/// It holds one key of 44 characters, because Windows takes no more than 1280: the tokens are in files.
#[derive(Clone, Debug)]
pub struct SystemKeyring {
    service: String,
    time_limit: Duration,
}

/// The user's name in the entry; what tells two programs apart is the service.
const USER: &str = "token key";

impl SystemKeyring {
    /// The entry of a program of this name.
    pub fn new(service: impl Into<String>) -> Self {
        Self { service: service.into(), time_limit: Duration::from_secs(60) }
    }

    /// Waits this long for the keyring, in place of a minute: it may ask the user for a password.
    #[must_use]
    pub fn with_time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }

    /// Does something in a thread of its own, because a keyring that waits for its user does not return.
    async fn at<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Entry) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, KeyStoreError> {
        let (send, done) = oneshot::channel();
        let service = self.service.clone();
        let thread = thread::Builder::new().name("keyring".to_owned()).spawn(move || {
            let outcome = match Entry::store_status() {
                Ok(()) => Entry::new(&service, USER)
                    .and_then(|entry| work(&entry))
                    .map_err(|error| translated(&error)),
                Err(error) => Err(missing(error)),
            };
            // Nobody waits for it any more.
            let _ = send.send(outcome);
        });
        thread.map_err(|error| KeyStoreError::Other(error.to_string()))?;
        match timeout(self.time_limit, done).await {
            Err(_) => Err(KeyStoreError::TimedOut(self.time_limit)),
            Ok(Err(_)) => Err(KeyStoreError::Other("its thread ended".to_owned())),
            Ok(Ok(outcome)) => outcome,
        }
    }
}

/// A keyring that cannot be reached at all, unless it is there and locked.
fn missing(error: &Error) -> KeyStoreError {
    match error {
        Error::NoStorageAccess(cause) if is_locked(&cause.to_string()) => {
            KeyStoreError::Denied(cause.to_string())
        }
        error => KeyStoreError::Missing(error.to_string()),
    }
}

fn translated(error: &Error) -> KeyStoreError {
    match error {
        Error::NoDefaultStore | Error::NotSupportedByStore(_) => KeyStoreError::Missing(error.to_string()),
        Error::NoStorageAccess(cause) if is_absent(&cause.to_string()) => {
            KeyStoreError::Missing(cause.to_string())
        }
        Error::PlatformFailure(cause) if is_absent(&cause.to_string()) => {
            KeyStoreError::Missing(cause.to_string())
        }
        Error::NoStorageAccess(cause) => KeyStoreError::Denied(cause.to_string()),
        // These hold what was found.
        Error::BadEncoding(_) | Error::BadDataFormat(..) => KeyStoreError::Damaged,
        error => KeyStoreError::Other(error.to_string()),
    }
}

/// What D-Bus says where nobody offers the service, or there is no bus.
fn is_absent(text: &str) -> bool {
    [
        "ServiceUnknown",
        "was not provided by any .service files",
        "DBUS_SESSION_BUS_ADDRESS",
        "No such file or directory",
    ]
    .iter()
    .any(|sign| text.contains(sign))
}

fn is_locked(text: &str) -> bool {
    text.to_ascii_lowercase().contains("lock")
}

#[async_trait]
impl KeyStore for SystemKeyring {
    async fn load(&self) -> Result<Option<Secret>, KeyStoreError> {
        self.at(|entry| match entry.get_password() {
            Ok(key) => Ok(Some(Secret::new(key))),
            Err(Error::NoEntry) => Ok(None),
            Err(error) => Err(error),
        })
        .await
    }

    async fn save(&self, key: &Secret) -> Result<(), KeyStoreError> {
        let key = key.clone();
        self.at(move |entry| entry.set_password(key.expose())).await
    }

    async fn delete(&self) -> Result<(), KeyStoreError> {
        self.at(|entry| match entry.delete_credential() {
            Err(Error::NoEntry) => Ok(()),
            outcome => outcome,
        })
        .await
    }
}
