use std::{collections::HashSet, fmt, sync::Arc, time::Duration};

use oauth_core::{Clock, Error, Provider, Result, Sealer, random_token};
use tokio::sync::Semaphore;

use crate::{
    cache::Cache,
    core::{Core, Source, Time},
    event::{Observer, Observers},
    manager::TokenManager,
    source::{Refreshing, TokenSource},
    store::TokenStore,
    tasks::Tasks,
    timing::Timing,
    vault::Vault,
};

/// Longer times mean the same as this one, and would leave the calendar: a panic between redeeming and saving loses a grant.
const A_YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Sets a [`TokenManager`] up. What is not set has the value that its method's description ends with.
#[derive(Clone)]
#[must_use = "a builder does nothing until it is built"]
pub struct TokenManagerBuilder {
    store: Arc<dyn TokenStore>,
    sealer: Sealer,
    sources: Vec<Arc<dyn TokenSource>>,
    timing: Timing,
    clock: Option<Arc<dyn Clock>>,
    observers: Observers,
    cache_capacity: usize,
    most_requests: usize,
}

impl TokenManagerBuilder {
    pub(crate) fn new(store: Arc<dyn TokenStore>, sealer: Sealer) -> Self {
        Self {
            store,
            sealer,
            sources: Vec::new(),
            timing: Timing::default(),
            clock: None,
            observers: Observers::default(),
            cache_capacity: 100_000,
            most_requests: 256,
        }
    }

    /// Refreshes the tokens of a provider; its name is the one that stands in the keys. May be called for several.
    pub fn provider(self, provider: Arc<dyn Provider>) -> Self {
        self.source(Refreshing(provider))
    }

    /// Gets tokens from another source, such as [`ClientCredentials`](crate::ClientCredentials). Each has a name of its own.
    pub fn source(mut self, source: impl TokenSource + 'static) -> Self {
        self.sources.push(Arc::new(source));
        self
    }

    /// Tells an observer what happens. May be called for several.
    pub fn observer(mut self, observer: impl Observer + 'static) -> Self {
        self.observers.0.push(Arc::new(observer));
        self
    }

    /// Reads the time from this clock: for tests. The operating system's.
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Some(Arc::new(clock));
        self
    }

    /// Refreshes an access token this long before it expires, plus up to half of that by chance, so that tokens that were
    /// obtained together are not refreshed together. At most a quarter of the token's lifetime. 5 minutes.
    pub fn refresh_ahead(mut self, ahead: Duration) -> Self {
        self.timing.refresh_ahead = ahead.min(A_YEAR);
        self
    }

    /// Hands no access token out that expires within this time, because it must still travel. At most a twentieth of the
    /// token's lifetime. 10 seconds.
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.timing.leeway = leeway.min(A_YEAR);
        self
    }

    /// Whoever asks first for a token that is due but live waits this long for its successor, then gets the old one while the
    /// refresh goes on. Everybody else gets the old one at once; and so does everybody while the store fails or hangs, until it
    /// answers again. 3 seconds.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.timing.patience = patience.min(A_YEAR);
        self
    }

    /// How long the right to refresh a key lasts without a sign of life: after a crash, others wait for as long. It is
    /// extended every third of it while the provider takes its time. 10 seconds.
    pub fn lease_lifetime(mut self, lifetime: Duration) -> Self {
        self.timing.lease_lifetime = lifetime.min(A_YEAR);
        self
    }

    /// How long to wait for another process that is refreshing the same key. 45 seconds.
    pub fn lease_patience(mut self, patience: Duration) -> Self {
        self.timing.lease_patience = patience.min(A_YEAR);
        self
    }

    /// The longest that a request to the provider may take, should the HTTP client set no limit. It should be longer than
    /// that client's, so that a reply that comes late is not lost. 40 seconds.
    pub fn request_limit(mut self, limit: Duration) -> Self {
        self.timing.request_limit = limit.min(A_YEAR);
        self
    }

    /// How long to try to save a new token before its callers are told; it is tried further after that. 3 seconds.
    pub fn save_patience(mut self, patience: Duration) -> Self {
        self.timing.save_patience = patience.min(A_YEAR);
        self
    }

    /// After a failed refresh the provider is left alone for the first time, doubled with each further failure up to the
    /// second, less up to half of it by chance; longer if the provider says so by `Retry-After`. 1 second and 1 minute.
    pub fn backoff(mut self, first: Duration, longest: Duration) -> Self {
        self.timing.first_backoff = first.min(A_YEAR);
        self.timing.longest_backoff = longest.min(A_YEAR);
        self
    }

    /// Looks into the store again after this time though the token is live: so long may another process's `put`, `delete`
    /// or `revoke` go unnoticed here. Not before the token is due.
    pub fn reread_after(mut self, time: Duration) -> Self {
        self.timing.reread_after = Some(time.min(A_YEAR));
        self
    }

    /// Looks into the store again after this time where a grant is dead or a refresh has failed, for a new login that
    /// another process has put there. 5 seconds.
    pub fn reread_failures_after(mut self, time: Duration) -> Self {
        self.timing.reread_failures_after = time.min(A_YEAR);
        self
    }

    /// How many refreshes of different keys may be under way at the same time, for each provider: each takes a connection.
    /// At least one. 256.
    pub fn most_requests(mut self, requests: usize) -> Self {
        self.most_requests = requests.clamp(1, Semaphore::MAX_PERMITS);
        self
    }

    /// How many keys are kept in the memory of this process, about. 100 000.
    pub fn cache_capacity(mut self, keys: usize) -> Self {
        self.cache_capacity = keys;
        self
    }

    /// The manager.
    ///
    /// # Errors
    ///
    /// A configuration error when two sources have one name, or the operating system has no random bytes to give.
    pub fn build(self) -> Result<TokenManager> {
        let mut names = HashSet::new();
        if let Some(twice) = self.sources.iter().find(|source| !names.insert(source.name())) {
            let problem = "two sources have this name, and one would replace the other's tokens; give the client of one \
                           another name with with_name";
            return Err(Error::configuration(twice.name().to_owned(), problem));
        }
        let named = |tokens: Arc<dyn TokenSource>| {
            let permits = Semaphore::new(self.most_requests);
            (tokens.name().to_owned(), Source { tokens, permits })
        };
        Ok(TokenManager(Arc::new(Core {
            vault: Vault { store: self.store, sealer: self.sealer },
            sources: self.sources.into_iter().map(named).collect(),
            timing: self.timing,
            clock: self.clock.map_or(Time::System, Time::Own),
            cache: Arc::new(Cache::new(self.cache_capacity)),
            observers: self.observers,
            holder: format!("{}-{}", std::process::id(), random_token()?),
            tasks: Tasks::new(),
            unsaved: Default::default(),
            store_health: Default::default(),
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
            .field("timing", &self.timing)
            .field("observers", &self.observers)
            .field("cache_capacity", &self.cache_capacity)
            .field("most_requests", &self.most_requests)
            .finish_non_exhaustive()
    }
}
