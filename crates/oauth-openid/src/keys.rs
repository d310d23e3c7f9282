//! The public keys with which a provider signs (RFC 7517), and which of them may verify what.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use oauth_core::{
    Error, JwtCheck, Result,
    serde_json::{Map, Value},
};

use crate::{
    algorithm::Algorithm,
    claims::ClaimsExt,
    crypto::{self, Hash, PublicKey, Signature},
    jws::{Jws, JwtRefusal, quoted, shown},
};

/// The most usable keys of a set. Real ones have fewer than ten.
const MOST_KEYS: usize = 256;
/// The most keys that a token without a `kid` is tried with.
const MOST_TRIED: usize = 8;
/// The longest `kid` of a token. Real ones have fewer than 100 bytes.
const LONGEST_ID: usize = 1024;
/// The most keys of which is remembered why they were left out.
const MOST_LEFT_OUT: usize = 16;
/// The fewest bits of an RSA key (RFC 7518 section 3.3), and the most that the libraries verify with.
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
    /// A configuration error when it is not a JWK set, or holds no key of use.
    pub fn new(document: &Value) -> Result<Self> {
        let wrong =
            |problem: String| Error::configuration("openid", format!("the keys cannot be used: {problem}"));
        let keys = KeySet::read(document).map_err(wrong)?;
        match keys.keys.is_empty() {
            true => Err(wrong("none of them can verify a signature".to_owned())),
            false => Ok(Self(Arc::new(keys))),
        }
    }

    /// Verifies a JWS in compact form (RFC 7515 section 7.1) with these keys, and returns its claims: its form, its algorithm, which must be
    /// one of these, and its signature. What its header and its claims say is the caller's to check.
    ///
    /// For whoever has the keys of somebody that is not a provider, such as that of a proof of possession (RFC 9449 section 4.3).
    ///
    /// # Errors
    ///
    /// Which check failed, and why.
    pub fn verify(
        &self,
        jws: &str,
        algorithms: &[Algorithm],
    ) -> Result<Map<String, Value>, (JwtCheck, String)> {
        let parsed = Jws::parse(jws)?;
        parsed.check_critical()?;
        let algorithm = parsed.algorithm(algorithms)?;
        self.0.verify(&parsed, jws, algorithm)?;
        Ok(parsed.claims)
    }
}

/// The keys of one provider that can verify a signature. Those of unknown types, for encryption, and broken ones are left out,
/// because real servers publish them among good ones.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeySet {
    keys: Vec<VerificationKey>,
    left_out: Vec<LeftOut>,
}

/// A key that verifies nothing here, and why.
#[derive(Clone, Debug)]
struct LeftOut {
    id: Option<String>,
    reason: String,
}

#[derive(Clone, Debug)]
struct VerificationKey {
    id: Option<String>,
    /// Whose key it is, in the sets of Microsoft, where tenants and servers share one.
    issuer: Option<String>,
    /// The key, parsed for each algorithm that it may verify. Never empty.
    verifiers: Vec<(Algorithm, PublicKey)>,
}

impl KeySet {
    /// Reads a document.
    ///
    /// # Errors
    ///
    /// What is wrong with it as a whole.
    pub(crate) fn read(document: &Value) -> Result<Self, String> {
        let keys = document.get("keys").and_then(Value::as_array).ok_or("there is no list of keys in it")?;
        let mut read = Self::default();
        for jwk in keys.iter().filter_map(Value::as_object) {
            match VerificationKey::read(jwk) {
                Ok(key) => read.keys.push(key),
                Err(reason) if read.left_out.len() < MOST_LEFT_OUT => {
                    let id = jwk.get("kid").and_then(Value::as_str).map(str::to_owned);
                    read.left_out.push(LeftOut { id, reason });
                }
                Err(_) => {}
            }
            if read.keys.len() > MOST_KEYS {
                return Err(format!("it has more than {MOST_KEYS} keys"));
            }
        }
        Ok(read)
    }

    /// Whether a key goes by this name.
    pub(crate) fn has_id(&self, id: &str) -> bool {
        self.keys.iter().any(|key| key.id.as_deref() == Some(id))
    }

    /// The names of the keys that have one.
    pub(crate) fn ids(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().filter_map(|key| key.id.as_deref())
    }

