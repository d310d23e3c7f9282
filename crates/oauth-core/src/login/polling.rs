//! Polling of a token endpoint while a user decides somewhere else: the device grant (RFC 8628 section 3.5) and CIBA (section 10.1).

use std::{fmt, future::Future, sync::Arc, time::Duration};

use async_trait::async_trait;
use time::OffsetDateTime;

use crate::{
    clock::{Clock, SystemClock},
    error::{Error, ErrorKind, LoginError, Operation, Result, class::ErrorClass, transport::HttpError},
    text::json,
    token::seconds,
};

/// Waits on behalf of [`Polling`], so that a test need not, and a program on another executor than Tokio's can.
#[async_trait]
pub trait Timer: fmt::Debug + Send + Sync {
    /// Waits for this long.
    ///
    /// # Errors
    ///
    /// An [`HttpError`] where nothing can wait, such as outside of a runtime.
    async fn sleep(&self, duration: Duration) -> Result<(), HttpError>;
}

/// Asks a token endpoint again and again until the user has decided, in the intervals that the server allows.
///
/// It holds the rules of RFC 8628 section 3.5, which CIBA has too: `authorization_pending` goes on, `slow_down` makes every later
/// interval five seconds longer, an outage is waited out at growing intervals, and everything else ends it. It ends by its own clock as
/// well, when what is waited for has expired. After its end it asks no more. Polls never overlap, and dropping the future ends the
/// waiting.
///
/// ```
/// use std::time::Duration;
///
/// use oauth_core::{OAuth2, OAuth2Token, Operation, Polling, Result};
///
/// # async fn f(client: OAuth2, device_code: &str) -> Result<OAuth2Token> {
/// const POLL: Operation = Operation::new("poll_device_token");
/// let form = [("grant_type", "urn:ietf:params:oauth:grant-type:device_code"), ("device_code", device_code)];
/// let mut polling = Polling::new(POLL, client.name().to_owned(), Some(Duration::from_secs(5)), Duration::from_secs(900));
/// polling.run(|| client.request_token(POLL, client.endpoints().token(), form)).await
/// # }
/// ```
#[derive(Debug)]
pub struct Polling {
    operation: Operation,
    provider: String,
    interval: Duration,
    lifetime: Duration,
    expires_at: OffsetDateTime,
    due: OffsetDateTime,
    /// By the timer alone, should the clock be set back.
    slept: Duration,
    failures: u32,
    is_over: bool,
    clock: Arc<dyn Clock>,
    timer: Arc<dyn Timer>,
}

/// What one poll has come to.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Polled<T> {
    /// The user has agreed.
    Done(T),
    /// The user has not decided yet.
    Pending,
    /// The server asks to be left alone for longer: for this long from now on.
    SlowedDown(Duration),
    /// The server could not be reached, or could not answer. It will be asked again.
    Failed(Error),
}

/// The interval where the server names none (RFC 8628 section 3.2, CIBA section 7.3).
const USUAL_INTERVAL: Duration = Duration::from_secs(5);
/// No server wants to be asked without a pause, whatever it says.
const LEAST_INTERVAL: Duration = Duration::from_secs(1);
/// What `slow_down` adds.
const SLOWER_BY: Duration = Duration::from_secs(5);
/// Failures do not make the wait longer than this, unless the interval itself is longer.
const LONGEST_BACK_OFF: Duration = Duration::from_secs(60);
/// How often the checks of tokens that came are repeated during an outage.
const MOST_CHECKS: u32 = 12;
/// Whoever adds a wait to a clock must not overflow.
const LONGEST_LIFETIME: Duration = Duration::from_secs(365 * 24 * 60 * 60);

impl Polling {
    /// Polling at the interval that the server named, five seconds where it named none, for as long as what is waited for lives. The
    /// first poll is an interval away. Errors name the operation and the provider.
    #[must_use]
    pub fn new(
        operation: Operation,
        provider: impl Into<String>,
        interval: Option<Duration>,
        lifetime: Duration,
    ) -> Self {
        let interval = interval.unwrap_or(USUAL_INTERVAL).clamp(LEAST_INTERVAL, LONGEST_LIFETIME);
        let lifetime = lifetime.min(LONGEST_LIFETIME);
        let polling = Self {
            operation,
            provider: provider.into(),
            interval,
            lifetime,
            expires_at: OffsetDateTime::UNIX_EPOCH,
            due: OffsetDateTime::UNIX_EPOCH,
            slept: Duration::ZERO,
            failures: 0,
            is_over: false,
            clock: Arc::new(SystemClock),
            timer: default_timer(),
        };
        polling.begun()
    }

