//! A document of the provider that is kept for a while: metadata, keys.
//!
//! One request at a time goes out, in a task of its own that runs to its end whoever hangs up, and all who need the document share
//! it. When three quarters of its time have passed, the document is read anew in the background. Once it is no longer fresh, it is
//! handed out for a while as it is, unless the provider answers at once.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use oauth_core::{
    Clock, Error, ErrorKind, HttpClient, HttpError, HttpErrorKind, OAuth2, OffsetDateTime, Operation,
    Response, Result, SharedCache,
    bytes::Bytes,
    http::Method,
    parse_json,
    serde_json::{self, Value, json},
};
use serde::{Deserialize, Serialize, Serializer};
use tokio::sync::watch;

use crate::{
    cache_policy::CachePolicy,
    hash::sha256,
    jws::{quoted, shown},
    policy::VerificationPolicy,
    task::{self, BoxedTask, Instant},
};

/// How long a document that is still good is not read anew after that failed.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(10);
/// How long a request may hold up those who have a document that is no longer fresh. Most providers answer within it, so that a key
/// that was taken out is no longer trusted; those who do not answer cost nobody more.
const PATIENCE_WHEN_STALE: Duration = Duration::from_millis(250);
/// How long a request may hold up those whose document is too old to be used.
const PATIENCE_WHEN_TOO_OLD: Duration = Duration::from_secs(5);
/// How long a shared cache may take. A login can need two documents, and a cache that hangs shall not cost it a second.
const PATIENCE_WITH_CACHE: Duration = Duration::from_millis(400);
/// How long a request may take with an HTTP client that sets no limits of its own.
const LONGEST_REQUEST: Duration = Duration::from_secs(90);
/// The most who wait for one document.
const MOST_WAITING: usize = 1024;
/// How often a request is begun anew whose task was ended.
pub(crate) const MOST_TRIES: usize = 3;

/// What is kept of a document, also outside of the process.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct KeptDocument {
    pub(crate) url: String,
    /// Whose it is: two issuers can name one URL, and only one of them means it.
    #[serde(default)]
    issuer: String,
    document: JsonText,
    /// Seconds since 1970.
    read_at: i64,
    /// In seconds.
    fresh_for: u64,
}

/// A JSON document as text, because a tree of it can take a hundred times the memory.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(from = "Value")]
pub(crate) struct JsonText(Arc<str>);

impl JsonText {
    pub(crate) fn of(value: &Value) -> Self {
        Self(value.to_string().into())
    }

    /// The tree.
    ///
    /// # Errors
    ///
    /// What is wrong with the text.
    pub(crate) fn read(&self) -> Result<Value, String> {
        parse_json(self.0.as_bytes())
    }
}

// By hand, because the text is written as the tree that it is, and reading it can fail: `#[serde(into)]` has no place for an error.
impl Serialize for JsonText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.read().map_err(serde::ser::Error::custom)?.serialize(serializer)
    }
}

impl From<Value> for JsonText {
    fn from(value: Value) -> Self {
        Self::of(&value)
    }
}

/// Where a document is read, how, and by which clock it ages.
pub(crate) struct Reading<T> {
    pub(crate) operation: Operation,
    pub(crate) url: String,
    /// Where a second document is that has what the first one lacks: the first of these that is there.
    pub(crate) supplements: Vec<String>,
    /// Whose document it is.
    pub(crate) issuer: String,
    pub(crate) policy: CachePolicy,
    /// How long a failure is the answer, where there is no document that may be used.
    pub(crate) pause_after_failure: Duration,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) shared: Option<SharedDocuments>,
    /// Makes something of the document, or says what is wrong with it.
    pub(crate) parse: Parse<T>,
}

type Parse<T> = Arc<dyn Fn(&JsonText, Value) -> Result<T, String> + Send + Sync>;

/// A shared cache, and who believes whose entries in it.
#[derive(Clone)]
pub(crate) struct SharedDocuments {
    cache: Arc<dyn SharedCache>,
    trust_domain: String,
}

impl SharedDocuments {
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

    /// The entry. With a cache that is down or hangs, the provider is asked.
    async fn get<T>(&self, reading: &Reading<T>) -> Option<KeptDocument> {
        let name = self.name_of(reading);
        let found = task::within(PATIENCE_WITH_CACHE, self.cache.get(&name)).await?;
        serde_json::from_slice(&found.ok()??).ok()
    }

