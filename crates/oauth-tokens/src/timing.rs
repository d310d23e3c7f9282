//! When to refresh, and how long to wait after a failure.

use std::{
    hash::{BuildHasher, RandomState},
    time::{Duration, SystemTime},
};

use oauth_core::OffsetDateTime;

use crate::{calendar::time, key::TokenKey, rest::Rest, state::TokenState};

/// The longest pause; a provider that asks for more is asked again after a day.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// The longest pause between two attempts to save a token that the store has not taken. Others count on it.
pub(crate) const SAVE_AGAIN_AFTER: Duration = Duration::from_millis(500);

/// For how long after trouble with the store others may still be about to save what they could not save.
pub(crate) const AFTERMATH: Duration = Duration::from_secs(60);

/// A token younger than this is not refreshed when an API refuses it: its successor would be refused too.
pub(crate) const TOO_FRESH_TO_REFUSE: Duration = Duration::from_secs(10);

/// A time as the operating system tells it, which `TokenManager::get` compares without any calendar arithmetic: that would
/// make it slower.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(SystemTime);

impl Moment {
    /// The end of the calendar.
    pub(crate) fn never() -> Self {
        time(i64::MAX).into()
    }

    /// By the operating system's clock.
    pub(crate) fn now() -> Self {
        Self(SystemTime::now())
    }

    /// Whether this is still to come, and by no more than the longest time that anybody set. If it is by more, the clock was set back.
    pub(crate) fn is_ahead_of(self, now: Self, longest: Duration) -> bool {
        self > now && self.0.duration_since(now.0).is_ok_and(|ahead| ahead <= longest)
    }
}

impl From<OffsetDateTime> for Moment {
    fn from(time: OffsetDateTime) -> Self {
        let since = time - OffsetDateTime::UNIX_EPOCH;
        let epoch = SystemTime::UNIX_EPOCH;
        let moment = match since.is_negative() {
            true => epoch.checked_sub(since.unsigned_abs()),
            false => epoch.checked_add(since.unsigned_abs()),
        };
        // A time that the operating system does not know is long past, so that nothing holds until then.
        Self(moment.unwrap_or(epoch))
    }
}

/// The time limits of a manager; see the builder's methods of the same names.
#[derive(Clone, Debug)]
pub(crate) struct Timing {
    pub(crate) refresh_ahead: Duration,
    pub(crate) leeway: Duration,
    pub(crate) patience: Duration,
    pub(crate) lease_lifetime: Duration,
    pub(crate) lease_patience: Duration,
    pub(crate) request_limit: Duration,
    pub(crate) store_limit: Duration,
    pub(crate) save_patience: Duration,
    pub(crate) first_backoff: Duration,
    pub(crate) longest_backoff: Duration,
    pub(crate) reread_after: Option<Duration>,
    pub(crate) reread_failures_after: Duration,
    /// `None` is never.
    pub(crate) recover_every: Option<Duration>,
    /// Makes each manager's jitter its own.
    pub(crate) jitter: RandomState,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            refresh_ahead: Duration::from_secs(5 * 60),
            leeway: Duration::from_secs(10),
            patience: Duration::from_secs(3),
            lease_lifetime: Duration::from_secs(3),
            lease_patience: Duration::from_secs(45),
            request_limit: Duration::from_secs(40),
            store_limit: Duration::from_secs(30),
            save_patience: Duration::from_secs(3),
            first_backoff: Duration::from_secs(1),
            longest_backoff: Duration::from_secs(60),
            reread_after: None,
            reread_failures_after: Duration::from_secs(5),
            recover_every: Some(Duration::from_secs(2)),
            jitter: RandomState::new(),
        }
    }
}

/// The times at which a token becomes due and expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Milestones {
    /// From here on it is refreshed; `None` for a token that does not expire.
    pub(crate) due_at: Option<OffsetDateTime>,
    /// From here on it is not handed out.
    pub(crate) dead_at: Option<OffsetDateTime>,
}

