//! A token store in files, for the programs of one user on one machine.

use std::{
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use oauth_core::{async_trait, bytes::Bytes, provider_kit::hmac_sha256_hex};
use oauth_tokens::{
    Acquired, Expected, Filter, Found, Lease, Record, Saved, Status, StoreEntry, StoreError, StoreOperation,
    Summary, TokenKey, TokenStore,
};
use serde::{Deserialize, Serialize};

use super::private_dir::{LocalFileError, PrivateDir};

/// How long a process waits for another one that writes. A step takes milliseconds.
const LOCK_LIMIT: Duration = Duration::from_secs(10);
const ENDING: &str = ".json";

/// A [`TokenStore`] in a directory that only its owner can read, with a file for each grant: for command-line tools and desktop programs,
/// of which several run at once.
///
/// What it stores is encrypted already, by the [`TokenManager`](oauth_tokens::TokenManager). The keys of the grants (provider, subject,
/// label) and the state of each are in plain text. A file is written whole or not at all, also when the process is killed or the machine loses
/// power, and processes take turns by a lock file. On a network file system whose locks do nothing, two processes may refresh at once.
///
/// ```no_run
/// use oauth_core::{Sealer, SealingKey};
/// use oauth_native::FileStore;
/// use oauth_tokens::TokenManager;
///
/// # async fn f(key: SealingKey) -> Result<(), Box<dyn std::error::Error>> {
/// let store = FileStore::open("acme/tokens").await?;
/// let tokens = TokenManager::builder(store, Sealer::new(key)).build()?;
/// # Ok(())
/// # }
/// ```
///
/// [`LocalTokens`](crate::LocalTokens) finds the directory and the key by itself.
#[derive(Clone, Debug)]
pub struct FileStore(Arc<FileStoreInner>);

#[derive(Debug)]
struct FileStoreInner {
    dir: PrivateDir,
    /// One thread of this process at a time asks for the lock between processes.
    turn: Mutex<()>,
}

/// What a file holds: a [`StoreEntry`] and its key, with times in milliseconds since 1970.
#[derive(Serialize, Deserialize)]
struct FileEntry {
    /// Tenant, subject, provider, label.
    key: [String; 4],
    version: u64,
    /// In base64; `None` once it was deleted, or before it was saved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sealed: Option<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    status: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    due_at: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sealing_key: Option<String>,
    #[serde(default)]
    fence: u64,
    /// When the lease that is held expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    held_until: Option<i64>,
    /// For how long that lease was given last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    held_for: Option<i64>,
    /// When it was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deleted_at: Option<i64>,
}

impl FileEntry {
    fn of(key: &TokenKey, state: &StoreEntry) -> Self {
        Self {
            key: [key.tenant(), key.subject(), key.provider(), key.label()].map(str::to_owned),
            version: state.version,
            sealed: state.sealed.as_ref().map(|sealed| STANDARD.encode(sealed)),
            status: match state.sealed {
                Some(_) => state.summary.status.as_str().to_owned(),
                None => String::new(),
            },
            due_at: state.summary.due_at,
            sealing_key: state.summary.sealing_key.as_deref().map(str::to_owned),
            fence: state.fence,
            held_until: state.held_until.map(milliseconds),
            held_for: state.held_for.map(milliseconds),
            deleted_at: state.deleted_at.map(milliseconds),
        }
    }

    fn key(&self) -> TokenKey {
        let [tenant, subject, provider, label] = &self.key;
        TokenKey::from_parts(tenant, subject, provider, label)
    }

    /// What it says; `None` if its record is not base64.
    fn state(&self) -> Option<StoreEntry> {
        let sealed = self.sealed.as_ref().map(|sealed| STANDARD.decode(sealed)).transpose().ok()?;
        let mut summary =
            Summary::new(self.status.parse().unwrap_or(Status::Unknown)).with_due_at(self.due_at);
        if let Some(id) = &self.sealing_key {
            summary = summary.with_sealing_key(&**id);
        }
        let mut state = StoreEntry::default();
        state.version = self.version;
        state.sealed = sealed.map(Bytes::from);
        state.summary = summary;
        state.fence = self.fence;
        state.held_until = self.held_until.map(time);
        state.held_for = self.held_for.map(time);
        state.deleted_at = self.deleted_at.map(time);
        Some(state)
    }
}

fn milliseconds(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

fn time(milliseconds: i64) -> Duration {
    Duration::from_millis(u64::try_from(milliseconds).unwrap_or_default())
}

impl FileStore {
    /// Opens the store in this directory, and makes it if it is not there.
    ///
    /// # Errors
    ///
    /// A [`LocalFileError`] when the directory cannot be made, is a link, or can be read by others.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, LocalFileError> {
        let path = path.as_ref().to_owned();
        let shown = path.clone();
        let opened = tokio::task::spawn_blocking(move || {
            let dir = PrivateDir::open(&path)?;
            let store = Self(Arc::new(FileStoreInner { dir, turn: Mutex::new(()) }));
            store.0.forget_old_deletions()?;
            Ok(store)
        });
        opened.await.unwrap_or_else(|_| Err(ended(&shown)))
    }

    /// Whether there is a record of anybody.
    ///
    /// # Errors
    ///
    /// A [`LocalFileError`].
    pub async fn is_empty(&self) -> Result<bool, LocalFileError> {
        let inner = Arc::clone(&self.0);
        let path = self.0.dir.path().to_owned();
        let read = tokio::task::spawn_blocking(move || {
            for folder in inner.folders()? {
                if inner.entries(&folder)?.iter().any(|(_, entry)| entry.sealed.is_some()) {
                    return Ok(false);
                }
            }
            Ok(true)
        });
        read.await.unwrap_or_else(|_| Err(ended(&path)))
    }

    /// Reads without the lock: what is there is whole.
    async fn read<T: Send + 'static>(
        &self,
        operation: StoreOperation,
        read: impl FnOnce(&FileStoreInner) -> Result<T, LocalFileError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let inner = Arc::clone(&self.0);
        let task = tokio::task::spawn_blocking(move || read(&inner));
        task.await
            .map_err(|_| StoreError::transient(operation, "the task was cancelled"))?
            .map_err(into(operation))
    }

    /// Changes an entry under the lock; nothing is written if `change` leaves it as it was.
    async fn change<T: Send + 'static>(
        &self,
        operation: StoreOperation,
        key: &TokenKey,
        change: impl FnOnce(&mut StoreEntry, Duration) -> T + Send + 'static,
    ) -> Result<T, StoreError> {
        let inner = Arc::clone(&self.0);
        let key = key.clone();
        // A caller who has gone away must not be heard later, when somebody else has saved something newer.
        let caller = Caller(Arc::new(AtomicBool::new(true)));
        let waits = Arc::clone(&caller.0);
        let task = tokio::task::spawn_blocking(move || {
            let _turn = inner.turn.lock().unwrap_or_else(PoisonError::into_inner);
            let _lock = inner.dir.lock(LOCK_LIMIT)?;
            if !waits.load(Ordering::SeqCst) {
                return Ok(None);
            }
            let folder = inner.dir.inner(&folder_of(key.tenant(), key.subject()))?;
            let name = name_of(&key);
            let found = read_entry(&folder, &name)?;
            let (found_key, mut entry) = found.unwrap_or_else(|| (key.clone(), StoreEntry::default()));
            if found_key != key {
                let reason = "it holds another grant";
                return Err(LocalFileError::Damaged { path: folder.path().join(name), reason });
            }
            let before = entry.clone();
            let outcome = change(&mut entry, now());
            if entry != before {
                let bytes = serde_json::to_vec(&FileEntry::of(&key, &entry)).map_err(|_| {
                    LocalFileError::Damaged {
                        path: folder.path().join(&name),
                        reason: "the record cannot be written as JSON",
                    }
                })?;
                folder.write(&name, &bytes)?;
            }
            Ok(Some(outcome))
        });
        let outcome = task.await.map_err(|_| StoreError::transient(operation, "the task was cancelled"))?;
        drop(caller);
        let outcome = outcome.map_err(into(operation))?;
        outcome.ok_or_else(|| StoreError::transient(operation, "the caller went away"))
    }
}

