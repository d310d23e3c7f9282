//! The SQL of a store, made once from the name of its table.
//!
//! SQLite and PostgreSQL understand the same statements, but for the clock and two names of types. Each statement is one atomic
//! step without a transaction around it. The names come from [`TableName`], which lets nothing through that would need
//! escaping; everything else is bound.

use std::sync::Arc;

use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};

use crate::table::TableName;

/// What differs between the databases.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SqlDialect {
    /// Milliseconds since 1970 by the database's clock, at this moment and not at the beginning of the statement, which may
    /// have waited for another.
    pub(crate) now: &'static str,
    pub(crate) bytes: &'static str,
    pub(crate) integer: &'static str,
    /// Ends a query whose rows are about to be deleted, so that two who clean up do not wait for each other.
    pub(crate) skip_locked: &'static str,
}

#[cfg(feature = "sqlite")]
pub(crate) const SQLITE: SqlDialect = SqlDialect {
    // unixepoch('subsec') would need SQLite 3.42, and be NULL before.
    now: "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)",
    bytes: "BLOB",
    integer: "INTEGER",
    skip_locked: "",
};

#[cfg(feature = "postgres")]
pub(crate) const POSTGRES: SqlDialect = SqlDialect {
    now: "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)",
    bytes: "BYTEA",
    integer: "BIGINT",
    skip_locked: "FOR UPDATE SKIP LOCKED",
};

#[derive(Debug)]
pub(crate) struct Statements {
    pub(crate) load: SqlStr,
    pub(crate) put: SqlStr,
    pub(crate) swap: SqlStr,
    pub(crate) look: SqlStr,
    pub(crate) delete: SqlStr,
    pub(crate) forget: SqlStr,
    pub(crate) list: SqlStr,
    pub(crate) acquire: SqlStr,
    pub(crate) held: SqlStr,
    pub(crate) extend: SqlStr,
    pub(crate) release: SqlStr,
    pub(crate) cache_get: SqlStr,
    pub(crate) cache_put: SqlStr,
    pub(crate) cache_put_new: SqlStr,
    pub(crate) cache_take: SqlStr,
    pub(crate) cache_forget: SqlStr,
}

/// How long the numbers of a deleted key are remembered: the contract's day, in milliseconds.
const REMEMBERED: u64 = 24 * 60 * 60 * 1000;

/// How much is cleaned up at a time.
const FORGET_AT_ONCE: u64 = 100;

