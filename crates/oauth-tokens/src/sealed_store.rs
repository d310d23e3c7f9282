//! The store behind encryption: token states go in and come out, and the store itself sees sealed bytes.

use std::{sync::Arc, time::Duration};

use oauth_core::{bytes::Bytes, serde_json};
use zeroize::Zeroizing;

use crate::{
    error::{TokenError, UnreadableReason},
    inventory::{Status, Summary},
    key::TokenKey,
    runtime::{Runtime, timeout},
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
    /// The record as it was found, which tells it from another one that a store that has lost writes gave the same version.
    pub(crate) sealed: Bytes,
    pub(crate) state: TokenState,
    /// Whether it is sealed with the key that seals now.
    pub(crate) is_current: bool,
    /// Whether it was sealed anew when it was loaded.
    pub(crate) was_resealed: bool,
}

/// The record that a save is to replace.
#[derive(Clone)]
pub(crate) struct Predecessor {
    pub(crate) expected: Expected,
    /// The record itself, where it is known.
    pub(crate) sealed: Option<Bytes>,
}

impl Predecessor {
    /// No record.
    pub(crate) fn absent() -> Self {
        Self { expected: Expected::Absent, sealed: None }
    }

    pub(crate) fn of(found: &StoredState) -> Self {
        Self { expected: Expected::Version(found.version), sealed: Some(found.sealed.clone()) }
    }

    /// Whether another record is there under the same version.
    fn was_exchanged_for(&self, found: &Record) -> bool {
        self.expected == Expected::Version(found.version)
            && self.sealed.as_ref().is_some_and(|sealed| *sealed != found.sealed)
    }
}

impl StoredState {
    /// What this process has just saved, or would have, for its own memory.
    pub(crate) fn saved(version: u64, state: TokenState) -> Self {
        Self { version, sealed: Bytes::new(), state, is_current: true, was_resealed: false }
    }
}

impl SealedStore {
    /// Loads and opens the record of a key.
    pub(crate) async fn load(&self, key: &TokenKey) -> Result<Option<StoredState>, TokenError> {
        let record =
            self.inner.load(key).await.map_err(|cause| TokenError::Store { key: key.clone(), cause })?;
        match record {
            Some(record) => self.open(key, &record).await.map(Some),
            None => Ok(None),
        }
    }

    /// Loads and opens the record of a key, and seals it anew if it was not sealed with the key that seals now.
    ///
    /// A record that is marked as being refreshed is left as it is: the process that refreshes it may not have the new key
    /// yet, and it must be able to tell that its predecessor is still there.
    pub(crate) async fn load_resealed(&self, key: &TokenKey) -> Result<Option<StoredState>, TokenError> {
        let Some(mut opened) = self.load(key).await? else { return Ok(None) };
        if !opened.is_current
            && opened.state.refreshing_since.is_none()
            && let Ok(sealed) = self.seal(key, &opened.state).await
            && let expected = Expected::Version(opened.version)
            && let Ok(Saved::Version(version)) =
                self.save_sealed(key, sealed.clone(), &opened.state, expected, None).await
        {
            // Whoever saved in between has sealed with their own first key; a store in trouble is asked again next time.
            (opened.version, opened.sealed, opened.was_resealed) = (version, sealed, true);
        }
        Ok(Some(opened))
    }

    /// Loads the record of a key again, and opens it unless it is the one that is known already.
    pub(crate) async fn load_again(
        &self,
        key: &TokenKey,
        known: Option<StoredState>,
    ) -> Result<Option<StoredState>, TokenError> {
        let record =
            self.inner.load(key).await.map_err(|cause| TokenError::Store { key: key.clone(), cause })?;
        match (record, known) {
            (Some(record), Some(known))
                if record.version == known.version && record.sealed == known.sealed =>
            {
                Ok(Some(known))
            }
            (Some(record), _) => self.open(key, &record).await.map(Some),
            (None, _) => Ok(None),
        }
    }

    pub(crate) async fn open(&self, key: &TokenKey, record: &Record) -> Result<StoredState, TokenError> {
        let unreadable = |reason| TokenError::Unreadable { key: key.clone(), reason };
        let opened = match self.sealer.open(key, &record.sealed, &context(key)).await {
            Ok(opened) => opened,
            Err(SealingError::Unreadable(reason)) => return Err(unreadable(reason)),
            Err(error) => {
                let cause = store_error(StoreOperation::Load, error);
                return Err(TokenError::Store { key: key.clone(), cause });
            }
        };
        let state =
            serde_json::from_slice(&opened.plain).map_err(|_| unreadable(UnreadableReason::UnknownForm))?;
        let (version, sealed) = (record.version, record.sealed.clone());
        Ok(StoredState { version, sealed, state, is_current: opened.is_current, was_resealed: false })
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

    /// Finds another record under the version of a predecessor that was seen a while ago.
    ///
    /// The version does not tell whether that is still there: a store that has lost its last writes in a failover gives their
    /// numbers out again, to a new login say. A store that does not answer within the limit says nothing.
    pub(crate) async fn exchanged(
        &self,
        runtime: &dyn Runtime,
        key: &TokenKey,
        predecessor: &Predecessor,
        limit: Duration,
    ) -> Option<Record> {
        predecessor.sealed.as_ref()?;
        let found = timeout(runtime, limit, self.inner.load(key)).await?.ok()??;
        predecessor.was_exchanged_for(&found).then_some(found)
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
    ) -> Result<Acquired, TokenError> {
        let acquired = self.inner.acquire(key, holder, lifetime).await;
        acquired.map_err(|cause| TokenError::Store { key: key.clone(), cause })
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
