//! ID tokens and the keys that sign them.

use anyhow::Result;
use aws_lc_rs::{
    rand::SystemRandom,
    rsa::{KeyPair as RsaKeyPair, KeySize},
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair,
        KeyPair, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaPublicKeyComponents,
    },
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

pub use oauth_by_hand::CLIENT_ID;

pub const SUBJECT: &str = "248289761001";

pub enum JwtSigner {
    Rs256(RsaKeyPair),
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
}

impl JwtSigner {
    pub fn rs256() -> Result<Self> {
        Ok(Self::Rs256(RsaKeyPair::generate(KeySize::Rsa2048)?))
    }

    pub fn es256() -> Result<Self> {
        Ok(Self::Es256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?))
    }

    pub fn eddsa() -> Result<Self> {
        Ok(Self::EdDsa(Ed25519KeyPair::generate()?))
    }

    pub fn algorithm(&self) -> &'static str {
        match self {
            Self::Rs256(_) => "RS256",
            Self::Es256(_) => "ES256",
            Self::EdDsa(_) => "EdDSA",
        }
    }

    pub fn token(&self, claims: &Value) -> String {
        let header = json!({"alg": self.algorithm(), "kid": "2026-a", "typ": "JWT"});
        let [header, claims] = [&header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let signed = format!("{header}.{claims}");
        let signature = match self {
            Self::Rs256(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
                    .expect("it signs");
                signature
            }
            Self::Es256(key) => {
                let signature = key.sign(&SystemRandom::new(), signed.as_bytes()).expect("it signs");
                signature.as_ref().to_vec()
            }
            Self::EdDsa(key) => key.sign(signed.as_bytes()).as_ref().to_vec(),
        };
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    pub fn jwk(&self) -> Value {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let mut key = match self {
            Self::Rs256(key) => {
                let key = key.public_key();
                let [n, e] = [key.modulus(), key.exponent()]
                    .map(|number| encode(number.big_endian_without_leading_zero()));
                json!({"kty": "RSA", "n": n, "e": e})
            }
            Self::Es256(key) => {
                let point = key.public_key().as_ref();
                json!({"kty": "EC", "crv": "P-256", "x": encode(&point[1..33]), "y": encode(&point[33..])})
            }
            Self::EdDsa(key) => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": encode(key.public_key().as_ref())})
            }
        };
        for (name, value) in [("kid", "2026-a"), ("use", "sig"), ("alg", self.algorithm())] {
            key[name] = value.into();
        }
        key
    }

    pub fn jwks(&self) -> Value {
        json!({"keys": [self.jwk()]})
    }

    /// The key as aws-lc-rs verifies with it fastest.
    pub fn parsed(&self) -> Result<ParsedPublicKey> {
        Ok(match self {
            Self::Rs256(key) => {
                let key = key.public_key();
                let n = key.modulus().big_endian_without_leading_zero().to_vec();
                let e = key.exponent().big_endian_without_leading_zero().to_vec();
                RsaPublicKeyComponents { n, e }.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256)?
            }
            Self::Es256(key) => ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key.public_key().as_ref())?,
            Self::EdDsa(key) => ParsedPublicKey::new(&ED25519, key.public_key().as_ref())?,
        })
    }
}

pub fn now() -> i64 {
    time::OffsetDateTime::now_utc().unix_timestamp()
}

pub fn claims(issuer: &str, nonce: &str) -> Value {
    json!({
        "iss": issuer, "sub": SUBJECT, "aud": CLIENT_ID, "azp": CLIENT_ID, "nonce": nonce,
        "iat": now(), "exp": now() + 3600, "auth_time": now() - 5,
        "email": "ada@example.com", "email_verified": true, "name": "Ada Lovelace", "given_name": "Ada",
        "family_name": "Lovelace", "picture": "https://images.example.com/u/248289761001.png", "locale": "en",
    })
}
