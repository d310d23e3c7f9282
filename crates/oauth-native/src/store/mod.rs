//! Where tokens and logins are kept on one user's machine.

mod file_store;
mod key_store;
mod local_tokens;
mod pending_logins;
mod private_dir;
#[cfg(feature = "keyring")]
mod system_keyring;

pub use file_store::FileStore;
pub use key_store::{KeyFile, KeyStore, KeyStoreError};
pub use local_tokens::{LocalTokens, LocalTokensBuilder, LocalTokensError};
pub use pending_logins::{PendingLogins, ResumeError};
pub use private_dir::LocalFileError;
#[cfg(feature = "keyring")]
pub use system_keyring::SystemKeyring;
