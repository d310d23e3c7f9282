//! A document of the provider that is kept for a while: metadata, keys.
//!
//! One request at a time; whoever comes meanwhile waits for its end. When three quarters of its time have passed, it is read anew in
//! the background. What is no longer fresh is read anew before it is used, and used for a while if that fails.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use oauth_core::{
    Clock, Error, ErrorKind, HttpClient, HttpError, HttpErrorKind, OAuth2, OffsetDateTime, Operation,
    Response, Result, SharedCache,
    bytes::Bytes,
    http::Method,
    serde_json::{self, Value, json},
};
use serde::{Deserialize, Serialize};

use crate::{cache_policy::CachePolicy, hash::sha256, jws::quoted, policy::VerificationPolicy};

/// How long nothing is read anew in the background after it failed.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(10);

/// What is kept of a document, also outside of the process.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub(crate) url: String,
    /// Whose it is: two issuers can name one URL, and only one of them means it.
    #[serde(default)]
    issuer: String,
    document: Value,
    /// Seconds since 1970.
    read_at: i64,
    /// In seconds.
    fresh_for: u64,
}

/// Where a document is read, how, and by which clock it ages.
pub(crate) struct Reading<T> {
    pub(crate) operation: Operation,
    pub(crate) url: String,
    /// Whose document it is.
    pub(crate) issuer: String,
    pub(crate) policy: CachePolicy,
    /// How long a failure is the answer, where there is no document yet.
    pub(crate) pause_after_failure: Duration,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) shared: Option<Shared>,
    /// Reads the JSON, or says what is wrong with it.
    pub(crate) parse: Arc<dyn Fn(Value) -> Result<T, String> + Send + Sync>,
}

/// A shared cache, and who believes whose entries in it.
#[derive(Clone)]
pub(crate) struct Shared {
    cache: Arc<dyn SharedCache>,
    trust_domain: String,
}

impl Shared {
    /// The shared cache of a client, if it shares anything.
    pub(crate) fn of(client: &OAuth2, policy: &VerificationPolicy) -> Option<Self> {
        let cache = policy.shared_cache.clone()?;
        let trust_domain = match (&policy.trust_domain, client.chosen_http_client()) {
            (Some(name), _) => format!("named:{name}"),
            (None, None) => "default".to_owned(),
            // Its certificates, its resolver and its proxy are its own, and so is what it was told.
            (None, Some(_)) => return None,
        };
        Some(Self { cache, trust_domain })
    }

    /// The name of an entry. The hash keeps one part of it from being taken for another.
    fn name_of<T>(&self, reading: &Reading<T>) -> String {
        let [hash, _] = sha256(&json!([self.trust_domain, reading.issuer]).to_string());
        format!("{}:{hash}:{}", reading.operation.as_str(), reading.url)
    }
}

/// Whose word a document is: what one HTTP client was told is not what another would have been told, even of the same URL.
#[derive(Clone)]
pub(crate) enum Reader {
    /// Clients that were told to share.
    Named(Arc<str>),
    Http(Option<Arc<dyn HttpClient>>),
}

impl Reader {
    pub(crate) fn of(client: &OAuth2, policy: &VerificationPolicy) -> Self {
        match &policy.trust_domain {
            Some(name) => Self::Named(name.clone()),
            None => Self::Http(client.chosen_http_client().cloned()),
        }
    }
}

impl PartialEq for Reader {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Named(one), Self::Named(other)) => one == other,
            (Self::Http(None), Self::Http(None)) => true,
            (Self::Http(Some(one)), Self::Http(Some(other))) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }
}

// Derived, it would ask for `T: Clone`.
impl<T> Clone for Reading<T> {
    fn clone(&self) -> Self {
        Self {
            operation: self.operation,
            url: self.url.clone(),
            issuer: self.issuer.clone(),
            policy: self.policy,
            pause_after_failure: self.pause_after_failure,
            clock: self.clock.clone(),
            shared: self.shared.clone(),
            parse: self.parse.clone(),
        }
    }
}

/// The document, once it was read.
pub(crate) struct Cached<T> {
    state: Mutex<State<T>>,
    turn: tokio::sync::Mutex<()>,
    in_background: AtomicBool,
}

