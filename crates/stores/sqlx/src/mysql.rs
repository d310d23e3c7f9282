use std::{sync::Arc, time::Duration};

use oauth_tokens::{Acquired, Lease, StoreError, Summary};
use sqlx::{MySql, MySqlPool, mysql::MySqlQueryResult, query::Query};
use tokio::sync::OnceCell;

use crate::{
    error::{is_already_there, is_duplicate, is_missing_table, is_rolled_back},
    key::{Columns, hash},
    mysql_statements::{self, MySqlStatements},
    statements::sql,
    store::{ATTEMPTS, StoreSettings, fence, holder, implement, milliseconds, status},
    table::TableName,
};

/// A store in MariaDB 10.5 or MySQL 8.0, or later ones, for all machines of an application.
///
/// A clone is the same store.
///
/// The pool must connect to the primary: a replica lags behind and takes no writes. What the server has acknowledged survives its
/// crash unless `innodb_flush_log_at_trx_commit` or `sync_binlog` was turned down; whether it survives the loss of the machine depends
/// on the replication. A record must fit into `max_allowed_packet`.
#[derive(Clone)]
pub struct MySqlStore {
    pool: MySqlPool,
    settings: StoreSettings<MySqlStatements>,
    /// Whether the pool's connections were found to commit each statement by themselves.
    commits: Arc<OnceCell<()>>,
}

type MySqlQuery<'q> = Query<'q, MySql, <MySql as sqlx::Database>::Arguments>;

impl MySqlStore {
    const NOW: &'static str = mysql_statements::NOW;

    /// A store that uses the application's own pool. Call [`migrate`](Self::migrate) before the first use.
    ///
    /// Connections must have `autocommit` on, which is the default: otherwise nothing of what the store writes would ever be committed,
    /// and it refuses to write.
    ///
    /// Give the pool an `acquire_timeout`, and let it test connections before it hands them out, which it does by default. Leave the
    /// character set of its connections at `utf8mb4`, which is sqlx's default.
    #[must_use]
    pub fn new(pool: MySqlPool) -> Self {
        let settings = Self::settings(TableName::default().in_backticks());
        Self { pool, settings, commits: Arc::default() }
    }

    fn settings(table: TableName) -> StoreSettings<MySqlStatements> {
        let (statements, writes) = (mysql_statements::statements(&table), MySqlStatements::new(&table));
        StoreSettings::new(table, statements, writes)
    }

    /// Parses the name of a table, which may be in another database of the server: `app.oauth_tokens`.
    fn table(name: &str) -> Result<TableName, StoreError> {
        Ok(TableName::parse(name)?.in_backticks())
    }

    fn migrations(table: &TableName) -> Vec<Vec<String>> {
        mysql_statements::migrations(table)
    }

    fn journal(table: &TableName) -> String {
        mysql_statements::journal(table)
    }

    /// How many migrations were applied.
    async fn steps_taken(&self) -> Result<i64, sqlx::Error> {
        let journal = self.settings.table.with("_migrations");
        let taken = format!("SELECT COALESCE(MAX(version), 0) FROM {journal}");
        match sqlx::query_scalar(sql(taken)).fetch_one(&self.pool).await {
            Err(error) if is_missing_table(&error) => Ok(0),
            taken => taken,
        }
    }

    /// Takes the steps that are missing. Several who do it at once, and one who goes on where another was interrupted, find what is
    /// there already.
    async fn take_steps(&self, steps: &[Vec<String>]) -> Result<(), sqlx::Error> {
        self.commits.get_or_try_init(|| self.check_autocommit()).await?;
        let taken = self.steps_taken().await?;
        let mut statements = vec![Self::journal(&self.settings.table)];
        let journal = self.settings.table.with("_migrations");
        for (index, step) in steps.iter().enumerate().skip(usize::try_from(taken).unwrap_or(0)) {
            statements.extend_from_slice(step);
            let version = index + 1;
            statements.push(format!(
                "INSERT INTO {journal} (version) VALUES ({version}) ON DUPLICATE KEY UPDATE version = {version}"
            ));
        }
        for statement in statements {
            match sqlx::raw_sql(sql(statement)).execute(&self.pool).await {
                Err(error) if is_already_there(&error) => {}
                Err(error) => return Err(error),
                Ok(_) => {}
            }
        }
        Ok(())
    }

    /// Refuses connections that leave each statement in a transaction which nobody ends.
    async fn check_autocommit(&self) -> Result<(), sqlx::Error> {
        let commits: i64 = sqlx::query_scalar(sql("SELECT CAST(@@autocommit AS SIGNED)".to_owned()))
            .fetch_one(&self.pool)
            .await?;
        match commits {
            0 => Err(sqlx::Error::Configuration(
                "`autocommit` is off in this pool's connections, so that nothing would be saved: switch it on".into(),
            )),
            _ => Ok(()),
        }
    }

