//! 1,000 callers at once that all need a new token under one key.

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use oauth_core::{OAuth2, OAuth2Token, Provider, Sealer, SealingKey};
use oauth_tokens::{MemoryStore, TokenKey, TokenManager};
use tokio::{sync::Mutex, task::JoinSet};

use crate::{
    measure::{MeasuredTime, Contender, interleave},
    report::{Cast, Goal, Row, find, times},
    server::SLOW,
    world::{World, runtime},
};

const CALLERS: usize = 1_000;
const ONE: &str = "one refresh";
const OURS: &str = "TokenManager";
const MUTEX: &str = "Go-style mutex";
const YUP: &str = "yup-oauth2";

pub fn row(world: &mut World) -> Result<Row> {
    let runtime = runtime()?;
    let token_url = format!("{}/slow/token", world.server.hello.http);
    let http = oauth_reqwest::reqwest_client(|defaults| defaults)?;
    let client = OAuth2::new("id", "secret", "https://as.example/authorize", token_url.clone())
        .with_refresh_endpoint(token_url.clone())
        .with_http_client(http);
    let expired: OAuth2Token =
        serde_json::from_str(r#"{"access_token":"old","expires_at":1,"refresh_token":"RT"}"#)?;
    let key = TokenKey::new("oauth2", "user-1");
    let secret = service_account(&token_url)?;

    let contenders = vec![
        Contender::new(ONE, |count| {
            runtime.block_on(async {
                for _ in 0..count {
                    client.refresh_token("RT", None).await.expect("it is refreshed");
                }
            });
        }),
        Contender::new(OURS, |count| {
            runtime.block_on(async {
                for _ in 0..count {
                    let sealer = Sealer::new(SealingKey::from_bytes([7; 32]));
                    let manager = TokenManager::builder(MemoryStore::new(), sealer)
                        .provider(Arc::new(client.clone()))
                        .build()
                        .expect("it is valid");
                    manager.put(&key, &expired).await.expect("it is stored");
                    storm(|| {
                        let (manager, key) = (manager.clone(), key.clone());
                        async move {
                            let token = manager.get(&key).await.expect("it is refreshed");
                            assert_ne!(token.access_token(), "old");
                        }
                    })
                    .await;
                }
            });
        }),
        Contender::new(MUTEX, |count| {
            runtime.block_on(async {
                for _ in 0..count {
                    // What golang.org/x/oauth2 does: whoever has the lock looks, and refreshes if need be.
                    let current = Arc::new(Mutex::new(expired.clone()));
                    storm(|| {
                        let (current, client) = (current.clone(), client.clone());
                        async move {
                            let mut token = current.lock().await;
                            if token.expires_within(Duration::from_secs(10)) {
                                *token = client.refresh_token("RT", None).await.expect("it is refreshed");
                            }
                            assert_ne!(token.access_token(), "old");
                        }
                    })
                    .await;
                }
            });
        }),
        Contender::new(YUP, |count| {
            runtime.block_on(async {
                for _ in 0..count {
                    let authenticator = Arc::new(
                        yup_oauth2::ServiceAccountAuthenticator::builder(secret.clone())
                            .build()
                            .await
                            .expect("it is valid"),
                    );
                    storm(|| {
                        let authenticator = authenticator.clone();
                        async move {
                            authenticator.token(&["email"]).await.expect("it is refreshed");
                        }
                    })
                    .await;
                }
            });
        }),
    ];
    let plan = world.plan(10);
    let server = &mut world.server;
    let measured = interleave(contenders, plan, &mut || {
        server
            .counts()
            .into_iter()
            .filter(|(name, _)| matches!(&**name, "/slow/token" | "connections"))
            .collect()
    });
    let cast = Cast { ours: &[OURS], floors: &[ONE], base: ONE };
    let mut table = times("", &measured, &cast, MeasuredTime::Wall).with_goal(
        "wall ≤ 1.2 × one refresh",
        &measured,
        (OURS, ONE),
        MeasuredTime::Wall,
        1.2,
    );
    let storms = (plan.rounds * plan.iterations + (plan.iterations / 4).max(1)).to_string();
    if let Some(ours) = find(&measured, OURS) {
        let found = ours.facts.iter().find(|(name, _)| name == "/slow/token").map(|(_, count)| count.clone());
        let found = found.unwrap_or_default();
        let met = found == storms;
        table.goals.push(Goal::exact("one request for a storm", format!("{found} for {storms} storms"), met));
    }
    Ok(Row {
        id: "storm",
        title: "Refresh storm",
        method: format!(
            "{CALLERS} callers at once under one key whose token has expired; {} storms in each round, each with a manager, a mutex \
             or an authenticator of its own. The token endpoint takes {} ms. The mutex is what golang.org/x/oauth2 does, with this \
             library's client. `yup-oauth2` gets its token as a service account, because that is the flow whose token endpoint can \
             be moved; it signs a JWT for each request and opens connections anew for each storm, as each storm has an authenticator \
             of its own. The columns at the right are what the server counted over all rounds.",
            plan.iterations,
            SLOW.as_millis()
        ),
        tables: vec![table],
    })
}

async fn storm<Fut: Future<Output = ()> + Send + 'static>(call: impl Fn() -> Fut) {
    let mut calls = JoinSet::new();
    for _ in 0..CALLERS {
        calls.spawn(call());
    }
    while let Some(done) = calls.join_next().await {
        done.expect("no call fails");
    }
}

/// A key of a service account that was made for this run.
fn service_account(token_url: &str) -> Result<yup_oauth2::ServiceAccountKey> {
    use aws_lc_rs::{
        encoding::{AsDer, Pkcs8V1Der},
        rsa::{KeyPair, KeySize},
    };
    use base64::{Engine, engine::general_purpose::STANDARD};

    let der: Pkcs8V1Der<'_> = KeyPair::generate(KeySize::Rsa2048)?.as_der()?;
    let pem = format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        lines(&STANDARD.encode(der.as_ref()))
    );
    Ok(serde_json::from_value(serde_json::json!({
        "type": "service_account", "private_key": pem, "client_email": "bench@example.com", "token_uri": token_url,
    }))?)
}

fn lines(text: &str) -> String {
    let pieces: Vec<_> = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    pieces.join("\n")
}