    /// Takes the time from this clock. The time that is left begins anew.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self.begun()
    }

    /// Waits by this timer in place of Tokio's.
    #[must_use]
    pub fn with_timer(mut self, timer: Arc<dyn Timer>) -> Self {
        self.timer = timer;
        self
    }

    fn begun(mut self) -> Self {
        let now = self.clock.now();
        self.expires_at = now.saturating_add(signed(self.lifetime));
        self.due = now.saturating_add(signed(self.interval));
        self
    }

    /// How long it waits between two polls, from the answer to the next question.
    #[must_use]
    pub fn interval(&self) -> Duration {
        self.interval
    }

    /// When it gives up.
    #[must_use]
    pub fn expires_at(&self) -> OffsetDateTime {
        self.expires_at
    }

    /// Whether it has ended, so that nothing will be asked any more.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// Polls until the user has decided.
    ///
    /// # Errors
    ///
    /// What ended it: a [refusal](ErrorKind::Refused) such as `access_denied`, [`LoginError::Expired`] when the time is up, or any other
    /// error that is not [transient](ErrorClass::Transient).
    pub async fn run<T, F: Future<Output = Result<T>>>(&mut self, mut ask: impl FnMut() -> F) -> Result<T> {
        loop {
            self.wait().await?;
            let outcome = ask().await;
            if let Polled::Done(done) = self.judge(outcome)? {
                return Ok(done);
            }
        }
    }

    /// Waits until the next poll may be made, and makes it: for a program that shows the progress. The future must do nothing until
    /// it is polled, as those of `async fn` do.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run). Once it has ended, a configuration error, and nothing is asked.
    pub async fn step<T>(&mut self, ask: impl Future<Output = Result<T>>) -> Result<Polled<T>> {
        self.wait().await?;
        // Should the caller drop this future while the server is asked, the next poll waits all the same.
        self.wait_from_now(self.interval);
        let outcome = ask.await;
        self.judge(outcome)
    }

    /// Waits until the next poll may be made, in place of [`step`](Self::step) for a program that polls by itself. Hand what comes of it
    /// to [`judge`](Self::judge).
    ///
    /// # Errors
    ///
    /// [`LoginError::Expired`] when the time is up; a configuration error once the polling has ended.
    pub async fn wait(&mut self) -> Result<()> {
        loop {
            self.check_time()?;
            let now = self.clock.now();
            // Not longer than was meant to be waited, should the clock have been set back.
            let until_due = unsigned(self.due - now).min(self.longest_wait());
            if until_due.is_zero() {
                return Ok(());
            }
            let left = unsigned(self.expires_at - now).min(self.lifetime.saturating_sub(self.slept));
            let nap = until_due.min(left);
            self.timer.sleep(nap).await.map_err(|cause| self.error(ErrorKind::Transport(cause)))?;
            self.slept = self.slept.saturating_add(nap);
            self.check_time()?;
            let late = self.clock.now() - self.due;
            if late > signed(self.interval) {
                // The machine was asleep. Its network comes back later than its clock, and others wake at the same time.
                self.wait_from_now(self.interval);
            } else if nap == until_due {
                // Also where the timer wakes a little early by the clock.
                return Ok(());
            }
        }
    }

    /// Says what the outcome of a poll means, and when the next one may be made.
    ///
    /// # Errors
    ///
    /// The outcome's own error if it ends the polling.
    pub fn judge<T>(&mut self, outcome: Result<T>) -> Result<Polled<T>> {
        let error = match outcome {
            Ok(done) => {
                self.is_over = true;
                self.failures = 0;
                return Ok(Polled::Done(done));
            }
            Err(error) => error,
        };
        // They came, and what was redeemed for them is spent: to ask again would lose them.
        if error.tokens().is_some() {
            self.is_over = true;
            return Err(error);
        }
        let asked_for = error.retry_after().unwrap_or_default();
        let code = error.oauth_error().map(|error| &*error.code);
        match (code, error.class()) {
            (Some("authorization_pending"), _) => {
                self.failures = 0;
                self.wait_from_now(self.interval.max(asked_for));
                Ok(Polled::Pending)
            }
            (Some("slow_down"), _) => {
                self.failures = 0;
                // GitHub says beside it how long the interval is now.
                let named = named_interval(&error).unwrap_or_default();
                let slower = self.interval.saturating_add(SLOWER_BY).max(named);
                self.interval = slower.min(LONGEST_LIFETIME);
                self.wait_from_now(self.interval.max(asked_for));
                Ok(Polled::SlowedDown(self.interval))
            }
            // Whatever the status: some answer with 429 to everything that is not a token.
            (Some("access_denied" | "expired_token" | "invalid_grant"), _) => {
                self.is_over = true;
                Err(error)
            }
            (_, ErrorClass::Transient { .. }) => {
                self.failures = self.failures.saturating_add(1);
                let back_off = self.interval.saturating_mul(1 << self.failures.min(8)).min(LONGEST_BACK_OFF);
                self.wait_from_now(self.interval.max(asked_for).max(back_off));
                Ok(Polled::Failed(error))
            }
            _ => {
                self.is_over = true;
                Err(error)
            }
        }
    }

    /// Waits before the checks of what came are repeated, longer each time. What came does not expire with the code that brought it.
    pub(crate) async fn wait_to_check_again(&mut self) -> Result<()> {
        self.failures = self.failures.saturating_add(1);
        let wait = self.interval.saturating_mul(1 << self.failures.min(8)).min(LONGEST_BACK_OFF);
        let slept = self.timer.sleep(wait).await;
        slept.map_err(|error| self.error(ErrorKind::Transport(error)))
    }

    /// Whether the checks of what came may be repeated once more: for some ten minutes.
    pub(crate) fn may_check_again(&self) -> bool {
        self.failures < MOST_CHECKS
    }

    fn check_time(&mut self) -> Result<()> {
        if self.is_over {
            let problem = "the polling has ended; nothing more will come of it, so start anew";
            return Err(self.error(ErrorKind::Configuration(problem.to_owned())));
        }
        if self.clock.now() >= self.expires_at || self.slept >= self.lifetime {
            self.is_over = true;
            return Err(self.error(ErrorKind::Login(LoginError::Expired)));
        }
        Ok(())
    }

    pub(crate) fn wait_from_now(&mut self, wait: Duration) {
        self.due = self.clock.now().saturating_add(signed(wait));
    }

    fn longest_wait(&self) -> Duration {
        self.interval.max(LONGEST_RETRY_AFTER)
    }

    fn error(&self, kind: ErrorKind) -> Error {
        Error::new(self.operation, self.provider.clone(), kind)
    }
}

