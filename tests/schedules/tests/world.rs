//! A store, a provider, and what the threads of one process do with them, in the order of steps of `oauth-tokens`.

use std::{sync::Arc, time::Duration};

use shuttle::{sync::Mutex, thread};

use crate::{
    OAuth2Token,
    access_token_request::Wanted,
    cache::{Cache, CachedAnswer, CachedToken, Leader, Learned, Role},
    error::TokenError,
    key::TokenKey,
    timing::Moment,
};

pub(crate) const NOW: Moment = Moment(1);
const LATER: Moment = Moment(2);

/// What a store has for one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) version: u64,
    pub(crate) token: u64,
    pub(crate) is_due: bool,
    further: Vec<(&'static str, u64)>,
}

#[derive(Debug, Default)]
struct Remote {
    record: Option<Record>,
    /// Which refresh tokens were redeemed, each by the number of its access token.
    redeemed: Vec<u64>,
    next_token: u64,
    /// A store counts on where a record was deleted.
    last_version: u64,
}

impl Remote {
    fn next_version(&mut self) -> u64 {
        self.last_version += 1;
        self.last_version
    }
}

/// A clone is the same.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) cache: Arc<Cache>,
    pub(crate) key: TokenKey,
    remote: Arc<Mutex<Remote>>,
    /// Held while a refresh token is redeemed and its successor saved.
    lease: Arc<Mutex<()>>,
}

/// How a refresh ends early, if it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ends {
    WithAResult,
    /// As with its runtime, or by a panic.
    Dropped,
}

impl World {
    /// A key with a token that is due.
    pub(crate) fn new(capacity: usize) -> Self {
        let record = Record { version: 1, token: 1, is_due: true, further: Vec::new() };
        Self {
            cache: Arc::new(Cache::new(capacity, Duration::MAX)),
            key: TokenKey(1),
            remote: Arc::new(Mutex::new(Remote {
                record: Some(record),
                redeemed: Vec::new(),
                next_token: 2,
                last_version: 1,
            })),
            lease: Arc::default(),
        }
    }

    pub(crate) fn stored(&self) -> Option<Record> {
        self.remote.lock().unwrap().record.clone()
    }

    /// How often each refresh token was redeemed, in total.
    pub(crate) fn redeemed(&self) -> Vec<u64> {
        self.remote.lock().unwrap().redeemed.clone()
    }

    /// What this process would answer from memory.
    pub(crate) fn known(&self) -> Option<(u64, Option<u64>)> {
        let version = self.cache.version(&self.key)?;
        let token = self.cache.live(&self.key, NOW).map(|token| token.0);
        Some((version, token))
    }

    /// Gets the token of the login. The first refresh that it leads ends like this.
    pub(crate) fn get(&self, mut ends: Ends) -> Result<u64, TokenError> {
        loop {
            if let Some(known) = self.cache.fresh(&self.key, NOW) {
                return known.map(|token| token.0).map_err(|error| *error);
            }
            if let Some(result) = self.join(None, ends) {
                return result.map(|token| token.0);
            }
            // Once only: a scheduler may let one thread run for as long as it wants.
            ends = Ends::WithAResult;
        }
    }

    /// Gets a further access token.
    pub(crate) fn get_for(&self, scope: &'static str) -> Result<u64, TokenError> {
        let wanted = Arc::new(Wanted(scope));
        loop {
            if let Some(known) = self.cache.fresh_further(&self.key, &wanted, NOW) {
                return known.map(|token| token.0).map_err(|error| *error);
            }
            if let Some(result) = self.join(Some(&wanted), Ends::WithAResult) {
                return result.map(|token| token.0);
            }
        }
    }

