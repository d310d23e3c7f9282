//! A service that a user has called calls another service on the user's behalf: it exchanges the user's token for one that the other
//! service accepts (token exchange, RFC 8693).
//!
//! ```sh
//! cargo run -p oauth-examples --example token-exchange
//! ```
//!
//! The emulator is the authorization server and the other service.

use oauth_clients::{
    OAuth2, Provider, Sealer, SealingKey,
    tokens::{AuthorizedClient, Hosts, MemoryStore, TokenExchangeSource, TokenKey, TokenManager},
};
use oauth_examples::{Providers, Result, sealing_key};

/// The other service, as the authorization server knows it.
const ACCOUNTS: &str = "https://api.openid.example/accounts";

#[tokio::main]
async fn main() -> Result<()> {
    println!("{}", run(&Providers::start().await?, sealing_key()?).await?);
    Ok(())
}

pub(crate) async fn run(providers: &Providers, key: SealingKey) -> Result<String> {
    let emulator = providers.emulator();

    // The users' own tokens. The handler of the sign-in puts them there, and this manager keeps them alive.
    let openid = providers.openid().await?;
    let logins = TokenManager::builder(MemoryStore::new(), Sealer::new(key.clone()))
        .provider(std::sync::Arc::new(openid))
        .build()?;
    logins.put(&TokenKey::new("openid", "user-17"), &emulator.sign_in("openid")?).await?;

    // The service is a client of its own. Each user has a key of their own here, and so a token of their own.
    let service = OAuth2::new(
        "openid-client-id",
        "openid-client-secret",
        "https://openid.example/authorize",
        "https://openid.example/token",
    )
    .with_name("accounts")
    .with_http_client(emulator.http_client()?);
    let exchanges =
        TokenExchangeSource::of_tokens(service, logins.clone(), |key| TokenKey::new("openid", key.subject()))
            .with_exchange(|exchange| exchange.with_resource(ACCOUNTS));
    let tokens = TokenManager::builder(MemoryStore::new(), Sealer::new(key)).source(exchanges).build()?;

    // `ACCOUNTS` itself, where the service is a real one.
    let api = emulator.local(ACCOUNTS);
    let url = api.parse::<http::Uri>()?;
    let host = url.authority().ok_or("the service has no host")?.as_str();
    let http = oauth_clients::reqwest_client(|defaults| defaults)?;
    let on_behalf_of = TokenKey::new("accounts", "user-17");
    let client = AuthorizedClient::new(http.clone(), tokens, on_behalf_of, Hosts::new([host])?);
    let reply = client.send(http.get(&api)).await?;
    Ok(format!("{}: {}", reply.status(), reply.text().await?))
}
