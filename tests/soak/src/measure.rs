//! How much a store takes: leases and refreshes in a second, and room for each grant.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use oauth_core::{
    HttpClient, HttpError, Provider, Sealer, SealingKey, async_trait,
    bytes::Bytes,
    http::{HeaderValue, Request, Response},
    serde_json::{self, json},
};
use oauth_store_tests::{open, worker::provider};
use oauth_test_servers::{MariaDb, Persistence, Postgres, Redis};
use oauth_tokens::{
    Acquired, BatchOptions, Filter, MemoryStore, PlainGrant, TokenKey, TokenManager, TokenStore,
};
use sqlx::{Connection, MySqlConnection, PgConnection};
use tokio::task::JoinSet;

const GRANTS: u64 = 10_000;
const AT_ONCE: usize = 32;
const LEASES_FOR: Duration = Duration::from_secs(5);

/// Measures all stores, in a folder of their own, and prints a table.
pub(crate) async fn run(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    println!("| store | leases in a second | refreshes in a second | bytes for each grant |");
    println!("| --- | --- | --- | --- |");
    let before = crate::worker::memory();
    let memory = Arc::new(MemoryStore::new());
    let figures = figures(memory.clone()).await?;
    let taken = (crate::worker::memory() - before) * 1024 / GRANTS;
    println!("| `MemoryStore` | {figures} | {taken}, with the manager's memory |");

    let file = folder.join("measure.db");
    let _ = std::fs::remove_file(&file);
    let figures = self::figures(open(&format!("sqlite:{}", file.display()), "").await?).await?;
    let size: u64 = ["measure.db", "measure.db-wal"]
        .iter()
        .filter_map(|name| std::fs::metadata(folder.join(name)).ok())
        .map(|file| file.len())
        .sum();
    println!("| SQLite | {figures} | {} |", size / GRANTS);

    let server = Postgres::start(folder)?;
    let figures = self::figures(open(&server.url(), "measure").await?).await?;
    let mut connection = PgConnection::connect(&server.url()).await?;
    let (size,): (i64,) =
        sqlx::query_as("SELECT pg_total_relation_size('measure')").fetch_one(&mut connection).await?;
    println!("| PostgreSQL | {figures} | {} |", size.unsigned_abs() / GRANTS);
    drop(server);

    let server = MariaDb::start(folder)?;
    let figures = self::figures(open(&server.url(), "measure").await?).await?;
    let mut connection = MySqlConnection::connect(&server.url()).await?;
    sqlx::raw_sql("ANALYZE TABLE measure").execute(&mut connection).await?;
    let sizes = "SELECT CAST(data_length + index_length AS SIGNED) FROM information_schema.tables WHERE table_name = 'measure'";
    let (size,): (i64,) = sqlx::query_as(sizes).fetch_one(&mut connection).await?;
    println!("| MariaDB | {figures} | {} |", size.unsigned_abs() / GRANTS);
    drop(server);

    let server = Redis::start(folder, Persistence::None)?;
    let before = used(&server.url()).await?;
    let figures = self::figures(open(&server.url(), "measure").await?).await?;
    let size = used(&server.url()).await?.saturating_sub(before);
    println!("| Redis | {figures} | {} |", size / GRANTS);
    Ok(())
}

async fn used(url: &str) -> Result<u64> {
    let address = url.trim_start_matches("redis://").trim_end_matches('/');
    let address = address.split('/').next().unwrap_or(address).to_owned();
    let (host, port) = address.split_once(':').context("the server has a port")?;
    let mut command = tokio::process::Command::new("redis-cli");
    let output = command.args(["-h", host, "-p", port, "info", "memory"]).output().await?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().find_map(|line| line.strip_prefix("used_memory:"));
    Ok(line.context("Redis tells its memory")?.trim().parse()?)
}

/// Leases and refreshes in a second, as two cells.
async fn figures(store: Arc<impl TokenStore + ?Sized + 'static>) -> Result<String> {
    let counted = Arc::new(AtomicU64::new(0));
    let until = Instant::now() + LEASES_FOR;
    let mut tasks = JoinSet::new();
    for task in 0..AT_ONCE {
        let (store, counted) = (Arc::clone(&store), Arc::clone(&counted));
        tasks.spawn(async move {
            let key = TokenKey::new("leases", task.to_string());
            while Instant::now() < until {
                let acquired = store.acquire(&key, "measure", Duration::from_secs(3)).await?;
                if let Acquired::Granted(lease) = acquired {
                    store.release(&key, &lease).await?;
                    counted.fetch_add(1, Ordering::Relaxed);
                }
            }
            Ok::<_, oauth_tokens::StoreError>(())
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    let leases = counted.load(Ordering::Relaxed) as f64 / LEASES_FOR.as_secs_f64();

    let client = provider("https://oauth2.example/token").with_http_client(Answers::default());
    let manager = TokenManager::builder(store, Sealer::new(SealingKey::from_bytes([7; 32])))
        .provider(Arc::new(client))
        .recover_every(Duration::MAX)
        .build()?;
    let mut imports = JoinSet::new();
    for index in 0..GRANTS {
        if imports.len() >= AT_ONCE
            && let Some(ended) = imports.join_next().await
        {
            ended??;
        }
        let manager = manager.clone();
        imports.spawn(async move { manager.import(&grant(index)?).await.map_err(anyhow::Error::from) });
    }
    while let Some(ended) = imports.join_next().await {
        ended??;
    }
    let began = Instant::now();
    let options = BatchOptions::new().at_once(AT_ONCE);
    let batch = manager.refresh_due(&Filter::all(), Duration::ZERO, &options).await?;
    let refreshes = batch.done as f64 / began.elapsed().as_secs_f64();
    manager.close().await;
    Ok(format!("{leases:.0} | {refreshes:.0}"))
}

/// One that has expired long ago.
fn grant(index: u64) -> Result<PlainGrant> {
    Ok(serde_json::from_value(json!({
        "tenant": "measure",
        "subject": index.to_string(),
        "provider": "oauth2",
        "token": {
            "access_token": format!("access token number {index:020}"),
            "refresh_token": format!("refresh token number {index:020}"),
            "token_type": "Bearer",
            "scope": "a few scopes",
        },
        "obtained_at": 1_700_000_000,
        "expires_at": 1_700_003_600,
    }))?)
}

/// A token endpoint in this process, so that nothing but the store is waited for.
#[derive(Clone, Debug, Default)]
struct Answers(Arc<AtomicU64>);

#[async_trait]
impl HttpClient for Answers {
    async fn send(&self, _: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let number = self.0.fetch_add(1, Ordering::Relaxed);
        let reply = json!({
            "access_token": format!("access token of refresh {number:020}"),
            "refresh_token": format!("refresh token of refresh {number:020}"),
            "token_type": "Bearer",
            "expires_in": 24 * 3600,
        });
        let mut response = Response::new(Bytes::from(reply.to_string()));
        response.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
        Ok(response)
    }
}
