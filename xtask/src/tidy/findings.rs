//! What the checks find.

use std::path::Path;

use crate::workspace;

/// What is wrong, one line each.
#[derive(Default)]
pub(super) struct Findings(pub(super) Vec<String>);

impl Findings {
    pub(super) fn add(&mut self, place: &Path, what: impl AsRef<str>) {
        self.0.push(format!("{}: {}", workspace::short(place), what.as_ref()));
    }

    pub(super) fn add_line(&mut self, place: &Path, line: usize, what: impl AsRef<str>) {
        self.0.push(format!("{}:{line}: {}", workspace::short(place), what.as_ref()));
    }
}
