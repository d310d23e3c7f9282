use std::{fmt, future::Future, sync::Arc, time::Duration};

use oauth_core::{OffsetDateTime, SharedCache, SharedCacheError, random_token};
use oauth_tokens::{
    Acquired, Bytes, Expected, Filter, Found, Lease, Record, Saved, Status, StoreError, StoreOperation,
    Summary, TokenKey, TokenStore, async_trait,
};
use redis::{Cmd, FromRedisValue, RedisError, RedisResult, ScriptInvocation, Value, aio::ConnectionLike};

use crate::{
    error::{store_error, too_busy, unexpected},
    keys::{Indexes, Prefix, entry, member, range, read_entry, read_member},
    scripts::Scripts,
};

/// A store in Redis, for all machines of an application. `C` is a connection whose clones share it:
/// `redis::aio::ConnectionManager`, `redis::cluster_async::ClusterConnection`, or a pool of your own.
///
/// A clone is the same store.
#[derive(Clone)]
pub struct RedisStore<C> {
    connection: C,
    prefix: Prefix,
    scripts: Arc<Scripts>,
    time_limit: Duration,
}

/// Longer than a healthy Redis takes.
const TIME_LIMIT: Duration = Duration::from_secs(5);

/// How many entries of an index are looked at in one step.
const LOOKED_AT: usize = 1000;

/// The largest number that Redis counts to.
const LAST_VERSION: u64 = i64::MAX.cast_unsigned();

/// How often an operation begins anew when others change what it is about.
const ATTEMPTS: usize = 100;

impl<C: ConnectionLike + Clone + Send + Sync> RedisStore<C> {
    /// A store whose keys begin with `oauth:`.
    #[must_use]
    pub fn new(connection: C) -> Self {
        Self {
            connection,
            prefix: Prefix::default(),
            scripts: Arc::new(Scripts::new()),
            time_limit: TIME_LIMIT,
        }
    }

    /// Uses another prefix than `oauth`, without its colon.
    ///
    /// # Errors
    ///
    /// When the prefix holds braces, which would decide the slot in a cluster.
    pub fn with_prefix(mut self, prefix: &str) -> Result<Self, StoreError> {
        self.prefix = Prefix::parse(prefix)?;
        Ok(self)
    }

