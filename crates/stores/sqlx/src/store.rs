//! What the stores of all databases have in common: everything but the setup.

use std::{sync::Arc, time::Duration};

use oauth_tokens::{Found, Lease, Summary};

use crate::{statements::Statements, table::TableName};

/// The settings of a store. `W` are the statements that not every database has.
#[derive(Debug)]
pub(crate) struct StoreSettings<W> {
    pub(crate) table: TableName,
    pub(crate) statements: Arc<Statements>,
    pub(crate) writes: Arc<W>,
    pub(crate) time_limit: Duration,
}

/// Longer than a healthy database takes; SQLite waits for other writers for five seconds by default.
const TIME_LIMIT: Duration = Duration::from_secs(10);

/// How often an operation looks again when others change a row just then.
pub(crate) const ATTEMPTS: usize = 100;

impl<W> StoreSettings<W> {
    pub(crate) fn new(table: TableName, statements: Statements, writes: W) -> Self {
        Self { table, statements: Arc::new(statements), writes: Arc::new(writes), time_limit: TIME_LIMIT }
    }
}

impl<W> Clone for StoreSettings<W> {
    fn clone(&self) -> Self {
        Self {
            table: self.table.clone(),
            statements: Arc::clone(&self.statements),
            writes: Arc::clone(&self.writes),
            time_limit: self.time_limit,
        }
    }
}

/// The largest fence that a save may find. Without a lease nothing is fenced off.
pub(crate) fn fence(lease: Option<&Lease>) -> i64 {
    lease.map_or(i64::MAX, |lease| signed(lease.fence))
}

/// Who must hold the lease of that fence, if it is held.
pub(crate) fn holder(lease: Option<&Lease>) -> Option<&str> {
    lease.map(|lease| &*lease.holder)
}

/// What a row says: its version, what is sealed in it, its fence, and who holds its lease.
pub(crate) type SeenRow = (i64, Option<Vec<u8>>, i64, Option<String>);

/// Versions and fences are below 2⁶³; a larger number matches no row.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(crate) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// Milliseconds, rounded up. A lifetime of a century is one that does not end.
pub(crate) fn milliseconds(lifetime: Duration) -> i64 {
    const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
    let lifetime = lifetime.min(CENTURY);
    i64::try_from(lifetime.as_nanos().div_ceil(1_000_000)).unwrap_or(i64::MAX)
}

/// The status as the table has it.
pub(crate) fn status(summary: &Summary) -> Option<&'static str> {
    Some(summary.status.as_str()).filter(|status| !status.is_empty())
}

/// Tenant, subject, provider, label, version, status, due time, sealing key.
pub(crate) type FoundRow = (String, String, String, String, i64, Option<String>, Option<i64>, Option<String>);

pub(crate) fn found(row: FoundRow) -> Found {
    let (tenant, subject, provider, label, version, status, due_at, sealing_key) = row;
    let status = status.and_then(|status| status.parse().ok()).unwrap_or_default();
    let summary = Summary::new(status).with_due_at(due_at);
    let summary = match sealing_key {
        Some(id) => summary.with_sealing_key(id),
        None => summary,
    };
    Found::new(crate::key::key(&tenant, &subject, &provider, &label), unsigned(version), summary)
}

/// Binds the values of a search to its query.
macro_rules! bind_all {
    ($query:expr, $bound:expr) => {{
        let mut query = $query;
        for value in $bound {
            query = match value {
                crate::statements::BoundValue::Number(number) => query.bind(number),
                #[cfg(any(feature = "postgres", feature = "sqlite"))]
                crate::statements::BoundValue::Text(text) => query.bind(text),
                crate::statements::BoundValue::Bytes(bytes) => query.bind(bytes),
            };
        }
        query
    }};
}
pub(crate) use bind_all;

