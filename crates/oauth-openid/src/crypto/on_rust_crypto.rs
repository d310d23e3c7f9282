//! By the crates of RustCrypto, which are Rust alone and so compile to WebAssembly without a C compiler. They verify and never sign here:
//! what is known of timing attacks on the crate `rsa` (RUSTSEC-2023-0071) is about private keys.

use hmac::{Hmac, KeyInit, Mac};
use p256::ecdsa::signature::Verifier;
use rsa::BoxedUint;
use sha2::{Digest, Sha256, Sha384, Sha512};

use crate::crypto::algorithms::{Hash, Signature};

pub(crate) fn digest(hash: Hash, bytes: &[u8]) -> Vec<u8> {
    match hash {
        Hash::Sha256 => Sha256::digest(bytes).to_vec(),
        Hash::Sha384 => Sha384::digest(bytes).to_vec(),
        Hash::Sha512 => Sha512::digest(bytes).to_vec(),
    }
}

/// Compares in constant time.
pub(crate) fn verify_hmac(hash: Hash, key: &[u8], message: &[u8], tag: &[u8]) -> bool {
    match hash {
        Hash::Sha256 => verify_mac::<Hmac<Sha256>>(key, message, tag),
        Hash::Sha384 => verify_mac::<Hmac<Sha384>>(key, message, tag),
        Hash::Sha512 => verify_mac::<Hmac<Sha512>>(key, message, tag),
    }
}

fn verify_mac<M: Mac + KeyInit>(key: &[u8], message: &[u8], tag: &[u8]) -> bool {
    <M as KeyInit>::new_from_slice(key).is_ok_and(|mac| mac.chain_update(message).verify_slice(tag).is_ok())
}

/// A public key, parsed for one kind of signature.
#[derive(Clone, Debug)]
pub(crate) enum PublicKey {
    RsaPkcs1(Hash, Box<rsa::PublicKey>),
    RsaPss(Hash, Box<rsa::PublicKey>),
    P256(Box<p256::ecdsa::VerifyingKey>),
    P384(Box<p384::ecdsa::VerifyingKey>),
    P521(Box<p521::ecdsa::VerifyingKey>),
    Ed25519(Box<ed25519_dalek::VerifyingKey>),
}

impl PublicKey {
    /// A key of RSA; `None` if these are not the numbers of one, without zeros in front.
    pub(crate) fn rsa(signature: Signature, n: &[u8], e: &[u8]) -> Option<Self> {
        let number = BoxedUint::from_be_slice_vartime;
        let key = Box::new(rsa::PublicKey::new(number(n), number(e)).ok()?);
        match signature {
            Signature::RsaPkcs1(hash) => Some(Self::RsaPkcs1(hash, key)),
            Signature::RsaPss(hash) => Some(Self::RsaPss(hash, key)),
            _ => None,
        }
    }

    /// A key of another kind: a point in the uncompressed form of SEC 1, or the 32 bytes of Ed25519.
    pub(crate) fn curve(signature: Signature, bytes: &[u8]) -> Option<Self> {
        Some(match signature {
            Signature::EcdsaP256 => {
                Self::P256(Box::new(p256::ecdsa::VerifyingKey::from_sec1_bytes(bytes).ok()?))
            }
            Signature::EcdsaP384 => {
                Self::P384(Box::new(p384::ecdsa::VerifyingKey::from_sec1_bytes(bytes).ok()?))
            }
            Signature::EcdsaP521 => {
                Self::P521(Box::new(p521::ecdsa::VerifyingKey::from_sec1_bytes(bytes).ok()?))
            }
            Signature::Ed25519 => Self::Ed25519(Box::new(ed25519_dalek::VerifyingKey::try_from(bytes).ok()?)),
            _ => return None,
        })
    }

    /// Whether the key's owner signed the message.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::RsaPkcs1(hash, key) => verifies_pkcs1(*hash, key, message, signature),
            Self::RsaPss(hash, key) => verifies_pss(*hash, key, message, signature),
            Self::P256(key) => p256::ecdsa::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify(message, &signature).is_ok()),
            Self::P384(key) => p384::ecdsa::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify(message, &signature).is_ok()),
            Self::P521(key) => p521::ecdsa::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify(message, &signature).is_ok()),
            // Strict: a key of small order would verify one signature for many messages.
            Self::Ed25519(key) => ed25519_dalek::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify_strict(message, &signature).is_ok()),
        }
    }
}

fn verifies_pkcs1(hash: Hash, key: &rsa::PublicKey, message: &[u8], signature: &[u8]) -> bool {
    use rsa::Pkcs1v15Sign;
    let (scheme, hashed) = (
        match hash {
            Hash::Sha256 => Pkcs1v15Sign::new::<Sha256>(),
            Hash::Sha384 => Pkcs1v15Sign::new::<Sha384>(),
            Hash::Sha512 => Pkcs1v15Sign::new::<Sha512>(),
        },
        digest(hash, message),
    );
    key.verify(scheme, &hashed, signature).is_ok()
}

/// The salt is as long as the hash (RFC 7518 section 3.5).
fn verifies_pss(hash: Hash, key: &rsa::PublicKey, message: &[u8], signature: &[u8]) -> bool {
    let hashed = digest(hash, message);
    match hash {
        Hash::Sha256 => key.verify(rsa::Pss::<Sha256>::new(), &hashed, signature),
        Hash::Sha384 => key.verify(rsa::Pss::<Sha384>::new(), &hashed, signature),
        Hash::Sha512 => key.verify(rsa::Pss::<Sha512>::new(), &hashed, signature),
    }
    .is_ok()
}
