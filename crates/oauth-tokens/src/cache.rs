//! What this process knows of each key, and which keys it is refreshing.
//!
//! One sharded map, so that [`TokenManager::get`](crate::TokenManager::get) takes one read lock: `moka` takes longer for a look
//! than `get` for all it does.

use std::{
    hash::{BuildHasherDefault, Hasher},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use dashmap::DashMap;
use oauth_core::OAuth2Token;
use tokio::sync::watch;

use crate::{
    access_token_request::Wanted, error::TokenError, key::TokenKey, newest::NewestToken, timing::Moment,
};

/// A live token, or why there is none.
pub(crate) type TokenResult = Result<Arc<OAuth2Token>, TokenError>;

/// A [`TokenResult`] of two words, which is what a call for a live token copies.
pub(crate) type CachedResult = Result<Arc<OAuth2Token>, Box<TokenError>>;

/// Receives the result of a refresh that is under way in this process.
pub(crate) type ResultReceiver = watch::Receiver<Option<TokenResult>>;

/// What to answer when a key is asked for.
pub(crate) struct CachedAnswer {
    pub(crate) result: CachedResult,
    /// The version of the record that it was read from.
    pub(crate) version: u64,
    /// Until when it is given without another look.
    pub(crate) holds_until: Moment,
    /// Until when the token is live.
    pub(crate) live_until: Moment,
    /// The token of that record, if it is live.
    pub(crate) newest: Option<Box<NewestToken>>,
    /// The further access tokens of that record, if there are any.
    pub(crate) further: Option<Arc<[CachedToken]>>,
}

/// A further access token, or why there is none.
#[derive(Clone)]
pub(crate) struct CachedToken {
    pub(crate) wanted: Wanted,
    pub(crate) result: CachedResult,
    /// Until when it is given without another look.
    pub(crate) holds_until: Moment,
    /// Until when the token is live.
    pub(crate) live_until: Moment,
}

/// What somebody has learned about a key.
pub(crate) enum Learned {
    /// Nothing that changes what was known.
    Nothing,
    /// The key has no record.
    NoRecord,
    /// The answer to give from now on.
    Answer(CachedAnswer),
    /// The further access tokens of a record that has no other token.
    Further(Option<Arc<[CachedToken]>>),
}

impl Learned {
    /// The further access tokens that it is about.
    pub(crate) fn further(&self) -> Option<&[CachedToken]> {
        match self {
            Self::Nothing | Self::NoRecord => None,
            Self::Answer(answer) => answer.further.as_deref(),
            Self::Further(further) => further.as_deref(),
        }
    }
}

pub(crate) struct Cache {
    pub(crate) entries: DashMap<TokenKey, CacheEntry, BuildHasherDefault<KeyHasher>>,
    capacity: usize,
    /// For how long at most an answer without a token holds. One that would hold for longer is from before the clock was set back.
    longest_refusal: Duration,
    next_tick: AtomicU64,
    /// When somebody last made this process forget a key, whichever it was.
    last_forgotten: AtomicU64,
}

/// A place in the order in which this process begins things and learns of them. Versions alone cannot tell that order: a store
/// that has lost its data, or has forgotten a key that was deleted, counts from the beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Tick(u64);

#[derive(Default)]
pub(crate) struct CacheEntry {
    /// The answer, and since when it is known.
    known: Option<(CachedAnswer, Tick)>,
    /// The newest token that was seen. It outlives the answers that there is no live one.
    newest: Option<Box<NewestToken>>,
    /// The further access tokens, if there are any.
    further: Option<Arc<[CachedToken]>>,
    /// How the store, or the lookup of the source, has failed since it last answered, where there is no live token.
    trouble: Option<Box<RecentFailures>>,
    /// The refresh that is under way. Whoever changes the key's token removes it, so that its result is not believed.
    refresh: Option<RunningRefresh>,
}

struct RecentFailures {
    failures: u32,
    error: TokenError,
    /// Until when nothing is asked for this key.
    until: Moment,
}

struct RunningRefresh {
    began: Tick,
    /// Which further access token it is for, if it is for one.
    wanted: Option<Arc<Wanted>>,
    result: ResultReceiver,
}

/// What the refresh that is under way means for who needs one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// It is theirs.
    Leader,
    /// It was begun by another, for the same token.
    Follower,
    /// It is for another access token of the grant, and theirs has to wait: both need the one refresh token.
    Bystander,
}

/// The task that carries out a key's refresh, for all who wait for it.
pub(crate) struct Leader {
    cache: Arc<Cache>,
    key: TokenKey,
    began: Tick,
    result: watch::Sender<Option<TokenResult>>,
}

