//! Signing keys and signed JWTs.

use std::collections::HashMap;

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rsa::KeySize,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RsaKeyPair},
};
use jsonwebtoken::{
    Algorithm, EncodingKey, Header,
    jwk::{Jwk, JwkSet, PublicKeyUse},
};
use serde_json::{Map, Value};

use crate::{crypto, table::SigningAlg};

/// Version, algorithm and length of the octet string in front of a key of 2048 bits (RFC 5208, section 5).
const PKCS8_RSA_2048_HEADER: usize = 26;

/// The current key of each provider family, made when it is first needed: RSA keys take a while.
#[derive(Default)]
pub(crate) struct KeyRing {
    keys: HashMap<(String, SigningAlg), Key>,
}

/// Why no key could be made or used. It does not happen in practice; the endpoint then answers 500.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    #[error("no key could be made")]
    Make,
    #[error("signing: {0}")]
    Sign(#[from] jsonwebtoken::errors::Error),
}

struct Key {
    id: String,
    private: EncodingKey,
    public: Jwk,
}

impl KeyRing {
    /// Forgets all keys, so that new ones are made.
    pub(crate) fn clear(&mut self) {
        self.keys.clear();
    }

    /// Forgets one provider's keys.
    pub(crate) fn rotate(&mut self, family: &str) {
        self.keys.retain(|(owner, _), _| owner != family);
    }

    /// The public keys of a provider (RFC 7517).
    pub(crate) fn public(&mut self, family: &str, alg: SigningAlg) -> Result<JwkSet, KeyError> {
        Ok(JwkSet { keys: vec![self.key(family, alg)?.public.clone()] })
    }

    /// A signed JWT of these claims. `secret` is the client's, for the symmetric algorithm.
    pub(crate) fn sign(
        &mut self,
        family: &str,
        alg: SigningAlg,
        secret: Option<&str>,
        claims: &Map<String, Value>,
    ) -> Result<String, KeyError> {
        if alg == SigningAlg::HS256 {
            let key = EncodingKey::from_secret(secret.unwrap_or_default().as_bytes());
            return Ok(jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &key)?);
        }
        let key = self.key(family, alg)?;
        let mut header = Header::new(algorithm(alg));
        header.kid = Some(key.id.clone());
        Ok(jsonwebtoken::encode(&header, claims, &key.private)?)
    }

    fn key(&mut self, family: &str, alg: SigningAlg) -> Result<&Key, KeyError> {
        let slot = (family.to_owned(), alg);
        match self.keys.entry(slot) {
            std::collections::hash_map::Entry::Occupied(found) => Ok(found.into_mut()),
            std::collections::hash_map::Entry::Vacant(free) => Ok(free.insert(Key::make(alg)?)),
        }
    }
}

impl Key {
    fn make(alg: SigningAlg) -> Result<Self, KeyError> {
        let private = match alg {
            SigningAlg::ES256 => {
                let pair =
                    EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(|_| KeyError::Make)?;
                let document = pair.to_pkcs8v1().map_err(|_| KeyError::Make)?;
                EncodingKey::from_ec_der(document.as_ref())
            }
            SigningAlg::RS256 | SigningAlg::HS256 => {
                let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(|_| KeyError::Make)?;
                let document = AsDer::as_der(&pair).map_err(|_| KeyError::Make)?;
                let document: &Pkcs8V1Der<'_> = &document;
                // jsonwebtoken wants the RSAPrivateKey of RFC 8017, which PKCS #8 wraps in a header of fixed length.
                let inner = document.as_ref().get(PKCS8_RSA_2048_HEADER..).ok_or(KeyError::Make)?;
                EncodingKey::from_rsa_der(inner)
            }
        };
        let mut public = Jwk::from_encoding_key(&private, algorithm(alg))?;
        let id = crypto::random();
        public.common.key_id = Some(id.clone());
        public.common.public_key_use = Some(PublicKeyUse::Signature);
        Ok(Self { id, private, public })
    }
}

fn algorithm(alg: SigningAlg) -> Algorithm {
    match alg {
        SigningAlg::RS256 => Algorithm::RS256,
        SigningAlg::ES256 => Algorithm::ES256,
        SigningAlg::HS256 => Algorithm::HS256,
    }
}