/// Says that the caller is gone when it is dropped.
struct Caller(Arc<AtomicBool>);

impl Drop for Caller {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

impl FileStoreInner {
    fn folders(&self) -> Result<Vec<String>, LocalFileError> {
        let mut names = self.dir.names("")?;
        names.retain(|name| name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit()));
        Ok(names)
    }

    fn entries(&self, folder: &str) -> Result<Vec<(TokenKey, StoreEntry)>, LocalFileError> {
        let Some(folder) = self.dir.existing(folder)? else { return Ok(Vec::new()) };
        let mut entries = Vec::new();
        for name in folder.names(ENDING)? {
            entries.extend(read_entry(&folder, &name)?);
        }
        Ok(entries)
    }

    fn forget_old_deletions(&self) -> Result<(), LocalFileError> {
        let _lock = self.dir.lock(LOCK_LIMIT)?;
        let now = now();
        for folder in self.folders()? {
            let Some(folder) = self.dir.existing(&folder)? else { continue };
            for name in folder.names(ENDING)? {
                // One that is damaged is not this one's business.
                let Ok(Some((_, entry))) = read_entry(&folder, &name) else { continue };
                if entry.may_be_forgotten(now) {
                    folder.remove(&name)?;
                }
            }
        }
        Ok(())
    }
}

