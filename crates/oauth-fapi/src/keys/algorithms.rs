//! What each algorithm wants of a key.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING,
    EcdsaSigningAlgorithm, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256,
    RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding,
};
use oauth_openid::Algorithm;

use crate::key_error::KeyError;

/// Which kind of key an algorithm wants.
pub(crate) enum Family {
    Rsa(&'static dyn RsaEncoding),
    Ec(&'static Curve),
    Ed25519,
}

/// A curve on which an algorithm signs.
pub(crate) struct Curve {
    /// Its name in a JWK (RFC 7518 section 6.2.1.1).
    pub(crate) name: &'static str,
    /// Its object identifier in PKCS#8 and SEC 1.
    pub(crate) oid: &'static str,
    /// The length of a coordinate.
    pub(crate) bytes: usize,
    pub(crate) algorithm: Algorithm,
    pub(crate) signing: &'static EcdsaSigningAlgorithm,
}

static P256: Curve = Curve {
    name: "P-256",
    oid: "1.2.840.10045.3.1.7",
    bytes: 32,
    algorithm: Algorithm::ES256,
    signing: &ECDSA_P256_SHA256_FIXED_SIGNING,
};
static P384: Curve = Curve {
    name: "P-384",
    oid: "1.3.132.0.34",
    bytes: 48,
    algorithm: Algorithm::ES384,
    signing: &ECDSA_P384_SHA384_FIXED_SIGNING,
};
static P521: Curve = Curve {
    name: "P-521",
    oid: "1.3.132.0.35",
    bytes: 66,
    algorithm: Algorithm::ES512,
    signing: &ECDSA_P521_SHA512_FIXED_SIGNING,
};

/// Curves by whose name people know what they have, though nothing here signs on them.
const OTHER_CURVES: &[(&str, &str)] = &[
    ("1.2.840.10045.3.1.1", "P-192"),
    ("1.3.132.0.33", "P-224"),
    ("1.3.132.0.10", "secp256k1"),
    ("1.3.36.3.3.2.8.1.1.7", "brainpoolP256r1"),
    ("1.3.36.3.3.2.8.1.1.11", "brainpoolP384r1"),
    ("1.3.36.3.3.2.8.1.1.13", "brainpoolP512r1"),
];

/// The kind of key that an algorithm wants.
///
/// # Errors
///
/// [`KeyError::Algorithm`] where the key is a secret that both sides know.
pub(crate) fn family(algorithm: Algorithm) -> Result<Family, KeyError> {
    Ok(match algorithm {
        Algorithm::RS256 => Family::Rsa(&RSA_PKCS1_SHA256),
        Algorithm::RS384 => Family::Rsa(&RSA_PKCS1_SHA384),
        Algorithm::RS512 => Family::Rsa(&RSA_PKCS1_SHA512),
        Algorithm::PS256 => Family::Rsa(&RSA_PSS_SHA256),
        Algorithm::PS384 => Family::Rsa(&RSA_PSS_SHA384),
        Algorithm::PS512 => Family::Rsa(&RSA_PSS_SHA512),
        Algorithm::ES256 => Family::Ec(&P256),
        Algorithm::ES384 => Family::Ec(&P384),
        Algorithm::ES512 => Family::Ec(&P521),
        Algorithm::EdDSA => Family::Ed25519,
        _ => return Err(KeyError::Algorithm { algorithm, key: "a private key".to_owned() }),
    })
}

/// What the key of an algorithm is called.
pub(crate) fn private_key_name(algorithm: Algorithm) -> &'static str {
    match family(algorithm) {
        Ok(Family::Rsa(_)) => "RSA",
        Ok(Family::Ec(curve)) => curve.name,
        Ok(Family::Ed25519) => "Ed25519",
        Err(_) => "a secret",
    }
}

/// Why a key on this curve is not one for the algorithm. The curve goes by its object identifier or by its name in a JWK.
pub(crate) fn wrong_curve(curve: &str, algorithm: Algorithm) -> KeyError {
    let known = [&P256, &P384, &P521].into_iter().find(|known| known.oid == curve || known.name == curve);
    if let Some(known) = known {
        let key = format!("a key on {}, which signs by {}", known.name, known.algorithm);
        return KeyError::Algorithm { algorithm, key };
    }
    let other = OTHER_CURVES.iter().find(|(oid, _)| *oid == curve).map(|(_, name)| *name);
    // It may come from a file that is anything.
    KeyError::Curve(other.map_or_else(|| curve.chars().take(40).collect(), str::to_owned))
}

/// Why a key of another kind is not one for the algorithm.
pub(crate) fn wrong_kind(kind: &str, algorithm: Algorithm) -> KeyError {
    KeyError::Algorithm { algorithm, key: kind.to_owned() }
}
