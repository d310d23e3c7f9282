//! The SQL of a store, made once from the name of its table.
//!
//! SQLite and PostgreSQL understand the same statements, but for the clock and two names of types; those of MariaDB and MySQL are in
//! [`mysql_statements`](crate::mysql_statements). Each statement is one atomic step without a transaction around it. The names come
//! from [`TableName`], which lets nothing through that would need escaping; everything else is bound.

use std::sync::Arc;

use oauth_tokens::{Filter, Status};
use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};

#[cfg(any(feature = "postgres", feature = "sqlite"))]
use crate::table::TableName;

/// What differs between SQLite and PostgreSQL.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
#[derive(Clone, Copy, Debug)]
pub(crate) struct SqlDialect {
    /// Milliseconds since 1970 by the database's clock, at this moment and not at the beginning of the statement, which may
    /// have waited for another.
    pub(crate) now: &'static str,
    pub(crate) bytes: &'static str,
    pub(crate) integer: &'static str,
    /// Whether a row is none of this store's making.
    pub(crate) is_spoilt: &'static str,
    /// Ends a query whose rows are about to be deleted, so that two who clean up do not wait for each other.
    pub(crate) skip_locked: &'static str,
}

#[cfg(feature = "sqlite")]
pub(crate) const SQLITE: SqlDialect = SqlDialect {
    // unixepoch('subsec') would need SQLite 3.42, and be NULL before.
    now: "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)",
    bytes: "BLOB",
    integer: "INTEGER",
    // Its columns take values of any type.
    is_spoilt: "version = 9223372036854775807 OR typeof(version) <> 'integer' OR typeof(fence) <> 'integer' \
                OR typeof(sealed) NOT IN ('blob', 'null') OR typeof(holder) NOT IN ('text', 'null')",
    skip_locked: "",
};

#[cfg(feature = "postgres")]
pub(crate) const POSTGRES: SqlDialect = SqlDialect {
    now: "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)",
    bytes: "BYTEA",
    integer: "BIGINT",
    is_spoilt: "version = 9223372036854775807",
    skip_locked: "FOR UPDATE SKIP LOCKED",
};

/// The statements that every database has. Each binds its values in the order in which they occur in it.
#[derive(Debug)]
pub(crate) struct Statements {
    pub(crate) load: SqlStr,
    pub(crate) look: SqlStr,
    pub(crate) delete: SqlStr,
    pub(crate) wipe: SqlStr,
    pub(crate) forget: SqlStr,
    pub(crate) list: SqlStr,
    pub(crate) find: FindParts,
    pub(crate) held: SqlStr,
    pub(crate) extend: SqlStr,
    pub(crate) release: SqlStr,
    pub(crate) cache_get: SqlStr,
    pub(crate) cache_put: SqlStr,
    pub(crate) cache_forget: SqlStr,
}

/// Statements that return what they have written.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
#[derive(Debug)]
pub(crate) struct ReturningStatements {
    pub(crate) put: SqlStr,
    pub(crate) swap: SqlStr,
    pub(crate) acquire: SqlStr,
    pub(crate) cache_put_new: SqlStr,
    pub(crate) cache_take: SqlStr,
}

/// How long the numbers of a deleted key are remembered: the contract's day, in milliseconds.
pub(crate) const REMEMBERED: u64 = 24 * 60 * 60 * 1000;

/// How much is cleaned up at a time.
pub(crate) const FORGET_AT_ONCE: u64 = 100;

