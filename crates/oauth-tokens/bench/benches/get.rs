//! What it costs to have a live token from memory, next to bare maps of the same keys and tokens.
//!
//! `cargo bench --manifest-path crates/oauth-tokens/bench/Cargo.toml --bench get`

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    missing_docs,
    reason = "a measurement fails by panicking"
)]

use std::{
    collections::HashMap,
    hint::black_box,
    pin::pin,
    sync::{Arc, RwLock},
    task::{Context, Poll, Waker},
    thread,
    time::Duration,
};

use cpu_time::ThreadTime;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use oauth_core::{OAuth2Token, Sealer, SealingKey};
use oauth_tokens::{MemoryStore, TokenKey, TokenManager, testkit::RotatingServer};

const KEYS: usize = 100_000;

/// The result of a future that does not wait.
fn now<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => panic!("a live token was waited for"),
    }
}

struct Maps {
    keys: Vec<TokenKey>,
    manager: TokenManager,
    dashmap: dashmap::DashMap<TokenKey, Arc<OAuth2Token>>,
    moka: moka::sync::Cache<TokenKey, Arc<OAuth2Token>>,
    papaya: papaya::HashMap<TokenKey, Arc<OAuth2Token>>,
    locked: RwLock<HashMap<TokenKey, Arc<OAuth2Token>>>,
}

impl Maps {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let server = RotatingServer::new();
        let sealer = Sealer::new(SealingKey::random().unwrap());
        let manager = TokenManager::builder(MemoryStore::new(), sealer)
            .provider(Arc::new(server.client()))
            .cache_capacity(2 * KEYS)
            .build()
            .unwrap();
        let maps = Self {
            keys: (0..KEYS).map(|index| TokenKey::new("testkit", format!("user-{index}"))).collect(),
            manager,
            dashmap: dashmap::DashMap::new(),
            moka: moka::sync::Cache::new(2 * KEYS as u64),
            papaya: papaya::HashMap::new(),
            locked: RwLock::default(),
        };
        for key in &maps.keys {
            let token = server.sign_in().unwrap();
            runtime.block_on(maps.manager.put(key, &token)).unwrap();
            let token = Arc::new(token);
            maps.dashmap.insert(key.clone(), Arc::clone(&token));
            maps.moka.insert(key.clone(), Arc::clone(&token));
            maps.papaya.pin().insert(key.clone(), Arc::clone(&token));
            maps.locked.write().unwrap().insert(key.clone(), token);
        }
        maps.moka.run_pending_tasks();
        maps
    }
}

/// So many look-ups on each of so many threads, all keys in turn or one alone: the processor time of the slowest thread, which
/// other programs on the machine do not change, and which stays the same with more threads if nothing is in their way.
fn on_threads<T>(
    threads: usize,
    look_ups: u64,
    maps: &Maps,
    is_hot: bool,
    get: impl Fn(&Maps, &TokenKey) -> T + Sync,
) -> Duration {
    let get = &get;
    let run = |seed: usize| {
        let mut index = seed * 7919;
        for _ in 0..look_ups {
            // A stride that visits every key, and no two in a row that lie together.
            index = (index + 48_271) % KEYS;
            let key = if is_hot { &maps.keys[0] } else { &maps.keys[index] };
            drop(black_box(get(maps, black_box(key))));
        }
    };
    let timed = |seed: usize| {
        let began = ThreadTime::now();
        run(seed);
        began.elapsed()
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|seed| scope.spawn(move || timed(seed))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).max().unwrap()
    })
}

fn get(criterion: &mut Criterion) {
    let maps = Maps::new();
    let cores = thread::available_parallelism().map_or(1, usize::from);
    for is_hot in [false, true] {
        for threads in [1, cores] {
            let which = if is_hot { "one key" } else { "100 000 keys" };
            let mut group = criterion.benchmark_group(format!("{which}, {threads} threads"));
            let mut bench = |name: &str, get: &(dyn Fn(&Maps, &TokenKey) -> Arc<OAuth2Token> + Sync)| {
                group.bench_function(BenchmarkId::from_parameter(name), |bencher| {
                    bencher.iter_custom(|look_ups| on_threads(threads, look_ups, &maps, is_hot, get));
                });
            };
            bench("TokenManager::get", &|maps, key| now(maps.manager.get(key)).unwrap());
            bench("DashMap", &|maps, key| Arc::clone(&maps.dashmap.get(key).unwrap()));
            bench("moka", &|maps, key| maps.moka.get(key).unwrap());
            bench("papaya", &|maps, key| Arc::clone(maps.papaya.pin().get(key).unwrap()));
            bench("RwLock<HashMap>", &|maps, key| Arc::clone(&maps.locked.read().unwrap()[key]));
            group.finish();
        }
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2)).sample_size(30);
    targets = get
}
criterion_main!(benches);