    /// Limits how long Redis may take for one operation; five seconds by default. The connection may have a shorter limit of its
    /// own. After that, the operation fails with a transient error, and tokens in memory are still served.
    #[must_use]
    pub fn with_time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }

    /// Enters the records that earlier versions of this crate have saved into the indexes, which [`find`](TokenStore::find) reads, and
    /// returns how many were missing there. Call it once after an update, when no process of the earlier version runs any more.
    ///
    /// It scans all keys of the node that the connection leads to, and stops nobody meanwhile. In a cluster, call it with a
    /// connection to each primary.
    ///
    /// # Errors
    ///
    /// When Redis does not answer or refuses.
    pub async fn index_existing<N: ConnectionLike + Send>(&self, node: &mut N) -> Result<u64, StoreError> {
        let operation = StoreOperation::Open;
        let failed = |error| store_error(operation, error);
        let (mut entered, mut cursor) = (0, 0_u64);
        loop {
            let mut command = redis::cmd("SCAN");
            command.arg(cursor).arg("MATCH").arg(self.prefix.pattern()).arg("COUNT").arg(LOOKED_AT);
            let scanned = self.in_time(command.query_async(node)).await;
            let (next, names): (u64, Vec<String>) = scanned.map_err(failed)?;
            for key in names.iter().filter_map(|name| self.prefix.read_record(name)) {
                let mut command = redis::cmd("ZSCORE");
                command.arg(self.prefix.indexes().all).arg(entry(&key));
                let is_entered: Option<String> = self.command(&command).await.map_err(failed)?;
                let found = self.look_at(&[entry(&key)], &Filter::all()).await?;
                if let ([found], None) = (&found[..], is_entered) {
                    self.note(&key, found.summary.status).await?;
                    entered += 1;
                }
            }
            if next == 0 {
                return Ok(entered);
            }
            cursor = next;
        }
    }

    /// The version of a record, or of the one that was there last, 0 if there was none; and whether a record is there.
    async fn look(&self, operation: StoreOperation, key: &TokenKey) -> Result<(u64, bool), StoreError> {
        let mut command = redis::cmd("HMGET");
        command.arg(self.prefix.record(key)).arg("v").arg("s");
        let found: RedisResult<(Option<u64>, Option<Vec<u8>>)> = self.command(&command).await;
        let (version, sealed) = found.map_err(|error| store_error(operation, error))?;
        Ok((version.unwrap_or_default(), sealed.is_some()))
    }

    /// Whether the key holds something that this store did not write: a hash without a valid version, or another type.
    async fn has_no_version(&self, key: &TokenKey) -> bool {
        let mut command = redis::cmd("HGET");
        command.arg(self.prefix.record(key)).arg("v");
        match self.command::<Option<String>>(&command).await {
            Ok(version) => version.is_some_and(|version| !matches!(version.parse(), Ok(0..LAST_VERSION))),
            Err(error) => error.code() == Some("WRONGTYPE"),
        }
    }

    async fn save_record(
        &self,
        key: &TokenKey,
        sealed: &[u8],
        summary: &Summary,
        expected: Expected,
        lease: Option<&Lease>,
    ) -> Result<Saved, StoreError> {
        let operation = StoreOperation::Save;
        // Whatever is there, only this is replaced: a command that was given up, because Redis stalled, may still be carried out
        // later, and must not replace what came after it, nor bring back what was deleted then.
        let (mut version, mut is_there) = match expected {
            Expected::Any => match self.look(operation, key).await {
                Err(_) | Ok((LAST_VERSION.., _)) if self.has_no_version(key).await => {
                    // No record of this store's making. It holds nothing that could be compared or kept.
                    let script = self.scripts.wipe.key(self.prefix.record(key));
                    let _: u64 = self.script(operation, &script).await?;
                    (0, false)
                }
                found => found?,
            },
            // True of most keys that have no token, and found out otherwise.
            Expected::Absent => (0, false),
            Expected::Version(version) => (version, true),
        };
        for _ in 0..ATTEMPTS {
            let there = if is_there { "token" } else { "none" };
            let mut script = self.scripts.save.key(self.prefix.record(key));
            script.key(self.prefix.index(key.tenant(), key.subject()));
            script.arg(sealed).arg(there).arg(version);
            script.arg(lease.map_or_else(String::new, |lease| lease.fence.to_string())).arg(member(key));
            script.arg(summary.status.as_str());
            script.arg(summary.due_at.map_or_else(String::new, |due_at| due_at.to_string()));
            script.arg(summary.sealing_key.as_deref().unwrap_or_default());
            script.arg(lease.map_or("", |lease| &*lease.holder));
            let reply: Vec<Value> = self.script(operation, &script).await?;
            let word = word(operation, reply.first())?;
            return match (&*word, &reply[1..]) {
                ("saved", [version]) => Ok(Saved::Version(read(operation, version)?)),
                ("fenced", []) => Ok(Saved::Fenced),
                ("conflict", [found_version, sealed]) => {
                    let found = record((read(operation, found_version)?, read(operation, sealed)?));
                    let fits = match expected {
                        Expected::Any => true,
                        Expected::Absent => found.is_none(),
                        Expected::Version(_) => false,
                    };
                    if fits {
                        (version, is_there) = (read(operation, found_version)?, found.is_some());
                        continue;
                    }
                    Ok(Saved::Conflict(found))
                }
                _ => Err(unexpected(operation)),
            };
        }
        Err(too_busy(operation))
    }

    async fn delete_record(&self, key: &TokenKey) -> Result<bool, StoreError> {
        let operation = StoreOperation::Delete;
        for _ in 0..ATTEMPTS {
            let (version, _) = self.look(operation, key).await?;
            if let Some(deleted) = self.delete_if(key, version).await? {
                return Ok(deleted);
            }
        }
        Err(too_busy(operation))
    }

    /// Deletes the record if it has this version; `None` if it has another one.
    async fn delete_if(&self, key: &TokenKey, version: u64) -> Result<Option<bool>, StoreError> {
        let operation = StoreOperation::Delete;
        let mut script = self.scripts.delete.key(self.prefix.record(key));
        script.key(self.prefix.index(key.tenant(), key.subject())).arg(member(key)).arg(version);
        let reply: Vec<Value> = self.script(operation, &script).await?;
        match &reply[..] {
            [_, deleted] => read(operation, deleted).map(Some),
            _ => Ok(None),
        }
    }

    async fn list_records(&self, tenant: &str, subject: &str) -> Result<Vec<(TokenKey, Record)>, StoreError> {
        let operation = StoreOperation::List;
        let index = self.prefix.index(tenant, subject);
        // A script must be told all its keys, and only the index knows them. So the members are read first, and the script
        // makes sure that they are still those.
        let mut members: Vec<String> = self
            .command(redis::cmd("SMEMBERS").arg(&index))
            .await
            .map_err(|error| store_error(operation, error))?;
        for _ in 0..ATTEMPTS {
            let mut script = self.scripts.list.key(&index);
            for member in &members {
                script.key(self.prefix.record_of(tenant, subject, member)).arg(member);
            }
            let (word, reply): (String, Value) = self.script(operation, &script).await?;
            if word == "changed" {
                members = read(operation, &reply)?;
                continue;
            }
            let replies: Vec<(Option<u64>, Option<Vec<u8>>)> = read(operation, &reply)?;
            let mut records = Vec::with_capacity(members.len());
            for (member, reply) in members.iter().zip(replies) {
                let (provider, label) = read_member(member).ok_or_else(|| unexpected(operation))?;
                let key = TokenKey::from_parts(tenant, subject, &provider, &label);
                records.extend(record(reply).map(|record| (key, record)));
            }
            records.sort_by(|(one, _), (other, _)| one.cmp(other));
            return Ok(records);
        }
        Err(too_busy(operation))
    }

    /// Enters a key into the indexes before it is saved, and returns what is noted of a refresh that was begun.
    async fn note(&self, key: &TokenKey, status: Status) -> Result<String, StoreError> {
        let operation = StoreOperation::Save;
        let Indexes { all, begun, noted } = self.prefix.indexes();
        let entry = entry(key);
        let mut pipeline = redis::pipe();
        pipeline.zadd(all, &entry, 0).ignore();
        match status {
            // Whoever cannot tell may be beginning a refresh. The value that no other has comes first: who ends an earlier refresh
            // just now then leaves the entry.
            Status::Refreshing | Status::Unknown => {
                let note = random_token().map_err(|error| StoreError::transient(operation, error))?;
                pipeline.hset(&noted, &entry, note).ignore().zadd(begun, &entry, 0).ignore();
            }
            _ => {}
        }
        pipeline.hget(noted, &entry);
        let mut connection = self.connection.clone();
        let notes: RedisResult<Vec<Option<String>>> =
            self.in_time(pipeline.query_async(&mut connection)).await;
        let notes = notes.map_err(|error| store_error(operation, error))?;
        Ok(notes.into_iter().flatten().next().unwrap_or_default())
    }

    /// Brings the indexes up to date after a save. If that fails, an entry too many stays, and the save is done all the same.
    async fn tidy_indexes(&self, key: &TokenKey, status: Status, note: String) {
        if !matches!(status, Status::Refreshing | Status::Unknown) && !note.is_empty() {
            let mut script = self.index_script(&self.scripts.forget_note);
            script.arg(entry(key)).arg(note);
            let _: Result<u64, _> = self.script(StoreOperation::Save, &script).await;
        }
    }

    /// Takes a deleted key out of the indexes, and enters it again if it was saved anew meanwhile.
    async fn forget_entry(&self, key: &TokenKey) {
        let Indexes { all, begun, noted } = self.prefix.indexes();
        let entry = entry(key);
        let mut pipeline = redis::pipe();
        pipeline.zrem(&all, &entry).ignore().zrem(&begun, &entry).ignore().hdel(&noted, &entry).ignore();
        let mut connection = self.connection.clone();
        let removed: RedisResult<()> = self.in_time(pipeline.query_async(&mut connection)).await;
        let found = self.look_at(std::slice::from_ref(&entry), &Filter::all()).await;
        if removed.is_ok()
            && let Ok(found) = found
            && let [found] = &found[..]
        {
            let _ = self.note(key, found.summary.status).await;
        }
    }

    fn index_script<'s>(&self, script: &'s redis::Script) -> ScriptInvocation<'s> {
        let Indexes { all, begun, noted } = self.prefix.indexes();
        let mut script = script.key(all);
        script.key(begun).key(noted);
        script
    }

    /// Looks at the records of these entries of an index, and returns those that are there and meet the filter.
    async fn look_at(&self, entries: &[String], filter: &Filter) -> Result<Vec<Found>, StoreError> {
        let operation = StoreOperation::Find;
        let mut all_found = Vec::new();
        let owner = |entry: &String| entry.split(':').next().unwrap_or_default().to_owned();
        // Those of one subject are in one slot, and next to each other.
        for entries in entries.chunk_by(|one, other| owner(one) == owner(other)) {
            let mut script = self.scripts.look.prepare_invoke();
            for entry in entries {
                script.key(self.prefix.record_of_entry(entry).ok_or_else(|| unexpected(operation))?);
            }
            let rows: Vec<(u64, bool, String, String, String, bool)> =
                self.script(operation, &script).await?;
            for (entry, (version, is_there, status, due_at, sealing_key, is_leased)) in
                entries.iter().zip(rows)
            {
                let key = read_entry(entry).ok_or_else(|| unexpected(operation))?;
                let summary =
                    Summary::new(status.parse().unwrap_or_default()).with_due_at(due_at.parse().ok());
                let summary = match sealing_key.is_empty() {
                    true => summary,
                    false => summary.with_sealing_key(sealing_key),
                };
                if is_there && filter.matches(&key, &summary, is_leased) {
                    all_found.push(Found::new(key, version, summary));
                }
            }
        }
        Ok(all_found)
    }

    /// Runs a script within the time limit.
    async fn script<T: FromRedisValue>(
        &self,
        operation: StoreOperation,
        script: &ScriptInvocation<'_>,
    ) -> Result<T, StoreError> {
        let mut connection = self.connection.clone();
        let reply = self.in_time(script.invoke_async(&mut connection)).await;
        reply.map_err(|error| store_error(operation, error))
    }

    async fn command<T: FromRedisValue>(&self, command: &Cmd) -> RedisResult<T> {
        let mut connection = self.connection.clone();
        self.in_time(command.query_async(&mut connection)).await
    }

    async fn in_time<T>(&self, work: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
        match tokio::time::timeout(self.time_limit, work).await {
            Ok(reply) => reply,
            Err(_) => {
                let error = std::io::Error::new(
                    std::io::ErrorKind::TimedOut,
                    format!("no answer from Redis within {:?}", self.time_limit),
                );
                Err(RedisError::from(error))
            }
        }
    }
}

