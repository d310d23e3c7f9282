//! What a token manager is made of.

use std::{collections::HashSet, fmt, sync::Arc, time::Duration};

use oauth_core::{Clock, Error, Provider, Result, random_token};
use tokio::sync::Semaphore;

use crate::{
    cache::Cache,
    calendar::A_YEAR,
    event::{Observer, Observers},
    limited_store::LimitedStore,
    manager::TokenManager,
    runtime::{Runtime, TokioRuntime},
    sealed_store::SealedStore,
    sealing::TokenSealer,
    shared::{ManagerClock, SharedState},
    source::{ProviderSource, TokenSource},
    sources::{SourceLookup, SourceSettings, Sources},
    state::random_number,
    store::TokenStore,
    timing::Timing,
};

/// Builds a [`TokenManager`]. Each method's description ends with the default.
#[derive(Clone)]
#[must_use = "a builder does nothing until it is built"]
pub struct TokenManagerBuilder {
    store: Arc<dyn TokenStore>,
    sealer: Arc<dyn TokenSealer>,
    sources: Vec<Arc<dyn TokenSource>>,
    timing: Timing,
    clock: Option<Arc<dyn Clock>>,
    runtime: Arc<dyn Runtime>,
    observers: Observers,
    cache_capacity: usize,
    lookup: Option<Arc<dyn SourceLookup>>,
    source_settings: SourceSettings,
}

impl TokenManager {
    /// Sets up a manager of the tokens in this store, encrypted with these keys.
    ///
    /// All processes that use a store need the same key ring: the first key seals, all of them open, and what an older one
    /// sealed is sealed anew when it is next read. Instead of a [`Sealer`](oauth_core::Sealer), any [`TokenSealer`] will do.
    pub fn builder(
        store: impl TokenStore + 'static,
        sealer: impl TokenSealer + 'static,
    ) -> TokenManagerBuilder {
        TokenManagerBuilder::new(Arc::new(store), Arc::new(sealer))
    }
}

impl TokenManagerBuilder {
    pub(crate) fn new(store: Arc<dyn TokenStore>, sealer: Arc<dyn TokenSealer>) -> Self {
        Self {
            store,
            sealer,
            sources: Vec::new(),
            timing: Timing::default(),
            clock: None,
            runtime: Arc::new(TokioRuntime),
            observers: Observers::default(),
            cache_capacity: 100_000,
            lookup: None,
            source_settings: SourceSettings {
                most_requests: 256,
                capacity: 1000,
                remembered_for: Duration::from_secs(10 * 60),
            },
        }
    }

    /// Adds a provider whose tokens are to be refreshed; keys name it by its name. Can be called for several.
    pub fn provider(self, provider: Arc<dyn Provider>) -> Self {
        self.source(ProviderSource::new(provider))
    }

    /// Adds another source of tokens, such as [`ClientCredentials`](crate::ClientCredentials). Each needs a name of its own.
    pub fn source(mut self, source: impl TokenSource + 'static) -> Self {
        self.sources.push(Arc::new(source));
        self
    }

    /// Looks up the sources of keys whose providers were not added, when they are needed: a provider for each tenant or each shop.
    ///
    /// ```
    /// use std::{collections::HashMap, sync::Arc};
    ///
    /// use oauth_core::{OAuth2, Provider, Sealer};
    /// use oauth_tokens::{MemoryStore, TokenKey, TokenManager};
    ///
    /// # fn f(sealer: Sealer, customers: HashMap<String, String>) -> oauth_core::Result<()> {
    /// let customers = Arc::new(customers);
    /// let tokens = TokenManager::builder(MemoryStore::new(), sealer)
    ///     .lookup(move |key: TokenKey| {
    ///         let customers = Arc::clone(&customers);
    ///         async move {
    ///             let Some(domain) = customers.get(key.tenant()) else { return Ok(None) };
    ///             let at = |path: &str| format!("https://{domain}/{path}");
    ///             let client = OAuth2::new("CLIENT_ID", "CLIENT_SECRET", at("authorize"), at("token"))
    ///                 .with_refresh_endpoint(at("token"));
    ///             Ok(Some(Arc::new(client) as Arc<dyn Provider>))
    ///         }
    ///     })
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn lookup(mut self, lookup: impl SourceLookup + 'static) -> Self {
        self.lookup = Some(Arc::new(lookup));
        self
    }

