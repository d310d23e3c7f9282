//! The `rust-version` of each published package is one that its dependencies allow.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use toml::Table;

use crate::{
    tidy::findings::Findings,
    workspace::{self, Metadata, Package},
};

/// What only optional dependencies of the facade are: its features name the newer version that they need.
const SQL_STORES: &str = "oauth-store-sqlx";

pub(super) fn check(members: &[Package], metadata: &Metadata, findings: &mut Findings) -> Result<()> {
    let path = workspace::root().join("Cargo.toml");
    let manifest: Table = workspace::read(&path)?.parse()?;
    let of_workspace =
        manifest["workspace"]["package"]["rust-version"].as_str().context("there is no rust-version")?;

    let packages: BTreeMap<_, _> = metadata.packages.iter().map(|package| (&*package.id, package)).collect();
    let nodes: BTreeMap<_, _> =
        metadata.resolve.iter().flat_map(|resolve| &resolve.nodes).map(|node| (&*node.id, node)).collect();
    // A dependency that demands too much is named once, and not for each package that has it.
    let mut named = BTreeSet::new();
    for member in members.iter().filter(|package| package.is_published()) {
        let stated = member.rust_version.as_deref().unwrap_or(of_workspace);
        if parts(stated) < parts(of_workspace) {
            findings.add(
                &member.manifest_path,
                format!("rust-version is {stated}, below the workspace's {of_workspace}; write `rust-version.workspace = true`"),
            );
        }
        let mut left = vec![&*member.id];
        let mut seen = BTreeSet::new();
        while let Some(id) = left.pop() {
            if !seen.insert(id) {
                continue;
            }
            let Some(package) = packages.get(id) else { continue };
            // It has a version of its own, and nobody gets it who has not asked for a database.
            if package.name == SQL_STORES && member.name != SQL_STORES {
                continue;
            }
            left.extend(nodes.get(id).into_iter().flat_map(|node| node.needs()));
            let demanded = package.rust_version.as_deref().filter(|demanded| parts(demanded) > parts(stated));
            if let Some(demanded) = demanded.filter(|_| named.insert((id, stated.to_owned()))) {
                findings.add(
                    &member.manifest_path,
                    format!(
                        "rust-version is {stated}, but {} {} demands {demanded}; raise the one (here alone, if only this \
                         package needs it) or lower the other with `cargo update`",
                        package.name, package.version
                    ),
                );
            }
        }
    }
    Ok(())
}

/// `1.88` and `1.88.0` are the same version.
fn parts(version: &str) -> Vec<u32> {
    let mut parts: Vec<u32> = version.split('.').map(|part| part.parse().unwrap_or(0)).collect();
    parts.resize(3, 0);
    parts
}

#[cfg(test)]
mod tests {
    use super::parts;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(parts("1.9") < parts("1.88"));
        assert_eq!(parts("1.88"), parts("1.88.0"));
        assert!(parts("1.88.1") > parts("1.88"));
    }
}