struct State<T> {
    current: Option<Current<T>>,
    /// How often reading has ended, well or not.
    ended: u64,
    /// How often the provider was asked.
    asked: u64,
    /// Which of these the last outcome answers.
    answered: u64,
    /// How the last one ended.
    outcome: Option<Result<Arc<T>>>,
    /// When the last one ended, if not well.
    failed_at: Option<OffsetDateTime>,
}

struct Current<T> {
    value: Arc<T>,
    kept: Kept,
}

impl<T> Default for Cached<T> {
    fn default() -> Self {
        let state = State { current: None, ended: 0, asked: 0, answered: 0, outcome: None, failed_at: None };
        Self {
            state: Mutex::new(state),
            turn: tokio::sync::Mutex::default(),
            in_background: AtomicBool::new(false),
        }
    }
}

impl<T: Send + Sync + 'static> Cached<T> {
    /// The document, if it is fresh and need not be read anew soon: what a call costs most of the time.
    pub(crate) fn fresh(&self, now: OffsetDateTime) -> Option<Arc<T>> {
        let state = self.state();
        state
            .current
            .as_ref()
            .filter(|current| current.kept.is_fresh(now) && !current.kept.is_due(now))
            .map(|current| current.value.clone())
    }

    /// The document, as fresh as it must be.
    pub(crate) async fn get(self: &Arc<Self>, client: &OAuth2, reading: &Reading<T>) -> Result<Arc<T>> {
        let now = reading.clock.now();
        let seen = {
            let state = self.state();
            let rests = state.failed_at.is_some_and(|at| now - at < PAUSE_AFTER_FAILURE);
            match &state.current {
                Some(current) if current.kept.is_fresh(now) => {
                    let (value, is_due) = (current.value.clone(), current.kept.is_due(now));
                    drop(state);
                    if is_due && !rests {
                        self.read_in_background(client, reading);
                    }
                    return Ok(value);
                }
                Some(current) if rests && current.kept.is_usable(now, &reading.policy) => {
                    return Ok(current.value.clone());
                }
                _ => match &state.outcome {
                    Some(Err(error)) if state.rests_for(reading.pause_after_failure, now) => {
                        return Err(error.clone());
                    }
                    _ => state.ended,
                },
            }
        };
        let (this, own_client, own_reading) = (self.clone(), client.clone(), reading.clone());
        let read = async move { this.read_in_turn(&own_client, &own_reading, seen).await };
        match tokio::runtime::Handle::try_current() {
            // It is carried to its end even if whoever asked hangs up, or else the next one would begin anew.
            Ok(runtime) => runtime.spawn(read).await.unwrap_or_else(|_| {
                // The runtime is ending, and this call with it.
                let error = HttpError::new(HttpErrorKind::Other);
                Err(client.error(reading.operation, ErrorKind::Transport(error)))
            }),
            Err(_) => read.await,
        }
    }

    /// Reads the document, unless somebody has done so since this many readings had ended.
    async fn read_in_turn(&self, client: &OAuth2, reading: &Reading<T>, seen: u64) -> Result<Arc<T>> {
        let _turn = self.turn.lock().await;
        {
            let state = self.state();
            match (&state.current, &state.outcome) {
                (Some(current), _) if current.kept.is_fresh(reading.clock.now()) => {
                    return Ok(current.value.clone());
                }
                // Whoever was before us in the queue asked for us too.
                (_, Some(outcome)) if state.ended != seen => {
                    return state.or_stale(outcome.clone(), reading);
                }
                _ => {}
            }
        }
        let outcome = self.read(client, reading, Source::Anywhere).await;
        self.state().or_stale(outcome, reading)
    }

    /// How often the provider was asked, to be handed to [`read_anew`](Self::read_anew) by whoever missed something in the
    /// document.
    pub(crate) fn asked(&self) -> u64 {
        self.state().asked
    }

    /// Reads the document at the provider, unless somebody has begun to do so since `asked`: an answer that was under way before
    /// may be too old.
    pub(crate) async fn read_anew(
        self: &Arc<Self>,
        client: &OAuth2,
        reading: &Reading<T>,
        asked: u64,
    ) -> Result<Arc<T>> {
        let _turn = self.turn.lock().await;
        {
            let state = self.state();
            // An outcome from before counts for nothing, should whoever asked since then have been dropped.
            if let (true, Some(outcome)) =
                (state.asked != asked && state.answered == state.asked, &state.outcome)
            {
                return outcome.clone();
            }
        }
        self.read(client, reading, Source::Provider).await
    }

    fn read_in_background(self: &Arc<Self>, client: &OAuth2, reading: &Reading<T>) {
        if self.in_background.swap(true, Ordering::AcqRel) {
            return;
        }
        let (this, client, reading) = (self.clone(), client.clone(), reading.clone());
        let asked = this.asked();
        // It is set back even if the runtime ends before the task does.
        let done = Done(this.clone());
        let task = async move {
            let _done = done;
            // The failure is kept for whoever needs the document once it is too old.
            let _ = this.read_anew(&client, &reading, asked).await;
        };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(task)),
            // Without a runtime there is no background: dropping the task resets the mark, and the document is read once it is
            // too old.
            Err(_) => drop(task),
        }
    }

    /// Only whoever has the turn may call this.
    async fn read(&self, client: &OAuth2, reading: &Reading<T>, source: Source) -> Result<Arc<T>> {
        let outcome = self.fetch(client, reading, source).await;
        let mut state = self.state();
        state.ended += 1;
        state.answered = state.asked;
        state.failed_at = outcome.is_err().then(|| reading.clock.now());
        let outcome = outcome.map(|current| state.current.insert(current).value.clone());
        state.outcome = Some(outcome.clone().map_err(Error::with_short_body));
        outcome
    }

    async fn fetch(&self, client: &OAuth2, reading: &Reading<T>, source: Source) -> Result<Current<T>> {
        if let (Source::Anywhere, Some(shared)) = (source, &reading.shared) {
            // A cache that is down is no reason not to ask the provider.
            let kept = shared.cache.get(&shared.name_of(reading)).await.ok().flatten();
            let kept = kept.and_then(|bytes| serde_json::from_slice::<Kept>(&bytes).ok());
            match kept.and_then(|kept| Current::of(kept, reading)) {
                Some(current) if current.kept.is_fresh(reading.clock.now()) => return Ok(current),
                // It will do should the provider not answer.
                Some(stale) => drop(self.state().current.get_or_insert(stale)),
                None => {}
            }
        }
        self.state().asked += 1;
        let reply = match request(client, reading).await {
            // A GET may be repeated (RFC 9110 section 9.2.2): once, and only if the failure was a passing one by its nature.
            Err(error) if is_hiccup(&error) => request(client, reading).await,
            reply => reply,
        };
        let reply = reply.map_err(|error| not_found(client, reading, error))?;
        if reply.status() != 200 {
            return Err(reply.malformed("it does not come with HTTP 200"));
        }
        let document = reply.object()?;
        let value = (reading.parse)(document.clone()).map_err(|problem| reply.malformed(problem))?;
        let fresh_for = reading.policy.fresh_for(&reply);
        let kept = Kept {
            url: reading.url.clone(),
            issuer: reading.issuer.clone(),
            document,
            read_at: reading.clock.now().unix_timestamp(),
            fresh_for: fresh_for.as_secs(),
        };
        if let (Some(shared), Ok(bytes)) = (&reading.shared, serde_json::to_vec(&kept)) {
            // Nor is a cache that cannot keep it.
            let _ = shared.cache.put(&shared.name_of(reading), Bytes::from(bytes), fresh_for).await;
        }
        Ok(Current { value: Arc::new(value), kept })
    }

    /// What is kept, for another process.
    pub(crate) fn export(&self) -> Option<Kept> {
        self.state().current.as_ref().map(|current| current.kept.clone())
    }

    /// Takes what another process kept, unless it is too old or cannot be read.
    pub(crate) fn import(&self, kept: Kept, reading: &Reading<T>) {
        let mut state = self.state();
        let is_older = state.current.as_ref().is_some_and(|current| current.kept.read_at >= kept.read_at);
        if let Some(current) = Current::of(kept, reading).filter(|_| !is_older) {
            state.current = Some(current);
        }
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> State<T> {
    /// Whether the last reading failed less than this long ago.
    fn rests_for(&self, pause: Duration, now: OffsetDateTime) -> bool {
        self.failed_at.is_some_and(|at| now >= at && now - at < pause)
    }

    /// What was read, or what there was before, as long as that may be used while it cannot be read.
    fn or_stale(&self, outcome: Result<Arc<T>>, reading: &Reading<T>) -> Result<Arc<T>> {
        outcome.or_else(|failure| match &self.current {
            Some(current) if current.kept.is_usable(reading.clock.now(), &reading.policy) => {
                Ok(current.value.clone())
            }
            _ => Err(failure),
        })
    }
}

/// Where a document may be read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    /// In the shared cache, else at the provider.
    Anywhere,
    Provider,
}

