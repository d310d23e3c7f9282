//! `cargo xtask tidy`: the rules that no compiler knows. Each has a file; each finding says what to do.

mod layers;
mod manifests;
mod msrv;
mod names;
mod sources;
mod text;

use std::path::Path;

use anyhow::{Result, bail};

use crate::workspace::{self, Metadata};

pub(crate) fn run() -> Result<()> {
    let mut findings = Findings::default();
    let metadata = Metadata::all()?;
    let members = Metadata::members()?;
    layers::check(&members, &metadata, &mut findings);
    names::check(&mut findings)?;
    manifests::check(&members, &mut findings)?;
    msrv::check(&members, &metadata, &mut findings)?;
    sources::check(&members, &mut findings)?;
    text::check(&mut findings)?;
    match &findings.0[..] {
        [] => Ok(()),
        [one] => bail!("{one}"),
        many => bail!("{} findings:\n{}", many.len(), many.join("\n")),
    }
}

/// What is wrong, one line each.
#[derive(Default)]
struct Findings(Vec<String>);

impl Findings {
    fn add(&mut self, place: &Path, what: impl AsRef<str>) {
        self.0.push(format!("{}: {}", workspace::short(place), what.as_ref()));
    }

    fn add_line(&mut self, place: &Path, line: usize, what: impl AsRef<str>) {
        self.0.push(format!("{}:{line}: {}", workspace::short(place), what.as_ref()));
    }
}
