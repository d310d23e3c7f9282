//! The provider's keys, read when they are needed, and anew when a token names one that is not among them.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use oauth_core::{ErrorKind, OAuth2, OffsetDateTime, Operation, Result, serde_json::Value};

use crate::{
    algorithm::Algorithm,
    cached::{Cached, Kept, Reading},
    jws::Jws,
    keys::KeySet,
    rules::Rules,
};

/// How long keys are not asked for after that failed.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(5);
/// The most names of keys that are remembered after they were taken out of the set.
const MOST_RETIRED: usize = 64;

/// The keys of one provider, for all clones of a client.
#[derive(Debug, Default)]
pub(crate) struct KeyStore(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Where the keys below were read: metadata may name another place one day.
    url: String,
    keys: Arc<Cached<KeySet>>,
    /// Until when unknown keys are not asked for.
    pause_until: Option<OffsetDateTime>,
    /// Keys that were there once. A token that names one was signed before it was taken out; asking again is of no use.
    retired: HashSet<String>,
}

impl KeyStore {
    /// The keys, among them one that fits the token, if the provider has it.
    pub(crate) async fn of(
        &self,
        client: &OAuth2,
        rules: &Rules,
        jws: &Jws,
        algorithm: Algorithm,
    ) -> Result<Arc<KeySet>> {
        let reading = reading(client, rules)?;
        let cached = self.cached(&reading.url);
        let asked = cached.asked();
        let keys = cached.get(client, &reading).await?;
        if keys.fits(jws, algorithm) {
            return Ok(keys);
        }
        // They were read after this token was made, or it is not worth a request.
        if cached.asked() != asked || !self.may_ask_for(jws, rules) {
            return Ok(keys);
        }
        let anew = cached.read_anew(client, &reading, asked).await;
        self.remember(&keys, &anew, jws, algorithm, rules);
        anew
    }

    /// Reads the keys, unless they are there.
    pub(crate) async fn read(&self, client: &OAuth2, rules: &Rules) -> Result<()> {
        let reading = reading(client, rules)?;
        self.cached(&reading.url).get(client, &reading).await.map(drop)
    }

    /// What is kept, for another process.
    pub(crate) fn export(&self) -> Option<Kept> {
        self.state().keys.export()
    }

    /// Takes what another process kept.
    pub(crate) fn import(&self, kept: Kept, client: &OAuth2, rules: &Rules) -> Result<()> {
        let reading = reading(client, rules)?;
        self.cached(&reading.url).import(kept, &reading);
        Ok(())
    }

    fn cached(&self, url: &str) -> Arc<Cached<KeySet>> {
        let mut state = self.state();
        if state.url != url {
            *state = State { url: url.to_owned(), ..State::default() };
        }
        state.keys.clone()
    }

    /// Whether an unknown key is worth a request now.
    fn may_ask_for(&self, jws: &Jws, rules: &Rules) -> bool {
        let state = self.state();
        let rests = state.pause_until.is_some_and(|until| rules.clock.now() < until);
        let is_retired = jws.header_text("kid").is_some_and(|id| state.retired.contains(id));
        !rests && !is_retired
    }

    /// Learns from a request that was made for an unknown key. If the provider has it, or has other keys than before, it changes
    /// its keys, however often; if not, the token was made up, and so may be the next.
    fn remember(
        &self,
        before: &KeySet,
        after: &Result<Arc<KeySet>>,
        jws: &Jws,
        algorithm: Algorithm,
        rules: &Rules,
    ) {
        let mut state = self.state();
        let pause = match after {
            Err(_) => Some(PAUSE_AFTER_FAILURE),
            Ok(after) if after.fits(jws, algorithm) || !after.has_ids_of(before) => None,
            Ok(_) => Some(rules.key_pause),
        };
        state.pause_until = pause.map(|pause| rules.clock.now() + pause);
        if let Ok(after) = after {
            if state.retired.len() > MOST_RETIRED {
                state.retired.clear();
            }
            let gone: Vec<_> = before.ids().filter(|id| !after.has_id(id)).map(str::to_owned).collect();
            state.retired.extend(gone);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn reading(client: &OAuth2, rules: &Rules) -> Result<Reading<KeySet>> {
    let Some(url) = client.endpoints().jwks.as_deref() else {
        let problem = "the provider's metadata has no jwks_uri, so no signature can be verified".to_owned();
        return Err(client.error(Operation::GET_KEYS, ErrorKind::Configuration(problem)));
    };
    Ok(Reading {
        operation: Operation::GET_KEYS,
        url: url.to_owned(),
        policy: rules.key_cache,
        clock: rules.clock.clone(),
        shared: rules.shared_cache.clone(),
        parse: Arc::new(|document: Value| KeySet::read(&document)),
    })
}
