//! By `aws-lc-rs`, and with the feature `fips` by its FIPS module.

use aws_lc_rs::{
    digest, hmac,
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ED25519, ParsedPublicKey,
        RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
        RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters,
        RsaPublicKeyComponents, VerificationAlgorithm,
    },
};

use crate::crypto::algorithms::{Hash, Signature};

pub(crate) fn digest(hash: Hash, bytes: &[u8]) -> Vec<u8> {
    let algorithm = match hash {
        Hash::Sha256 => &digest::SHA256,
        Hash::Sha384 => &digest::SHA384,
        Hash::Sha512 => &digest::SHA512,
    };
    digest::digest(algorithm, bytes).as_ref().to_vec()
}

/// Compares in constant time.
pub(crate) fn verify_hmac(hash: Hash, key: &[u8], message: &[u8], tag: &[u8]) -> bool {
    let algorithm = match hash {
        Hash::Sha256 => hmac::HMAC_SHA256,
        Hash::Sha384 => hmac::HMAC_SHA384,
        Hash::Sha512 => hmac::HMAC_SHA512,
    };
    hmac::verify(&hmac::Key::new(algorithm, key), message, tag).is_ok()
}

/// A public key, parsed for one kind of signature.
#[derive(Clone, Debug)]
pub(crate) struct PublicKey(ParsedPublicKey);

impl PublicKey {
    /// A key of RSA; `None` if these are not the numbers of one, without zeros in front.
    pub(crate) fn rsa(signature: Signature, n: &[u8], e: &[u8]) -> Option<Self> {
        let by: &RsaParameters = match signature {
            Signature::RsaPkcs1(Hash::Sha256) => &RSA_PKCS1_2048_8192_SHA256,
            Signature::RsaPkcs1(Hash::Sha384) => &RSA_PKCS1_2048_8192_SHA384,
            Signature::RsaPkcs1(Hash::Sha512) => &RSA_PKCS1_2048_8192_SHA512,
            Signature::RsaPss(Hash::Sha256) => &RSA_PSS_2048_8192_SHA256,
            Signature::RsaPss(Hash::Sha384) => &RSA_PSS_2048_8192_SHA384,
            Signature::RsaPss(Hash::Sha512) => &RSA_PSS_2048_8192_SHA512,
            _ => return None,
        };
        RsaPublicKeyComponents { n, e }.to_parsed_public_key(by).ok().map(Self)
    }

    /// A key of another kind: a point in the uncompressed form of SEC 1, or the 32 bytes of Ed25519.
    pub(crate) fn curve(signature: Signature, bytes: &[u8]) -> Option<Self> {
        let by: &'static dyn VerificationAlgorithm = match signature {
            Signature::EcdsaP256 => &ECDSA_P256_SHA256_FIXED,
            Signature::EcdsaP384 => &ECDSA_P384_SHA384_FIXED,
            Signature::EcdsaP521 => &ECDSA_P521_SHA512_FIXED,
            Signature::Ed25519 => &ED25519,
            _ => return None,
        };
        ParsedPublicKey::new(by, bytes).ok().map(Self)
    }

    /// Whether the key's owner signed the message.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.0.verify_sig(message, signature).is_ok()
    }
}
