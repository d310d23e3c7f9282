//! The token manager: from a key to a live access token.

use std::{sync::Arc, time::Duration};

use oauth_core::{ErrorClass, OAuth2Token, OffsetDateTime, ScopeCheck};
use tokio::sync::oneshot;

use crate::{
    access_token::AccessToken,
    access_token_request::{AccessTokenRequest, Wanted},
    cache::{CachedResult, ResultReceiver, Role, TokenResult},
    calendar::{A_YEAR, time},
    error::TokenError,
    key::TokenKey,
    put::{Put, PutOptions},
    refresh::Trigger,
    revoked::Revoked,
    runtime::timeout,
    shared::SharedState,
    state::DeadGrant,
    timing::Moment,
};

/// Returns access tokens that are still valid, refreshing them when needed.
///
/// A clone is the same manager; a process needs one for each store. Processes that use the same store share the work: each token
/// is refreshed by one of them.
///
/// ```
/// use std::sync::Arc;
///
/// use oauth_core::{OAuth2, Sealer, SealingKey};
/// use oauth_tokens::{MemoryStore, TokenKey, TokenManager};
///
/// # async fn f(login: oauth_core::Login) -> Result<(), Box<dyn std::error::Error>> {
/// let provider = OAuth2::new("CLIENT_ID", "CLIENT_SECRET", "https://as.example/authorize", "https://as.example/token")
///     .with_refresh_endpoint("https://as.example/token");
/// let sealer = Sealer::new(SealingKey::from_base64("5RqPqvrbSrF4AsdeKiDfTmdKtF6HNrXAcGhIKqQZXxM=")?);
/// let tokens = TokenManager::builder(MemoryStore::new(), sealer).provider(Arc::new(provider)).build()?;
///
/// // After the login, under the identifier that the application has for its user:
/// let key = TokenKey::new("oauth2", "user-17");
/// tokens.put(&key, &login.token).await?;
///
/// // Whenever the provider's API is called, from now on for years:
/// let token = tokens.get(&key).await?;
/// println!("Authorization: Bearer {}", token.access_token());
///
/// // Before the process ends:
/// tokens.close().await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct TokenManager(pub(crate) Arc<SharedState>);

/// What is stored for one key.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Stored {
    /// The key.
    pub key: TokenKey,
    /// The token as it is, live or not; `None` until the first client-credentials token was obtained.
    pub token: Option<OAuth2Token>,
    /// When the access token expires, if that is known.
    pub expires_at: Option<OffsetDateTime>,
    /// Why the grant is dead and since when, if it is.
    pub dead: Option<DeadGrant>,
    /// How many refreshes have failed since the last success.
    pub failures: u32,
    /// The scopes that the refresh token was granted with, where a later login kept it; they may be more than the token's.
    pub refresh_scopes: Option<Vec<String>>,
    /// Which of the scopes that the application [wants](PutOptions::with_scopes) the token has, if it said so.
    pub scopes: Option<ScopeCheck>,
}

impl TokenManager {
    /// Returns a live access token: from memory, or after a refresh when one is due.
    ///
    /// The future can be dropped at any time: a refresh that has begun is carried to its end.
    ///
    /// # Errors
    ///
    /// A [`TokenError`] that says why there is none; its [`class`](TokenError::class) says what to do.
    pub async fn get(&self, key: &TokenKey) -> Result<AccessToken, TokenError> {
        self.get_token(key).await.map(AccessToken::new)
    }

    /// Returns a live token as [`get`](Self::get) does, with its refresh token, its ID token and whatever else came with it: for code
    /// that needs more than to call an API.
    ///
    /// Redeem the refresh token nowhere else: at most providers it is good for one time.
    ///
    /// # Errors
    ///
    /// A [`TokenError`] that says why there is none.
    pub async fn get_token(&self, key: &TokenKey) -> Result<Arc<OAuth2Token>, TokenError> {
        let now = self.0.clock.moment();
        match self.0.cache.fresh(key, now) {
            Some(result) => result.map_err(|error| *error),
            None => self.get_slowly(key, None, now).await,
        }
    }

