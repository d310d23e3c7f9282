//! The crates whose changes are tried, and the tests that should notice.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Result;

use crate::workspace::Metadata;

/// A crate that is changed, and the tests that should notice. They are few enough to be built again for each change.
pub(super) struct MutatedCrate {
    pub(super) package: &'static str,
    /// The package with the tests from outside, and its test target.
    pub(super) tests: (&'static str, &'static str),
    /// What these tests do not compile.
    pub(super) left_out: &'static [&'static str],
    /// A test that takes too long to be run after each change.
    pub(super) skipped: Option<&'static str>,
    /// Further packages with tests that reach the crate, for a run that builds them once.
    pub(super) around: &'static [&'static str],
}

/// The crates in which a fault costs most.
pub(super) const SUBJECTS: [MutatedCrate; 4] = [
    MutatedCrate {
        package: "oauth-core",
        tests: ("oauth-mutants-core", "mutants"),
        left_out: &["**/backend/on_aws_lc_rs.rs", "**/backend/on_rust_crypto.rs"],
        skipped: None,
        around: &[
            "oauth-openid",
            "oauth-properties",
            "oauth-rows-tests",
            "oauth-tests",
            "oauth-tokens",
            "oauth-web",
        ],
    },
    MutatedCrate {
        package: "oauth-openid",
        tests: ("oauth-mutants-openid", "mutants"),
        left_out: &["**/crypto/on_rust_crypto.rs", "**/jose.rs"],
        skipped: None,
        around: &["oauth-properties", "oauth-rows-tests", "oauth-tests", "oauth-web"],
    },
    MutatedCrate {
        package: "oauth-tokens",
        tests: ("oauth-tokens", "all"),
        // It is for tests.
        left_out: &["**/testkit/**"],
        skipped: Some("storms::"),
        around: &["oauth-tests"],
    },
    MutatedCrate {
        package: "oauth-web",
        tests: ("oauth-mutants-web", "mutants"),
        left_out: &[],
        skipped: None,
        // The first of these turns the feature `metrics` on.
        around: &["oauth-observability-tests", "oauth-rows-tests", "oauth-tests", "oauth-web-axum"],
    },
];

/// What became of the changes of one crate.
pub(super) struct TriedChanges {
    pub(super) package: &'static str,
    /// How many changes there are.
    pub(super) all: usize,
    pub(super) caught: usize,
    pub(super) hung: usize,
    pub(super) unviable: usize,
    pub(super) missed: Vec<String>,
}

impl MutatedCrate {
    /// Whether a file is not changed.
    pub(super) fn leaves_out(&self, file: &Path) -> bool {
        let file = file.to_string_lossy().replace('\\', "/");
        let matches = |pattern: &&str| match pattern.trim_start_matches("**").strip_suffix("**") {
            Some(folder) => file.contains(folder),
            None => file.ends_with(pattern.trim_start_matches("**")),
        };
        self.left_out.iter().any(matches)
    }
}

/// Of all that is built, one crate changes a little each time.
pub(super) fn built_for_changes(command: &mut Command) -> Result<&mut Command> {
    Ok(command.env("CARGO_TARGET_DIR", folder()?.join("build")).env("CARGO_INCREMENTAL", "1"))
}

/// Where all is put.
pub(super) fn folder() -> Result<PathBuf> {
    Ok(Metadata::target_directory()?.join("mutants"))
}
