//! Signing keys and signed JWTs (RFC 7515, RFC 7517).
//!
//! The header and the three parts are put together here and not by a JWT library, because a test needs tokens that no library
//! would make. What signs is aws-lc-rs.

use std::collections::{BTreeSet, HashMap};

use aws_lc_rs::{
    encoding::{AsDer, PublicKeyX509Der},
    hmac,
    rand::SystemRandom,
    rsa::KeySize,
    signature::{self, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, RsaKeyPair},
};
use serde_json::{Map, Value, json};

use crate::{
    crypto::{self, base64url},
    fault::BadSignature,
    signing_alg::SigningAlg,
};

/// The keys of each provider family, made when they are first needed: RSA keys take a while.
#[derive(Default)]
pub(crate) struct KeyRing {
    keys: HashMap<(String, SigningAlg), Slot>,
}

/// Why no key could be made or used. It does not happen in practice; the endpoint then answers 500.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyFailure {
    #[error("no key could be made")]
    Make,
    #[error("the key could not sign")]
    Sign,
    #[error(transparent)]
    Jwt(#[from] jsonwebtoken::errors::Error),
}

/// The keys of one algorithm.
#[derive(Default)]
struct Slot {
    current: Option<EmulatedKey>,
    /// The one that signed before the last rotation. Providers go on publishing it, because tokens of it are under way.
    previous: Option<EmulatedKey>,
}

/// How a JWT is to be signed.
pub(crate) struct JwsRequest<'a> {
    pub(crate) family: &'a str,
    pub(crate) alg: SigningAlg,
    /// The client secret, for the symmetric algorithms.
    pub(crate) secret: &'a str,
    pub(crate) typ: Option<&'a str>,
    /// Header members that a fault sets, or takes out.
    pub(crate) header: &'a [(String, Option<Value>)],
    pub(crate) bad_signature: Option<BadSignature>,
}

impl KeyRing {
    /// Makes every key the previous one, so that new ones sign.
    pub(crate) fn rotate_all(&mut self) {
        self.keys.values_mut().for_each(Slot::rotate);
    }

    /// Makes every key of one provider the previous one, so that new ones sign.
    pub(crate) fn rotate(&mut self, family: &str) {
        self.keys.iter_mut().filter(|((owner, _), _)| owner == family).for_each(|(_, slot)| slot.rotate());
    }

    /// Forgets the keys that sign no more.
    pub(crate) fn drop_previous(&mut self) {
        self.keys.values_mut().for_each(|slot| slot.previous = None);
    }

    /// The public keys of a provider (RFC 7517 section 5), for these algorithms and all others that it has used; those that
    /// sign before those that did.
    pub(crate) fn public(
        &mut self,
        family: &str,
        algs: &[SigningAlg],
    ) -> Result<Vec<Map<String, Value>>, KeyFailure> {
        let used = self.keys.keys().filter(|(owner, _)| owner == family).map(|(_, alg)| *alg);
        let algs: BTreeSet<SigningAlg> = used.chain(algs.iter().copied()).collect();
        let mut current = Vec::new();
        let mut previous = Vec::new();
        for alg in algs.into_iter().filter(|alg| !alg.is_symmetric()) {
            let slot = self.slot(family, alg);
            current.push(slot.current(alg)?.jwk());
            previous.extend(slot.previous.as_ref().map(EmulatedKey::jwk));
        }
        current.extend(previous);
        Ok(current)
    }