impl Statements {
    pub(crate) fn new(table: &TableName, dialect: SqlDialect) -> Arc<Self> {
        let SqlDialect { now, skip_locked, .. } = dialect;
        let (tokens, cache) = (table.with(""), table.with("_cache"));
        Arc::new(Self {
            load: sql(format!("SELECT version, sealed FROM {tokens} WHERE id = $1 AND sealed IS NOT NULL")),
            // $9: the version of the row that was seen without a token, 0 if none was: had it had one since, it would be higher.
            put: sql(format!(
                "INSERT INTO {tokens} AS t \
                 (id, owner, tenant, subject, provider, label, version, sealed, fence, changed_at) \
                 VALUES ($1, $2, $3, $4, $5, $6, 1, $7, 0, {now}) \
                 ON CONFLICT (id) DO UPDATE SET version = t.version + 1, sealed = excluded.sealed, changed_at = {now} \
                 WHERE t.fence <= $8 AND t.version = $9 AND t.sealed IS NULL \
                 RETURNING version"
            )),
            // A deleted token leaves its version behind, so that the version alone does not tell that it is there.
            swap: sql(format!(
                "UPDATE {tokens} SET version = version + 1, sealed = $2, changed_at = {now} \
                 WHERE id = $1 AND version = $3 AND fence <= $4 AND sealed IS NOT NULL \
                 RETURNING version"
            )),
            look: sql(format!("SELECT version, sealed, fence FROM {tokens} WHERE id = $1")),
            // The row stays for its numbers.
            delete: sql(format!(
                "UPDATE {tokens} SET sealed = NULL, changed_at = {now} \
                 WHERE id = $1 AND version = $2 AND sealed IS NOT NULL"
            )),
            forget: sql(format!(
                "DELETE FROM {tokens} WHERE id IN (SELECT id FROM {tokens} WHERE sealed IS NULL \
                 AND changed_at < {now} - {REMEMBERED} AND (held_until IS NULL OR held_until < {now} - {REMEMBERED}) \
                 LIMIT {FORGET_AT_ONCE} {skip_locked})"
            )),
            list: sql(format!(
                "SELECT tenant, subject, provider, label, version, sealed FROM {tokens} \
                 WHERE owner = $1 AND sealed IS NOT NULL"
            )),
            acquire: sql(format!(
                "INSERT INTO {tokens} AS t \
                 (id, owner, tenant, subject, provider, label, version, fence, holder, held_until, changed_at) \
                 VALUES ($1, $2, $3, $4, $5, $6, 0, 1, $7, {now} + $8, {now}) \
                 ON CONFLICT (id) DO UPDATE SET fence = t.fence + 1, holder = excluded.holder, held_until = {now} + $8 \
                 WHERE t.held_until IS NULL OR t.held_until <= {now} \
                 RETURNING fence"
            )),
            held: sql(format!(
                "SELECT held_until - {now} FROM {tokens} WHERE id = $1 AND held_until IS NOT NULL"
            )),
            extend: sql(format!(
                "UPDATE {tokens} SET held_until = {now} + $3 WHERE id = $1 AND fence = $2 AND held_until IS NOT NULL"
            )),
            release: sql(format!(
                "UPDATE {tokens} SET held_until = NULL, holder = NULL WHERE id = $1 AND fence = $2"
            )),
            cache_get: sql(format!("SELECT value FROM {cache} WHERE id = $1 AND expires_at > {now}")),
            cache_put: sql(format!(
                "INSERT INTO {cache} (id, value, expires_at) VALUES ($1, $2, {now} + $3) \
                 ON CONFLICT (id) DO UPDATE SET value = excluded.value, expires_at = {now} + $3"
            )),
            cache_put_new: sql(format!(
                "INSERT INTO {cache} AS t (id, value, expires_at) VALUES ($1, $2, {now} + $3) \
                 ON CONFLICT (id) DO UPDATE SET value = excluded.value, expires_at = {now} + $3 \
                 WHERE t.expires_at <= {now} \
                 RETURNING expires_at"
            )),
            cache_take: sql(format!(
                "DELETE FROM {cache} WHERE id = $1 AND expires_at > {now} RETURNING value"
            )),
            cache_forget: sql(format!(
                "DELETE FROM {cache} WHERE id IN \
                 (SELECT id FROM {cache} WHERE expires_at <= {now} LIMIT {FORGET_AT_ONCE} {skip_locked})"
            )),
        })
    }
}

/// The steps that make the tables what they are now. A step that was published is never changed; another follows it.
pub(crate) fn migrations(table: &TableName, dialect: SqlDialect) -> Vec<Vec<String>> {
    let SqlDialect { bytes, integer, .. } = dialect;
    let (tokens, cache) = (table.with(""), table.with("_cache"));
    let index = |suffix: &str| table.index(suffix);
    vec![vec![
        format!(
            "CREATE TABLE {tokens} (
    id {bytes} NOT NULL PRIMARY KEY,
    owner {bytes} NOT NULL,
    tenant TEXT NOT NULL,
    subject TEXT NOT NULL,
    provider TEXT NOT NULL,
    label TEXT NOT NULL,
    version {integer} NOT NULL,
    sealed {bytes},
    fence {integer} NOT NULL,
    holder TEXT,
    held_until {integer},
    changed_at {integer} NOT NULL
)"
        ),
        format!("CREATE INDEX {} ON {tokens} (owner)", index("_owner")),
        format!("CREATE INDEX {} ON {tokens} (changed_at) WHERE sealed IS NULL", index("_deleted")),
        format!(
            "CREATE TABLE {cache} (
    id {bytes} NOT NULL PRIMARY KEY,
    value {bytes} NOT NULL,
    expires_at {integer} NOT NULL
)"
        ),
        format!("CREATE INDEX {} ON {cache} (expires_at)", index("_cache_expires_at")),
    ]]
}

/// Where it is written which of the steps were taken.
pub(crate) fn journal(table: &TableName, dialect: SqlDialect) -> String {
    let (journal, integer) = (table.with("_migrations"), dialect.integer);
    format!("CREATE TABLE IF NOT EXISTS {journal} (version {integer} NOT NULL PRIMARY KEY)")
}

pub(crate) fn sql(text: String) -> SqlStr {
    AssertSqlSafe(Arc::<str>::from(text)).into_sql_str()
}
