use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use oauth_core::{
    Clock, HttpClient, HttpError, OAuth2Token, OffsetDateTime, Sealer, SealingKey, async_trait, bytes::Bytes,
    http, serde_json,
};
use oauth_tokens::{
    Acquired, Expected, Filter, Found, Lease, MemoryStore, Record, Saved, StoreError, StoreOperation,
    Summary, TokenKey, TokenManager, TokenManagerBuilder, TokenStore, testkit::RotatingServer,
};

pub(crate) fn sealer() -> Sealer {
    Sealer::new(SealingKey::from_bytes([7; 32]))
}

pub(crate) fn key() -> TokenKey {
    TokenKey::new("testkit", "user-17")
}

pub(crate) fn builder(store: impl TokenStore + 'static, server: &RotatingServer) -> TokenManagerBuilder {
    // Steps and requests are counted, and a sweep would add its own.
    TokenManager::builder(store, sealer()).provider(Arc::new(server.client())).recover_every(Duration::MAX)
}

/// What is stored for a key.
pub(crate) async fn stored(manager: &TokenManager, key: &TokenKey) -> oauth_tokens::Stored {
    let all = manager.list(key.tenant(), key.subject()).await.unwrap();
    all.into_iter().map(Result::unwrap).find(|stored| stored.key == *key).unwrap()
}

/// A token as it is when it has expired.
pub(crate) fn expired(token: &OAuth2Token) -> OAuth2Token {
    let mut fields = serde_json::to_value(token).unwrap();
    fields["expires_at"] = 1.into();
    serde_json::from_value(fields).unwrap()
}

/// A clock that a test sets. A clone is the same clock.
#[derive(Clone, Debug)]
pub(crate) struct Hands(Arc<Mutex<OffsetDateTime>>);

impl Hands {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(OffsetDateTime::now_utc())))
    }

    /// Sets it forward or back.
    pub(crate) fn move_by(&self, seconds: i64) {
        let mut now = self.0.lock().unwrap();
        *now = OffsetDateTime::from_unix_timestamp(now.unix_timestamp() + seconds).unwrap();
    }

    pub(crate) fn forward(&self, by: Duration) {
        *self.0.lock().unwrap() += by;
    }

    pub(crate) fn back(&self, by: Duration) {
        *self.0.lock().unwrap() -= by;
    }
}

impl Clock for Hands {
    fn now(&self) -> OffsetDateTime {
        *self.0.lock().unwrap()
    }
}

/// A store that lets everybody else run before and after each step, fails while it is down, and counts. A clone is the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shaky {
    store: Arc<Mutex<MemoryStore>>,
    state: Arc<Shaking>,
}

#[derive(Debug, Default)]
struct Shaking {
    is_down: AtomicBool,
    /// It answers nothing until it is told to.
    hangs: AtomicBool,
    /// It does everything but save.
    takes_no_saves: AtomicBool,
    /// That is how it goes down after `saves_until_down`.
    fails_saves_only: AtomicBool,
    /// So many saves still go well; then the store is down. Zero is for ever.
    saves_until_down: AtomicUsize,
    /// Saves are carried out and then reported as failed, so many times.
    replies_to_lose: AtomicUsize,
    /// The next save is carried out and then reported this much later, in milliseconds.
    next_reply_takes: AtomicUsize,
    steps: AtomicUsize,
    /// So many milliseconds it takes for each answer.
    latency: AtomicUsize,
    /// Its own clock, if it has one.
    clock: Mutex<Option<Hands>>,
}

impl Shaky {
    pub(crate) fn set_down(&self, is_down: bool) {
        self.state.is_down.store(is_down, Ordering::SeqCst);
    }

    fn store(&self) -> MemoryStore {
        self.store.lock().unwrap().clone()
    }

    /// As a database does whose disk was lost.
    pub(crate) fn lose_everything(&self) {
        *self.store.lock().unwrap() = MemoryStore::new();
    }

    pub(crate) fn set_clock(&self, clock: &Hands) {
        *self.state.clock.lock().unwrap() = Some(clock.clone());
    }

    pub(crate) fn takes_saves_again(&self) {
        self.state.takes_no_saves.store(false, Ordering::SeqCst);
    }

    /// After so many saves it takes no more, and does everything else.
    pub(crate) fn take_no_more_saves_after(&self, saves: usize) {
        self.state.fails_saves_only.store(true, Ordering::SeqCst);
        self.go_down_after_saves(saves);
    }

    pub(crate) fn set_hanging(&self, hangs: bool) {
        self.state.hangs.store(hangs, Ordering::SeqCst);
    }