    /// Returns a live access token after an API has refused one with 401 and `invalid_token` (RFC 6750 section 3.1): the one that
    /// another caller or process has obtained since, or a new one.
    ///
    /// A token that is only seconds old is returned as it is: the API would refuse its successor too.
    ///
    /// # Errors
    ///
    /// A [`TokenError`] that says why there is none.
    pub async fn get_after_rejection(
        &self,
        key: &TokenKey,
        rejected: &str,
    ) -> Result<AccessToken, TokenError> {
        self.token_after_rejection(key, rejected).await.map(AccessToken::new)
    }

    pub(crate) async fn token_after_rejection(&self, key: &TokenKey, rejected: &str) -> TokenResult {
        let trigger = || Trigger::Rejected(rejected.to_owned());
        self.get_better(key, None, trigger, |token| token.access_token() != rejected).await
    }

    /// Returns an access token that is live for at least this long, for a request or a job that takes its time: the one that
    /// [`get`](Self::get) returns, or a new one.
    ///
    /// Where the provider's tokens do not live that long, a new one is returned. If there is none to be had, the error says why;
    /// [`get`](Self::get) may still return the old one.
    ///
    /// # Errors
    ///
    /// A [`TokenError`] that says why there is none.
    pub async fn get_valid_for(&self, key: &TokenKey, time: Duration) -> Result<AccessToken, TokenError> {
        self.token_valid_for(key, None, time).await.map(AccessToken::new)
    }

    async fn token_valid_for(
        &self,
        key: &TokenKey,
        wanted: Option<&Arc<Wanted>>,
        time: Duration,
    ) -> TokenResult {
        let time = time.min(A_YEAR);
        let is_enough = |token: &Arc<OAuth2Token>| {
            let then = Moment::from(self.0.clock.now() + time);
            self.live(key, wanted, then).is_some_and(|live| Arc::ptr_eq(&live, token))
        };
        self.get_better(key, wanted, || Trigger::ValidFor(time), is_enough).await
    }

    /// Returns another access token of the same grant: for other scopes, another resource or another audience. It is kept beside the
    /// token of the login, which stays as it is, and refreshed when somebody asks for it and it is due.
    ///
    /// All access tokens of a grant share its refresh token, so they are obtained one after the other, also by different
    /// processes, and a new refresh token is saved with each. An empty request is for the token of the login.
    ///
    /// # Errors
    ///
    /// [`TokenError::NotGranted`] when the provider refuses what is asked for; else the errors of [`get`](Self::get).
    pub async fn get_for(
        &self,
        key: &TokenKey,
        request: &AccessTokenRequest,
    ) -> Result<AccessToken, TokenError> {
        self.token_for(key, request).await.map(AccessToken::new)
    }

    pub(crate) async fn token_for(&self, key: &TokenKey, request: &AccessTokenRequest) -> TokenResult {
        let wanted = request.wanted();
        match (request.rejected(), request.least_lifetime()) {
            (Some(rejected), _) => {
                let trigger = || Trigger::Rejected(rejected.to_owned());
                self.get_better(key, wanted, trigger, |token| token.access_token() != rejected).await
            }
            (None, Some(time)) => self.token_valid_for(key, wanted, time).await,
            (None, None) => {
                let now = self.0.clock.moment();
                match self.fresh(key, wanted, now) {
                    Some(result) => result.map_err(|error| *error),
                    None => self.get_slowly(key, wanted, now).await,
                }
            }
        }
    }

    /// What is known of a token, if it holds now.
    fn fresh(&self, key: &TokenKey, wanted: Option<&Arc<Wanted>>, now: Moment) -> Option<CachedResult> {
        match wanted {
            None => self.0.cache.fresh(key, now),
            Some(wanted) => self.0.cache.fresh_further(key, wanted, now),
        }
    }

