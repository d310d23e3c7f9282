//! In the core, one folder names the libraries that do the cryptography, so that one can take the place of the other.

use anyhow::Result;

use crate::{tidy::findings::Findings, workspace};

/// The folder, in the sources of the core, and in it the file that chooses.
const BACKEND: &str = "crypto/backend";

pub(super) fn check(findings: &mut Findings) -> Result<()> {
    let sources = workspace::root().join("crates/oauth-core/src");
    for file in workspace::rust_files(&sources)? {
        if file.starts_with(sources.join(BACKEND)) {
            continue;
        }
        for (number, line) in names_a_library(&workspace::read(&file)?) {
            let problem =
                format!("`{line}` names a library of cryptography; put what it takes into {BACKEND}");
            findings.add_line(&file, number, problem);
        }
    }
    Ok(())
}

/// The lines that import from ring or aws-lc-rs, or name an item of theirs. `rustls::crypto::ring` is TLS.
fn names_a_library(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .filter(|(_, line)| {
            let line = line.trim_start();
            ["ring::", "aws_lc_rs::"].iter().any(|library| {
                line.starts_with(&format!("use {library}"))
                    || (!line.starts_with("//") && line.contains(&format!(" {library}")))
            })
        })
        .filter(|(_, line)| !line.contains("ring::default_provider"))
        .map(|(index, line)| (index + 1, line.trim()))
}

#[cfg(test)]
mod tests {
    use super::names_a_library;

    #[test]
    fn a_library_is_found_and_its_tls_is_not() {
        let text = "use ring::digest;\n// ring::hmac\nlet key = ring::hmac::Key;\nArc::new(ring::default_provider())\n\
                    use aws_lc_rs::rand;\nlet provider = rustls::crypto::ring::default_provider;\n";
        assert_eq!(names_a_library(text).map(|(number, _)| number).collect::<Vec<_>>(), [1, 3, 5]);
    }
}
