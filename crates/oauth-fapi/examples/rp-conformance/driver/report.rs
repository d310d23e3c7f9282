use std::fmt::Debug;

use oauth_openid::oauth_core::{
    Error, ErrorKind,
    serde_json::{Map, Value, json},
};

use super::Settings;

/// What came of a step, or of a whole run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    /// All that came was accepted.
    Accepted,
    /// Something that came was refused.
    Refused,
    /// Something did not come.
    Failed,
}

/// Why a run ends early.
pub(crate) struct Stop {
    step: &'static str,
    outcome: Outcome,
    check: Option<String>,
    reason: String,
}

impl Stop {
    pub(crate) fn failed(step: &'static str, reason: impl Into<String>) -> Self {
        Self { step, outcome: Outcome::Failed, check: None, reason: reason.into() }
    }

    pub(crate) fn refused(step: &'static str, check: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { step, outcome: Outcome::Refused, check: Some(check.into()), reason: reason.into() }
    }
}

/// An error of the library: a refusal, unless nothing came that could be refused.
pub(crate) fn refused(step: &'static str) -> impl Fn(Error) -> Stop {
    move |error| match error.kind() {
        ErrorKind::Transport(_) => Stop::failed(step, error.to_string()),
        _ => Stop::refused(step, check_of(&error), error.to_string()),
    }
}

/// Which check an error stands for: that of the token, that of the callback, or the kind of the error.
fn check_of(error: &Error) -> String {
    match (error.jwt_check(), error.kind()) {
        (Some(check), _) => name_of(&check),
        (None, ErrorKind::Login(login)) => name_of(login),
        (None, kind) => name_of(kind),
    }
}

/// The name of a variant.
pub(crate) fn name_of(variant: &impl Debug) -> String {
    let text = format!("{variant:?}");
    text.split(|character: char| !character.is_ascii_alphanumeric()).next().unwrap_or_default().to_owned()
}

/// The lines of a run.
#[derive(Debug, Default)]
pub(crate) struct Report {
    lines: Vec<(Outcome, Value)>,
    prints: bool,
}

impl Report {
    /// A report that prints each line as it comes.
    #[allow(dead_code, reason = "the tests of the repository, which run this module too, read the lines")]
    pub(crate) fn printing() -> Self {
        Self { prints: true, ..Self::default() }
    }

    /// The lines so far.
    #[allow(dead_code, reason = "the program prints them")]
    pub(crate) fn lines(&self) -> impl Iterator<Item = &Value> {
        self.lines.iter().map(|(_, line)| line)
    }

    /// Adds a step that succeeded.
    pub(crate) fn accepted(&mut self, step: &str, details: Value) {
        let mut line =
            Map::from_iter([("step".to_owned(), json!(step)), ("outcome".to_owned(), json!("accepted"))]);
        if let Value::Object(details) = details {
            line.extend(details.into_iter().filter(|(_, value)| !value.is_null()));
        }
        self.push(Outcome::Accepted, line.into());
    }

    /// Adds the step that ended the run.
    pub(crate) fn add(&mut self, stop: Stop) {
        let outcome = if stop.outcome == Outcome::Refused { "refused" } else { "failed" };
        let mut line = json!({ "step": stop.step, "outcome": outcome, "reason": stop.reason });
        if let Some(check) = stop.check {
            line["check"] = json!(check);
        }
        self.push(stop.outcome, line);
    }

    fn push(&mut self, outcome: Outcome, line: Value) {
        if self.prints {
            println!("{line}");
        }
        self.lines.push((outcome, line));
    }

    /// The worst that happened.
    pub(crate) fn outcome(&self) -> Outcome {
        self.lines.iter().map(|(outcome, _)| *outcome).max().unwrap_or(Outcome::Failed)
    }

    /// Whether it ended as it should.
    pub(crate) fn is_as_expected(&self, settings: &Settings) -> bool {
        match (self.outcome(), &*settings.expect, &settings.expect_check) {
            (Outcome::Accepted, "accepted", _) => true,
            (Outcome::Refused, "refused", None) => true,
            (Outcome::Refused, "refused", Some(check)) => {
                self.lines.last().is_some_and(|(_, line)| line["check"] == **check)
            }
            _ => false,
        }
    }
}