    /// A token that is still live, whether or not it is due to be refreshed.
    fn live(&self, key: &TokenKey, wanted: Option<&Arc<Wanted>>, now: Moment) -> Option<Arc<OAuth2Token>> {
        match wanted {
            None => self.0.cache.live(key, now),
            Some(wanted) => self.0.cache.live_further(key, wanted, now),
        }
    }

    /// Returns the known token if it is good enough, or else a new one.
    async fn get_better(
        &self,
        key: &TokenKey,
        wanted: Option<&Arc<Wanted>>,
        trigger: impl Fn() -> Trigger,
        is_good: impl Fn(&Arc<OAuth2Token>) -> bool,
    ) -> TokenResult {
        match self.fresh(key, wanted, self.0.clock.moment()) {
            Some(Ok(token)) if !is_good(&token) => {}
            Some(result) => return result.map_err(|error| *error),
            None => {}
        }
        // A refresh that was under way may have begun before, for another reason, and left the old token.
        match self.single_flight(key, wanted, &trigger).await {
            (Ok(token), false) if !is_good(&token) => self.single_flight(key, wanted, &trigger).await.0,
            (result, _) => result,
        }
    }

    /// Gives a grant another chance that the provider refused, after a mistake on its side or in the client's settings: the next
    /// [`get`](Self::get) hands out its access token if that is live, and else redeems its refresh token again. Says whether there was such
    /// a grant.
    ///
    /// Without it, a dead grant is not asked for again until a new login replaces it.
    ///
    /// # Errors
    ///
    /// [`TokenError::NotFound`], [`TokenError::Unreadable`], or [`TokenError::Store`].
    pub async fn revive(&self, key: &TokenKey) -> Result<bool, TokenError> {
        let (shared, key) = (Arc::clone(&self.0), key.clone());
        self.to_the_end(async move { shared.revive(&key).await }).await
    }

    async fn get_slowly(&self, key: &TokenKey, wanted: Option<&Arc<Wanted>>, now: Moment) -> TokenResult {
        let shared = &self.0;
        let Some(live) = self.live(key, wanted, now) else {
            return match self.single_flight(key, wanted, || Trigger::Due).await {
                // It may have been the refresh of somebody who wants more than a live token.
                (
                    Err(
                        TokenError::RefreshFailed { .. }
                        | TokenError::Dead { .. }
                        | TokenError::NoRefreshToken { .. },
                    ),
                    false,
                ) => match self.fresh(key, wanted, shared.clock.moment()) {
                    Some(result) => result.map_err(|error| *error),
                    None => self.single_flight(key, wanted, || Trigger::Due).await.0,
                },
                (result, _) => result,
            };
        };
        let health = &shared.store_health;
        // While the store is in trouble nobody waits, or each key would have its turn to wait in vain.
        let patience = if health.is_in_trouble() { Duration::ZERO } else { shared.timing.patience };
        let (questions, answers) = health.counts();
        let result = match self.join_or_start(key, wanted, || Trigger::Due) {
            Ok((receiver, Role::Leader)) => {
                match timeout(&*shared.runtime, patience, wait(receiver)).await {
                    Some(Some(result)) => result,
                    // The refresh goes on; the old token serves meanwhile.
                    Some(None) | None => {
                        // One that looks for its provider, or waits for other refreshes, has not asked the store yet.
                        let (questions_now, answers_now) = health.counts();
                        if questions_now > questions && answers_now == answers {
                            health.note_trouble(shared.runtime.now());
                        }
                        return Ok(live);
                    }
                }
            }
            Ok((_, Role::Follower | Role::Bystander)) => return Ok(live),
            Err(error) => Err(error),
        };
        match result {
            Err(error) if error.leaves_the_old_token_good() => Ok(live),
            result => result,
        }
    }

