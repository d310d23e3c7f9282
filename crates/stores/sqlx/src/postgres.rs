use oauth_tokens::StoreError;
use sqlx::{PgPool, Postgres, Transaction};

use crate::{
    statements::{POSTGRES, ReturningStatements, sql},
    store::{StoreSettings, implement, implement_returning},
    table::TableName,
};

/// A store in PostgreSQL 11 or later, for all machines of an application.
///
/// A clone is the same store.
///
/// The pool must connect to the primary: a replica lags behind and takes no writes. What PostgreSQL has acknowledged survives
/// its crash unless `synchronous_commit` is off; whether it survives the loss of the machine depends on the replication.
///
/// Behind PgBouncer, with `ignore_startup_parameters = extra_float_digits`: in the pool mode `session` with any version; in the mode
/// `transaction` with version 1.21 or later and `max_prepared_statements` above 0, because sqlx prepares each statement before it runs it.
/// Turning sqlx's statement cache off does not change that.
#[derive(Clone)]
pub struct PostgresStore {
    pool: PgPool,
    settings: StoreSettings<ReturningStatements>,
}

impl PostgresStore {
    /// A store that uses the application's own pool. Call [`migrate`](Self::migrate) before the first use.
    ///
    /// Give the pool an `acquire_timeout`, and let it test connections before it hands them out, which it does by default.
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        Self { pool, settings: Self::settings(TableName::default()) }
    }

    /// Parses the name of a table, which may be in an existing schema: `app.oauth_tokens`.
    fn table(name: &str) -> Result<TableName, StoreError> {
        TableName::parse(name)
    }

    /// How many migrations were applied.
    async fn steps_taken(&self) -> Result<i64, sqlx::Error> {
        let journal = self.settings.table.with("_migrations");
        let exists: bool = sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL")
            .bind(&journal)
            .fetch_one(&self.pool)
            .await?;
        match exists {
            false => Ok(0),
            true => {
                let taken = format!("SELECT coalesce(max(version), 0) FROM {journal}");
                sqlx::query_scalar(sql(taken)).fetch_one(&self.pool).await
            }
        }
    }

    /// Begins a transaction that nobody else who migrates this table can have at the same time.
    async fn begin_alone(&self) -> Result<Transaction<'_, Postgres>, sqlx::Error> {
        // At a higher level, which may be the default, the transaction would go on to see what there was before it waited.
        let mut transaction = self.pool.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED").await?;
        sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))")
            .bind(self.settings.table.with("_migrations"))
            .execute(&mut *transaction)
            .await?;
        Ok(transaction)
    }
}

implement!(PostgresStore);
implement_returning!(PostgresStore, sqlx::Postgres, POSTGRES);