impl Milestones {
    pub(crate) fn is_due(&self, now: OffsetDateTime) -> bool {
        self.due_at.is_some_and(|at| at <= now)
    }

    pub(crate) fn is_live(&self, now: OffsetDateTime) -> bool {
        self.dead_at.is_none_or(|at| at > now)
    }
}

impl Timing {
    /// When a stored token is due and when it is dead, each ahead of its expiry; by no more than a part of its lifetime, so
    /// that short-lived tokens are of use too.
    pub(crate) fn milestones(&self, key: &TokenKey, state: &TokenState) -> Milestones {
        self.milestones_of(key, state.obtained_at, state.expires_at)
    }

    /// The milestones of a token that was obtained at this time and expires at that one.
    pub(crate) fn milestones_of(
        &self,
        key: &TokenKey,
        obtained_at: i64,
        expires_at: Option<i64>,
    ) -> Milestones {
        let Some(expires_at) = expires_at else { return Milestones { due_at: None, dead_at: None } };
        // A token that is issued with no time to live counts for a second or two, or each call would be a request.
        let expires_at = match expires_at.saturating_sub(obtained_at) {
            -1..=0 => obtained_at.saturating_add(2),
            _ => expires_at,
        };
        let lifetime = Duration::from_secs(expires_at.saturating_sub(obtained_at).try_into().unwrap_or(0));
        let ahead = self.refresh_ahead.min(lifetime / 4);
        // Between once and one and a half times ahead, the same each time this manager asks about this token.
        let random = self.jitter.hash_one((key, obtained_at, expires_at));
        let jitter = ahead.mul_f64(0.5 * (random as f64 / u64::MAX as f64));
        let leeway = self.leeway.min(lifetime / 20);
        let before = |duration: Duration| {
            time(expires_at).checked_sub(duration.try_into().ok()?).or(Some(OffsetDateTime::UNIX_EPOCH))
        };
        Milestones { due_at: before((ahead + jitter).max(leeway)), dead_at: before(leeway) }
    }

    /// How long a process that had trouble with the store leaves it to the holder of an expired lease to save its new token: longer
    /// than the holder takes from one attempt to the end of the next, the first of which the store may never answer.
    pub(crate) fn head_start(&self) -> Duration {
        const SHORTEST: Duration = Duration::from_secs(3);
        const LONGEST: Duration = Duration::from_secs(15);
        let attempt = self.save_patience.saturating_add(self.lease_lifetime / 3);
        attempt.saturating_add(2 * SAVE_AGAIN_AFTER).clamp(SHORTEST, LONGEST)
    }

    /// For how long at most an answer without a token is given, by the clock of the process.
    pub(crate) fn longest_refusal(&self) -> Duration {
        self.reread_failures_after.max(self.first_backoff)
    }

    /// How long to leave the provider alone after this many failures in a row.
    pub(crate) fn backoff(&self, failures: u32, retry_after: Option<Duration>) -> Duration {
        let doubled = self.first_backoff.saturating_mul(1 << failures.min(20));
        let random = self.jitter.hash_one((failures, std::time::Instant::now()));
        // Between half and the whole of it, so that processes that failed together do not come back together.
        let backoff =
            doubled.min(self.longest_backoff).mul_f64(0.5 + 0.5 * (random as f64 / u64::MAX as f64));
        backoff.max(retry_after.unwrap_or_default()).min(LONGEST_WAIT)
    }

