//! `discover`: where an issuer's metadata are, and what they say.

use serde_json::json;

use crate::{
    arguments::{Common, Discover},
    exit::{CommandResult, Failure},
    mcp, metadata,
    output::{Output, plain, to_json},
    provider,
};

pub(crate) async fn run(discover: &Discover, common: &Common, output: Output) -> CommandResult {
    if discover.mcp {
        return server(discover, common, output).await;
    }
    let http = provider::http_client(common)?;
    let mut asked = Vec::new();
    for place in metadata::places(&discover.url) {
        asked.push(metadata::ask(&*http, &place).await);
    }
    let found = asked.iter().find(|asked| asked.document.is_some());
    for place in &asked {
        let wins = found.is_some_and(|found| found.url == place.url);
        output.progress(&format!(
            "{} {}",
            if wins { output.green_progress("✓") } else { " ".to_owned() },
            plain(&place.line())
        ));
    }
    let Some(document) = found.and_then(|found| found.document.as_ref()) else {
        let issuer = &discover.url;
        return Err(Failure::Other(format!("no metadata for {issuer}. Is the issuer right, with its path?")));
    };
    let pretty = to_json(document)?;
    output.result(&json!({ "asked": asked, "document": document }), || pretty)
}

/// What an MCP server and its authorization server say.
async fn server(discover: &Discover, common: &Common, output: Output) -> CommandResult {
    let url = mcp::server_url(&discover.url, common)?;
    let (_, target) = mcp::discover(&url, common).await?;
    let target = target?;
    let metadata = target.server_metadata();
    let value = json!({
        "resource": target.resource(),
        "authorization_servers": target.resource_metadata().map(|resource| resource.authorization_servers()),
        "scopes_supported": target.resource_metadata().and_then(|resource| resource.scopes_supported()),
        "issuer": target.issuer(),
        "authorization_endpoint": metadata.text("authorization_endpoint"),
        "token_endpoint": metadata.text("token_endpoint"),
        "registration_endpoint": metadata.text("registration_endpoint"),
        "client_id_metadata_document_supported": metadata.flag("client_id_metadata_document_supported"),
        "code_challenge_methods_supported": metadata.list("code_challenge_methods_supported"),
    });
    let pretty = to_json(&value)?;
    output.result(&value, || pretty)
}