#[cfg(any(feature = "postgres", feature = "sqlite"))]
impl ReturningStatements {
    pub(crate) fn new(table: &TableName, dialect: SqlDialect) -> Self {
        let SqlDialect { now, .. } = dialect;
        let (tokens, cache) = (table.with(""), table.with("_cache"));
        // A database that has lost its last writes gives the number of a lease out again, to another holder.
        let is_newest = |fence: &str, holder: &str| {
            format!(
                "(t.fence < {fence} OR (t.fence = {fence} AND (t.holder IS NULL OR t.holder = {holder})))"
            )
        };
        let (put_lease, swap_lease) = (is_newest("$8", "$13"), is_newest("$4", "$8"));
        Self {
            // A summary holds for the version that it was saved with: a process of an older version of this store knows nothing of
            // it, and leaves it as it was.
            // $9: the version of the row that was seen without a token, 0 if none was: had it had one since, it would be higher.
            put: sql(format!(
                "INSERT INTO {tokens} AS t \
                 (id, owner, tenant, subject, provider, label, version, sealed, fence, changed_at, \
                 status, due_at, sealing_key, described) \
                 VALUES ($1, $2, $3, $4, $5, $6, 1, $7, 0, {now}, $10, $11, $12, 1) \
                 ON CONFLICT (id) DO UPDATE SET version = t.version + 1, sealed = excluded.sealed, changed_at = {now}, \
                 status = excluded.status, due_at = excluded.due_at, sealing_key = excluded.sealing_key, \
                 described = t.version + 1 \
                 WHERE {put_lease} AND t.version = $9 AND t.sealed IS NULL \
                 RETURNING version"
            )),
            // A deleted token leaves its version behind, so that the version alone does not tell that it is there.
            swap: sql(format!(
                "UPDATE {tokens} AS t SET version = version + 1, sealed = $2, changed_at = {now}, \
                 status = $5, due_at = $6, sealing_key = $7, described = version + 1 \
                 WHERE id = $1 AND version = $3 AND {swap_lease} AND sealed IS NOT NULL \
                 RETURNING version"
            )),
            acquire: sql(format!(
                "INSERT INTO {tokens} AS t \
                 (id, owner, tenant, subject, provider, label, version, fence, holder, held_until, changed_at) \
                 VALUES ($1, $2, $3, $4, $5, $6, 0, 1, $7, {now} + $8, {now}) \
                 ON CONFLICT (id) DO UPDATE SET fence = t.fence + 1, holder = excluded.holder, held_until = {now} + $8 \
                 WHERE t.held_until IS NULL OR t.held_until <= {now} \
                 RETURNING fence"
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
        }
    }
}

#[cfg(any(feature = "postgres", feature = "sqlite"))]
impl Statements {
    pub(crate) fn new(table: &TableName, dialect: SqlDialect) -> Self {
        let SqlDialect { now, skip_locked, is_spoilt, .. } = dialect;
        let (tokens, cache) = (table.with(""), table.with("_cache"));
        Self {
            load: sql(format!("SELECT version, sealed FROM {tokens} WHERE id = $1 AND sealed IS NOT NULL")),
            look: sql(format!("SELECT version, sealed, fence, holder FROM {tokens} WHERE id = $1")),
            // The row stays for its numbers.
            delete: sql(format!(
                "UPDATE {tokens} SET sealed = NULL, changed_at = {now}, status = NULL, due_at = NULL, sealing_key = NULL \
                 WHERE id = $1 AND version = $2 AND sealed IS NOT NULL"
            )),
            // On condition too: it may be carried out after somebody has saved.
            wipe: sql(format!("DELETE FROM {tokens} WHERE id = $1 AND ({is_spoilt})")),
            forget: sql(format!(
                "DELETE FROM {tokens} WHERE id IN (SELECT id FROM {tokens} WHERE sealed IS NULL \
                 AND changed_at < {now} - {REMEMBERED} AND (held_until IS NULL OR held_until < {now} - {REMEMBERED}) \
                 LIMIT {FORGET_AT_ONCE} {skip_locked})"
            )),
            list: sql(format!(
                "SELECT tenant, subject, provider, label, version, sealed FROM {tokens} \
                 WHERE owner = $1 AND sealed IS NOT NULL"
            )),
            find: FindParts { table: tokens.clone(), now, kind: FindKind::Numbered },
            held: sql(format!(
                "SELECT held_until - {now} FROM {tokens} WHERE id = $1 AND held_until IS NOT NULL"
            )),
            extend: sql(format!(
                "UPDATE {tokens} SET held_until = {now} + $1 WHERE id = $2 AND fence = $3 AND holder = $4 \
                 AND held_until IS NOT NULL"
            )),
            release: sql(format!(
                "UPDATE {tokens} SET held_until = NULL, holder = NULL WHERE id = $1 AND fence = $2 AND holder = $3"
            )),
            cache_get: sql(format!("SELECT value FROM {cache} WHERE id = $1 AND expires_at > {now}")),
            cache_put: sql(format!(
                "INSERT INTO {cache} (id, value, expires_at) VALUES ($1, $2, {now} + $3) \
                 ON CONFLICT (id) DO UPDATE SET value = excluded.value, expires_at = {now} + $3"
            )),
            cache_forget: sql(format!(
                "DELETE FROM {cache} WHERE id IN \
                 (SELECT id FROM {cache} WHERE expires_at <= {now} LIMIT {FORGET_AT_ONCE} {skip_locked})"
            )),
        }
    }
}

/// What searches are made of.
#[derive(Debug)]
pub(crate) struct FindParts {
    pub(crate) table: String,
    pub(crate) now: &'static str,
    pub(crate) kind: FindKind,
}

/// How a database is searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FindKind {
    /// Values are bound to `$1` and so on, and indexes have the beginning of a text.
    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    Numbered,
    /// Values are bound to `?`, and indexes have hashes of texts. No version of the store saves there without a summary.
    #[cfg(feature = "mysql")]
    Hashed,
}

/// A value for a place in a search.
#[derive(Debug)]
pub(crate) enum BoundValue {
    Number(i64),
    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    Text(String),
    Bytes(Vec<u8>),
}

/// A search: its SQL, and what is to be bound to its places.
#[derive(Debug)]
pub(crate) struct Search {
    pub(crate) sql: SqlStr,
    pub(crate) bound: Vec<BoundValue>,
}

/// How much of a text is in an index, which cannot hold texts of any length.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
const INDEXED: usize = 64;

/// A row that says nothing about the record that it holds.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
const UNDESCRIBED: &str = "(status IS NULL OR described <> version)";

/// Conditions that must all hold, and what is to be bound to their places.
struct Conditions {
    kind: FindKind,
    text: String,
    bound: Vec<BoundValue>,
}

impl Conditions {
    /// Adds a condition; `?` is the place of its value.
    fn add(&mut self, condition: &str, value: BoundValue) {
        let place = self.place(value);
        self.text += " AND ";
        self.text += &condition.replace('?', &place);
    }