    /// Until when the provider is left alone, if it is.
    ///
    /// The failure may have been noted by a clock that is ahead. A note from the future is believed for as long as the wait
    /// lasts, so that such a clock stops nobody for longer than twice that. Where the store has a clock that is known to be
    /// `store_ahead` milliseconds ahead of this process's, that one counts.
    pub(crate) fn rests_until(
        &self,
        rest: Rest,
        now: OffsetDateTime,
        store_ahead: Option<i64>,
    ) -> Option<OffsetDateTime> {
        let at = match (rest.at_store_ms, store_ahead) {
            (Some(at), Some(ahead)) => at.saturating_sub(ahead),
            _ => rest.at_ms,
        };
        let failed_at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(at) * 1_000_000).ok()?;
        let wait = Duration::from_millis(rest.wait_ms).min(LONGEST_WAIT);
        let from = failed_at.checked_sub(wait.try_into().ok()?)?;
        let until = failed_at.checked_add(wait.try_into().ok()?)?;
        (from <= now && now < until).then_some(until)
    }
}

/// A pause before the next look at the store, longer each time.
pub(crate) fn pause(round: u32) -> Duration {
    let random = RandomState::new().hash_one(round);
    let longest = Duration::from_millis(10).saturating_mul(1 << round.min(5));
    longest.mul_f64(0.5 + 0.5 * (random as f64 / u64::MAX as f64))
}

#[cfg(test)]
mod tests {
    use oauth_core::OAuth2Token;

    use super::*;

    fn state(lifetime: i64) -> TokenState {
        let now = 1_700_000_000;
        TokenState {
            token: Some(OAuth2Token::new("AT")),
            obtained_at: now,
            expires_at: Some(now + lifetime),
            ..TokenState::default()
        }
    }

    /// How many seconds before the expiry.
    fn ahead(lifetime: i64, at: Option<OffsetDateTime>) -> f64 {
        (time(1_700_000_000 + lifetime) - at.unwrap()).as_seconds_f64()
    }

    #[test]
    fn a_refresh_comes_ahead_of_the_expiry_with_a_jitter_of_the_managers_own() {
        let key = TokenKey::new("google", "1");
        let seen: Vec<_> = (0..50)
            .map(|_| {
                let timing = Timing::default();
                let milestones = timing.milestones(&key, &state(3600));
                assert_eq!(milestones, timing.milestones(&key, &state(3600)), "it does not waver");
                assert!((ahead(3600, milestones.dead_at) - 10.0).abs() < 0.1);
                ahead(3600, milestones.due_at)
            })
            .collect();
        assert!(seen.iter().all(|ahead| (299.9..450.1).contains(ahead)), "{seen:?}");
        let spread = seen.iter().copied().fold(0.0, f64::max) - seen.iter().copied().fold(f64::MAX, f64::min);
        assert!(spread > 60.0, "{seen:?}");
    }

    #[test]
    fn a_short_lived_token_is_of_use_for_more_than_half_its_life() {
        for lifetime in [1, 5, 60] {
            let milestones = Timing::default().milestones(&TokenKey::new("p", "s"), &state(lifetime));
            let (due, dead) = (ahead(lifetime, milestones.due_at), ahead(lifetime, milestones.dead_at));
            assert!(due <= 0.376 * lifetime as f64 && dead <= due, "{lifetime}: {due} {dead}");
        }
    }

    #[test]
    fn no_expiry_is_too_far_away_and_none_is_none() {
        let key = TokenKey::new("p", "s");
        for expires_at in [i64::MAX, i64::MIN, 0, -1] {
            let state = TokenState { expires_at: Some(expires_at), ..state(0) };
            let milestones = Timing::default().milestones(&key, &state);
            let now = time(1_700_000_000);
            assert_eq!(milestones.is_live(now), expires_at > 0, "{expires_at}");
            assert_eq!(milestones.is_due(now), expires_at <= 0, "{expires_at}");
        }
        let forever = Timing::default().milestones(&key, &TokenState { expires_at: None, ..state(0) });
        assert!(forever.is_live(END) && !forever.is_due(END));
    }

