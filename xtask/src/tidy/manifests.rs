//! Say it once: package fields, dependencies and lints are in the top `Cargo.toml` and are inherited. Provider crates and the adapters of
//! HTTP libraries alone have versions of their own, so that a release publishes what changed.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context, Result};
use toml::{Table, Value};

use crate::{
    tidy::findings::Findings,
    workspace::{self, Package},
};

const INHERITED: &[&str] = &["edition", "license", "repository"];
const KINDS: &[&str] = &["dependencies", "dev-dependencies", "build-dependencies"];

pub(super) fn check(members: &[Package], findings: &mut Findings) -> Result<()> {
    for package in members {
        let path = &package.manifest_path;
        let manifest: Table = workspace::read(path)?.parse().with_context(|| workspace::short(path))?;
        let library = package.folder().join("src/lib.rs");
        let kind = PackageKind {
            is_published: package.is_published(),
            has_own_version: has_own_version(&workspace::short(path)),
            unit_tests: library.exists().then(|| has_unit_tests(&library)).transpose()?,
        };
        for problem in problems(&manifest, kind) {
            findings.add(path, problem);
        }
    }
    no_unsafe_code(findings)?;
    internal_versions(members, findings)
}

/// Each package inherits the lints, and this is the one among them that security rests on: `forbid` cannot be allowed again in the code.
fn no_unsafe_code(findings: &mut Findings) -> Result<()> {
    let path = workspace::root().join("Cargo.toml");
    let manifest: Table = workspace::read(&path)?.parse()?;
    if !forbids_unsafe_code(&manifest) {
        let rule = "[workspace.lints.rust] must have `unsafe_code = \"forbid\"`";
        findings.add(Path::new("Cargo.toml"), rule);
    }
    Ok(())
}

fn forbids_unsafe_code(manifest: &Table) -> bool {
    let lints = table(manifest, "workspace").and_then(|workspace| table(table(workspace, "lints")?, "rust"));
    lints.and_then(|lints| lints.get("unsafe_code")?.as_str()) == Some("forbid")
}

/// What the rules depend on.
#[derive(Clone, Copy)]
struct PackageKind {
    is_published: bool,
    has_own_version: bool,
    /// Whether the library has unit tests; `None` where there is no library.
    unit_tests: Option<bool>,
}

/// Whether a new version of the package is none of the others: a provider's, or that of an HTTP library's adapter.
fn has_own_version(manifest: &str) -> bool {
    manifest.starts_with("crates/providers/")
        || [
            "crates/oauth-fetch/Cargo.toml",
            "crates/oauth-hyper/Cargo.toml",
            "crates/oauth-reqwest/Cargo.toml",
        ]
        .contains(&manifest)
}

