//! Tests of the cache, beside its file because `tests/schedules` compiles that with other threads and maps.

use std::{sync::Arc, time::Duration};

use oauth_core::{OAuth2Token, OffsetDateTime};

use crate::{
    access_token_request::Wanted,
    cache::*,
    error::TokenError,
    key::TokenKey,
    store::{StoreError, StoreOperation},
    timing::Moment,
};

const CAPACITY: usize = 16;
const MINUTE: Duration = Duration::from_secs(60);

fn cache() -> Arc<Cache> {
    Arc::new(Cache::new(CAPACITY, MINUTE))
}

fn key(subject: usize) -> TokenKey {
    TokenKey::new("p", subject.to_string())
}

fn now() -> Moment {
    OffsetDateTime::UNIX_EPOCH.into()
}

fn in_seconds(seconds: u64) -> Moment {
    (OffsetDateTime::UNIX_EPOCH + Duration::from_secs(seconds)).into()
}

fn answer(result: CachedResult, version: u64) -> Learned {
    let (holds_until, live_until) = (in_seconds(30), in_seconds(60));
    Learned::Answer(CachedAnswer { result, version, holds_until, live_until, newest: None, further: None })
}

/// That a key has this access token.
fn live(access_token: &str, version: u64) -> Learned {
    answer(Ok(Arc::new(OAuth2Token::new(access_token))), version)
}

fn trouble() -> TokenError {
    let cause = StoreError::transient(StoreOperation::Load, "the store is down");
    TokenError::Store { key: key(0), cause }
}

fn learn(cache: &Cache, key: &TokenKey, learned: Learned) {
    cache.learn(key, learned, cache.tick());
}

fn served(cache: &Cache, key: &TokenKey) -> Option<String> {
    cache.live(key, now()).map(|token| token.access_token().to_owned())
}

#[test]
fn of_too_many_keys_an_eighth_is_forgotten_at_a_time() {
    let cache = cache();
    let known = |upto: usize| (0..upto).filter(|i| served(&cache, &key(*i)).is_some()).count();
    for i in 0..=CAPACITY {
        learn(&cache, &key(i), live("AT", 1));
    }
    assert_eq!(known(CAPACITY + 1), CAPACITY + 1, "about so many are kept");
    learn(&cache, &key(100), live("AT", 1));
    assert_eq!(known(101), CAPACITY + 1 - (CAPACITY / 8 + 1) + 1);
    assert!(served(&cache, &key(100)).is_some(), "the one that made it necessary is there");
    for i in 101..1000 {
        learn(&cache, &key(i), live("AT", 1));
        assert!(cache.entries.len() <= CAPACITY + 1);
    }
}

#[test]
fn failures_and_further_tokens_take_room_too_and_a_running_refresh_stays() {
    let wanted = Wanted::default();
    let further = CachedToken {
        wanted: wanted.clone(),
        result: Ok(Arc::new(OAuth2Token::new("AT"))),
        holds_until: in_seconds(30),
        live_until: in_seconds(60),
    };
    let cache = cache();
    let leaders: Vec<_> = (0..CAPACITY).map(|i| cache.join_or_start(&key(i), None).1).collect();
    for i in 1000..1100 {
        match i % 2 {
            0 => cache.note_trouble(&key(i), &trouble(), now(), in_seconds(30)),
            _ => learn(&cache, &key(i), Learned::Further(Some(Arc::new([further.clone()])))),
        }
        assert!(cache.entries.len() <= CAPACITY + 2, "there is no more room beside the refreshes");
    }
    assert!(cache.live_further(&key(1099), &wanted, now()).is_some());
    for i in 0..CAPACITY {
        assert_eq!(cache.join_or_start(&key(i), None).1.err(), Some(Role::Follower), "{i}");
    }
    drop(leaders);
    assert!(cache.join_or_start(&key(0), None).1.is_ok());
}

#[test]
fn what_was_read_earlier_does_not_replace_a_newer_record() {
    let (cache, key) = (cache(), key(1));
    let began = cache.tick();
    learn(&cache, &key, live("AT-5", 5));
    cache.learn(&key, live("AT-4", 4), began);
    assert_eq!(served(&cache, &key).as_deref(), Some("AT-5"));
    // It is the same record, and later times of it.
    cache.learn(&key, live("AT-5 again", 5), began);
    assert_eq!(served(&cache, &key).as_deref(), Some("AT-5 again"));
    cache.learn(&key, live("AT-6", 6), began);
    assert_eq!(served(&cache, &key).as_deref(), Some("AT-6"));
    // Who has begun since then has seen that the store counts anew.
    learn(&cache, &key, live("AT-1", 1));
    assert_eq!(served(&cache, &key).as_deref(), Some("AT-1"));
}

#[test]
fn what_was_read_before_a_key_was_deleted_is_not_believed() {
    let (cache, key) = (cache(), key(1));
    learn(&cache, &key, live("AT", 1));
    let began = cache.tick();
    learn(&cache, &key, Learned::NoRecord);
    for late in [live("AT", 2), Learned::Further(None)] {
        cache.learn(&key, late, began);
        assert_eq!(served(&cache, &key), None);
        assert!(cache.entries.is_empty(), "and takes no room");
    }
    learn(&cache, &key, live("AT-2", 3));
    assert_eq!(served(&cache, &key).as_deref(), Some("AT-2"));
}

#[test]
fn answers_hold_for_their_time_and_refusals_for_no_longer_than_anybody_has_set() {
    let (cache, key) = (cache(), key(1));
    learn(&cache, &key, live("AT", 1));
    let is_fresh = |at: Moment| cache.fresh(&key, at).is_some();
    assert!(is_fresh(in_seconds(29)) && !is_fresh(in_seconds(30)));
    let is_live = |at: Moment| cache.live(&key, at).is_some();
    assert!(is_live(in_seconds(59)) && !is_live(in_seconds(60)));
    // While another attempt would not help, it is given for longer, and never for longer than it lives.
    for (until, holds_until) in [(10, 30), (45, 45), (90, 60)] {
        cache.hold(&key, in_seconds(until));
        assert!(is_fresh(in_seconds(holds_until - 1)) && !is_fresh(in_seconds(holds_until)), "{until}");
    }
    // A clock that was set back makes a token live for longer, and no refusal.
    learn(&cache, &key, answer(Err(Box::new(trouble())), 1));
    assert!(is_fresh(in_seconds(29)) && !is_fresh(in_seconds(30)) && !is_live(now()));
    let long_before = Moment::from(OffsetDateTime::UNIX_EPOCH - 2 * MINUTE);
    assert!(!is_fresh(long_before));
    cache.forget_refusal(&key);
    assert!(!is_fresh(now()));
    learn(&cache, &key, live("AT", 1));
    cache.forget_refusal(&key);
    assert!(is_fresh(now()) && is_fresh(long_before));
}

#[test]
fn from_the_second_failure_on_nothing_is_asked_for_a_while() {
    let (cache, key) = (cache(), key(1));
    let fail = || cache.note_trouble(&key, &trouble(), now(), in_seconds(30));
    let is_left_alone = |at: Moment| cache.trouble(&key, at).is_some();
    fail();
    assert!(!is_left_alone(now()), "it may be a single one");
    fail();
    assert!(is_left_alone(in_seconds(29)) && !is_left_alone(in_seconds(30)));
    // An answer ends it, and a live token is served whatever the store does.
    learn(&cache, &key, live("AT", 1));
    assert!(!is_left_alone(now()));
    fail();
    fail();
    assert!(!is_left_alone(now()));
}