    /// A signed JWT of these claims, in the compact form.
    pub(crate) fn sign(
        &mut self,
        jws: &JwsRequest<'_>,
        claims: &Map<String, Value>,
    ) -> Result<String, KeyFailure> {
        let mut header = Map::new();
        header.insert("alg".to_owned(), json!(jws.alg.as_str()));
        header.insert("typ".to_owned(), json!(jws.typ.unwrap_or("JWT")));
        if !jws.alg.is_symmetric() {
            let key = self.slot(jws.family, jws.alg).current(jws.alg)?;
            header.insert("kid".to_owned(), json!(key.id));
        }
        // The key that signs in place of the provider's own.
        let other = match jws.bad_signature {
            Some(BadSignature::ForeignKey) => Some(EmulatedKey::make(asymmetric(jws.alg))?),
            Some(BadSignature::EmbeddedKey) => {
                let key = EmulatedKey::make(asymmetric(jws.alg))?;
                header.insert("jwk".to_owned(), Value::Object(key.jwk()));
                header.insert("kid".to_owned(), json!(key.id));
                header.insert("alg".to_owned(), json!(key.alg.as_str()));
                Some(key)
            }
            Some(
                BadSignature::PublicKeyPem
                | BadSignature::PublicKeyDer
                | BadSignature::PublicKeyJwk
                | BadSignature::ClientSecret,
            ) => {
                header.insert("alg".to_owned(), json!("HS256"));
                None
            }
            _ => None,
        };
        for (name, value) in jws.header {
            match value {
                Some(value) => header.insert(name.clone(), value.clone()),
                None => header.remove(name),
            };
        }
        let text =
            [Value::Object(header), Value::Object(claims.clone())].map(|part| base64url(part.to_string()));
        let text = text.join(".");
        let signature = self.signature(jws, other.as_ref(), text.as_bytes())?;
        Ok(format!("{text}.{}", base64url(signature)))
    }

    fn signature(
        &mut self,
        jws: &JwsRequest<'_>,
        other: Option<&EmulatedKey>,
        text: &[u8],
    ) -> Result<Vec<u8>, KeyFailure> {
        if let Some(key) = other {
            return key.sign(text);
        }
        let own = asymmetric(jws.alg);
        let slot = self.slot(jws.family, own);
        let by_hmac = |alg: SigningAlg, key: &[u8]| crypto::hmac(hmac_of(alg), key, text);
        Ok(match jws.bad_signature {
            Some(BadSignature::Missing) => Vec::new(),
            Some(BadSignature::PublicKeyPem) => {
                let pem = crypto::pem("PUBLIC KEY", &slot.current(own)?.public_der()?);
                by_hmac(SigningAlg::HS256, pem.as_bytes())
            }
            Some(BadSignature::PublicKeyDer) => by_hmac(SigningAlg::HS256, &slot.current(own)?.public_der()?),
            Some(BadSignature::PublicKeyJwk) => {
                let jwk = Value::Object(slot.current(own)?.jwk()).to_string();
                by_hmac(SigningAlg::HS256, jwk.as_bytes())
            }
            Some(BadSignature::ClientSecret) => by_hmac(SigningAlg::HS256, jws.secret.as_bytes()),
            Some(BadSignature::Der) => slot.current(own)?.sign_der(text)?,
            bad => {
                let mut signature = match jws.alg.is_symmetric() {
                    true => by_hmac(jws.alg, jws.secret.as_bytes()),
                    false => slot.current(own)?.sign(text)?,
                };
                match bad {
                    Some(BadSignature::Zeros) => signature.fill(0),
                    Some(BadSignature::Broken) => {
                        if let Some(last) = signature.last_mut() {
                            *last ^= 1;
                        }
                    }
                    _ => {}
                }
                signature
            }
        })
    }

    fn slot(&mut self, family: &str, alg: SigningAlg) -> &mut Slot {
        self.keys.entry((family.to_owned(), alg)).or_default()
    }
}

impl Slot {
    fn current(&mut self, alg: SigningAlg) -> Result<&EmulatedKey, KeyFailure> {
        match &mut self.current {
            Some(key) => Ok(key),
            none => Ok(none.insert(EmulatedKey::make(alg)?)),
        }
    }

    fn rotate(&mut self) {
        if let Some(key) = self.current.take() {
            self.previous = Some(key);
        }
    }
}

struct EmulatedKey {
    id: String,
    alg: SigningAlg,
    pair: Pair,
}

