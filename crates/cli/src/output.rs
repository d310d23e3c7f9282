//! What is printed, and where: results to standard output, the rest to standard error.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;
use serde_json::json;

use crate::exit::{CommandResult, Failure};

/// How a command speaks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    /// Results are JSON.
    pub(crate) json: bool,
    /// Progress is not told.
    pub(crate) quiet: bool,
    /// Standard output and standard error are two terminals, or one is a file.
    colors: bool,
    error_colors: bool,
}

/// When text has colors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Output {
    pub(crate) fn new(json: bool, quiet: bool, color: Color) -> Self {
        let colors = |is_terminal: bool| match color {
            Color::Always => true,
            Color::Never => false,
            // https://no-color.org: set, and not empty.
            Color::Auto => {
                is_terminal
                    && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
                    && std::env::var_os("TERM").is_none_or(|terminal| terminal != "dumb")
            }
        };
        let error_colors = colors(io::stderr().is_terminal());
        Self { json, quiet, colors: colors(io::stdout().is_terminal()), error_colors }
    }

    /// Prints a result: as JSON, or as the text for people.
    pub(crate) fn result(self, value: &impl Serialize, text: impl FnOnce() -> String) -> CommandResult {
        match self.json {
            true => print_line(&to_json(value)?),
            false => print_line(&text()),
        }
    }

    /// Tells a person how it goes.
    pub(crate) fn progress(self, text: &str) {
        if !self.quiet {
            // Nobody is served by an error about it.
            let _ = writeln!(io::stderr().lock(), "{text}");
        }
    }

    /// Tells of a failure.
    pub(crate) fn failure(self, failure: &Failure) {
        if matches!(failure, Failure::OutputClosed) {
            return;
        }
        let mut errors = io::stderr().lock();
        let _ = match self.json {
            true => {
                let error = json!({ "error": failure.word(), "message": failure.to_string() });
                writeln!(errors, "{error}")
            }
            false => writeln!(errors, "{} {failure}", colored(self.error_colors, "31", "error:")),
        };
    }

    /// Warns a person, also one who wants to hear of no progress.
    pub(crate) fn warn(self, text: &str) {
        let _ = writeln!(io::stderr().lock(), "{} {text}", colored(self.error_colors, "33", "warning:"));
    }

    pub(crate) fn green(self, text: &str) -> String {
        colored(self.colors, "32", text)
    }

    pub(crate) fn yellow(self, text: &str) -> String {
        colored(self.colors, "33", text)
    }

    pub(crate) fn red(self, text: &str) -> String {
        colored(self.colors, "31", text)
    }

    /// Green for what goes to standard error.
    pub(crate) fn green_progress(self, text: &str) -> String {
        colored(self.error_colors, "32", text)
    }
}

fn colored(has_colors: bool, code: &str, text: &str) -> String {
    match has_colors {
        true => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
        false => text.to_owned(),
    }
}

pub(crate) fn to_json(value: &impl Serialize) -> CommandResult<String> {
    serde_json::to_string_pretty(value).map_err(|error| Failure::Other(error.to_string()))
}

/// Prints a line to standard output, and says so if that was closed.
pub(crate) fn print_line(text: &str) -> CommandResult {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()?;
    Ok(())
}

/// A text of a server's or a token's without what could steer a terminal.
pub(crate) fn plain(text: &str) -> String {
    text.chars()
        .flat_map(
            |char| if char.is_control() { char.escape_default().collect::<Vec<_>>() } else { vec![char] },
        )
        .collect()
}