    /// Whether any key is one that the token wants.
    pub(crate) fn fits(&self, wanted: &WantedKey) -> bool {
        self.candidates(wanted).next().is_some()
    }

    /// Verifies the signature with the key that the header names, or, where it names none, with each that fits.
    pub(crate) fn verify(&self, jws: &Jws, token: &str, algorithm: Algorithm) -> Result<(), JwtRefusal> {
        let wanted = WantedKey::by(jws, algorithm);
        let mut tried = 0;
        for key in self.candidates(&wanted) {
            if tried == MOST_TRIED {
                break;
            }
            tried += 1;
            if key
                .verifier(algorithm)
                .is_some_and(|verifier| verifier.verifies(jws.signed(token), &jws.signature))
            {
                return key.check_issuer(jws);
            }
        }
        if tried == 0 {
            return Err((JwtCheck::Key, self.why_none_fits(jws, algorithm)));
        }
        Err((JwtCheck::Signature, "its signature is not the provider's".to_owned()))
    }

    fn why_none_fits(&self, jws: &Jws, algorithm: Algorithm) -> String {
        let id = jws.header_text("kid");
        let named = id.map_or("no kid".to_owned(), |id| format!("the kid {}", quoted(id)));
        let mut reason = format!("no key of the provider fits {algorithm} and {named}");
        // A key of the name is the one that the provider meant; without a name, any of them may be.
        for left_out in self.left_out.iter().filter(|one| id.is_none() || one.id.as_deref() == id).take(3) {
            let own = left_out.id.as_deref().map_or("without a kid".to_owned(), quoted);
            reason.push_str(&format!("; its key {own} is left out: {}", left_out.reason));
        }
        if id.is_some() && !self.keys.is_empty() && self.ids().next().is_none() {
            reason.push_str("; none of its keys has a kid, so a token that names one names another key");
        }
        reason
    }

    /// The keys that fit in every respect: a decoy of the same name and another type does not.
    fn candidates<'k>(&'k self, wanted: &'k WantedKey) -> impl Iterator<Item = &'k VerificationKey> {
        self.keys.iter().filter(move |key| {
            let is_named = match &wanted.name {
                KeyId::None => true,
                KeyId::Text(id) => key.id.as_deref() == Some(&**id),
                KeyId::Unusable => false,
            };
            is_named && key.verifier(wanted.algorithm).is_some()
        })
    }
}

/// Which key a token wants. It is all that is kept of a token while keys are read.
#[derive(Clone, Debug)]
pub(crate) struct WantedKey {
    name: KeyId,
    algorithm: Algorithm,
}

/// A token's `kid`.
#[derive(Clone, Debug)]
enum KeyId {
    None,
    Text(String),
    /// No key has such a name.
    Unusable,
}

impl WantedKey {
    pub(crate) fn by(jws: &Jws, algorithm: Algorithm) -> Self {
        let name = match jws.header.get("kid") {
            None => KeyId::None,
            Some(Value::String(id)) if id.len() <= LONGEST_ID => KeyId::Text(id.clone()),
            Some(_) => KeyId::Unusable,
        };
        Self { name, algorithm }
    }

    /// The name of the key, if the token has one.
    pub(crate) fn id(&self) -> Option<&str> {
        match &self.name {
            KeyId::Text(id) => Some(id),
            KeyId::None | KeyId::Unusable => None,
        }
    }

    /// Whether a key could have the name.
    pub(crate) fn can_be_found(&self) -> bool {
        !matches!(self.name, KeyId::Unusable)
    }
}

