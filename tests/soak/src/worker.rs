//! One of the processes that share a store: it gets tokens all the time, and says each second how that went.

use std::{
    collections::BTreeMap,
    fmt,
    io::Write,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use oauth_core::{Clock, OffsetDateTime, Sealer, SealingKey, async_trait};
use oauth_store_tests::{open, worker::provider};
use oauth_tokens::{
    Event, Outcome, SealingError, StoreError, StoreOperation, TokenError, TokenKey, TokenManager,
    TokenSealer, TokenStore, Unsealed,
    testkit::{HookedStore, StoreCall, StoreHook},
};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, BufReader};

/// The first line of its input.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Settings {
    pub(crate) store: String,
    pub(crate) table: String,
    pub(crate) token_endpoint: String,
    pub(crate) subjects: usize,
    pub(crate) tasks: usize,
    /// The number of the key that seals.
    pub(crate) sealing_key: u8,
}

/// A further line of its input.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Order {
    /// Set the clock ahead by so many seconds, or back.
    Clock(i64),
    /// Seal with this key from now on.
    SealWith(u8),
    /// Let the store carry out so many saves whose replies do not arrive.
    LoseReplies(usize),
    /// Let the store take no saves, or take them again.
    Full(bool),
    /// Stop, and hand over what is not saved.
    Close,
}

/// A line of its output.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Report {
    Second(Box<Second>),
    /// Closed, with so many tokens that the store has not taken.
    Closed(usize),
}

/// How a second went.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Second {
    pub(crate) gets: u64,
    pub(crate) refreshes: u64,
    /// By their first words.
    pub(crate) errors: BTreeMap<String, u64>,
    /// Grants that are dead, and why.
    pub(crate) dead: BTreeMap<String, String>,
    /// The 99th percentile of the time that `get` took, in microseconds, and the longest.
    pub(crate) p99: u64,
    pub(crate) longest: u64,
    /// In KiB.
    pub(crate) memory: u64,
    pub(crate) files: u64,
    pub(crate) tasks: u64,
}

/// The key of a subject's grant.
pub(crate) fn key(subject: usize) -> TokenKey {
    TokenKey::new("oauth2", subject.to_string()).with_tenant("soak")
}

/// The key ring of all processes, which can be told to seal with another key.
#[derive(Clone)]
pub(crate) struct Ring(Arc<RwLock<Sealer>>);

impl Ring {
    pub(crate) fn new(sealing_key: u8) -> Self {
        Self(Arc::new(RwLock::new(sealer(sealing_key))))
    }

    pub(crate) fn seal_with(&self, sealing_key: u8) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = sealer(sealing_key);
    }

    fn sealer(&self) -> Sealer {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// All know the key before and the one after.
pub(crate) fn sealer(number: u8) -> Sealer {
    let key = |number: u8| SealingKey::from_bytes([number; 32]);
    Sealer::new(key(number))
        .with_old_key(key(number.wrapping_add(1)))
        .with_old_key(key(number.wrapping_sub(1)))
}

impl fmt::Debug for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ring")
    }
}

#[async_trait]
impl TokenSealer for Ring {
    async fn seal(&self, key: &TokenKey, plain: &[u8], context: &[u8]) -> Result<Vec<u8>, SealingError> {
        TokenSealer::seal(&self.sealer(), key, plain, context).await
    }

    async fn open(&self, key: &TokenKey, sealed: &[u8], context: &[u8]) -> Result<Unsealed, SealingError> {
        TokenSealer::open(&self.sealer(), key, sealed, context).await
    }

    fn sealing_key(&self) -> Option<String> {
        self.sealer().sealing_key()
    }

    fn sealing_key_of(&self, sealed: &[u8]) -> Option<String> {
        self.sealer().sealing_key_of(sealed)
    }
}

#[derive(Clone, Debug, Default)]
struct Shifted(Arc<AtomicI64>);

impl Clock for Shifted {
    fn now(&self) -> OffsetDateTime {
        let shift = self.0.load(Ordering::Relaxed);
        let by = Duration::from_secs(shift.unsigned_abs());
        let now = OffsetDateTime::now_utc();
        if shift < 0 { now - by } else { now + by }
    }
}

/// What goes wrong between this process and its store.
#[derive(Default)]
struct Way {
    replies_to_lose: AtomicUsize,
    is_full: AtomicBool,
}

#[async_trait]
impl StoreHook for Way {
    async fn before(&self, call: &StoreCall<'_>) -> Result<(), StoreError> {
        match call.operation == StoreOperation::Save && self.is_full.load(Ordering::SeqCst) {
            true => Err(StoreError::permanent(call.operation, "the disk is full")),
            false => Ok(()),
        }
    }

