//! Each published package has a README that a registry can show.

use anyhow::Result;

use crate::{
    readme,
    tidy::findings::Findings,
    workspace::{self, Package},
};

pub(super) fn check(members: &[Package], findings: &mut Findings) -> Result<()> {
    for package in members.iter().filter(|package| package.is_published()) {
        let Some(file) = &package.readme else {
            findings.add(&package.manifest_path, "there is no README.md; `cargo xtask generate` makes it");
            continue;
        };
        let path = package.folder().join(file);
        let repository = package.repository.as_deref().unwrap_or_default();
        for (line, problem) in readme::problems(&workspace::read(&path)?, repository, &workspace::root()) {
            findings.add_line(&path, line, problem);
        }
    }
    Ok(())
}
