//! Signed JWTs that applications send: client assertions, request objects, proofs of possession (RFC 7515, RFC 7519).
//!
//! They are taken apart and verified here and not by a JWT library, because what is refused must be said, and because every
//! algorithm that an application can sign with is to be known.

use aws_lc_rs::{
    hmac,
    signature::{self, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

use crate::{crypto, signing_alg::SigningAlg};

/// A JWT in compact form, not verified yet.
pub(crate) struct ReceivedJwt {
    pub(crate) header: Map<String, Value>,
    pub(crate) claims: Map<String, Value>,
    signed: String,
    signature: Vec<u8>,
}

impl ReceivedJwt {
    /// Takes a JWT apart.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split('.').collect();
        let [header, claims, signature] = parts[..] else {
            return Err("is not a JWT of three parts".to_owned());
        };
        let object = |part: &str, name: &str| {
            let bytes =
                URL_SAFE_NO_PAD.decode(part).map_err(|_| format!("has a {name} that is not base64url"))?;
            match serde_json::from_slice(&bytes) {
                Ok(Value::Object(object)) => Ok(object),
                _ => Err(format!("has a {name} that is not a JSON object")),
            }
        };
        Ok(Self {
            header: object(header, "header")?,
            claims: object(claims, "payload")?,
            signed: format!("{header}.{claims}"),
            signature: URL_SAFE_NO_PAD
                .decode(signature)
                .map_err(|_| "has a signature that is not base64url".to_owned())?,
        })
    }

    /// A claim that is a text.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.claims.get(name).and_then(Value::as_str)
    }

    /// A claim that is a time.
    pub(crate) fn time(&self, name: &str) -> Option<i64> {
        let value = self.claims.get(name).filter(|value| value.is_number())?.to_string();
        // A NumericDate may have a fraction (RFC 7519 section 2).
        value.split('.').next()?.parse().ok()
    }

    /// The header's member `typ`, in lower case and without `application/` (RFC 7515 section 4.1.9).
    pub(crate) fn typ(&self) -> Option<String> {
        let typ = self.header.get("typ")?.as_str()?.to_ascii_lowercase();
        Some(typ.strip_prefix("application/").map(str::to_owned).unwrap_or(typ))
    }

    /// The algorithm, if it is one that signs.
    pub(crate) fn alg(&self) -> Result<SigningAlg, String> {
        let name = self.header.get("alg").and_then(Value::as_str).unwrap_or_default();
        serde_json::from_value(json!(name)).map_err(|_| format!("is signed by the algorithm {name:?}"))
    }

    /// Verifies the signature with the key of a key set that has the header's `kid`, or with its only key.
    pub(crate) fn verify_in(&self, set: &Value) -> Result<(), String> {
        let empty = Vec::new();
        let keys = set.get("keys").and_then(Value::as_array).unwrap_or(&empty);
        let kid = self.header.get("kid");
        let mut fitting = keys.iter().filter_map(Value::as_object).filter(|key| match kid {
            Some(kid) => key.get("kid") == Some(kid),
            None => keys.len() == 1,
        });
        let key = fitting.next().ok_or("is signed with a key that is not registered")?;
        self.verify_with_key(key)
    }

    /// Verifies the signature with a public key (RFC 7517).
    pub(crate) fn verify_with_key(&self, jwk: &Map<String, Value>) -> Result<(), String> {
        let alg = self.alg()?;
        let text = |name: &str| jwk.get(name).and_then(Value::as_str).unwrap_or_default();
        let number = |name: &str| {
            URL_SAFE_NO_PAD.decode(text(name)).map_err(|_| format!("has a key whose {name} is not base64url"))
        };
        let fits = match alg {
            SigningAlg::ES256 => (text("kty"), text("crv")) == ("EC", "P-256"),
            SigningAlg::ES384 => (text("kty"), text("crv")) == ("EC", "P-384"),
            SigningAlg::ES512 => (text("kty"), text("crv")) == ("EC", "P-521"),
            SigningAlg::EdDSA => (text("kty"), text("crv")) == ("OKP", "Ed25519"),
            SigningAlg::HS256 | SigningAlg::HS384 | SigningAlg::HS512 => false,
            _ => text("kty") == "RSA",
        };
        if !fits {
            return Err(format!("is signed by {alg}, for which the key is none"));
        }
        let verified = match rsa(alg) {
            Some(parameters) => {
                let key = RsaPublicKeyComponents { n: number("n")?, e: number("e")? };
                key.verify(parameters, self.signed.as_bytes(), &self.signature)
            }
            None => {
                let point = match alg {
                    SigningAlg::EdDSA => number("x")?,
                    // An uncompressed point: a 4, then both coordinates.
                    _ => [vec![4], number("x")?, number("y")?].concat(),
                };
                UnparsedPublicKey::new(curve(alg), point).verify(self.signed.as_bytes(), &self.signature)
            }
        };
        verified.map_err(|_| "has a signature that does not fit".to_owned())
    }

    /// Verifies the signature with a secret, which must be as long as the digest (RFC 7518 section 3.2).
    pub(crate) fn verify_with_secret(&self, secret: &str) -> Result<(), String> {
        let (algorithm, least) = match self.alg()? {
            SigningAlg::HS256 => (hmac::HMAC_SHA256, 32),
            SigningAlg::HS384 => (hmac::HMAC_SHA384, 48),
            SigningAlg::HS512 => (hmac::HMAC_SHA512, 64),
            alg => return Err(format!("is signed by {alg}, not by the client secret")),
        };
        if secret.len() < least {
            return Err(format!("is signed with a secret that has fewer than {least} bytes"));
        }
        let key = hmac::Key::new(algorithm, secret.as_bytes());
        hmac::verify(&key, self.signed.as_bytes(), &self.signature)
            .map_err(|_| "has a signature that does not fit".to_owned())
    }

    /// Whether one of these is the audience; `alone` wants it as one text (RFC 7519 section 4.1.3).
    pub(crate) fn is_for(&self, accepted: &[String], alone: bool) -> bool {
        let is_accepted =
            |value: &Value| value.as_str().is_some_and(|one| accepted.iter().any(|url| url == one));
        match self.claims.get("aud") {
            Some(Value::Array(all)) => !alone && all.iter().any(is_accepted),
            Some(one) => is_accepted(one),
            None => false,
        }
    }

    /// Checks `exp`, which must be there and not too far away, and `nbf` and `iat` where they are there.
    pub(crate) fn check_times(&self, now: i64, longest: i64) -> Result<(), String> {
        let exp = self.time("exp").ok_or("has no exp")?;
        if exp <= now {
            return Err(format!("expired {} s ago", now - exp));
        }
        if exp > now + longest {
            return Err(format!("expires in {} s; {longest} s are the most", exp - now));
        }
        for name in ["nbf", "iat"] {
            if self.time(name).is_some_and(|time| time > now + CLOCK_SKEW) {
                return Err(format!("is from the future ({name})"));
            }
        }
        Ok(())
    }
}