    /// Waits for the refresh of a token, of which there is one at a time for each key; also says whether this call started it.
    async fn single_flight(
        &self,
        key: &TokenKey,
        wanted: Option<&Arc<Wanted>>,
        trigger: impl Fn() -> Trigger,
    ) -> (TokenResult, bool) {
        if let Some(error) = self.0.cache.trouble(key, self.0.clock.moment()) {
            return (Err(error), false);
        }
        let (result, is_leader) = self.refresh_once(key, wanted, trigger).await;
        match result {
            // The provider may have ended the grant, which the refresh of its own token tells.
            Err(TokenError::NotGranted { ref code, .. }) if is_leader && code == "invalid_grant" => {
                let now = self.0.clock.now().unix_timestamp();
                match self.refresh_once(key, None, || Trigger::ObtainedBefore(now)).await.0 {
                    Err(dead @ TokenError::Dead { .. }) => (Err(dead), true),
                    _ => (result, true),
                }
            }
            result => (result, is_leader),
        }
    }

    /// Refreshes a token, or waits for others who do so; also says whether this call started it.
    pub(crate) async fn refresh_once(
        &self,
        key: &TokenKey,
        wanted: Option<&Arc<Wanted>>,
        trigger: impl Fn() -> Trigger,
    ) -> (TokenResult, bool) {
        let mut lost = 0;
        loop {
            let (receiver, role) = match self.join_or_start(key, wanted, &trigger) {
                Ok(started) => started,
                Err(error) => return (Err(error), false),
            };
            match (wait(receiver).await, role) {
                (_, Role::Bystander) => {}
                (Some(result), role) => return (result, role == Role::Leader),
                // It ended with its runtime: on another runtime it may succeed.
                (None, _) if lost < 2 => lost += 1,
                (None, _) => return (Err(TokenError::NoRuntime), false),
            }
        }
    }

    /// Joins the refresh of a key that is under way, or starts one; also says what it is to this call.
    fn join_or_start(
        &self,
        key: &TokenKey,
        wanted: Option<&Arc<Wanted>>,
        trigger: impl Fn() -> Trigger,
    ) -> Result<(ResultReceiver, Role), TokenError> {
        let (receiver, started) = self.0.cache.join_or_start(key, wanted);
        let leader = match started {
            Ok(leader) => leader,
            Err(role) => return Ok((receiver, role)),
        };
        let guard = self.0.tasks.begin().ok_or(TokenError::Closed)?;
        let refresh = Arc::clone(&self.0).refresh(key.clone(), wanted.cloned(), trigger(), leader, guard);
        self.0.runtime.spawn(Box::pin(refresh))?;
        self.start_sweep();
        Ok((receiver, Role::Leader))
    }

    /// Stores the token of a login in place of what is there; a new login also replaces a dead grant.
    ///
    /// Some providers, such as Google, send a refresh token with the first consent only. So if the token has none, the stored
    /// refresh token is kept, provided that it was issued to the same client and both logins have ID tokens of the same user.
    /// [`put_with`](Self::put_with) takes the identity where there are no ID tokens, and can do without the stored token.
    ///
    /// # Errors
    ///
    /// [`TokenError::NotSaved`] when the store does not take the token, [`TokenError::UnknownProvider`] when nobody knows the key's provider, and
    /// [`TokenError::SourceLookup`] when it cannot be looked up.
    pub async fn put(&self, key: &TokenKey, token: &OAuth2Token) -> Result<Put, TokenError> {
        self.put_with(key, token, PutOptions::new()).await
    }

    /// Stores the token of a login as [`put`](Self::put) does, with options.
    ///
    /// # Errors
    ///
    /// [`TokenError::NotSaved`] when the store does not take the token, [`TokenError::UnknownProvider`] when nobody knows the key's provider, and
    /// [`TokenError::SourceLookup`] when it cannot be looked up.
    pub async fn put_with(
        &self,
        key: &TokenKey,
        token: &OAuth2Token,
        options: PutOptions,
    ) -> Result<Put, TokenError> {
        let (shared, key, token) = (Arc::clone(&self.0), key.clone(), token.clone());
        self.to_the_end(async move { shared.put(&key, token, &options).await }).await
    }

