//! Text files: no tabs, no white space at the ends of lines, nothing that holds on one machine only.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Result;

use crate::{tidy::findings::Findings, workspace};

/// Beginnings of paths that only the author's machine has.
const LOCAL: &[&str] = &["/home/", "/root/", "/tmp/", "/Users/"];

/// Hidden folders that belong to the project; all others are those of tools.
const HIDDEN: &[&str] = &[".cargo", ".ci", ".github"];

pub(super) fn check(findings: &mut Findings) -> Result<()> {
    let root = workspace::root();
    for path in files(&root)? {
        // Anything else than text is none of this check's business.
        let Ok(text) = String::from_utf8(fs::read(&path)?) else { continue };
        for (line, problem) in problems(&workspace::short(&path), &text) {
            findings.add_line(&path, line, problem);
        }
    }
    Ok(())
}

/// The project's files. The walk does not ask git, so that it works in an unpacked archive too.
pub(super) fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for path in workspace::entries(folder)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            let foreign = name.starts_with('.') && !HIDDEN.contains(&&*name);
            if !foreign && !["target", "node_modules", "__pycache__"].contains(&&*name) {
                found.extend(files(&path)?);
            }
        } else {
            found.push(path);
        }
    }
    Ok(found)
}

fn problems(path: &str, text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    // This file must name what it forbids.
    let mut may_name_folders = path == "xtask/src/tidy/text.rs" || path.starts_with("tests/");
    // A recording, a seed and an input that failed once are kept as they were made.
    let as_they_were = ["tests/data/", "tests/properties/corpus/", "tests/properties/crashes/"];
    let may_have_any_space = as_they_were.iter().any(|folder| path.starts_with(folder));
    for (index, line) in text.lines().enumerate() {
        let mut add = |problem: String| found.push((index + 1, problem));
        // gofmt indents with tabs.
        if !may_have_any_space && !path.ends_with(".go") && line.contains('\t') {
            add("there is a tab; use spaces".to_owned());
        }
        if !may_have_any_space && line.ends_with(char::is_whitespace) {
            add("there is white space at the end of the line".to_owned());
        }
        // Tests may invent paths.
        may_name_folders |= line.trim() == "#[cfg(test)]";
        if let Some(folder) = LOCAL.iter().find(|folder| !may_name_folders && begins_path(line, folder)) {
            add(format!("{folder}… is a path of one machine; name the place in the repository"));
        }
    }
    found
}

/// Whether a path in a line begins so, and not only the path of a URL.
fn begins_path(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|before| {
            before.is_whitespace() || "\"'`(=:,[<".contains(before) || line[..at].ends_with("file://")
        })
    })
}

#[cfg(test)]
mod tests {
    use super::problems;

    #[test]
    fn what_must_not_stand_in_a_file_is_found() {
        for (line, complaint) in [
            ("a\tb", "tab"),
            ("a ", "white space"),
            ("let path = \"/home/ada/x\";", "one machine"),
            ("file:///tmp/x", "one machine"),
        ] {
            let found = problems("src/lib.rs", &format!("fine\n{line}\n"));
            assert!(
                matches!(&found[..], [(2, problem)] if problem.contains(complaint)),
                "{line:?}: {found:?}"
            );
        }
        for (path, line) in [
            ("docs/a.md", "https://crates.io/crates/oauth-core and https://docs.rs/oauth-core"),
            ("src/lib.rs", "https://example.com/home/x and https://{host}/tmp/x"),
            ("src/lib.rs", "#[cfg(test)]\nlet x = \"/tmp/x\";"),
            ("tests/all.rs", "\"/tmp/x\""),
        ] {
            assert_eq!(problems(path, line), [], "{line:?}");
        }
    }
}