fn read_entry(folder: &PrivateDir, name: &str) -> Result<Option<(TokenKey, StoreEntry)>, LocalFileError> {
    let Some(bytes) = folder.read(name)? else { return Ok(None) };
    let damaged = |reason| LocalFileError::Damaged { path: folder.path().join(name), reason };
    let entry: FileEntry =
        serde_json::from_slice(&bytes).map_err(|_| damaged("it is not what was written"))?;
    let state = entry.state().ok_or_else(|| damaged("its record is not base64"))?;
    Ok(Some((entry.key(), state)))
}

fn folder_of(tenant: &str, subject: &str) -> String {
    hashed(&[tenant, subject])
}

fn name_of(key: &TokenKey) -> String {
    format!("{}{ENDING}", hashed(&[key.provider(), key.label()]))
}

/// A name for any texts, which need not be ones that a file can have.
fn hashed(parts: &[&str]) -> String {
    let whole: String = parts.iter().map(|part| format!("{}:{part}", part.len())).collect();
    hmac_sha256_hex("oauth-native file store", &whole)
}

/// The time since 1970, as exactly as a file has it.
fn now() -> Duration {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    time(milliseconds(since))
}

fn into(operation: StoreOperation) -> impl FnOnce(LocalFileError) -> StoreError {
    move |error| match error.is_transient() {
        true => StoreError::transient(operation, error),
        false => StoreError::permanent(operation, error),
    }
}

fn ended(path: &Path) -> LocalFileError {
    LocalFileError::Io { path: path.to_owned(), source: std::io::Error::other("the task was cancelled") }
}

#[async_trait]
impl TokenStore for FileStore {
    async fn load(&self, key: &TokenKey) -> Result<Option<Record>, StoreError> {
        let key = key.clone();
        self.read(StoreOperation::Load, move |inner| {
            let Some(folder) = inner.dir.existing(&folder_of(key.tenant(), key.subject()))? else {
                return Ok(None);
            };
            let found = read_entry(&folder, &name_of(&key))?;
            Ok(found.filter(|(found, _)| *found == key).and_then(|(_, entry)| entry.record()))
        })
        .await
    }