    /// Lists what is stored for a subject, at all providers. A record that cannot be read is an error of its own in the list.
    ///
    /// # Errors
    ///
    /// [`TokenError::Store`] when the store does not answer or refuses.
    pub async fn list(
        &self,
        tenant: &str,
        subject: &str,
    ) -> Result<Vec<Result<Stored, TokenError>>, TokenError> {
        let store = &self.0.store;
        let records = store.inner.list(tenant, subject).await.map_err(|cause| TokenError::Store {
            key: TokenKey::from_parts(tenant, subject, "", ""),
            cause,
        })?;
        let mut all = Vec::with_capacity(records.len());
        for (key, record) in records {
            all.push(store.open(&key, &record).await.map(|found| {
                let state = found.state;
                Stored {
                    key,
                    expires_at: state.expires_at.map(time),
                    dead: state.dead(),
                    failures: state.failures,
                    scopes: state.scope_check(),
                    refresh_scopes: state.refresh_scopes,
                    token: state.token,
                }
            }));
        }
        Ok(all)
    }

    /// Returns the scopes to ask for when a user is to grant some more: these, and all that the stored grant has or had. A login that
    /// asks for the new ones alone ends with a token that lacks the old ones, at most providers.
    ///
    /// # Errors
    ///
    /// [`TokenError::Store`] or [`TokenError::Unreadable`]. A key without a token is not an error: what is asked for is returned.
    pub async fn scopes_to_request<S: AsRef<str>>(
        &self,
        key: &TokenKey,
        more: impl IntoIterator<Item = S>,
    ) -> Result<Vec<String>, TokenError> {
        let more: Vec<String> = more.into_iter().map(|scope| scope.as_ref().to_owned()).collect();
        let found = self.0.store.load(key).await?;
        let mut all = found.map(|found| found.state.all_scopes()).unwrap_or_default();
        for scope in more {
            if !all.contains(&scope) {
                all.push(scope);
            }
        }
        Ok(all)
    }

    /// Deletes what is stored for a key, and says whether there was anything. The provider is not told.
    ///
    /// # Errors
    ///
    /// [`TokenError::Store`] when the store does not answer or refuses.
    pub async fn delete(&self, key: &TokenKey) -> Result<bool, TokenError> {
        let (shared, key) = (Arc::clone(&self.0), key.clone());
        self.to_the_end(async move { shared.delete(&key).await }).await
    }

    /// Revokes a key's token at the provider, then deletes it. It waits for a refresh that is under way, so that no token
    /// is left behind. If it fails, the token is still stored, and can be revoked again or deleted.
    ///
    /// # Errors
    ///
    /// [`TokenError::RevokeFailed`] with what the provider answered; [`TokenError::Store`], [`TokenError::Busy`], [`TokenError::Unreadable`]. Where
    /// the provider revokes access tokens only, it takes a live one, and there are the errors of [`get`](Self::get) too.
    pub async fn revoke(&self, key: &TokenKey) -> Result<Revoked, TokenError> {
        let (manager, key) = (self.clone(), key.clone());
        self.to_the_end(async move {
            let source = manager.0.source(&key).await;
            match source.is_ok_and(|source| source.tokens.revokes_by_access_token(&key)) {
                true => manager.revoke_by_access_token(&key).await,
                false => manager.0.revoke(&key).await,
            }
        })
        .await
    }