enum Pair {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

impl EmulatedKey {
    fn make(alg: SigningAlg) -> Result<Self, KeyFailure> {
        let pair = match alg {
            SigningAlg::ES256 | SigningAlg::ES384 | SigningAlg::ES512 => {
                Pair::Ec(EcdsaKeyPair::generate(ecdsa(alg, false)).map_err(|_| KeyFailure::Make)?)
            }
            SigningAlg::EdDSA => Pair::Ed(Ed25519KeyPair::generate().map_err(|_| KeyFailure::Make)?),
            _ => Pair::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).map_err(|_| KeyFailure::Make)?),
        };
        Ok(Self { id: crypto::random(), alg, pair })
    }

    fn sign(&self, text: &[u8]) -> Result<Vec<u8>, KeyFailure> {
        match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(rsa(self.alg), &SystemRandom::new(), text, &mut signature)
                    .map_err(|_| KeyFailure::Sign)?;
                Ok(signature)
            }
            Pair::Ec(pair) => {
                let signature = pair.sign(&SystemRandom::new(), text).map_err(|_| KeyFailure::Sign)?;
                Ok(signature.as_ref().to_vec())
            }
            Pair::Ed(pair) => Ok(pair.sign(text).as_ref().to_vec()),
        }
    }

    /// An ECDSA signature as certificates have it, where JWS wants the two numbers side by side (RFC 7518 section 3.4).
    fn sign_der(&self, text: &[u8]) -> Result<Vec<u8>, KeyFailure> {
        let Pair::Ec(pair) = &self.pair else { return self.sign(text) };
        let document = pair.to_pkcs8v1().map_err(|_| KeyFailure::Sign)?;
        let pair = EcdsaKeyPair::from_pkcs8(ecdsa(self.alg, true), document.as_ref())
            .map_err(|_| KeyFailure::Sign)?;
        let signature = pair.sign(&SystemRandom::new(), text).map_err(|_| KeyFailure::Sign)?;
        Ok(signature.as_ref().to_vec())
    }

    /// SubjectPublicKeyInfo (RFC 5280 section 4.1).
    fn public_der(&self) -> Result<Vec<u8>, KeyFailure> {
        let der: Result<PublicKeyX509Der<'_>, _> = match &self.pair {
            Pair::Rsa(pair) => pair.public_key().as_der(),
            Pair::Ec(pair) => pair.public_key().as_der(),
            Pair::Ed(pair) => pair.public_key().as_der(),
        };
        der.map(|der| der.as_ref().to_vec()).map_err(|_| KeyFailure::Make)
    }

    /// The public key (RFC 7517, RFC 7518 section 6, RFC 8037 section 2).
    fn jwk(&self) -> Map<String, Value> {
        let parts = match &self.pair {
            Pair::Rsa(pair) => {
                let public = pair.public_key();
                json!({
                    "kty": "RSA",
                    "n": base64url(public.modulus().big_endian_without_leading_zero()),
                    "e": base64url(public.exponent().big_endian_without_leading_zero()),
                })
            }
            Pair::Ec(pair) => {
                // An uncompressed point: a 4, then both coordinates.
                let point = pair.public_key().as_ref().get(1..).unwrap_or_default();
                let (x, y) = point.split_at(point.len() / 2);
                let curve = match self.alg {
                    SigningAlg::ES384 => "P-384",
                    SigningAlg::ES512 => "P-521",
                    _ => "P-256",
                };
                json!({"kty": "EC", "crv": curve, "x": base64url(x), "y": base64url(y)})
            }
            Pair::Ed(pair) => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": base64url(pair.public_key().as_ref())})
            }
        };
        let mut jwk = match parts {
            Value::Object(parts) => parts,
            _ => Map::new(),
        };
        jwk.insert("kid".to_owned(), json!(self.id));
        jwk.insert("use".to_owned(), json!("sig"));
        jwk.insert("alg".to_owned(), json!(self.alg.as_str()));
        jwk
    }
}

