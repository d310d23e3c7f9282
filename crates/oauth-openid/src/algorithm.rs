//! How tokens are signed.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::crypto::{Hash, digest};

/// How a token is signed (RFC 7518 section 3, RFC 8037, RFC 9864). There is no `none`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    RS256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    RS384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    RS512,
    /// RSASSA-PSS with SHA-256.
    PS256,
    /// RSASSA-PSS with SHA-384.
    PS384,
    /// RSASSA-PSS with SHA-512.
    PS512,
    /// ECDSA on P-256 with SHA-256.
    ES256,
    /// ECDSA on P-384 with SHA-384.
    ES384,
    /// ECDSA on P-521 with SHA-512.
    ES512,
    /// Ed25519, under its old name or as `Ed25519`.
    EdDSA,
    /// HMAC with SHA-256, keyed with the client secret.
    HS256,
    /// HMAC with SHA-384, keyed with the client secret.
    HS384,
    /// HMAC with SHA-512, keyed with the client secret.
    HS512,
}

impl Algorithm {
    /// What a client accepts unless told otherwise: every algorithm with a public key.
    pub const WITH_PUBLIC_KEYS: &[Self] = &[
        Self::RS256,
        Self::RS384,
        Self::RS512,
        Self::PS256,
        Self::PS384,
        Self::PS512,
        Self::ES256,
        Self::ES384,
        Self::ES512,
        Self::EdDSA,
    ];

    /// The algorithm of a registered name, letter by letter (RFC 7515 section 4.1.1).
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Some(match name {
            "RS256" => Self::RS256,
            "RS384" => Self::RS384,
            "RS512" => Self::RS512,
            "PS256" => Self::PS256,
            "PS384" => Self::PS384,
            "PS512" => Self::PS512,
            "ES256" => Self::ES256,
            "ES384" => Self::ES384,
            "ES512" => Self::ES512,
            // RFC 9864 section 2.2 gives the curve a name of its own.
            "EdDSA" | "Ed25519" => Self::EdDSA,
            "HS256" => Self::HS256,
            "HS384" => Self::HS384,
            "HS512" => Self::HS512,
            _ => return None,
        })
    }

    /// The registered name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RS256 => "RS256",
            Self::RS384 => "RS384",
            Self::RS512 => "RS512",
            Self::PS256 => "PS256",
            Self::PS384 => "PS384",
            Self::PS512 => "PS512",
            Self::ES256 => "ES256",
            Self::ES384 => "ES384",
            Self::ES512 => "ES512",
            Self::EdDSA => "EdDSA",
            Self::HS256 => "HS256",
            Self::HS384 => "HS384",
            Self::HS512 => "HS512",
        }
    }

    /// Whether the key is the client secret and not a public key.
    #[must_use]
    pub fn is_symmetric(self) -> bool {
        matches!(self, Self::HS256 | Self::HS384 | Self::HS512)
    }

    /// The hash of `at_hash` and `c_hash`: that of the algorithm, and SHA-512 for Ed25519 (OpenID Connect Core section
    /// 3.1.3.6).
    pub(crate) fn hash(self) -> Hash {
        match self {
            Self::RS256 | Self::PS256 | Self::ES256 | Self::HS256 => Hash::Sha256,
            Self::RS384 | Self::PS384 | Self::ES384 | Self::HS384 => Hash::Sha384,
            Self::RS512 | Self::PS512 | Self::ES512 | Self::HS512 | Self::EdDSA => Hash::Sha512,
        }
    }

    /// How many bytes a client secret must have to be a key (RFC 7518 section 3.2).
    pub(crate) fn hash_length(self) -> usize {
        self.hash().length()
    }

    /// The left half of a value's hash, as base64url: what `at_hash` and `c_hash` hold.
    #[must_use]
    pub fn left_half_hash(self, value: &str) -> String {
        let hash = digest(self.hash(), value.as_bytes());
        URL_SAFE_NO_PAD.encode(&hash[..hash.len() / 2])
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_20_the_hash_follows_the_algorithm() {
        // The example of OpenID Connect Core appendix A.4.
        let token = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y";
        assert_eq!(Algorithm::RS256.left_half_hash(token), "77QmUPtjPfzWtF2AnpK9RQ");
        for (algorithm, bytes) in [
            (Algorithm::PS256, 16),
            (Algorithm::ES384, 24),
            (Algorithm::RS512, 32),
            (Algorithm::ES512, 32),
            (Algorithm::EdDSA, 32),
        ] {
            let hash = URL_SAFE_NO_PAD.decode(algorithm.left_half_hash(token)).unwrap();
            assert_eq!(hash.len(), bytes, "{algorithm}");
        }
    }

    #[test]
    fn jk_10_none_is_no_algorithm_in_any_spelling() {
        for none in ["none", "None", "NONE", "nOnE", "", "rs256", "RS256 "] {
            assert_eq!(Algorithm::of(none), None, "{none:?}");
        }
        assert_eq!(Algorithm::of("Ed25519"), Some(Algorithm::EdDSA));
    }

    #[test]
    fn an_algorithm_is_written_as_it_is_read() {
        let symmetric = [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512];
        for algorithm in Algorithm::WITH_PUBLIC_KEYS.iter().copied().chain(symmetric) {
            assert_eq!(Algorithm::of(algorithm.as_str()), Some(algorithm));
            assert_eq!(algorithm.to_string(), algorithm.as_str());
            assert_eq!(algorithm.is_symmetric(), symmetric.contains(&algorithm), "{algorithm}");
        }
        assert_eq!(Algorithm::of("Ed25519"), Some(Algorithm::EdDSA));
        assert_eq!(Algorithm::of("none"), None);
    }

    #[test]
    fn the_hash_has_the_length_of_the_algorithms() {
        for (algorithm, bytes) in
            [(Algorithm::RS256, 32), (Algorithm::PS384, 48), (Algorithm::ES512, 64), (Algorithm::EdDSA, 64)]
        {
            assert_eq!(algorithm.hash_length(), bytes, "{algorithm}");
            let half = URL_SAFE_NO_PAD.decode(algorithm.left_half_hash("value")).unwrap();
            assert_eq!(half.len(), bytes / 2, "{algorithm}");
        }
    }
}
