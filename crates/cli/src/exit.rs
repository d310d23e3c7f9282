//! What went wrong, and the exit code that says so.

use std::{io, process::ExitCode};

use oauth_clients::{Error, ErrorClass};
use oauth_tokens::TokenError;

use crate::signal::ExitSignal;

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
    Interrupted(ExitSignal),
}

pub(crate) type CommandResult<T = ()> = Result<T, Failure>;

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

/// What the library's messages call its own methods, and what a user of this tool types for it.
const WORDS: &[(&str, &str)] = &[
    (
        "sign in by a loopback redirect, or name its endpoint with Endpoint::DeviceAuthorization",
        "sign in with --method browser or paste",
    ),
    ("choose `Method::Paste` or `Method::Device`", "use --method paste or --method device"),
    ("name another port with `ports`", "name another port with --port"),
    ("name them with `ports`", "name one with --port"),
    ("name a page of yours with `redirect_uri`", "name a page of yours as redirect_uri in the configuration"),
];

/// A message of the library, without methods that a user of this tool cannot call.
pub(crate) fn in_words_of_this_tool(text: String) -> String {
    let text = WORDS.iter().fold(text, |text, (method, option)| text.replace(method, option));
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

#[cfg(test)]
mod tests {
    use std::{io, time::Duration};

    use oauth_native::NativeSignInError;

    use super::*;

    #[test]
    fn what_the_library_advises_is_told_in_the_tools_own_words() {
        let taken = NativeSignInError::PortsTaken {
            host: "127.0.0.1",
            ports: vec![8123],
            cause: io::ErrorKind::AddrInUse.into(),
        };
        for (error, option) in [
            (taken, "--port"),
            (
                NativeSignInError::TimedOut { after: Duration::from_secs(3) },
                "--method paste or --method device",
            ),
        ] {
            let text = in_words_of_this_tool(error.to_string());
            assert!(text.contains(option) && !text.contains('`'), "{text}");
        }
    }
}
