//! SHA-256 as text.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::crypto::{Hash, digest};

/// The SHA-256 of a text, in hexadecimal digits and as base64url.
pub(crate) fn sha256(text: &str) -> [String; 2] {
    let hash = digest(Hash::Sha256, text.as_bytes());
    let hex = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    [hex, URL_SAFE_NO_PAD.encode(hash)]
}