    async fn after(&self, call: &StoreCall<'_>) -> Result<(), StoreError> {
        let one_less = |left: usize| left.checked_sub(1);
        let lose = || self.replies_to_lose.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less).is_ok();
        match call.operation == StoreOperation::Save && lose() {
            true => Err(StoreError::transient(call.operation, "the reply was lost")),
            false => Ok(()),
        }
    }
}

#[derive(Default)]
struct Counts {
    refreshes: AtomicU64,
    second: Mutex<(Second, Vec<u64>)>,
}

/// Gets tokens until its input ends or it is killed.
pub(crate) async fn run() -> Result<()> {
    let mut input = BufReader::new(tokio::io::stdin()).lines();
    let settings = input.next_line().await?.context("the first line of the input is missing")?;
    let settings: Settings = serde_json::from_str(&settings)?;
    let store: Arc<dyn TokenStore> = open(&settings.store, &settings.table).await?;
    let store = HookedStore::new(store, Way::default());
    let way = store.clone();
    let (clock, ring) = (Shifted::default(), Ring::new(settings.sealing_key));
    let counts = Arc::new(Counts::default());
    let counted = Arc::clone(&counts);
    let manager = TokenManager::builder(store, ring.clone())
        .provider(Arc::new(provider(&settings.token_endpoint)))
        .clock(clock.clone())
        .observer(move |event: &Event| {
            if let Outcome::Refreshed { .. } = event.outcome {
                counted.refreshes.fetch_add(1, Ordering::Relaxed);
            }
        })
        .build()?;
    for task in 0..settings.tasks {
        tokio::spawn(ask(manager.clone(), Arc::clone(&counts), task, settings.clone()));
    }
    tokio::spawn(tell(counts));
    while let Some(order) = input.next_line().await? {
        match serde_json::from_str(&order)? {
            Order::Clock(seconds) => clock.0.store(seconds, Ordering::Relaxed),
            Order::SealWith(key) => ring.seal_with(key),
            Order::LoseReplies(replies) => way.hook().replies_to_lose.store(replies, Ordering::SeqCst),
            Order::Full(is_full) => way.hook().is_full.store(is_full, Ordering::SeqCst),
            Order::Close => {
                let unsaved = manager.close_within(Duration::from_secs(30)).await;
                return say(&Report::Closed(unsaved.len()));
            }
        }
    }
    Ok(())
}

async fn ask(manager: TokenManager, counts: Arc<Counts>, task: usize, settings: Settings) {
    // Each begins somewhere else, so that the tasks of all processes meet at random.
    let mut next = std::process::id() as usize + task * settings.subjects / settings.tasks;
    loop {
        next += 1;
        let subject = next % settings.subjects;
        let began = Instant::now();
        let outcome = manager.get(&key(subject)).await;
        let took = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        {
            let mut second = counts.second.lock().unwrap_or_else(PoisonError::into_inner);
            second.1.push(took);
            match outcome {
                Ok(_) => {}
                Err(TokenError::Dead { grant, .. }) => {
                    second.0.dead.insert(subject.to_string(), grant.reason.to_string());
                }
                Err(error) => {
                    let text = error.to_string();
                    // Not whose token it is.
                    let words = text.split(' ').filter(|word| !word.contains('/')).take(6);
                    *second.0.errors.entry(words.collect::<Vec<_>>().join(" ")).or_default() += 1;
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn tell(counts: Arc<Counts>) {
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let (mut second, mut times) =
            std::mem::take(&mut *counts.second.lock().unwrap_or_else(PoisonError::into_inner));
        times.sort_unstable();
        second.gets = times.len() as u64;
        second.p99 = times.get(times.len() * 99 / 100).copied().unwrap_or(0);
        second.longest = times.last().copied().unwrap_or(0);
        second.refreshes = counts.refreshes.swap(0, Ordering::Relaxed);
        second.memory = memory();
        second.files = std::fs::read_dir("/proc/self/fd").map_or(0, |files| files.count() as u64);
        second.tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks() as u64;
        if say(&Report::Second(Box::new(second))).is_err() {
            return;
        }
    }
}

/// The memory that this process has now, in KiB; 0 where the system does not tell.
pub(crate) fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

fn say(report: &Report) -> Result<()> {
    let mut line = serde_json::to_string(report)?;
    line.push('\n');
    let mut output = std::io::stdout().lock();
    output.write_all(line.as_bytes())?;
    output.flush()?;
    Ok(())
}
