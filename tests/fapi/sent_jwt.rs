//! What a server sees of a JWT that a client signed.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ED25519,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters,
    RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

/// Header and claims, whoever signed them.
pub(crate) fn parts(jwt: &str) -> (Value, Value) {
    let mut parts = jwt.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).unwrap());
    let mut next = || serde_json::from_slice(&parts.next().unwrap());
    (next().unwrap(), next().unwrap())
}

/// Header and claims, which this public key vouches for.
pub(crate) fn verified(jwt: &str, key: &Map<String, Value>) -> (Value, Value) {
    let (signed, signature) = jwt.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let (header, claims) = parts(jwt);
    let member = |name: &str| URL_SAFE_NO_PAD.decode(key[name].as_str().unwrap()).unwrap();
    let rsa = |by: &'static RsaParameters| {
        let key = RsaPublicKeyComponents { n: member("n"), e: member("e") };
        key.verify(by, signed.as_bytes(), &signature).unwrap();
    };
    let other = |by: &'static dyn VerificationAlgorithm, key: Vec<u8>| {
        UnparsedPublicKey::new(by, key).verify(signed.as_bytes(), &signature).unwrap();
    };
    let point = || [vec![4], member("x"), member("y")].concat();
    match header["alg"].as_str().unwrap() {
        "RS256" => rsa(&RSA_PKCS1_2048_8192_SHA256),
        "RS384" => rsa(&RSA_PKCS1_2048_8192_SHA384),
        "RS512" => rsa(&RSA_PKCS1_2048_8192_SHA512),
        "PS256" => rsa(&RSA_PSS_2048_8192_SHA256),
        "PS384" => rsa(&RSA_PSS_2048_8192_SHA384),
        "PS512" => rsa(&RSA_PSS_2048_8192_SHA512),
        "ES256" => other(&ECDSA_P256_SHA256_FIXED, point()),
        "ES384" => other(&ECDSA_P384_SHA384_FIXED, point()),
        "ES512" => other(&ECDSA_P521_SHA512_FIXED, point()),
        "EdDSA" => other(&ED25519, member("x")),
        alg => panic!("{alg}"),
    }
    (header, claims)
}
