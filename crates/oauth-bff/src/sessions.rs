//! Sessions that were ended before their time.

use std::{sync::Arc, time::Duration};

use oauth_core::{OffsetDateTime, SharedCache, bytes::Bytes};

use crate::{error::BffError, session::Session};

/// Remembers sessions that were ended, because a copy of the cookie would open all the same.
#[derive(Clone, Debug)]
pub(crate) struct EndedSessions(pub(crate) Arc<dyn SharedCache>);

impl EndedSessions {
    pub(crate) async fn end(&self, session: &Session) -> Result<(), BffError> {
        let left = session.until() - OffsetDateTime::now_utc().unix_timestamp();
        let left = Duration::from_secs(u64::try_from(left).unwrap_or_default() + 1);
        self.0.put(&name(session), Bytes::new(), left).await.map_err(BffError::Sessions)
    }

    pub(crate) async fn has_ended(&self, session: &Session) -> Result<bool, BffError> {
        Ok(self.0.get(&name(session)).await.map_err(BffError::Sessions)?.is_some())
    }
}

fn name(session: &Session) -> String {
    format!("bff_session_ended:{}", session.id())
}