    /// Puts an entry there. A cache that cannot keep it is left alone.
    async fn put<T>(&self, reading: &Reading<T>, kept: &KeptDocument) {
        let Ok(entry) = serde_json::to_vec(kept) else { return };
        let (name, lifetime) = (self.name_of(reading), Duration::from_secs(kept.fresh_for));
        let _ = task::within(PATIENCE_WITH_CACHE, self.cache.put(&name, Bytes::from(entry), lifetime)).await;
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
            supplements: self.supplements.clone(),
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
pub(crate) struct Cached<T>(Mutex<CachedState<T>>);

struct CachedState<T> {
    current: Option<Current<T>>,
    under_way: Option<Arc<UnderWay<T>>>,
    /// How often the provider was asked.
    asked: u64,
    /// Which of these was the last to be answered, or to fail.
    answered: u64,
    /// When the last request ended, and why it failed.
    failure: Option<(OffsetDateTime, Error)>,
}

struct Current<T> {
    value: Arc<T>,
    kept: KeptDocument,
}

/// A request that is under way. The channel is closed without an outcome if its task was ended.
struct UnderWay<T> {
    began: Instant,
    outcome: watch::Sender<Option<Result<Arc<T>>>>,
}

/// Somebody who waits for a request.
pub(crate) struct Waiting<T> {
    began: Instant,
    outcome: watch::Receiver<Option<Result<Arc<T>>>>,
    /// The request itself, until it runs in a task of its own. Without a runtime, whoever began it runs it, too.
    own: Option<BoxedTask>,
}

/// Is told how a request ended before anybody else is.
pub(crate) type Ended<T> = Box<dyn FnOnce(&Result<Arc<T>>) + Send>;

impl<T> Default for Cached<T> {
    fn default() -> Self {
        Self(Mutex::new(CachedState { current: None, under_way: None, asked: 0, answered: 0, failure: None }))
    }
}

impl<T: Send + Sync + 'static> Cached<T> {
    /// The document, if it is fresh and need not be read anew soon: what a call costs most of the time.
    pub(crate) fn fresh(&self, now: OffsetDateTime) -> Option<Arc<T>> {
        let state = self.state();
        let current = state.current.as_ref()?;
        (current.kept.is_fresh(now) && !current.kept.is_due(now)).then(|| current.value.clone())
    }

    /// The document, as fresh as it must be.
    pub(crate) async fn get(self: &Arc<Self>, client: &OAuth2, reading: &Reading<T>) -> Result<Arc<T>> {
        for _ in 0..MOST_TRIES {
            if let Some(outcome) = self.tried(client, reading).await {
                return outcome;
            }
        }
        Err(given_up(client, reading))
    }

    /// The document, or `None` if the task that was to read it was ended.
    async fn tried(self: &Arc<Self>, client: &OAuth2, reading: &Reading<T>) -> Option<Result<Arc<T>>> {
        let now = reading.clock.now();
        let (waiting, stale, patience) = {
            let mut state = self.state();
            let (stale, patience) = match &state.current {
                Some(current) if current.kept.is_fresh(now) => {
                    let (value, is_due) = (current.value.clone(), current.kept.is_due(now));
                    let is_idle = state.in_progress().is_none() && !state.rests_for(PAUSE_AFTER_FAILURE, now);
                    let new = (is_due && is_idle)
                        .then(|| self.begin(&mut state, client, reading, ReadFrom::Provider, None));
                    drop(state);
                    // It goes on though nobody waits. Without a runtime there is no background, and the document is read once it
                    // is no longer fresh.
                    drop(new.map(Waiting::started));
                    return Some(Ok(value));
                }
                Some(current) if current.kept.is_usable(now, &reading.policy) => {
                    (Some(current.value.clone()), Some(PATIENCE_WHEN_STALE))
                }
                Some(_) => (None, Some(PATIENCE_WHEN_TOO_OLD)),
                None => (None, None),
            };
            let pause = if stale.is_some() { PAUSE_AFTER_FAILURE } else { reading.pause_after_failure };
            match (&stale, &state.failure) {
                (Some(stale), _) if state.rests_for(pause, now) => return Some(Ok(stale.clone())),
                (None, Some((_, failure))) if state.rests_for(pause, now) => {
                    return Some(Err(failure.clone()));
                }
                _ => {}
            }
            let waiting = match state.join(client, reading) {
                Some(waiting) => waiting,
                None => Ok(self.begin(&mut state, client, reading, ReadFrom::Anywhere, None)),
            };
            (waiting, stale, patience)
        };
        let outcome = match waiting {
            Ok(waiting) => waiting.started().outcome(client, reading, patience).await?,
            Err(too_many) => Err(too_many),
        };
        // A failure is told to those who wait, and may have left something of the shared cache's behind.
        Some(outcome.or_else(|failure| stale.or_else(|| self.usable(reading)).ok_or(failure)))
    }

    /// How often the provider was asked, for [`search`](Self::search) by whoever misses something in the document.
    pub(crate) fn asked(&self) -> u64 {
        self.state().asked
    }

    /// The next request that may find what somebody misses in the document, who came when the provider had been asked this often:
    /// one that is under way, or else a new one at the provider, if it may be made.
    ///
    /// `None` once the provider has been asked since then: it does not have it.
    ///
    /// # Errors
    ///
    /// Too many wait.
    pub(crate) fn search(
        self: &Arc<Self>,
        client: &OAuth2,
        reading: &Reading<T>,
        came: u64,
        may_ask: impl FnOnce() -> bool,
        ended: Ended<T>,
    ) -> Result<Option<Waiting<T>>> {
        let waiting = {
            let mut state = self.state();
            match state.join(client, reading) {
                _ if state.answered > came => return Ok(None),
                Some(waiting) => return waiting.map(Some),
                None => may_ask()
                    .then(|| self.begin(&mut state, client, reading, ReadFrom::Provider, Some(ended))),
            }
        };
        Ok(waiting.map(Waiting::started))
    }

    /// Makes a request ready, to be [started](Waiting::started) once the state is unlocked. Nothing else may be under way.
    fn begin(
        self: &Arc<Self>,
        state: &mut CachedState<T>,
        client: &OAuth2,
        reading: &Reading<T>,
        source: ReadFrom,
        ended: Option<Ended<T>>,
    ) -> Waiting<T> {
        let (sender, outcome) = watch::channel(None);
        let began = Instant::now();
        let under_way = Arc::new(UnderWay { began, outcome: sender });
        let request = Fetch { cached: self.clone(), under_way: under_way.clone(), asked: None, ended };
        state.under_way = Some(under_way);
        let (client, reading) = (client.clone(), reading.clone());
        let own: BoxedTask = Box::pin(async move { request.run(&client, &reading, source).await });
        Waiting { began, outcome, own: Some(own) }
    }

    /// The document, if it may be used while it cannot be read.
    fn usable(&self, reading: &Reading<T>) -> Option<Arc<T>> {
        let state = self.state();
        let current = state.current.as_ref()?;
        current.kept.is_usable(reading.clock.now(), &reading.policy).then(|| current.value.clone())
    }

    /// What is kept, for another process.
    pub(crate) fn export(&self) -> Option<KeptDocument> {
        self.state().current.as_ref().map(|current| current.kept.clone())
    }

    /// Takes what another process kept, unless it is too old or cannot be read.
    pub(crate) fn import(&self, kept: KeptDocument, reading: &Reading<T>) {
        let Some(imported) = Current::of(kept, reading) else { return };
        let mut state = self.state();
        let is_older =
            state.current.as_ref().is_some_and(|current| current.kept.read_at >= imported.kept.read_at);
        if !is_older {
            state.current = Some(imported);
        }
    }
}

impl<T> Cached<T> {
    fn state(&self) -> MutexGuard<'_, CachedState<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> CachedState<T> {
    /// Whether the last request failed less than this long ago.
    fn rests_for(&self, pause: Duration, now: OffsetDateTime) -> bool {
        self.failure.as_ref().is_some_and(|(at, _)| now >= *at && now - *at < pause)
    }