/// Implements the store for one database. The types that statements bind are the same, but sqlx's traits name the database.
macro_rules! implement {
    ($store:ident) => {
        impl $store {
            /// Uses another table than `oauth_tokens`. The tables `NAME_cache` and `NAME_migrations` belong to it.
            ///
            /// # Errors
            ///
            /// When the name is anything but ASCII letters, digits and underscores, begins with a digit, or is longer than 40
            /// characters.
            pub fn with_table(mut self, name: &str) -> Result<Self, oauth_tokens::StoreError> {
                let time_limit = self.settings.time_limit;
                self.settings = Self::settings(Self::table(name)?);
                self.settings.time_limit = time_limit;
                Ok(self)
            }

            /// Limits how long the database may take for one operation, waiting for a connection included; ten seconds by
            /// default. After that, the operation fails with a transient error, and tokens in memory are still served.
            #[must_use]
            pub fn with_time_limit(mut self, limit: std::time::Duration) -> Self {
                self.settings.time_limit = limit;
                self
            }

            /// Returns the SQL that creates the tables, for administrators who do not let applications create tables: the
            /// migrations in their order, and the notes of which were applied.
            #[must_use]
            pub fn schema(&self) -> String {
                let table = &self.settings.table;
                let mut text = format!("{};\n", Self::journal(table));
                for (index, step) in Self::migrations(table).into_iter().enumerate() {
                    for statement in step {
                        text += &format!("{statement};\n");
                    }
                    let journal = table.with("_migrations");
                    text += &format!("INSERT INTO {journal} (version) VALUES ({});\n", index + 1);
                }
                text
            }

            /// Creates the tables, or migrates them to what this version of the store needs. Every process can call it when it
            /// starts: it does nothing if the tables are up to date, and of several callers one does the work.
            ///
            /// # Errors
            ///
            /// When the database does not answer or refuses, and when the tables belong to a newer version of the store.
            pub async fn migrate(&self) -> Result<(), oauth_tokens::StoreError> {
                let operation = oauth_tokens::StoreOperation::Open;
                let failed = |error| crate::error::store_error(operation, error);
                let steps = Self::migrations(&self.settings.table);
                let known = steps.len() as i64;
                let taken = self.steps_taken().await.map_err(failed)?;
                if taken > known {
                    return Err(oauth_tokens::StoreError::permanent(
                        operation,
                        format!(
                            "the table {} belongs to a newer version of oauth-store-sqlx (migration {taken}, and this version \
                             knows {known}); update the program",
                            self.settings.table
                        ),
                    ));
                }
                match taken == known {
                    true => Ok(()),
                    false => self.take_steps(&steps).await.map_err(failed),
                }
            }

            /// Runs an operation within the time limit.
            async fn run<T: Send>(
                &self,
                operation: oauth_tokens::StoreOperation,
                work: impl Future<Output = Result<T, sqlx::Error>> + Send,
            ) -> Result<T, oauth_tokens::StoreError> {
                match tokio::time::timeout(self.settings.time_limit, work).await {
                    Ok(outcome) => outcome.map_err(|error| crate::error::store_error(operation, error)),
                    Err(_) => Err(crate::error::timed_out(operation, self.settings.time_limit)),
                }
            }

            /// Runs an operation of the cache within the time limit.
            async fn run_cached<T: Send>(
                &self,
                work: impl Future<Output = Result<T, sqlx::Error>> + Send,
            ) -> Result<T, oauth_core::SharedCacheError> {
                let limit = self.settings.time_limit;
                match tokio::time::timeout(limit, work).await {
                    Ok(outcome) => Ok(outcome?),
                    Err(_) => Err(format!("no answer from the database within {limit:?}").into()),
                }
            }

            /// Deletes values that have expired. If that fails, the next one does it.
            async fn forget_cached(&self) {
                let forget = || sqlx::query(self.settings.statements.cache_forget.clone());
                let _ = self.run_cached(self.write(forget)).await;
            }

            async fn look(&self, id: &[u8]) -> Result<Option<crate::store::SeenRow>, sqlx::Error> {
                sqlx::query_as(self.settings.statements.look.clone()).bind(id).fetch_optional(&self.pool).await
            }

            /// Deletes by version, for the same reason as a save. Says whether there was something to delete; `None` if the row
            /// changed each time.
            async fn delete_in_time(&self, id: &[u8]) -> Result<Option<bool>, sqlx::Error> {
                for _ in 0..crate::store::ATTEMPTS {
                    let Some((version, Some(_), ..)) = self.look(id).await? else { return Ok(Some(false)) };
                    let delete = || sqlx::query(self.settings.statements.delete.clone()).bind(id).bind(version);
                    if self.write(delete).await?.rows_affected() > 0 {
                        return Ok(Some(true));
                    }
                }
                Ok(None)
            }

            async fn save_in_time(
                &self,
                key: &oauth_tokens::TokenKey,
                sealed: &[u8],
                summary: &oauth_tokens::Summary,
                expected: oauth_tokens::Expected,
                lease: Option<&oauth_tokens::Lease>,
            ) -> Result<Option<oauth_tokens::Saved>, sqlx::Error> {
                use oauth_tokens::{Expected, Record, Saved};

                use crate::store::{fence, holder, signed, unsigned};

                let columns = crate::key::Columns::of(key);
                // Which version is there or was last, 0 if there was none, and whether a token is there. Whatever that is, only
                // this is replaced: a statement that was given up, because the database stalled, may still be carried out
                // later, and must not replace what came after it, nor bring back what was deleted then.
                let mut seen = match expected {
                    Expected::Any => match self.look(&columns.id).await {
                        // There is no version after the last one.
                        Ok(Some((i64::MAX, ..))) | Err(sqlx::Error::ColumnDecode { .. }) => {
                            // No row of this store's making. It holds nothing that could be compared or kept.
                            sqlx::query(self.settings.statements.wipe.clone())
                                .bind(&columns.id)
                                .execute(&self.pool)
                                .await?;
                            (0, false)
                        }
                        found => {
                            let (version, found, ..) = found?.unwrap_or_default();
                            (version, found.is_some())
                        }
                    },
                    // True of most keys that have no token, and found out otherwise.
                    Expected::Absent => (0, false),
                    Expected::Version(version) => (signed(version), true),
                };
                for _ in 0..crate::store::ATTEMPTS {
                    let saved = match seen {
                        (version, false) => self.try_put(&columns, sealed, summary, version, lease).await?,
                        (version, true) => self.try_swap(&columns, sealed, summary, version, lease).await?,
                    };
                    if let Some(version) = saved {
                        return Ok(Some(Saved::Version(unsigned(version))));
                    }
                    // What is in the way is told by another statement. If nothing is any more, the save is tried again, so
                    // that each answer is true of one moment.
                    let (version, found, newest, held_by) = self.look(&columns.id).await?.unwrap_or_default();
                    seen = (version, found.is_some());
                    let is_anothers = held_by.is_some() && held_by.as_deref() != holder(lease);
                    if newest > fence(lease) || (newest == fence(lease) && is_anothers) {
                        return Ok(Some(Saved::Fenced));
                    }
                    let found = found.map(|sealed| Record::new(unsigned(version), sealed));
                    let fits = match expected {
                        Expected::Any => true,
                        Expected::Absent => found.is_none(),
                        Expected::Version(version) => found.as_ref().is_some_and(|found| found.version == version),
                    };
                    if !fits {
                        return Ok(Some(Saved::Conflict(found)));
                    }
                }
                Ok(None)
            }

            async fn acquire_in_time(
                &self,
                key: &oauth_tokens::TokenKey,
                holder: &str,
                lifetime: std::time::Duration,
            ) -> Result<Option<oauth_tokens::Acquired>, sqlx::Error> {
                let columns = crate::key::Columns::of(key);
                for _ in 0..crate::store::ATTEMPTS {
                    if let Some(acquired) = self.try_acquire(&columns, holder, lifetime).await? {
                        return Ok(Some(acquired));
                    }
                }
                Ok(None)
            }

            /// Says for how long the lease is held, if it is.
            async fn held(&self, id: &[u8]) -> Result<Option<oauth_tokens::Acquired>, sqlx::Error> {
                let left: Option<i64> = sqlx::query_scalar(self.settings.statements.held.clone())
                    .bind(id)
                    .fetch_optional(&self.pool)
                    .await?;
                let left = left.filter(|&left| left > 0).map(crate::store::unsigned);
                Ok(left.map(|left| oauth_tokens::Acquired::Held { retry_in: std::time::Duration::from_millis(left) }))
            }
        }

        #[oauth_tokens::async_trait]
        impl oauth_tokens::TokenStore for $store {
            async fn now(&self) -> Result<Option<oauth_core::OffsetDateTime>, oauth_tokens::StoreError> {
                let query = sqlx::query_scalar(crate::statements::sql(format!("SELECT {}", Self::NOW)));
                let now: i64 =
                    self.run(oauth_tokens::StoreOperation::Now, query.fetch_one(&self.pool)).await?;
                // Dates end long before the milliseconds do.
                let now = oauth_core::OffsetDateTime::from_unix_timestamp_nanos(i128::from(now) * 1_000_000);
                Ok(now.ok())
            }

            async fn load(
                &self,
                key: &oauth_tokens::TokenKey,
            ) -> Result<Option<oauth_tokens::Record>, oauth_tokens::StoreError> {
                let query = sqlx::query_as(self.settings.statements.load.clone()).bind(crate::key::id(key));
                let row: Option<(i64, Vec<u8>)> =
                    self.run(oauth_tokens::StoreOperation::Load, query.fetch_optional(&self.pool)).await?;
                Ok(row.map(|(version, sealed)| {
                    oauth_tokens::Record::new(crate::store::unsigned(version), sealed)
                }))
            }

            async fn save(
                &self,
                key: &oauth_tokens::TokenKey,
                sealed: oauth_tokens::Bytes,
                expected: oauth_tokens::Expected,
                lease: Option<&oauth_tokens::Lease>,
            ) -> Result<oauth_tokens::Saved, oauth_tokens::StoreError> {
                self.save_described(key, sealed, &oauth_tokens::Summary::default(), expected, lease).await
            }

            async fn save_described(
                &self,
                key: &oauth_tokens::TokenKey,
                sealed: oauth_tokens::Bytes,
                summary: &oauth_tokens::Summary,
                expected: oauth_tokens::Expected,
                lease: Option<&oauth_tokens::Lease>,
            ) -> Result<oauth_tokens::Saved, oauth_tokens::StoreError> {
                let operation = oauth_tokens::StoreOperation::Save;
                let saving = self.save_in_time(key, &sealed, summary, expected, lease);
                let saved = self.run(operation, saving).await?;
                saved.ok_or_else(|| crate::error::too_busy(operation))
            }

            fn can_find(&self) -> bool {
                true
            }

            async fn find(
                &self,
                filter: &oauth_tokens::Filter,
                after: Option<&oauth_tokens::TokenKey>,
                limit: usize,
            ) -> Result<Vec<oauth_tokens::Found>, oauth_tokens::StoreError> {
                let limit = i64::try_from(limit).unwrap_or(i64::MAX);
                let search = self.settings.statements.find.find(filter, after.map(crate::key::id), limit);
                let query = crate::store::bind_all!(sqlx::query_as(search.sql), search.bound);
                let rows: Vec<crate::store::FoundRow> =
                    self.run(oauth_tokens::StoreOperation::Find, query.fetch_all(&self.pool)).await?;
                Ok(rows.into_iter().map(crate::store::found).collect())
            }

            async fn count(
                &self,
                filter: &oauth_tokens::Filter,
            ) -> Result<u64, oauth_tokens::StoreError> {
                let search = self.settings.statements.find.count(filter);
                let query = crate::store::bind_all!(sqlx::query_scalar(search.sql), search.bound);
                let counted: i64 =
                    self.run(oauth_tokens::StoreOperation::Find, query.fetch_one(&self.pool)).await?;
                Ok(crate::store::unsigned(counted))
            }

            async fn delete(&self, key: &oauth_tokens::TokenKey) -> Result<bool, oauth_tokens::StoreError> {
                let operation = oauth_tokens::StoreOperation::Delete;
                let deleted = self.run(operation, self.delete_in_time(&crate::key::id(key))).await?;
                let existed = deleted.ok_or_else(|| crate::error::too_busy(operation))?;
                if existed {
                    // What was deleted before yesterday goes. If that fails, the next one does it.
                    let forget = || sqlx::query(self.settings.statements.forget.clone());
                    let _ = self.run(operation, self.write(forget)).await;
                }
                Ok(existed)
            }

            async fn delete_version(
                &self,
                key: &oauth_tokens::TokenKey,
                version: u64,
            ) -> Result<bool, oauth_tokens::StoreError> {
                let id = crate::key::id(key);
                let delete = || {
                    sqlx::query(self.settings.statements.delete.clone()).bind(&id).bind(crate::store::signed(version))
                };
                let deleted = self.run(oauth_tokens::StoreOperation::Delete, self.write(delete)).await?;
                Ok(deleted.rows_affected() > 0)
            }

            async fn list(
                &self,
                tenant: &str,
                subject: &str,
            ) -> Result<Vec<(oauth_tokens::TokenKey, oauth_tokens::Record)>, oauth_tokens::StoreError> {
                type Row = (String, String, String, String, i64, Vec<u8>);
                let query = sqlx::query_as(self.settings.statements.list.clone())
                    .bind(crate::key::owner(tenant, subject));
                let rows: Vec<Row> =
                    self.run(oauth_tokens::StoreOperation::List, query.fetch_all(&self.pool)).await?;
                let read = |(tenant, subject, provider, label, version, sealed): Row| {
                    let key = crate::key::key(&tenant, &subject, &provider, &label);
                    (key, oauth_tokens::Record::new(crate::store::unsigned(version), sealed))
                };
                let mut records: Vec<_> = rows.into_iter().map(read).collect();
                // Not by the database, because the texts are escaped there.
                records.sort_by(|(one, _), (other, _)| one.cmp(other));
                Ok(records)
            }

            async fn acquire(
                &self,
                key: &oauth_tokens::TokenKey,
                holder: &str,
                lifetime: std::time::Duration,
            ) -> Result<oauth_tokens::Acquired, oauth_tokens::StoreError> {
                let operation = oauth_tokens::StoreOperation::Acquire;
                let acquired = self.run(operation, self.acquire_in_time(key, holder, lifetime)).await?;
                acquired.ok_or_else(|| crate::error::too_busy(operation))
            }

            async fn extend(
                &self,
                key: &oauth_tokens::TokenKey,
                lease: &oauth_tokens::Lease,
                lifetime: std::time::Duration,
            ) -> Result<bool, oauth_tokens::StoreError> {
                let id = crate::key::id(key);
                let extend = || {
                    sqlx::query(self.settings.statements.extend.clone())
                        .bind(crate::store::milliseconds(lifetime))
                        .bind(&id)
                        .bind(crate::store::signed(lease.fence))
                        .bind(&*lease.holder)
                };
                let done = self.run(oauth_tokens::StoreOperation::Extend, self.write(extend)).await?;
                Ok(done.rows_affected() > 0)
            }

            async fn release(
                &self,
                key: &oauth_tokens::TokenKey,
                lease: &oauth_tokens::Lease,
            ) -> Result<(), oauth_tokens::StoreError> {
                let id = crate::key::id(key);
                let release = || {
                    sqlx::query(self.settings.statements.release.clone())
                        .bind(&id)
                        .bind(crate::store::signed(lease.fence))
                        .bind(&*lease.holder)
                };
                self.run(oauth_tokens::StoreOperation::Release, self.write(release)).await?;
                Ok(())
            }
        }

        #[oauth_tokens::async_trait]
        impl oauth_core::SharedCache for $store {
            async fn get(
                &self,
                name: &str,
            ) -> Result<Option<oauth_tokens::Bytes>, oauth_core::SharedCacheError> {
                let query = sqlx::query_scalar(self.settings.statements.cache_get.clone())
                    .bind(crate::key::hash(&[name]));
                let value: Option<Vec<u8>> = self.run_cached(query.fetch_optional(&self.pool)).await?;
                Ok(value.map(Into::into))
            }

            async fn put(
                &self,
                name: &str,
                value: oauth_tokens::Bytes,
                lifetime: std::time::Duration,
            ) -> Result<(), oauth_core::SharedCacheError> {
                let id = crate::key::hash(&[name]);
                let put = || {
                    sqlx::query(self.settings.statements.cache_put.clone())
                        .bind(&id)
                        .bind(&*value)
                        .bind(crate::store::milliseconds(lifetime))
                };
                self.run_cached(self.write(put)).await?;
                self.forget_cached().await;
                Ok(())
            }

            async fn put_new(
                &self,
                name: &str,
                value: oauth_tokens::Bytes,
                lifetime: std::time::Duration,
            ) -> Result<bool, oauth_core::SharedCacheError> {
                let is_put = self.run_cached(self.try_put_new(name, &value, lifetime)).await?;
                self.forget_cached().await;
                Ok(is_put)
            }

            async fn take(
                &self,
                name: &str,
            ) -> Result<Option<oauth_tokens::Bytes>, oauth_core::SharedCacheError> {
                Ok(self.run_cached(self.try_take(name)).await?.map(Into::into))
            }
        }

        /// Shows the table; the pool's options may hold a password.
        impl std::fmt::Debug for $store {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($store))
                    .field("table", &self.settings.table.to_string())
                    .finish_non_exhaustive()
            }
        }
    };
}