    /// Leads the key's refresh or waits for it; `None` where it must be tried again.
    fn join(&self, wanted: Option<&Arc<Wanted>>, ends: Ends) -> Option<Result<Arc<OAuth2Token>, TokenError>> {
        let (receiver, role) = self.cache.join_or_start(&self.key, wanted);
        match role {
            Ok(leader) => {
                let (world, wanted) = (self.clone(), wanted.cloned());
                thread::spawn(move || world.refresh(leader, wanted.as_deref(), ends));
                receiver.wait()
            }
            Err(Role::Follower | Role::Leader) => receiver.wait(),
            Err(Role::Bystander) => {
                receiver.wait();
                None
            }
        }
    }

    fn refresh(&self, leader: Leader, wanted: Option<&Wanted>, ends: Ends) {
        if ends == Ends::Dropped {
            return drop(leader);
        }
        let held = self.lease.lock().unwrap();
        let Some(found) = self.stored() else {
            drop(held);
            return leader.finish(Err(TokenError), Learned::NoRecord);
        };
        let settled = match wanted {
            None => (!found.is_due).then_some(found.token),
            Some(wanted) => {
                found.further.iter().find(|(scope, _)| *scope == wanted.0).map(|(_, token)| *token)
            }
        };
        let (record, token) = match settled {
            Some(token) => (found, token),
            None => {
                thread::yield_now();
                match self.redeem_and_save(&found, wanted) {
                    Some(saved) => saved,
                    // Somebody has changed the record; the next attempt finds what it is now.
                    None => {
                        drop(held);
                        return drop(leader);
                    }
                }
            }
        };
        drop(held);
        leader.finish(Ok(Arc::new(OAuth2Token(token))), Learned::Answer(answer(&record)));
    }

    /// The new record, and the token that was wanted; `None` where the record is another one by now.
    fn redeem_and_save(&self, found: &Record, wanted: Option<&Wanted>) -> Option<(Record, u64)> {
        let mut remote = self.remote.lock().unwrap();
        if remote.record.as_ref() != Some(found) {
            return None;
        }
        remote.redeemed.push(found.token);
        let obtained = remote.next_token;
        remote.next_token += 1;
        let mut record = Record { version: remote.next_version(), ..found.clone() };
        match wanted {
            None => (record.token, record.is_due) = (obtained, false),
            Some(wanted) => record.further.push((wanted.0, obtained)),
        }
        remote.record = Some(record.clone());
        Some((record, obtained))
    }

    /// Stores the token of a new login.
    pub(crate) fn put(&self) -> u64 {
        let began = self.cache.tick();
        let record = {
            let mut remote = self.remote.lock().unwrap();
            let version = remote.next_version();
            let record = Record { version, token: remote.next_token, is_due: false, further: Vec::new() };
            remote.next_token += 1;
            remote.record = Some(record.clone());
            record
        };
        self.cache.learn(&self.key, Learned::Answer(answer(&record)), began);
        record.token
    }

    pub(crate) fn delete(&self) {
        self.remote.lock().unwrap().record = None;
        self.cache.learn(&self.key, Learned::NoRecord, self.cache.tick());
    }

    /// Fills the memory with another key, so that room has to be made.
    pub(crate) fn learn_of_another(&self, key: u64) {
        let key = TokenKey(key);
        let began = self.cache.tick();
        let record = Record { version: 1, token: 1000, is_due: false, further: Vec::new() };
        self.cache.learn(&key, Learned::Answer(answer(&record)), began);
    }
}

fn answer(record: &Record) -> CachedAnswer {
    let of = |token: u64| Ok(Arc::new(OAuth2Token(token)));
    let further: Vec<_> = record
        .further
        .iter()
        .map(|(scope, token)| CachedToken {
            wanted: Wanted(scope),
            result: of(*token),
            holds_until: LATER,
            live_until: LATER,
        })
        .collect();
    CachedAnswer {
        result: of(record.token),
        version: record.version,
        holds_until: if record.is_due { NOW } else { LATER },
        live_until: LATER,
        newest: None,
        further: (!further.is_empty()).then(|| further.into()),
    }
}
