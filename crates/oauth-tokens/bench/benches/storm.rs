//! A refresh storm over 10 000 keys, next to the same number of bare posts at the same concurrency.
//!
//! `cargo bench --manifest-path crates/oauth-tokens/bench/Cargo.toml --bench storm`

#![allow(clippy::unwrap_used, reason = "a measurement fails by panicking")]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use cpu_time::ProcessTime;
use oauth_core::{OAuth2, OAuth2Token, Provider, Sealer, SealingKey, serde_json};
use oauth_reqwest::reqwest_client;
use oauth_emulator::{Emulator, EmulatedEndpoint, Fault};
use oauth_tokens::{MemoryStore, TokenKey, TokenManager, testkit::RotatingServer};
use tokio::{sync::Semaphore, task::JoinSet};

const KEYS: usize = 10_000;
const ROUNDS: usize = 5;

fn expired(token: &OAuth2Token) -> OAuth2Token {
    let mut fields = serde_json::to_value(token).unwrap();
    fields["expires_at"] = 1.into();
    serde_json::from_value(fields).unwrap()
}

fn sign_in(emulator: &Emulator) -> OAuth2Token {
    emulator.sign_in("oauth2").unwrap()
}

/// The ratio of a round, and wall-clock and processor time of its two halves: bare and managed.
type Round = (f64, (Duration, Duration), (Duration, Duration));

/// What a program without this library would do at least: post the form, read the reply.
async fn bare(emulator: &Emulator, concurrency: usize) -> (Duration, Duration) {
    let http = reqwest_client(|defaults| defaults).unwrap();
    let url: Arc<str> = emulator.local("https://oauth2.example/token").into();
    let tokens: Vec<_> = (0..KEYS).map(|_| sign_in(emulator)).collect();
    let permits = Arc::new(Semaphore::new(concurrency));
    let began = (Instant::now(), ProcessTime::now());
    let mut tasks = JoinSet::new();
    for token in tokens {
        let (http, url, permits) = (http.clone(), Arc::clone(&url), Arc::clone(&permits));
        tasks.spawn(async move {
            let _permit = permits.acquire().await.unwrap();
            let form = format!(
                "grant_type=refresh_token&refresh_token={}&client_id=oauth2-client-id&client_secret=oauth2-client-secret",
                token.refresh_token().unwrap()
            );
            let request = http.post(&*url).header("content-type", "application/x-www-form-urlencoded");
            let reply = request.body(form).send().await.unwrap().bytes().await.unwrap();
            assert!(serde_json::from_slice::<OAuth2Token>(&reply).is_ok());
        });
    }
    tasks.join_all().await;
    (began.0.elapsed(), began.1.elapsed())
}

async fn managed(emulator: &Emulator, concurrency: usize) -> (Duration, Duration) {
    let at = |path: &str| emulator.local(&format!("https://oauth2.example/{path}"));
    let provider = OAuth2::new("oauth2-client-id", "oauth2-client-secret", at("authorize"), at("token"))
        .with_refresh_endpoint(at("token"))
        .with_http_client(reqwest_client(|defaults| defaults).unwrap());
    let manager = TokenManager::builder(MemoryStore::new(), Sealer::new(SealingKey::random().unwrap()))
        .provider(Arc::new(provider))
        .most_requests(concurrency)
        .build()
        .unwrap();
    let key = |index: usize| TokenKey::new("oauth2", format!("user-{index}"));
    for index in 0..KEYS {
        manager.put(&key(index), &expired(&sign_in(emulator))).await.unwrap();
    }
    let began = (Instant::now(), ProcessTime::now());
    let mut tasks = JoinSet::new();
    for index in 0..KEYS {
        let manager = manager.clone();
        tasks.spawn(async move { manager.get(&key(index)).await.map(drop).unwrap() });
    }
    tasks.join_all().await;
    (began.0.elapsed(), began.1.elapsed())
}

/// The processor time of a refresh in the manager alone: with a provider in the process that answers at once.
fn alone(runtime: &tokio::runtime::Runtime) {
    let server = RotatingServer::new();
    let manager = TokenManager::builder(MemoryStore::new(), Sealer::new(SealingKey::random().unwrap()))
        .provider(Arc::new(server.client()))
        .build()
        .unwrap();
    let key = |index: usize| TokenKey::new("testkit", format!("user-{index}"));
    let elapsed = runtime.block_on(async {
        for index in 0..KEYS {
            manager.put(&key(index), &server.sign_in_expired().unwrap()).await.unwrap();
        }
        let began = ProcessTime::now();
        let mut tasks = JoinSet::new();
        for index in 0..KEYS {
            let manager = manager.clone();
            tasks.spawn(async move { manager.get(&key(index)).await.map(drop).unwrap() });
        }
        tasks.join_all().await;
        began.elapsed()
    });
    println!("a refresh without a network: {:.1?} of processor time", elapsed / KEYS as u32);
}

fn main() {
    // Nothing is to be run under `cargo bench -- --list` and the like.
    if std::env::args().any(|argument| argument == "--list") {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    alone(&runtime);
    // The provider has a runtime of its own, and answers in the time that a near one takes.
    let provider = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    for latency in [0, 25] {
        for concurrency in [100] {
            let mut ratios: Vec<Round> = (0..ROUNDS)
                .map(|round| {
                    let emulator =
                        provider.block_on(Emulator::builder().rotate_refresh_tokens(true).start()).unwrap();
                    if latency > 0 {
                        let slow = Fault::Slow(Duration::from_millis(latency));
                        emulator.fault_at("oauth2", EmulatedEndpoint::Refresh, slow).unwrap();
                    }
                    // In turn, so that neither has the quieter machine.
                    let (bare, managed) = if round % 2 == 0 {
                        let bare = runtime.block_on(bare(&emulator, concurrency));
                        (bare, runtime.block_on(managed(&emulator, concurrency)))
                    } else {
                        let managed = runtime.block_on(managed(&emulator, concurrency));
                        (runtime.block_on(bare(&emulator, concurrency)), managed)
                    };
                    let sent = emulator.count_requests("oauth2", EmulatedEndpoint::Refresh).unwrap();
                    assert_eq!(sent, 2 * KEYS, "one request for each key, on either side");
                    (managed.0.as_secs_f64() / bare.0.as_secs_f64(), bare, managed)
                })
                .collect();
            ratios.sort_by(|one, other| one.0.total_cmp(&other.0));
            let (ratio, bare, managed) = ratios[ROUNDS / 2];
            println!(
                "provider answers in {latency} ms, {concurrency} at a time: \
                 bare posts {:.2?}, manager {:.2?}, ratio {ratio:.2} (of {ROUNDS}, the middle one; {:.2} to {:.2})",
                bare.0,
                managed.0,
                ratios[0].0,
                ratios[ROUNDS - 1].0,
            );
            let total =
                |part: fn(&Round) -> Duration| ratios.iter().map(part).sum::<Duration>().as_secs_f64();
            println!(
                "    processor time of all rounds, provider included: ratio {:.2}",
                total(|round| round.2.1) / total(|round| round.1.1)
            );
        }
    }
}