#[async_trait]
impl<C: ConnectionLike + Clone + Send + Sync> TokenStore for RedisStore<C> {
    async fn now(&self) -> Result<Option<OffsetDateTime>, StoreError> {
        let operation = StoreOperation::Now;
        let (seconds, microseconds): (i64, i64) =
            self.command(&redis::cmd("TIME")).await.map_err(|error| store_error(operation, error))?;
        let nanoseconds = i128::from(seconds) * 1_000_000_000 + i128::from(microseconds) * 1000;
        OffsetDateTime::from_unix_timestamp_nanos(nanoseconds).map(Some).map_err(|_| unexpected(operation))
    }

    async fn load(&self, key: &TokenKey) -> Result<Option<Record>, StoreError> {
        let mut command = redis::cmd("HMGET");
        command.arg(self.prefix.record(key)).arg("v").arg("s");
        let reply: (Option<u64>, Option<Vec<u8>>) =
            self.command(&command).await.map_err(|error| store_error(StoreOperation::Load, error))?;
        Ok(record(reply))
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
        // The indexes are in another slot, so that they cannot change in the same step. An entry comes before what it is about,
        // and goes after it: one too many does no harm.
        let note = self.note(key, summary.status).await?;
        let saved = self.save_record(key, &sealed, summary, expected, lease).await?;
        if let Saved::Version(_) = saved {
            self.tidy_indexes(key, summary.status, note).await;
            // Somebody who deletes the key may have taken the entry out just before the save.
            if !matches!(expected, Expected::Version(_)) {
                let _ = self.note(key, summary.status).await;
            }
        }
        Ok(saved)
    }

