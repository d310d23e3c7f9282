//! What `cargo xtask new` writes is filled in.

use anyhow::Result;

use crate::{facts, tidy::findings::Findings, workspace};

/// What the templates say in the place of the provider's documentation, and of the day on which it was read.
const PLACEHOLDERS: &[&str] = &["https://example.com/docs/oauth", "0000-00-00"];

pub(super) fn check(findings: &mut Findings) -> Result<()> {
    let mut files = Vec::new();
    for folder in workspace::folders(&workspace::root().join("crates/providers"))? {
        files.extend(workspace::rust_files(&folder.join("src"))?);
    }
    files.extend(facts::names()?.iter().map(|name| facts::folder().join(format!("{name}.toml"))));
    for file in files {
        for (number, line) in unfilled(&workspace::read(&file)?) {
            findings.add_line(
                &file,
                number,
                format!("`{line}` is from the template; write down what the provider's documentation says"),
            );
        }
    }
    Ok(())
}

fn unfilled(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let is_unfilled = |line: &str| PLACEHOLDERS.iter().any(|placeholder| line.contains(placeholder));
    text.lines()
        .enumerate()
        .filter(move |(_, line)| is_unfilled(line))
        .map(|(index, line)| (index + 1, line.trim()))
}

#[cfg(test)]
mod tests {
    use super::unfilled;

    #[test]
    fn the_templates_are_not_filled_in() {
        for template in
            [include_str!("../../templates/lib.rs.in"), include_str!("../../templates/facts.toml.in")]
        {
            assert!(unfilled(template).count() > 1);
        }
        assert_eq!(unfilled("docs = \"https://example.com/other\"\n").count(), 0);
    }
}
