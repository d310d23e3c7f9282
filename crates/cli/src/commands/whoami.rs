//! `whoami`: who is signed in.

use serde_json::json;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    arguments::{Common, Whoami},
    commands::token::{account, with_advice},
    exit::{Failure, Outcome},
    output::{Output, plain},
    tokens::{self, AccountTokens},
};

pub(crate) async fn run(whoami: &Whoami, common: &Common, output: Output) -> Outcome {
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
            return Err(Failure::Usage(
                "an MCP server does not say who its users are; leave --live out".to_owned(),
            ));
        };
        account = account.with_identity(&provider.get_identity(&token).await?);
    }
    let value = json!({
        "account": account.name, "provider": account.provider(), "issuer": account.issuer, "subject": account.subject,
        "email": account.email, "email_verified": account.email_is_verified, "name": account.display_name,
        "scopes": account.scopes, "signed_in_at": account.signed_in_at.format(&Rfc3339).ok(),
        "expires_at": expires_at.and_then(|time| time.format(&Rfc3339).ok()), "state": state,
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
        lines.join("\n")
    })
}

/// A time from now, such as "in 59 min" or "3 d ago".
pub(crate) fn in_words(seconds: i64) -> String {
    let amount = match seconds.unsigned_abs() {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds @ 60..3600 => format!("{} min", seconds / 60),
        seconds @ 3600..86400 => format!("{} h", seconds / 3600),
        seconds => format!("{} d", seconds / 86400),
    };
    if seconds < 0 { format!("{amount} ago") } else { format!("in {amount}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_words() {
        for (seconds, words) in [(5, "in 5 s"), (3599, "in 59 min"), (-7200, "2 h ago"), (200_000, "in 2 d")]
        {
            assert_eq!(in_words(seconds), words);
        }
    }
}