/// How far clocks may differ, in seconds.
pub(crate) const CLOCK_SKEW: i64 = 60;

/// The thumbprint of a public key (RFC 7638), or nothing for a key that lacks a member.
pub(crate) fn thumbprint(jwk: &Map<String, Value>) -> Option<String> {
    let names: &[&str] = match jwk.get("kty")?.as_str()? {
        "EC" => &["crv", "kty", "x", "y"],
        "OKP" => &["crv", "kty", "x"],
        "RSA" => &["e", "kty", "n"],
        _ => return None,
    };
    let members: Option<Vec<String>> = names
        .iter()
        .map(|name| Some(format!("{}:{}", json!(name), json!(jwk.get(*name)?.as_str()?))))
        .collect();
    Some(crypto::s256(&format!("{{{}}}", members?.join(","))))
}

fn rsa(alg: SigningAlg) -> Option<&'static RsaParameters> {
    Some(match alg {
        SigningAlg::RS256 => &signature::RSA_PKCS1_2048_8192_SHA256,
        SigningAlg::RS384 => &signature::RSA_PKCS1_2048_8192_SHA384,
        SigningAlg::RS512 => &signature::RSA_PKCS1_2048_8192_SHA512,
        SigningAlg::PS256 => &signature::RSA_PSS_2048_8192_SHA256,
        SigningAlg::PS384 => &signature::RSA_PSS_2048_8192_SHA384,
        SigningAlg::PS512 => &signature::RSA_PSS_2048_8192_SHA512,
        _ => return None,
    })
}

fn curve(alg: SigningAlg) -> &'static dyn VerificationAlgorithm {
    match alg {
        SigningAlg::ES384 => &signature::ECDSA_P384_SHA384_FIXED,
        SigningAlg::ES512 => &signature::ECDSA_P521_SHA512_FIXED,
        SigningAlg::EdDSA => &signature::ED25519,
        _ => &signature::ECDSA_P256_SHA256_FIXED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thumbprint_matches_rfc_7638() {
        let jwk = json!({
            "kty": "RSA",
            "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
            "e": "AQAB",
            "alg": "RS256",
            "kid": "2011-04-29",
        });
        let Value::Object(jwk) = jwk else { panic!() };
        assert_eq!(thumbprint(&jwk).as_deref(), Some("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"));
    }
}
