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

#[cfg(test)]
mod tests {
    use oauth_core::{OAuth2Token, OffsetDateTime, Sealer, SealingKey, serde_json::json};

    use super::*;
    use crate::{
        MemoryStore, TokioRuntime,
        calendar::time,
        state::{DeadGrant, DeadReason},
    };

    fn now() -> OffsetDateTime {
        time(1_700_000_000)
    }

    fn key() -> TokenKey {
        TokenKey::new("p", "user-17")
    }

    fn store(memory: &MemoryStore) -> SealedStore {
        SealedStore {
            inner: Arc::new(memory.clone()),
            sealer: Arc::new(Sealer::new(SealingKey::from_bytes([7; 32]))),
            timing: Timing { refresh_ahead: Duration::ZERO, leeway: Duration::ZERO, ..Timing::default() },
        }
    }

    /// A token that lives an hour.
    fn state(refresh_token: Option<&str>) -> TokenState {
        let token: OAuth2Token = match refresh_token {
            Some(text) => {
                serde_json::from_value(json!({ "access_token": "AT", "refresh_token": text })).unwrap()
            }
            None => OAuth2Token::new("AT"),
        };
        let obtained_at = now().unix_timestamp();
        let expires_at = Some(obtained_at + 3600);
        TokenState { token: Some(token), obtained_at, expires_at, ..TokenState::default() }
    }

    #[tokio::test]
    async fn the_store_is_told_when_something_is_due_and_to_whom_it_matters() {
        let store = store(&MemoryStore::new());
        let (hour, began) = (now().unix_timestamp() + 3600, now().unix_timestamp());
        let alive = state(Some("RT"));
        let marked = alive.refreshing(now(), 1, None);
        let wait = |seconds| Duration::from_secs(seconds);
        let failed = |seconds, was_refused| alive.failed("HTTP 503", now(), None, wait(seconds), was_refused);
        let dead = DeadGrant { reason: DeadReason::NoRefreshToken, at: now() };
        for (what, state, status, due_at) in [
            ("a token that expires", alive.clone(), Status::Alive, Some(hour)),
            ("one that does not", TokenState { expires_at: None, ..alive.clone() }, Status::Alive, None),
            ("one that cannot be refreshed", state(None), Status::Alive, None),
            ("a refresh that has begun", marked.clone(), Status::Refreshing, Some(began)),
            ("one that failed for sure, for long", failed(7200, true), Status::Alive, Some(hour + 3600)),
            ("and for a moment", failed(10, true), Status::Alive, Some(hour)),
            ("one that may have been carried out", failed(10, false), Status::Refreshing, Some(began + 10)),
            ("a dead grant", alive.died(&dead), Status::Dead, None),
            ("one that died in a refresh", marked.died(&dead), Status::Dead, None),
        ] {
            let summary = store.describe(&key(), &state, &store.seal(&key(), &state).await.unwrap());
            assert_eq!((summary.status, summary.due_at), (status, due_at), "{what}");
            assert_eq!(summary.sealing_key.as_deref(), store.sealer.sealing_key().as_deref(), "{what}");
        }
    }

    #[tokio::test]
    async fn another_record_of_the_same_number_is_told_apart() {
        let memory = MemoryStore::new();
        let store = store(&memory);
        let runtime = TokioRuntime;
        let exchanged = async |predecessor: &Predecessor| {
            store.exchanged(&runtime, &key(), predecessor, Duration::from_secs(10)).await
        };
        let ours = store.seal(&key(), &state(Some("RT"))).await.unwrap();
        let marked =
            |version| Predecessor { expected: Expected::Version(version), sealed: Some(ours.clone()) };
        assert_eq!(exchanged(&marked(1)).await, None, "it is gone");
        memory.save(&key(), ours.clone(), Expected::Absent, None).await.unwrap();
        assert_eq!(exchanged(&marked(1)).await, None, "it is there");
        let theirs = store.seal(&key(), &state(Some("RT-2"))).await.unwrap();
        memory.save(&key(), theirs.clone(), Expected::Any, None).await.unwrap();
        assert_eq!(exchanged(&marked(1)).await, None, "the number tells that another one came");
        assert_eq!(exchanged(&marked(2)).await, Some(Record::new(2, theirs)));
        assert_eq!(exchanged(&Predecessor { sealed: None, ..marked(2) }).await, None, "it is not known");
        assert_eq!(exchanged(&Predecessor::absent()).await, None);
    }

    #[tokio::test]
    async fn a_record_is_opened_again_only_where_it_has_changed() {
        let memory = MemoryStore::new();
        let store = store(&memory);
        store.save(&key(), &state(Some("RT")), Expected::Absent, None).await.unwrap();
        let known = || async { store.load(&key()).await.unwrap() };
        let loaded = async |known: Option<StoredState>| {
            let found = store.load_again(&key(), known).await.unwrap().unwrap();
            (found.version, found.state.refresh_token().unwrap_or_default().to_owned())
        };
        // What is known is told by a state that was never in the store.
        let marked = |found: Option<StoredState>| {
            found.map(|found| StoredState { state: state(Some("known")), ..found })
        };
        let before = marked(known().await);
        assert_eq!(loaded(before).await, (1, "known".to_owned()));
        assert_eq!(loaded(None).await, (1, "RT".to_owned()));
        // Another record, of another number or, in a store that has lost writes, of the same one.
        let old = marked(known().await);
        store.save(&key(), &state(Some("RT-2")), Expected::Any, None).await.unwrap();
        assert_eq!(loaded(old).await, (2, "RT-2".to_owned()));
        let same_number =
            marked(known().await).map(|found| StoredState { sealed: Bytes::from_static(b"lost"), ..found });
        assert_eq!(loaded(same_number).await, (2, "RT-2".to_owned()));
        let same_bytes = marked(known().await).map(|found| StoredState { version: 1, ..found });
        assert_eq!(loaded(same_bytes).await, (2, "RT-2".to_owned()));
        memory.delete(&key()).await.unwrap();
        assert!(store.load_again(&key(), None).await.unwrap().is_none());
    }
}
