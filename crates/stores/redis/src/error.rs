use oauth_tokens::{StoreError, StoreOperation};
use redis::{ErrorKind, RedisError, ServerErrorKind};

/// Says whether the error may pass by itself.
pub(crate) fn store_error(operation: StoreOperation, error: RedisError) -> StoreError {
    match passes(&error) {
        true => StoreError::transient(operation, error),
        false => StoreError::permanent(operation, error),
    }
}

fn passes(error: &RedisError) -> bool {
    if error.is_io_error() || error.is_connection_dropped() || error.is_timeout() {
        return true;
    }
    match error.kind() {
        ErrorKind::ClusterConnectionNotFound
        | ErrorKind::MasterNameNotFoundBySentinel
        | ErrorKind::NoValidReplicasFoundBySentinel
        // A reply that cannot be read is one that broke off.
        | ErrorKind::Parse => true,
        ErrorKind::Server(kind) => matches!(
            kind,
            ServerErrorKind::BusyLoading
                | ServerErrorKind::TryAgain
                | ServerErrorKind::ClusterDown
                | ServerErrorKind::MasterDown
                | ServerErrorKind::ReadOnly
                | ServerErrorKind::Moved
                | ServerErrorKind::Ask
                | ServerErrorKind::NotBusy
        ),
        // Codes that the library has no name for. MISCONF means that the disk takes nothing, until somebody sees to it.
        ErrorKind::Extension => matches!(error.code(), Some("BUSY" | "NOREPLICAS" | "UNBLOCKED")),
        _ => false,
    }
}

/// The error of a reply that the scripts cannot have sent: another program uses the same keys.
pub(crate) fn unexpected(operation: StoreOperation) -> StoreError {
    StoreError::permanent(operation, "the reply has an unexpected form; does another program use these keys?")
}

/// The error of an operation whose keys others changed each time they were read.
pub(crate) fn too_busy(operation: StoreOperation) -> StoreError {
    StoreError::transient(operation, "the keys changed each time they were read; try again later")
}
