//! Say it once: package fields, dependencies and lints stand in the top `Cargo.toml` and are inherited.

use std::path::Path;

use anyhow::{Context, Result};
use toml::{Table, Value};

use super::Findings;
use crate::workspace::{self, Package};

const INHERITED: &[&str] = &["version", "edition", "license", "repository"];
const KINDS: &[&str] = &["dependencies", "dev-dependencies", "build-dependencies"];

pub(super) fn check(members: &[Package], findings: &mut Findings) -> Result<()> {
    for package in members {
        let path = &package.manifest_path;
        let manifest: Table = workspace::read(path)?.parse().with_context(|| workspace::short(path))?;
        for problem in problems(&manifest, package.is_published()) {
            findings.add(path, problem);
        }
    }
    internal_versions(findings)
}

/// `cargo package` needs a version wherever there is a path.
fn internal_versions(findings: &mut Findings) -> Result<()> {
    let path = workspace::root().join("Cargo.toml");
    let manifest: Table = workspace::read(&path)?.parse()?;
    let workspace = table(&manifest, "workspace");
    let version = workspace.and_then(|workspace| table(workspace, "package")?.get("version"));
    for (name, dependency) in
        workspace.and_then(|workspace| table(workspace, "dependencies")).into_iter().flatten()
    {
        if dependency.get("path").is_some() && dependency.get("version") != version {
            findings.add(
                Path::new("Cargo.toml"),
                format!("{name} stands here with a path; give it the workspace's version too"),
            );
        }
    }
    Ok(())
}

fn problems(manifest: &Table, published: bool) -> Vec<String> {
    let mut found = Vec::new();
    let package = table(manifest, "package").cloned().unwrap_or_default();
    for field in INHERITED {
        if !package.get(*field).is_some_and(is_inherited) {
            found.push(format!("the package must inherit its {field}: write `{field}.workspace = true`"));
        }
    }
    // A package whose dependencies demand more states that; `msrv.rs` compares.
    if !package.get("rust-version").is_some_and(|version| is_inherited(version) || version.is_str()) {
        found.push("the package must have a rust-version: write `rust-version.workspace = true`".to_owned());
    }
    if published && !package.contains_key("description") {
        found.push("the package needs a description, or `publish = false`".to_owned());
    }
    if !manifest.get("lints").is_some_and(is_inherited) {
        found.push("the package must inherit the lints: write `[lints]` and `workspace = true`".to_owned());
    }
    let mut tables = vec![manifest];
    tables
        .extend(table(manifest, "target").into_iter().flatten().filter_map(|(_, target)| target.as_table()));
    for (kind, table_of) in tables.iter().flat_map(|&t| KINDS.iter().map(move |&kind| (kind, table(t, kind))))
    {
        for (name, dependency) in table_of.into_iter().flatten() {
            if !is_inherited(dependency) {
                found.push(format!(
                    "{name} must come from the workspace: put it into [workspace.dependencies] of the top Cargo.toml and \
                     write `{name}.workspace = true` into [{kind}] here"
                ));
            }
        }
    }
    found
}

fn table<'a>(of: &'a Table, name: &str) -> Option<&'a Table> {
    of.get(name)?.as_table()
}

fn is_inherited(value: &Value) -> bool {
    value.get("workspace").and_then(Value::as_bool) == Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
        [package]
        name = "x"
        description = "x"
        version.workspace = true
        edition.workspace = true
        rust-version.workspace = true
        license.workspace = true
        repository.workspace = true
        [dependencies]
        a.workspace = true
        b = { workspace = true, optional = true }
        [lints]
        workspace = true
    "#;

    #[test]
    fn what_is_not_inherited_is_found() {
        assert_eq!(problems(&GOOD.parse().unwrap(), true), Vec::<String>::new());
        for (from, to, complaint) in [
            ("edition.workspace = true", "edition = '2024'", "inherit its edition"),
            ("rust-version.workspace = true", "", "have a rust-version"),
            ("description = \"x\"", "", "description"),
            ("a.workspace = true", "a = '1'", "a must come from the workspace"),
            ("[lints]", "[x]", "the lints"),
            ("[lints]", "[target.'cfg(unix)'.dev-dependencies]\nc = '1'\n[lints]", "c must come"),
        ] {
            let found = problems(&GOOD.replace(from, to).parse().unwrap(), true);
            assert!(matches!(&found[..], [one] if one.contains(complaint)), "{complaint}: {found:?}");
        }
    }
}