pub(crate) use implement;

/// Implements what is left for a database whose statements return what they have written.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
macro_rules! implement_returning {
    ($store:ident, $database:ty, $dialect:expr) => {
        impl $store {
            const NOW: &'static str = $dialect.now;

            fn settings(table: crate::table::TableName) -> StoreSettings<crate::statements::ReturningStatements> {
                let statements = crate::statements::Statements::new(&table, $dialect);
                let writes = crate::statements::ReturningStatements::new(&table, $dialect);
                StoreSettings::new(table, statements, writes)
            }

            fn migrations(table: &crate::table::TableName) -> Vec<Vec<String>> {
                crate::statements::migrations(table, $dialect)
            }

            fn journal(table: &crate::table::TableName) -> String {
                crate::statements::journal(table, $dialect)
            }

            async fn take_steps(&self, steps: &[Vec<String>]) -> Result<(), sqlx::Error> {
                let mut transaction = self.begin_alone().await?;
                let journal = Self::journal(&self.settings.table);
                sqlx::raw_sql(crate::statements::sql(journal)).execute(&mut *transaction).await?;
                let journal = self.settings.table.with("_migrations");
                // Somebody else may have done it while this waited.
                let taken = format!("SELECT coalesce(max(version), 0) FROM {journal}");
                let taken: i64 =
                    sqlx::query_scalar(crate::statements::sql(taken)).fetch_one(&mut *transaction).await?;
                for (index, step) in steps.iter().enumerate().skip(usize::try_from(taken).unwrap_or(0)) {
                    for statement in step {
                        sqlx::raw_sql(crate::statements::sql(statement.clone())).execute(&mut *transaction).await?;
                    }
                    let note = format!("INSERT INTO {journal} (version) VALUES ({})", index + 1);
                    sqlx::raw_sql(crate::statements::sql(note)).execute(&mut *transaction).await?;
                }
                transaction.commit().await
            }

            async fn write<'q>(
                &self,
                query: impl Fn() -> sqlx::query::Query<'q, $database, <$database as sqlx::Database>::Arguments> + Send,
            ) -> Result<<$database as sqlx::Database>::QueryResult, sqlx::Error> {
                query().execute(&self.pool).await
            }

            async fn try_put(
                &self,
                columns: &crate::key::Columns<'_>,
                sealed: &[u8],
                summary: &oauth_tokens::Summary,
                version: i64,
                lease: Option<&oauth_tokens::Lease>,
            ) -> Result<Option<i64>, sqlx::Error> {
                // All rows are fetched, because SQLite ends a statement that writes when it was read to its end.
                let rows = sqlx::query_scalar(self.settings.writes.put.clone())
                    .bind(&columns.id)
                    .bind(&columns.owner)
                    .bind(&*columns.tenant)
                    .bind(&*columns.subject)
                    .bind(&*columns.provider)
                    .bind(&*columns.label)
                    .bind(sealed)
                    .bind(crate::store::fence(lease))
                    .bind(version)
                    .bind(crate::store::status(summary))
                    .bind(summary.due_at)
                    .bind(summary.sealing_key.as_deref())
                    .bind(crate::store::holder(lease))
                    .fetch_all(&self.pool)
                    .await?;
                Ok(rows.first().copied())
            }

            async fn try_swap(
                &self,
                columns: &crate::key::Columns<'_>,
                sealed: &[u8],
                summary: &oauth_tokens::Summary,
                version: i64,
                lease: Option<&oauth_tokens::Lease>,
            ) -> Result<Option<i64>, sqlx::Error> {
                let rows = sqlx::query_scalar(self.settings.writes.swap.clone())
                    .bind(&columns.id)
                    .bind(sealed)
                    .bind(version)
                    .bind(crate::store::fence(lease))
                    .bind(crate::store::status(summary))
                    .bind(summary.due_at)
                    .bind(summary.sealing_key.as_deref())
                    .bind(crate::store::holder(lease))
                    .fetch_all(&self.pool)
                    .await?;
                Ok(rows.first().copied())
            }

            async fn try_acquire(
                &self,
                columns: &crate::key::Columns<'_>,
                holder: &str,
                lifetime: std::time::Duration,
            ) -> Result<Option<oauth_tokens::Acquired>, sqlx::Error> {
                use oauth_tokens::{Acquired, Lease};

                let rows: Vec<i64> = sqlx::query_scalar(self.settings.writes.acquire.clone())
                    .bind(&columns.id)
                    .bind(&columns.owner)
                    .bind(&*columns.tenant)
                    .bind(&*columns.subject)
                    .bind(&*columns.provider)
                    .bind(&*columns.label)
                    .bind(holder)
                    .bind(crate::store::milliseconds(lifetime))
                    .fetch_all(&self.pool)
                    .await?;
                match rows.first() {
                    Some(&fence) => {
                        Ok(Some(Acquired::Granted(Lease::new(crate::store::unsigned(fence), holder))))
                    }
                    None => self.held(&columns.id).await,
                }
            }

            async fn try_put_new(
                &self,
                name: &str,
                value: &[u8],
                lifetime: std::time::Duration,
            ) -> Result<bool, sqlx::Error> {
                let query = sqlx::query_scalar(self.settings.writes.cache_put_new.clone())
                    .bind(crate::key::hash(&[name]))
                    .bind(value)
                    .bind(crate::store::milliseconds(lifetime));
                let put: Vec<i64> = query.fetch_all(&self.pool).await?;
                Ok(!put.is_empty())
            }

            async fn try_take(&self, name: &str) -> Result<Option<Vec<u8>>, sqlx::Error> {
                let query = sqlx::query_scalar(self.settings.writes.cache_take.clone())
                    .bind(crate::key::hash(&[name]));
                let taken: Vec<Vec<u8>> = query.fetch_all(&self.pool).await?;
                Ok(taken.into_iter().next())
            }
        }
    };
}

#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) use implement_returning;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rounded_up_and_end_somewhere() {
        assert_eq!(milliseconds(Duration::from_micros(1)), 1);
        assert_eq!(milliseconds(Duration::from_millis(1500)), 1500);
        assert!(milliseconds(Duration::MAX) < i64::MAX / 2);
    }
}
