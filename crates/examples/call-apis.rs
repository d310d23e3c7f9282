//! Calls the APIs of GitHub, Google and Microsoft for a user, with tokens that are refreshed when they expire or when an API rejects them.
//!
//! ```sh
//! cargo run -p oauth-examples --example call-apis
//! ```
//!
//! The emulator plays the providers and these APIs. In a site, the handler of the sign-in stores the tokens, as in the example
//! `axum-tower-sessions`; everything after that is the same.

use std::sync::Arc;

use oauth_clients::{
    Sealer, SealingKey,
    emulator::{App, Emulator},
    github::GitHubOAuth2,
    google::GoogleOAuth2,
    microsoft::MicrosoftGraphOAuth2,
    reqwest_client,
    tokens::{AuthorizedClient, Hosts, MemoryStore, TokenKey, TokenManager, TokenManagerBuilder},
};
use oauth_examples::{Result, sealing_key};
use serde_json::Value;

/// Of each API, who the user is.
pub(crate) const APIS: [(&str, &str); 3] = [
    ("github", "https://api.github.com/user"),
    ("google", "https://openidconnect.googleapis.com/v1/userinfo"),
    ("microsoft", "https://graph.microsoft.com/v1.0/me"),
];

#[tokio::main]
async fn main() -> Result<()> {
    let emulator = emulator().await?;
    let tokens = tokens(&emulator, sealing_key()?).await?.build()?;
    for (provider, api) in APIS {
        tokens.put(&TokenKey::new(provider, "user-17"), &emulator.sign_in(provider)?).await?;
        println!("{provider}: {}", call(&emulator, &tokens, provider, api).await?);
    }
    Ok(())
}

pub(crate) async fn emulator() -> Result<Emulator> {
    // GitHub gives refresh tokens to GitHub Apps. Google gives one with the first consent (`access_type=offline`), and Microsoft for
    // the scope `offline_access`.
    let app = App::default_of("github").with_refresh_tokens(true);
    Ok(Emulator::builder().app("github", app).start().await?)
}

/// One manager for all providers.
pub(crate) async fn tokens(emulator: &Emulator, key: SealingKey) -> Result<TokenManagerBuilder> {
    let github = GitHubOAuth2::new("github-client-id", "github-client-secret");
    let google = GoogleOAuth2::new("google-client-id", "google-client-secret");
    let microsoft = MicrosoftGraphOAuth2::new("microsoft-client-id", "microsoft-client-secret");
    Ok(TokenManager::builder(MemoryStore::new(), Sealer::new(key))
        .provider(Arc::new(emulator.connect(github).await?))
        .provider(Arc::new(emulator.connect(google).await?))
        .provider(Arc::new(emulator.connect(microsoft).await?)))
}

/// One request. Keep the client for further ones of the same user.
pub(crate) async fn call(
    emulator: &Emulator,
    tokens: &TokenManager,
    provider: &str,
    api: &str,
) -> Result<Value> {
    // `api` itself, where it is the real one.
    let url = emulator.local(api);
    let parsed = url.parse::<http::Uri>()?;
    // The token goes to this host alone, whatever URL somebody puts together.
    let hosts = Hosts::new([parsed.authority().ok_or("the API has no host")?.as_str()])?;
    let http = reqwest_client(|defaults| defaults)?;
    let client =
        AuthorizedClient::new(http.clone(), tokens.clone(), TokenKey::new(provider, "user-17"), hosts)
            // GitHub's 401 does not say `invalid_token`.
            .refresh_on_any_401();
    let reply = client.send(http.get(url).header("user-agent", "oauth-examples")).await?;
    Ok(reply.error_for_status()?.json().await?)
}