    /// Revokes where an expired access token ends nothing, because the refresh token lives on.
    async fn revoke_by_access_token(&self, key: &TokenKey) -> Result<Revoked, TokenError> {
        let live = match self.get_token(key).await {
            Ok(token) => Some(token),
            // There is nothing that could live on, or it is not in the store.
            Err(TokenError::NotFound { .. } | TokenError::Dead { .. } | TokenError::NotSaved { .. }) => None,
            Err(error) => return Err(error),
        };
        match (self.0.revoke(key).await, live) {
            // Whether the refresh token is dead too is seen when it is redeemed.
            (Err(TokenError::RevokeFailed { cause, .. }), Some(token))
                if cause.class() == ErrorClass::Reauthorize =>
            {
                let _ = self.token_after_rejection(key, token.access_token()).await;
                self.0.revoke(key).await
            }
            (outcome, _) => outcome,
        }
    }

    /// Ends the pause for which this process leaves a key's provider alone, as when its limit was raised or its trouble is known to be
    /// over. Says whether there was one. The provider's other keys notice that within
    /// [`reread_failures_after`](crate::TokenManagerBuilder::reread_failures_after). What single keys rest for after a failure of their own, a minute at most unless the
    /// provider has named a longer time, is not ended.
    ///
    /// # Errors
    ///
    /// [`TokenError::UnknownProvider`] when nobody knows the key's provider, and [`TokenError::SourceLookup`] when it cannot be looked up.
    pub async fn end_pause(&self, key: &TokenKey) -> Result<bool, TokenError> {
        let was_paused = self.0.source(key).await?.pause.end();
        self.0.cache.forget_refusal(key);
        Ok(was_paused)
    }

    /// Forgets the source that was [looked up](crate::SourceLookup) for this key, as after its tenant has changed its settings. The
    /// next refresh looks it up again; one that is under way goes on.
    pub fn invalidate_source(&self, key: &TokenKey) {
        self.0.sources.invalidate(key);
    }

    /// Forgets all sources that were [looked up](crate::SourceLookup).
    pub fn invalidate_sources(&self) {
        self.0.sources.invalidate_all();
    }

    /// Does some work to its end even if the caller is dropped; a shutdown waits for it.
    pub(crate) async fn to_the_end<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, TokenError>> + Send + 'static,
    ) -> Result<T, TokenError> {
        // After the shutdown it still works, and nobody waits for it.
        let guard = self.0.tasks.begin();
        let (sender, receiver) = oneshot::channel();
        self.0.runtime.spawn(Box::pin(async move {
            // The caller may be gone.
            let _ = sender.send(work.await);
            drop(guard);
        }))?;
        self.start_sweep();
        receiver.await.unwrap_or(Err(TokenError::NoRuntime))
    }

    /// Starts no more refreshes, and waits for those that are under way: call it before the process ends.
    ///
    /// Tokens that are live are still handed out from memory. The list is empty unless the store was down to the end: then it
    /// holds [`TokenError::NotSaved`] for each new token that nobody else knows.
    ///
    /// It waits for as long as the provider and the store take; [`close_within`](Self::close_within) has a limit.
    pub async fn close(&self) -> Vec<TokenError> {
        self.0.tasks.close().await;
        self.0.unsaved.errors()
    }

    /// Does what [`close`](Self::close) does, for no longer than this.
    ///
    /// When the time is over, the list holds [`TokenError::NotSaved`] for each new token that the store has not confirmed. It may
    /// have taken some of them all the same. A refresh whose provider has not answered yet is left to the next process, as
    /// after a crash. Do not put another timeout around [`close`](Self::close): it would lose the list.
    pub async fn close_within(&self, limit: Duration) -> Vec<TokenError> {
        // The limit may be zero.
        self.0.tasks.stop();
        let _ = timeout(&*self.0.runtime, limit, self.0.tasks.close()).await;
        self.0.unsaved.errors()
    }

    /// Returns the keys whose new tokens the store has not taken; this process goes on trying to save them.
    #[must_use]
    pub fn unsaved(&self) -> Vec<TokenKey> {
        self.0.unsaved.keys()
    }
}

/// Waits for the result of a refresh; `None` if it ended without one.
async fn wait(mut receiver: ResultReceiver) -> Option<TokenResult> {
    let result = receiver.wait_for(Option::is_some).await.ok()?;
    result.clone()
}