    /// Runs a statement that writes, and again if the server has rolled it back because of others.
    async fn write<'q>(
        &self,
        query: impl Fn() -> MySqlQuery<'q> + Send,
    ) -> Result<MySqlQueryResult, sqlx::Error> {
        self.commits.get_or_try_init(|| self.check_autocommit()).await?;
        for _ in 1..ATTEMPTS {
            match query().execute(&self.pool).await {
                Err(error) if is_rolled_back(&error) => {}
                done => return done,
            }
        }
        query().execute(&self.pool).await
    }

    /// Inserts a row, and says whether it did; not if there is one.
    async fn insert<'q>(&self, query: impl Fn() -> MySqlQuery<'q> + Send) -> Result<bool, sqlx::Error> {
        match self.write(query).await {
            Err(error) if is_duplicate(&error) => Ok(false),
            done => done.map(|_| true),
        }
    }

    async fn try_put(
        &self,
        columns: &Columns<'_>,
        sealed: &[u8],
        summary: &Summary,
        version: i64,
        lease: Option<&Lease>,
    ) -> Result<Option<i64>, sqlx::Error> {
        if version == 0 {
            let insert = || {
                bind_key(sqlx::query(self.settings.writes.insert.clone()), columns)
                    .bind(sealed)
                    .bind(status(summary))
                    .bind(summary.due_at)
                    .bind(summary.sealing_key.as_deref())
            };
            if self.insert(insert).await? {
                return Ok(Some(1));
            }
        }
        self.change(self.settings.writes.put.clone(), columns, sealed, summary, version, lease).await
    }

    async fn try_swap(
        &self,
        columns: &Columns<'_>,
        sealed: &[u8],
        summary: &Summary,
        version: i64,
        lease: Option<&Lease>,
    ) -> Result<Option<i64>, sqlx::Error> {
        self.change(self.settings.writes.swap.clone(), columns, sealed, summary, version, lease).await
    }

    async fn change(
        &self,
        statement: sqlx::SqlStr,
        columns: &Columns<'_>,
        sealed: &[u8],
        summary: &Summary,
        version: i64,
        lease: Option<&Lease>,
    ) -> Result<Option<i64>, sqlx::Error> {
        // There is no version after the last one.
        let Some(next) = version.checked_add(1) else { return Ok(None) };
        let query = || {
            sqlx::query(statement.clone())
                .bind(sealed)
                .bind(status(summary))
                .bind(summary.due_at)
                .bind(summary.sealing_key.as_deref())
                .bind(&columns.id)
                .bind(version)
                .bind(fence(lease))
                .bind(fence(lease))
                .bind(holder(lease))
        };
        let done = self.write(query).await?;
        Ok((done.rows_affected() > 0).then_some(next))
    }

    async fn try_acquire(
        &self,
        columns: &Columns<'_>,
        holder: &str,
        lifetime: Duration,
    ) -> Result<Option<Acquired>, sqlx::Error> {
        let query = || {
            sqlx::query(self.settings.writes.acquire.clone())
                .bind(holder)
                .bind(milliseconds(lifetime))
                .bind(&columns.id)
        };
        let done = self.write(query).await?;
        if done.rows_affected() > 0 {
            return Ok(Some(Acquired::Granted(Lease::new(done.last_insert_id(), holder))));
        }
        let held = self.held(&columns.id).await?;
        if held.is_some() {
            return Ok(held);
        }
        let query = || {
            bind_key(sqlx::query(self.settings.writes.insert_lease.clone()), columns)
                .bind(holder)
                .bind(milliseconds(lifetime))
        };
        let granted = self.insert(query).await?;
        Ok(granted.then(|| Acquired::Granted(Lease::new(1, holder))))
    }

    async fn try_put_new(&self, name: &str, value: &[u8], lifetime: Duration) -> Result<bool, sqlx::Error> {
        let id = hash(&[name]);
        for _ in 0..ATTEMPTS {
            let insert = || {
                sqlx::query(self.settings.writes.cache_insert.clone())
                    .bind(&id)
                    .bind(value)
                    .bind(milliseconds(lifetime))
            };
            if self.insert(insert).await? {
                return Ok(true);
            }
            let replace = || {
                sqlx::query(self.settings.writes.cache_replace.clone())
                    .bind(value)
                    .bind(milliseconds(lifetime))
                    .bind(&id)
            };
            if self.write(replace).await?.rows_affected() > 0 {
                return Ok(true);
            }
            let there: Option<Vec<u8>> = sqlx::query_scalar(self.settings.statements.cache_get.clone())
                .bind(&id)
                .fetch_optional(&self.pool)
                .await?;
            if there.is_some() {
                return Ok(false);
            }
            // It has expired or was taken in between.
        }
        Ok(false)
    }

    async fn try_take(&self, name: &str) -> Result<Option<Vec<u8>>, sqlx::Error> {
        let id = hash(&[name]);
        for _ in 0..ATTEMPTS {
            let there: Option<(Vec<u8>, i64)> = sqlx::query_as(self.settings.writes.cache_look.clone())
                .bind(&id)
                .fetch_optional(&self.pool)
                .await?;
            let Some((value, expires_at)) = there else { return Ok(None) };
            let delete = || {
                sqlx::query(self.settings.writes.cache_delete.clone()).bind(&id).bind(&value).bind(expires_at)
            };
            // Of several who have seen it, one deletes it.
            if self.write(delete).await?.rows_affected() > 0 {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }
}

/// Binds the columns of a key in their order.
fn bind_key<'q>(query: MySqlQuery<'q>, columns: &'q Columns<'_>) -> MySqlQuery<'q> {
    query
        .bind(&columns.id)
        .bind(&columns.owner)
        .bind(hash(&[columns.key.tenant()]))
        .bind(hash(&[columns.key.subject()]))
        .bind(hash(&[columns.key.provider()]))
        .bind(&*columns.tenant)
        .bind(&*columns.subject)
        .bind(&*columns.provider)
        .bind(&*columns.label)
}

implement!(MySqlStore);