    /// Returns the place of a value.
    fn place(&mut self, value: BoundValue) -> String {
        self.bound.push(value);
        match self.kind {
            #[cfg(any(feature = "postgres", feature = "sqlite"))]
            FindKind::Numbered => format!("${}", self.bound.len()),
            #[cfg(feature = "mysql")]
            FindKind::Hashed => "?".to_owned(),
        }
    }

    fn add_subject(&mut self, subject: &str) {
        match self.kind {
            // There is no index for a subject of whatever tenant.
            #[cfg(any(feature = "postgres", feature = "sqlite"))]
            FindKind::Numbered => {
                self.add("subject = ?", BoundValue::Text(crate::key::escape(subject).into_owned()))
            }
            #[cfg(feature = "mysql")]
            FindKind::Hashed => self.add_text("subject", subject),
        }
    }

    fn add_not_sealed_with(&mut self, id: &str) {
        match self.kind {
            #[cfg(any(feature = "postgres", feature = "sqlite"))]
            FindKind::Numbered => {
                let differs = format!("({UNDESCRIBED} OR sealing_key IS NULL OR sealing_key <> ?)");
                self.add(&differs, BoundValue::Text(id.to_owned()));
            }
            // The collation ignores spaces at the end.
            #[cfg(feature = "mysql")]
            FindKind::Hashed => {
                let differs = "(status IS NULL OR sealing_key IS NULL OR CAST(sealing_key AS BINARY) <> ?)";
                self.add(differs, BoundValue::Bytes(id.as_bytes().to_vec()));
            }
        }
    }

    /// Adds that a column is this text. The condition is written as the index has it.
    fn add_text(&mut self, column: &str, text: &str) {
        match self.kind {
            #[cfg(any(feature = "postgres", feature = "sqlite"))]
            FindKind::Numbered => {
                let text = crate::key::escape(text).into_owned();
                let indexed = text.chars().take(INDEXED).collect();
                self.add(&format!("substr({column}, 1, {INDEXED}) = ?"), BoundValue::Text(indexed));
                self.add(&format!("{column} = ?"), BoundValue::Text(text));
            }
            #[cfg(feature = "mysql")]
            FindKind::Hashed => {
                self.add(&format!("{column}_hash = ?"), BoundValue::Bytes(crate::key::hash(&[text])));
            }
        }
    }
}

impl FindKind {
    fn undescribed(self) -> &'static str {
        match self {
            #[cfg(any(feature = "postgres", feature = "sqlite"))]
            Self::Numbered => UNDESCRIBED,
            #[cfg(feature = "mysql")]
            Self::Hashed => "status IS NULL",
        }
    }

    /// Status, due time and sealing key, if they are of the record that is there.
    fn summary(self) -> &'static str {
        match self {
            #[cfg(any(feature = "postgres", feature = "sqlite"))]
            Self::Numbered => {
                "CASE WHEN described = version THEN status END, \
                 CASE WHEN described = version THEN due_at END, \
                 CASE WHEN described = version THEN sealing_key END"
            }
            #[cfg(feature = "mysql")]
            Self::Hashed => "status, due_at, sealing_key",
        }
    }

    /// What must hold too where a condition is about the summary.
    fn is_described(self) -> &'static str {
        match self {
            #[cfg(any(feature = "postgres", feature = "sqlite"))]
            Self::Numbered => " AND described = version",
            #[cfg(feature = "mysql")]
            Self::Hashed => "",
        }
    }
}

