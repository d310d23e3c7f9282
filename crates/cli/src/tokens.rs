//! The tokens of this person on this machine.

use std::sync::Arc;

use oauth_clients::Provider;
use oauth_tokens::{ClientCredentials, TokenKey, TokenManager};

use crate::{
    accounts::Account,
    arguments::Common,
    config::Profile,
    exit::{Failure, Outcome},
    mcp, provider, store,
};

/// The tokens of one account, with what refreshes them.
pub(crate) struct AccountTokens {
    pub(crate) manager: TokenManager,
    pub(crate) key: TokenKey,
    /// Who knows the user; nobody, for an account at an MCP server.
    pub(crate) provider: Option<Arc<dyn Provider>>,
}

/// The tokens of one account.
pub(crate) async fn of(account: &Account, common: &Common) -> Outcome<AccountTokens> {
    if let Some(server) = &account.resource {
        let access = mcp::access(server, &account.name, mcp::authorizer(common)?, common).await?;
        let key = access.token_key().await?;
        let key = key.ok_or_else(|| Failure::SignInAgain(format!("nobody is signed in at {server}")))?;
        return Ok(AccountTokens { manager: access.tokens().clone(), key, provider: None });
    }
    let profile = Profile { settings: account.settings.clone(), redirect_uri: None };
    let provider = provider::build(&account.name, &profile, common).await?;
    let tokens = store::open(common).await?;
    let builder = match account.is_client {
        false => tokens.token_manager().provider(provider.clone()),
        true => {
            let client = provider.oauth2().ready().await?;
            let source = ClientCredentials::new(client).with_scopes(account.scopes.clone());
            tokens.token_manager().source(source)
        }
    };
    let manager = builder.build().map_err(|error| Failure::Other(error.to_string()))?;
    Ok(AccountTokens { manager, key: account.key(), provider: Some(provider) })
}

/// Waits until everything is saved.
pub(crate) async fn finish(manager: &TokenManager) -> Outcome {
    match manager.close().await.into_iter().next() {
        None => Ok(()),
        Some(error) => Err(error.into()),
    }
}
