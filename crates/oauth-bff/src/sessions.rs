//! When sessions end: by their age, or because somebody ended them.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use oauth_core::{
    Error, MemoryCache, OffsetDateTime, SharedCache, bytes::Bytes, random_token, serde_json::json, sha256,
};
use oauth_tokens::TokenKey;

use crate::{
    error::BffError,
    events,
    session::{LONGEST, Session, milliseconds},
};

/// For how much longer the end of a session is remembered than the session could last, because the clocks of two machines differ.
const CLOCKS_DIFFER_BY: Duration = Duration::from_secs(60 * 60);

/// When sessions end. Clones share the rules, whichever of them is changed: the handler of a logout is given a backend before all of its
/// settings are made, and has to end the sessions of the finished one.
#[derive(Clone, Debug)]
pub(crate) struct SessionEnds(Arc<RwLock<Rules>>);

#[derive(Clone, Debug)]
struct Rules {
    /// Remembers sessions that were ended, because a copy of the cookie would open all the same.
    ended: Arc<dyn SharedCache>,
    /// The name of that memory, if it is that of this process alone. Other processes do not see it, and the next start has forgotten it. So a
    /// session counts only where it began: one that was ended must not begin again elsewhere.
    memory: Option<Arc<str>>,
    lifetime: Duration,
}

impl SessionEnds {
    /// Remembers sessions that were ended in the memory of this process.
    pub(crate) fn after(lifetime: Duration) -> Result<Self, Error> {
        let memory = Some(random_token()?.into());
        Ok(Self(Arc::new(RwLock::new(Rules { ended: Arc::new(MemoryCache::new()), memory, lifetime }))))
    }

    /// Remembers them where all processes do.
    pub(crate) fn remember_in(&self, ended: Arc<dyn SharedCache>) {
        let mut rules = self.0.write().unwrap_or_else(PoisonError::into_inner);
        (rules.ended, rules.memory) = (ended, None);
    }

    pub(crate) fn set_lifetime(&self, lifetime: Duration) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).lifetime = lifetime.min(LONGEST);
    }

    pub(crate) fn lifetime(&self) -> Duration {
        self.rules().lifetime
    }

    /// What a session keeps of the memory of this process.
    pub(crate) fn memory(&self) -> Option<Arc<str>> {
        self.rules().memory
    }

    /// Ends one session.
    pub(crate) async fn end(&self, session: &Session) -> Result<(), BffError> {
        let left = session.until() - OffsetDateTime::now_utc().unix_timestamp();
        let left = Duration::from_secs(u64::try_from(left).unwrap_or_default());
        let left = left.saturating_add(CLOCKS_DIFFER_BY);
        self.rules().ended.put(&name(session), Bytes::new(), left).await.map_err(BffError::Sessions)
    }

    /// Ends all sessions of a key that have begun so far: those that begin from now on belong to another epoch, whatever the clocks of their
    /// machines say.
    pub(crate) async fn end_all(&self, key: &TokenKey) -> Result<(), BffError> {
        let epoch = random_token().map_err(|error| BffError::Sessions(error.into()))?;
        let Rules { ended, lifetime, .. } = self.rules();
        // None of them lasts longer.
        let left = lifetime.saturating_add(CLOCKS_DIFFER_BY);
        ended.put(&name_of_all(key), epoch.into(), left).await.map_err(BffError::Sessions)
    }

    /// The epoch that a session of this key begins in, after the last time that all of them were ended; `None` if they were not, or so long ago
    /// that none of them is left.
    pub(crate) async fn epoch(&self, key: &TokenKey) -> Result<Option<String>, BffError> {
        let epoch = self.rules().ended.get(&name_of_all(key)).await.map_err(BffError::Sessions)?;
        Ok(epoch.map(|epoch| String::from_utf8_lossy(&epoch).into_owned()))
    }

    pub(crate) async fn has_ended(&self, session: &Session) -> Result<bool, BffError> {
        let Rules { ended, memory, lifetime } = self.rules();
        if session.memory() != memory.as_deref() {
            events::session_of_another_process();
            return Ok(true);
        }
        // Its cookie may have been made when sessions lasted longer.
        let age = milliseconds(OffsetDateTime::now_utc()).saturating_sub(session.begun());
        if age >= i64::try_from(lifetime.as_millis()).unwrap_or(i64::MAX) {
            return Ok(true);
        }
        if ended.get(&name(session)).await.map_err(BffError::Sessions)?.is_some() {
            return Ok(true);
        }
        let Some(epoch) = self.epoch(&session.key()).await? else { return Ok(false) };
        Ok(match (session.epoch(), epoch.parse()) {
            // Earlier versions, whose sessions have no epoch, wrote when they were ended.
            (None, Ok(ended)) => session.begun() <= ended,
            (own, _) => own != Some(&epoch),
        })
    }

    fn rules(&self) -> Rules {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn name(session: &Session) -> String {
    format!("bff_session_ended:{}", session.id())
}

/// A hash is short, and shows nobody who reads the cache whose sessions they are.
fn name_of_all(key: &TokenKey) -> String {
    let key = json!([key.tenant(), key.subject(), key.provider(), key.label()]).to_string();
    format!("bff_sessions_ended:{}", URL_SAFE_NO_PAD.encode(sha256(key.as_bytes())))
}