/// What [`Error::retry_after`] is limited to.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// The interval in the reply, in seconds.
fn named_interval(error: &Error) -> Option<Duration> {
    let body = json::parse(error.body()?).ok()?;
    seconds(&body["interval"]).and_then(|seconds| u64::try_from(seconds).ok()).map(Duration::from_secs)
}

fn signed(duration: Duration) -> time::Duration {
    duration.try_into().unwrap_or(time::Duration::MAX)
}

fn unsigned(duration: time::Duration) -> Duration {
    duration.try_into().unwrap_or_default()
}

#[cfg(feature = "reqwest")]
fn default_timer() -> Arc<dyn Timer> {
    Arc::new(TokioTimer)
}

#[cfg(not(feature = "reqwest"))]
fn default_timer() -> Arc<dyn Timer> {
    Arc::new(NoTimer)
}

/// The timer of Tokio.
#[cfg(feature = "reqwest")]
#[derive(Debug)]
struct TokioTimer;

#[cfg(feature = "reqwest")]
#[async_trait]
impl Timer for TokioTimer {
    async fn sleep(&self, duration: Duration) -> Result<(), HttpError> {
        if tokio::runtime::Handle::try_current().is_err() {
            return Err(HttpError::new(crate::error::transport::HttpErrorKind::NoRuntime));
        }
        tokio::time::sleep(duration).await;
        Ok(())
    }
}