    /// The request that is under way. One that has outlived its time limit is not: its runtime is stopped, as that of a process which
    /// is frozen between two calls.
    fn in_progress(&self) -> Option<&Arc<UnderWay<T>>> {
        self.under_way.as_ref().filter(|under_way| under_way.began.elapsed() < LONGEST_REQUEST)
    }

    /// Whether this request is the one that is under way, and not one that was given up.
    fn is_current(&self, request: &Arc<UnderWay<T>>) -> bool {
        self.under_way.as_ref().is_some_and(|current| Arc::ptr_eq(current, request))
    }

    /// A place among those who wait for the request that is under way, if there is one and there are not too many.
    fn join(&self, client: &OAuth2, reading: &Reading<T>) -> Option<Result<Waiting<T>>> {
        let UnderWay { began, outcome } = &**self.in_progress()?;
        Some(match outcome.receiver_count() < MOST_WAITING {
            true => Ok(Waiting { began: *began, outcome: outcome.subscribe(), own: None }),
            false => {
                let why = format!("{MOST_WAITING} others wait for the same reply");
                let error = HttpError::new(HttpErrorKind::Timeout).caused_by(why);
                Err(client.error(reading.operation, ErrorKind::Transport(error)))
            }
        })
    }
}

impl<T> Waiting<T> {
    /// Lets the request go on in a task of its own. An ended task locks the state, and a runtime that is ending ends it here.
    fn started(mut self) -> Self {
        self.own = self.own.take().and_then(task::spawn);
        self
    }

