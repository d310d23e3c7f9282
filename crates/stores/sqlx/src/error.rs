use std::time::Duration;

use oauth_tokens::{StoreError, StoreOperation};

/// Says whether the error may pass by itself.
pub(crate) fn store_error(operation: StoreOperation, error: sqlx::Error) -> StoreError {
    let passes = match &error {
        sqlx::Error::Database(error) => error.code().is_some_and(|code| code_passes(&code)),
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
}
