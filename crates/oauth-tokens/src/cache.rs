//! What this process knows of each key, and which keys it is refreshing.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
    sync::{
        Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicU64, Ordering},
    },
};

use oauth_core::OAuth2Token;
use tokio::sync::watch;

use crate::{error::Error, key::TokenKey, timing::Moment};

/// A live token, or why there is none.
pub(crate) type Outcome = Result<Arc<OAuth2Token>, Error>;

/// The same in two words, which is all that is moved about when a live token is asked for.
pub(crate) type SmallOutcome = Result<Arc<OAuth2Token>, Box<Error>>;

/// How a refresh that is under way in this process will end.
pub(crate) type Ending = watch::Receiver<Option<Outcome>>;

/// Enough for each core that two seldom meet on one lock; more would only fill the processor's caches.
const SHARDS_PER_CORE: usize = 4;

/// What is known of a key.
pub(crate) struct Answer {
    pub(crate) outcome: SmallOutcome,
    /// The version of the record that it was read from.
    pub(crate) version: u64,
    /// Until when it is given without another look.
    pub(crate) holds_until: Moment,
    /// Until when the token is live.
    pub(crate) live_until: Moment,
}

/// What somebody learned about a key.
pub(crate) enum Learned {
    /// Nothing that changes what was known.
    Nothing,
    /// There is no record of it.
    Gone,
    /// The answer to give from now on.
    Answer(Answer),
}

pub(crate) struct Cache {
    shards: Box<[Padded]>,
    shard_capacity: usize,
    next_tick: AtomicU64,
}

/// A place in the order in which this process begins things and learns of them. Versions cannot tell it alone: a store that
/// has lost its data, or has forgotten a key that was deleted, counts from the beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Tick(u64);

/// What is known of a key, and since when.
struct Known {
    answer: Answer,
    since: Tick,
}

/// A shard that shares no cache line with its neighbours, so that cores which read different ones do not wait for each other.
#[derive(Default)]
#[repr(align(128))]
struct Padded(RwLock<Shard>);

#[derive(Default)]
struct Shard {
    answers: HashMap<TokenKey, Known, BuildHasherDefault<KnownHash>>,
    flights: HashMap<TokenKey, Flight, BuildHasherDefault<KnownHash>>,
}

/// The hash that a key brings, which is keyed with random bits already, need not be hashed again.
#[derive(Default)]
struct KnownHash(u64);

impl Hasher for KnownHash {
    fn write(&mut self, _: &[u8]) {
        // A key writes one number.
    }

