//! In the core and in oauth-openid, one folder each names the libraries that do the cryptography, so that one can take the place of the other.

use anyhow::Result;

use crate::{tidy::findings::Findings, workspace};

/// The sources, and in them the folder. The decrypter of oauth-openid is beside its folder: josekit does its cryptography.
const BACKENDS: &[(&str, &str, &[&str])] = &[
    ("crates/oauth-core/src", "crypto/backend", &[]),
    ("crates/oauth-openid/src", "crypto", &["jose.rs", "jose"]),
];

const LIBRARIES: &[&str] = &[
    "aes_gcm::",
    "aws_lc_rs::",
    "chacha20poly1305::",
    "ed25519_dalek::",
    "getrandom::",
    "hmac::",
    "p256::",
    "p384::",
    "p521::",
    "ring::",
    "rsa::",
    "sha2::",
];

pub(super) fn check(findings: &mut Findings) -> Result<()> {
    for (sources, backend, others) in BACKENDS {
        let sources = workspace::root().join(sources);
        for file in workspace::rust_files(&sources)? {
            if file.starts_with(sources.join(backend))
                || others.iter().any(|other| file.starts_with(sources.join(other)))
            {
                continue;
            }
            for (number, line) in names_a_library(&workspace::read(&file)?) {
                let problem =
                    format!("`{line}` names a library of cryptography; put what it takes into {backend}");
                findings.add_line(&file, number, problem);
            }
        }
    }
    Ok(())
}

/// The lines that import from ring, aws-lc-rs or RustCrypto, or name an item of theirs. `rustls::crypto::ring` is TLS.
fn names_a_library(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .filter(|(_, line)| {
            let line = line.trim_start();
            LIBRARIES.iter().any(|library| {
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