impl VerificationKey {
    /// Reads a key.
    ///
    /// # Errors
    ///
    /// Why the key verifies nothing here.
    fn read(jwk: &Map<String, Value>) -> Result<Self, String> {
        let text = |name: &str| jwk.get(name).and_then(Value::as_str);
        // A use or an operation that is there must be the right one (RFC 7517 sections 4.2 and 4.3). An empty list of operations
        // says nothing.
        if let Some(usage) = jwk.get("use").filter(|usage| !usage.is_null())
            && usage != "sig"
        {
            return Err(format!(
                "its use is {}, and that of a key for signatures is \"sig\"",
                shown(Some(usage))
            ));
        }
        match jwk.get("key_ops") {
            None | Some(Value::Null) => {}
            Some(Value::Array(all)) if all.is_empty() || all.iter().any(|one| one == "verify") => {}
            Some(other) => return Err(format!("its key_ops are {}, without \"verify\"", shown(Some(other)))),
        }
        let algorithm = match jwk.get("alg") {
            None | Some(Value::Null) => None,
            // A key for an algorithm that is not known here is of no use, whatever its type.
            Some(name) => Some(
                name.as_str()
                    .and_then(Algorithm::of)
                    .ok_or_else(|| format!("its alg is {}, which is not known here", shown(Some(name))))?,
            ),
        };
        let bytes = |name: &str| decoded(text(name)?);
        let one = |algorithm, by, key: Vec<u8>| {
            let key = PublicKey::curve(by, &key).ok_or("its numbers are not those of a public key")?;
            Ok::<_, String>(vec![(algorithm, key)])
        };
        let mut verifiers = match (text("kty"), text("crv")) {
            (Some("RSA"), _) => {
                let (n, e) = bytes("n").zip(bytes("e")).ok_or("its n or e is not a number in base64url")?;
                let (n, e) = significant(&n).zip(significant(&e)).ok_or("its n or e is zero")?;
                can_verify(n, e)?;
                let verifier = |&(own, by)| match algorithm {
                    Some(only) if only != own => None,
                    _ => Some((own, PublicKey::rsa(by, n, e)?)),
                };
                RSA.iter().filter_map(verifier).collect()
            }
            (Some("EC"), Some("P-256")) => one(Algorithm::ES256, Signature::EcdsaP256, point(&bytes, 32)?)?,
            (Some("EC"), Some("P-384")) => one(Algorithm::ES384, Signature::EcdsaP384, point(&bytes, 48)?)?,
            (Some("EC"), Some("P-521")) => one(Algorithm::ES512, Signature::EcdsaP521, point(&bytes, 66)?)?,
            (Some("OKP"), Some("Ed25519")) => {
                let x = bytes("x").filter(|x| x.len() == 32).ok_or("its x is not 32 bytes in base64url")?;
                one(Algorithm::EdDSA, Signature::Ed25519, x)?
            }
            _ => {
                let (kty, crv) = (shown(jwk.get("kty")), shown(jwk.get("crv")));
                return Err(format!("its type is not known here (kty {kty}, crv {crv})"));
            }
        };
        verifiers.retain(|(own, _)| algorithm.is_none_or(|only| only == *own));
        match verifiers.is_empty() {
            true => Err(format!("its alg is {}, which does not fit its type", shown(jwk.get("alg")))),
            false => Ok(Self {
                id: text("kid").map(str::to_owned),
                issuer: text("issuer").map(str::to_owned),
                verifiers,
            }),
        }
    }

    fn verifier(&self, algorithm: Algorithm) -> Option<&PublicKey> {
        self.verifiers.iter().find(|(own, _)| *own == algorithm).map(|(_, verifier)| verifier)
    }

    /// A key that names its issuer signs for no other. Microsoft writes `{tenantid}` for those that sign for all tenants.
    fn check_issuer(&self, jws: &Jws) -> Result<(), JwtRefusal> {
        let Some(own) = &self.issuer else { return Ok(()) };
        let text = |name: &str| jws.claims.text(name).unwrap_or_default();
        match own.replace("{tenantid}", text("tid")) == text("iss") {
            true => Ok(()),
            false => Err((JwtCheck::Key, "the key that signed it is another issuer's".to_owned())),
        }
    }
}

/// What an RSA key may verify.
const RSA: &[(Algorithm, Signature)] = &[
    (Algorithm::RS256, Signature::RsaPkcs1(Hash::Sha256)),
    (Algorithm::RS384, Signature::RsaPkcs1(Hash::Sha384)),
    (Algorithm::RS512, Signature::RsaPkcs1(Hash::Sha512)),
    (Algorithm::PS256, Signature::RsaPss(Hash::Sha256)),
    (Algorithm::PS384, Signature::RsaPss(Hash::Sha384)),
    (Algorithm::PS512, Signature::RsaPss(Hash::Sha512)),
];