struct Done<T>(Arc<Cached<T>>);

impl<T> Drop for Done<T> {
    fn drop(&mut self) {
        self.0.in_background.store(false, Ordering::Release);
    }
}

/// A connection that broke, or a gateway without a server behind it that asks for no patience. A time limit that has passed was
/// patience enough.
fn is_hiccup(error: &Error) -> bool {
    let status = error.status().map(|status| status.as_u16());
    match error.kind() {
        ErrorKind::Transport(error) => matches!(error.kind(), HttpErrorKind::Connect | HttpErrorKind::Other),
        _ => matches!(status, Some(502..=504)) && error.retry_after().is_none(),
    }
}

/// What to do about a document that is not there: the URL was made of what the application wrote.
fn not_found<T>(client: &OAuth2, reading: &Reading<T>, error: Error) -> Error {
    let is_gone = error.status().is_some_and(|status| status == 404 || status == 410);
    if !is_gone || reading.operation != Operation::DISCOVER {
        return error;
    }
    let url = reading.url.split(['?', '#']).next().unwrap_or_default();
    let problem = format!(
        "there is no metadata at {} (HTTP 404): check the issuer, or give the document's URL with Discovery::with_document_url",
        quoted(url)
    );
    client.error(reading.operation, ErrorKind::Configuration(problem))
}

