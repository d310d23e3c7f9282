//! The SQL of a store in MariaDB or MySQL.
//!
//! They have no `RETURNING` in common, and no condition on what an insert may replace. So a row is inserted by one statement and
//! changed by another, each of which does the whole step or nothing of it: the version after a change follows from the one that it
//! demanded, and the number of a lease is what `LAST_INSERT_ID(number)` hands to the client.
//!
//! Assignments of an `UPDATE` are made from left to right, and see what those before them have assigned.

use sqlx::SqlStr;

use crate::{
    statements::{FORGET_AT_ONCE, FindKind, FindParts, REMEMBERED, Statements, sql},
    table::TableName,
};

/// Milliseconds since 1970 at this moment: `UTC_TIMESTAMP` and `NOW` are those of the beginning of the statement, which may have
/// waited for another, and `SYSDATE` is in whatever time zone the connection has.
pub(crate) const NOW: &str = "CAST((TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) \
                              + TIMESTAMPDIFF(MICROSECOND, NOW(6), SYSDATE(6))) DIV 1000 AS SIGNED)";

/// The time at which the statement began. An index can be searched for it.
const BEGAN: &str = "CAST(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) DIV 1000 AS SIGNED)";

/// The statements that only this store has.
#[derive(Debug)]
pub(crate) struct MySqlStatements {
    pub(crate) insert: SqlStr,
    pub(crate) put: SqlStr,
    pub(crate) swap: SqlStr,
    pub(crate) acquire: SqlStr,
    pub(crate) insert_lease: SqlStr,
    pub(crate) cache_insert: SqlStr,
    pub(crate) cache_replace: SqlStr,
    pub(crate) cache_look: SqlStr,
    pub(crate) cache_delete: SqlStr,
}

impl MySqlStatements {
    pub(crate) fn new(table: &TableName) -> Self {
        let (tokens, cache) = (table.with(""), table.with("_cache"));
        let key = "id, owner, tenant_hash, subject_hash, provider_hash, tenant, subject, provider, label";
        // A database that has lost its last writes gives the number of a lease out again, to another holder.
        let change = |there: &str| {
            sql(format!(
                "UPDATE {tokens} SET sealed = ?, status = ?, due_at = ?, sealing_key = ?, changed_at = {NOW}, \
                 deleted_at = NULL, version = version + 1 \
                 WHERE id = ? AND version = ? AND sealed IS {there} \
                 AND (fence < ? OR (fence = ? AND (holder IS NULL OR holder = ?)))"
            ))
        };
        Self {
            insert: sql(format!(
                "INSERT INTO {tokens} ({key}, version, fence, changed_at, sealed, status, due_at, sealing_key) \
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 1, 0, {NOW}, ?, ?, ?, ?)"
            )),
            // Where a token was deleted, or only a lease is. If there was a token since, the version is higher.
            put: change("NULL"),
            swap: change("NOT NULL"),
            acquire: sql(format!(
                "UPDATE {tokens} SET fence = LAST_INSERT_ID(fence + 1), holder = ?, held_until = {NOW} + ? \
                 WHERE id = ? AND (held_until IS NULL OR held_until <= {NOW})"
            )),
            insert_lease: sql(format!(
                "INSERT INTO {tokens} ({key}, version, fence, changed_at, deleted_at, holder, held_until) \
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 1, {NOW}, {NOW}, ?, {NOW} + ?)"
            )),
            cache_insert: sql(format!(
                "INSERT INTO {cache} (id, value, expires_at) VALUES (?, ?, {NOW} + ?)"
            )),
            cache_replace: sql(format!(
                "UPDATE {cache} SET value = ?, expires_at = {NOW} + ? WHERE id = ? AND expires_at <= {NOW}"
            )),
            cache_look: sql(format!(
                "SELECT value, expires_at FROM {cache} WHERE id = ? AND expires_at > {NOW}"
            )),
            cache_delete: sql(format!(
                "DELETE FROM {cache} WHERE id = ? AND value = ? AND expires_at = ? AND expires_at > {NOW}"
            )),
        }
    }
}

