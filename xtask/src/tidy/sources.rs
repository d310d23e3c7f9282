//! Source files: short, opened by documentation, and finished.

use std::path::Path;

use anyhow::Result;

use crate::{
    tidy::findings::Findings,
    workspace::{self, Package},
};

/// A file of more lines is a file of more than one thing.
const MAX_LINES: usize = 800;

pub(super) fn check(members: &[Package], findings: &mut Findings) -> Result<()> {
    for package in members {
        let sources = package.folder().join("src");
        if !sources.is_dir() {
            continue;
        }
        documentation(&sources, findings)?;
        for file in workspace::rust_files(&sources)? {
            let text = workspace::read(&file)?;
            let lines = text.lines().count();
            if lines > MAX_LINES {
                findings
                    .add(&file, format!("the file has {lines} lines; split it, {MAX_LINES} are the limit"));
            }
            for (number, line) in unfinished(&text) {
                findings.add_line(&file, number, format!("`{line}` must not be committed"));
            }
        }
    }
    Ok(())
}

fn documentation(sources: &Path, findings: &mut Findings) -> Result<()> {
    let roots = ["lib.rs", "main.rs"].map(|file| sources.join(file));
    let mut roots = roots.iter().filter(|path| path.exists()).peekable();
    if roots.peek().is_none() {
        findings.add(sources, "there is neither lib.rs nor main.rs");
    }
    for path in roots {
        if !workspace::read(path)?.starts_with("//!") {
            findings.add(path, "the crate must open with its documentation: `//! What it is.`");
        }
    }
    Ok(())
}

/// Lines with a macro in place of code that is still to be written, or for debugging.
fn unfinished(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let macros = ["todo", "unimplemented", "dbg"].map(|name| format!("{name}!("));
    text.lines()
        .enumerate()
        .filter(move |(_, line)| {
            !line.trim_start().starts_with("//") && macros.iter().any(|m| line.contains(&**m))
        })
        .map(|(index, line)| (index + 1, line.trim()))
}

#[cfg(test)]
mod tests {
    use super::unfinished;

    #[test]
    fn unfinished_code_is_found() {
        let text = format!("fn f() {{\n    {}!()\n}}\n// {}!() in a comment\n", "todo", "dbg");
        assert_eq!(unfinished(&text).map(|(number, _)| number).collect::<Vec<_>>(), [2]);
    }
}
