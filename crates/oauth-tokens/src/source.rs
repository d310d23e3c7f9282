//! Token sources: where new tokens come from.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use oauth_core::{ErrorKind, OAuth2, OAuth2Token, OffsetDateTime, Operation, Provider, Result, async_trait};
use tokio::sync::Semaphore;

use crate::{access_token_request::AccessTokenRequest, key::TokenKey};

/// Obtains new tokens for the keys of one provider.
///
/// Every [`Provider`] becomes a source by [`TokenManagerBuilder::provider`](crate::TokenManagerBuilder::provider):
/// it redeems refresh tokens. [`ClientCredentials`](crate::ClientCredentials) and [`JwtBearer`](crate::JwtBearer) are
/// sources for machines. The manager makes one request at a time for each key, and saves its result.
#[async_trait]
pub trait TokenSource: fmt::Debug + Send + Sync {
    /// Returns the provider's name, as it appears in the keys. That of a source which was
    /// [looked up](crate::SourceLookup) appears in messages only.
    fn name(&self) -> &str;

    /// Returns the client id that tokens are obtained with, if there is one. A later login keeps a stored refresh token only if
    /// that was issued to the same client.
    fn client_id(&self, _key: &TokenKey) -> Option<&str> {
        None
    }

    /// Returns the client that the tokens are issued to, if there is one. Its participants take part in the requests of
    /// `AuthorizedClient` and `TokenMiddleware`, such as by a proof of possession.
    fn client(&self, _key: &TokenKey) -> Option<&OAuth2> {
        None
    }

    /// Whether the source needs the token of a login, whose refresh token can be redeemed only once. Other sources obtain a
    /// token whenever they are asked.
    fn needs_login(&self, key: &TokenKey) -> bool;

    /// Whether the source can replace this token without its user.
    fn can_replace(&self, key: &TokenKey, token: &OAuth2Token) -> bool {
        !self.needs_login(key) || token.refresh_token().is_some()
    }

    /// Obtains the successor of a token, or the first one.
    ///
    /// # Errors
    ///
    /// Any [`oauth_core::Error`]; its class decides what happens to the grant.
    async fn obtain(&self, key: &TokenKey, previous: Option<&OAuth2Token>) -> Result<OAuth2Token>;

    /// Obtains another access token of the same grant, for the scopes, the resource or the audience of the request. Its refresh
    /// token replaces that of the previous token; without one, that stays.
    ///
    /// # Errors
    ///
    /// An unsupported-operation error, which is the default; else any [`oauth_core::Error`]. A refusal says nothing about the grant.
    async fn obtain_for(
        &self,
        _key: &TokenKey,
        _previous: Option<&OAuth2Token>,
        _request: &AccessTokenRequest,
    ) -> Result<OAuth2Token> {
        let problem = "this source of tokens cannot obtain access tokens for other scopes or resources";
        let kind = ErrorKind::Unsupported(problem.to_owned());
        Err(oauth_core::Error::new(Operation::REFRESH_TOKEN, self.name().to_owned(), kind))
    }

    /// Whether revoking takes a live access token, even while the refresh token is still valid.
    fn revokes_by_access_token(&self, _key: &TokenKey) -> bool {
        false
    }

    /// Revokes a token, and with it the grant where the provider does so.
    ///
    /// # Errors
    ///
    /// An unsupported-operation error where the provider cannot revoke; else any [`oauth_core::Error`].
    async fn revoke(&self, key: &TokenKey, token: &OAuth2Token) -> Result<()>;
}

/// A source, and what holds back the requests to it.
#[derive(Clone)]
pub(crate) struct LimitedSource {
    pub(crate) tokens: Arc<dyn TokenSource>,
    /// Permits for the requests that may be made to it at the same time.
    pub(crate) permits: Arc<Semaphore>,
    pub(crate) pause: Arc<SourcePause>,
}

/// While a provider asks to be left alone, no key of it is refreshed in this process.
#[derive(Default)]
pub(crate) struct SourcePause {
    state: Mutex<PauseState>,
    /// Held by whoever tries first after a pause.
    first: tokio::sync::Mutex<()>,
}

/// The first attempt after a pause, while others wait for how it ends.
pub(crate) struct FirstAttempt<'a> {
    pause: &'a SourcePause,
    at: OffsetDateTime,
    _alone: tokio::sync::MutexGuard<'a, ()>,
}

impl FirstAttempt<'_> {
    /// The provider was asked. Unless it wants to be left alone again, all others may ask it too.
    pub(crate) fn made(self) {
        let mut state = self.pause.lock();
        if state.until.is_some_and(|until| until <= self.at) {
            state.until = None;
        }
    }
}

#[derive(Default)]
struct PauseState {
    until: Option<OffsetDateTime>,
    /// From when on the pause is believed: as long before its beginning as it lasts after it. A clock that shows an earlier time was
    /// set back, and by how much nobody knows.
    from: Option<OffsetDateTime>,
    /// How many pauses have followed each other without an answer in between.
    pauses: u32,
    /// Whether the provider has named the time, or limits requests.
    is_asked_for: bool,
    message: String,
}

