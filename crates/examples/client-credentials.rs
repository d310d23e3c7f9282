//! A program without users calls an API on its own behalf (the client credentials grant, RFC 6749 section 4.4). The token is obtained when
//! it is first needed, kept in a file that all processes share, and replaced before it expires.
//!
//! ```sh
//! cargo run -p oauth-examples --example client-credentials
//! ```
//!
//! The emulator is the server. For a real one, set `TOKEN_URL`, `CLIENT_ID`, `CLIENT_SECRET`, `SCOPE` and `API_URL`.

use std::{env, path::Path};

use oauth_clients::{
    OAuth2, Provider, Sealer, SealingKey,
    sqlite::SqliteStore,
    tokens::{AuthorizedClient, ClientCredentials, Hosts, TokenKey, TokenManager},
};
use oauth_examples::{Providers, Result, sealing_key};

#[tokio::main]
async fn main() -> Result<()> {
    let file = env::temp_dir().join("oauth-examples-client-credentials.db");
    let answer = match env::var("TOKEN_URL") {
        Ok(token_url) => {
            let client = OAuth2::new(env::var("CLIENT_ID")?, env::var("CLIENT_SECRET")?, "", token_url);
            run(client, &env::var("SCOPE")?, &env::var("API_URL")?, &file, sealing_key()?).await?
        }
        Err(_) => {
            let providers = Providers::start().await?;
            let client = emulated(&providers)?;
            let api = providers.emulator().local("https://api.openid.example/accounts");
            run(client, "accounts", &api, &file, sealing_key()?).await?
        }
    };
    println!("{answer}");
    Ok(())
}

/// A client at the emulator.
pub(crate) fn emulated(providers: &Providers) -> Result<OAuth2> {
    let client = OAuth2::new(
        "openid-client-id",
        "openid-client-secret",
        "https://openid.example/authorize",
        "https://openid.example/token",
    );
    Ok(client.with_http_client(providers.emulator().http_client()?))
}

pub(crate) async fn run(
    client: OAuth2,
    scope: &str,
    api: &str,
    file: &Path,
    key: SealingKey,
) -> Result<String> {
    let source = ClientCredentials::new(client).with_scopes([scope]);
    let store = SqliteStore::open(file).await?;
    let tokens = TokenManager::builder(store, Sealer::new(key)).source(source).build()?;

    // The token goes to this host and to no other one.
    let url = api.parse::<http::Uri>()?;
    let host = url.authority().ok_or("API_URL has no host")?.as_str();
    let http = oauth_clients::reqwest_client(|defaults| defaults)?;
    let client = AuthorizedClient::new(
        http.clone(),
        tokens.clone(),
        TokenKey::new("oauth2", "report"),
        Hosts::new([host])?,
    );
    let reply = client.send(http.get(api)).await?;
    let answer = format!("{}: {}", reply.status(), reply.text().await?);

    for unsaved in tokens.close().await {
        eprintln!("{unsaved}");
    }
    Ok(answer)
}