/// The bytes of a number without the zeros in front of it; `None` for zero.
fn significant(number: &[u8]) -> Option<&[u8]> {
    number.iter().position(|&byte| byte != 0).map(|at| &number[at..])
}

/// Checks that an RSA key with this modulus and this exponent can verify something. The libraries look at most of this only when they
/// verify, and until then the key would be a candidate that each token without a `kid` is tried with.
fn can_verify(modulus: &[u8], exponent: &[u8]) -> Result<(), String> {
    let bits =
        |number: &[u8]| number.first().map_or(0, |first| number.len() * 8 - first.leading_zeros() as usize);
    let is_odd = |number: &[u8]| number.last().is_some_and(|last| last & 1 == 1);
    if !RSA_BITS.contains(&bits(modulus)) {
        let (least, most) = (RSA_BITS.start(), RSA_BITS.end());
        return Err(format!(
            "it is an RSA key of {} bits, and those of {least} to {most} are accepted",
            bits(modulus)
        ));
    }
    // An exponent of 1 signs whatever it is given; longer ones than 33 bits are nowhere in use, and cost work.
    match is_odd(modulus) && is_odd(exponent) && (2..=33).contains(&bits(exponent)) {
        true => Ok(()),
        false => Err("its numbers are not those of an RSA key".to_owned()),
    }
}

/// The bytes of a member. Some servers write the alphabet of plain base64, or padding; most libraries read both, and there is one
/// meaning to it.
fn decoded(text: &str) -> Option<Vec<u8>> {
    let url_safe = text.trim_end_matches('=').replace('+', "-").replace('/', "_");
    URL_SAFE_NO_PAD.decode(url_safe).ok()
}

/// A point in the uncompressed form of SEC 1. That it is on the curve is checked when the key is parsed. Some servers leave zeros
/// in front of a coordinate out, or write one too many; the number is the same.
fn point(bytes: &impl Fn(&str) -> Option<Vec<u8>>, length: usize) -> Result<Vec<u8>, String> {
    let mut point = vec![4];
    for name in ["x", "y"] {
        let coordinate = bytes(name).ok_or_else(|| format!("its {name} is not a number in base64url"))?;
        let coordinate = significant(&coordinate).unwrap_or_default();
        let zeros = length.checked_sub(coordinate.len());
        let zeros = zeros.ok_or_else(|| format!("its {name} is too long for its curve"))?;
        point.resize(point.len() + zeros, 0);
        point.extend_from_slice(coordinate);
    }
    Ok(point)
}

