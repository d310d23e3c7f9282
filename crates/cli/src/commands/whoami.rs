//! `whoami`: who is signed in.

use serde_json::json;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    arguments::{Common, Whoami},
    commands::token::{account, with_advice},
    exit::{CommandResult, Failure},
    output::{Output, plain},
    tokens::{self, AccountTokens},
    words::in_words,
};

pub(crate) async fn run(whoami: &Whoami, common: &Common, output: Output) -> CommandResult {
    let mut account = account(whoami.account.as_deref(), common)?;
    let AccountTokens { manager, key, provider } = tokens::of(&account, common).await?;
    let stored = manager.get_token(&key).await;
    tokens::finish(&manager).await?;
    let expires_at = stored.as_ref().ok().and_then(|token| token.expires_at());
    let state = match &stored {
        Ok(_) => "live".to_owned(),
        Err(error) => error.to_string(),
    };
    if whoami.live {
        let token = stored.map_err(|error| with_advice(error.into(), &account))?;
        let Some(provider) = provider else {
            let reason = match account.is_client {
                true => "a client that signed in as itself is not a user",
                false => "an MCP server does not say who its users are",
            };
            return Err(Failure::Usage(format!("{reason}; leave --live out")));
        };
        account = account.with_identity(&provider.get_identity(&token).await?);
    }
    let value = json!({
        "account": account.name, "provider": account.provider(), "issuer": account.issuer, "subject": account.subject,
        "email": account.email, "email_verified": account.email_is_verified, "name": account.display_name,
        "scopes": account.scopes, "signed_in_at": account.signed_in_at.format(&Rfc3339).ok(),
        "expires_at": expires_at.and_then(|time| time.format(&Rfc3339).ok()), "state": state,
        "plain_http": account.allows_plain_http(),
    });
    output.result(&value, || {
        let mut lines = vec![format!("{}: {}", account.name, plain(account.who()))];
        let mut line = |name: &str, value: Option<&str>| {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                lines.push(format!("  {name:<9} {}", plain(value)));
            }
        };
        line("provider", Some(account.provider()));
        line("issuer", account.issuer.as_deref());
        line("subject", account.subject.as_deref());
        let verified = if account.email_is_verified { "verified" } else { "not verified" };
        let email = account.email.as_ref().map(|email| format!("{email} ({verified})"));
        line("e-mail", email.as_deref());
        line("scopes", Some(&account.scopes.join(" ")));
        line("token", Some(&state));
        let left = expires_at.map(|time| in_words((time - OffsetDateTime::now_utc()).whole_seconds()));
        line("expires", left.as_deref());
        line("http", account.allows_plain_http().then_some("plain http is allowed by the configuration"));
        lines.join("\n")
    })
}