    pub(crate) fn go_down_after_saves(&self, saves: usize) {
        self.state.saves_until_down.store(saves, Ordering::SeqCst);
    }

    pub(crate) fn lose_replies(&self, replies: usize) {
        self.state.replies_to_lose.store(replies, Ordering::SeqCst);
    }

    pub(crate) fn delay_next_reply(&self, delay: Duration) {
        self.state.next_reply_takes.store(delay.as_millis().try_into().unwrap(), Ordering::SeqCst);
    }

    pub(crate) fn set_latency(&self, latency: Duration) {
        self.state.latency.store(latency.as_millis().try_into().unwrap(), Ordering::SeqCst);
    }

    pub(crate) fn steps(&self) -> usize {
        self.state.steps.load(Ordering::SeqCst)
    }

    async fn step(&self, operation: StoreOperation) -> Result<(), StoreError> {
        self.state.steps.fetch_add(1, Ordering::SeqCst);
        tokio::task::yield_now().await;
        let latency = self.state.latency.load(Ordering::SeqCst);
        if latency > 0 {
            tokio::time::sleep(Duration::from_millis(latency as u64)).await;
        }
        while self.state.hangs.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        match self.state.is_down.load(Ordering::SeqCst) {
            true => Err(StoreError::transient(operation, "the store is down")),
            false => Ok(()),
        }
    }
}

#[async_trait]
impl TokenStore for Shaky {
    async fn now(&self) -> Result<Option<OffsetDateTime>, StoreError> {
        Ok(self.state.clock.lock().unwrap().as_ref().map(Clock::now))
    }

    async fn load(&self, key: &TokenKey) -> Result<Option<Record>, StoreError> {
        self.step(StoreOperation::Load).await?;
        let outcome = self.store().load(key).await;
        tokio::task::yield_now().await;
        outcome
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
        self.step(StoreOperation::Save).await?;
        if self.state.takes_no_saves.load(Ordering::SeqCst) {
            return Err(StoreError::transient(StoreOperation::Save, "the disk is full"));
        }
        let outcome = self.store().save_described(key, sealed, summary, expected, lease).await;
        let left = self.state.saves_until_down.load(Ordering::SeqCst);
        if left > 0 {
            self.state.saves_until_down.store(left - 1, Ordering::SeqCst);
            match self.state.fails_saves_only.load(Ordering::SeqCst) {
                true => self.state.takes_no_saves.store(left == 1, Ordering::SeqCst),
                false => self.set_down(left == 1),
            }
        }
        tokio::task::yield_now().await;
        let delay = self.state.next_reply_takes.swap(0, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(delay as u64)).await;
        let lost = &self.state.replies_to_lose;
        if lost.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
            return Err(StoreError::transient(StoreOperation::Save, "the reply was lost"));
        }
        outcome
    }

    fn can_find(&self) -> bool {
        true
    }

    async fn find(
        &self,
        filter: &Filter,
        after: Option<&TokenKey>,
        limit: usize,
    ) -> Result<Vec<Found>, StoreError> {
        self.step(StoreOperation::Find).await?;
        self.store().find(filter, after, limit).await
    }

    async fn delete(&self, key: &TokenKey) -> Result<bool, StoreError> {
        self.step(StoreOperation::Delete).await?;
        self.store().delete(key).await
    }

    async fn list(&self, tenant: &str, subject: &str) -> Result<Vec<(TokenKey, Record)>, StoreError> {
        self.step(StoreOperation::List).await?;
        self.store().list(tenant, subject).await
    }

    async fn acquire(
        &self,
        key: &TokenKey,
        holder: &str,
        lifetime: Duration,
    ) -> Result<Acquired, StoreError> {
        self.step(StoreOperation::Acquire).await?;
        let outcome = self.store().acquire(key, holder, lifetime).await;
        tokio::task::yield_now().await;
        outcome
    }

    async fn extend(&self, key: &TokenKey, lease: &Lease, lifetime: Duration) -> Result<bool, StoreError> {
        self.step(StoreOperation::Extend).await?;
        self.store().extend(key, lease, lifetime).await
    }

    async fn release(&self, key: &TokenKey, lease: &Lease) -> Result<(), StoreError> {
        self.step(StoreOperation::Release).await?;
        self.store().release(key, lease).await
    }
}

/// An HTTP client that lets everybody else run before and after each request.
#[derive(Clone, Debug)]
pub(crate) struct Yielding<C>(pub(crate) C);

#[async_trait]
impl<C: HttpClient> HttpClient for Yielding<C> {
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, HttpError> {
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
        let reply = self.0.send(request).await;
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
        reply
    }
}
