//! The store behind encryption: token states go in and come out, and the store itself sees sealed bytes.

use std::{sync::Arc, time::Duration};

use oauth_core::{bytes::Bytes, serde_json};
use zeroize::Zeroizing;

use crate::{
    error::{Error, UnreadableReason},
    inventory::{Status, Summary},
    key::TokenKey,
    sealing::{SealingError, TokenSealer},
    state::TokenState,
    store::{Acquired, Expected, Lease, Record, Saved, StoreError, StoreOperation, TokenStore},
    timing::Timing,
};

#[derive(Clone, Debug)]
pub(crate) struct SealedStore {
    pub(crate) inner: Arc<dyn TokenStore>,
    pub(crate) sealer: Arc<dyn TokenSealer>,
    /// Tells when a token is due, for the summary of its record.
    pub(crate) timing: Timing,
}

/// A record of the store, decrypted.
pub(crate) struct StoredState {
    pub(crate) version: u64,
    pub(crate) state: TokenState,
    /// Whether it is sealed with the key that seals now.
    pub(crate) is_current: bool,
    /// Whether it was sealed anew when it was loaded.
    pub(crate) was_resealed: bool,
}

impl SealedStore {
    /// Loads and opens the record of a key.
    pub(crate) async fn load(&self, key: &TokenKey) -> Result<Option<StoredState>, Error> {
        let record = self.inner.load(key).await.map_err(|cause| Error::Store { key: key.clone(), cause })?;
        match record {
            Some(record) => self.open(key, &record).await.map(Some),
            None => Ok(None),
        }
    }

    /// Loads and opens the record of a key, and seals it anew if it was not sealed with the key that seals now.
    ///
    /// A record that is marked as being refreshed is left as it is: the process that refreshes it may not have the new key
    /// yet, and it must be able to tell that its predecessor is still there.
    pub(crate) async fn load_resealed(&self, key: &TokenKey) -> Result<Option<StoredState>, Error> {
        let Some(mut opened) = self.load(key).await? else { return Ok(None) };
        if !opened.is_current
            && opened.state.refreshing_since.is_none()
            && let Ok(Saved::Version(version)) =
                self.save(key, &opened.state, Expected::Version(opened.version), None).await
        {
            // Whoever saved in between has sealed with their own first key; a store in trouble is asked again next time.
            (opened.version, opened.was_resealed) = (version, true);
        }
        Ok(Some(opened))
    }

    /// Loads the record of a key again, and opens it unless it is the one that is known already.
    pub(crate) async fn load_again(
        &self,
        key: &TokenKey,
        known: Option<StoredState>,
    ) -> Result<Option<StoredState>, Error> {
        let record = self.inner.load(key).await.map_err(|cause| Error::Store { key: key.clone(), cause })?;
        match (record, known) {
            (Some(record), Some(known)) if record.version == known.version => Ok(Some(known)),
            (Some(record), _) => self.open(key, &record).await.map(Some),
            (None, _) => Ok(None),
        }
    }

    pub(crate) async fn open(&self, key: &TokenKey, record: &Record) -> Result<StoredState, Error> {
        let unreadable = |reason| Error::Unreadable { key: key.clone(), reason };
        let opened = match self.sealer.open(key, &record.sealed, &context(key)).await {
            Ok(opened) => opened,
            Err(SealingError::Unreadable(reason)) => return Err(unreadable(reason)),
            Err(error) => {
                let cause = store_error(StoreOperation::Load, error);
                return Err(Error::Store { key: key.clone(), cause });
            }
        };
        let state =
            serde_json::from_slice(&opened.plain).map_err(|_| unreadable(UnreadableReason::UnknownForm))?;
        Ok(StoredState { version: record.version, state, is_current: opened.is_current, was_resealed: false })
    }

    pub(crate) async fn seal(&self, key: &TokenKey, state: &TokenState) -> Result<Bytes, StoreError> {
        let plain = serde_json::to_vec(state).map_err(|_| {
            StoreError::permanent(StoreOperation::Save, "the token cannot be written as JSON")
        })?;
        let plain = Zeroizing::new(plain);
        let sealed = self.sealer.seal(key, &plain, &context(key)).await;
        sealed.map(Bytes::from).map_err(|error| store_error(StoreOperation::Save, error))
    }

    pub(crate) async fn save(
        &self,
        key: &TokenKey,
        state: &TokenState,
        expected: Expected,
        lease: Option<&Lease>,
    ) -> Result<Saved, StoreError> {
        let sealed = self.seal(key, state).await?;
        self.save_sealed(key, sealed, state, expected, lease).await
    }

    /// Saves a state that is sealed already, so that it can be recognized when it is saved again.
    pub(crate) async fn save_sealed(
        &self,
        key: &TokenKey,
        sealed: Bytes,
        state: &TokenState,
        expected: Expected,
        lease: Option<&Lease>,
    ) -> Result<Saved, StoreError> {
        let summary = self.describe(key, state, &sealed);
        self.inner.save_described(key, sealed, &summary, expected, lease).await
    }

    /// What the store is told about a record in plain text.
    pub(crate) fn describe(&self, key: &TokenKey, state: &TokenState, sealed: &[u8]) -> Summary {
        let rests_until =
            state.failed_at_ms.map(|at| at.saturating_add_unsigned(state.wait_ms).div_euclid(1000));
        let (status, due_at) = if state.dead.is_some() {
            (Status::Dead, None)
        } else if let Some(since) = state.refreshing_since {
            (Status::Refreshing, Some(since))
        } else {
            // Without a refresh token it takes a login, or the one who asks for a machine's token.
            let due_at = state
                .refresh_token()
                .and_then(|_| self.timing.milestones(key, state).due_at)
                .map(|at| at.unix_timestamp());
            (Status::Alive, due_at)
        };
        let summary = Summary::new(status).with_due_at(due_at.map(|at| rests_until.unwrap_or(at).max(at)));
        match self.sealer.sealing_key_of(sealed) {
            Some(id) => summary.with_sealing_key(id),
            None => summary,
        }
    }

    pub(crate) async fn acquire(
        &self,
        key: &TokenKey,
        holder: &str,
        lifetime: Duration,
    ) -> Result<Acquired, Error> {
        let acquired = self.inner.acquire(key, holder, lifetime).await;
        acquired.map_err(|cause| Error::Store { key: key.clone(), cause })
    }
}

/// What cannot be sealed or opened just now is as good as a store that does not answer.
fn store_error(operation: StoreOperation, error: SealingError) -> StoreError {
    match &error {
        SealingError::Unavailable { is_transient: true, .. } => StoreError::transient(operation, error),
        _ => StoreError::permanent(operation, error),
    }
}

/// The context that a sealed state is bound to, so that nobody who can write to the store can give one subject another's
/// token.
fn context(key: &TokenKey) -> Vec<u8> {
    let mut context = Vec::new();
    for part in [key.tenant(), key.subject(), key.provider(), key.label()] {
        context.extend_from_slice(&(part.len() as u64).to_le_bytes());
        context.extend_from_slice(part.as_bytes());
    }
    context
}
