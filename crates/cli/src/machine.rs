//! Clients without a user: client credentials and token exchange, at any issuer.

use oauth_clients::OAuth2;
use serde_json::{Map, Value};

use crate::{
    arguments::Common,
    config::ClientProfile,
    exit::{CommandResult, Failure},
    metadata::{self, Asked},
    provider,
    urls::is_loopback,
};

/// The client by which a token is asked for without a user. All that it needs is a token endpoint, so that servers will do that have no
/// page to sign in at, and publish the metadata of RFC 8414 or of OpenID Connect.
pub(crate) async fn client(name: &str, profile: &ClientProfile, common: &Common) -> CommandResult<OAuth2> {
    let mut profile = profile.clone();
    match profile.text("provider") {
        Some("openid") if !profile.settings.contains_key("discovery_url") => {
            let issuer = profile.text("issuer").unwrap_or_default().to_owned();
            let document = document(&issuer, &profile, common).await?;
            of_document(&issuer, &document, &mut profile.settings)?;
        }
        Some("oauth2") => {
            // Nobody is sent there.
            let token_endpoint = profile.settings.get("token_endpoint").cloned();
            if let Some(token_endpoint) = token_endpoint {
                profile.settings.entry("authorize_endpoint").or_insert(token_endpoint);
            }
        }
        _ => {}
    }
    let provider = provider::build(name, &profile, common).await?;
    Ok(provider.oauth2().ready().await?)
}

async fn document(
    issuer: &str,
    profile: &ClientProfile,
    common: &Common,
) -> CommandResult<Map<String, Value>> {
    let may_be_http = common.dangerously_allow_plain_http
        || profile.settings.get("dangerously_allow_plain_http") == Some(&Value::Bool(true));
    if !issuer.starts_with("https://") && !is_loopback(issuer) && !may_be_http {
        return Err(Failure::Usage(format!(
            "the issuer {issuer:?} is not https: whoever is in between could read the secret; --dangerously-allow-plain-http allows it"
        )));
    }
    let http = provider::http_client(common)?;
    let mut tried: Vec<Asked> = Vec::new();
    for place in metadata::places(issuer) {
        let mut asked = metadata::ask(&*http, &place).await;
        if let Some(document) = asked.document.take() {
            return match document.get("issuer") {
                Some(Value::String(found)) if found == issuer => Ok(document),
                found => {
                    let found = found.and_then(Value::as_str).unwrap_or("nobody");
                    Err(Failure::Other(format!(
                        "the metadata at {place} are those of {found}, and not of {issuer}; use the issuer's own spelling, slash included"
                    )))
                }
            };
        }
        tried.push(asked);
    }
    let lines: Vec<String> = tried.iter().map(Asked::line).collect();
    let problem = format!("no metadata for {issuer}: tried {}", lines.join(", "));
    Err(match tried.iter().any(|asked| asked.status.is_none_or(|status| status >= 500)) {
        true => Failure::TryLater(problem),
        false => Failure::Other(format!("{problem}. Is the issuer right, with its path?")),
    })
}

/// The settings of a client that has the endpoints of a document.
fn of_document(
    issuer: &str,
    document: &Map<String, Value>,
    settings: &mut Map<String, Value>,
) -> CommandResult {
    let text = |name: &str| document.get(name).and_then(Value::as_str);
    let Some(token_endpoint) = text("token_endpoint") else {
        return Err(Failure::Other(format!("the metadata of {issuer} name no token_endpoint")));
    };
    let methods = document.get("token_endpoint_auth_methods_supported").and_then(Value::as_array);
    let takes = |method: &str| methods.is_some_and(|methods| methods.iter().any(|other| other == method));
    if takes("client_secret_post") && !takes("client_secret_basic") {
        settings.entry("client_auth").or_insert_with(|| "client_secret_post".into());
    }
    for name in ["issuer", "rfc_8414_document"] {
        settings.remove(name);
    }
    let endpoints = [
        ("provider", "oauth2"),
        ("token_endpoint", token_endpoint),
        ("authorize_endpoint", text("authorization_endpoint").unwrap_or(token_endpoint)),
    ];
    let revocation = text("revocation_endpoint").map(|url| ("revoke_endpoint", url));
    for (name, value) in endpoints.into_iter().chain(revocation) {
        settings.insert(name.to_owned(), value.into());
    }
    Ok(())
}