    #[test]
    fn a_moment_is_compared_as_the_time_that_it_is() {
        let nanosecond = Duration::from_nanos(1);
        let times =
            [time(-1), time(0), time(1_700_000_000) - nanosecond, time(1_700_000_000), time(i64::MAX)];
        for pair in times.windows(2) {
            assert!(Moment::from(pair[0]) < Moment::from(pair[1]), "{pair:?}");
        }
        let long_ago = OffsetDateTime::from_unix_timestamp(-60_000_000_000).unwrap();
        assert!(Moment::from(long_ago) < Moment::from(time(1)));
        assert_eq!(Moment::from(time(i64::MAX)), Moment::never());
        let (before, now, after) = (OffsetDateTime::now_utc(), Moment::now(), OffsetDateTime::now_utc());
        assert!(Moment::from(before) <= now && now <= Moment::from(after));
    }

    const END: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    #[test]
    fn a_clock_that_is_ahead_stops_nobody_for_longer_than_twice_the_wait() {
        let timing = Timing::default();
        let wait = Duration::from_secs(60);
        let ahead_by = |seconds: i64| {
            let state = state(3600).failed("it failed", time(1_700_000_000 + seconds), None, wait, false);
            timing.rests_until(state.rest()?, time(1_700_000_000), Some(0))
        };
        assert_eq!(ahead_by(0), Some(time(1_700_000_060)));
        assert_eq!(ahead_by(-59), Some(time(1_700_000_001)));
        assert_eq!(ahead_by(-60), None, "the wait is over");
        assert_eq!(ahead_by(60), Some(time(1_700_000_120)));
        for far_ahead in [61, 3600, 100 * 365 * 86_400] {
            assert_eq!(ahead_by(far_ahead), None, "{far_ahead}");
        }
    }

    #[test]
    fn waits_double_to_a_limit_and_the_provider_may_ask_for_more() {
        let timing = Timing::default();
        for failures in 0..200 {
            let wait = timing.backoff(failures, None).as_secs_f64();
            let whole = 2f64.powi(failures.min(20) as i32).min(60.0);
            assert!((0.5 * whole..=whole).contains(&wait), "{failures}: {wait}");
        }
        assert_eq!(timing.backoff(0, Some(Duration::from_secs(90))), Duration::from_secs(90));
        assert_eq!(timing.backoff(0, Some(Duration::MAX)), LONGEST_WAIT);
    }

    #[test]
    fn a_token_is_due_and_dead_by_its_lifetime_and_what_was_set() {
        let key = TokenKey::new("p", "s");
        let seconds = |ahead: u64, leeway: u64, lifetime: i64| {
            let timing = Timing {
                refresh_ahead: Duration::from_secs(ahead),
                leeway: Duration::from_secs(leeway),
                ..Timing::default()
            };
            let milestones = timing.milestones(&key, &state(lifetime));
            (ahead_of(lifetime, milestones.due_at), ahead_of(lifetime, milestones.dead_at))
        };
        for (set, lifetime, due, dead) in [
            ((300, 10), 3600, 300.0..=450.0, 10.0),
            // No more than a quarter and a twentieth of the lifetime.
            ((300, 10), 100, 25.0..=37.5, 5.0),
            ((300, 10), 40, 10.0..=15.0, 2.0),
            // What is not handed out is due.
            ((0, 10), 3600, 10.0..=10.0, 10.0),
            ((0, 0), 3600, 0.0..=0.0, 0.0),
        ] {
            let (is_due, is_dead) = seconds(set.0, set.1, lifetime);
            assert!(due.contains(&is_due), "{set:?} {lifetime}: {is_due}");
            assert!((is_dead - dead).abs() < 0.001, "{set:?} {lifetime}: {is_dead}");
        }
        // One without any time to live is good for one use, and one that comes expired for none.
        let now = time(1_700_000_000);
        for (lifetime, is_live) in [(1, true), (0, true), (-1, true), (-2, false), (-3600, false)] {
            let milestones = Timing::default().milestones(&key, &state(lifetime));
            assert_eq!(milestones.is_live(now), is_live, "{lifetime}");
            assert!(!milestones.is_live(now + Duration::from_secs(2)), "{lifetime}");
        }
    }

