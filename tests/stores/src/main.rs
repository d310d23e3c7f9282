//! One process of many that share a store: it gets tokens as it is told, and says what happens.

use std::{
    collections::{BTreeMap, HashMap},
    io::Write,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use oauth_core::{
    HttpClient, HttpError, OAuth2, OAuth2Token, OffsetDateTime, Provider, async_trait,
    http::{HeaderValue, Request, Response},
};
use oauth_store_tests::{
    open,
    worker::{Order, Report, Settings, key, microseconds, old_key, provider, sealer},
};
use oauth_tokens::{
    Acquired, BatchOptions, Bytes, Event, Expected, Filter, Found, Lease, Outcome, Record, Saved, StoreError,
    Summary, TokenError, TokenKey, TokenManager, TokenSource, TokenStore,
};
use tokio::io::{AsyncBufReadExt, BufReader};

#[tokio::main]
async fn main() -> Result<()> {
    let mut input = BufReader::new(tokio::io::stdin()).lines();
    let settings = input.next_line().await?.context("the first line of the input is missing")?;
    let settings: Settings = serde_json::from_str(&settings)?;
    let store =
        Telling { store: open(&settings.store, &settings.table).await?, signs_of_life: Mutex::default() };
    let source = Slow {
        provider: provider(&settings.token_endpoint),
        reply_takes: Duration::from_millis(settings.reply_takes),
    };
    let manager = TokenManager::builder(store, sealer())
        .source(source)
        .observer(|event: &Event| {
            if let Outcome::Refreshed { .. } = event.outcome {
                say(&Report::Refreshed { subject: event.key.subject().to_owned(), at: microseconds() });
            }
        })
        .reread_failures_after(Duration::from_millis(200))
        .build()?;
    say(&Report::Ready);
    while let Some(order) = input.next_line().await? {
        match serde_json::from_str(&order)? {
            Order::Get { subject, tasks } => say(&get(&manager, &subject, tasks).await?),
            Order::Hammer { subjects, tasks } => hammer(&manager, subjects, tasks),
            Order::Maintain { at_once } => say(&maintain(&settings, at_once).await?),
        }
    }
    manager.close().await;
    Ok(())
}

async fn get(manager: &TokenManager, subject: &str, tasks: usize) -> Result<Report> {
    let tasks: Vec<_> = (0..tasks)
        .map(|_| {
            let (manager, key) = (manager.clone(), key(subject));
            tokio::spawn(async move { manager.get(&key).await })
        })
        .collect();
    let (mut tokens, mut errors) = (BTreeMap::new(), BTreeMap::new());
    for task in tasks {
        match task.await? {
            Ok(token) => *tokens.entry(token.access_token().to_owned()).or_default() += 1,
            Err(error) => *errors.entry(error.to_string()).or_default() += 1,
        }
    }
    Ok(Report::Got { tokens, errors })
}

/// Does with a manager of its own what a worker process does that maintains all grants.
async fn maintain(settings: &Settings, at_once: usize) -> Result<Report> {
    let store: Arc<dyn TokenStore> = open(&settings.store, &settings.table).await?;
    let answers = Answers::default();
    let manager = TokenManager::builder(store, sealer().with_old_key(old_key()))
        .provider(Arc::new(provider(&settings.token_endpoint).with_http_client(answers.clone())))
        .cache_capacity(1000)
        .build()?;
    let (before, options) = (most_memory(), BatchOptions::new().at_once(at_once));
    let began = Instant::now();
    let (mut listed, mut after) = (0, None);
    loop {
        let page = manager.find(&Filter::all(), after.as_ref(), 500).await?;
        listed += page.len() as u64;
        match page.last() {
            Some(last) => after = Some(last.key.clone()),
            None => break,
        }
    }
    let listing = began.elapsed();
    let resealed = manager.reseal_all(&options).await?;
    let resealing = began.elapsed() - listing;
    let refreshed = manager.refresh_due(&Filter::all(), Duration::ZERO, &options).await?;
    let refreshing = began.elapsed() - resealing - listing;
    Ok(Report::Maintained {
        listed,
        resealed: (resealed.done, resealed.left),
        refreshed: (refreshed.done, refreshed.left),
        failed: (refreshed.failed, refreshed.error.map(|error| error.to_string())),
        requests: answers.0.load(Ordering::Relaxed),
        took: [listing, resealing, refreshing].map(|time| time.as_millis()),
        memory: (before, most_memory()),
    })
}

/// A token endpoint in this process, so that nothing but the store is waited for.
#[derive(Clone, Debug, Default)]
struct Answers(Arc<AtomicU64>);

#[async_trait]
impl HttpClient for Answers {
    async fn send(&self, _: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let number = self.0.fetch_add(1, Ordering::Relaxed);
        let reply = serde_json::json!({
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

/// The most memory that this process has had so far, in KiB, as Linux tells it.
fn most_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

fn hammer(manager: &TokenManager, subjects: usize, tasks: usize) {
    for task in 0..tasks {
        let manager = manager.clone();
        tokio::spawn(async move {
            // Each begins somewhere else, so that the tasks of all processes meet at random.
            let mut next = std::process::id() as usize + task * subjects / tasks;
            loop {
                next += 1;
                let subject = (next % subjects).to_string();
                match manager.get(&key(&subject)).await {
                    Ok(_) => {}
                    Err(TokenError::Dead { grant, .. }) => say(&Report::Dead {
                        subject,
                        at: grant.at.unix_timestamp(),
                        lost_in_refresh: matches!(
                            grant.reason,
                            oauth_tokens::DeadReason::LostInRefresh { .. }
                        ),
                        reason: grant.reason.to_string(),
                    }),
                    Err(error) => say(&Report::Failed { error: error.to_string() }),
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
    }
}

/// Writes a line at once: whoever kills this process must know what it had begun.
fn say(report: &Report) {
    let Ok(mut line) = serde_json::to_string(report) else { return };
    line.push('\n');
    let mut output = std::io::stdout().lock();
    // When nobody listens any more, the process is about to be ended.
    let _ = output.write_all(line.as_bytes()).and_then(|()| output.flush());
}

/// Says when a refresh token is about to be sent, and lets the reply take its time.
#[derive(Debug)]
struct Slow {
    provider: OAuth2,
    reply_takes: Duration,
}

#[async_trait]
impl TokenSource for Slow {
    fn name(&self) -> &str {
        self.provider.name()
    }

    fn needs_login(&self, _: &TokenKey) -> bool {
        true
    }

    async fn obtain(
        &self,
        key: &TokenKey,
        previous: Option<&OAuth2Token>,
    ) -> oauth_core::Result<OAuth2Token> {
        say(&Report::Redeems { subject: key.subject().to_owned(), at: microseconds() });
        let nothing = OAuth2Token::new("");
        let token = self.provider.refresh(previous.unwrap_or(&nothing), None).await;
        tokio::time::sleep(self.reply_takes).await;
        token
    }

    async fn revoke(&self, _: &TokenKey, _: &OAuth2Token) -> oauth_core::Result<()> {
        Ok(())
    }
}

/// The manager's default, with which the storms run.
const LEASE_LIFETIME: Duration = Duration::from_secs(3);

/// Says when the store has taken a record, and when it refused one because this process was too slow.
#[derive(Debug)]
struct Telling {
    store: Arc<dyn oauth_store_tests::Store>,
    /// When a lease of each subject was last granted or extended, at the earliest.
    signs_of_life: Mutex<HashMap<String, Instant>>,
}

impl Telling {
    fn sign_of_life(&self, key: &TokenKey, at: Instant) {
        let mut signs = self.signs_of_life.lock().unwrap_or_else(PoisonError::into_inner);
        signs.insert(key.subject().to_owned(), at);
    }

    fn has_stalled(&self, key: &TokenKey) -> bool {
        let signs = self.signs_of_life.lock().unwrap_or_else(PoisonError::into_inner);
        signs.get(key.subject()).is_some_and(|at| at.elapsed() > LEASE_LIFETIME)
    }
}

#[async_trait]
impl TokenStore for Telling {
    async fn load(&self, key: &TokenKey) -> Result<Option<Record>, StoreError> {
        self.store.load(key).await
    }

    async fn save(
        &self,
        key: &TokenKey,
        sealed: Bytes,
        expected: Expected,
        lease: Option<&Lease>,
    ) -> Result<Saved, StoreError> {
        self.save_described(key, sealed, &Summary::default(), expected, lease).await
    }

    async fn save_described(
        &self,
        key: &TokenKey,
        sealed: Bytes,
        summary: &Summary,
        expected: Expected,
        lease: Option<&Lease>,
    ) -> Result<Saved, StoreError> {
        let saved = self.store.save_described(key, sealed, summary, expected, lease).await;
        match saved {
            Ok(Saved::Version(_)) => say(&Report::Saved { subject: key.subject().to_owned() }),
            Ok(Saved::Fenced) if self.has_stalled(key) => {
                say(&Report::Stalled { subject: key.subject().to_owned() });
            }
            _ => {}
        }
        saved
    }

    fn can_find(&self) -> bool {
        self.store.can_find()
    }

    async fn find(
        &self,
        filter: &Filter,
        after: Option<&TokenKey>,
        limit: usize,
    ) -> Result<Vec<Found>, StoreError> {
        self.store.find(filter, after, limit).await
    }

    async fn count(&self, filter: &Filter) -> Result<u64, StoreError> {
        self.store.count(filter).await
    }

    async fn delete(&self, key: &TokenKey) -> Result<bool, StoreError> {
        self.store.delete(key).await
    }

    async fn delete_version(&self, key: &TokenKey, version: u64) -> Result<bool, StoreError> {
        self.store.delete_version(key, version).await
    }

    async fn list(&self, tenant: &str, subject: &str) -> Result<Vec<(TokenKey, Record)>, StoreError> {
        self.store.list(tenant, subject).await
    }

    async fn acquire(
        &self,
        key: &TokenKey,
        holder: &str,
        lifetime: Duration,
    ) -> Result<Acquired, StoreError> {
        let at = Instant::now();
        let acquired = self.store.acquire(key, holder, lifetime).await;
        if let Ok(Acquired::Granted(_)) = acquired {
            self.sign_of_life(key, at);
        }
        acquired
    }

    async fn extend(&self, key: &TokenKey, lease: &Lease, lifetime: Duration) -> Result<bool, StoreError> {
        let at = Instant::now();
        let extended = self.store.extend(key, lease, lifetime).await;
        if let Ok(true) = extended {
            self.sign_of_life(key, at);
        }
        extended
    }

    async fn release(&self, key: &TokenKey, lease: &Lease) -> Result<(), StoreError> {
        self.store.release(key, lease).await
    }

    async fn now(&self) -> Result<Option<OffsetDateTime>, StoreError> {
        self.store.now().await
    }
}