    /// How the request ends, if it does so before it has taken this long; one that has taken longer already holds up nobody. `None`
    /// if its task was ended: by the end of the runtime, by a panic of the HTTP client, or, where there is no runtime, because
    /// whoever ran it has hung up.
    pub(crate) async fn outcome(
        mut self,
        client: &OAuth2,
        reading: &Reading<T>,
        patience: Option<Duration>,
    ) -> Option<Result<Arc<T>>> {
        let patience = patience.map(|patience| patience.saturating_sub(self.began.elapsed()));
        let ended = async {
            if let Some(own) = self.own.take() {
                own.await;
            }
            self.outcome.wait_for(Option::is_some).await.ok().and_then(|outcome| outcome.clone())
        };
        let ended = match patience {
            Some(patience) => task::within(patience, ended).await,
            None => Some(ended.await),
        };
        ended.unwrap_or_else(|| {
            let error = HttpError::new(HttpErrorKind::Timeout);
            Some(Err(client.error(reading.operation, ErrorKind::Transport(error))))
        })
    }
}

/// The error of a request whose task was ended again and again.
pub(crate) fn given_up<T>(client: &OAuth2, reading: &Reading<T>) -> Error {
    client.error(reading.operation, ErrorKind::Transport(HttpError::new(HttpErrorKind::Other)))
}

/// The task of a request.
struct Fetch<T> {
    cached: Arc<Cached<T>>,
    under_way: Arc<UnderWay<T>>,
    /// Which of the requests to the provider it is, once it is one.
    asked: Option<u64>,
    ended: Option<Ended<T>>,
}

impl<T: Send + Sync + 'static> Fetch<T> {
    async fn run(mut self, client: &OAuth2, reading: &Reading<T>, source: ReadFrom) {
        let fetched = task::within(LONGEST_REQUEST, self.fetch(client, reading, source)).await;
        let fetched = fetched.unwrap_or_else(|| {
            let error = HttpError::new(HttpErrorKind::Timeout);
            Err(client.error(reading.operation, ErrorKind::Transport(error)))
        });
        let fetched = fetched.map_err(Error::with_short_body);
        let outcome = fetched.as_ref().map(|current| current.value.clone()).map_err(Clone::clone);
        if !self.cached.state().is_current(&self.under_way) {
            // It was given up, and another one has taken its place.
            self.under_way.outcome.send_replace(Some(outcome));
            return;
        }
        if let Some(ended) = self.ended.take() {
            ended(&outcome);
        }
        let new = fetched.as_ref().ok().filter(|_| self.asked.is_some()).map(|current| current.kept.clone());
        {
            let mut state = self.cached.state();
            state.answered = self.asked.unwrap_or(state.answered);
            state.failure = outcome.as_ref().err().map(|error| (reading.clock.now(), error.clone()));
            state.current = fetched.ok().or(state.current.take());
            if state.is_current(&self.under_way) {
                state.under_way = None;
            }
        }
        self.under_way.outcome.send_replace(Some(outcome));
        // Nobody waits for the cache.
        if let (Some(shared), Some(new)) = (&reading.shared, new) {
            shared.put(reading, &new).await;
        }
    }

