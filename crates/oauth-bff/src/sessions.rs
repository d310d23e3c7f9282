//! Sessions that were ended before their time.

use std::{sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use oauth_core::{OffsetDateTime, SharedCache, bytes::Bytes, serde_json::json, sha256};
use oauth_tokens::TokenKey;

use crate::{
    error::BffError,
    session::{Session, milliseconds},
};

/// Remembers sessions that were ended, because a copy of the cookie would open all the same.
#[derive(Clone, Debug)]
pub(crate) struct EndedSessions(pub(crate) Arc<dyn SharedCache>);

impl EndedSessions {
    /// Ends one session.
    pub(crate) async fn end(&self, session: &Session) -> Result<(), BffError> {
        let left = session.until() - OffsetDateTime::now_utc().unix_timestamp();
        let left = Duration::from_secs(u64::try_from(left).unwrap_or_default() + 1);
        self.0.put(&name(session), Bytes::new(), left).await.map_err(BffError::Sessions)
    }

    /// Ends all sessions of a key that have begun so far, none of which lasts longer than this.
    pub(crate) async fn end_all(&self, key: &TokenKey, lifetime: Duration) -> Result<(), BffError> {
        let now = milliseconds(OffsetDateTime::now_utc()).to_string();
        let left = lifetime.saturating_add(Duration::from_secs(1));
        self.0.put(&name_of_all(key), now.into(), left).await.map_err(BffError::Sessions)
    }

    pub(crate) async fn has_ended(&self, session: &Session) -> Result<bool, BffError> {
        if self.0.get(&name(session)).await.map_err(BffError::Sessions)?.is_some() {
            return Ok(true);
        }
        let ended = self.0.get(&name_of_all(&session.key())).await.map_err(BffError::Sessions)?;
        // What cannot be read was written by somebody else: to be on the safe side, nobody is signed in.
        let time = |value: Bytes| std::str::from_utf8(&value).ok()?.parse().ok();
        Ok(ended.is_some_and(|value| time(value).is_none_or(|ended: i64| session.begun() <= ended)))
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