    fn can_find(&self) -> bool {
        true
    }

    async fn find(
        &self,
        filter: &Filter,
        after: Option<&TokenKey>,
        limit: usize,
    ) -> Result<Vec<Found>, StoreError> {
        let operation = StoreOperation::Find;
        let Indexes { all, begun, .. } = self.prefix.indexes();
        let index = match filter.status {
            Some(Status::Refreshing | Status::Unknown) => begun,
            _ => all,
        };
        let (mut from, to) = range(filter);
        if let Some(after) = after.map(|key| format!("({}", entry(key)))
            && (from == "-" || after[1..] >= from[1..])
        {
            from = after;
        }
        let mut page = Vec::new();
        while page.len() < limit {
            let mut command = redis::cmd("ZRANGEBYLEX");
            command.arg(&index).arg(&from).arg(&to).arg("LIMIT").arg(0).arg(limit.min(LOOKED_AT));
            let entries: Vec<String> =
                self.command(&command).await.map_err(|error| store_error(operation, error))?;
            let is_last = entries.len() < limit.min(LOOKED_AT);
            if let Some(last) = entries.last() {
                from = format!("({last}");
            }
            for found in self.look_at(&entries, filter).await? {
                if page.len() < limit {
                    page.push(found);
                }
            }
            if is_last {
                break;
            }
        }
        Ok(page)
    }

