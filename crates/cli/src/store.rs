//! Where the tokens are on this machine.

use oauth_native::{KeyStoreError, LocalTokens, LocalTokensError};

use crate::{
    arguments::Common,
    config,
    exit::{CommandResult, Failure},
};

/// Opens the files, and the key that encrypts them.
pub(crate) async fn open(common: &Common) -> CommandResult<LocalTokens> {
    let builder = LocalTokens::builder("oauth-clients")
        .directory(config::data_folder(common.home.as_deref())?.join("tokens"));
    let builder = if common.allow_key_file { builder.allow_key_file() } else { builder };
    builder.open().await.map_err(|error| {
        Failure::Other(match &error {
            LocalTokensError::Key(KeyStoreError::Missing(reason)) => format!(
                "there is no keyring on this machine ({reason}); on Linux start one, such as gnome-keyring or KWallet, or let \
                 --allow-key-file keep the key in a file that only you can read"
            ),
            // Another key beside the one in a keyring that is locked would part the tokens.
            _ => error.to_string(),
        })
    })
}