impl SourcePause {
    /// Until when the provider is left alone and why, if it is.
    pub(crate) fn now(&self, now: OffsetDateTime) -> Option<(OffsetDateTime, String)> {
        let mut state = self.lock();
        if state.from.is_some_and(|from| now < from) {
            state.until = None;
        }
        let until = state.until.filter(|until| now < *until)?;
        Some((until, state.message.clone()))
    }

    /// After a pause, waits for those who were first to ask; then the caller is the first if nobody knows yet whether the provider
    /// answers again.
    pub(crate) async fn first_attempt(&self, now: impl Fn() -> OffsetDateTime) -> Option<FirstAttempt<'_>> {
        let has_ended = |now| self.lock().until.is_some_and(|until| until <= now);
        if !has_ended(now()) {
            return None;
        }
        let alone = self.first.lock().await;
        let at = now();
        has_ended(at).then_some(FirstAttempt { pause: self, at, _alone: alone })
    }

    /// Ends the pause, if there is one.
    pub(crate) fn end(&self) -> bool {
        let mut state = self.lock();
        let is_paused = state.until.is_some();
        *state = PauseState::default();
        is_paused
    }

    /// How many pauses have followed each other.
    pub(crate) fn pauses(&self) -> u32 {
        self.lock().pauses
    }

    /// Begins a pause. Requests that were under way when another one began it make it longer, but do not count as further failures.
    pub(crate) fn begin(
        &self,
        now: OffsetDateTime,
        until: OffsetDateTime,
        is_asked_for: bool,
        message: &str,
    ) {
        let mut state = self.lock();
        match state.until {
            Some(known) if now < known => {
                state.until = Some(known.max(until));
                state.is_asked_for |= is_asked_for;
            }
            _ => {
                state.pauses = state.pauses.saturating_add(1);
                state.until = Some(until);
                state.is_asked_for = is_asked_for;
                message.clone_into(&mut state.message);
            }
        }
        state.from = state.until.and_then(|until| now.checked_sub(until - now));
    }

    /// Notes that a user has signed in: the provider works again, and the pause is over unless the provider has asked
    /// for it.
    pub(crate) fn note_login(&self) {
        let mut state = self.lock();
        if !state.is_asked_for {
            state.until = None;
        }
    }

    /// Notes that the provider has answered as it should, and says whether a pause has ended since it last did.
    pub(crate) fn note_answer(&self, now: OffsetDateTime) -> bool {
        let mut state = self.lock();
        // One that was under way when the pause began does not end it.
        let has_ended = state.pauses > 0 && state.until.is_none_or(|until| until <= now);
        if has_ended {
            *state = PauseState::default();
        }
        has_ended
    }

    fn lock(&self) -> MutexGuard<'_, PauseState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Redeems refresh tokens at a provider (RFC 6749 section 6): the source that
/// [`TokenManagerBuilder::provider`](crate::TokenManagerBuilder::provider) makes, for a [`SourceLookup`](crate::SourceLookup) to return.
#[derive(Clone, Debug)]
pub struct ProviderSource(Arc<dyn Provider>);

impl ProviderSource {
    /// The source of this provider's tokens.
    #[must_use]
    pub fn new(provider: Arc<dyn Provider>) -> Self {
        Self(provider)
    }
}

#[async_trait]
impl TokenSource for ProviderSource {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn client_id(&self, _key: &TokenKey) -> Option<&str> {
        Some(self.0.oauth2().client_id())
    }

    fn client(&self, _key: &TokenKey) -> Option<&OAuth2> {
        Some(self.0.oauth2())
    }

    fn needs_login(&self, _key: &TokenKey) -> bool {
        true
    }

    async fn obtain(&self, _key: &TokenKey, previous: Option<&OAuth2Token>) -> Result<OAuth2Token> {
        // The manager does not ask without one; a bare token makes the provider say what is missing.
        match previous {
            Some(token) => self.0.refresh(token, None).await,
            None => self.0.refresh(&OAuth2Token::new(""), None).await,
        }
    }

    async fn obtain_for(
        &self,
        _key: &TokenKey,
        previous: Option<&OAuth2Token>,
        request: &AccessTokenRequest,
    ) -> Result<OAuth2Token> {
        let scopes: Vec<_> = request.scopes().iter().map(String::as_str).collect();
        let scopes = (!scopes.is_empty()).then_some(&*scopes);
        let none = OAuth2Token::new("");
        self.0.refresh_with(previous.unwrap_or(&none), scopes, &request.parameters()).await
    }

    fn revokes_by_access_token(&self, _key: &TokenKey) -> bool {
        self.0.oauth2().spec().revocation.access_tokens_only
    }

