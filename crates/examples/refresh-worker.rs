//! A worker that keeps the tokens of many users alive, so that they are live at any moment and do not all have to be refreshed
//! when work begins. Several workers can share one store: each grant is refreshed by one of them.
//!
//! ```sh
//! cargo run -p oauth-examples --example refresh-worker
//! ```
//!
//! The emulator is the provider of a hundred users, whose tokens live for a minute. Ctrl-C ends the worker.

use std::{sync::Arc, time::Duration};

use oauth_clients::{
    Provider, Sealer, SealingKey,
    emulator::{App, Emulator},
    github::GitHubOAuth2,
    tokens::{
        Batch, BatchOptions, Event, Filter, MemoryStore, Outcome, TokenKey, TokenManager,
        TokenManagerBuilder, TokenStore,
    },
};
use oauth_examples::{Result, sealing_key};

/// How long it is from one round to the next.
const ROUND: Duration = Duration::from_secs(30);

#[tokio::main]
async fn main() -> Result<()> {
    let emulator = emulator().await?;
    let github = emulator.connect(GitHubOAuth2::new("github-client-id", "github-client-secret")).await?;
    // In production a store that the application's processes share: `oauth_clients::postgres::PostgresStore`, for example.
    let tokens = manager(github, MemoryStore::new(), sealing_key()?).build()?;
    sign_in(&emulator, &tokens, 100).await?;

    let mut rounds = tokio::time::interval(ROUND);
    loop {
        tokio::select! {
            _ = rounds.tick() => println!("{}", refresh(&tokens).await?),
            _ = tokio::signal::ctrl_c() => break,
        }
    }
    // What is under way ends, and is saved. A platform kills a process after half a minute or so.
    for unsaved in tokens.close_within(Duration::from_secs(20)).await {
        eprintln!("{unsaved}");
    }
    Ok(())
}

pub(crate) async fn emulator() -> Result<Emulator> {
    let app = App::default_of("github").with_refresh_tokens(true);
    Ok(Emulator::builder().app("github", app).access_token_lifetime(Duration::from_secs(60)).start().await?)
}

pub(crate) fn manager(
    provider: impl Provider + 'static,
    store: impl TokenStore + 'static,
    key: SealingKey,
) -> TokenManagerBuilder {
    TokenManager::builder(store, Sealer::new(key))
        .provider(Arc::new(provider))
        // What passes through the worker need not stay in its memory.
        .cache_capacity(1000)
        .observer(|event: &Event| {
            // A mail to the user, perhaps: the grant is dead, and they must sign in again.
            if let Outcome::Dead(grant) = &event.outcome {
                println!("{} must sign in again: {}", event.key, grant.reason);
            }
        })
}

/// Refreshes whatever is due before the next round, a few grants at a time, because providers have limits.
pub(crate) async fn refresh(tokens: &TokenManager) -> Result<Batch> {
    let gently = BatchOptions::new().at_once(16).jitter(Duration::from_millis(200));
    Ok(tokens.refresh_due(&Filter::all(), ROUND, &gently).await?)
}

/// What the handler of the sign-in does for each user.
pub(crate) async fn sign_in(emulator: &Emulator, tokens: &TokenManager, users: usize) -> Result<()> {
    for user in 0..users {
        tokens.put(&TokenKey::new("github", format!("user-{user}")), &emulator.sign_in("github")?).await?;
    }
    Ok(())
}
