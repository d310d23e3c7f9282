//! What the doctor says.

use serde::Serialize;

/// One thing that the doctor found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// The id of the check, such as `DO-03`.
    pub(crate) check: &'static str,
    pub(crate) level: Level,
    /// What was found, what was expected, and what to do.
    pub(crate) message: String,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    Ok,
    Warn,
    Fail,
}

impl Finding {
    pub(crate) fn fail(check: &'static str, message: impl Into<String>) -> Self {
        Self { check, level: Level::Fail, message: message.into() }
    }

    pub(crate) fn warn(check: &'static str, message: impl Into<String>) -> Self {
        Self { check, level: Level::Warn, message: message.into() }
    }

    pub(crate) fn ok(check: &'static str, message: impl Into<String>) -> Self {
        Self { check, level: Level::Ok, message: message.into() }
    }
}
