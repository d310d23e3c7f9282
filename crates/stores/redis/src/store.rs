use std::{fmt, future::Future, sync::Arc, time::Duration};

use oauth_core::{SharedCache, SharedCacheError};
use oauth_tokens::{
    Acquired, Bytes, Expected, Lease, Record, Saved, StoreError, StoreOperation, TokenKey, TokenStore,
    async_trait,
};
use redis::{Cmd, FromRedisValue, RedisError, RedisResult, ScriptInvocation, Value, aio::ConnectionLike};

use crate::{
    error::{store_error, too_busy, unexpected},
    keys::{Prefix, member, read_member},
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

    /// The version of a record, or of the one that was there last, 0 if there was none; and whether a record is there.
    async fn look(&self, operation: StoreOperation, key: &TokenKey) -> Result<(u64, bool), StoreError> {
        let mut command = redis::cmd("HMGET");
        command.arg(self.prefix.record(key)).arg("v").arg("s");
        let found: RedisResult<(Option<u64>, Option<Vec<u8>>)> = self.command(&command).await;
        let (version, sealed) = found.map_err(|error| store_error(operation, error))?;
        Ok((version.unwrap_or_default(), sealed.is_some()))
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
        let operation = StoreOperation::Save;
        // Whatever is there, only this is replaced: a command that was given up, because Redis stalled, may still be carried out
        // later, and must not replace what came after it, nor bring back what was deleted then.
        let (mut version, mut is_there) = match expected {
            Expected::Any => self.look(operation, key).await?,
            // True of most keys that have no token, and found out otherwise.
            Expected::Absent => (0, false),
            Expected::Version(version) => (version, true),
        };
        for _ in 0..ATTEMPTS {
            let there = if is_there { "token" } else { "none" };
            let mut script = self.scripts.save.key(self.prefix.record(key));
            script.key(self.prefix.index(key.tenant(), key.subject()));
            script.arg(&*sealed).arg(there).arg(version);
            script.arg(lease.map_or_else(String::new, |lease| lease.fence.to_string())).arg(member(key));
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

    async fn delete(&self, key: &TokenKey) -> Result<bool, StoreError> {
        let operation = StoreOperation::Delete;
        for _ in 0..ATTEMPTS {
            let (version, _) = self.look(operation, key).await?;
            let mut script = self.scripts.delete.key(self.prefix.record(key));
            script.key(self.prefix.index(key.tenant(), key.subject())).arg(member(key)).arg(version);
            let reply: Vec<Value> = self.script(operation, &script).await?;
            if let [_, deleted] = &reply[..] {
                return read(operation, deleted);
            }
        }
        Err(too_busy(operation))
    }

    async fn list(&self, tenant: &str, subject: &str) -> Result<Vec<(TokenKey, Record)>, StoreError> {
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
        script.arg(lease.fence).arg(milliseconds(lifetime));
        self.script(StoreOperation::Extend, &script).await
    }

    async fn release(&self, key: &TokenKey, lease: &Lease) -> Result<(), StoreError> {
        let mut script = self.scripts.release.key(self.prefix.record(key));
        script.arg(lease.fence);
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