/// Without the default HTTP client there is no Tokio to wait with.
#[cfg(not(feature = "reqwest"))]
#[derive(Debug)]
struct NoTimer;

#[cfg(not(feature = "reqwest"))]
#[async_trait]
impl Timer for NoTimer {
    async fn sleep(&self, _: Duration) -> Result<(), HttpError> {
        let problem =
            "this program is built without the feature `reqwest`, so give the polling a timer by with_timer";
        Err(HttpError::new(crate::error::transport::HttpErrorKind::InvalidRequest).caused_by(problem))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Mutex,
        atomic::{AtomicI64, Ordering},
    };

    use super::*;
    use crate::{
        error::{FailedReply, OAuthError, transport::HttpErrorKind},
        token::OAuth2Token,
    };

    /// A clock that the timer moves, and what it was asked to wait.
    #[derive(Debug, Default)]
    struct Fake {
        now: AtomicI64,
        naps: Mutex<Vec<u64>>,
        /// How far the clock jumps in the next nap.
        jump: AtomicI64,
    }

    impl Clock for Fake {
        fn now(&self) -> OffsetDateTime {
            let seconds = 1_700_000_000 + self.now.load(Ordering::Relaxed);
            OffsetDateTime::from_unix_timestamp(seconds).unwrap()
        }
    }

    #[async_trait]
    impl Timer for Fake {
        async fn sleep(&self, duration: Duration) -> Result<(), HttpError> {
            self.naps.lock().unwrap().push(duration.as_secs());
            let jump = self.jump.swap(0, Ordering::Relaxed);
            self.now.fetch_add(duration.as_secs().cast_signed() + jump, Ordering::Relaxed);
            Ok(())
        }
    }

    const POLL: Operation = Operation::new("poll");

    fn polling(interval: Option<u64>, lifetime: u64) -> (Arc<Fake>, Polling) {
        let fake = Arc::<Fake>::default();
        let interval = interval.map(Duration::from_secs);
        let polling = Polling::new(POLL, "as", interval, Duration::from_secs(lifetime))
            .with_clock(fake.clone())
            .with_timer(fake.clone());
        (fake, polling)
    }

    fn refused(status: u16, code: &str, retry_after: Option<u64>) -> Error {
        let reply = FailedReply {
            status: http::StatusCode::from_u16(status).unwrap(),
            body: bytes::Bytes::new(),
            retry_after: retry_after.map(Duration::from_secs),
            is_invalid_grant: false,
            is_transient: false,
            used_token: false,
        };
        let error = OAuthError { code: code.to_owned(), ..OAuthError::default() };
        let kind = match code {
            "" => ErrorKind::UnexpectedStatus { message: None, reply },
            _ => ErrorKind::Refused { error, reply },
        };
        Error::new(POLL, "as", kind)
    }

    /// Polls with these answers in their order, and tells how long it waited before each.
    async fn naps_of(
        (fake, mut polling): (Arc<Fake>, Polling),
        answers: Vec<Result<&'static str>>,
    ) -> (Result<&'static str>, Vec<u64>) {
        let mut answers = answers.into_iter();
        let outcome =
            polling.run(|| std::future::ready(answers.next().expect("an answer for each poll"))).await;
        assert!(answers.next().is_none(), "not all were asked for");
        assert!(polling.is_over());
        // CI-03: nothing is asked after the end.
        let after = polling.step(async { panic!("it asked after its end") }).await;
        let after: Result<Polled<()>> = after;
        assert_eq!(after.unwrap_err().class(), ErrorClass::Configuration);
        (outcome, fake.naps.lock().unwrap().clone())
    }

    fn pending<T>() -> Result<T> {
        Err(refused(400, "authorization_pending", None))
    }

