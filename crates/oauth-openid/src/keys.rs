//! The public keys with which a provider signs (RFC 7517), and which of them may verify what.

use std::sync::Arc;

use aws_lc_rs::{
    hmac,
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ED25519, ParsedPublicKey,
        RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
        RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters,
        RsaPublicKeyComponents, VerificationAlgorithm,
    },
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use oauth_core::{
    Error, JwtCheck, Result,
    serde_json::{Map, Value},
};

use crate::{
    algorithm::Algorithm,
    jws::{Jws, Refusal, quoted},
};

/// The most usable keys of a set. Real ones have fewer than ten.
const MOST_KEYS: usize = 256;
/// The most keys that a token without a `kid` is tried with.
const MOST_TRIED: usize = 8;
/// The fewest bits of an RSA key (RFC 7518 section 3.3), and the most that aws-lc-rs verifies with.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// A provider's public keys that the application brings itself (RFC 7517 section 5), for
/// [`VerificationPolicy::fixed_keys`](crate::VerificationPolicy::fixed_keys).
#[derive(Clone, Debug)]
pub struct JwkSet(pub(crate) Arc<KeySet>);

impl JwkSet {
    /// Reads a document such as a provider's `jwks_uri` serves. Keys that verify nothing here are left out.
    ///
    /// # Errors
    ///
    /// A configuration error when it is no such document, or no key in it is of use.
    pub fn new(document: &Value) -> Result<Self> {
        let wrong =
            |problem: String| Error::configuration("openid", format!("the keys cannot be used: {problem}"));
        let keys = KeySet::read(document).map_err(wrong)?;
        match keys.keys.is_empty() {
            true => Err(wrong("none of them can verify a signature".to_owned())),
            false => Ok(Self(Arc::new(keys))),
        }
    }
}

/// The keys of one provider that can verify a signature. Those of unknown types, for encryption, and broken ones are left out,
/// because they stand among good ones at real servers.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeySet {
    keys: Vec<Key>,
}

#[derive(Clone, Debug)]
struct Key {
    id: Option<String>,
    /// Whose key it is, in the sets of Microsoft, where tenants and servers share one.
    issuer: Option<String>,
    /// The key, parsed for each algorithm that it may verify. Never empty.
    verifiers: Vec<(Algorithm, ParsedPublicKey)>,
}

impl KeySet {
    /// Reads a document.
    ///
    /// # Errors
    ///
    /// What is wrong with it as a whole.
    pub(crate) fn read(document: &Value) -> Result<Self, String> {
        let keys = document.get("keys").and_then(Value::as_array).ok_or("there is no list of keys in it")?;
        let usable = keys.iter().filter_map(Value::as_object).filter_map(Key::read);
        let keys: Vec<Key> = usable.take(MOST_KEYS + 1).collect();
        if keys.len() > MOST_KEYS {
            return Err(format!("it has more than {MOST_KEYS} keys"));
        }
        Ok(Self { keys })
    }

    /// Whether a key goes by this name.
    pub(crate) fn has_id(&self, id: &str) -> bool {
        self.keys.iter().any(|key| key.id.as_deref() == Some(id))
    }

    /// The names of the keys that have one.
    pub(crate) fn ids(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().filter_map(|key| key.id.as_deref())
    }

    /// Whether both sets go by the same names.
    pub(crate) fn has_ids_of(&self, other: &Self) -> bool {
        self.ids().eq(other.ids())
    }

    /// Whether any key may have signed the token.
    pub(crate) fn fits(&self, jws: &Jws, algorithm: Algorithm) -> bool {
        self.candidates(jws, algorithm).next().is_some()
    }

    /// Verifies the signature with the key that the header names, or, where it names none, with each that fits.
    pub(crate) fn verify(&self, jws: &Jws, token: &str, algorithm: Algorithm) -> Result<(), Refusal> {
        let mut tried = 0;
        for key in self.candidates(jws, algorithm) {
            if tried == MOST_TRIED {
                break;
            }
            tried += 1;
            if key
                .verifier(algorithm)
                .is_some_and(|verifier| verifier.verify_sig(jws.signed(token), &jws.signature).is_ok())
            {
                return key.check_issuer(jws);
            }
        }
        if tried == 0 {
            let named =
                jws.header_text("kid").map_or("no kid".to_owned(), |id| format!("the kid {}", quoted(id)));
            let reason = format!("no key of the provider fits {algorithm} and {named}");
            return Err((JwtCheck::Key, reason));
        }
        Err((JwtCheck::Signature, "its signature is not the provider's".to_owned()))
    }

    /// The keys that fit in every respect: a decoy of the same name and another type does not.
    fn candidates<'k>(&'k self, jws: &'k Jws, algorithm: Algorithm) -> impl Iterator<Item = &'k Key> {
        let id = jws.header.get("kid");
        self.keys.iter().filter(move |key| {
            let named = match id {
                None => true,
                Some(id) => id.as_str().is_some_and(|id| key.id.as_deref() == Some(id)),
            };
            named && key.verifier(algorithm).is_some()
        })
    }
}

