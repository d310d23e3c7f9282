//! A private key as aws-lc-rs has it.

use aws_lc_rs::{
    encoding::AsDer,
    rand::SystemRandom,
    rsa::KeySize,
    signature::{EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaEncoding, RsaKeyPair},
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use oauth_openid::Algorithm;
use pkcs8::der::{
    Decode, SliceReader, Tag, Tagged,
    asn1::{AnyRef, UintRef},
};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::{
    key_error::KeyError,
    keys::algorithms::{Family, family, private_key_name},
};

/// A private key. aws-lc-rs wipes it when it is dropped.
pub(crate) enum PrivateKey {
    Rsa(RsaKeyPair, &'static dyn RsaEncoding),
    Ec(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl PrivateKey {
    pub(crate) fn generate(algorithm: Algorithm) -> Result<Self, KeyError> {
        let failed = |_| KeyError::Library("no key could be generated");
        Ok(match family(algorithm)? {
            Family::Rsa(encoding) => {
                Self::Rsa(RsaKeyPair::generate(KeySize::Rsa3072).map_err(failed)?, encoding)
            }
            Family::Ec(curve) => Self::Ec(EcdsaKeyPair::generate(curve.signing).map_err(failed)?),
            Family::Ed25519 => Self::Ed25519(Ed25519KeyPair::generate().map_err(failed)?),
        })
    }

    /// `None` if the library fails.
    pub(crate) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let random = SystemRandom::new();
        match self {
            Self::Rsa(key, encoding) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(*encoding, &random, message, &mut signature).ok()?;
                Some(signature)
            }
            Self::Ec(key) => Some(key.sign(&random, message).ok()?.as_ref().to_vec()),
            Self::Ed25519(key) => Some(key.try_sign(message).ok()?.as_ref().to_vec()),
        }
    }

    /// PKCS#8 in base64.
    pub(crate) fn to_base64(&self) -> Result<Zeroizing<String>, KeyError> {
        let failed = |_| KeyError::Library("the key cannot be written down");
        let encoded = |der: &[u8]| Zeroizing::new(STANDARD.encode(der));
        Ok(match self {
            Self::Rsa(key, _) => encoded(key.as_der().map_err(failed)?.as_ref()),
            Self::Ec(key) => encoded(key.to_pkcs8v1().map_err(failed)?.as_ref()),
            Self::Ed25519(key) => encoded(key.to_pkcs8v1().map_err(failed)?.as_ref()),
        })
    }

    /// The public half as a certificate has it: a point, a PKCS#1 key, 32 bytes.
    pub(crate) fn public(&self) -> &[u8] {
        match self {
            Self::Rsa(key, _) => key.public_key().as_ref(),
            Self::Ec(key) => key.public_key().as_ref(),
            Self::Ed25519(key) => key.public_key().as_ref(),
        }
    }

    /// The public half, with `alg` and `use`, and without `kid`, which can change.
    pub(crate) fn public_jwk(&self, algorithm: Algorithm) -> Result<Map<String, Value>, KeyError> {
        let failed = || KeyError::Library("it gave no public key");
        let raw = self.public();
        let text = |bytes: &[u8]| Value::from(URL_SAFE_NO_PAD.encode(bytes));
        let members: Vec<(&str, Value)> = match self {
            Self::Rsa(..) => {
                let mut numbers = sequence(raw).ok_or_else(failed)?;
                let mut next = || {
                    UintRef::decode(&mut numbers).map(|number| text(number.as_bytes())).map_err(|_| failed())
                };
                vec![("kty", "RSA".into()), ("n", next()?), ("e", next()?)]
            }
            Self::Ec(_) => {
                // An uncompressed point: a byte 4, and two coordinates of one length.
                let (x, y) = raw.get(1..).map(|both| both.split_at(both.len() / 2)).ok_or_else(failed)?;
                let curve = private_key_name(algorithm);
                vec![("kty", "EC".into()), ("crv", curve.into()), ("x", text(x)), ("y", text(y))]
            }
            Self::Ed25519(_) => {
                vec![("kty", "OKP".into()), ("crv", "Ed25519".into()), ("x", text(raw))]
            }
        };
        let purpose = [("alg", algorithm.as_str().into()), ("use", "sig".into())];
        Ok(members.into_iter().chain(purpose).map(|(name, value)| (name.to_owned(), value)).collect())
    }
}

/// What is in a sequence of DER.
pub(crate) fn sequence(der: &[u8]) -> Option<SliceReader<'_>> {
    let sequence = AnyRef::from_der(der).ok().filter(|any| any.tag() == Tag::Sequence)?;
    SliceReader::new(sequence.value()).ok()
}