/// Takes the hash that a key brings, which is keyed with random bits already, as it is.
#[derive(Default)]
pub(crate) struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn write(&mut self, _: &[u8]) {
        // A key writes one number.
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl Cache {
    /// A cache of about this many keys, in which answers without a token hold for this long at most.
    pub(crate) fn new(capacity: usize, longest_refusal: Duration) -> Self {
        Self {
            entries: DashMap::default(),
            capacity,
            longest_refusal,
            next_tick: AtomicU64::new(0),
            last_forgotten: AtomicU64::new(0),
        }
    }

    /// The current place in the order of things.
    pub(crate) fn tick(&self) -> Tick {
        Tick(self.next_tick.fetch_add(1, Ordering::Relaxed))
    }

    /// The answer that holds now, if there is one. Most calls end here.
    pub(crate) fn fresh(&self, key: &TokenKey, now: Moment) -> Option<CachedResult> {
        self.answer(key, |answer| {
            let holds = match answer.result {
                Ok(_) => now < answer.holds_until,
                Err(_) => answer.holds_until.is_ahead_of(now, self.longest_refusal),
            };
            holds.then(|| answer.result.clone())
        })
    }

    /// What is known of a further access token, if it holds now.
    pub(crate) fn fresh_further(&self, key: &TokenKey, wanted: &Wanted, now: Moment) -> Option<CachedResult> {
        let known = self.further(key, wanted)?;
        let holds = match known.result {
            Ok(_) => now < known.holds_until,
            Err(_) => known.holds_until.is_ahead_of(now, self.longest_refusal),
        };
        holds.then_some(known.result)
    }

    /// A further access token that is still live, whether or not it is due to be refreshed.
    pub(crate) fn live_further(
        &self,
        key: &TokenKey,
        wanted: &Wanted,
        now: Moment,
    ) -> Option<Arc<OAuth2Token>> {
        let known = self.further(key, wanted)?;
        known.result.ok().filter(|_| now < known.live_until)
    }

    fn further(&self, key: &TokenKey, wanted: &Wanted) -> Option<CachedToken> {
        let entry = self.entries.get(key)?;
        entry.further.as_deref()?.iter().find(|known| known.wanted == *wanted).cloned()
    }

    /// The version of the record that the answer was read from, if there is an answer.
    pub(crate) fn version(&self, key: &TokenKey) -> Option<u64> {
        self.answer(key, |answer| Some(answer.version))
    }

    /// A token that is still live, whether or not it is due to be refreshed.
    pub(crate) fn live(&self, key: &TokenKey, now: Moment) -> Option<Arc<OAuth2Token>> {
        self.answer(key, |answer| {
            let token = answer.result.as_ref().ok()?;
            (now < answer.live_until).then(|| Arc::clone(token))
        })
    }

    /// Gives a live token out for a while longer though it is due, because trying again at once would not help.
    pub(crate) fn hold(&self, key: &TokenKey, until: Moment) {
        if let Some(mut entry) = self.entries.get_mut(key)
            && let Some((answer, _)) = &mut entry.known
        {
            answer.holds_until = answer.holds_until.max(answer.live_until.min(until));
        }
    }

    /// Forgets that there is no live token, if that was the answer.
    pub(crate) fn forget_refusal(&self, key: &TokenKey) {
        if let Some(mut entry) = self.entries.get_mut(key)
            && entry.known.as_ref().is_some_and(|(answer, _)| answer.result.is_err())
        {
            entry.known = None;
        }
    }

    /// The newest token of a key that was seen.
    pub(crate) fn newest(&self, key: &TokenKey) -> Option<NewestToken> {
        self.entries.get(key)?.newest.as_deref().cloned()
    }

    /// How the store or the lookup has failed, while it is not asked again for a key without a live token.
    pub(crate) fn trouble(&self, key: &TokenKey, now: Moment) -> Option<TokenError> {
        let entry = self.entries.get(key)?;
        let is_current = |trouble: &&RecentFailures| trouble.until.is_ahead_of(now, self.longest_refusal);
        let trouble = entry.trouble.as_deref().filter(is_current)?;
        Some(trouble.error.clone())
    }

    /// Notes that the store or the lookup has failed for a key without a live token. A failure may be a single one; from the second
    /// on, nothing is asked until then.
    pub(crate) fn note_trouble(&self, key: &TokenKey, error: &TokenError, now: Moment, until: Moment) {
        if self.live(key, now).is_some() {
            return;
        }
        self.make_room_for_one();
        let mut entry = self.entries.entry(key.clone()).or_default();
        let failures = entry.trouble.as_deref().map_or(0, |trouble| trouble.failures).saturating_add(1);
        let until = if failures > 1 { until } else { now };
        entry.trouble = Some(Box::new(RecentFailures { failures, error: error.clone(), until }));
    }

    /// Takes over what somebody has learned who began to change the key's token at this tick. A refresh that is under way is
    /// not believed any more.
    pub(crate) fn learn(&self, key: &TokenKey, learned: Learned, began: Tick) {
        self.make_room(&learned);
        let now = self.tick();
        let mut entry = self.entries.entry(key.clone()).or_default();
        entry.refresh = None;
        // An entry that was removed meanwhile tells nobody that the record was deleted.
        let was_forgotten = entry.known.is_none() && self.last_forgotten.load(Ordering::Relaxed) > began.0;
        match learned {
            Learned::Answer(_) | Learned::Further(_) if was_forgotten => {}
            Learned::NoRecord => {
                self.last_forgotten.fetch_max(now.0, Ordering::Relaxed);
                entry.learn(learned, began, now);
            }
            _ => entry.learn(learned, began, now),
        }
        drop(entry);
        self.remove_if_empty(key);
    }

    /// Joins the refresh that is under way, or starts one, of which the caller is the leader.
    pub(crate) fn join_or_start(
        self: &Arc<Self>,
        key: &TokenKey,
        wanted: Option<&Arc<Wanted>>,
    ) -> (ResultReceiver, Result<Leader, Role>) {
        let mut entry = self.entries.entry(key.clone()).or_default();
        if let Some(running) = &entry.refresh {
            let role = match running.wanted.as_ref() == wanted {
                true => Role::Follower,
                false => Role::Bystander,
            };
            return (running.result.clone(), Err(role));
        }
        let (sender, result) = watch::channel(None);
        let began = self.tick();
        entry.refresh = Some(RunningRefresh { began, wanted: wanted.cloned(), result: result.clone() });
        let leader = Leader { cache: Arc::clone(self), key: key.clone(), began, result: sender };
        (result, Ok(leader))
    }

    fn answer<T>(&self, key: &TokenKey, read: impl FnOnce(&CachedAnswer) -> Option<T>) -> Option<T> {
        let entry = self.entries.get(key)?;
        let (answer, _) = entry.known.as_ref()?;
        read(answer)
    }

    /// Forgets an eighth of the answers, whichever the map shows first, once there are too many: so each insertion pays for a
    /// constant share. No entry may be borrowed meanwhile.
    fn make_room(&self, learned: &Learned) {
        if matches!(learned, Learned::Answer(_) | Learned::Further(_)) {
            self.make_room_for_one();
        }
    }

    fn make_room_for_one(&self) {
        if self.entries.len() <= self.capacity {
            return;
        }
        let mut surplus = self.capacity / 8 + 1;
        self.entries.retain(|_, entry| {
            if surplus > 0 && (entry.known.is_some() || entry.further.is_some() || entry.trouble.is_some()) {
                *entry = CacheEntry { refresh: entry.refresh.take(), ..CacheEntry::default() };
                surplus -= 1;
            }
            !entry.is_empty()
        });
    }

    fn remove_if_empty(&self, key: &TokenKey) {
        self.entries.remove_if(key, |_, entry| entry.is_empty());
    }
}

impl CacheEntry {
    /// Replaces what was known before the learning began; of what others have learned meanwhile, the newer version stays.
    fn learn(&mut self, learned: Learned, began: Tick, now: Tick) {
        match learned {
            Learned::Nothing => {}
            Learned::NoRecord => {
                *self = Self { refresh: self.refresh.take(), ..Self::default() };
            }
            Learned::Further(further) => {
                self.trouble = None;
                self.further = further;
            }
            Learned::Answer(mut answer) => {
                self.trouble = None;
                let is_outdated = self
                    .known
                    .as_ref()
                    .is_some_and(|(known, since)| *since > began && known.version > answer.version);
                if !is_outdated {
                    self.newest = answer.newest.take().or(self.newest.take());
                    self.further = answer.further.take();
                    self.known = Some((answer, now));
                }
            }
        }
    }

    fn is_led_by(&self, leader: &Leader) -> bool {
        self.refresh.as_ref().is_some_and(|running| running.began == leader.began)
    }

    fn is_empty(&self) -> bool {
        self.known.is_none()
            && self.newest.is_none()
            && self.further.is_none()
            && self.trouble.is_none()
            && self.refresh.is_none()
    }
}

impl Leader {
    /// Ends the refresh with a result: for those who wait, and for those who come later unless somebody changed the token
    /// meanwhile.
    pub(crate) fn finish(self, result: TokenResult, learned: Learned) {
        self.cache.make_room(&learned);
        let now = self.cache.tick();
        if let Some(mut entry) = self.cache.entries.get_mut(&self.key)
            && entry.is_led_by(&self)
        {
            entry.refresh = None;
            entry.learn(learned, self.began, now);
        }
        self.result.send_replace(Some(result));
    }
}

/// A refresh that ends without a result, with its runtime or by a panic, must not keep others from starting.
impl Drop for Leader {
    fn drop(&mut self) {
        if let Some(mut entry) = self.cache.entries.get_mut(&self.key)
            && entry.is_led_by(self)
        {
            entry.refresh = None;
        }
        self.cache.remove_if_empty(&self.key);
    }
}