    #[tokio::test]
    async fn dv_02_slow_down_makes_every_later_interval_longer() {
        let slow = || Err(refused(400, "slow_down", None));
        let answers = vec![pending(), slow(), pending(), slow(), pending(), Ok("token")];
        let (outcome, naps) = naps_of(polling(None, 900), answers).await;
        assert_eq!((outcome.unwrap(), naps), ("token", vec![5, 5, 10, 10, 15, 15]));
    }

    #[tokio::test]
    async fn ci_03_an_interval_is_kept_and_never_nothing() {
        let (_, naps) = naps_of(polling(Some(31), 900), vec![pending(), Ok("token")]).await;
        assert_eq!(naps, [31, 31]);
        let (_, naps) = naps_of(polling(Some(0), 900), vec![pending(), Ok("token")]).await;
        assert_eq!(naps, [1, 1]);
    }

    #[tokio::test]
    async fn dv_03_every_other_answer_ends_it() {
        for code in [
            "access_denied",
            "expired_token",
            "invalid_grant",
            "transaction_failed",
            "invalid_request",
            "who_knows",
        ] {
            let answers = vec![pending(), pending(), Err(refused(400, code, None))];
            let (outcome, naps) = naps_of(polling(None, 900), answers).await;
            assert_eq!(outcome.unwrap_err().oauth_error().unwrap().code, code);
            assert_eq!(naps.len(), 3, "{code}");
        }
        let (outcome, _) = naps_of(polling(None, 900), vec![Err(refused(404, "", None))]).await;
        assert_eq!(outcome.unwrap_err().status().unwrap(), 404);
    }

    #[tokio::test]
    async fn dv_04_it_ends_by_its_own_clock() {
        let (outcome, naps) = naps_of(polling(None, 12), vec![pending(), pending()]).await;
        assert!(matches!(outcome.unwrap_err().kind(), ErrorKind::Login(LoginError::Expired)));
        assert_eq!(naps, [5, 5, 2]);
    }

    #[tokio::test]
    async fn dv_04_a_clock_that_is_set_back_makes_it_no_longer() {
        let (fake, polling) = polling(None, 12);
        fake.jump.store(-1_000_000, Ordering::Relaxed);
        let answers = (0..2).map(|_| pending()).collect();
        let (outcome, naps) = naps_of((fake, polling), answers).await;
        assert!(matches!(outcome.unwrap_err().kind(), ErrorKind::Login(LoginError::Expired)));
        assert!(naps.iter().sum::<u64>() <= 12, "{naps:?}");
    }

    #[tokio::test]
    async fn dv_05_failures_are_waited_out_at_growing_intervals() {
        let down =
            || Err(Error::new(POLL, "as", ErrorKind::Transport(HttpError::new(HttpErrorKind::Timeout))));
        let answers = vec![down(), down(), down(), down(), down(), pending(), Ok("token")];
        let (outcome, naps) = naps_of(polling(None, 900), answers).await;
        assert_eq!((outcome.unwrap(), naps), ("token", vec![5, 10, 20, 40, 60, 60, 5]));
    }

    #[tokio::test]
    async fn an_error_that_tokens_came_with_ends_it() {
        let error = Error::new(POLL, "as", ErrorKind::Transport(HttpError::new(HttpErrorKind::Timeout)));
        let error = error.with_tokens(OAuth2Token::new("AT"));
        let (outcome, naps) = naps_of(polling(None, 900), vec![pending(), Err(error)]).await;
        assert_eq!(outcome.unwrap_err().tokens().unwrap().access_token(), "AT");
        assert_eq!(naps, [5, 5]);
    }

    #[tokio::test]
    async fn dv_08_retry_after_is_waited_for_where_it_is_longer() {
        let busy = |status, seconds| Err(refused(status, "", Some(seconds)));
        let answers = vec![busy(503, 17), busy(429, 2), busy(503, 90), Ok("token")];
        let (outcome, naps) = naps_of(polling(None, 900), answers).await;
        assert_eq!((outcome.unwrap(), naps), ("token", vec![5, 17, 20, 90]));
    }

