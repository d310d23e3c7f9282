//! What went wrong, and the exit code that says so.

use std::{io, process::ExitCode};

use oauth_clients::{Error, ErrorClass};
use oauth_tokens::Error as TokenError;

use crate::signal::Signal;

/// A command that did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The command cannot be meant as it is written.
    #[error("{0}")]
    Usage(String),
    /// Anything that neither a new sign-in nor patience mends.
    #[error("{0}")]
    Other(String),
    /// Only the user can mend it, by signing in again.
    #[error("{0}")]
    SignInAgain(String),
    /// The provider, the network or the store was in trouble.
    #[error("{0}")]
    TryLater(String),
    /// The reader of the output went away, as `head` does. Nothing is said about it.
    #[error("the output was closed")]
    OutputClosed,
    /// Ctrl-C, or another signal that ends programs.
    #[error("interrupted")]
    Interrupted(Signal),
}

pub(crate) type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
    /// The exit code, as the documentation has it.
    pub(crate) fn code(&self) -> ExitCode {
        match self {
            Self::OutputClosed => ExitCode::SUCCESS,
            Self::Other(_) => ExitCode::FAILURE,
            Self::Usage(_) => ExitCode::from(2),
            Self::SignInAgain(_) => ExitCode::from(3),
            Self::TryLater(_) => ExitCode::from(4),
            Self::Interrupted(signal) => ExitCode::from(signal.exit_code()),
        }
    }

    pub(crate) fn of_class(class: &ErrorClass, text: String) -> Self {
        match class {
            ErrorClass::Reauthorize => Self::SignInAgain(text),
            ErrorClass::Transient { .. } => Self::TryLater(text),
            _ => Self::Other(text),
        }
    }

    /// A word for programs that read `--json`.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::OutputClosed => "output_closed",
            Self::Other(_) => "failed",
            Self::Usage(_) => "usage",
            Self::SignInAgain(_) => "sign_in_again",
            Self::TryLater(_) => "try_later",
            Self::Interrupted(_) => "interrupted",
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::of_class(&error.class(), in_words_of_this_tool(error.to_string()))
    }
}

/// The library names the method that allows plain http, which a user of this tool cannot call.
pub(crate) fn in_words_of_this_tool(text: String) -> String {
    match text.contains("dangerously_allow_plain_http") && !text.contains("--dangerously") {
        true => format!("{text} (--dangerously-allow-plain-http allows it for this run)"),
        false => text,
    }
}

impl From<TokenError> for Failure {
    fn from(error: TokenError) -> Self {
        Self::of_class(&error.class(), in_words_of_this_tool(error.to_string()))
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::OutputClosed,
            _ => Self::Other(error.to_string()),
        }
    }
}