impl FindParts {
    /// Finds the rows after an id, in the order of the ids.
    pub(crate) fn find(&self, filter: &Filter, after: Option<Vec<u8>>, limit: i64) -> Search {
        let mut conditions = self.conditions(filter);
        if let Some(after) = after {
            conditions.add("id > ?", BoundValue::Bytes(after));
        }
        let limit = conditions.place(BoundValue::Number(limit));
        let text = format!(
            "SELECT tenant, subject, provider, label, version, {} FROM {} WHERE {} ORDER BY id LIMIT {limit}",
            self.kind.summary(),
            self.table,
            conditions.text
        );
        Search { sql: sql(text), bound: conditions.bound }
    }

    pub(crate) fn count(&self, filter: &Filter) -> Search {
        let conditions = self.conditions(filter);
        let text = format!("SELECT count(*) FROM {} WHERE {}", self.table, conditions.text);
        Search { sql: sql(text), bound: conditions.bound }
    }

    /// The conditions of a search. Each is written as the index has it that is for it.
    fn conditions(&self, filter: &Filter) -> Conditions {
        let kind = self.kind;
        let mut conditions = Conditions { kind, text: "sealed IS NOT NULL".to_owned(), bound: Vec::new() };
        if let (Some(tenant), Some(subject)) = (&filter.tenant, &filter.subject) {
            conditions.add("owner = ?", BoundValue::Bytes(crate::key::owner(tenant, subject)));
        } else if let Some(tenant) = &filter.tenant {
            conditions.add_text("tenant", tenant);
        } else if let Some(subject) = &filter.subject {
            conditions.add_subject(subject);
        }
        if let Some(provider) = &filter.provider {
            conditions.add_text("provider", provider);
        }
        if let Some(time) = filter.due_before {
            conditions.add("due_at < ?", BoundValue::Number(time));
            conditions.text += kind.is_described();
        }
        if let Some(id) = &filter.not_sealed_with {
            conditions.add_not_sealed_with(id);
        }
        match filter.status {
            None => {}
            Some(Status::Unknown) => conditions.text += &format!(" AND {}", kind.undescribed()),
            // One word of a few, written out so that the database sees that the index for it will do.
            Some(status) => {
                conditions.text += &format!(" AND status = '{}'{}", status.as_str(), kind.is_described());
            }
        }
        if filter.unleased {
            conditions.text += &format!(" AND (held_until IS NULL OR held_until <= {})", self.now);
        }
        conditions
    }
}

/// The steps that make the tables what they are now. A step that was published is never changed; another follows it.
/// It may add tables, indexes and columns that can be NULL, and nothing else, so that programs of an older version, which run
/// while the first of the newer ones migrates, go on working.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) fn migrations(table: &TableName, dialect: SqlDialect) -> Vec<Vec<String>> {
    let SqlDialect { bytes, integer, .. } = dialect;
    let (tokens, cache) = (table.with(""), table.with("_cache"));
    let index = |suffix: &str| table.index(suffix);
    let first = vec![
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
    ];
    let column = |column: &str| format!("ALTER TABLE {tokens} ADD COLUMN {column}");
    let part = |suffix: &str, indexed: &str, condition: &str| {
        format!("CREATE INDEX {} ON {tokens} ({indexed}) WHERE sealed IS NOT NULL{condition}", index(suffix))
    };
    let search = vec![
        column("status TEXT"),
        column(&format!("due_at {integer}")),
        column("sealing_key TEXT"),
        column(&format!("described {integer}")),
        part("_tenant", &format!("substr(tenant, 1, {INDEXED}), id"), ""),
        part("_provider", &format!("substr(provider, 1, {INDEXED}), id"), ""),
        part("_due", "due_at", " AND due_at IS NOT NULL"),
        part("_refreshing", "id", " AND status = 'refreshing'"),
        part("_dead", "id", " AND status = 'dead'"),
        part("_undescribed", "id", &format!(" AND {UNDESCRIBED}")),
    ];
    vec![first, search]
}

/// Where it is written which of the steps were taken.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) fn journal(table: &TableName, dialect: SqlDialect) -> String {
    let (journal, integer) = (table.with("_migrations"), dialect.integer);
    format!("CREATE TABLE IF NOT EXISTS {journal} (version {integer} NOT NULL PRIMARY KEY)")
}

pub(crate) fn sql(text: String) -> SqlStr {
    AssertSqlSafe(Arc::<str>::from(text)).into_sql_str()
}
