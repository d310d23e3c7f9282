//! How many bytes a token takes: in the memory store, and in the manager's memory of live ones.
//!
//! `cargo bench --manifest-path crates/oauth-tokens/bench/Cargo.toml --bench memory`

#![allow(clippy::unwrap_used, reason = "a measurement fails by panicking")]

use std::sync::Arc;

use oauth_core::{Provider, Sealer, SealingKey};
use oauth_tokens::{MemoryStore, TokenKey, TokenManager, TokenStore, testkit::RotatingServer};
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;

const TOKENS: usize = 1_000_000;

fn main() {
    // Nothing is to be run under `cargo bench -- --list` and the like.
    if std::env::args().any(|argument| argument == "--list") {
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let key = |index: usize| TokenKey::new("google", format!("user-{index:08}"));
        let token = RotatingServer::new().sign_in().unwrap();
        let (store, sealer) = (MemoryStore::new(), Sealer::new(SealingKey::random().unwrap()));
        let manager = |capacity: usize| {
            let builder = TokenManager::builder(store.clone(), sealer.clone()).cache_capacity(capacity);
            builder.provider(Arc::new(RotatingServer::new().client().with_name("google"))).build().unwrap()
        };
        let writer = manager(1);
        let before = ALLOCATED.current_usage();
        for index in 0..TOKENS {
            writer.put(&key(index), &token).await.unwrap();
        }
        let stored = (ALLOCATED.current_usage() - before) / TOKENS;
        let sealed = store.load(&key(0)).await.unwrap().unwrap().sealed.len();

        let reader = manager(2 * TOKENS);
        let before = ALLOCATED.current_usage();
        for index in 0..TOKENS {
            reader.get(&key(index)).await.unwrap();
        }
        let cached = (ALLOCATED.current_usage() - before) / TOKENS;
        println!("{TOKENS} tokens, each sealed to {sealed} bytes:");
        println!("in the memory store: {stored} bytes per token, key and index included");
        println!("live in a manager:   {cached} bytes per token on top of that");
    });
}