fn has_unit_tests(library: &Path) -> Result<bool> {
    for file in workspace::rust_files(library.parent().unwrap_or(library))? {
        if workspace::read(&file)?.lines().any(|line| is_for_tests(line.trim())) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a line is an attribute of a test, or of what is compiled for tests.
fn is_for_tests(line: &str) -> bool {
    let condition = line.strip_prefix("#[cfg(").unwrap_or_default();
    let mut words = condition.split(|char: char| !char.is_alphanumeric() && char != '_' && char != '"');
    line.starts_with("#[test]") || words.any(|word| word == "test")
}

/// `cargo package` needs a version wherever there is a path, and it must be the package's.
fn internal_versions(members: &[Package], findings: &mut Findings) -> Result<()> {
    let path = workspace::root().join("Cargo.toml");
    let manifest: Table = workspace::read(&path)?.parse()?;
    let versions: BTreeMap<_, _> =
        members.iter().map(|package| (&*package.name, &*package.version)).collect();
    let dependencies = table(&manifest, "workspace").and_then(|workspace| table(workspace, "dependencies"));
    for (name, dependency) in dependencies.into_iter().flatten() {
        let stated = dependency.get("version").and_then(Value::as_str);
        let version = versions.get(&**name).copied();
        if dependency.get("path").is_some() && stated != version {
            let version = version.unwrap_or_default();
            findings.add(
                Path::new("Cargo.toml"),
                format!("{name} has a path here; give it the version of its package too: `version = \"{version}\"`"),
            );
        }
    }
    Ok(())
}

fn problems(manifest: &Table, kind: PackageKind) -> Vec<String> {
    let mut found = Vec::new();
    let package = table(manifest, "package").cloned().unwrap_or_default();
    for field in INHERITED {
        if !package.get(*field).is_some_and(is_inherited) {
            found.push(format!("the package must inherit its {field}: write `{field}.workspace = true`"));
        }
    }
    let version = package.get("version");
    match kind.has_own_version {
        true if !version.is_some_and(Value::is_str) => {
            found.push("the package needs a version of its own: write `version = \"0.1.0\"`".to_owned());
        }
        false if !version.is_some_and(is_inherited) => {
            found.push("the package must inherit its version: write `version.workspace = true`".to_owned());
        }
        _ => {}
    }
    // A package whose dependencies demand more states that; `msrv.rs` compares.
    if !package.get("rust-version").is_some_and(|version| is_inherited(version) || version.is_str()) {
        found.push("the package must have a rust-version: write `rust-version.workspace = true`".to_owned());
    }
    if kind.is_published && !package.contains_key("description") {
        found.push("the package needs a description, or `publish = false`".to_owned());
    }
    let docs_rs = table(&package, "metadata").and_then(|metadata| table(table(metadata, "docs")?, "rs"));
    if kind.is_published && docs_rs.is_none() {
        found.push(
            "docs.rs must be told the features: write `[package.metadata.docs.rs]` and `all-features = true`"
                .to_owned(),
        );
    }
    let tested = table(manifest, "lib").and_then(|lib| lib.get("test")?.as_bool()).unwrap_or(true);
    match kind.unit_tests {
        Some(false) if tested => found.push(
            "the library has no unit tests, so building it for them is a waste: write `[lib]` and `test = false`"
                .to_owned(),
        ),
        Some(true) if !tested => {
            found.push("the library's unit tests are never run: remove `test = false` from [lib]".to_owned());
        }
        _ => {}
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
            // A package's tests may switch its own features on. With a version, a registry would want the package before its first release.
            let is_itself = package.get("name").and_then(Value::as_str) == Some(name)
                && dependency.get("path").and_then(Value::as_str) == Some(".")
                && dependency.get("version").is_none();
            if !is_itself && !is_inherited(dependency) {
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
        [package.metadata.docs.rs]
        all-features = true
        [lib]
        test = false
        [dependencies]
        a.workspace = true
        b = { workspace = true, optional = true }
        [lints]
        workspace = true
    "#;

    const PUBLISHED: PackageKind =
        PackageKind { is_published: true, has_own_version: false, unit_tests: Some(false) };

    #[track_caller]
    fn one(manifest: &str, kind: PackageKind, complaint: &str) {
        let found = problems(&manifest.parse().unwrap(), kind);
        assert!(matches!(&found[..], [one] if one.contains(complaint)), "{complaint}: {found:?}");
    }

    #[test]
    fn what_is_not_inherited_is_found() {
        assert_eq!(problems(&GOOD.parse().unwrap(), PUBLISHED), Vec::<String>::new());
        for (from, to, complaint) in [
            ("edition.workspace = true", "edition = '2024'", "inherit its edition"),
            (
                "version.workspace = true\n        edition",
                "version = '1.0.0'\n        edition",
                "inherit its version",
            ),
            ("rust-version.workspace = true", "", "have a rust-version"),
            ("description = \"x\"", "", "description"),
            ("docs.rs", "docs", "docs.rs must be told"),
            ("a.workspace = true", "a = '1'", "a must come from the workspace"),
            ("[lints]", "[x]", "the lints"),
            ("[lints]", "[target.'cfg(unix)'.dev-dependencies]\nc = '1'\n[lints]", "c must come"),
        ] {
            one(&GOOD.replace(from, to), PUBLISHED, complaint);
        }
    }

    #[test]
    fn unsafe_code_must_be_forbidden_for_all() {
        let of = |text: &str| forbids_unsafe_code(&text.parse().unwrap());
        assert!(of("[workspace.lints.rust]\nunsafe_code = 'forbid'"));
        assert!(!of("[workspace.lints.rust]\nunsafe_code = 'deny'"));
        assert!(!of("[workspace.lints.clippy]\nunsafe_code = 'forbid'"));
    }

    #[test]
    fn providers_and_adapters_have_versions_of_their_own() {
        for (manifest, expected) in [
            ("crates/providers/github/Cargo.toml", true),
            ("crates/oauth-reqwest/Cargo.toml", true),
            ("crates/oauth-core/Cargo.toml", false),
        ] {
            assert_eq!(has_own_version(manifest), expected, "{manifest}");
        }
        let provider = PackageKind { has_own_version: true, ..PUBLISHED };
        one(GOOD, provider, "version of its own");
        let own = GOOD.replacen("version.workspace = true", "version = '0.3.1'", 1);
        assert_eq!(problems(&own.parse().unwrap(), provider), Vec::<String>::new());
    }

    #[test]
    fn unit_tests_are_known_by_their_attributes() {
        for line in
            ["#[cfg(test)]", "#[cfg(all(test, feature = \"x\"))]", "#[cfg(all(unix, test))]", "#[test]"]
        {
            assert!(is_for_tests(line), "{line}");
        }
        for line in
            ["#[cfg(feature = \"test\")]", "#[cfg(feature = \"testkit\")]", "#[cfg(doctest)]", "// #[test]"]
        {
            assert!(!is_for_tests(line), "{line}");
        }
    }

    #[test]
    fn a_library_is_built_for_unit_tests_only_where_it_has_some() {
        one(&GOOD.replace("test = false", ""), PUBLISHED, "has no unit tests");
        one(GOOD, PackageKind { unit_tests: Some(true), ..PUBLISHED }, "never run");
        let without_library = PackageKind { unit_tests: None, ..PUBLISHED };
        assert_eq!(problems(&GOOD.parse().unwrap(), without_library), Vec::<String>::new());
    }
}