    async fn fetch(&mut self, client: &OAuth2, reading: &Reading<T>, source: ReadFrom) -> Result<Current<T>> {
        if let (ReadFrom::Anywhere, Some(shared)) = (source, &reading.shared) {
            match shared.get(reading).await.and_then(|kept| Current::of(kept, reading)) {
                Some(current) if current.kept.is_fresh(reading.clock.now()) => return Ok(current),
                // It will do should the provider not answer.
                Some(stale) => {
                    let mut state = self.cached.state();
                    let own = state.current.as_ref().map(|own| own.kept.read_at);
                    if own.is_none_or(|read_at| read_at < stale.kept.read_at) {
                        state.current = Some(stale);
                    }
                }
                None => {}
            }
        }
        self.asked = Some({
            let mut state = self.cached.state();
            state.asked += 1;
            state.asked
        });
        let reply = request(client, reading, &reading.url).await?;
        let mut value = reply.object()?;
        supplement(client, reading, &mut value).await?;
        let document = JsonText::of(&value);
        let value = (reading.parse)(&document, value).map_err(|problem| reply.malformed(problem))?;
        let kept = KeptDocument {
            url: reading.url.clone(),
            issuer: reading.issuer.clone(),
            document,
            read_at: reading.clock.now().unix_timestamp(),
            fresh_for: reading.policy.fresh_for(&reply).as_secs(),
        };
        Ok(Current { value: Arc::new(value), kept })
    }
}

impl<T> Drop for Fetch<T> {
    /// Whoever needs the document begins anew if the task was ended.
    fn drop(&mut self) {
        let mut state = self.cached.state();
        if state.is_current(&self.under_way) {
            state.under_way = None;
        }
    }
}

/// Where a document may be read.
#[derive(Clone, Copy)]
enum ReadFrom {
    /// In the shared cache, else at the provider.
    Anywhere,
    Provider,
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
fn not_found<T>(client: &OAuth2, reading: &Reading<T>, url: &str, error: Error) -> Error {
    let is_gone = error.status().is_some_and(|status| status == 404 || status == 410);
    if !is_gone || reading.operation != Operation::DISCOVER {
        return error;
    }
    let url = url.split(['?', '#']).next().unwrap_or_default();
    let problem = format!(
        "there is no metadata at {} (HTTP 404): check the issuer, or give the document's URL with Discovery::with_document_url",
        quoted(url)
    );
    client.error(reading.operation, ErrorKind::Configuration(problem))
}

/// Asks for a document of the reading.
async fn request<T>(client: &OAuth2, reading: &Reading<T>, url: &str) -> Result<Response> {
    let send = || client.request(reading.operation, Method::GET, url).send();
    let reply = match send().await {
        // A GET may be repeated (RFC 9110 section 9.2.2): once, and only if the failure was a passing one by its nature.
        Err(error) if is_hiccup(&error) => send().await,
        reply => reply,
    };
    let reply = reply.map_err(|error| not_found(client, reading, url, error))?;
    match reply.status().as_u16() {
        200 => Ok(reply),
        _ => Err(reply.malformed("it does not come with HTTP 200")),
    }
}

/// Adds what the second document has and the first one lacks.
async fn supplement<T>(client: &OAuth2, reading: &Reading<T>, document: &mut Value) -> Result<()> {
    let mut urls = reading.supplements.iter().peekable();
    while let Some(url) = urls.next() {
        let reply = match request(client, reading, url).await {
            // A document that is not there is the only error of the configuration here.
            Err(error) if matches!(error.kind(), ErrorKind::Configuration(_)) && urls.peek().is_some() => {
                continue;
            }
            reply => reply?,
        };
        let more = reply.object()?;
        if more["issuer"] != document["issuer"] {
            return Err(reply.malformed(format!(
                "its issuer is {}, and that of the other document is {}",
                shown(more.get("issuer")),
                shown(document.get("issuer"))
            )));
        }
        for (name, value) in more.as_object().into_iter().flatten() {
            if document[name].is_null() {
                document[name] = value.clone();
            }
        }
        return Ok(());
    }
    Ok(())
}

impl<T> Current<T> {
    fn of(mut kept: KeptDocument, reading: &Reading<T>) -> Option<Self> {
        // Another process may have another policy; nothing is trusted for longer than one's own says.
        kept.fresh_for = kept.fresh_for.min(reading.policy.longest().as_secs());
        let is_its_own = kept.url == reading.url && kept.issuer == reading.issuer;
        if !is_its_own || !kept.is_usable(reading.clock.now(), &reading.policy) {
            return None;
        }
        let value = (reading.parse)(&kept.document, kept.document.read().ok()?).ok()?;
        Some(Self { value: Arc::new(value), kept })
    }
}

impl KeptDocument {
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

#[cfg(test)]
mod tests;