    #[tokio::test]
    async fn dv_11_after_the_machine_was_asleep_the_next_poll_waits_a_full_interval() {
        let (fake, polling_) = polling(None, 7200);
        fake.jump.store(3600, Ordering::Relaxed);
        let (outcome, naps) = naps_of((fake, polling_), vec![Ok("token")]).await;
        assert_eq!((outcome.unwrap(), naps), ("token", vec![5, 5]));
        let (fake, polling) = polling(None, 900);
        fake.jump.store(3600, Ordering::Relaxed);
        let (outcome, naps) = naps_of((fake, polling), vec![]).await;
        assert!(matches!(outcome.unwrap_err().kind(), ErrorKind::Login(LoginError::Expired)));
        assert_eq!(naps, [5]);
    }

    #[tokio::test]
    async fn a_step_that_is_dropped_does_not_make_the_next_one_early() {
        let (fake, mut polling) = polling(None, 900);
        {
            let asking = polling.step(std::future::pending::<Result<()>>());
            let mut asking = std::pin::pin!(asking);
            let waker = std::task::Waker::noop();
            assert!(asking.as_mut().poll(&mut std::task::Context::from_waker(waker)).is_pending());
        }
        assert!(matches!(polling.step(async { Ok(1) }).await, Ok(Polled::Done(1))));
        assert_eq!(*fake.naps.lock().unwrap(), [5, 5]);
    }

    #[tokio::test]
    async fn dv_03_a_decision_counts_under_a_status_that_would_pass() {
        for code in ["access_denied", "expired_token", "invalid_grant"] {
            let (outcome, naps) = naps_of(polling(None, 900), vec![Err(refused(429, code, Some(60)))]).await;
            assert_eq!(outcome.unwrap_err().oauth_error().unwrap().code, code);
            assert_eq!(naps, [5], "{code}");
        }
    }

    #[tokio::test]
    async fn dv_02_a_longer_interval_beside_slow_down_counts() {
        let slow = |body: &'static str| {
            let mut error = refused(400, "slow_down", None);
            if let ErrorKind::Refused { error: named, reply } = error.kind() {
                let reply = FailedReply { body: body.into(), ..reply.clone() };
                error = Error::new(POLL, "as", ErrorKind::Refused { error: named.clone(), reply });
            }
            Err(error)
        };
        for (body, second) in [
            (r#"{"error":"slow_down","interval":17}"#, 17),
            (r#"{"error":"slow_down","interval":"17"}"#, 17),
            (r#"{"error":"slow_down","interval":1}"#, 10),
            (r#"{"error":"slow_down","interval":-1}"#, 10),
            (r#"{"error":"slow_down"}"#, 10),
            ("error=slow_down", 10),
        ] {
            let (_, naps) = naps_of(polling(None, 900), vec![slow(body), Ok("token")]).await;
            assert_eq!(naps, [5, second], "{body}");
        }
    }

    #[tokio::test]
    async fn dv_11_a_timer_that_is_a_little_late_is_no_machine_that_slept() {
        for (late, expected) in [(5, vec![5]), (6, vec![5, 5])] {
            let (fake, polling) = polling(None, 900);
            fake.jump.store(late, Ordering::Relaxed);
            let (_, naps) = naps_of((fake, polling), vec![Ok("token")]).await;
            assert_eq!(naps, expected, "{late}");
        }
    }

    #[tokio::test]
    async fn dv_04_what_has_just_expired_is_not_asked_about() {
        let (fake, mut polling) = polling(None, 12);
        assert!(!polling.is_over());
        fake.now.store(12, Ordering::Relaxed);
        assert_eq!(fake.now(), polling.expires_at());
        let error = polling.step(async { panic!("it asked") }).await.map(|_: Polled<()>| ()).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Login(LoginError::Expired)));
        assert!(polling.is_over() && fake.naps.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn checks_are_repeated_at_growing_intervals_and_not_for_ever() {
        let (fake, mut polling) = polling(None, 900);
        let mut times = 0;
        while polling.may_check_again() {
            polling.wait_to_check_again().await.unwrap();
            times += 1;
            assert!(times < 100, "for ever");
        }
        let naps = fake.naps.lock().unwrap().clone();
        assert_eq!(naps[..5], [10, 20, 40, 60, 60]);
        let whole: u64 = naps.iter().sum();
        assert!((300..=1200).contains(&whole), "{whole}");
    }
}