    async fn revoke(&self, _key: &TokenKey, token: &OAuth2Token) -> Result<()> {
        self.0.revoke(token).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::time;

    const SILENT: &str = "HTTP 503";
    const LIMITED: &str = "HTTP 429";

    /// So many seconds after the provider first failed.
    fn at(seconds: i64) -> OffsetDateTime {
        time(1_700_000_000 + seconds)
    }

    /// A pause from 0 to 60, which the provider has asked for or not.
    fn paused(is_asked_for: bool) -> SourcePause {
        let pause = SourcePause::default();
        pause.begin(at(0), at(60), is_asked_for, if is_asked_for { LIMITED } else { SILENT });
        pause
    }

    fn until(pause: &SourcePause, seconds: i64) -> Option<OffsetDateTime> {
        pause.now(at(seconds)).map(|(until, _)| until)
    }

    #[test]
    fn a_pause_lasts_until_its_end_and_says_why() {
        let pause = paused(false);
        assert_eq!(pause.now(at(0)), Some((at(60), SILENT.to_owned())));
        assert_eq!(until(&pause, 59), Some(at(60)));
        assert_eq!(until(&pause, 60), None);
        assert_eq!(pause.pauses(), 1);
        assert!(pause.end() && !pause.end());
        assert_eq!((until(&pause, 0), pause.pauses()), (None, 0));
    }

    #[test]
    fn a_clock_that_was_set_back_ends_a_pause() {
        let pause = paused(true);
        assert_eq!(until(&pause, -60), Some(at(60)), "a clock may be a little behind");
        assert_eq!(until(&pause, -61), None);
        assert_eq!(until(&pause, 0), None, "and it does not begin again");
    }

    #[test]
    fn requests_that_were_under_way_make_a_pause_longer_and_not_more_severe() {
        let pause = paused(false);
        pause.begin(at(10), at(40), false, "another");
        assert_eq!(pause.now(at(20)), Some((at(60), SILENT.to_owned())));
        pause.begin(at(20), at(90), false, "another");
        assert_eq!((until(&pause, 30), pause.pauses()), (Some(at(90)), 1));
        // The next one is one that follows.
        pause.begin(at(90), at(120), false, LIMITED);
        assert_eq!(pause.now(at(91)), Some((at(120), LIMITED.to_owned())));
        assert_eq!(pause.pauses(), 2);
    }

    #[test]
    fn a_login_ends_a_pause_unless_the_provider_has_asked_for_it() {
        let silent = paused(false);
        silent.note_login();
        assert_eq!(until(&silent, 1), None);
        let limited = paused(true);
        limited.note_login();
        assert_eq!(until(&limited, 1), Some(at(60)));
        // Of several requests that failed, one was told to wait.
        for order in [[true, false], [false, true]] {
            let pause = SourcePause::default();
            for is_asked_for in order {
                pause.begin(at(0), at(60), is_asked_for, LIMITED);
            }
            pause.note_login();
            assert_eq!(until(&pause, 1), Some(at(60)), "{order:?}");
        }
        // What it has asked for once does not hold for the next pause.
        let pause = paused(true);
        pause.begin(at(60), at(90), false, SILENT);
        pause.note_login();
        assert_eq!(until(&pause, 61), None);
    }

    #[test]
    fn an_answer_ends_what_is_over_and_not_a_pause_that_began_meanwhile() {
        let pause = paused(false);
        assert!(!pause.note_answer(at(59)));
        assert_eq!((until(&pause, 59), pause.pauses()), (Some(at(60)), 1));
        assert!(pause.note_answer(at(60)), "it is told once");
        assert!(!pause.note_answer(at(61)));
        assert_eq!(pause.pauses(), 0, "the next pause is a short one");
        // After a login that ended it, the answer is still news.
        let pause = paused(false);
        pause.note_login();
        assert!(pause.note_answer(at(1)));
        assert!(!SourcePause::default().note_answer(at(0)));
    }

    #[tokio::test]
    async fn after_a_pause_one_tries_first_and_the_others_wait_for_it() {
        let pause = paused(false);
        assert!(SourcePause::default().first_attempt(|| at(60)).await.is_none());
        assert!(pause.first_attempt(|| at(59)).await.is_none(), "it is not over");
        let first = pause.first_attempt(|| at(60)).await.unwrap();
        let other = pause.first_attempt(|| at(60));
        tokio::pin!(other);
        tokio::select! {
            biased;
            _ = &mut other => panic!("it does not wait"),
            () = std::future::ready(()) => {}
        }
        first.made();
        assert!(other.await.is_none(), "all others may go on");
        // Where the first attempt began another pause, that one stays.
        let pause = paused(false);
        let first = pause.first_attempt(|| at(60)).await.unwrap();
        pause.begin(at(61), at(120), true, LIMITED);
        first.made();
        assert_eq!(until(&pause, 62), Some(at(120)));
        // A first attempt that ends without an answer leaves it to the next one.
        drop(pause.first_attempt(|| at(120)).await.unwrap());
        assert!(pause.first_attempt(|| at(120)).await.is_some());
    }
}
