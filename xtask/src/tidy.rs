//! `cargo xtask tidy`: the rules that no compiler knows. Each has a file; each finding says what to do.

mod circles;
mod crypto;
mod dependencies;
mod findings;
mod layers;
mod manifests;
mod msrv;
mod named_tests;
mod names;
mod readmes;
mod sources;
mod specs;
mod templates;
mod text;
mod types;

use anyhow::{Result, bail};

use crate::{tidy::findings::Findings, workspace::Metadata};

pub(crate) fn run() -> Result<()> {
    let mut findings = Findings::default();
    let metadata = Metadata::all()?;
    let members = Metadata::members()?;
    layers::check(&members, &metadata, &mut findings);
    circles::check(&members, &mut findings)?;
    crypto::check(&mut findings)?;
    dependencies::check(&members, &metadata, &mut findings)?;
    named_tests::check(&mut findings)?;
    names::check(&mut findings)?;
    manifests::check(&members, &mut findings)?;
    readmes::check(&members, &mut findings)?;
    msrv::check(&members, &metadata, &mut findings)?;
    sources::check(&members, &mut findings)?;
    specs::check(&mut findings)?;
    templates::check(&mut findings)?;
    text::check(&mut findings)?;
    types::check(&members, &mut findings)?;
    match &findings.0[..] {
        [] => Ok(()),
        [one] => bail!("{one}"),
        many => bail!("{} findings:\n{}", many.len(), many.join("\n")),
    }
}
