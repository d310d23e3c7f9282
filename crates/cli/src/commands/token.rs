//! `token`: prints a live access token, and nothing else.

use oauth_tokens::{AccessToken, AccessTokenRequest};
use serde_json::json;
use time::format_description::well_known::Rfc3339;

use crate::{
    accounts::{Account, Accounts},
    arguments::{Common, Token, TokenFormat},
    config,
    exit::{CommandResult, Failure},
    output::{Output, print_line, to_json},
    tokens::{self, AccountTokens},
};

pub(crate) async fn run(token: &Token, common: &Common, output: Output) -> CommandResult {
    let account = account(token.account.as_deref(), common)?;
    let mut request = AccessTokenRequest::new().with_scopes(token.scopes.clone());
    if let Some(resource) = &token.resource {
        request = request.with_resource(resource);
    }
    if let Some(ttl) = token.min_ttl {
        request = request.valid_for(ttl);
    }
    let AccountTokens { manager, key, .. } = tokens::of(&account, common).await?;
    let found = manager.get_for(&key, &request).await;
    // A token that was refreshed is saved before this ends.
    tokens::finish(&manager).await?;
    let found = found.map_err(|error| with_advice(error.into(), &account))?;
    let format = if output.json { TokenFormat::Json } else { token.format };
    print_line(&shown(&found, format)?)
}

/// The account of a name, or the one in use.
pub(crate) fn account(name: Option<&str>, common: &Common) -> CommandResult<Account> {
    Accounts::read(&config::data_folder(common.home.as_deref())?)?.get(name).cloned()
}

/// A live access token of an account.
pub(crate) async fn live(account: &Account, common: &Common) -> CommandResult<AccessToken> {
    let AccountTokens { manager, key, .. } = tokens::of(account, common).await?;
    let found = manager.get(&key).await;
    tokens::finish(&manager).await?;
    found.map_err(|error| with_advice(error.into(), account))
}

/// Says how to sign in again.
pub(crate) fn with_advice(failure: Failure, account: &Account) -> Failure {
    match failure {
        Failure::SignInAgain(text) => {
            Failure::SignInAgain(format!("{text}; `{}` does it", account.sign_in_command()))
        }
        other => other,
    }
}

fn shown(token: &AccessToken, format: TokenFormat) -> CommandResult<String> {
    let text = token.access_token();
    let kind = kind(token.token_type());
    Ok(match format {
        TokenFormat::Json => to_json(&json!({
            "access_token": text,
            "token_type": kind,
            "expires_at": token.expires_at().and_then(|time| time.format(&Rfc3339).ok()),
            "scopes": token.scopes(),
        }))?,
        format => in_form(kind, text, format)?,
    })
}

/// The scheme under which a token is sent.
pub(crate) fn kind(token_type: Option<&str>) -> &str {
    match token_type {
        Some(kind) if !kind.eq_ignore_ascii_case("bearer") => kind,
        _ => "Bearer",
    }
}

/// A token in any form but JSON.
pub(crate) fn in_form(kind: &str, text: &str, format: TokenFormat) -> CommandResult<String> {
    Ok(match format {
        TokenFormat::Raw | TokenFormat::Json => text.to_owned(),
        TokenFormat::Header => format!("Authorization: {}", one_line(&format!("{kind} {text}"))?),
        TokenFormat::Curl => curl_header(kind, text)?,
        // A single quote ends the text, so it is written outside of it.
        TokenFormat::Env => format!("ACCESS_TOKEN='{}'", one_line(text)?.replace('\'', r"'\''")),
    })
}

/// A line of a configuration of curl's. Token and type are the provider's words, so that both are quoted.
fn curl_header(kind: &str, token: &str) -> CommandResult<String> {
    let value = format!("{kind} {token}");
    let quoted = one_line(&value)?.replace('\\', "\\\\").replace('"', "\\\"");
    Ok(format!("header = \"Authorization: {quoted}\""))
}

/// A token with a line break could smuggle in a header or a command.
fn one_line(token: &str) -> CommandResult<&str> {
    match token.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        true => Ok(token),
        false => Err(Failure::Other("the token has characters that this format cannot carry".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_cannot_write_into_curls_configuration() {
        assert_eq!(curl_header("Bearer", "AT").unwrap(), "header = \"Authorization: Bearer AT\"");
        assert_eq!(curl_header("a\"b", "c\\").unwrap(), r#"header = "Authorization: a\"b c\\""#);
        for (kind, token) in [("a\"\noutput = \"x", "AT"), ("Bearer", "AT\"\nurl = \"x"), ("a\r", "AT")] {
            assert!(curl_header(kind, token).is_err(), "{kind:?} {token:?}");
        }
    }
}
