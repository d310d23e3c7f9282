//! Private keys as JWKs (RFC 7517, RFC 7518 section 6, RFC 8037).

use aws_lc_rs::{
    rsa::{KeyPairComponents, PublicKeyComponents},
    signature::{EcdsaKeyPair, Ed25519KeyPair, RsaKeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use oauth_core::Secret;
use oauth_openid::Algorithm;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::{
    key_error::KeyError,
    keys::{
        algorithms::{Family, family, private_key_name, wrong_curve, wrong_kind},
        der::{check_size, form},
        private_key::PrivateKey,
    },
};

/// The members of a private JWK that say something here.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    crv: Option<String>,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    n: Option<Secret>,
    e: Option<Secret>,
    x: Option<Secret>,
    y: Option<Secret>,
    d: Option<Secret>,
    p: Option<Secret>,
    q: Option<Secret>,
    dp: Option<Secret>,
    dq: Option<Secret>,
    qi: Option<Secret>,
    oth: Option<Vec<serde::de::IgnoredAny>>,
}

/// The key in the text of a JWK, and its `kid`.
pub(crate) fn read(jwk: &str, algorithm: Algorithm) -> Result<(PrivateKey, Option<String>), KeyError> {
    // serde's own text could quote the key.
    let jwk: Jwk = serde_json::from_str(jwk).map_err(|error| {
        KeyError::Form(format!("it is not a JWK (line {}, column {})", error.line(), error.column()))
    })?;
    check_purpose(&jwk, algorithm)?;
    let key = match &*jwk.kty {
        "RSA" => rsa(&jwk, algorithm)?,
        "EC" => ec(&jwk, algorithm)?,
        "OKP" => okp(&jwk, algorithm)?,
        "oct" => return Err(wrong_kind("a symmetric key, which is a secret for ClientSecretJwt", algorithm)),
        _ => return Err(form("its kty is none of RSA, EC and OKP")),
    };
    Ok((key, jwk.kid))
}

/// Checks what the key may be used for (RFC 7517 sections 4.2 to 4.4).
fn check_purpose(jwk: &Jwk, algorithm: Algorithm) -> Result<(), KeyError> {
    if let Some(alg) = jwk.alg.as_deref().filter(|alg| Algorithm::of(alg) != Some(algorithm)) {
        let alg: String = alg.chars().take(40).collect();
        return Err(wrong_kind(&format!("a key whose alg is {alg:?}"), algorithm));
    }
    if jwk.usage.as_deref().is_some_and(|usage| usage != "sig") {
        return Err(wrong_kind("a key whose use is not \"sig\"", algorithm));
    }
    if jwk.key_ops.as_ref().is_some_and(|all| !all.is_empty() && !all.iter().any(|one| one == "sign")) {
        return Err(wrong_kind("a key whose key_ops lack \"sign\"", algorithm));
    }
    Ok(())
}

fn rsa(jwk: &Jwk, algorithm: Algorithm) -> Result<PrivateKey, KeyError> {
    let Family::Rsa(encoding) = family(algorithm)? else { return Err(wrong_kind("an RSA key", algorithm)) };
    let modulus = number("n", jwk.n.as_ref())?;
    check_size(significant(&modulus))?;
    let exponent = number("e", jwk.e.as_ref())?;
    let d = private("d", jwk.d.as_ref())?;
    if jwk.oth.is_some() {
        return Err(form("its RSA key has more than two primes"));
    }
    let [p, q, dp, dq, qi] =
        [("p", &jwk.p), ("q", &jwk.q), ("dp", &jwk.dp), ("dq", &jwk.dq), ("qi", &jwk.qi)]
            .map(|(name, value)| number(name, value.as_ref()));
    let components = KeyPairComponents {
        public_key: PublicKeyComponents { n: significant(&modulus), e: significant(&exponent) },
        d: d.as_slice(),
        p: &p?,
        q: &q?,
        dP: &dp?,
        dQ: &dq?,
        qInv: &qi?,
    };
    let key = RsaKeyPair::from_components(&components)
        .map_err(|_| form("the numbers of its RSA key do not belong together"))?;
    Ok(PrivateKey::Rsa(key, encoding))
}

fn ec(jwk: &Jwk, algorithm: Algorithm) -> Result<PrivateKey, KeyError> {
    let crv = jwk.crv.as_deref().ok_or_else(|| form("its JWK has no crv"))?;
    if crv != private_key_name(algorithm) {
        return Err(wrong_curve(crv, algorithm));
    }
    let Family::Ec(curve) = family(algorithm)? else { return Err(wrong_curve(crv, algorithm)) };
    let d = padded("d", &private("d", jwk.d.as_ref())?, curve.bytes)?;
    let mut point = vec![4];
    for (name, value) in [("x", &jwk.x), ("y", &jwk.y)] {
        point.extend_from_slice(&padded(name, &number(name, value.as_ref())?, curve.bytes)?);
    }
    EcdsaKeyPair::from_private_key_and_public_key(curve.signing, &d, &point)
        .map(PrivateKey::Ec)
        .map_err(|_| form("the numbers of its EC key do not belong together"))
}

fn okp(jwk: &Jwk, algorithm: Algorithm) -> Result<PrivateKey, KeyError> {
    match jwk.crv.as_deref() {
        Some("Ed25519") => {}
        Some(other) => return Err(wrong_curve(other, algorithm)),
        None => return Err(form("its JWK has no crv")),
    }
    let Family::Ed25519 = family(algorithm)? else {
        return Err(wrong_kind("an Ed25519 key, which signs by EdDSA", algorithm));
    };
    let (seed, public) = (private("d", jwk.d.as_ref())?, number("x", jwk.x.as_ref())?);
    if seed.len() != 32 {
        return Err(form("its d is not 32 bytes"));
    }
    Ed25519KeyPair::from_seed_and_public_key(&seed, &public)
        .map(PrivateKey::Ed25519)
        .map_err(|_| form("the two halves of its Ed25519 key do not belong together"))
}

/// The member without which it is a public key.
fn private(name: &str, member: Option<&Secret>) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    match member {
        Some(_) => number(name, member),
        None => Err(KeyError::Public("a public JWK")),
    }
}

fn number(name: &str, member: Option<&Secret>) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let text = member.ok_or_else(|| KeyError::Form(format!("its JWK has no {name}")))?;
    let bytes = URL_SAFE_NO_PAD.decode(text.expose().trim_end_matches('='));
    bytes.map(Zeroizing::new).map_err(|_| KeyError::Form(format!("its {name} is not a number in base64url")))
}

/// A number without the zeros in front of it.
fn significant(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|&&byte| byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

/// A number of this length. Some leave zeros in front of it out, or write one too many.
fn padded(name: &str, number: &[u8], bytes: usize) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let number = significant(number);
    let zeros = bytes.checked_sub(number.len());
    let zeros = zeros.ok_or_else(|| KeyError::Form(format!("its {name} is too long for its curve")))?;
    let mut padded = Zeroizing::new(Vec::with_capacity(bytes));
    padded.resize(zeros, 0);
    padded.extend_from_slice(number);
    Ok(padded)
}