    fn ahead_of(lifetime: i64, at: Option<OffsetDateTime>) -> f64 {
        (ahead(lifetime, at) * 1000.0).round() / 1000.0
    }

    #[test]
    fn a_token_is_due_at_the_moment_and_dead_at_the_moment() {
        let at = time(1_700_000_000);
        let milestones = Milestones { due_at: Some(at), dead_at: Some(at) };
        let before = at - Duration::from_nanos(1);
        assert!(!milestones.is_due(before) && milestones.is_live(before));
        assert!(milestones.is_due(at) && !milestones.is_live(at));
    }

    #[test]
    fn a_head_start_is_longer_than_two_attempts_to_save_within_bounds() {
        let head_start = |save_patience: u64, lease_lifetime: u64| {
            let (save_patience, lease_lifetime) =
                (Duration::from_secs(save_patience), Duration::from_secs(lease_lifetime));
            Timing { save_patience, lease_lifetime, ..Timing::default() }.head_start().as_secs_f64()
        };
        assert_eq!(head_start(3, 3), 5.0);
        assert_eq!(head_start(5, 9), 9.0);
        assert_eq!(head_start(0, 0), 3.0);
        assert_eq!(head_start(60, 3), 15.0);
        assert_eq!(head_start(u64::MAX, u64::MAX), 15.0);
    }

    #[test]
    fn a_pause_goes_by_the_stores_clock_where_that_is_known() {
        let (timing, now) = (Timing::default(), time(1_700_000_000));
        let second = Duration::from_secs(1);
        // It was noted by a process whose clock is ten minutes behind, when the store's showed five seconds more than ours does now.
        let rest = Rest::new(now - 600 * second, Some(now + 5 * second), 60 * second);
        assert_eq!(timing.rests_until(rest, now, Some(0)), Some(now + 65 * second));
        assert_eq!(timing.rests_until(rest, now, Some(20_000)), Some(now + 45 * second));
        assert_eq!(timing.rests_until(rest, now, Some(65_000)), None, "it is over");
        assert_eq!(timing.rests_until(rest, now, Some(64_999)), Some(now + Duration::from_millis(1)));
        assert_eq!(timing.rests_until(rest, now, None), None, "by the process's clock it has long been over");
        let rest = Rest::new(now, None, 60 * second);
        assert_eq!(timing.rests_until(rest, now, Some(20_000)), Some(now + 60 * second));
    }

    #[test]
    fn pauses_between_looks_at_the_store_double_up_to_a_third_of_a_second() {
        for (round, longest) in
            [(0, 10), (1, 20), (2, 40), (3, 80), (4, 160), (5, 320), (6, 320), (u32::MAX, 320)]
        {
            for _ in 0..20 {
                let pause = pause(round).as_secs_f64() * 1000.0;
                let longest = f64::from(longest);
                assert!((longest / 2.0 - 0.001..=longest + 0.001).contains(&pause), "{round}: {pause}");
            }
        }
    }

    #[test]
    fn a_refusal_holds_for_the_longer_of_the_two_times_that_are_set() {
        let longest = |reread: u64, backoff: u64| {
            let (reread_failures_after, first_backoff) =
                (Duration::from_secs(reread), Duration::from_secs(backoff));
            Timing { reread_failures_after, first_backoff, ..Timing::default() }.longest_refusal().as_secs()
        };
        assert_eq!((longest(5, 1), longest(5, 60)), (5, 60));
    }

    #[test]
    fn a_moment_is_ahead_by_no_more_than_somebody_has_set() {
        let (now, minute) = (Moment::from(time(1_700_000_000)), Duration::from_secs(60));
        let in_seconds = |seconds: i64| Moment::from(time(1_700_000_000 + seconds));
        for (seconds, is_ahead) in [(-1, false), (0, false), (1, true), (60, true), (61, false)] {
            assert_eq!(in_seconds(seconds).is_ahead_of(now, minute), is_ahead, "{seconds}");
        }
    }
}
