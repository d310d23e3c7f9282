//! `logout`: revokes an account's tokens and forgets it.

use oauth_tokens::Revoked;
use serde_json::json;

use crate::{
    accounts::{Account, Accounts},
    arguments::{Common, Logout},
    commands::token::account,
    config,
    exit::{CommandResult, Failure},
    mcp,
    output::{Output, print_line},
    store,
    tokens::{self, AccountTokens},
};

pub(crate) async fn run(logout: &Logout, common: &Common, output: Output) -> CommandResult {
    let folder = config::data_folder(common.home.as_deref())?;
    let accounts: Vec<Account> = match logout.all {
        true => Accounts::read(&folder)?.iter().cloned().collect(),
        false => vec![account(logout.account.as_deref(), common)?],
    };
    let mut first_failure = None;
    for account in accounts {
        match forget(&account, common).await {
            Ok(outcome) => {
                Accounts::change(&folder, |accounts| {
                    accounts.remove(&account.name);
                    Ok(())
                })?;
                match output.json {
                    true => print_line(&json!({ "account": account.name, "outcome": outcome }).to_string())?,
                    false => output.progress(&format!("{}: {outcome}", account.name)),
                }
            }
            Err(failure) => {
                output.progress(&format!("{}: {failure}", account.name));
                first_failure = first_failure.or(Some(failure));
            }
        }
    }
    if Accounts::read(&folder)?.is_empty() {
        let forgotten = store::open(common).await?.forget_key_if_empty().await;
        if forgotten.map_err(|error| Failure::Other(error.to_string()))? {
            // They are encrypted with the same key, and what cannot be read would block the next sign-in.
            mcp::forget_registrations(common)?;
        }
    }
    match first_failure {
        None => Ok(()),
        Some(failure) => Err(failure),
    }
}

/// Revokes and deletes. What cannot be revoked, because the provider is down or the client is gone, is deleted all the same.
pub(crate) async fn forget(account: &Account, common: &Common) -> CommandResult<String> {
    if let Some(server) = &account.resource {
        let access = mcp::access(server, &account.name, mcp::authorizer(common)?, common).await?;
        let outcome = match access.sign_out().await {
            Ok(()) => "forgotten".to_owned(),
            Err(error) => format!("forgotten here, but not revoked at the authorization server: {error}"),
        };
        tokens::finish(access.tokens()).await?;
        return Ok(outcome);
    }
    let key = account.key();
    let (manager, revoked) = match tokens::of(account, common).await {
        Ok(AccountTokens { manager, .. }) => {
            let revoked = manager.revoke(&key).await.map_err(|error| error.to_string());
            (manager, revoked)
        }
        Err(failure) => {
            let manager = store::open(common).await?.token_manager().build();
            (manager.map_err(|error| Failure::Other(error.to_string()))?, Err(failure.to_string()))
        }
    };
    let outcome = match revoked {
        Ok(Revoked::AtTheProvider) => "revoked".to_owned(),
        Ok(Revoked::InTheStoreOnly) => {
            "forgotten here; the provider has no revocation, so the access token is good until it expires"
                .to_owned()
        }
        Ok(_) => "forgotten".to_owned(),
        Err(problem) => {
            manager.delete(&key).await?;
            format!("forgotten here, but not revoked at the provider: {problem}")
        }
    };
    tokens::finish(&manager).await?;
    Ok(outcome)
}
