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
pub(crate) struct KeyStore {
    state: Mutex<State>,
    /// Whoever misses a key has it while asking, so that the others learn from the answer.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    /// Where the keys below were read: metadata may name another place one day.
    url: String,
    keys: Arc<Cached<KeySet>>,
    /// The keys that were seen last.
    seen: Option<Arc<KeySet>>,
    /// Keys that were there once. A token that names one was most likely signed before it was taken out.
    retired: HashSet<String>,
    /// Until when unknown keys are not asked for.
    pause_for_unknown: Option<OffsetDateTime>,
    /// Until when keys are not asked for that were there once. It is a pause of its own, because late tokens must not hide new
    /// keys.
    pause_for_retired: Option<OffsetDateTime>,
}

impl State {
    fn pause_for(&mut self, jws: &Jws) -> &mut Option<OffsetDateTime> {
        match jws.header_text("kid") {
            Some(id) if self.retired.contains(id) => &mut self.pause_for_retired,
            _ => &mut self.pause_for_unknown,
        }
    }

    /// Remembers which keys are gone.
    fn see(&mut self, keys: &Arc<KeySet>) {
        if let Some(seen) = &self.seen
            && !Arc::ptr_eq(seen, keys)
        {
            if self.retired.len() > MOST_RETIRED {
                self.retired.clear();
            }
            self.retired.retain(|id| !keys.has_id(id));
            self.retired.extend(seen.ids().filter(|id| !keys.has_id(id)).map(str::to_owned));
        }
        self.seen = Some(keys.clone());
    }
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
        let keys = self.seen(cached.get(client, &reading).await?);
        if keys.fits(jws, algorithm) {
            return Ok(keys);
        }
        let _turn = self.asking.lock().await;
        if cached.asked() != asked {
            // Somebody has asked since this token came, or is asking in the background: that answer is new enough.
            return cached.read_anew(client, &reading, asked).await.map(|keys| self.seen(keys));
        }
        // Whoever had the turn before may have begun to ask before this token came, and got its key all the same.
        let keys = self.seen(cached.get(client, &reading).await?);
        let now = rules.clock.now();
        if keys.fits(jws, algorithm) || self.state().pause_for(jws).is_some_and(|until| now < until) {
            return Ok(keys);
        }
        let anew = cached.read_anew(client, &reading, asked).await;
        // If the provider has the key, or has other keys than before, it changes its keys, however often; if not, the token was
        // made up, and so may be the next.
        let pause = match &anew {
            Err(_) => Some(PAUSE_AFTER_FAILURE),
            Ok(anew) if anew.fits(jws, algorithm) || !anew.has_ids_of(&keys) => None,
            Ok(_) => Some(rules.key_pause),
        };
        *self.state().pause_for(jws) = pause.map(|pause| rules.clock.now() + pause);
        anew.map(|keys| self.seen(keys))
    }

    fn seen(&self, keys: Arc<KeySet>) -> Arc<KeySet> {
        self.state().see(&keys);
        keys
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

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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
