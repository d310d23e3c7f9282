//! In the core, one file names the library that does the cryptography, so that another can take its place.

use anyhow::Result;

use crate::{tidy::findings::Findings, workspace};

/// The file, in the sources of the core.
const BACKEND: &str = "crypto/backend.rs";

pub(super) fn check(findings: &mut Findings) -> Result<()> {
    let sources = workspace::root().join("crates/oauth-core/src");
    for file in workspace::rust_files(&sources)? {
        if file.ends_with(BACKEND) {
            continue;
        }
        for (number, line) in names_ring(&workspace::read(&file)?) {
            let problem = format!("`{line}` names ring; put what it takes into {BACKEND}");
            findings.add_line(&file, number, problem);
        }
    }
    Ok(())
}

/// The lines that import from ring or name an item of it. `rustls::crypto::ring` is TLS.
fn names_ring(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .filter(|(_, line)| {
            let line = line.trim_start();
            line.starts_with("use ring::") || (!line.starts_with("//") && line.contains(" ring::"))
        })
        .filter(|(_, line)| !line.contains("ring::default_provider"))
        .map(|(index, line)| (index + 1, line.trim()))
}

#[cfg(test)]
mod tests {
    use super::names_ring;

    #[test]
    fn ring_is_found_and_its_tls_is_not() {
        let text = "use ring::digest;\n// ring::hmac\nlet key = ring::hmac::Key;\nArc::new(ring::default_provider())\n";
        assert_eq!(names_ring(text).map(|(number, _)| number).collect::<Vec<_>>(), [1, 3]);
    }
}