    /// How many sources that were looked up are remembered, and for how long; those that were used last stay. Default: 1000, for 10
    /// minutes.
    pub fn lookup_memory(mut self, sources: usize, time: Duration) -> Self {
        self.source_settings.capacity = sources.max(1);
        self.source_settings.remembered_for = time.min(A_YEAR);
        self
    }

    /// Adds an observer of events. Can be called for several.
    pub fn observer(mut self, observer: impl Observer + 'static) -> Self {
        self.observers.0.push(Arc::new(observer));
        self
    }

    /// Reads the time from this clock, for tests. Default: the operating system's.
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Some(Arc::new(clock));
        self
    }

    /// Starts tasks and waits on this runtime. Default: [`TokioRuntime`].
    pub fn runtime(mut self, runtime: impl Runtime + 'static) -> Self {
        self.runtime = Arc::new(runtime);
        self
    }

    /// Refreshes an access token this long before it expires, plus up to half of that by chance, so that tokens that were
    /// obtained together are not refreshed together. At most a quarter of the token's lifetime. Default: 5 minutes.
    pub fn refresh_ahead(mut self, ahead: Duration) -> Self {
        self.timing.refresh_ahead = ahead.min(A_YEAR);
        self
    }

    /// Hands out no access token that expires within this time, because it must still reach the API. At most a twentieth of the
    /// token's lifetime. Default: 10 seconds.
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.timing.leeway = leeway.min(A_YEAR);
        self
    }

    /// How long the first caller who asks for a token that is due but live waits for its successor, before it gets the old one
    /// while the refresh goes on. All others get the old one at once; and so does everybody while the store fails or hangs.
    /// Default: 3 seconds.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.timing.patience = patience.min(A_YEAR);
        self
    }

    /// How long a lease lasts without a sign of life from its holder; after a crash, other processes wait this long. The holder
    /// extends it every third of it, until it has saved. A provider's grace period is of use only if it is longer, and a process that
    /// is suspended or cut off from the store for longer loses its lease. Where the store takes more than an eighth of it for an answer,
    /// a lease lasts for eight answers, a minute at most. Default: 3 seconds.
    pub fn lease_lifetime(mut self, lifetime: Duration) -> Self {
        self.timing.lease_lifetime = lifetime.min(A_YEAR);
        self
    }

    /// How long to wait for another process that is refreshing the same key. Default: 45 seconds.
    pub fn lease_patience(mut self, patience: Duration) -> Self {
        self.timing.lease_patience = patience.min(A_YEAR);
        self
    }

    /// The longest that a request to the provider may take, in case the HTTP client sets no limit. It should be longer than
    /// that client's, so that a late reply is not lost. Default: 40 seconds.
    pub fn request_limit(mut self, limit: Duration) -> Self {
        self.timing.request_limit = limit.min(A_YEAR);
        self
    }

    /// The longest that the store may take for an answer about a key, in case its driver sets no limit. Default: 30 seconds.
    pub fn store_limit(mut self, limit: Duration) -> Self {
        self.timing.store_limit = limit.min(A_YEAR);
        self
    }

    /// How long to try to save a new token before its callers get [`TokenError::NotSaved`](crate::TokenError::NotSaved); after that, saving
    /// is tried in the background. Default: 3 seconds.
    pub fn save_patience(mut self, patience: Duration) -> Self {
        self.timing.save_patience = patience.min(A_YEAR);
        self
    }

    /// How long the provider is left alone after a failed refresh: `first`, doubled with each further failure up to `longest`,
    /// less up to half of it at random; longer if the provider says so by `Retry-After`. Default: 1 second and 1 minute.
    pub fn backoff(mut self, first: Duration, longest: Duration) -> Self {
        self.timing.first_backoff = first.min(A_YEAR);
        self.timing.longest_backoff = longest.min(A_YEAR);
        self
    }

    /// Loads a live token again after this time: so long may another process's `put`, `delete` or `revoke` go unnoticed here.
    /// Default: not before the token is due.
    pub fn reread_after(mut self, time: Duration) -> Self {
        self.timing.reread_after = Some(time.min(A_YEAR));
        self
    }

    /// Loads a dead grant, or a token whose refresh has failed, again after this time, in case another process has put a new
    /// login. Default: 5 seconds.
    pub fn reread_failures_after(mut self, time: Duration) -> Self {
        self.timing.reread_failures_after = time.min(A_YEAR);
        self
    }

    /// How often the store is asked for refreshes that a crashed process left unfinished, to finish them before a provider's grace
    /// period ends, even if nobody asks for their tokens; give or take a quarter. It begins with the first use of the manager.
    /// [`Duration::MAX`] is never; then call [`recover`](TokenManager::recover). Default: 2 seconds.
    pub fn recover_every(mut self, interval: Duration) -> Self {
        self.timing.recover_every = (interval < Duration::MAX).then(|| interval.min(A_YEAR));
        self
    }

    /// How many refreshes of different keys may be under way at the same time, for each provider: each takes a connection.
    /// At least 1. Default: 256.
    pub fn most_requests(mut self, requests: usize) -> Self {
        self.source_settings.most_requests = requests.clamp(1, Semaphore::MAX_PERMITS);
        self
    }

    /// About how many keys are kept in the memory of this process. Default: 100,000.
    pub fn cache_capacity(mut self, keys: usize) -> Self {
        self.cache_capacity = keys;
        self
    }

    /// Builds the manager.
    ///
    /// # Errors
    ///
    /// A configuration error when two sources have the same name, or the operating system provides no random bytes.
    pub fn build(self) -> Result<TokenManager> {
        let mut names = HashSet::new();
        if let Some(twice) = self.sources.iter().find(|source| !names.insert(source.name())) {
            let problem = "two sources have this name, and one would replace the other's tokens; give the client of one \
                           another name with with_name";
            return Err(Error::configuration(twice.name().to_owned(), problem));
        }
        let limit = self.timing.store_limit;
        let store = LimitedStore { store: self.store, runtime: Arc::clone(&self.runtime), limit };
        Ok(TokenManager(Arc::new(SharedState {
            store: SealedStore { inner: Arc::new(store), sealer: self.sealer, timing: self.timing.clone() },
            store_health: Default::default(),
            sources: Sources::new(self.sources, self.lookup, self.source_settings),
            cache: Arc::new(Cache::new(self.cache_capacity, self.timing.longest_refusal())),
            timing: self.timing,
            clock: self.clock.map_or(ManagerClock::System, ManagerClock::Custom),
            runtime: self.runtime,
            observers: self.observers,
            holder: format!("{}-{}", std::process::id(), random_token()?),
            process: random_number(),
            store_ahead: Default::default(),
            tasks: Default::default(),
            unsaved: Default::default(),
            sweep_has_begun: Default::default(),
        })))
    }
}

/// Sources are shown by their names: what else they hold is theirs to show.
impl fmt::Debug for TokenManagerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let providers: Vec<_> = self.sources.iter().map(|source| source.name()).collect();
        f.debug_struct("TokenManagerBuilder")
            .field("store", &self.store)
            .field("providers", &providers)
            .field("lookup", &self.lookup)
            .field("timing", &self.timing)
            .field("observers", &self.observers)
            .field("cache_capacity", &self.cache_capacity)
            .field("source_settings", &self.source_settings)
            .finish_non_exhaustive()
    }
}
