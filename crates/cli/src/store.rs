//! Where the tokens are on this machine.

use oauth_native::{LocalTokens, LocalTokensError};

use crate::{
    arguments::Common,
    config,
    exit::{Failure, Outcome},
};

/// Opens the files, and the key that encrypts them.
pub(crate) async fn open(common: &Common) -> Outcome<LocalTokens> {
    let builder = LocalTokens::builder("oauth-clients")
        .directory(config::data_folder(common.home.as_deref())?.join("tokens"));
    let builder = if common.allow_key_file { builder.allow_key_file() } else { builder };
    let advice = "or --allow-key-file keeps the key in a file that only you can read";
    builder.open().await.map_err(|error| match &error {
        LocalTokensError::Key(_) if !common.allow_key_file => Failure::Other(format!("{error}; {advice}")),
        _ => Failure::Other(error.to_string()),
    })
}
