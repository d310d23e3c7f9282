//! Random strings, digests and encodings, in the few forms that the protocols need.

use std::fmt::Write as _;

use aws_lc_rs::{digest, hmac, rand};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};

use crate::signing_alg::SigningAlg;

/// 256 random bits, base64url.
///
/// The generator of the operating system does not fail in practice; if it did, a digest of the time keeps the emulator
/// going: nothing here guards a real secret.
pub(crate) fn random() -> String {
    let mut bytes = [0; 32];
    if rand::fill(&mut bytes).is_err() {
        let now = time::OffsetDateTime::now_utc().unix_timestamp_nanos().to_be_bytes();
        bytes.copy_from_slice(digest::digest(&digest::SHA256, &now).as_ref());
    }
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The S256 transformation of RFC 7636, section 4.2.
pub(crate) fn s256(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()))
}

/// What `at_hash` and `c_hash` are of a token or a code (OpenID Connect Core, section 3.1.3.6): the left half of its digest.
pub(crate) fn left_half_hash(alg: SigningAlg, text: &str) -> String {
    let digest = digest::digest(alg.digest(), text.as_bytes());
    let digest = digest.as_ref();
    URL_SAFE_NO_PAD.encode(&digest[..digest.len() / 2])
}

/// SHA-256.
pub(crate) fn sha256(bytes: &[u8]) -> Vec<u8> {
    digest::digest(&digest::SHA256, bytes).as_ref().to_vec()
}

/// SHA-512.
pub(crate) fn sha512(bytes: &[u8]) -> Vec<u8> {
    digest::digest(&digest::SHA512, bytes).as_ref().to_vec()
}

/// The HMAC of `text`.
pub(crate) fn hmac(algorithm: hmac::Algorithm, key: &[u8], text: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(algorithm, key), text).as_ref().to_vec()
}

/// Lower-case hex of the HMAC-SHA256 of `text`.
pub(crate) fn hmac_hex(key: &str, text: &str) -> String {
    let tag = hmac(hmac::HMAC_SHA256, key.as_bytes(), text.as_bytes());
    tag.iter().fold(String::new(), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// The base64url text that carries `bytes`.
pub(crate) fn base64url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Text around DER (RFC 7468).
pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut pem = format!("-----BEGIN {label}-----\n");
    for (at, character) in text.chars().enumerate() {
        if at > 0 && at % 64 == 0 {
            pem.push('\n');
        }
        pem.push(character);
    }
    pem.push_str(&format!("\n-----END {label}-----\n"));
    pem
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_hash_matches_the_example_of_openid_connect_core() {
        // Appendix A.3.
        let token = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y";
        assert_eq!(left_half_hash(SigningAlg::RS256, token), "77QmUPtjPfzWtF2AnpK9RQ");
    }

    #[test]
    fn s256_matches_the_example_of_rfc_7636() {
        assert_eq!(
            s256("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        );
    }

    #[test]
    fn hmac_matches_rfc_4231() {
        assert_eq!(
            hmac_hex("Jefe", "what do ya want for nothing?"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }
}
