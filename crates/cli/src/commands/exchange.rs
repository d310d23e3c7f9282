//! `exchange`: one token for another, which is printed and not kept.

use serde_json::json;
use time::format_description::well_known::Rfc3339;

use crate::{
    arguments::{Common, ExchangeArguments, TokenFormat},
    commands::token::{in_form, kind},
    exchange,
    exit::{CommandResult, Failure},
    machine, managers,
    output::{Output, print_line, to_json},
    provider, tokens,
};

pub(crate) async fn run(exchange: &ExchangeArguments, common: &Common, output: Output) -> CommandResult {
    let target = provider::target(&exchange.target, &exchange.client, common)?;
    let request = exchange::KeptExchange::of_arguments(&exchange.request)?;
    let client = machine::client(&target.name, &target.profile, common).await?;
    let requests = tokens::requests(&request, &exchange.client.scopes, 0, common).await?;
    let sent = requests.next().await;
    // The account's token may have been refreshed for it.
    managers::finish_all().await?;
    let exchanged = sent.map_err(of_source)?.send(&client).await?;
    let token = exchanged.reply();
    let issued = exchanged.issued_type().as_str();
    if !exchanged.is_as_requested() {
        output.warn(&format!("the server issued another kind of token than was asked for: {issued}"));
    }
    let kind = kind(token.token_type());
    let format = if output.json { TokenFormat::Json } else { exchange.format };
    print_line(&match format {
        TokenFormat::Json => to_json(&json!({
            "access_token": token.access_token(),
            "issued_token_type": issued,
            "token_type": kind,
            "expires_at": token.expires_at().and_then(|time| time.format(&Rfc3339).ok()),
            "scopes": token.scopes(),
        }))?,
        TokenFormat::Raw => in_form(kind, exchanged.value().expose(), TokenFormat::Raw)?,
        // These are for calling an API, for which an assertion is of no use.
        format => {
            let kind = kind.to_owned();
            in_form(&kind, exchanged.into_access_token()?.access_token(), format)?
        }
    })
}

fn of_source(cause: oauth_clients::SecretSourceError) -> Failure {
    match cause.downcast::<oauth_tokens::TokenError>() {
        Ok(error) => (*error).into(),
        Err(cause) => Failure::Other(format!("the token to exchange is not known: {cause}")),
    }
}
