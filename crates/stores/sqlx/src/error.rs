use std::time::Duration;

use oauth_tokens::{StoreError, StoreOperation};
use sqlx::error::DatabaseError;

/// Says whether the error may pass by itself.
pub(crate) fn store_error(operation: StoreOperation, error: sqlx::Error) -> StoreError {
    let passes = match &error {
        sqlx::Error::Database(error) => database_error_passes(&**error),
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::BeginFailed => true,
        _ => false,
    };
    match passes {
        true => StoreError::transient(operation, error),
        false => StoreError::permanent(operation, error),
    }
}

/// The error of an operation that exceeded its time limit.
pub(crate) fn timed_out(operation: StoreOperation, limit: Duration) -> StoreError {
    StoreError::transient(operation, format!("no answer from the database within {limit:?}"))
}

/// The error of an operation whose row others changed each time it was read.
pub(crate) fn too_busy(operation: StoreOperation) -> StoreError {
    StoreError::transient(operation, "the row changed each time it was read; try again later")
}

fn database_error_passes(error: &dyn DatabaseError) -> bool {
    let code = error.code().unwrap_or_default();
    #[cfg(feature = "mysql")]
    if let Some(error) = error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>() {
        return number_passes(error.number(), &code);
    }
    code_passes(&code)
}

/// Whether MariaDB or MySQL has rolled the statement back because of others, so that it can be made again: a dead lock, or a conflict with
/// another node of a cluster.
#[cfg(feature = "mysql")]
pub(crate) fn is_rolled_back(error: &sqlx::Error) -> bool {
    matches!(mysql_number(error), Some(1020 | 1213 | 1614 | 3101))
}

/// Whether there is a row of this key already.
#[cfg(feature = "mysql")]
pub(crate) fn is_duplicate(error: &sqlx::Error) -> bool {
    mysql_number(error) == Some(1062)
}

#[cfg(feature = "mysql")]
pub(crate) fn is_missing_table(error: &sqlx::Error) -> bool {
    mysql_number(error) == Some(1146)
}

/// Whether a migration failed because what it adds is there: a table, a column, an index.
#[cfg(feature = "mysql")]
pub(crate) fn is_already_there(error: &sqlx::Error) -> bool {
    matches!(mysql_number(error), Some(1050 | 1060 | 1061))
}

#[cfg(feature = "mysql")]
fn mysql_number(error: &sqlx::Error) -> Option<u16> {
    let error = error.as_database_error()?.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>()?;
    Some(error.number())
}

/// MariaDB and MySQL (and proxies before them) have the SQLSTATE HY000 for most things, so that the number must tell.
#[cfg(feature = "mysql")]
fn number_passes(number: u16, code: &str) -> bool {
    match number {
        // Permanent in spite of their SQLSTATE: a packet too large, a way to sign in that the client lacks.
        1153 | 1251 => false,
        // Not enough memory, threads, connections or locks; locked or rolled back because of others; a server that takes no writes
        // now and may be about to; ended by an operator or after too long; a proxy or a cluster without a server; a table that was just
        // altered, or a prepared statement that the server has thrown away.
        1020 | 1037 | 1038 | 1041 | 1135 | 1203 | 1205 | 1206 | 1223 | 1226 | 1290 | 1412 | 1614 | 1615
        | 1637 | 1792 | 1836 | 1874 | 2002 | 2003 | 2006 | 2013 | 3024 | 3032 | 3100 | 3168 | 3169 | 3572
        | 4031 | 9001 => true,
        // No connection; rolled back because of others; interrupted.
        _ => code.starts_with("08") || code.starts_with("40") || code == "70100",
    }
}

/// SQLSTATE of PostgreSQL (its manual's appendix A) has five characters, a result code of SQLite (sqlite.org/rescode.html)
/// is a number, of which the last byte is the primary code.
fn code_passes(code: &str) -> bool {
    match code.parse::<u32>() {
        // A number of five digits is a SQLSTATE.
        Ok(number) if code.len() < 5 => match number & 0xff {
            // BUSY, LOCKED, NOMEM, INTERRUPT, IOERR, PROTOCOL.
            5 | 6 | 7 | 9 | 10 | 15 => true,
            _ => false,
        },
        _ => {
            // No connection; not enough of something, but a full disk; ended by an operator, starting up or shutting down;
            // rolled back because of others; locked; a standby that may be about to become the primary.
            let classes = ["08", "53", "57P", "40", "55P03", "57014", "25006"];
            code != "53100" && classes.iter().any(|class| code.starts_with(class))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::code_passes;

    #[test]
    fn codes() {
        for code in ["5", "517", "6", "08006", "53300", "57P01", "57P03", "40001", "40P01", "25006"] {
            assert!(code_passes(code), "{code}");
        }
        for code in
            ["1", "8", "11", "13", "14", "19", "2067", "42P01", "42501", "28P01", "53100", "23505", "22021"]
        {
            assert!(!code_passes(code), "{code}");
        }
    }

    #[cfg(feature = "mysql")]
    #[test]
    fn numbers_of_mysql() {
        for (number, code) in [
            (1040, "08004"),
            (1047, "08S01"),
            (1053, "08S01"),
            (1205, "HY000"),
            (1213, "40001"),
            (1290, "HY000"),
            (1412, "HY000"),
            (1615, "HY000"),
            (3032, "HY000"),
            (1317, "70100"),
            (1927, "70100"),
        ] {
            assert!(super::number_passes(number, code), "{number}");
        }
        // A full disk, a full table, wrong credentials, no permission, no such table, a record that is too large, a duplicate.
        for (number, code) in [
            (1021, "HY000"),
            (1114, "HY000"),
            (1045, "28000"),
            (1142, "42000"),
            (1146, "42S02"),
            (1153, "08S01"),
            (1062, "23000"),
            (1406, "22001"),
        ] {
            assert!(!super::number_passes(number, code), "{number}");
        }
    }
}