/// The statements that every store has.
pub(crate) fn statements(table: &TableName) -> Statements {
    let (tokens, cache) = (table.with(""), table.with("_cache"));
    Statements {
        load: sql(format!("SELECT version, sealed FROM {tokens} WHERE id = ? AND sealed IS NOT NULL")),
        look: sql(format!("SELECT version, sealed, fence, holder FROM {tokens} WHERE id = ?")),
        // The row stays for its numbers.
        delete: sql(format!(
            "UPDATE {tokens} SET sealed = NULL, changed_at = {NOW}, deleted_at = {NOW}, \
             status = NULL, due_at = NULL, sealing_key = NULL \
             WHERE id = ? AND version = ? AND sealed IS NOT NULL"
        )),
        // On condition too: it may be carried out after somebody has saved.
        wipe: sql(format!("DELETE FROM {tokens} WHERE id = ? AND version = 9223372036854775807")),
        // In the order of the index, so that two who clean up wait for each other instead of locking each other out.
        forget: sql(format!(
            "DELETE FROM {tokens} WHERE deleted_at < {BEGAN} - {REMEMBERED} AND sealed IS NULL \
             AND (held_until IS NULL OR held_until < {BEGAN} - {REMEMBERED}) \
             ORDER BY deleted_at LIMIT {FORGET_AT_ONCE}"
        )),
        list: sql(format!(
            "SELECT tenant, subject, provider, label, version, sealed FROM {tokens} \
             WHERE owner = ? AND sealed IS NOT NULL"
        )),
        find: FindParts { table: tokens.clone(), now: NOW, kind: FindKind::Hashed },
        held: sql(format!("SELECT held_until - {NOW} FROM {tokens} WHERE id = ? AND held_until IS NOT NULL")),
        extend: sql(format!(
            "UPDATE {tokens} SET held_until = {NOW} + ? WHERE id = ? AND fence = ? AND holder = ? \
             AND held_until IS NOT NULL"
        )),
        release: sql(format!(
            "UPDATE {tokens} SET held_until = NULL, holder = NULL WHERE id = ? AND fence = ? AND holder = ?"
        )),
        cache_get: sql(format!("SELECT value FROM {cache} WHERE id = ? AND expires_at > {NOW}")),
        cache_put: sql(format!(
            "INSERT INTO {cache} (id, value, expires_at) VALUES (?, ?, {NOW} + ?) \
             ON DUPLICATE KEY UPDATE value = VALUES(value), expires_at = VALUES(expires_at)"
        )),
        cache_forget: sql(format!(
            "DELETE FROM {cache} WHERE expires_at <= {BEGAN} ORDER BY expires_at LIMIT {FORGET_AT_ONCE}"
        )),
    }
}

/// What every table is to be, whatever the server's defaults are.
const TABLE: &str = "ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin";

/// The steps that make the tables what they are now, under the same rules as those of
/// [`statements`](crate::statements): columns that can be NULL, tables and indexes, and nothing else.
///
/// These databases commit each statement by itself, so that a step may be left half done, and two processes may take it at once. Each
/// statement must be one that can be made again, or fail because what it adds is there.
pub(crate) fn migrations(table: &TableName) -> Vec<Vec<String>> {
    let (tokens, cache) = (table.with(""), table.with("_cache"));
    // Long types, because a server that is not in strict mode cuts off what is too long.
    let first = vec![
        format!(
            "CREATE TABLE IF NOT EXISTS {tokens} (
    id BINARY(32) NOT NULL PRIMARY KEY,
    owner BINARY(32) NOT NULL,
    tenant_hash BINARY(32) NOT NULL,
    subject_hash BINARY(32) NOT NULL,
    provider_hash BINARY(32) NOT NULL,
    tenant LONGTEXT NOT NULL,
    subject LONGTEXT NOT NULL,
    provider LONGTEXT NOT NULL,
    label LONGTEXT NOT NULL,
    version BIGINT NOT NULL,
    sealed LONGBLOB,
    fence BIGINT NOT NULL,
    holder LONGTEXT,
    held_until BIGINT,
    changed_at BIGINT NOT NULL,
    deleted_at BIGINT,
    status VARCHAR(16),
    due_at BIGINT,
    sealing_key LONGTEXT,
    KEY by_owner (owner, id),
    KEY by_tenant (tenant_hash, id),
    KEY by_subject (subject_hash, id),
    KEY by_provider (provider_hash, id),
    KEY by_status (status, id),
    KEY by_due_at (due_at),
    KEY by_deleted_at (deleted_at)
) {TABLE}"
        ),
        format!(
            "CREATE TABLE IF NOT EXISTS {cache} (
    id BINARY(32) NOT NULL PRIMARY KEY,
    value LONGBLOB NOT NULL,
    expires_at BIGINT NOT NULL,
    KEY by_expires_at (expires_at)
) {TABLE}"
        ),
    ];
    vec![first]
}

/// Where it is written which of the steps were taken.
pub(crate) fn journal(table: &TableName) -> String {
    format!(
        "CREATE TABLE IF NOT EXISTS {} (version BIGINT NOT NULL PRIMARY KEY) {TABLE}",
        table.with("_migrations")
    )
}
