//! Tests that the threat model names: each must exist, so that a test that is renamed or removed is missed there.

use std::collections::BTreeSet;

use anyhow::Result;

use crate::{tidy::findings::Findings, workspace};

/// The page whose tables name tests.
const PAGE: &str = "docs/threat-model.md";

/// The head of the column that names them.
const COLUMN: &str = "the test that shows it";

pub(super) fn check(findings: &mut Findings) -> Result<()> {
    let root = workspace::root();
    let mut functions = BTreeSet::new();
    for folder in ["tests", "crates"] {
        for file in workspace::rust_files(&root.join(folder))? {
            functions.extend(functions_of(&workspace::read(&file)?).map(str::to_owned));
        }
    }
    let page = root.join(PAGE);
    let named = named_tests(&workspace::read(&page)?);
    if named.is_empty() {
        findings.add(&page, format!("no table has tests in a column {COLUMN:?}"));
    }
    for (line, name) in named {
        if !functions.contains(&name) {
            let problem =
                format!("there is no test `{name}` in tests/ or crates/; name the one that shows it");
            findings.add_line(&page, line, problem);
        }
    }
    Ok(())
}

/// The names between backticks in the tests' column of each table, with their lines.
fn named_tests(page: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut column = None;
    for (index, line) in page.lines().enumerate() {
        if !line.starts_with('|') {
            column = None;
            continue;
        }
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        if let Some(head) = cells.iter().position(|cell| *cell == COLUMN) {
            column = Some(head);
        } else if let Some(cell) = column.and_then(|column| cells.get(column)) {
            found.extend(cell.split('`').skip(1).step_by(2).map(|name| (index + 1, name.to_owned())));
        }
    }
    found
}

/// The names of the functions that a Rust file defines.
fn functions_of(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| {
        let words = line.trim_start();
        let words = words.strip_prefix("pub ").unwrap_or(words);
        let words = words.strip_prefix("async ").unwrap_or(words);
        words.strip_prefix("fn ")?.split(['(', '<']).next()
    })
}

#[cfg(test)]
mod tests {
    use super::{functions_of, named_tests};

    #[test]
    fn names_are_those_of_the_tests_column_alone() {
        let page = "`text`\n\n| attack | the test that shows it | rest |\n| --- | --- | --- |\n| `a` | `one`, `two` | `b` |\n\
                    | c | `three` | |\n\n| asset | where |\n| --- | --- |\n| `d` | `e` |\n";
        let expected = [(5, "one"), (5, "two"), (6, "three")].map(|(line, name)| (line, name.to_owned()));
        assert_eq!(named_tests(page), expected);
    }

    #[test]
    fn functions_are_found_and_calls_and_comments_are_not() {
        let text = "fn one() {}\n    async fn two() {\npub fn three<T>() {}\n// fn four() {}\nfive();\n/// fn six()\n";
        assert_eq!(functions_of(text).collect::<Vec<_>>(), ["one", "two", "three"]);
    }
}