    async fn delete(&self, key: &TokenKey) -> Result<bool, StoreError> {
        let deleted = self.delete_record(key).await?;
        self.forget_entry(key).await;
        Ok(deleted)
    }

    async fn delete_version(&self, key: &TokenKey, version: u64) -> Result<bool, StoreError> {
        let deleted = self.delete_if(key, version).await?.unwrap_or_default();
        if deleted {
            self.forget_entry(key).await;
        }
        Ok(deleted)
    }

    async fn list(&self, tenant: &str, subject: &str) -> Result<Vec<(TokenKey, Record)>, StoreError> {
        self.list_records(tenant, subject).await
    }
    async fn acquire(
        &self,
        key: &TokenKey,
        holder: &str,
        lifetime: Duration,
    ) -> Result<Acquired, StoreError> {
        let mut script = self.scripts.acquire.key(self.prefix.record(key));
        script.arg(holder).arg(milliseconds(lifetime));
        let operation = StoreOperation::Acquire;
        let (word, number): (String, u64) = self.script(operation, &script).await?;
        match &*word {
            "granted" => Ok(Acquired::Granted(Lease::new(number, holder))),
            "held" => Ok(Acquired::Held { retry_in: Duration::from_millis(number) }),
            _ => Err(unexpected(operation)),
        }
    }

    async fn extend(&self, key: &TokenKey, lease: &Lease, lifetime: Duration) -> Result<bool, StoreError> {
        let mut script = self.scripts.extend.key(self.prefix.record(key));
        script.arg(lease.fence).arg(milliseconds(lifetime)).arg(&*lease.holder);
        self.script(StoreOperation::Extend, &script).await
    }

    async fn release(&self, key: &TokenKey, lease: &Lease) -> Result<(), StoreError> {
        let mut script = self.scripts.release.key(self.prefix.record(key));
        script.arg(lease.fence).arg(&*lease.holder);
        let _: u64 = self.script(StoreOperation::Release, &script).await?;
        Ok(())
    }
}

#[async_trait]
impl<C: ConnectionLike + Clone + Send + Sync> SharedCache for RedisStore<C> {
    async fn get(&self, name: &str) -> Result<Option<Bytes>, SharedCacheError> {
        let value: Option<Vec<u8>> = self.command(redis::cmd("GET").arg(self.prefix.cached(name))).await?;
        Ok(value.map(Bytes::from))
    }

    async fn put(&self, name: &str, value: Bytes, lifetime: Duration) -> Result<(), SharedCacheError> {
        let mut command = redis::cmd("SET");
        command.arg(self.prefix.cached(name)).arg(&*value).arg("PX").arg(milliseconds(lifetime).max(1));
        Ok(self.command(&command).await?)
    }

    async fn put_new(&self, name: &str, value: Bytes, lifetime: Duration) -> Result<bool, SharedCacheError> {
        let mut command = redis::cmd("SET");
        command.arg(self.prefix.cached(name)).arg(&*value).arg("NX");
        command.arg("PX").arg(milliseconds(lifetime).max(1));
        let done: Option<String> = self.command(&command).await?;
        Ok(done.is_some())
    }

    async fn take(&self, name: &str) -> Result<Option<Bytes>, SharedCacheError> {
        let value: Option<Vec<u8>> = self.command(redis::cmd("GETDEL").arg(self.prefix.cached(name))).await?;
        Ok(value.map(Bytes::from))
    }
}

/// Shows no more than what the keys begin with; a connection may hold a password.
impl<C> fmt::Debug for RedisStore<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

fn record((version, sealed): (Option<u64>, Option<Vec<u8>>)) -> Option<Record> {
    Some(Record::new(version?, sealed?))
}

/// What a script says first.
fn word(operation: StoreOperation, reply: Option<&Value>) -> Result<String, StoreError> {
    read(operation, reply.ok_or_else(|| unexpected(operation))?)
}

fn read<T: FromRedisValue>(operation: StoreOperation, value: &Value) -> Result<T, StoreError> {
    T::from_redis_value(value.clone()).map_err(|error| StoreError::permanent(operation, error))
}

/// Milliseconds, rounded up. A lifetime of a century is one that does not end.
fn milliseconds(lifetime: Duration) -> u64 {
    const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
    let lifetime = lifetime.min(CENTURY);
    u64::try_from(lifetime.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}