/// A key set with decoys of each key in front of it.
pub(crate) fn with_decoys(keys: Vec<Map<String, Value>>) -> Result<Vec<Map<String, Value>>, KeyFailure> {
    let mut all = Vec::new();
    for key in keys {
        all.extend(decoys(&key)?);
        all.push(key);
    }
    Ok(all)
}

/// Keys that have no business with a token, each under the id of the one that has: another key type, another use, other
/// operations, a type that nobody knows, one without its numbers.
fn decoys(key: &Map<String, Value>) -> Result<Vec<Map<String, Value>>, KeyFailure> {
    let id = key.get("kid").cloned().unwrap_or_default();
    let with = |mut key: Map<String, Value>, changes: &[(&str, Option<Value>)]| {
        key.insert("kid".to_owned(), id.clone());
        for (name, value) in changes {
            match value {
                Some(value) => key.insert((*name).to_owned(), value.clone()),
                None => key.remove(*name),
            };
        }
        key
    };
    let fresh = |alg| EmulatedKey::make(alg).map(|key| key.jwk());
    let is_rsa = key.get("kty") == Some(&json!("RSA"));
    let like = |rsa: SigningAlg, ec: SigningAlg| if is_rsa { rsa } else { ec };
    Ok(vec![
        with(fresh(like(SigningAlg::ES256, SigningAlg::RS256))?, &[]),
        with(fresh(SigningAlg::EdDSA)?, &[("alg", None)]),
        with(fresh(like(SigningAlg::RS256, SigningAlg::ES256))?, &[("use", Some(json!("enc")))]),
        with(
            fresh(like(SigningAlg::RS256, SigningAlg::ES256))?,
            &[("use", None), ("key_ops", Some(json!(["encrypt"])))],
        ),
        with(Map::new(), &[("kty", Some(json!("AKP"))), ("alg", Some(json!("ML-DSA-44")))]),
        with(Map::new(), &[("kty", Some(json!("RSA"))), ("n", Some(json!("AQAB")))]),
    ])
}

/// The algorithm of the key pair that the symmetric ones accompany.
fn asymmetric(alg: SigningAlg) -> SigningAlg {
    if alg.is_symmetric() { SigningAlg::RS256 } else { alg }
}

fn rsa(alg: SigningAlg) -> &'static dyn signature::RsaEncoding {
    match alg {
        SigningAlg::RS384 => &signature::RSA_PKCS1_SHA384,
        SigningAlg::RS512 => &signature::RSA_PKCS1_SHA512,
        SigningAlg::PS256 => &signature::RSA_PSS_SHA256,
        SigningAlg::PS384 => &signature::RSA_PSS_SHA384,
        SigningAlg::PS512 => &signature::RSA_PSS_SHA512,
        _ => &signature::RSA_PKCS1_SHA256,
    }
}

fn ecdsa(alg: SigningAlg, der: bool) -> &'static EcdsaSigningAlgorithm {
    match (alg, der) {
        (SigningAlg::ES384, false) => &signature::ECDSA_P384_SHA384_FIXED_SIGNING,
        (SigningAlg::ES384, true) => &signature::ECDSA_P384_SHA384_ASN1_SIGNING,
        (SigningAlg::ES512, false) => &signature::ECDSA_P521_SHA512_FIXED_SIGNING,
        (SigningAlg::ES512, true) => &signature::ECDSA_P521_SHA512_ASN1_SIGNING,
        (_, false) => &signature::ECDSA_P256_SHA256_FIXED_SIGNING,
        (_, true) => &signature::ECDSA_P256_SHA256_ASN1_SIGNING,
    }
}

fn hmac_of(alg: SigningAlg) -> hmac::Algorithm {
    match alg {
        SigningAlg::HS384 => hmac::HMAC_SHA384,
        SigningAlg::HS512 => hmac::HMAC_SHA512,
        _ => hmac::HMAC_SHA256,
    }
}