/// Verifies with the client secret.
pub(crate) fn verify_hmac(
    jws: &Jws,
    token: &str,
    algorithm: Algorithm,
    secret: &str,
) -> Result<(), JwtRefusal> {
    if secret.len() < algorithm.hash_length() {
        let reason = format!("the client secret is too short to be a key for {algorithm}");
        return Err((JwtCheck::Key, reason));
    }
    if !algorithm.is_symmetric() {
        return Err((JwtCheck::Algorithm, format!("{algorithm} takes no client secret as its key")));
    }
    match crypto::verify_hmac(algorithm.hash(), secret.as_bytes(), jws.signed(token), &jws.signature) {
        true => Ok(()),
        false => Err((JwtCheck::Signature, "its signature was not made with the client secret".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use oauth_core::serde_json::json;

    use super::*;

    fn ed25519(others: Value) -> Value {
        let mut key = json!({"kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode([1; 32])});
        for (name, value) in others.as_object().unwrap() {
            key[name] = value.clone();
        }
        key
    }

    fn set(keys: &[Value]) -> Result<KeySet, String> {
        KeySet::read(&json!({ "keys": keys }))
    }

    /// The least odd number with so many bits.
    fn number(bits: usize) -> Vec<u8> {
        let mut number = vec![0; bits.div_ceil(8)];
        number[0] = 1 << ((bits - 1) % 8);
        *number.last_mut().unwrap() |= 1;
        number
    }

    #[test]
    fn an_rsa_key_has_a_length_and_an_exponent_that_can_verify() {
        let usual = [1, 0, 1];
        for (bits, is_good) in [(2_047, false), (2_048, true), (2_049, true), (8_192, true), (8_193, false)] {
            assert_eq!(can_verify(&number(bits), &usual).is_ok(), is_good, "{bits}");
        }
        assert!(can_verify(&number(1_023), &usual).unwrap_err().contains("an RSA key of 1023 bits"));
        let mut even = number(2_048);
        *even.last_mut().unwrap() ^= 1;
        assert!(can_verify(&even, &usual).is_err());
        let modulus = number(2_048);
        for (exponent, is_good) in [
            (vec![1], false),
            (vec![2], false),
            (vec![3], true),
            (vec![1, 0, 0], false),
            (number(33), true),
            (number(34), false),
        ] {
            assert_eq!(can_verify(&modulus, &exponent).is_ok(), is_good, "{exponent:?}");
        }
    }

    #[test]
    fn a_key_for_something_else_is_left_out_and_says_why() {
        for (members, reason) in [
            (json!({}), None),
            (json!({"use": "sig", "key_ops": ["verify"], "alg": "EdDSA"}), None),
            (json!({"use": null, "key_ops": null, "alg": null}), None),
            (json!({"key_ops": []}), None),
            (json!({"alg": "Ed25519"}), None),
            (json!({"use": "enc"}), Some("its use is \"enc\"")),
            (json!({"key_ops": ["sign"]}), Some("without \"verify\"")),
            (json!({"key_ops": "verify"}), Some("without \"verify\"")),
            (json!({"alg": "RS256"}), Some("does not fit its type")),
            (json!({"alg": "ES256K"}), Some("is not known here")),
            (json!({"alg": 1}), Some("is not known here")),
            (json!({"crv": "Ed448"}), Some("its type is not known here (kty \"OKP\", crv \"Ed448\")")),
            (json!({"x": URL_SAFE_NO_PAD.encode([1; 31])}), Some("its x is not 32 bytes")),
        ] {
            let read = set(&[ed25519(members.clone())]).unwrap();
            assert_eq!(read.keys.len(), usize::from(reason.is_none()), "{members}");
            let told: Vec<_> = read.left_out.iter().map(|left_out| &*left_out.reason).collect();
            assert_eq!(told.len(), usize::from(reason.is_some()), "{members}");
            assert!(told.iter().all(|told| told.contains(reason.unwrap_or_default())), "{members}: {told:?}");
        }
    }

    #[test]
    fn the_keys_of_a_set_are_bounded() {
        let keys = |count: usize| vec![ed25519(json!({})); count];
        assert_eq!(set(&keys(MOST_KEYS)).unwrap().keys.len(), MOST_KEYS);
        assert!(set(&keys(MOST_KEYS + 1)).unwrap_err().contains("more than 256 keys"));
        let useless = vec![ed25519(json!({"use": "enc", "kid": "e"})); MOST_LEFT_OUT + 1];
        assert_eq!(set(&useless).unwrap().left_out.len(), MOST_LEFT_OUT);
    }

    fn jws(header: &Value, claims: &Value) -> Jws {
        let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
        Jws::parse(&format!("{}.{}.AA", encode(header), encode(claims))).unwrap()
    }

    #[test]
    fn a_kid_is_no_longer_than_that_of_a_key() {
        let wanted = |kid: Value| WantedKey::by(&jws(&json!({ "kid": kid }), &json!({})), Algorithm::EdDSA);
        let longest = "k".repeat(LONGEST_ID);
        assert_eq!(wanted(json!(longest)).id(), Some(&*longest));
        assert!(wanted(json!(longest)).can_be_found());
        for unusable in [json!(format!("{longest}k")), json!(1), json!(null)] {
            assert_eq!(wanted(unusable.clone()).id(), None);
            assert!(!wanted(unusable).can_be_found());
        }
    }

    #[test]
    fn a_token_whose_key_is_missing_is_told_which_keys_were_left_out() {
        let why = |keys: &[Value], header: Value| {
            set(keys).unwrap().why_none_fits(&jws(&header, &json!({})), Algorithm::ES256)
        };
        let left_out = |id: &str| ed25519(json!({"use": "enc", "kid": id}));
        let why_a = why(&[left_out("a"), left_out("b")], json!({"kid": "a"}));
        assert!(why_a.contains("its key \"a\" is left out") && !why_a.contains("\"b\""), "{why_a}");
        let any = why(&[left_out("a"), left_out("b")], json!({}));
        assert!(any.contains("no kid") && any.contains("\"a\"") && any.contains("\"b\""), "{any}");
        let nameless = "none of its keys has a kid";
        assert!(why(&[ed25519(json!({}))], json!({"kid": "a"})).contains(nameless));
        assert!(!why(&[ed25519(json!({}))], json!({})).contains(nameless));
        assert!(!why(&[ed25519(json!({"kid": "b"}))], json!({"kid": "a"})).contains(nameless));
        assert!(!why(&[], json!({"kid": "a"})).contains(nameless));
    }

    #[test]
    fn a_number_is_read_however_its_server_writes_it() {
        assert_eq!(decoded("-_8"), Some(vec![251, 255]));
        assert_eq!(decoded("+/8="), Some(vec![251, 255]));
        assert_eq!(decoded("*"), None);
        assert_eq!(significant(&[0, 0, 7, 0]), Some(&[7, 0][..]));
        assert_eq!(significant(&[0, 0]), None);
        let of = |coordinate: &[u8]| point(&|_: &str| Some(coordinate.to_vec()), 2);
        assert_eq!(of(&[1, 2]), Ok(vec![4, 1, 2, 1, 2]));
        assert_eq!(of(&[1]), Ok(vec![4, 0, 1, 0, 1]));
        assert_eq!(of(&[0, 1, 2]), Ok(vec![4, 1, 2, 1, 2]));
        assert!(of(&[1, 2, 3]).unwrap_err().contains("too long"));
        assert!(point(&|_: &str| None, 2).is_err());
    }

    #[test]
    fn a_key_of_one_issuer_signs_for_no_other() {
        let signs = |issuer: Option<&str>, claims: Value| {
            let key = VerificationKey { id: None, issuer: issuer.map(str::to_owned), verifiers: Vec::new() };
            key.check_issuer(&jws(&json!({}), &claims)).is_ok()
        };
        let of_all_tenants = Some("https://login.example/{tenantid}/v2.0");
        assert!(signs(None, json!({"iss": "https://anyone.example"})));
        assert!(signs(Some("https://a.example"), json!({"iss": "https://a.example"})));
        assert!(!signs(Some("https://a.example"), json!({"iss": "https://b.example"})));
        assert!(signs(of_all_tenants, json!({"iss": "https://login.example/t/v2.0", "tid": "t"})));
        assert!(!signs(of_all_tenants, json!({"iss": "https://login.example/t/v2.0", "tid": "u"})));
    }

    #[test]
    fn a_client_secret_is_a_key_if_it_is_long_enough() {
        let token = "e30.e30.AA";
        let jws = Jws::parse(token).unwrap();
        let check = |algorithm, secret: String| verify_hmac(&jws, token, algorithm, &secret).unwrap_err().0;
        assert_eq!(check(Algorithm::HS256, "s".repeat(31)), JwtCheck::Key);
        assert_eq!(check(Algorithm::HS256, "s".repeat(32)), JwtCheck::Signature);
        assert_eq!(check(Algorithm::RS256, "s".repeat(32)), JwtCheck::Algorithm);
    }

    #[test]
    fn a_set_is_asked_for_its_keys_by_name() {
        let keys = set(&[ed25519(json!({"kid": "a"})), ed25519(json!({}))]).unwrap();
        assert!(keys.has_id("a") && !keys.has_id("b"));
        assert_eq!(keys.ids().collect::<Vec<_>>(), ["a"]);
        let fits = |header: Value| keys.fits(&WantedKey::by(&jws(&header, &json!({})), Algorithm::EdDSA));
        assert!(
            fits(json!({"kid": "a"}))
                && fits(json!({}))
                && !fits(json!({"kid": "b"}))
                && !fits(json!({"kid": 1}))
        );
        assert!(JwkSet::new(&json!({"keys": []})).is_err() && JwkSet::new(&json!({})).is_err());
        let refused = JwkSet::new(&json!({"keys": [ed25519(json!({}))]}))
            .unwrap()
            .verify("e30.e30.AA", &[Algorithm::EdDSA]);
        assert_eq!(refused.unwrap_err().0, JwtCheck::Algorithm);
    }
}
