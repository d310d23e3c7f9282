//! Private keys in DER: PKCS#8 (RFC 5958), PKCS#1 (RFC 8017 appendix A.1.2) and SEC 1 (RFC 5915).

use aws_lc_rs::signature::{EcdsaKeyPair, Ed25519KeyPair, RsaKeyPair};
use oauth_openid::Algorithm;
use pkcs8::{
    AlgorithmIdentifierRef, ObjectIdentifier, PrivateKeyInfoRef, SubjectPublicKeyInfoRef,
    der::{
        Decode, TagNumber,
        asn1::{ContextSpecific, OctetStringRef, UintRef},
    },
};

use crate::{
    key_error::{KeyError, NO_PASSPHRASE},
    keys::{
        algorithms::{Family, family, wrong_curve, wrong_kind},
        private_key::{PrivateKey, sequence},
    },
    x509::Certificate,
};

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const RSA_PSS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.10");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// Kinds of keys by whose name people know what they have, though nothing here signs with them.
const OTHER_KINDS: &[(&str, &str)] = &[
    ("1.3.101.110", "X25519"),
    ("1.3.101.111", "X448"),
    ("1.3.101.113", "Ed448"),
    ("1.2.840.10040.4.1", "DSA"),
];

pub(crate) fn read_pkcs8(der: &[u8], algorithm: Algorithm) -> Result<PrivateKey, KeyError> {
    let Ok(info) = PrivateKeyInfoRef::try_from(der) else { return Err(not_pkcs8(der)) };
    let inner = info.private_key.as_bytes();
    let kind = info.algorithm.oid;
    if kind == RSA {
        return read_pkcs1(inner, algorithm);
    }
    if kind == RSA_PSS {
        // The key says itself that it signs by PSS only (RFC 4055 section 1.2).
        return match algorithm {
            Algorithm::PS256 | Algorithm::PS384 | Algorithm::PS512 => read_pkcs1(inner, algorithm),
            _ => Err(wrong_kind("an RSA key that signs by PSS only", algorithm)),
        };
    }
    if kind == EC {
        let curve = info.algorithm.parameters_oid().map_err(|_| form("its EC key names no curve"))?;
        return read_ec(der, Some(&curve.to_string()), algorithm);
    }
    if kind == ED25519 {
        let Family::Ed25519 = family(algorithm)? else {
            return Err(wrong_kind("an Ed25519 key, which signs by EdDSA", algorithm));
        };
        let key = Ed25519KeyPair::from_pkcs8(der).map_err(|_| form("its Ed25519 key is damaged"))?;
        return Ok(PrivateKey::Ed25519(key));
    }
    let kind = kind.to_string();
    match OTHER_KINDS.iter().find(|(oid, _)| *oid == kind) {
        Some((_, name)) => Err(KeyError::Curve((*name).to_owned())),
        None => Err(form("it is a key of a kind that is not known here")),
    }
}

pub(crate) fn read_pkcs1(der: &[u8], algorithm: Algorithm) -> Result<PrivateKey, KeyError> {
    let Family::Rsa(encoding) = family(algorithm)? else { return Err(wrong_kind("an RSA key", algorithm)) };
    let mut numbers = sequence(der).ok_or_else(|| form("its RSA key is damaged"))?;
    let modulus = u8::decode(&mut numbers).and_then(|_| UintRef::decode(&mut numbers));
    check_size(modulus.map_err(|_| form("its RSA key is damaged"))?.as_bytes())?;
    let key =
        RsaKeyPair::from_der(der).map_err(|_| form("the numbers of its RSA key do not belong together"))?;
    Ok(PrivateKey::Rsa(key, encoding))
}

pub(crate) fn read_sec1(der: &[u8], algorithm: Algorithm) -> Result<PrivateKey, KeyError> {
    // The curve may be left to whatever the key is in (RFC 5915 section 3).
    let curve = named_curve(der).map(|curve| curve.to_string());
    read_ec(der, curve.as_deref(), algorithm)
}

fn read_ec(der: &[u8], curve: Option<&str>, algorithm: Algorithm) -> Result<PrivateKey, KeyError> {
    let Family::Ec(wanted) = family(algorithm)? else {
        return Err(match curve.map(|curve| wrong_curve(curve, algorithm)) {
            Some(named) => named,
            None => wrong_kind("an EC key", algorithm),
        });
    };
    if let Some(curve) = curve.filter(|curve| *curve != wanted.oid) {
        return Err(wrong_curve(curve, algorithm));
    }
    let key = EcdsaKeyPair::from_private_key_der(wanted.signing, der);
    let key = key.map_err(|_| form(&format!("its EC key is damaged, or not on {}", wanted.name)))?;
    Ok(PrivateKey::Ec(key))
}

/// Checks the length of an RSA key by its modulus.
pub(crate) fn check_size(modulus: &[u8]) -> Result<(), KeyError> {
    let bits = modulus.first().map_or(0, |first| modulus.len() * 8 - first.leading_zeros() as usize);
    match (2048..=8192).contains(&bits) {
        true => Ok(()),
        false => Err(KeyError::Size { bits }),
    }
}

/// The curve that a key in SEC 1 names, if it names one.
fn named_curve(der: &[u8]) -> Option<ObjectIdentifier> {
    let mut inside = sequence(der)?;
    u8::decode(&mut inside).ok()?;
    <&OctetStringRef>::decode(&mut inside).ok()?;
    let parameters = ContextSpecific::<ObjectIdentifier>::decode_explicit(&mut inside, TagNumber(0)).ok()?;
    parameters.map(|parameters| parameters.value)
}

/// Whether something has the form of an encrypted private key (RFC 5958 section 3).
fn is_encrypted(der: &[u8]) -> bool {
    sequence(der).is_some_and(|mut inside| {
        AlgorithmIdentifierRef::decode(&mut inside).is_ok() && <&OctetStringRef>::decode(&mut inside).is_ok()
    })
}

/// What something is that is not PKCS#8 private key.
fn not_pkcs8(der: &[u8]) -> KeyError {
    if SubjectPublicKeyInfoRef::try_from(der).is_ok() {
        return KeyError::Public("a public key");
    }
    if Certificate::read(der).is_ok() {
        return KeyError::Public("a certificate");
    }
    if is_encrypted(der) {
        return KeyError::Encrypted(NO_PASSPHRASE);
    }
    if der.starts_with(b"-----BEGIN") {
        return form("it is PEM, and DER is wanted; read it by from_pem");
    }
    form("it is not a private key in PKCS#8; `openssl pkcs8 -topk8 -nocrypt` makes one of most others")
}

pub(crate) fn form(problem: &str) -> KeyError {
    KeyError::Form(problem.to_owned())
}