impl Key {
    /// `None` for a key that verifies nothing here.
    fn read(jwk: &Map<String, Value>) -> Option<Self> {
        let text = |name: &str| jwk.get(name).and_then(Value::as_str);
        // A use or an operation that is there must be the right one (RFC 7517 sections 4.2 and 4.3).
        let for_signatures = match jwk.get("use") {
            None | Some(Value::Null) => true,
            Some(usage) => usage == "sig",
        };
        let may_verify = match jwk.get("key_ops") {
            None | Some(Value::Null) => true,
            Some(operations) => {
                operations.as_array().is_some_and(|all| all.iter().any(|one| one == "verify"))
            }
        };
        if !(for_signatures && may_verify) {
            return None;
        }
        let algorithm = match jwk.get("alg") {
            None | Some(Value::Null) => None,
            // A key for an algorithm that is not known here is of no use, whatever its type.
            Some(name) => Some(Algorithm::of(name.as_str()?)?),
        };
        let bytes = |name: &str| URL_SAFE_NO_PAD.decode(text(name)?.trim_end_matches('=')).ok();
        let one = |algorithm, by: &'static dyn VerificationAlgorithm, key: Vec<u8>| {
            Some(vec![(algorithm, ParsedPublicKey::new(by, key).ok()?)])
        };
        let mut verifiers = match (text("kty")?, text("crv")) {
            ("RSA", _) => {
                let (n, e) = (bytes("n")?, bytes("e")?);
                let (n, e) = (significant(&n)?, significant(&e)?);
                if !can_verify(n, e) {
                    return None;
                }
                let key = RsaPublicKeyComponents { n, e };
                let verifier = |&(own, by)| match algorithm {
                    Some(only) if only != own => None,
                    _ => Some((own, key.to_parsed_public_key(by).ok()?)),
                };
                RSA.iter().filter_map(verifier).collect()
            }
            ("EC", Some("P-256")) => one(Algorithm::ES256, &ECDSA_P256_SHA256_FIXED, point(&bytes, 32)?)?,
            ("EC", Some("P-384")) => one(Algorithm::ES384, &ECDSA_P384_SHA384_FIXED, point(&bytes, 48)?)?,
            ("EC", Some("P-521")) => one(Algorithm::ES512, &ECDSA_P521_SHA512_FIXED, point(&bytes, 66)?)?,
            ("OKP", Some("Ed25519")) => {
                one(Algorithm::EdDSA, &ED25519, bytes("x").filter(|x| x.len() == 32)?)?
            }
            _ => return None,
        };
        verifiers.retain(|(own, _)| algorithm.is_none_or(|only| only == *own));
        (!verifiers.is_empty()).then(|| Self {
            id: text("kid").map(str::to_owned),
            issuer: text("issuer").map(str::to_owned),
            verifiers,
        })
    }

    fn verifier(&self, algorithm: Algorithm) -> Option<&ParsedPublicKey> {
        self.verifiers.iter().find(|(own, _)| *own == algorithm).map(|(_, verifier)| verifier)
    }

    /// A key that names its issuer signs for no other. Microsoft writes `{tenantid}` for those that sign for all tenants.
    fn check_issuer(&self, jws: &Jws) -> Result<(), Refusal> {
        let Some(own) = &self.issuer else { return Ok(()) };
        let text = |name: &str| jws.claims.text(name).unwrap_or_default();
        match own.replace("{tenantid}", text("tid")) == text("iss") {
            true => Ok(()),
            false => Err((JwtCheck::Key, "the key that signed it is another issuer's".to_owned())),
        }
    }
}

/// What an RSA key may verify.
const RSA: &[(Algorithm, &RsaParameters)] = &[
    (Algorithm::RS256, &RSA_PKCS1_2048_8192_SHA256),
    (Algorithm::RS384, &RSA_PKCS1_2048_8192_SHA384),
    (Algorithm::RS512, &RSA_PKCS1_2048_8192_SHA512),
    (Algorithm::PS256, &RSA_PSS_2048_8192_SHA256),
    (Algorithm::PS384, &RSA_PSS_2048_8192_SHA384),
    (Algorithm::PS512, &RSA_PSS_2048_8192_SHA512),
];

/// The bytes of a number without the zeros in front of it; `None` for zero.
fn significant(number: &[u8]) -> Option<&[u8]> {
    number.iter().position(|&byte| byte != 0).map(|at| &number[at..])
}

/// Whether an RSA key with this modulus and this exponent can verify anything. aws-lc-rs looks at most of this only when it verifies,
/// and until then the key would be a candidate that each token without a `kid` is tried with.
fn can_verify(modulus: &[u8], exponent: &[u8]) -> bool {
    let bits =
        |number: &[u8]| number.first().map_or(0, |first| number.len() * 8 - first.leading_zeros() as usize);
    let is_odd = |number: &[u8]| number.last().is_some_and(|last| last & 1 == 1);
    // An exponent of 1 signs whatever it is given; longer ones than 33 bits are nowhere in use, and cost work.
    RSA_BITS.contains(&bits(modulus))
        && is_odd(modulus)
        && is_odd(exponent)
        && (2..=33).contains(&bits(exponent))
}

/// A point in the uncompressed form of SEC 1. That it is on the curve is checked when the key is parsed.
fn point(bytes: &impl Fn(&str) -> Option<Vec<u8>>, length: usize) -> Option<Vec<u8>> {
    let (x, y) = (bytes("x")?, bytes("y")?);
    (x.len() == length && y.len() == length).then(|| [&[4], &*x, &*y].concat())
}

/// Verifies with the client secret.
pub(crate) fn verify_hmac(jws: &Jws, token: &str, algorithm: Algorithm, secret: &str) -> Result<(), Refusal> {
    if secret.len() < algorithm.hash_length() {
        let reason = format!("the client secret is too short to be a key for {algorithm}");
        return Err((JwtCheck::Key, reason));
    }
    let by = match algorithm {
        Algorithm::HS256 => hmac::HMAC_SHA256,
        Algorithm::HS384 => hmac::HMAC_SHA384,
        Algorithm::HS512 => hmac::HMAC_SHA512,
        _ => return Err((JwtCheck::Algorithm, format!("{algorithm} takes no client secret as its key"))),
    };
    let key = hmac::Key::new(by, secret.as_bytes());
    hmac::verify(&key, jws.signed(token), &jws.signature)
        .map_err(|_| (JwtCheck::Signature, "its signature was not made with the client secret".to_owned()))
}
