//! A live token out of the manager's memory, by one and by two threads.

use std::{sync::Arc, thread};

use anyhow::Result;
use dashmap::DashMap;
use moka::sync::Cache;
use oauth_core::{OAuth2, OAuth2Token, Sealer, SealingKey};
use oauth_tokens::{MemoryStore, TokenKey, TokenManager};

use crate::{
    measure::{MeasuredTime, Contender, interleave},
    report::{Cast, Row, times},
    world::{World, nobody},
};

const DASHMAP: &str = "DashMap get";
const MOKA: &str = "moka get";
const CLOCK: &str = "DashMap get and a look at the clock";
const OURS: &str = "TokenManager::get";
const KEYS: usize = 1_000;

pub fn row(world: &mut World) -> Result<Row> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let client = OAuth2::new("id", "secret", "https://as.example/authorize", "https://as.example/token");
    let manager = TokenManager::builder(MemoryStore::new(), Sealer::new(SealingKey::random()?))
        .provider(Arc::new(client))
        .build()?;
    let token = || -> OAuth2Token {
        let body = r#"{"access_token":"ya29.a0AfB_byDZ4cXb1pM5n7qK2sT9vW3x","token_type":"Bearer","expires_in":86400,
            "refresh_token":"1//0gK3mN6pQ9sT2vX5yZ8bC1eF4hJ7kL0nR3tU6wA9","scope":"openid email"}"#;
        serde_json::from_str(body).expect("it is a token")
    };
    let keys: Vec<TokenKey> = (0..KEYS).map(|user| TokenKey::new("oauth2", format!("user-{user}"))).collect();
    let dashmap = DashMap::new();
    let moka = Cache::new(10 * KEYS as u64);
    runtime.block_on(async {
        for key in &keys {
            let token = token();
            manager.put(key, &token).await.expect("it is stored");
            manager.get(key).await.expect("it is live");
            let token = Arc::new(token);
            dashmap.insert(key.clone(), token.clone());
            moka.insert(key.clone(), token);
        }
    });

    let mut tables = Vec::new();
    for threads in [1, 2] {
        let each = |count: usize, get: &(dyn Fn(&TokenKey) + Sync)| {
            let work = |first: usize| {
                for at in 0..count / threads {
                    get(&keys[(first + at * 7) % KEYS]);
                }
            };
            match threads {
                1 => work(0),
                _ => thread::scope(|scope| {
                    for thread in 0..threads {
                        scope.spawn(move || work(thread * KEYS / threads));
                    }
                }),
            }
        };
        let contenders = vec![
            Contender::new(DASHMAP, |count| {
                each(count, &|key| {
                    std::hint::black_box(dashmap.get(key).map(|token| Arc::clone(&token)));
                });
            }),
            Contender::new(CLOCK, |count| {
                each(count, &|key| {
                    let now = std::time::SystemTime::now();
                    std::hint::black_box((now, dashmap.get(key).map(|token| Arc::clone(&token))));
                });
            }),
            Contender::new(MOKA, |count| {
                each(count, &|key| {
                    std::hint::black_box(moka.get(key));
                });
            }),
            Contender::new(OURS, |count| {
                each(count, &|key| {
                    // It is ready at once; a waker is all that it takes to see that.
                    let future = std::pin::pin!(manager.get(key));
                    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
                    match future.poll(&mut context) {
                        std::task::Poll::Ready(token) => {
                            drop(std::hint::black_box(token.expect("it is live")))
                        }
                        std::task::Poll::Pending => panic!("a live token needs no waiting"),
                    }
                });
            }),
        ];
        let measured = interleave(contenders, world.plan(500_000), &mut nobody);
        let cast = Cast { ours: &[OURS], floors: &[DASHMAP, CLOCK, MOKA], base: DASHMAP };
        let title = if threads == 1 { "1 thread".to_owned() } else { format!("{threads} threads") };
        let goal = format!("CPU ≤ 2 × {CLOCK}");
        tables.push(times(title, &measured, &cast, MeasuredTime::Cpu).with_goal(
            &goal,
            &measured,
            (OURS, CLOCK),
            MeasuredTime::Cpu,
            2.0,
        ));
    }
    Ok(Row {
        id: "manager",
        title: "Live token from the manager",
        method: format!(
            "{} calls in each round, over {KEYS} keys whose tokens are live. All three hand an `Arc` of the token out under the same \
             `TokenKey`, which knows its hash. The manager also asks the clock whether the token is still good, which takes about as long as \
             the look into the map; a line of the table has both.",
            world.plan(500_000).iterations
        ),
        tables,
    })
}