    fn write_u64(&mut self, hash: u64) {
        // The lowest bits chose the shard, so that they are the same for all keys in it, and the map looks at both ends.
        self.0 = hash.rotate_right(32);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// A refresh under way. Whoever changes the key's token takes it out of the map, so that its result is not believed.
struct Flight {
    began: Tick,
    ending: Ending,
}

/// The right to end a flight.
pub(crate) struct Pilot {
    cache: Arc<Cache>,
    key: TokenKey,
    began: Tick,
    ending: watch::Sender<Option<Outcome>>,
}

impl Cache {
    pub(crate) fn new(capacity: usize) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        // A power of two, so that a key's shard is found without a division.
        let shards = cores.saturating_mul(SHARDS_PER_CORE).next_power_of_two();
        Self {
            shards: (0..shards).map(|_| Padded::default()).collect(),
            shard_capacity: capacity.div_ceil(shards).max(1),
            next_tick: AtomicU64::new(0),
        }
    }

    /// The time by which what somebody learns from here on is judged.
    pub(crate) fn tick(&self) -> Tick {
        Tick(self.next_tick.fetch_add(1, Ordering::Relaxed))
    }

    /// The answer that holds now, if there is one. This is what a call costs most of the time.
    pub(crate) fn fresh(&self, key: &TokenKey, now: Moment) -> Option<SmallOutcome> {
        let shard = self.read(key);
        let answer = &shard.answers.get(key)?.answer;
        (now < answer.holds_until).then(|| answer.outcome.clone())
    }

    /// The version of the record that the answer was read from, if there is an answer.
    pub(crate) fn version(&self, key: &TokenKey) -> Option<u64> {
        self.read(key).answers.get(key).map(|known| known.answer.version)
    }

    /// A token that is due but not dead yet.
    pub(crate) fn live(&self, key: &TokenKey, now: Moment) -> Option<Arc<OAuth2Token>> {
        let shard = self.read(key);
        let answer = &shard.answers.get(key)?.answer;
        let token = answer.outcome.as_ref().ok()?;
        (now < answer.live_until).then(|| Arc::clone(token))
    }

    /// Lets a live token stand for a while though it is due, because trying again at once would not help.
    pub(crate) fn hold(&self, key: &TokenKey, until: Moment) {
        if let Some(Known { answer, .. }) = self.write(key).answers.get_mut(key) {
            answer.holds_until = answer.holds_until.max(answer.live_until.min(until));
        }
    }

    /// What somebody knows who has set out to change the key's token at a time. A flight that is under way will not be
    /// believed.
    pub(crate) fn tell(&self, key: &TokenKey, learned: Learned, began: Tick) {
        let now = self.tick();
        let mut shard = self.write(key);
        shard.flights.remove(key);
        shard.learn(key, learned, began, now, self.shard_capacity);
    }

    /// The flight that is under way, or a new one, which is the caller's to end.
    pub(crate) fn join_or_start(self: &Arc<Self>, key: &TokenKey) -> (Ending, Option<Pilot>) {
        let mut shard = self.write(key);
        if let Some(flight) = shard.flights.get(key) {
            return (flight.ending.clone(), None);
        }
        let (sender, ending) = watch::channel(None);
        let began = self.tick();
        shard.flights.insert(key.clone(), Flight { began, ending: ending.clone() });
        let pilot = Pilot { cache: Arc::clone(self), key: key.clone(), began, ending: sender };
        (ending, Some(pilot))
    }

    fn lock(&self, key: &TokenKey) -> &RwLock<Shard> {
        &self.shards[key.hash_code() as usize & (self.shards.len() - 1)].0
    }

    // No step leaves a shard half-changed, so that what a panic left behind can be used.
    fn read(&self, key: &TokenKey) -> RwLockReadGuard<'_, Shard> {
        self.lock(key).read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, key: &TokenKey) -> RwLockWriteGuard<'_, Shard> {
        self.lock(key).write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shard {
    /// What was known before the learning began is replaced; of what others have learned meanwhile, the newer version stays.
    fn learn(&mut self, key: &TokenKey, learned: Learned, began: Tick, now: Tick, capacity: usize) {
        let answer = match learned {
            Learned::Nothing => return,
            Learned::Gone => {
                self.answers.remove(key);
                return;
            }
            Learned::Answer(answer) => answer,
        };
        if let Some(known) = self.answers.get(key)
            && known.since > began
            && known.answer.version > answer.version
        {
            return;
        }
        if self.answers.len() >= capacity && !self.answers.contains_key(key) {
            // An eighth at once, whichever the map shows first, so that each insertion pays for a constant share.
            let mut surplus = capacity / 8 + 1;
            self.answers.retain(|_, _| match surplus {
                0 => true,
                _ => {
                    surplus -= 1;
                    false
                }
            });
        }
        self.answers.insert(key.clone(), Known { answer, since: now });
    }
}

impl Pilot {
    /// Makes the result known: to those who wait, and to those who come later unless somebody changed the token meanwhile.
    pub(crate) fn land(self, outcome: Outcome, learned: Learned) {
        let now = self.cache.tick();
        let mut shard = self.cache.write(&self.key);
        let is_believed = shard.flights.get(&self.key).is_some_and(|flight| flight.began == self.began);
        if is_believed {
            shard.flights.remove(&self.key);
            shard.learn(&self.key, learned, self.began, now, self.cache.shard_capacity);
        }
        drop(shard);
        self.ending.send_replace(Some(outcome));
    }
}

/// A flight that ends without landing, with its runtime or by a panic, must not keep others from starting.
impl Drop for Pilot {
    fn drop(&mut self) {
        let mut shard = self.cache.write(&self.key);
        if shard.flights.get(&self.key).is_some_and(|flight| flight.began == self.began) {
            shard.flights.remove(&self.key);
        }
    }
}
