//! PEM (RFC 7468).

use base64::{Engine, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use crate::key_error::KeyError;

/// One block of a text.
pub(crate) struct Block<'p> {
    pub(crate) label: &'p str,
    /// Between the lines that begin and end it.
    inside: &'p str,
}

/// The blocks of a text, in their order. Whatever is around them is ignored (RFC 7468 section 2).
///
/// It is read here and not by a crate, because those leave copies of the key in memory.
pub(crate) fn blocks(pem: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut rest = pem;
    while let Some((_, behind)) = rest.split_once("-----BEGIN ") {
        let Some((label, behind)) = behind.split_once("-----") else { break };
        let Some((inside, behind)) = behind.split_once("-----END ") else { break };
        rest = behind;
        blocks.push(Block { label, inside });
    }
    blocks
}

impl Block<'_> {
    /// Whether a header of PEM's first version (RFC 1421 section 4.6.1.1) says that it is encrypted, as OpenSSL once wrote it.
    pub(crate) fn is_encrypted_the_old_way(&self) -> bool {
        self.inside.contains("ENCRYPTED")
    }

    /// The bytes of the block.
    pub(crate) fn bytes(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let mut base64 = Zeroizing::new(String::with_capacity(self.inside.len()));
        base64.extend(self.inside.chars().filter(|char| !char.is_ascii_whitespace()));
        STANDARD
            .decode(base64.as_bytes())
            .map(Zeroizing::new)
            .map_err(|_| KeyError::Form(format!("what is in the PEM block {:?} is not base64", self.label)))
    }
}
