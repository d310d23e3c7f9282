//! `list` and `use`: the accounts.

use serde_json::json;
use time::format_description::well_known::Rfc3339;

use crate::{
    accounts::Accounts,
    arguments::Common,
    config,
    exit::CommandResult,
    output::{Output, plain},
};

pub(crate) fn run(common: &Common, output: Output) -> CommandResult {
    let accounts = Accounts::read(&config::data_folder(common.home.as_deref())?)?;
    let current = accounts.current();
    let value: Vec<_> = accounts
        .iter()
        .map(|account| {
            json!({
                "account": account.name, "provider": account.provider(), "issuer": account.issuer,
                "subject": account.subject, "email": account.email, "scopes": account.scopes,
                "signed_in_at": account.signed_in_at.format(&Rfc3339).ok(), "in_use": current == Some(&*account.name),
                "plain_http": account.allows_plain_http(),
            })
        })
        .collect();
    output.result(&value, || {
        if accounts.is_empty() {
            return "nobody is signed in".to_owned();
        }
        let width = accounts.iter().map(|account| account.name.chars().count()).max().unwrap_or_default();
        let lines = accounts.iter().map(|account| {
            let mark = if current == Some(&*account.name) { '*' } else { ' ' };
            let http = if account.allows_plain_http() { "  (plain http allowed)" } else { "" };
            format!("{mark} {:width$}  {}  {}{http}", account.name, account.provider(), plain(account.who()))
        });
        lines.collect::<Vec<_>>().join("\n")
    })
}

pub(crate) fn use_account(name: &str, common: &Common, output: Output) -> CommandResult {
    Accounts::change(&config::data_folder(common.home.as_deref())?, |accounts| accounts.use_account(name))?;
    output.progress(&format!("{name} is in use"));
    Ok(())
}