    async fn save(
        &self,
        key: &TokenKey,
        sealed: Bytes,
        expected: Expected,
        lease: Option<&Lease>,
    ) -> Result<Saved, StoreError> {
        self.save_described(key, sealed, &Summary::default(), expected, lease).await
    }

    async fn save_described(
        &self,
        key: &TokenKey,
        sealed: Bytes,
        summary: &Summary,
        expected: Expected,
        lease: Option<&Lease>,
    ) -> Result<Saved, StoreError> {
        let (summary, lease) = (summary.clone(), lease.cloned());
        self.change(StoreOperation::Save, key, move |entry, _| {
            entry.save(sealed, &summary, expected, lease.as_ref())
        })
        .await
    }

    fn can_find(&self) -> bool {
        true
    }

    /// In the order of the folders, and of the keys in each.
    async fn find(
        &self,
        filter: &Filter,
        after: Option<&TokenKey>,
        limit: usize,
    ) -> Result<Vec<Found>, StoreError> {
        let (filter, after) = (filter.clone(), after.cloned());
        self.read(StoreOperation::Find, move |inner| {
            let first = after.as_ref().map(|key| folder_of(key.tenant(), key.subject()));
            let mut page = Vec::new();
            for folder in inner.folders()? {
                if first.as_ref().is_some_and(|first| folder < *first) {
                    continue;
                }
                let mut entries = inner.entries(&folder)?;
                entries.sort_by(|(one, _), (other, _)| one.cmp(other));
                let now = now();
                for (key, entry) in entries {
                    if page.len() >= limit {
                        return Ok(page);
                    }
                    let is_before =
                        first.as_ref() == Some(&folder) && after.as_ref().is_some_and(|after| key <= *after);
                    if !is_before
                        && entry.sealed.is_some()
                        && filter.matches(&key, &entry.summary, entry.is_leased(now))
                    {
                        page.push(Found::new(key, entry.version, entry.summary));
                    }
                }
            }
            Ok(page)
        })
        .await
    }

    async fn delete(&self, key: &TokenKey) -> Result<bool, StoreError> {
        self.change(StoreOperation::Delete, key, StoreEntry::delete).await
    }

    async fn delete_version(&self, key: &TokenKey, version: u64) -> Result<bool, StoreError> {
        self.change(StoreOperation::Delete, key, move |entry, now| entry.delete_version(version, now)).await
    }

    async fn list(&self, tenant: &str, subject: &str) -> Result<Vec<(TokenKey, Record)>, StoreError> {
        let (tenant, subject) = (tenant.to_owned(), subject.to_owned());
        self.read(StoreOperation::List, move |inner| {
            let entries = inner.entries(&folder_of(&tenant, &subject))?;
            let mut found: Vec<_> =
                entries.into_iter().filter_map(|(key, entry)| Some((key, entry.record()?))).collect();
            found.retain(|(key, _)| key.tenant() == tenant && key.subject() == subject);
            found.sort_by(|(one, _), (other, _)| one.cmp(other));
            Ok(found)
        })
        .await
    }

    async fn acquire(
        &self,
        key: &TokenKey,
        holder: &str,
        lifetime: Duration,
    ) -> Result<Acquired, StoreError> {
        let holder: Arc<str> = holder.into();
        self.change(StoreOperation::Acquire, key, move |entry, now| entry.acquire(holder, lifetime, now))
            .await
    }

    async fn extend(&self, key: &TokenKey, lease: &Lease, lifetime: Duration) -> Result<bool, StoreError> {
        let lease = lease.clone();
        self.change(StoreOperation::Extend, key, move |entry, now| entry.extend(&lease, lifetime, now)).await
    }

    async fn release(&self, key: &TokenKey, lease: &Lease) -> Result<(), StoreError> {
        let lease = lease.clone();
        self.change(StoreOperation::Release, key, move |entry, _| entry.release(&lease)).await
    }
}