async fn request<T>(client: &OAuth2, reading: &Reading<T>) -> Result<Response> {
    client.request(reading.operation, Method::GET, &*reading.url).send().await
}

impl<T> Current<T> {
    fn of(mut kept: Kept, reading: &Reading<T>) -> Option<Self> {
        // Another process may have another policy; nothing is trusted for longer than one's own says.
        kept.fresh_for = kept.fresh_for.min(reading.policy.longest().as_secs());
        let is_its_own = kept.url == reading.url && kept.issuer == reading.issuer;
        if !is_its_own || !kept.is_usable(reading.clock.now(), &reading.policy) {
            return None;
        }
        let value = (reading.parse)(kept.document.clone()).ok()?;
        Some(Self { value: Arc::new(value), kept })
    }
}

impl Kept {
    fn is_fresh(&self, now: OffsetDateTime) -> bool {
        self.is_younger(now, Duration::from_secs(self.fresh_for))
    }

    /// Whether it is time to read it anew in the background, so that nobody has to wait for it.
    fn is_due(&self, now: OffsetDateTime) -> bool {
        !self.is_younger(now, Duration::from_secs(self.fresh_for - self.fresh_for / 4))
    }

    fn is_usable(&self, now: OffsetDateTime, policy: &CachePolicy) -> bool {
        self.is_younger(now, Duration::from_secs(self.fresh_for).saturating_add(policy.stale))
    }

    fn is_younger(&self, now: OffsetDateTime, limit: Duration) -> bool {
        // A document from the future was read by a clock that has been set back since.
        let age = now.unix_timestamp().saturating_sub(self.read_at);
        u64::try_from(age).is_ok_and(|age| age < limit.as_secs())
    }
}

impl<T> fmt::Debug for Cached<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cached(…)")
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reader(…)")
    }
}

impl<T> fmt::Debug for Reading<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reading").field("url", &self.url).finish_non_exhaustive()
    }
}
