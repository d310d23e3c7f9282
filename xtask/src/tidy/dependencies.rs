//! The crates of others that the published packages depend on: each has a line in `docs/supply-chain.md`, which says who maintains it and why it
//! is there, so that nobody adds one unnoticed.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use anyhow::Result;

use crate::{
    tidy::findings::Findings,
    workspace::{self, Metadata, Package},
};

const PAGE: &str = "docs/supply-chain.md";

/// The head of the table, whose third and fourth columns are checked.
const HEAD: &str = "| crate | maintained by | unsafe code | build script | what for |";

/// What the table says of a crate, and what is so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct RegistryFacts {
    has_unsafe_code: bool,
    has_build_script: bool,
}

pub(super) fn check(members: &[Package], metadata: &Metadata, findings: &mut Findings) -> Result<()> {
    let published = members.iter().filter(|package| package.is_published());
    let names: BTreeSet<_> = published
        .flat_map(|package| &package.dependencies)
        .filter(|dependency| dependency.kind.as_deref() != Some("dev") && dependency.path.is_none())
        .map(|dependency| &*dependency.name)
        .collect();
    let mut direct: BTreeMap<&str, RegistryFacts> = BTreeMap::new();
    for package in metadata.packages.iter().filter(|package| names.contains(&*package.name)) {
        let facts = RegistryFacts {
            has_unsafe_code: has_unsafe_code(package.folder())?,
            has_build_script: package.has_build_script(),
        };
        // Of two versions, each counts.
        let of_all = direct.entry(&*package.name).or_insert(facts);
        of_all.has_unsafe_code |= facts.has_unsafe_code;
        of_all.has_build_script |= facts.has_build_script;
    }
    let page = workspace::root().join(PAGE);
    for problem in problems(&direct, &workspace::read(&page)?) {
        findings.add(&page, problem);
    }
    Ok(())
}

/// Whether the sources of a package have unsafe code. Its dependencies may have some in any case.
fn has_unsafe_code(package: &Path) -> Result<bool> {
    let sources = package.join("src");
    if !sources.exists() {
        return Ok(false);
    }
    for file in workspace::rust_files(&sources)? {
        if workspace::read(&file)?.lines().any(is_unsafe) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn is_unsafe(line: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default();
    ["unsafe {", "unsafe fn", "unsafe impl", "unsafe trait", "unsafe extern"]
        .iter()
        .any(|word| code.contains(word))
}

fn problems(direct: &BTreeMap<&str, RegistryFacts>, page: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut listed = BTreeSet::new();
    for row in page.lines().skip_while(|line| *line != HEAD).skip(2).take_while(|line| line.starts_with('|'))
    {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let [_, name, maintainer, has_unsafe_code, has_build_script, what_for, ..] = cells[..] else {
            continue;
        };
        let name = name.trim_matches('`');
        listed.insert(name);
        let Some(facts) = direct.get(name) else {
            found.push(format!("no published package depends on {name}: remove its line"));
            continue;
        };
        let word = |holds: bool| if holds { "yes" } else { "no" };
        let expected = (word(facts.has_unsafe_code), word(facts.has_build_script));
        if (has_unsafe_code, has_build_script) != expected {
            let (of_unsafe_code, of_build_script) = expected;
            found.push(format!("{name}: unsafe code is {of_unsafe_code}, build script is {of_build_script}"));
        }
        if maintainer.is_empty() || what_for.is_empty() {
            found.push(format!("{name}: say who maintains it and what it is for"));
        }
    }
    let missing = direct.keys().filter(|name| !listed.contains(**name));
    found.extend(missing.map(|name| {
        format!("published packages depend on {name}: give it a line in the table of direct dependencies, with who maintains it and what it is for")
    }));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dependency_without_a_line_is_found_and_so_is_a_line_that_is_not_so() {
        let plain = RegistryFacts { has_unsafe_code: false, has_build_script: false };
        let page = |rows: &str| format!("# Page\n\n{HEAD}\n| --- | --- | --- | --- | --- |\n{rows}\nEnd.\n");
        let direct =
            BTreeMap::from([("http", RegistryFacts { has_unsafe_code: true, ..plain }), ("url", plain)]);
        let good = "| `http` | hyper | yes | no | requests |\n| `url` | Servo | no | no | URLs |\n";
        assert!(problems(&direct, &page(good)).is_empty());
        for (wrong, named) in [
            ("| `http` | hyper | yes | no | requests |\n", "depend on url"),
            (&*good.replace("| yes |", "| no |"), "http: unsafe code is yes"),
            (&*good.replace("| no | URLs", "| yes | URLs"), "build script is no"),
            (&*good.replace("Servo", ""), "url: say who"),
            (&*format!("{good}| `left-pad` | one | no | no | pads |\n"), "depends on left-pad"),
        ] {
            let found = problems(&direct, &page(wrong));
            assert!(found.len() == 1 && found[0].contains(named), "{found:?}");
        }
    }

    #[test]
    fn unsafe_code_is_told_from_what_is_said_of_it() {
        assert!(is_unsafe("    unsafe { call() }") && is_unsafe("pub unsafe fn call() {}"));
        assert!(!is_unsafe("#![forbid(unsafe_code)]") && !is_unsafe("/// No unsafe { } here."));
    }
}
