//! The error of the examples.

/// Any error.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// A result with any error.
pub type Result<T, E = Error> = std::result::Result<T, E>;
